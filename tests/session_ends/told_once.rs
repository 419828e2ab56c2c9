//! Those who watch session ends hear of each once, however many replicas find it.

use std::time::Duration;

use serde_json::json;
use socketpass::grpc::pb::{Reason, WatchSessionEndsRequest, WatchSessionEndsResponse};
use tokio::time::timeout;
use tonic::Streaming;

use super::{SOON, are_asked, delete, ends, gateway, is_told_nothing, session_of, socket_of, start};
use crate::support::{callers::Caller, gateway::Gateway, redis::Redis, service::Service};

/// Longer than another replica takes to tell what it finds.
const A_WHILE: Duration = Duration::from_millis(500);

struct Watcher(Streaming<WatchSessionEndsResponse>);

impl Watcher {
    async fn of(service: &Service) -> Self {
        let request = WatchSessionEndsRequest::default();
        Self(Caller::of(&service.grpc).await.0.watch_session_ends(request).await.unwrap().into_inner())
    }

    async fn hears(&mut self, session_id: &str, reason: Reason, sockets: u64) {
        let end = timeout(SOON, self.0.message()).await.expect("told soon").unwrap().unwrap();
        assert_eq!((end.session_id.as_str(), end.reason(), end.sockets), (session_id, reason, sockets));
    }

    async fn hears_nothing(&mut self) {
        if let Ok(end) = timeout(A_WHILE, self.0.message()).await {
            panic!("told {end:?}");
        }
    }
}

/// Two replicas over one registry, a gateway at each, and somebody who watches at each.
struct Fleet {
    redis: Redis,
    _ledger: Redis,
    services: [Service; 2],
    watchers: [Watcher; 2],
}

impl Fleet {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let (redis, ledger) = (Redis::start().await, Redis::start().await);
        let url = ledger.url();
        let settings: Vec<_> = [("REGISTRY_STORE", url.as_str())].iter().chain(settings).copied().collect();
        let services = [start(&redis, &settings).await, start(&redis, &settings).await];
        let watchers = [Watcher::of(&services[0]).await, Watcher::of(&services[1]).await];
        Self { redis, _ledger: ledger, services, watchers }
    }

    /// Each replica knows of all of them.
    async fn has(&self, sockets: u64) {
        for service in &self.services {
            Caller::of(&service.grpc).await.counts("true", sockets).await;
        }
    }

    async fn hear_of_one(&mut self, session_id: &str, reason: Reason, sockets: u64) {
        for watcher in &mut self.watchers {
            watcher.hears(session_id, reason, sockets).await;
        }
        for watcher in &mut self.watchers {
            watcher.hears_nothing().await;
        }
    }

    async fn stop(self) {
        for service in self.services {
            service.stop().await;
        }
    }
}

async fn both_end(chat: &mut Gateway, feed: &mut Gateway, sockets: [&[&str]; 2], code: u32, reason: &str) {
    tokio::join!(ends(chat, sockets[0], code, reason), ends(feed, sockets[1], code, reason));
}

#[tokio::test]
async fn a_logout_is_one_end_with_all_sockets_and_the_next_one_another() {
    let mut fleet = Fleet::start(&[]).await;
    let ana = json!({"id": 1});
    fleet.redis.put("one", &session_of(&ana)).await;
    let of = |id| socket_of(id, "one", &ana);
    let mut chat = gateway(&fleet.services[0], "chat", vec![of("a"), of("b")]).await;
    let mut feed = gateway(&fleet.services[1], "feed", vec![of("c")]).await;
    are_asked(&fleet.services[0], 1).await;
    are_asked(&fleet.services[1], 1).await;
    fleet.has(3).await;
    delete(&fleet.redis, "one").await;
    both_end(&mut chat, &mut feed, [&["a", "b"], &["c"]], 4500, "session_not_found").await;
    fleet.hear_of_one("one", Reason::SessionNotFound, 3).await;

    // Logged in again with the same id, and logged out in another way.
    fleet.has(0).await;
    fleet.redis.put("one", &session_of(&ana)).await;
    chat.opens(vec![of("d")]).await;
    feed.opens(vec![of("e")]).await;
    fleet.has(2).await;
    is_told_nothing(&mut chat, A_WHILE).await;
    fleet.redis.put("one", br#"{"passport":{}}"#).await;
    both_end(&mut chat, &mut feed, [&["d"], &["e"]], 4501, "not_logged_in").await;
    fleet.hear_of_one("one", Reason::NotLoggedIn, 2).await;

    // A handshake that was under way comes too late to be another end.
    chat.opens(vec![of("f")]).await;
    ends(&mut chat, &["f"], 4501, "not_logged_in").await;
    for watcher in &mut fleet.watchers {
        watcher.hears_nothing().await;
    }
    fleet.stop().await;
}

#[tokio::test]
async fn a_gateway_that_cannot_end_its_socket_makes_no_other_end_of_it() {
    let mut fleet = Fleet::start(&[]).await;
    let ana = json!({"id": 1});
    fleet.redis.put("one", &session_of(&ana)).await;
    let mut chat = gateway(&fleet.services[0], "chat", vec![socket_of("a", "one", &ana)]).await;
    are_asked(&fleet.services[0], 1).await;
    delete(&fleet.redis, "one").await;
    for _ in 0..3 {
        let command = chat.command().await;
        chat.done(&command, &[]).await;
    }
    fleet.hear_of_one("one", Reason::SessionNotFound, 1).await;
    // Another end of the same session is one.
    fleet.redis.put("one", &session_of(&json!({"id": 2}))).await;
    let command = loop {
        let command = chat.command().await;
        if super::disconnect(&command).1.code == 4502 {
            break command;
        }
        chat.done(&command, &[]).await;
    };
    chat.done(&command, &["a"]).await;
    fleet.hear_of_one("one", Reason::AnotherUser, 1).await;
    fleet.stop().await;
}

#[tokio::test]
async fn an_id_that_never_was_a_session_has_no_end() {
    let mut fleet = Fleet::start(&[]).await;
    let mut made_up = socket_of("a", "made up", &json!({}));
    made_up.user = Some(crate::support::gateway::object(json!({"logged_in": false})));
    let let_in = socket_of("b", "let in", &json!({"id": 1}));
    let mut chat = gateway(&fleet.services[0], "chat", vec![made_up, let_in]).await;
    let mut told = Vec::new();
    while told.len() < 2 {
        let command = chat.command().await;
        told.extend(super::disconnect(&command).0);
        chat.done(&command, &["a", "b"]).await;
    }
    // People have seen somebody there whom their gateway had let in.
    fleet.hear_of_one("let in", Reason::SessionNotFound, 1).await;
    fleet.stop().await;
}
