//! The registry's own Redis is away: sockets end all the same.

use std::time::Duration;

use serde_json::json;
use socketpass::grpc::pb::WatchSessionEndsRequest;
use tokio::time::timeout;

use super::{are_asked, delete, disconnect, gateway, is_told_that_it_ended, session_of, socket_of, start};
use crate::support::{callers::Caller, http, memcached::Memcached, redis::Redis, service::Service, until};

/// What the gateway is told within this is not told by waiting until the registry answers again.
const AT_ONCE: Duration = Duration::from_secs(1);

async fn metrics(service: &Service) -> String {
    http::get(&service.http, "/metrics").await.body
}

async fn begin(sessions: &[&str]) -> (Redis, Redis, Service) {
    begin_with(sessions, &[]).await
}

async fn begin_with(sessions: &[&str], settings: &[(&str, &str)]) -> (Redis, Redis, Service) {
    let (redis, ledger) = (Redis::start().await, Redis::start().await);
    for session in sessions {
        redis.put(session, &session_of(&json!({"id": 1}))).await;
    }
    let url = ledger.url();
    let settings = [&[("REGISTRY_STORE", url.as_str()), ("REGISTRY_LEASE", "1m")], settings].concat();
    let service = start(&redis, &settings).await;
    // A replica that finds sockets when it reads the registry first believes no absence at once.
    Caller::of(&service.grpc).await.watch("true").await.told().await;
    (redis, ledger, service)
}

#[tokio::test]
async fn with_a_registry_that_hangs_sockets_end_and_it_hears_of_that_later() {
    let (redis, ledger, service) = begin(&["one", "two"]).await;
    let ana = json!({"id": 1});
    let mut caller = Caller::of(&service.grpc).await;
    let mut watcher = caller.watch("true").await;
    watcher.told().await;
    let ends = caller.0.watch_session_ends(WatchSessionEndsRequest::default()).await.unwrap();
    let sockets = vec![socket_of("a", "one", &ana), socket_of("b", "two", &ana)];
    let mut chat = gateway(&service, "chat", sockets).await;
    are_asked(&service, 2).await;
    watcher.tells(&["+ chat/a", "+ chat/b"]).await;
    // Asked once more, and so what was found out first is kept.
    for session in ["one", "two"] {
        redis.put(session, &session_of(&ana)).await;
    }
    are_asked(&service, 4).await;
    ledger.process().signal("STOP");
    // A batch that nobody keeps, and another one behind it.
    chat.send(Vec::new(), false).await;
    chat.send(Vec::new(), false).await;
    for (session, socket) in [("one", "a"), ("two", "b")] {
        delete(&redis, session).await;
        let command = timeout(AT_ONCE, chat.command()).await.expect("told at once");
        let (told, close) = disconnect(&command);
        assert_eq!((told, close.reason.as_str()), (vec![socket.to_owned()], "session_not_found"));
        chat.done(&command, &[socket]).await;
    }
    ledger.process().signal("CONT");
    chat.acked().await.unwrap();
    // The results came while it hung, and count.
    watcher.tells(&["- chat/a SESSION_NOT_FOUND", "- chat/b SESSION_NOT_FOUND"]).await;
    assert_eq!(caller.total("true").await, 0);
    let mut ends = ends.into_inner();
    let mut ended = [(); 2].map(|()| String::new());
    for session in &mut ended {
        *session = ends.message().await.unwrap().unwrap().session_id;
    }
    ended.sort();
    assert_eq!(ended, ["one", "two"]);
    service.stop().await;
}

#[tokio::test]
async fn with_a_registry_that_is_dead_a_gateway_is_told_once_and_what_it_did_counts() {
    let (redis, mut ledger, service) = begin(&["one"]).await;
    let mut chat = gateway(&service, "chat", vec![socket_of("a", "one", &json!({"id": 1}))]).await;
    are_asked(&service, 1).await;
    ledger.kill().await;
    chat.send(Vec::new(), false).await;
    until("that is known", || async { metrics(&service).await.contains("\nsocketpass_registry_store_up 0") })
        .await;
    delete(&redis, "one").await;
    let command = timeout(AT_ONCE, chat.command()).await.expect("told at once");
    assert_eq!(disconnect(&command).0, ["a"]);
    chat.done(&command, &["a"]).await;
    until("it counts", || async {
        let ended = "\nsocketpass_session_ends_total{reason=\"session_not_found\"} 1";
        metrics(&service).await.contains(ended)
    })
    .await;
    service.stop().await;
}

#[tokio::test]
async fn with_a_registry_that_is_dead_sessions_are_ended_from_outside() {
    /// What the `memcached` package marks JSON with.
    const JSON: u32 = 2;
    // It tells nobody what changes in it.
    let (memcached, mut ledger) = (Memcached::start().await, Redis::start().await);
    let ana = json!({"id": 1});
    memcached.set("one", JSON, &session_of(&ana)).await;
    let (sessions, registry) = (memcached.url(), ledger.url());
    let settings = [
        ("SESSION_STORE", sessions.as_str()),
        ("REGISTRY_STORE", &registry),
        ("REGISTRY_LEASE", "1m"),
        ("REVALIDATE_INTERVAL", "1h"),
    ];
    let service = Service::start(&settings).await;
    let mut admin = Caller::of(&service.grpc).await;
    admin.watch("true").await.told().await;
    let mut chat = gateway(&service, "chat", vec![socket_of("a", "one", &ana)]).await;
    are_asked(&service, 1).await;
    admin.counts("true", 1).await;
    ledger.kill().await;
    assert_eq!(admin.end_sessions("true").await.unwrap(), 1);
    is_told_that_it_ended(&mut chat, "a").await;
    service.stop().await;
}

#[tokio::test]
async fn what_cannot_be_kept_of_a_session_holds_up_its_end_for_one_timeout() {
    let (redis, ledger, service) = begin_with(&["one"], &[("REGISTRY_STORE_TIMEOUT", "200ms")]).await;
    let mut chat = gateway(&service, "chat", vec![socket_of("a", "one", &json!({"id": 1}))]).await;
    are_asked(&service, 1).await;
    // Asked once more, and so what was found out first is kept.
    redis.put("one", &session_of(&json!({"id": 1}))).await;
    are_asked(&service, 2).await;
    ledger.process().signal("STOP");
    // Somebody's role changes, and the registry does not take it.
    redis.put("one", &session_of(&json!({"id": 1, "role": "admin"}))).await;
    are_asked(&service, 3).await;
    delete(&redis, "one").await;
    let command = timeout(AT_ONCE, chat.command()).await.expect("told at once");
    assert_eq!(disconnect(&command).0, ["a"]);
    ledger.process().signal("CONT");
    service.stop().await;
}
