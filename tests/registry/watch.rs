//! `WatchSockets`: what matches, and then what changes about that.

use std::time::Duration;

use serde_json::json;
use socketpass::grpc::pb::watch_sockets_response::Event;
use tonic::Code;

use crate::support::{
    callers::Caller,
    gateway::{Gateway, closed, hello, opened, socket},
    redis::Redis,
    service::Service,
    until,
};

async fn start(settings: &[(&str, &str)]) -> (Service, Caller) {
    let service = Service::start(settings).await;
    let caller = Caller::of(&service.grpc).await;
    (service, caller)
}

#[tokio::test]
async fn a_snapshot_and_then_what_changes() {
    let (service, mut caller) = start(&[]).await;
    let team = |team: &str| json!({"id": 1, "team": team});
    let listed = vec![socket("s1", team("a")), socket("s2", team("b"))];
    let mut gateway = Gateway::list(&service.grpc, hello("g", "one"), listed).await;
    let mut watcher = caller.watch("user.team == 'a'").await;
    assert_eq!(watcher.told().await, ["+ g/s1"]);
    assert_ne!(watcher.revision, "");

    gateway.opens(vec![socket("s3", team("a")), socket("s4", team("b"))]).await;
    watcher.tells(&["+ g/s3"]).await;
    // It begins to match, changes while it does, and ceases to.
    gateway.opens(vec![socket("s4", team("a"))]).await;
    gateway.opens(vec![socket("s4", json!({"id": 2, "team": "a"}))]).await;
    match watcher.event().await {
        Event::Opened(socket) => assert_eq!(socket.socket_id, "s4"),
        other => panic!("{other:?}"),
    }
    watcher.tells(&["+ g/s4"]).await;
    gateway.opens(vec![socket("s4", team("b"))]).await;
    watcher.tells(&["- g/s4 LEFT_FILTER"]).await;
    // Said again as it is: nothing to tell.
    gateway.opens(vec![socket("s1", team("a"))]).await;
    gateway.report(vec![closed("s2"), closed("s1")], false).await.unwrap();
    watcher.tells(&["- g/s1 CLOSED"]).await;
    gateway.goodbye().await;
    watcher.tells(&["- g/s3 CLOSED"]).await;
}

#[tokio::test]
async fn session_ids_are_not_told() {
    let (service, mut caller) = start(&[]).await;
    let with_session = |id: &str| socketpass::grpc::pb::Socket {
        session_id: "a secret".to_owned(),
        ..socket(id, json!({"id": 1}))
    };
    let mut gateway = Gateway::list(&service.grpc, hello("g", "one"), vec![with_session("s1")]).await;
    let mut watcher = caller.watch("socket.session_id == 'a secret'").await;
    gateway.report(vec![opened(with_session("s2")), closed("s1")], false).await.unwrap();
    for _ in 0..3 {
        match watcher.event().await {
            Event::Opened(socket) => assert_eq!(socket.session_id, ""),
            Event::Closed(closed) => assert_eq!(closed.socket.unwrap().session_id, ""),
            Event::Checkpoint(_) => unreachable!(),
        }
    }
}

#[tokio::test]
async fn a_checkpoint_says_how_much_is_known() {
    let (service, mut caller) = start(&[("REGISTRY_LEASE", "1h")]).await;
    let _listing = Gateway::open(&service.grpc, hello("g", "one")).await;
    let mut watcher = caller.watch("true").await;
    match watcher.next().await.unwrap() {
        Event::Checkpoint(view) => {
            assert_eq!(view.incomplete_gateways, ["g"]);
            // It began less than a lease ago.
            assert!(view.warming_up);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_watch_goes_on_from_each_revision() {
    let (service, mut caller) = start(&[]).await;
    let mut gateway = Gateway::list(&service.grpc, hello("g", "one"), vec![socket("s0", json!({}))]).await;
    let mut watcher = caller.watch("true").await;
    watcher.told().await;
    // One change a batch: each has a revision of its own.
    let mut revisions = vec![watcher.revision.clone()];
    let expected = ["+ g/s1", "+ g/s2", "- g/s0 CLOSED", "- g/s1 CLOSED"];
    gateway.opens(vec![socket("s1", json!({}))]).await;
    gateway.opens(vec![socket("s2", json!({}))]).await;
    gateway.closes("s0").await;
    gateway.closes("s1").await;
    for expected in expected {
        watcher.tells(&[expected]).await;
        revisions.push(watcher.revision.clone());
    }
    drop(watcher);
    for (seen, revision) in revisions.iter().enumerate() {
        let mut again = caller.try_watch("true", revision).await.unwrap();
        assert_eq!(again.told().await, expected[seen..]);
    }
}

#[tokio::test]
async fn a_watch_goes_on_at_another_replica() {
    let redis = Redis::start().await;
    let store = ("REGISTRY_STORE", &*redis.url());
    let (one, mut caller) = start(&[store]).await;
    let (other, mut other_caller) = start(&[store]).await;
    let mut gateway = Gateway::list(&one.grpc, hello("g", "one"), vec![socket("s1", json!({}))]).await;
    for caller in [&mut caller, &mut other_caller] {
        caller.counts("true", 1).await;
    }
    let mut watcher = caller.watch("true").await;
    watcher.told().await;
    gateway.opens(vec![socket("s2", json!({}))]).await;
    watcher.tells(&["+ g/s2"]).await;
    gateway.opens(vec![socket("s3", json!({}))]).await;
    let mut again = other_caller.try_watch("true", &watcher.revision).await.unwrap();
    again.tells(&["+ g/s3"]).await;

    // Also at one that began after it had happened.
    gateway.closes("s1").await;
    let (late, mut late_caller) = start(&[store]).await;
    late_caller.counts("true", 2).await;
    let mut again = late_caller.try_watch("true", &watcher.revision).await.unwrap();
    again.tells(&["+ g/s3", "- g/s1 CLOSED"]).await;
    drop((again, watcher, gateway));
    for service in [one, other, late] {
        service.stop().await;
    }
}

#[tokio::test]
async fn another_registrys_revision_is_out_of_range() {
    let (service, mut caller) = start(&[]).await;
    let mut watcher = caller.watch("true").await;
    watcher.told().await;
    let (_other_service, mut other) = start(&[]).await;
    // The fault may come with the first message.
    let end = match other.try_watch("true", &watcher.revision).await {
        Ok(mut watcher) => watcher.end().await,
        Err(status) => status,
    };
    assert_eq!(end.code(), Code::OutOfRange, "{end:?}");
    assert!(end.message().contains("start afresh"), "{end:?}");
    drop(service);
}

#[tokio::test]
async fn what_is_not_kept_any_more_is_out_of_range() {
    let (service, mut caller) = start(&[("REGISTRY_HISTORY_BYTES", "64KiB")]).await;
    let mut gateway = Gateway::list(&service.grpc, hello("g", "one"), vec![]).await;
    let mut watcher = caller.watch("true").await;
    watcher.told().await;
    let old = watcher.revision.clone();
    drop(watcher);
    for number in 0..20 {
        gateway.opens(vec![socket("s", json!({"id": number, "padding": "x".repeat(1_000)}))]).await;
    }
    let end = match caller.try_watch("true", &old).await {
        Ok(mut watcher) => watcher.end().await,
        Err(status) => status,
    };
    assert_eq!(end.code(), Code::OutOfRange, "{end:?}");
}

#[tokio::test]
async fn a_watcher_that_is_too_slow_has_to_start_afresh() {
    let (service, mut caller) = start(&[("REGISTRY_HISTORY_BYTES", "1MiB")]).await;
    let mut gateway = Gateway::list(&service.grpc, hello("g", "one"), vec![]).await;
    let mut slow = caller.watch("true").await;
    slow.told().await;
    let mut quick = caller.watch("user.id == 'last'").await;
    quick.told().await;
    // More than the connection, the service and the history hold together; nobody waits for the slow one.
    for number in 0..200 {
        let padding = "x".repeat(60_000);
        gateway.opens(vec![socket("s", json!({"id": number, "padding": padding}))]).await;
    }
    gateway.opens(vec![socket("t", json!({"id": "last"}))]).await;
    quick.tells(&["+ g/t"]).await;
    let end = slow.end().await;
    assert_eq!(end.code(), Code::OutOfRange, "{end:?}");
    assert!(end.message().contains("slower than the changes"), "{end:?}");
}

#[tokio::test]
async fn there_are_as_many_watches_as_the_settings_allow() {
    let (_service, mut caller) = start(&[("LIMITS_MAX_WATCHES", "1")]).await;
    let mut watcher = caller.watch("true").await;
    watcher.told().await;
    let refused = caller.try_watch("true", "").await.err().unwrap();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    assert!(refused.message().contains("limits.max_watches"), "{refused:?}");
    drop(watcher);
    until("there is room again", async || caller.clone().try_watch("true", "").await.is_ok()).await;
}

#[tokio::test]
async fn redis_that_lost_its_data_ends_watches() {
    let mut redis = Redis::start().await;
    let (service, mut caller) = start(&[("REGISTRY_STORE", &*redis.url()), ("REGISTRY_LEASE", "1s")]).await;
    until("the registry is there", async || caller.clone().try_watch("true", "").await.is_ok()).await;
    let mut watcher = caller.watch("true").await;
    watcher.told().await;
    redis.kill().await;
    redis.restart().await;
    let end = watcher.end().await;
    assert_eq!(end.code(), Code::OutOfRange, "{end:?}");
    service.stop().await;
}

#[tokio::test]
async fn a_watcher_to_whom_nothing_happens_hears_checkpoints() {
    let (_service, mut caller) = start(&[]).await;
    let mut watcher = caller.watch("true").await;
    watcher.told().await;
    assert!(watcher.hears_within(Duration::from_secs(10)).await);
}
