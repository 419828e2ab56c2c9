//! Sessions that are ended from outside: `EndSessions`.

use serde_json::json;
use tonic::Code;

use super::{are_asked, ends, gateway, session_of, socket_of, start};
use crate::support::{callers::Caller, redis::Redis, service::Service};

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
async fn what_is_in_cookies_cannot_be_ended() {
    let service = Service::start(&[("SESSION_STORE", "cookie-session:")]).await;
    let refused = Caller::of(&service.grpc).await.end_sessions("true").await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("session.store"), "{refused:?}");
    service.stop().await;
}
