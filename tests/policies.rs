//! Policies and origins through the doors: who comes in, what those are told who do not, and what stops a start.

use std::{fs, sync::Arc};

use serde_json::json;
use socketpass::{
    grpc::{convert::reason_name, pb::Handshake},
    session_store::MemoryStore,
};
use tempfile::TempDir;

use crate::support::{
    SECRET, cookie,
    http::send,
    process::Process,
    service::{
        Client, Service, ServiceProcess, authorize, command, config, explain, socketpass, with_cookie,
        with_headers,
    },
};

const POLICY: &str = r#"
    user.logged_in && (socket.namespace != "/admin" || user.role == "admin")
        || socket.namespace == "/public" && !socket.remote_address.startsWith("192.0.2.")
"#;

async fn start(settings: &[(&str, &str)]) -> (Service, Client) {
    let store = MemoryStore::new();
    for (id, user) in [
        ("admin", json!({"id": 1, "role": "admin"})),
        ("member", json!({"id": 2, "role": "member"})),
        ("other", json!({"id": 3})),
    ] {
        store.insert(id, json!({"cookie": {}, "passport": {"user": user}}).to_string());
    }
    let service = Service::start_on(settings, Arc::new(store)).await;
    let client = service.client().await;
    (service, client)
}

fn handshake(session: Option<&str>, namespace: &str, remote_address: &str) -> Handshake {
    let handshake = session.map_or_else(Handshake::default, |id| with_cookie(&cookie(id)));
    Handshake { namespace: namespace.to_owned(), remote_address: remote_address.to_owned(), ..handshake }
}

#[tokio::test]
async fn a_policy_sees_who_it_is_and_which_socket() {
    let (_service, mut client) = start(&[("POLICY_ACCEPT", POLICY), ("POLICY_MESSAGE", "Not in here")]).await;
    for (session, namespace, address, expected) in [
        (Some("admin"), "/admin", "", (true, "AUTHORIZED", "")),
        (Some("member"), "/admin", "", (false, "DENIED_BY_POLICY", "Not in here")),
        (Some("member"), "/chat", "", (true, "AUTHORIZED", "")),
        (None, "/public", "198.51.100.7", (true, "NO_SESSION_ID", "")),
        (None, "/public", "192.0.2.7", (false, "NO_SESSION_ID", "No session found")),
        // What the gateway does not say is empty.
        (None, "", "", (false, "NO_SESSION_ID", "No session found")),
    ] {
        let answer = authorize(&mut client, handshake(session, namespace, address)).await;
        let reason = reason_name(answer.reason());
        assert_eq!(
            (answer.accepted, &*reason, &*answer.message),
            expected,
            "{session:?} {namespace} {address}"
        );
    }
}

#[tokio::test]
async fn a_policy_that_fails_denies_and_is_counted_and_explained() {
    let (service, mut client) = start(&[("POLICY_ACCEPT", "user.role == 'admin'")]).await;
    let failures = async || {
        let metrics = send(&service.http, "GET", "/metrics", &[], "").await.body;
        let line = metrics.lines().find(|line| line.starts_with("socketpass_policy_failures_total")).unwrap();
        line.rsplit(' ').next().unwrap().parse::<u32>().unwrap()
    };
    assert!(authorize(&mut client, handshake(Some("admin"), "", "")).await.accepted);
    assert!(!authorize(&mut client, handshake(Some("member"), "", "")).await.accepted);
    assert_eq!(failures().await, 0);
    let answer = authorize(&mut client, handshake(Some("other"), "", "")).await;
    assert_eq!((answer.accepted, &*reason_name(answer.reason())), (false, "DENIED_BY_POLICY"));
    assert_eq!(failures().await, 1);
    let answer = explain(&mut client, handshake(Some("other"), "", "")).await;
    let step = answer.steps.last().unwrap();
    assert_eq!((&*step.name, step.ok), ("policy", false));
    assert!(
        step.found.contains("there is no `user.role`") && step.hint.contains("has(user.field)"),
        "{step:?}"
    );
}

#[test]
fn what_a_policy_cannot_see_is_a_fault_of_the_settings_that_shows_where() {
    for (policy, problem) in [
        ("user.role ==", "1:13: syntax"),
        ("user.role = 'admin'", "1:11: "),
        ("", "empty"),
        ("1 + 1", "must be true or false"),
        ("gateway.labels.zone == 'eu'", "1:1: `gateway` is for filters"),
        ("user.id == params.id", "1:12: `params` is for filters"),
        ("data.room == 'a'", "1:1: there is no `data`"),
        ("socket.session_id == ''", "1:7: `socket.session_id` is not known before the socket is open"),
        ("user.logged_in &&\n  socket.nmespace == '/a'", "2:9: `socket` has no field `nmespace`"),
        ("[1].all(a, [1].all(b, [1].all(c, user.logged_in)))", "at most 2 of all, exists"),
    ] {
        let faults = config(&[("POLICY_ACCEPT", policy)]).unwrap_err().0;
        let [fault] = &faults[..] else { panic!("{policy}: {faults:?}") };
        assert_eq!(fault.setting, "policy.accept");
        assert!(fault.problem.contains(problem), "{policy}: {}", fault.problem);
        assert!(fault.problem.lines().next().unwrap().ends_with("(SOCKETPASS_POLICY_ACCEPT)"));
    }
    let faults = config(&[("POLICY_ACCEPT", "user.logged_in &&\n  socket.nmespace == '/a'")]).unwrap_err();
    let shown = "(SOCKETPASS_POLICY_ACCEPT)\n      socket.nmespace == '/a'\n            ^";
    assert!(faults.to_string().ends_with(shown), "{faults}");
}

#[tokio::test]
async fn a_policy_that_does_not_compile_stops_the_start_and_changes_nothing_while_running() {
    let bad = [("POLICY_ACCEPT", "user.logged_in && scoket.origin == ''")];
    let mut process = Process::start(&mut command(&bad));
    assert_eq!(process.exit_code().await, Some(2));
    process.output().line("policy.accept: 1:19: there is no `scoket`").await;

    let mut config = socketpass();
    config.args(["config", "--policy-accept", "nobody"]).env("SOCKETPASS_SESSION_SECRETS", SECRET);
    assert_eq!(config.output().await.unwrap().status.code(), Some(2));

    let directory = TempDir::new().unwrap();
    let file = directory.path().join("socketpass.toml");
    fs::write(&file, "policy.accept = 'socket.namespace == \"/public\"'\n").unwrap();
    let service = ServiceProcess::start(&[("CONFIG", file.to_str().unwrap())]).await;
    let mut client = service.client().await;
    let public = || handshake(None, "/public", "");
    assert!(authorize(&mut client, public()).await.accepted);
    fs::write(&file, "policy.accept = 'gateway.gateway_id == \"a\"'\n").unwrap();
    service.process.signal("HUP");
    let told = service.process.output().line("the old values stay in force").await;
    assert!(told.contains("policy.accept: 1:1: `gateway` is for filters"), "{told}");
    assert!(authorize(&mut client, public()).await.accepted);
    fs::write(&file, "policy.accept = 'socket.namespace == \"/other\"'\n").unwrap();
    service.process.signal("HUP");
    service.process.output().line("settings were read again").await;
    assert!(!authorize(&mut client, public()).await.accepted);
}

#[tokio::test]
async fn origins_by_pattern_stand_beside_exact_ones() {
    let allowed = r#"["https://app.example", "https://*.app.example", "http://localhost:*"]"#;
    let (_service, mut client) =
        start(&[("SESSION_ALLOWED_ORIGINS", allowed), ("POLICY_ACCEPT", "true")]).await;
    for (origin, accepted) in [
        ("https://app.example", true),
        ("https://a.b.app.example", true),
        ("http://localhost:5173", true),
        ("http://app.example", false),
        ("https://evilapp.example", false),
        ("https://app.example.evil.example", false),
        ("null", false),
    ] {
        let answer = authorize(&mut client, with_headers(&[("Origin", origin)])).await;
        assert_eq!(answer.accepted, accepted, "{origin}");
    }
    let (_service, mut client) = start(&[("SESSION_ALLOWED_ORIGINS", "https://*.app.example")]).await;
    let answer = explain(&mut client, with_headers(&[("Origin", "https://app.example")])).await;
    assert!(answer.steps[0].hint.contains("list the domain itself too"), "{:?}", answer.steps);

    let faults = config(&[("SESSION_ALLOWED_ORIGINS", r#"["https://a", "https://*.com", "https://x*.y"]"#)]);
    let faults = faults.unwrap_err().to_string();
    assert!(faults.contains("session.allowed_origins: \"https://*.com\": anybody can register"), "{faults}");
    assert!(faults.contains("session.allowed_origins: \"https://x*.y\": a `*` stands for"), "{faults}");
}
