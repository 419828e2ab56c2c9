//! Sessions that are ended from outside, and those who watch.

use serde_json::json;
use socketpass::{
    grpc::{
        convert::structs,
        pb::{EndSessionsRequest, Reason, WatchSessionEndsRequest, WatchSessionEndsResponse},
    },
    registry::change::Shard,
};
use tokio::time::{sleep, timeout};
use tonic::{Code, Streaming};

use super::{SOON, are_asked, delete, ends, gateway, is_told_nothing, session_of, socket_of, start};
use crate::support::{
    PATIENCE,
    callers::{Caller, params},
    redis::Redis,
    service::Service,
};

async fn watch(caller: &mut Caller, from: &str) -> (Streaming<WatchSessionEndsResponse>, String) {
    let request = WatchSessionEndsRequest { from_revision: from.to_owned(), ..Default::default() };
    let response = caller.0.watch_session_ends(request).await.unwrap();
    let revision = response.metadata().get("socketpass-revision").unwrap().to_str().unwrap().to_owned();
    (response.into_inner(), revision)
}

async fn next(watch: &mut Streaming<WatchSessionEndsResponse>) -> WatchSessionEndsResponse {
    timeout(SOON, watch.message()).await.expect("told soon").unwrap().unwrap()
}

fn words(end: &WatchSessionEndsResponse) -> (String, &'static str, u64) {
    (end.session_id.clone(), end.reason().as_str_name(), end.sockets)
}

#[tokio::test]
async fn sessions_are_ended_and_ended_again_if_they_come_back() {
    let redis = Redis::start().await;
    let (ana, ben) = (json!({"id": 1}), json!({"id": 2}));
    for id in ["one", "two"] {
        redis.put(id, &session_of(&ana)).await;
    }
    redis.put("three", &session_of(&ben)).await;
    let service = start(&redis, &[]).await;
    let mut caller = Caller::of(&service.grpc).await;
    let sockets =
        vec![socket_of("a", "one", &ana), socket_of("b", "two", &ana), socket_of("c", "three", &ben)];
    let mut chat = gateway(&service, "chat", sockets).await;
    are_asked(&service, 3).await;
    let request =
        EndSessionsRequest { filter: "user.id == params.id".to_owned(), params: params(json!({"id": 1})) };
    let ended = caller.0.end_sessions(request).await.unwrap().into_inner();
    assert_eq!((ended.matched, ended.view.is_some()), (2, true));
    // A request that was under way writes it again.
    redis.put("one", &session_of(&ana)).await;
    let mut told = Vec::new();
    while told.len() < 2 {
        let command = timeout(2 * SOON, chat.command()).await.expect("told soon");
        let (ids, close) = super::disconnect(&command);
        assert_eq!(close.reason, "session_not_found");
        chat.done(&command, &ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
        told.extend(ids);
    }
    told.sort();
    assert_eq!(told, ["a", "b"]);
    crate::support::until("it was destroyed again", || async {
        let mut connection = redis.connection().await;
        let left: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
        left == ["sess:three"]
    })
    .await;
    assert_eq!(caller.ids("true").await, ["chat/c"]);
    service.stop().await;
}

#[tokio::test]
async fn what_is_in_cookies_cannot_be_ended_and_is_not_asked_again() {
    let service = Service::start(&[("SESSION_STORE", "cookie-session:")]).await;
    let mut caller = Caller::of(&service.grpc).await;
    let mut chat = gateway(&service, "chat", vec![socket_of("a", "one", &json!({"id": 1}))]).await;
    let request = EndSessionsRequest { filter: "true".to_owned(), params: None };
    let status = caller.0.end_sessions(request).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("cookie-session"), "{status}");
    is_told_nothing(&mut chat, std::time::Duration::from_millis(300)).await;
    service.stop().await;
}

#[tokio::test]
async fn watchers_hear_of_each_end_once_and_go_on_elsewhere() {
    let (redis, ledger) = (Redis::start().await, Redis::start().await);
    let (ana, ben) = (json!({"id": 1, "name": "Ana"}), json!({"id": 2}));
    for id in ["one", "two", "three"] {
        redis.put(id, &session_of(&ana)).await;
    }
    let url = ledger.url();
    let here = start(&redis, &[("REGISTRY_STORE", &url)]).await;
    let there = start(&redis, &[("REGISTRY_STORE", &url)]).await;
    let mut caller = Caller::of(&here.grpc).await;
    let (mut watcher, beginning) = watch(&mut caller, "").await;
    let of = |id, session| socket_of(id, session, &ana);
    let mut chat = gateway(&here, "chat", vec![of("a", "one"), of("b", "two"), of("c", "three")]).await;
    let mut feed = gateway(&there, "feed", vec![of("d", "one")]).await;
    are_asked(&here, 3).await;
    are_asked(&there, 1).await;
    // Each replica knows of the other's sockets.
    caller.counts("true", 4).await;
    Caller::of(&there.grpc).await.counts("true", 4).await;
    delete(&redis, "one").await;
    let (first, second) = tokio::join!(
        ends(&mut chat, &["a"], 4500, "session_not_found"),
        ends(&mut feed, &["d"], 4500, "session_not_found")
    );
    let _ = (first, second);
    let end = next(&mut watcher).await;
    assert_eq!(words(&end), ("one".to_owned(), "REASON_SESSION_NOT_FOUND", 2));
    assert_eq!(structs::json_object(end.user.as_ref().unwrap())["name"], "Ana");
    assert!(end.at.is_some());
    redis.put("two", &session_of(&ben)).await;
    ends(&mut chat, &["b"], 4502, "another_user").await;
    assert_eq!(words(&next(&mut watcher).await), ("two".to_owned(), "REASON_ANOTHER_USER", 1));
    // At another replica, from where the first one was, and from the beginning.
    let mut other = Caller::of(&there.grpc).await;
    let (mut resumed, _) = watch(&mut other, &end.revision).await;
    assert_eq!(words(&next(&mut resumed).await).0, "two");
    let (mut again, _) = watch(&mut other, &beginning).await;
    assert_eq!(words(&next(&mut again).await).0, "one");
    redis.put("three", br#"{"passport":{}}"#).await;
    ends(&mut chat, &["c"], 4501, "not_logged_in").await;
    for watch in [&mut watcher, &mut resumed] {
        assert_eq!(next(watch).await.reason(), Reason::NotLoggedIn);
    }
    // Nothing comes twice.
    sleep(std::time::Duration::from_millis(300)).await;
    assert!(timeout(std::time::Duration::from_millis(10), watcher.message()).await.is_err());
    let broken = WatchSessionEndsRequest { from_revision: "x".to_owned(), ..Default::default() };
    assert_eq!(caller.0.watch_session_ends(broken).await.unwrap_err().code(), Code::InvalidArgument);
    here.stop().await;
    there.stop().await;
}

#[tokio::test]
async fn after_a_long_quiet_a_watcher_goes_on_elsewhere_from_a_checkpoint() {
    let (redis, ledger) = (Redis::start().await, Redis::start().await);
    let ana = json!({"id": 1});
    redis.put("one", &session_of(&ana)).await;
    let url = ledger.url();
    let here = start(&redis, &[("REGISTRY_STORE", &url)]).await;
    let mut caller = Caller::of(&here.grpc).await;
    let (mut quiet, beginning) = watch(&mut caller, "").await;
    let mut chat = gateway(&here, "chat", vec![socket_of("a", "one", &ana)]).await;
    are_asked(&here, 1).await;
    let request = WatchSessionEndsRequest { checkpoints: true, ..Default::default() };
    let mut told = caller.0.watch_session_ends(request).await.unwrap().into_inner();
    let checkpoint = timeout(PATIENCE, told.message()).await.unwrap().unwrap().unwrap();
    assert_eq!(
        checkpoint,
        WatchSessionEndsResponse { revision: checkpoint.revision.clone(), ..Default::default() }
    );
    // Nothing of the time before it is kept any more.
    let mut trim = redis::cmd("XTRIM");
    trim.arg(format!("{{socketpass:{}}}:feed", Shard::of("chat").number())).arg("MAXLEN").arg(1);
    let trimmed: u64 = trim.query_async(&mut ledger.connection().await).await.unwrap();
    assert!(trimmed > 0);
    let there = start(&redis, &[("REGISTRY_STORE", &url)]).await;
    let mut other = Caller::of(&there.grpc).await;
    let from =
        |revision: &str| WatchSessionEndsRequest { from_revision: revision.to_owned(), ..Default::default() };
    let refused = other.0.watch_session_ends(from(&beginning)).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused:?}");
    let (mut resumed, _) = watch(&mut other, &checkpoint.revision).await;
    delete(&redis, "one").await;
    ends(&mut chat, &["a"], 4500, "session_not_found").await;
    assert_eq!(words(&next(&mut resumed).await).0, "one");
    // Who has not asked for checkpoints has none.
    assert_eq!(words(&next(&mut quiet).await).0, "one");
    here.stop().await;
    there.stop().await;
}
