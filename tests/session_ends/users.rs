//! The same person, changed.

use std::time::Duration;

use serde_json::json;
use socketpass::grpc::{convert::structs, pb::command};
use tokio::time::timeout;

use super::{SOON, are_asked, ends, gateway, is_told_nothing, session_of, socket_of, start};
use crate::support::{
    callers::Caller,
    gateway::{Gateway, hello},
    redis::Redis,
};

/// The gateway is told who the user is.
async fn hears_of_user(gateway: &mut Gateway, socket_ids: &[&str]) -> serde_json::Value {
    let command = timeout(SOON, gateway.command()).await.expect("told soon");
    let Some(command::Command::UserChanged(changed)) = &command.command else { panic!("{command:?}") };
    assert_eq!(changed.socket_ids, socket_ids);
    let user = structs::json_object(changed.user.as_ref().unwrap());
    gateway.done(&command, socket_ids).await;
    user
}

#[tokio::test]
async fn the_registry_and_the_gateway_hear_of_a_user_who_changes_and_the_socket_stays() {
    let (redis, ledger) = (Redis::start().await, Redis::start().await);
    for registry in ["memory:".to_owned(), ledger.url()] {
        let (member, admin) = (json!({"id": 1, "role": "member"}), json!({"id": 1, "role": "admin"}));
        redis.put("one", &session_of(&member)).await;
        let service = start(&redis, &[("REGISTRY_STORE", &registry)]).await;
        let mut caller = Caller::of(&service.grpc).await;
        let mut chat = gateway(&service, "chat", vec![socket_of("a", "one", &member)]).await;
        are_asked(&service, 1).await;
        let mut watcher = caller.watch("user.role == 'admin'").await;
        watcher.told().await;
        redis.put("one", &session_of(&admin)).await;
        let heard = hears_of_user(&mut chat, &["a"]).await;
        assert_eq!(heard, json!({"id": 1, "role": "admin", "logged_in": true}));
        watcher.tells(&["+ chat/a"]).await;
        assert_eq!(caller.ids("user.role == 'admin'").await, ["chat/a"]);
        // From now on this counts over what the gateway reports.
        chat.opens(vec![socket_of("a", "one", &member)]).await;
        hears_of_user(&mut chat, &["a"]).await;
        assert_eq!(caller.ids("user.role == 'admin'").await, ["chat/a"]);
        // Also over what it lists again, elsewhere.
        drop(chat);
        let mut chat =
            Gateway::list(&service.grpc, hello("chat", "one"), vec![socket_of("a", "one", &member)]).await;
        hears_of_user(&mut chat, &["a"]).await;
        assert_eq!(caller.ids("user.role == 'member'").await, [""; 0]);
        chat.goodbye().await;
        service.stop().await;
    }
}

#[tokio::test]
async fn somebody_where_nobody_was_stays() {
    let redis = Redis::start().await;
    redis.put("one", br#"{"cookie":{},"passport":{}}"#).await;
    let service = start(&redis, &[("POLICY_ACCEPT", "true")]).await;
    let mut caller = Caller::of(&service.grpc).await;
    let mut anonymous = socket_of("a", "one", &json!({}));
    anonymous.user = Some(crate::support::gateway::object(json!({"logged_in": false})));
    let mut chat = gateway(&service, "chat", vec![anonymous]).await;
    are_asked(&service, 1).await;
    is_told_nothing(&mut chat, Duration::from_millis(300)).await;
    redis.put("one", &session_of(&json!({"id": 7}))).await;
    assert_eq!(hears_of_user(&mut chat, &["a"]).await, json!({"id": 7, "logged_in": true}));
    assert_eq!(caller.ids("user.id == 7").await, ["chat/a"]);
    // And out again.
    redis.put("one", br#"{"cookie":{},"passport":{}}"#).await;
    ends(&mut chat, &["a"], 4501, "not_logged_in").await;
    service.stop().await;
}

#[tokio::test]
async fn with_another_id_field_people_are_who_they_were_and_others_are_others() {
    let (redis, ledger) = (Redis::start().await, Redis::start().await);
    let ana = json!({"id": 1, "sub": "ana"});
    for session in ["one", "two"] {
        redis.put(session, &session_of(&ana)).await;
    }
    let url = ledger.url();
    let sockets = || vec![socket_of("a", "one", &ana), socket_of("b", "two", &ana)];
    let service = start(&redis, &[("REGISTRY_STORE", &url)]).await;
    let chat = gateway(&service, "chat", sockets()).await;
    are_asked(&service, 2).await;
    drop(chat);
    service.stop().await;
    // The operator has another field name people, and somebody logged in with the session while nobody looked.
    redis.put("two", &session_of(&json!({"id": 2, "sub": "ana"}))).await;
    let service = start(&redis, &[("REGISTRY_STORE", &url), ("USER_ID_FIELD", "sub")]).await;
    let mut chat = gateway(&service, "chat", sockets()).await;
    ends(&mut chat, &["b"], 4502, "another_user").await;
    is_told_nothing(&mut chat, Duration::from_millis(300)).await;
    // From now on that field counts.
    redis.put("one", &session_of(&json!({"id": 1, "sub": "ben"}))).await;
    ends(&mut chat, &["a"], 4502, "another_user").await;
    service.stop().await;
}

#[tokio::test]
async fn who_gains_an_id_stays_and_who_becomes_another_does_not_however_large_they_are() {
    let redis = Redis::start().await;
    let nameless = json!({"name": "Ana"});
    let large = |id: u64| json!({"id": id, "text": "x".repeat(70_000)});
    redis.put("one", &session_of(&nameless)).await;
    redis.put("two", &session_of(&large(1))).await;
    let service = start(&redis, &[]).await;
    let mut chat = gateway(&service, "chat", vec![socket_of("a", "one", &nameless)]).await;
    // A gateway may not report so much.
    let mut feed = gateway(&service, "feed", vec![socket_of("b", "two", &json!({}))]).await;
    are_asked(&service, 2).await;
    redis.put("one", &session_of(&json!({"name": "Ana", "id": 7}))).await;
    assert_eq!(hears_of_user(&mut chat, &["a"]).await["id"], 7);
    redis.put("two", &session_of(&large(2))).await;
    ends(&mut feed, &["b"], 4502, "another_user").await;
    service.stop().await;
}

#[tokio::test]
async fn a_change_whose_keeping_is_in_doubt_is_heard_all_the_same() {
    let (redis, ledger) = (Redis::start().await, Redis::start().await);
    let (member, admin) = (json!({"id": 1, "role": "member"}), json!({"id": 1, "role": "admin"}));
    redis.put("one", &session_of(&member)).await;
    let service = start(&redis, &[("REGISTRY_STORE", &ledger.url())]).await;
    let mut chat = gateway(&service, "chat", vec![socket_of("a", "one", &member)]).await;
    are_asked(&service, 1).await;
    // Longer than the service waits for an answer: it is kept, and nobody hears so.
    let mut pause = ::redis::cmd("CLIENT");
    pause.arg("PAUSE").arg(1_500).arg("WRITE");
    pause.exec_async(&mut ledger.connection().await).await.unwrap();
    redis.put("one", &session_of(&admin)).await;
    let command = timeout(Duration::from_secs(10), chat.command()).await.expect("told");
    assert!(matches!(command.command, Some(command::Command::UserChanged(_))), "{command:?}");
    service.stop().await;
}
