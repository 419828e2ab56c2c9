//! From a handshake to whoever comes in, or is turned away.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use http::{Request, StatusCode};
use serde_json::json;
use socketpass_client::{
    Admission, Attempt, Builder, Handshake, OnUnavailable, Reason, Rejection, SocketPass, Verdict,
};
use tonic::{Code, Status};

use crate::support::peer::{Peer, accepted, fields, params, rejected};

fn settings(peer: &Peer) -> Builder {
    SocketPass::builder().address(peer.address.to_string()).gateway_id("chat-1")
}

fn handshake() -> Handshake {
    let request =
        Request::get("/chat?x=1").header("cookie", "connect.sid=a").header("origin", "https://app.example");
    Handshake::from_request(&request.body(()).unwrap().into_parts().0)
}

async fn authorize(pass: &SocketPass) -> Result<Admission, Rejection> {
    pass.authorize(handshake()).await
}

/// Remembers what the hooks were asked, and says the same each time.
#[derive(Clone, Default)]
struct Hooks(Arc<Mutex<Vec<(&'static str, Attempt)>>>);

impl Hooks {
    fn on(&self, settings: Builder, says: &Verdict) -> Builder {
        let hook = |name: &'static str| {
            let (asked, says) = (self.0.clone(), says.clone());
            move |attempt: Attempt| {
                asked.lock().unwrap().push((name, attempt));
                let says = says.clone();
                async move { Ok(says) }
            }
        };
        settings.success(hook("success")).fail(hook("fail"))
    }

    fn asked(&self) -> Vec<(&'static str, Attempt)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[tokio::test]
async fn asks_with_all_that_the_client_sent() {
    let peer = Peer::start().await;
    let pass = settings(&peer).token("sp_token").connect().await.unwrap();
    let handshake = handshake()
        .auth(params(json!({"session_id": "b", "list": [1, null]})))
        .remote_address("203.0.113.7:1234")
        .namespace("/rooms")
        .xdomain(true);
    let admission = pass.authorize(handshake).await.unwrap();
    assert_eq!(admission.user().get("name"), Some(json!("Ada")));
    assert_eq!(admission.user().get("id"), Some(json!(7)));
    assert!(admission.decision().accepted);

    let asked = peer.asked().await;
    assert_eq!(asked.request.gateway_id, "chat-1");
    assert_eq!(asked.metadata.get("authorization").unwrap(), "Bearer sp_token");
    let sent = asked.request.handshake.unwrap();
    assert_eq!(sent.headers["cookie"], "connect.sid=a");
    assert_eq!((sent.url.as_str(), sent.namespace.as_str()), ("/chat?x=1", "/rooms"));
    assert_eq!((sent.remote_address.as_str(), sent.xdomain), ("203.0.113.7:1234", true));
    assert_eq!(sent.auth, Some(fields(json!({"session_id": "b", "list": [1, null]}))));
    let timeout = asked.metadata.get("grpc-timeout").unwrap().to_str().unwrap();
    let micros: u64 = timeout.trim_end_matches('u').parse().unwrap();
    assert!((4_000_000..=5_000_000).contains(&micros), "{timeout}");
}

#[tokio::test]
async fn each_reason_has_its_status() {
    let peer = Peer::start().await;
    let pass = settings(&peer).connect().await.unwrap();
    for (reason, status) in [
        (Reason::NoSessionId, 401),
        (Reason::BadSignature, 401),
        (Reason::SessionNotFound, 401),
        (Reason::PassportNotInitialized, 401),
        (Reason::NotLoggedIn, 401),
        (Reason::UserNotFound, 401),
        (Reason::OriginNotAllowed, 403),
        (Reason::DeniedByPolicy, 403),
        (Reason::TooManySockets, 429),
        (Reason::SessionMalformed, 503),
        (Reason::UserSourceFailed, 503),
        (Reason::StoreUnavailable, 503),
    ] {
        peer.answer(move |_| Ok(rejected(reason, "No", 4500)));
        let rejection = authorize(&pass).await.unwrap_err();
        assert_eq!((rejection.status.as_u16(), rejection.message.as_str()), (status, "No"), "{reason:?}");
        assert_eq!(rejection.close.code, 4500);
        let body = json!({"code": 4500, "reason": rejection.close.reason, "message": "No"});
        assert_eq!(serde_json::from_str::<serde_json::Value>(&rejection.body()).unwrap(), body);
    }
}

#[tokio::test]
async fn what_a_newer_service_says_rejects() {
    let peer = Peer::start().await;
    let pass = settings(&peer).connect().await.unwrap();
    peer.answer(|_| Ok(socketpass_client::proto::AuthorizeResponse { reason: 99, ..accepted() }));
    assert_eq!(authorize(&pass).await.unwrap_err().close.code, 4000);
    peer.answer(|_| Ok(socketpass_client::proto::AuthorizeResponse::default()));
    assert!(authorize(&pass).await.is_err());
}

#[tokio::test]
async fn hooks_are_asked_and_the_decision_stands() {
    let peer = Peer::start().await;
    let hooks = Hooks::default();
    let pass = hooks.on(settings(&peer), &Verdict::Stands).connect().await.unwrap();
    authorize(&pass).await.unwrap();
    let [(name, attempt)] = hooks.asked().try_into().unwrap();
    assert_eq!((name, attempt.decision.user.get("name")), ("success", Some(json!("Ada"))));
    assert_eq!(attempt.handshake.url(), "/chat?x=1");
    assert_eq!(attempt.handshake.headers()["origin"], "https://app.example");

    peer.answer(|_| Ok(rejected(Reason::NotLoggedIn, "Nobody", 4501)));
    authorize(&pass).await.unwrap_err();
    let [(name, attempt)] = hooks.asked().try_into().unwrap();
    assert_eq!((name, attempt.decision.reason), ("fail", Reason::NotLoggedIn));
    assert_eq!(attempt.decision.close.unwrap().reason, "not_logged_in");
    // Neither a cookie nor a session id is ever printed.
    let printed = format!("{:?}", attempt.handshake);
    assert!(!printed.contains("connect.sid"), "{printed}");
}

#[tokio::test]
async fn success_may_refuse() {
    let peer = Peer::start().await;
    let hooks = Hooks::default();
    let pass = hooks.on(settings(&peer), &Verdict::Reject("Not today".into())).connect().await.unwrap();
    let rejection = authorize(&pass).await.unwrap_err();
    assert_eq!((rejection.status, rejection.message.as_str()), (StatusCode::FORBIDDEN, "Not today"));
    assert_eq!((rejection.close.code, rejection.close.reason.as_str()), (4504, "denied_by_policy"));
    // Of a rejection it changes the words alone.
    peer.answer(|_| Ok(rejected(Reason::NotLoggedIn, "Nobody", 4501)));
    let rejection = authorize(&pass).await.unwrap_err();
    assert_eq!(
        (rejection.status.as_u16(), rejection.message.as_str(), rejection.close.code),
        (401, "Not today", 4501)
    );
}

#[tokio::test]
async fn fail_may_let_in_as_nobody() {
    let peer = Peer::start().await;
    let hooks = Hooks::default();
    let pass = hooks.on(settings(&peer), &Verdict::Accept).connect().await.unwrap();
    for answer in [
        Ok(rejected(Reason::DeniedByPolicy, "No", 4504)),
        Ok(rejected(Reason::StoreUnavailable, "Away", 4000)),
        Err(Status::internal("broken")),
    ] {
        peer.answer(move |_| answer.clone());
        let admission = authorize(&pass).await.unwrap();
        assert_eq!(serde_json::to_value(admission.user()).unwrap(), json!({"logged_in": false}));
        assert!(!admission.decision().accepted);
        assert_eq!(hooks.asked()[0].0, "fail");
    }
    // Its own mistake lets nobody in.
    peer.answer(|_| Err(Status::unauthenticated("no token")));
    authorize(&pass).await.unwrap_err();
    assert_eq!(hooks.asked()[0].1.decision.reason, Reason::Unspecified);
}

#[tokio::test]
async fn no_payload_makes_the_service_look_away() {
    let peer = Peer::start().await;
    let pass = settings(&peer).on_unavailable(OnUnavailable::Accept).connect().await.unwrap();
    let nested = (0..60).fold(json!(1), |inner, _| json!([inner]));
    for auth in [nested, json!("x".repeat(70_000))] {
        let rejection = pass.authorize(handshake().auth(params(json!({"a": auth})))).await.err().unwrap();
        assert_eq!((rejection.status, rejection.close.code), (StatusCode::SERVICE_UNAVAILABLE, 4000));
    }
    let large = Request::get("/").header("x-large", "x".repeat(300_000)).body(()).unwrap().into_parts().0;
    assert!(pass.authorize(Handshake::from_request(&large)).await.is_err());
    assert_eq!(peer.count_asked().await, 0);
}

#[tokio::test]
async fn hooks_that_fail_reject() {
    async fn fails(_: Attempt) -> socketpass_client::HookResult {
        Err("broken".into())
    }
    async fn panics(_: Attempt) -> socketpass_client::HookResult {
        panic!("broken")
    }
    let peer = Peer::start().await;
    async fn says_nothing(_: Attempt) -> socketpass_client::HookResult {
        std::future::pending().await
    }
    let timeout = Duration::from_millis(200);
    for settings in [
        settings(&peer).success(fails).fail(fails),
        settings(&peer).success(panics).fail(panics),
        settings(&peer).success(says_nothing).fail(says_nothing).timeout(timeout),
    ] {
        let pass = settings.connect().await.unwrap();
        peer.answer(|_| Ok(accepted()));
        let rejection = authorize(&pass).await.unwrap_err();
        assert_eq!((rejection.status, rejection.close.code), (StatusCode::SERVICE_UNAVAILABLE, 4000));
        peer.answer(|_| Ok(rejected(Reason::NotLoggedIn, "Nobody", 4501)));
        assert_eq!(authorize(&pass).await.unwrap_err().message, "Nobody");
    }
}

#[tokio::test]
async fn no_decision_is_on_unavailables() {
    let peer = Peer::start().await;
    let hooks = Hooks::default();
    let rejects = hooks.on(settings(&peer), &Verdict::Stands).connect().await.unwrap();
    let accepts = settings(&peer).on_unavailable(OnUnavailable::Accept).connect().await.unwrap();
    for code in [
        Code::DeadlineExceeded,
        Code::ResourceExhausted,
        Code::Internal,
        Code::Unknown,
        Code::Cancelled,
        Code::Aborted,
        Code::FailedPrecondition,
    ] {
        peer.answer(move |_| Err(Status::new(code, "broken")));
        let rejection = authorize(&rejects).await.unwrap_err();
        assert_eq!(rejection.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(rejection.message, "Authorization service unavailable");
        assert_eq!((rejection.close.code, rejection.close.reason.as_str()), (4000, "service_unavailable"));
        let [(name, attempt)] = hooks.asked().try_into().unwrap();
        assert_eq!(
            (name, attempt.decision.reason, attempt.decision.error),
            ("fail", Reason::Unspecified, true)
        );
        assert!(!authorize(&accepts).await.unwrap().user().logged_in());
        // None of them is tried again.
        assert_eq!(peer.count_asked().await, 2, "{code:?}");
    }
    for fault in [Reason::SessionMalformed, Reason::UserSourceFailed, Reason::StoreUnavailable] {
        peer.answer(move |_| Ok(rejected(fault, "Broken", 4000)));
        authorize(&rejects).await.unwrap_err();
        assert_eq!(authorize(&accepts).await.unwrap().decision().reason, fault);
    }
    peer.answer(|_| Ok(rejected(Reason::NotLoggedIn, "Nobody", 4501)));
    authorize(&accepts).await.unwrap_err();
}

#[tokio::test]
async fn own_mistakes_reject_whatever_is_set() {
    let peer = Peer::start().await;
    let hooks = Hooks::default();
    let settings = settings(&peer).on_unavailable(OnUnavailable::Accept);
    let pass = hooks.on(settings, &Verdict::Stands).connect().await.unwrap();
    for code in [Code::Unauthenticated, Code::PermissionDenied, Code::InvalidArgument, Code::Unimplemented] {
        peer.answer(move |_| Err(Status::new(code, "no")));
        let rejection = authorize(&pass).await.unwrap_err();
        assert_eq!((rejection.status.as_u16(), rejection.close.code), (503, 4000));
        assert_eq!(hooks.asked()[0].0, "fail");
        assert_eq!(peer.count_asked().await, 1);
    }
}

#[tokio::test]
async fn unavailable_is_tried_again() {
    let peer = Peer::start().await;
    let pass = settings(&peer).connect().await.unwrap();
    let tries = AtomicUsize::new(0);
    peer.answer(move |_| match tries.fetch_add(1, Ordering::Relaxed) {
        0..3 => Err(Status::unavailable("going")),
        _ => Ok(accepted()),
    });
    authorize(&pass).await.unwrap();
    assert_eq!(peer.count_asked().await, 4);
    peer.answer(|_| Err(Status::unavailable("gone")));
    authorize(&pass).await.unwrap_err();
    assert_eq!(peer.count_asked().await, 4);
}

#[tokio::test]
async fn the_timeout_bounds_all_tries() {
    let peer = Peer::start().await;
    let pass = settings(&peer).timeout(Duration::from_millis(300)).connect().await.unwrap();
    peer.hang();
    let began = Instant::now();
    authorize(&pass).await.unwrap_err();
    let took = began.elapsed();
    assert!((Duration::from_millis(290)..Duration::from_secs(3)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_service_that_is_not_there_is_no_decision() {
    let pass = SocketPass::builder().address("127.0.0.1:1").connect().await.unwrap();
    assert_eq!(authorize(&pass).await.unwrap_err().status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn the_token_is_asked_for_every_call() {
    let peer = Peer::start().await;
    let given = Arc::new(AtomicUsize::new(0));
    let pass = settings(&peer)
        .token_from(move || {
            let given = given.fetch_add(1, Ordering::Relaxed);
            async move {
                match given {
                    3.. => Err("no more tokens"),
                    _ => Ok(format!("token-{given}")),
                }
            }
        })
        .connect()
        .await
        .unwrap();
    // One of them is the stream's.
    let stream = peer.stream().await;
    authorize(&pass).await.unwrap();
    authorize(&pass).await.unwrap();
    let mut tokens: Vec<_> = vec![stream.metadata, peer.asked().await.metadata, peer.asked().await.metadata]
        .into_iter()
        .map(|metadata| metadata.get("authorization").unwrap().to_str().unwrap().to_owned())
        .collect();
    tokens.sort();
    assert_eq!(tokens, ["Bearer token-0", "Bearer token-1", "Bearer token-2"]);
    // Without a token nobody is asked, and nobody gets in.
    authorize(&pass).await.unwrap_err();
    assert_eq!(peer.count_asked().await, 0);
}
