//! Sessions that are ended from outside: `EndSessions`.

use std::sync::Arc;

use serde_json::{Value, json};
use socketpass::{
    grpc::pb::EndSessionsRequest,
    session_store::{Fault, Health, MemoryStore, SessionId, SessionStore},
};
use tokio::{sync::watch, time::timeout};
use tonic::Code;

use super::{are_asked, ends, gateway, session_of, socket_of, start};
use crate::{
    support::{
        PATIENCE,
        callers::Caller,
        gateway::{Gateway, hello},
        redis::Redis,
        service::Service,
    },
    telemetry::scrape,
};

#[tokio::test]
async fn the_sessions_behind_the_sockets_that_match_end_with_all_of_their_sockets() {
    let redis = Redis::start().await;
    let (ana, ben) = (json!({"id": 1}), json!({"id": 2}));
    for (session, user) in [("one", &ana), ("two", &ana), ("three", &ben)] {
        redis.put(session, &session_of(user)).await;
    }
    let service = start(&redis, &[]).await;
    let sockets =
        vec![socket_of("a", "one", &ana), socket_of("b", "two", &ana), socket_of("c", "three", &ben)];
    let mut chat = gateway(&service, "chat", sockets).await;
    let mut feed = gateway(&service, "feed", vec![socket_of("d", "three", &ben)]).await;
    are_asked(&service, 3).await;
    let mut admin = Caller::of(&service.grpc).await;
    assert_eq!(admin.end_sessions("user.id == 3").await.unwrap(), 0);
    assert_eq!(admin.end_sessions("socket.socket_id == 'c'").await.unwrap(), 1);
    ends(&mut chat, &["c"], 4500, "session_not_found").await;
    ends(&mut feed, &["d"], 4500, "session_not_found").await;
    assert_eq!(admin.ids("true").await, ["chat/a", "chat/b"]);
    crate::support::until("it is counted as any other command", || async {
        let done = "socketpass_registry_command_sockets_total{task=\"disconnect\",outcome=\"done\"}";
        scrape(&service.http).await[done] == 2.0
    })
    .await;
    service.stop().await;
}

#[tokio::test]
async fn with_the_store_away_nothing_is_ended_and_the_caller_may_call_again() {
    let mut redis = Redis::start().await;
    let ana = json!({"id": 1});
    redis.put("one", &session_of(&ana)).await;
    let service = start(&redis, &[]).await;
    let mut chat = gateway(&service, "chat", vec![socket_of("a", "one", &ana)]).await;
    are_asked(&service, 1).await;
    redis.kill().await;
    let mut admin = Caller::of(&service.grpc).await;
    let refused = admin.end_sessions("true").await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    redis.restart().await;
    redis.put("one", &session_of(&ana)).await;
    crate::support::until("it is ended", || async { admin.clone().end_sessions("true").await.is_ok() }).await;
    super::is_told_that_it_ended(&mut chat, "a").await;
    service.stop().await;
}

#[tokio::test]
async fn sockets_without_a_session_are_counted_apart_and_stay() {
    let (store, ana) = (Slow::new(true, None), json!({"id": 1}));
    store.puts("one", &ana);
    let service = Service::start_on(&[("REVALIDATE_INTERVAL", "1h")], store).await;
    let sockets = vec![socket_of("a", "one", &ana), socket_of("b", "", &ana), socket_of("c", "", &ana)];
    let mut chat = gateway(&service, "chat", sockets).await;
    are_asked(&service, 1).await;
    let mut admin = Caller::of(&service.grpc).await;
    let request = EndSessionsRequest { filter: "true".to_owned(), params: None };
    let ended = admin.0.end_sessions(request.clone()).await.unwrap().into_inner();
    assert_eq!((ended.matched, ended.without_session), (3, 2));
    ends(&mut chat, &["a"], 4500, "session_not_found").await;
    assert_eq!(admin.ids("true").await, ["chat/b", "chat/c"]);
    let ended = admin.0.end_sessions(request).await.unwrap().into_inner();
    assert_eq!((ended.matched, ended.without_session), (2, 2));
    service.stop().await;
}

#[tokio::test]
async fn what_is_in_cookies_cannot_be_ended() {
    let service = Service::start(&[("SESSION_STORE", "cookie-session:")]).await;
    let refused = Caller::of(&service.grpc).await.end_sessions("true").await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("session.store"), "{refused:?}");
    service.stop().await;
}

#[tokio::test]
async fn the_caller_is_told_whose_sockets_may_have_been_missed() {
    let (store, ana) = (Slow::new(true, None), json!({"id": 1}));
    store.puts("one", &ana);
    let service = Service::start_on(&[("REVALIDATE_INTERVAL", "1h")], store).await;
    let _chat = gateway(&service, "chat", vec![socket_of("a", "one", &ana)]).await;
    let _feed = Gateway::open(&service.grpc, hello("feed", "one")).await;
    let request = EndSessionsRequest { filter: "true".to_owned(), params: None };
    let ended = Caller::of(&service.grpc).await.0.end_sessions(request).await.unwrap().into_inner();
    let view = ended.view.unwrap();
    assert_eq!(
        (ended.matched, view.incomplete_gateways, view.warming_up),
        (1, vec!["feed".to_owned()], true)
    );
    service.stop().await;
}

/// A store that destroys only while it may.
#[derive(Debug)]
struct Slow {
    sessions: MemoryStore,
    destroys: watch::Sender<bool>,
    asked: watch::Sender<usize>,
    /// Which attempt to destroy one fails.
    fails: Option<usize>,
}

impl Slow {
    fn new(destroys: bool, fails: Option<usize>) -> Arc<Self> {
        let sessions = MemoryStore::new();
        let (destroys, asked) = (watch::Sender::new(destroys), watch::Sender::new(0));
        Arc::new(Self { sessions, destroys, asked, fails })
    }

    fn puts(&self, id: &str, user: &Value) {
        self.sessions.insert(id, String::from_utf8(session_of(user)).unwrap());
    }

    async fn is_asked(&self, times: usize) {
        let mut asked = self.asked.subscribe();
        let asked = timeout(PATIENCE, asked.wait_for(|asked| *asked >= times)).await;
        asked.expect("it is asked").unwrap();
    }
}

#[tonic::async_trait]
impl SessionStore for Slow {
    async fn load(&self, id: &SessionId, max_bytes: usize) -> Result<Option<Vec<u8>>, Fault> {
        self.sessions.load(id, max_bytes).await
    }

    async fn destroy(&self, id: &SessionId) -> Result<(), Fault> {
        self.asked.send_modify(|asked| *asked += 1);
        let attempt = *self.asked.borrow();
        let _ = self.destroys.subscribe().wait_for(|destroys| *destroys).await;
        if self.fails == Some(attempt) {
            return Err(Fault::Unavailable("a test".to_owned()));
        }
        self.sessions.destroy(id).await
    }

    fn place(&self, id: &str) -> String {
        self.sessions.place(id)
    }

    fn question(&self) -> &'static str {
        self.sessions.question()
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.sessions.health()
    }
}

#[tokio::test]
async fn what_was_begun_goes_on_when_its_caller_has_left() {
    let (store, ana) = (Slow::new(false, None), json!({"id": 1}));
    store.puts("one", &ana);
    let service = Service::start_on(&[("REVALIDATE_INTERVAL", "1h")], Arc::clone(&store) as _).await;
    let mut chat = gateway(&service, "chat", vec![socket_of("a", "one", &ana)]).await;
    are_asked(&service, 1).await;
    let mut admin = Caller::of(&service.grpc).await;
    let call = tokio::spawn(async move { admin.end_sessions("true").await });
    store.is_asked(1).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert_eq!(scrape(&service.http).await["socketpass_session_destroyers"], 1.0);
    store.destroys.send_replace(true);
    ends(&mut chat, &["a"], 4500, "session_not_found").await;
    // And it looks again.
    store.puts("one", &ana);
    store.is_asked(2).await;
    crate::support::until("it is over", || async {
        let counted = scrape(&service.http).await;
        let destroyed = counted["socketpass_sessions_destroyed_total{outcome=\"done\"}"];
        counted["socketpass_session_destroyers"] == 0.0 && destroyed == 2.0
    })
    .await;
    let one = SessionId::new("one".to_owned()).unwrap();
    assert_eq!(store.sessions.load(&one, 1_000).await.unwrap(), None);
    service.stop().await;
}

#[tokio::test]
async fn one_that_is_back_while_the_store_fails_is_tried_a_last_time() {
    let (store, ana) = (Slow::new(true, Some(2)), json!({"id": 1}));
    store.puts("one", &ana);
    let service = Service::start_on(&[("REVALIDATE_INTERVAL", "1h")], Arc::clone(&store) as _).await;
    let _chat = gateway(&service, "chat", vec![socket_of("a", "one", &ana)]).await;
    assert_eq!(Caller::of(&service.grpc).await.end_sessions("true").await.unwrap(), 1);
    store.puts("one", &ana);
    crate::support::until("it was tried three times", || async {
        let counted = scrape(&service.http).await;
        let count =
            |outcome| counted[&format!("socketpass_sessions_destroyed_total{{outcome=\"{outcome}\"}}")];
        (count("done"), count("failed")) == (2.0, 1.0)
    })
    .await;
    let one = SessionId::new("one".to_owned()).unwrap();
    assert_eq!(store.sessions.load(&one, 1_000).await.unwrap(), None);
    service.stop().await;
}
