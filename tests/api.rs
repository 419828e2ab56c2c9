//! AuthorizationService as its callers see it.

use std::sync::Arc;

use serde_json::json;
use socketpass::{
    grpc::{
        convert::{json_object, reason_name},
        pb::{AuthorizeRequest, AuthorizeResponse, Close, ExplainResponse, Handshake},
    },
    session_store::MemoryStore,
};
use tokio_stream::StreamExt as _;
use tonic::{Code, Request};
use tonic_reflection::pb::{v1, v1alpha};

use crate::support::{
    ANA, ANA_ID, SECRET, cookie,
    service::{Client, Service, authorize, explain, request, with_cookie, with_headers},
    signed,
};

/// Ana is logged in; somebody else has a session and is not; a third one's session is of before Passport.
async fn start(settings: &[(&str, &str)]) -> (Service, Client) {
    let store = MemoryStore::new();
    store.insert(ANA_ID, ANA);
    store.insert("not-logged-in", r#"{"cookie":{},"passport":{}}"#);
    store.insert("no-passport", r#"{"cookie":{}}"#);
    store.insert("gone-user", r#"{"cookie":{},"passport":{"user":null}}"#);
    store.insert("broken", "{");
    store.insert("no-user", r#"{"cookie":{},"passport":{"user":[]}}"#);
    let service = Service::start_on(settings, Arc::new(store)).await;
    let client = service.client().await;
    (service, client)
}

fn summary(answer: &AuthorizeResponse) -> (bool, String, &str, bool, Option<(u32, &str)>) {
    let close = answer.close.as_ref().map(|Close { code, reason }| (*code, reason.as_str()));
    (answer.accepted, reason_name(answer.reason()).into_owned(), &answer.message, answer.error, close)
}

#[tokio::test]
async fn every_reason_has_its_message_flag_and_close_code() {
    let (_service, mut client) = start(&[("SESSION_ALLOWED_ORIGINS", "https://app.example")]).await;
    let xdomain = Handshake { xdomain: true, ..Handshake::default() };
    let origin = with_headers(&[("Origin", "https://evil.example"), ("Cookie", &cookie(ANA_ID))]);
    let no_id = "No session found";
    let cors = "Can not read cookies from CORS-Requests. See CORS-Workaround in the readme.";
    let not_logged_in = "User not authorized through passport. (User Property not found)";
    let malformed = "Error in session store:\nit is not valid JSON";
    for (handshake, reason, message, error, code) in [
        (Handshake::default(), "NO_SESSION_ID", no_id, false, 4507),
        (xdomain, "NO_SESSION_ID", cors, false, 4507),
        (with_cookie("connect.sid=s%3Aa.b"), "BAD_SIGNATURE", no_id, false, 4507),
        (with_cookie(&cookie("unknown")), "SESSION_NOT_FOUND", no_id, false, 4500),
        (with_cookie(&cookie("broken")), "SESSION_MALFORMED", malformed, true, 4000),
        (
            with_cookie(&cookie("no-passport")),
            "PASSPORT_NOT_INITIALIZED",
            "Passport was not initialized",
            true,
            4501,
        ),
        (with_cookie(&cookie("not-logged-in")), "NOT_LOGGED_IN", not_logged_in, false, 4501),
        (with_cookie(&cookie("gone-user")), "USER_NOT_FOUND", "User not found", false, 4503),
        (
            with_cookie(&cookie("no-user")),
            "USER_SOURCE_FAILED",
            "Failed to deserialize user out of session",
            true,
            4000,
        ),
        (origin, "ORIGIN_NOT_ALLOWED", "Origin not allowed", false, 4508),
    ] {
        let answer = authorize(&mut client, handshake).await;
        let close = Some((code, reason.to_ascii_lowercase()));
        let close = close.as_ref().map(|(code, reason)| (*code, reason.as_str()));
        assert_eq!(summary(&answer), (false, reason.to_owned(), message, error, close));
        assert_eq!(json_object(&answer.user.unwrap()), json!({"logged_in": false}));
    }
    let answer = authorize(&mut client, with_cookie(&cookie(ANA_ID))).await;
    assert_eq!(summary(&answer), (true, "AUTHORIZED".to_owned(), "", false, None));
    assert_eq!(json_object(&answer.user.unwrap()), json!({"id": 1, "name": "Ana", "logged_in": true}));
    assert_eq!(answer.session_id, ANA_ID);
}

#[tokio::test]
async fn a_policy_that_lets_everybody_in_lets_in_everybody_but_on_faults_and_wrong_origins() {
    let settings = [("POLICY_ACCEPT", "true"), ("SESSION_ALLOWED_ORIGINS", "https://app.example")];
    let (_service, mut client) = start(&settings).await;
    for (handshake, reason) in [
        (Handshake::default(), "NO_SESSION_ID"),
        (with_cookie("connect.sid=s%3Aa.b"), "BAD_SIGNATURE"),
        (with_cookie(&cookie("unknown")), "SESSION_NOT_FOUND"),
        (with_cookie(&cookie("no-passport")), "PASSPORT_NOT_INITIALIZED"),
        (with_cookie(&cookie("not-logged-in")), "NOT_LOGGED_IN"),
        (with_cookie(&cookie("gone-user")), "USER_NOT_FOUND"),
    ] {
        let answer = authorize(&mut client, handshake).await;
        assert_eq!(summary(&answer), (true, reason.to_owned(), "", false, None));
        assert_eq!(json_object(&answer.user.unwrap()), json!({"logged_in": false}));
    }
    for (handshake, reason) in [
        (with_cookie(&cookie("broken")), "SESSION_MALFORMED"),
        (with_cookie(&cookie("no-user")), "USER_SOURCE_FAILED"),
        (with_headers(&[("origin", "null")]), "ORIGIN_NOT_ALLOWED"),
    ] {
        let answer = authorize(&mut client, handshake).await;
        assert_eq!((answer.accepted, reason_name(answer.reason()).as_ref()), (false, reason));
    }
}

#[tokio::test]
async fn origins_are_exact_and_none_passes() {
    let (_service, mut client) =
        start(&[("SESSION_ALLOWED_ORIGINS", r#"["https://app.example","http://localhost:3000"]"#)]).await;
    for (origin, accepted) in [
        (Some("https://app.example"), true),
        (Some("http://localhost:3000"), true),
        (None, true),
        (Some("https://APP.example"), false),
        (Some("https://app.example/"), false),
        (Some("https://app.example.evil.example"), false),
        (Some("http://app.example"), false),
        (Some("http://localhost"), false),
        (Some("null"), false),
        (Some(""), false),
    ] {
        let cookie = cookie(ANA_ID);
        let mut headers = vec![("Cookie", cookie.as_str())];
        headers.extend(origin.map(|origin| ("Origin", origin)));
        assert_eq!(authorize(&mut client, with_headers(&headers)).await.accepted, accepted, "{origin:?}");
    }
}

#[tokio::test]
async fn ids_outside_the_cookie_are_taken_as_the_setting_says() {
    let signed_id = format!("s:{}", signed(SECRET, ANA_ID));
    let in_query = |id: &str| Handshake {
        url: format!(
            "/socket.io/?{}",
            form_urlencoded::Serializer::new(String::new()).append_pair("session_id", id).finish()
        ),
        ..with_cookie(&cookie("not-logged-in"))
    };
    let in_auth = |id: &str| {
        let value = prost_types::Value { kind: Some(prost_types::value::Kind::StringValue(id.to_owned())) };
        let auth = prost_types::Struct { fields: [("session_id".to_owned(), value)].into() };
        Handshake { auth: Some(auth), ..with_cookie(&cookie("not-logged-in")) }
    };
    for (mode, of_signed, of_bare, of_tampered) in [
        ("signed", "AUTHORIZED", "BAD_SIGNATURE", "BAD_SIGNATURE"),
        ("unsigned", "AUTHORIZED", "AUTHORIZED", "BAD_SIGNATURE"),
        ("off", "NOT_LOGGED_IN", "NOT_LOGGED_IN", "NOT_LOGGED_IN"),
    ] {
        let (_service, mut client) = start(&[("SESSION_ID_OUTSIDE_COOKIE", mode)]).await;
        for place in [&in_query as &dyn Fn(&str) -> Handshake, &in_auth] {
            for (id, expected) in [
                (signed_id.as_str(), of_signed),
                (ANA_ID, of_bare),
                ("s:tampered.x", of_tampered),
                ("", "NOT_LOGGED_IN"),
            ] {
                let answer = authorize(&mut client, place(id)).await;
                assert_eq!(reason_name(answer.reason()), expected, "{mode} {id}");
            }
        }
    }
    // Of the three places the first that is not empty decides.
    let (_service, mut client) = start(&[]).await;
    let both = Handshake { url: in_query("bad").url, ..in_auth(&signed_id) };
    assert_eq!(reason_name(authorize(&mut client, both).await.reason()), "BAD_SIGNATURE");
    let auth = Handshake { url: in_query("").url, ..in_auth(&signed_id) };
    assert_eq!(reason_name(authorize(&mut client, auth).await.reason()), "AUTHORIZED");
}

#[tokio::test]
async fn the_answer_does_not_depend_on_how_headers_are_spelled() {
    let (_service, mut client) = start(&[]).await;
    for name in ["cookie", "Cookie", "COOKIE"] {
        assert!(authorize(&mut client, with_headers(&[(name, &cookie(ANA_ID))])).await.accepted, "{name}");
    }
}

#[tokio::test]
async fn several_secrets_count_at_once() {
    let (_service, mut client) = start(&[("SESSION_SECRETS", r#"["new","keyboard cat"]"#)]).await;
    assert!(authorize(&mut client, with_cookie(&cookie(ANA_ID))).await.accepted);
    let newest = format!("connect.sid=s:{}", signed("new", ANA_ID));
    assert!(authorize(&mut client, with_cookie(&newest)).await.accepted);
}

fn step<'a>(answer: &'a ExplainResponse, name: &str) -> (&'a str, bool, &'a str) {
    let step =
        answer.steps.iter().rfind(|step| step.name == name).unwrap_or_else(|| panic!("no step {name}"));
    (&step.found, step.ok, &step.hint)
}

#[tokio::test]
async fn explain_says_what_was_looked_for_found_and_what_to_change() {
    let (_service, mut client) =
        start(&[("SESSION_SECRETS", r#"["one","two"]"#), ("SESSION_PREFIX", "sess:")]).await;
    let answer = explain(&mut client, with_cookie("express.sid=1; theme=dark")).await;
    let (found, ok, hint) = step(&answer, "session_id");
    assert_eq!((found, ok), ("cookie `connect.sid` is absent; the header has `express.sid`, `theme`", false));
    assert_eq!(hint, "is session.cookie set right?");

    let answer = explain(&mut client, with_cookie(&cookie(ANA_ID))).await;
    assert_eq!(step(&answer, "signature").0, "the signature matches none of the 2 secrets");

    let (_service, mut client) = start(&[]).await;
    let answer = explain(&mut client, with_cookie(&cookie(ANA_ID))).await;
    let names: Vec<_> = answer.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["origin", "session_id", "signature", "store", "passport", "user", "policy"]);
    assert!(answer.steps.iter().all(|step| step.ok));
    let decision = answer.decision.unwrap();
    assert!(decision.accepted);
    assert_eq!(decision.session_id, "Zk3…");

    let answer = explain(&mut client, with_cookie(&cookie("of a session that is long gone"))).await;
    assert_eq!(step(&answer, "store").0, "no key `of …`");
    assert!(step(&answer, "store").2.contains("session.prefix"));
    let answer = explain(&mut client, with_cookie(&cookie("not-logged-in"))).await;
    assert!(step(&answer, "policy").2.contains("policy.accept"));
    let answer = explain(&mut client, Handshake { xdomain: true, ..Handshake::default() }).await;
    assert!(!step(&answer, "xdomain").1);
}

#[tokio::test]
async fn explain_decides_as_authorize_does() {
    let (_service, mut client) = start(&[]).await;
    for id in [ANA_ID, "not-logged-in", "no-passport", "gone-user", "broken", "no-user", "unknown"] {
        let authorized = authorize(&mut client, with_cookie(&cookie(id))).await;
        let explained = explain(&mut client, with_cookie(&cookie(id))).await.decision.unwrap();
        assert_eq!(
            AuthorizeResponse { session_id: String::new(), ..authorized },
            AuthorizeResponse { session_id: String::new(), ..explained }
        );
    }
}

#[tokio::test]
async fn the_request_id_is_echoed_or_made_up_on_every_method() {
    let (service, mut client) = start(&[]).await;
    let mut asked = Request::new(request(Handshake::default()));
    asked.metadata_mut().insert("x-request-id", "from-the-caller".parse().unwrap());
    let answer = client.authorize(asked).await.unwrap();
    assert_eq!(answer.metadata().get("x-request-id").unwrap(), "from-the-caller");

    let answer = client.authorize(request(Handshake::default())).await.unwrap();
    assert_eq!(answer.metadata().get("x-request-id").unwrap().len(), 16);

    // Also where the answer is an error, and on a service that is not ours.
    let mut asked = Request::new(AuthorizeRequest::default());
    asked.metadata_mut().insert("x-request-id", "of-an-error".parse().unwrap());
    let status = client.authorize(asked).await.unwrap_err();
    assert_eq!(status.metadata().get("x-request-id").unwrap(), "of-an-error");
    let mut health = tonic_health::pb::health_client::HealthClient::new(service.channel().await);
    let answer = health.check(tonic_health::pb::HealthCheckRequest::default()).await.unwrap();
    assert!(answer.metadata().contains_key("x-request-id"));
}

#[tokio::test]
async fn the_service_describes_itself_in_both_versions_of_reflection() {
    let (service, _client) = start(&[]).await;
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(service.channel().await);
    let list = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1::server_reflection_request::MessageRequest::ListServices(String::new())),
    };
    let mut answers = client.server_reflection_info(tokio_stream::iter([list])).await.unwrap().into_inner();
    let answer = format!("{:?}", answers.next().await.unwrap().unwrap());
    for name in ["socketpass.v1.AuthorizationService", "grpc.health.v1.Health"] {
        assert!(answer.contains(name), "{answer}");
    }
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(service.channel().await);
    let symbol = v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(
        "socketpass.v1.Handshake".to_owned(),
    );
    let ask = v1alpha::ServerReflectionRequest { host: String::new(), message_request: Some(symbol) };
    let mut answers = client.server_reflection_info(tokio_stream::iter([ask])).await.unwrap().into_inner();
    let answer = format!("{:?}", answers.next().await.unwrap().unwrap());
    assert!(answer.contains("FileDescriptorResponse"), "{answer}");

    let (service, _client) = start(&[("GRPC_REFLECTION", "false")]).await;
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(service.channel().await);
    let none: [v1::ServerReflectionRequest; 0] = [];
    let status = client.server_reflection_info(tokio_stream::iter(none)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
}
