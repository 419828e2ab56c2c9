//! How many sockets one person may have.

use serde_json::json;
use socketpass::grpc::pb::{Reason, Socket};

use super::{are_asked, ends, gateway, session_of, socket_of, start};
use crate::support::{
    ANA, ANA_ID,
    callers::Caller,
    cookie,
    redis::Redis,
    service::{Service, authorize, explain, with_cookie},
};

const CAP: (&str, &str) = ("LIMITS_MAX_SOCKETS_PER_USER", "2");

/// A socket of Ana's that was opened so many seconds after the first one.
fn of_ana(socket_id: &str, seconds: i64) -> Socket {
    let socket = socket_of(socket_id, ANA_ID, &json!({"id": 1, "name": "Ana"}));
    let connected_at = Some(prost_types::Timestamp { seconds: 1_700_000_000 + seconds, nanos: 0 });
    Socket { connected_at, ..socket }
}

async fn begin(settings: &[(&str, &str)]) -> (Redis, Service) {
    let redis = Redis::start().await;
    redis.put(ANA_ID, ANA.as_bytes()).await;
    let settings: Vec<_> = [CAP].into_iter().chain(settings.iter().copied()).collect();
    let service = start(&redis, &settings).await;
    (redis, service)
}

#[tokio::test]
async fn one_more_is_refused_and_what_slipped_past_ends() {
    let (_redis, service) = begin(&[]).await;
    let mut client = service.client().await;
    let handshake = with_cookie(&cookie(ANA_ID));
    let mut chat = gateway(&service, "chat", vec![of_ana("a", 0)]).await;
    are_asked(&service, 1).await;
    assert!(authorize(&mut client, handshake.clone()).await.accepted);
    let mut feed = gateway(&service, "feed", vec![of_ana("b", 1)]).await;
    are_asked(&service, 2).await;
    let refused = authorize(&mut client, handshake.clone()).await;
    assert_eq!((refused.accepted, refused.reason()), (false, Reason::TooManySockets));
    assert_eq!((refused.message.as_str(), refused.error), ("Too many sockets", false));
    assert_eq!(
        refused.close.map(|close| (close.code, close.reason)),
        Some((4002, "too_many_sockets".into()))
    );
    let explained = explain(&mut client, handshake.clone()).await;
    let step = explained.steps.last().unwrap();
    assert_eq!((step.name.as_str(), step.ok), ("cap", false));
    assert!(step.hint.contains("limits.evict_oldest"), "{step:?}");
    // Others have places of their own.
    let mut other = socket_of("x", "other", &json!({"id": 2}));
    other.session_id = String::new();
    feed.opens(vec![other]).await;
    // In a burst: the newest goes, wherever it is.
    chat.opens(vec![of_ana("c", 2)]).await;
    ends(&mut chat, &["c"], 4002, "too_many_sockets").await;
    let mut caller = Caller::of(&service.grpc).await;
    caller.counts("user.id == 1", 2).await;
    chat.closes("a").await;
    assert!(authorize(&mut client, handshake).await.accepted);
    service.stop().await;
}

#[tokio::test]
async fn one_more_takes_the_place_of_the_oldest() {
    let (_redis, service) = begin(&[("LIMITS_EVICT_OLDEST", "true")]).await;
    let mut client = service.client().await;
    let mut chat = gateway(&service, "chat", vec![of_ana("a", 0), of_ana("b", 1)]).await;
    are_asked(&service, 1).await;
    assert!(authorize(&mut client, with_cookie(&cookie(ANA_ID))).await.accepted);
    let mut feed = gateway(&service, "feed", vec![of_ana("c", 2)]).await;
    ends(&mut chat, &["a"], 4506, "evicted").await;
    let mut caller = Caller::of(&service.grpc).await;
    caller.counts("user.id == 1", 2).await;
    feed.opens(vec![of_ana("d", 3)]).await;
    ends(&mut chat, &["b"], 4506, "evicted").await;
    service.stop().await;
}

#[tokio::test]
async fn who_has_no_id_is_not_counted() {
    let redis = Redis::start().await;
    redis.put(ANA_ID, &session_of(&json!({"name": "Ana"}))).await;
    let service = start(&redis, &[CAP]).await;
    let mut client = service.client().await;
    let nameless = |id| socket_of(id, ANA_ID, &json!({"name": "Ana"}));
    let mut chat = gateway(&service, "chat", vec![nameless("a"), nameless("b"), nameless("c")]).await;
    are_asked(&service, 1).await;
    assert!(authorize(&mut client, with_cookie(&cookie(ANA_ID))).await.accepted);
    super::is_told_nothing(&mut chat, std::time::Duration::from_millis(300)).await;
    service.stop().await;
}
