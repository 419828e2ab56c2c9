//! The audit log: every decision and every admin's call, a line each, and nothing in it that nobody may see.

use std::{
    collections::BTreeMap,
    fs,
    mem::{Discriminant, discriminant},
    path::Path,
};

use serde_json::{Value, json};
use socketpass::grpc::pb::{
    CountSocketsRequest, DisconnectSocketsRequest, EndSessionsRequest, ExplainFilterRequest, ExplainRequest,
    Handshake, ListGatewaysRequest,
};
use tonic::{Code, Request};

use super::scrape;
use crate::door::{registry as with_token, settings_of};
use crate::session_ends::{delete, ends, socket_of};
use crate::support::{
    ANA_ID, SECRET, cookie,
    gateway::{Gateway, hello, object, registry, socket},
    process::Process,
    redis::Redis,
    service::{Service, ServiceProcess, command, request, with_headers},
    signed,
    store::put_ana,
    until,
};

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    // The last may not be whole yet.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

/// So many lines, when they have come.
async fn so_many(path: &Path, count: usize) -> Vec<Value> {
    until("lines have come", || async { lines(path).len() >= count }).await;
    let lines = lines(path);
    assert_eq!(lines.len(), count, "{lines:#?}");
    lines
}

/// The line without its time, which is checked.
fn timeless(mut line: Value) -> Value {
    let time = line.as_object_mut().unwrap().remove("time").unwrap();
    let time: jiff::Timestamp = time.as_str().unwrap().parse().unwrap();
    assert!(time.duration_until(jiff::Timestamp::now()).abs() < jiff::SignedDuration::from_mins(5));
    line
}

/// A line's fields but its time, each with whether it is a text, a number and so on.
fn shape(line: &str) -> BTreeMap<String, Discriminant<Value>> {
    let line: BTreeMap<String, Value> = serde_json::from_str(line).unwrap();
    line.into_iter()
        .filter(|(name, _)| name != "time")
        .map(|(name, value)| (name, discriminant(&value)))
        .collect()
}

fn handshake(id: &str) -> Handshake {
    let headers = [("cookie", &*cookie(id)), ("origin", "https://app.example")];
    Handshake {
        remote_address: "192.0.2.7".to_owned(),
        namespace: format!("/chat?session_id={ANA_ID}"),
        ..with_headers(&headers)
    }
}

fn named<T>(message: T, request_id: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("x-request-id", request_id.parse().unwrap());
    request
}

#[tokio::test]
async fn decisions_and_admins_calls_are_kept_with_fields_masked() {
    let redis = Redis::start().await;
    put_ana(&redis).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let (sink, url) = (path.display().to_string(), redis.url());
    let service = Service::start(&[("AUDIT_SINK", &sink), ("SESSION_STORE", &url)]).await;
    until("the store answers", || async {
        scrape(&service.http).await["socketpass_session_store_up"] == 1.0
    })
    .await;

    let mut client = service.client().await;
    client.authorize(named(request(handshake(ANA_ID)), "r-1")).await.unwrap();
    client.authorize(named(request(handshake("somebody-who-left")), "r-2")).await.unwrap();
    let explain = ExplainRequest { handshake: Some(handshake(ANA_ID)), gateway_id: "test".to_owned() };
    client.explain(named(explain, "r-3")).await.unwrap();
    client.explain(named(ExplainRequest::default(), "r-4")).await.unwrap_err();

    let listed = vec![socket("s1", json!({"id": 1})), socket("s2", json!({"id": 2}))];
    let mut gateway = Gateway::list(&service.grpc, hello("chat-1", "a"), listed).await;
    let mut sockets = registry(&service.grpc).await;
    let disconnect = DisconnectSocketsRequest {
        filter: format!("user.id == params.id || socket.session_id == '{ANA_ID}'"),
        params: Some(object(json!({"id": 1, "other": ANA_ID}))),
        ..DisconnectSocketsRequest::default()
    };
    let mut answers = sockets.disconnect_sockets(named(disconnect, "r-5")).await.unwrap().into_inner();
    let command = gateway.command().await;
    gateway.done(&command, &["s1"]).await;
    while answers.message().await.unwrap().is_some() {}
    let broken = ExplainFilterRequest { filter: "(".to_owned(), params: None };
    sockets.explain_filter(named(broken, "r-6")).await.unwrap_err();
    sockets.list_gateways(named(ListGatewaysRequest {}, "r-7")).await.unwrap();
    let end = EndSessionsRequest { filter: "true".to_owned(), params: None };
    sockets.end_sessions(named(end, "r-8")).await.unwrap();

    let decision = |request_id, accepted, reason, user: Value, session_id| {
        json!({
            "event": "decision", "request_id": request_id, "caller": "anonymous", "gateway_id": "test", "accepted": accepted,
            "reason": reason, "user": user, "session_id": session_id, "remote_address": "192.0.2.7",
            "origin": "https://app.example", "namespace": "/chat",
        })
    };
    let kept: Vec<_> = so_many(&path, 8).await.into_iter().map(timeless).collect();
    assert_eq!(
        kept,
        [
            decision("r-1", true, "authorized", json!(1), "Zk3…"),
            decision("r-2", false, "session_not_found", Value::Null, "som…"),
            json!({
                "event": "admin_call", "request_id": "r-3", "caller": "anonymous", "method": "Explain", "code": "ok",
                "gateway_id": "test", "session_id": "Zk3…", "reason": "authorized", "user": 1,
            }),
            json!({
                "event": "admin_call", "request_id": "r-4", "caller": "anonymous", "method": "Explain",
                "code": "invalid_argument",
            }),
            json!({
                "event": "admin_call", "request_id": "r-5", "caller": "anonymous", "method": "DisconnectSockets", "code": "ok",
                "filter": "user.id == params.id || socket.session_id == 'Zk3…'",
                "params": {"id": 1, "other": "Zk3…"}, "matched": 1, "done": 1, "failed": 0, "unreachable": 0,
            }),
            json!({
                "event": "admin_call", "request_id": "r-6", "caller": "anonymous", "method": "ExplainFilter",
                "code": "invalid_argument", "filter": "(",
            }),
            json!({
                "event": "admin_call", "request_id": "r-7", "caller": "anonymous", "method": "ListGateways", "code": "ok",
            }),
            json!({
                "event": "admin_call", "request_id": "r-8", "caller": "anonymous", "method": "EndSessions", "code": "ok",
                "filter": "true", "matched": 1, "without_session": 1, "sessions_destroyed": 0, "sessions_left": 0,
            }),
        ]
    );
    let manual = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/telemetry.md")).unwrap();
    let shown: Vec<_> = manual.lines().filter(|line| line.starts_with('{')).map(shape).collect();
    assert_eq!(shown[..2], [shape(&kept[0].to_string()), shape(&kept[4].to_string())]);
    let text = fs::read_to_string(&path).unwrap();
    let signature = signed(SECRET, ANA_ID).rsplit_once('.').unwrap().1.to_owned();
    for secret in [ANA_ID, "somebody-who-left", &signature, "Ana"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let counted = scrape(&service.http).await;
    assert_eq!(counted["socketpass_audit_lines_total"], 8.0);
    assert_eq!(counted["socketpass_audit_lines_lost_total"], 0.0);
    service.stop().await;
}

#[tokio::test]
async fn a_file_that_was_moved_away_is_opened_anew_on_sighup() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = tempfile::tempdir().unwrap();
    let (path, moved) = (directory.path().join("audit"), directory.path().join("audit.1"));
    let service = ServiceProcess::start(&[("AUDIT_SINK", &path.display().to_string())]).await;
    let mut client = service.client().await;
    client.authorize(named(request(handshake("a")), "before")).await.unwrap();
    so_many(&path, 1).await;
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    fs::rename(&path, &moved).unwrap();
    service.process.signal("HUP");
    service.process.output().line("settings were read again").await;
    client.authorize(named(request(handshake("a")), "after")).await.unwrap();
    assert_eq!(so_many(&path, 1).await[0]["request_id"], "after");
    assert_eq!(lines(&moved).len(), 1);
}

#[tokio::test]
async fn on_standard_output_and_to_the_last_line() {
    let service = ServiceProcess::start(&[("AUDIT_SINK", "stdout")]).await;
    let mut client = service.client().await;
    for number in 0..100 {
        client.authorize(named(request(handshake("a")), &format!("r-{number}."))).await.unwrap();
    }
    let mut process = service.process;
    process.signal("TERM");
    assert_eq!(process.exit_code().await, Some(0));
    let output = process.output();
    output.line("\"request_id\":\"r-99.\"").await;
    let kept = output.text().lines().filter(|line| line.contains("\"event\":\"decision\"")).count();
    assert_eq!(kept, 100);
}

#[tokio::test]
async fn what_cannot_be_written_is_counted_and_decisions_go_on() {
    let service = ServiceProcess::start(&[("AUDIT_SINK", "/dev/full")]).await;
    let mut client = service.client().await;
    for _ in 0..3 {
        client.authorize(request(handshake("a"))).await.unwrap();
    }
    until("they are counted", || async {
        scrape(&service.http).await["socketpass_audit_lines_lost_total"] == 3.0
    })
    .await;
    service.process.output().line("the audit log cannot be written").await;
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_stops_the_start() {
    let mut process = Process::start(&mut command(&[("AUDIT_SINK", "/nowhere/audit")]));
    assert_eq!(process.exit_code().await, Some(1));
    process.output().line("audit.sink: /nowhere/audit cannot be opened").await;
}

#[tokio::test]
async fn it_is_off_unless_asked_for() {
    let service = Service::start(&[]).await;
    service.client().await.authorize(request(handshake("a"))).await.unwrap();
    assert_eq!(scrape(&service.http).await["socketpass_audit_lines_total"], 0.0);
    service.stop().await;
}

#[tokio::test]
async fn what_is_for_admins_alone_is_kept_also_when_it_was_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let tokens = json!([settings_of("gateways", "chat", "gateway"), settings_of("admins", "ops", "admin")]);
    let sink = path.display().to_string();
    let service = Service::start(&[("AUDIT_SINK", &sink), ("CALLERS_TOKENS", &tokens.to_string())]).await;
    let channel = service.channel().await;
    let list = |token: &str| {
        let mut client = with_token(channel.clone(), token);
        async move { client.list_gateways(ListGatewaysRequest {}).await.map_or_else(|no| no.code(), |_| Code::Ok) }
    };
    assert_eq!(list("").await, Code::Unauthenticated);
    assert_eq!(list("gateways").await, Code::PermissionDenied);
    assert_eq!(list("admins").await, Code::Ok);
    for (token, filter) in
        [("gateways", "true"), ("gateways", "socket.session_id == 'x'"), ("admins", "has(socket.session_id)")]
    {
        let question = CountSocketsRequest { filter: filter.to_owned(), ..CountSocketsRequest::default() };
        let _ = with_token(channel.clone(), token).count_sockets(question).await;
    }
    let kept: Vec<_> = so_many(&path, 5)
        .await
        .into_iter()
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            [text("method"), text("caller"), text("code"), text("filter")]
        })
        .collect();
    assert_eq!(
        kept,
        [
            ["ListGateways", "", "unauthenticated", ""],
            ["ListGateways", "chat", "permission_denied", ""],
            ["ListGateways", "ops", "ok", ""],
            ["CountSockets", "chat", "permission_denied", "socket.session_id == '…'"],
            ["CountSockets", "ops", "ok", "has(socket.session_id)"],
        ]
    );
    service.stop().await;
}

#[tokio::test]
async fn sockets_that_end_are_kept_with_whose_they_were_and_why() {
    let redis = Redis::start().await;
    put_ana(&redis).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let (sink, url) = (path.display().to_string(), redis.url());
    let settings = [
        ("AUDIT_SINK", &*sink),
        ("SESSION_STORE", &url),
        ("REVALIDATE_INTERVAL", "1h"),
        ("LOG_FILTER", "info,socketpass=debug"),
    ];
    let service = ServiceProcess::start(&settings).await;
    let of_ana = |id| socket_of(id, ANA_ID, &json!({"id": 1, "name": "Ana"}));
    let mut gateway =
        Gateway::list(&service.grpc, hello("chat-1", "a"), vec![of_ana("s1"), of_ana("s2")]).await;
    until("who they are is known", || async {
        scrape(&service.http).await["socketpass_session_questions_total{reason=\"authorized\"}"] >= 1.0
    })
    .await;
    delete(&redis, ANA_ID).await;
    ends(&mut gateway, &["s1", "s2"], 4500, "session_not_found").await;

    let kept: Vec<_> = so_many(&path, 1).await.into_iter().map(timeless).collect();
    assert_eq!(
        kept,
        [json!({
            "event": "sockets_ended", "gateway_id": "chat-1", "reason": "session_not_found", "user": 1,
            "session_id": "Zk3…", "sockets": 2,
        })]
    );
    let manual = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/telemetry.md")).unwrap();
    let shown = manual.lines().find(|line| line.contains(r#""event":"sockets_ended""#)).unwrap();
    assert_eq!(shape(shown), shape(&kept[0].to_string()));

    let output = service.process.output();
    let lines = [
        output.line("sockets of a session were ended").await,
        output.line("sockets were ended; not_ended").await,
    ];
    for line in lines {
        assert!(line.contains("session_not_found") && line.contains('2'), "{line}");
        assert!(!line.contains(ANA_ID) && !line.contains("Ana"), "{line}");
    }
}
