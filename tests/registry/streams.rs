//! `Report`: what a gateway says, what it is told, and what others see of it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use prost_types::Timestamp;
use serde_json::json;
use socketpass::grpc::pb::{
    Batch, GatewayState, Hello, ReportRequest, Socket, report_request, report_response,
};
use tokio::{sync::mpsc, task::JoinSet, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use crate::support::{
    callers::Caller,
    gateway::{Gateway, closed, hello, object, opened, registry, socket},
    redis::Redis,
    service::{Service, ServiceProcess},
    until,
};

async fn start(settings: &[(&str, &str)]) -> (Service, Caller) {
    let service = Service::start(settings).await;
    let caller = Caller::of(&service.grpc).await;
    (service, caller)
}

/// Sockets of nobody in particular.
fn sockets(ids: &[&str]) -> Vec<Socket> {
    ids.iter().map(|id| socket(id, json!({"id": 1}))).collect()
}

#[tokio::test]
async fn a_socket_is_listed_as_it_was_reported() {
    let (service, mut caller) = start(&[]).await;
    let mut gateway = Gateway::open(
        &service.grpc,
        Hello {
            labels: BTreeMap::from([("zone".into(), "eu".into())]).into_iter().collect(),
            ..hello("g", "one")
        },
    )
    .await;
    let reported = Socket {
        gateway_id: "somebody else's".to_owned(),
        socket_id: "s1".to_owned(),
        namespace: "/chat".to_owned(),
        session_id: "Zk3q9vWmT1n8yLxR4sPb7uCdEfGhJkMa".to_owned(),
        remote_address: "192.0.2.7:50123".to_owned(),
        origin: "https://app.example".to_owned(),
        user: Some(object(json!({"id": 7, "roles": ["a", {"b": null}], "score": 1.5, "name": "Ånå"}))),
        data: Some(object(json!({"rooms": ["x"]}))),
        connected_at: Some(Timestamp { seconds: 1_700_000_000, nanos: 123_456_000 }),
    };
    let ack = gateway.report(vec![opened(reported.clone())], true).await.unwrap();
    assert_eq!((ack.sequence, ack.rejected), (1, vec![]));
    let listed = caller.sockets("true").await;
    let expected = Socket { gateway_id: "g".to_owned(), session_id: String::new(), ..reported };
    assert_eq!(listed, [expected]);
    for filter in [
        r#"socket.session_id == "Zk3q9vWmT1n8yLxR4sPb7uCdEfGhJkMa""#,
        r#"gateway.labels.zone == "eu" && gateway.incarnation == "one" && gateway.gateway_id == socket.gateway_id"#,
        r#"socket.remote_address.startsWith("192.0.2.") && socket.origin == "https://app.example""#,
        r#"socket.connected_at == timestamp("2023-11-14T22:13:20.123456Z")"#,
        r#"socket.data.rooms == ["x"] && user.score == 1.5 && user.roles[1].b == null"#,
    ] {
        assert_eq!(caller.ids(filter).await, ["g/s1"], "{filter}");
    }
    let gateways = caller.gateways().await;
    assert_eq!(gateways.len(), 1);
    assert_eq!((&*gateways[0].gateway_id, &*gateways[0].incarnation), ("g", "one"));
    assert_eq!((gateways[0].state(), gateways[0].sockets), (GatewayState::Live, 1));
    assert_eq!(gateways[0].labels, BTreeMap::from([("zone".into(), "eu".into())]).into_iter().collect());
}

#[tokio::test]
async fn a_gateway_that_lists_is_named_as_incomplete() {
    let (service, mut caller) = start(&[]).await;
    let mut gateway = Gateway::open(&service.grpc, hello("g", "one")).await;
    gateway.opens(sockets(&["a"])).await;
    assert_eq!(caller.view().await.incomplete_gateways, ["g"]);
    assert_eq!(caller.ids("true").await, ["g/a"]);
    gateway.report(Vec::new(), true).await.unwrap();
    assert_eq!(caller.view().await.incomplete_gateways, [""; 0]);
    gateway.closes("a").await;
    assert_eq!(caller.total("true").await, 0);
    // Closed twice, or never open: no error.
    gateway.closes("a").await;
    gateway.closes("never").await;
    gateway.goodbye().await;
}

#[tokio::test]
async fn without_connected_at_it_is_when_it_was_first_reported() {
    let (service, mut caller) = start(&[]).await;
    let mut gateway = Gateway::open(&service.grpc, hello("g", "one")).await;
    gateway.opens(sockets(&["a"])).await;
    let first = caller.sockets("true").await[0].connected_at;
    assert!(first.is_some_and(|at| at.seconds > 1_700_000_000), "{first:?}");
    gateway.opens(vec![socket("a", json!({"id": 2}))]).await;
    let listed = caller.sockets("user.id == 2").await;
    assert_eq!(listed[0].connected_at, first);
}

#[tokio::test]
async fn listing_again_tells_watchers_the_differences_and_nothing_else() {
    let (service, mut caller) = start(&[]).await;
    let first = Gateway::list(&service.grpc, hello("g", "one"), sockets(&["a", "b", "c"])).await;
    let mut watcher = caller.watch("true").await;
    assert_eq!(watcher.told().await.len(), 3);
    drop(first);
    caller.is("g", Some(GatewayState::Late)).await;

    let mut gateway = Gateway::open(&service.grpc, hello("g", "one")).await;
    gateway.opens(vec![socket("a", json!({"id": 1})), socket("b", json!({"id": 2}))]).await;
    // Until it is complete nothing is gone.
    assert_eq!(caller.ids("true").await, ["g/a", "g/b", "g/c"]);
    assert_eq!(caller.view().await.incomplete_gateways, ["g"]);
    gateway.report(vec![opened(socket("d", json!({})))], true).await.unwrap();
    assert_eq!(caller.ids("true").await, ["g/a", "g/b", "g/d"]);
    watcher.tells(&["+ g/b", "+ g/d", "- g/c CLOSED"]).await;
    assert_eq!(watcher.told_until_now(&service.grpc).await, [""; 0]);
}

#[tokio::test]
async fn what_cannot_be_taken_is_left_out_and_told() {
    let (service, mut caller) = start(&[]).await;
    let mut gateway = Gateway::open(&service.grpc, hello("g", "one")).await;
    let mut deep = json!({});
    for _ in 0..30 {
        deep = json!({"deeper": deep});
    }
    let faulty = |id: &str| Socket { session_id: format!("session of {id}"), ..socket(id, json!({"id": 1})) };
    let events = vec![
        opened(Socket { namespace: "n".repeat(1_025), ..faulty("namespace") }),
        opened(Socket { origin: "o".repeat(1_025), ..faulty("origin") }),
        opened(Socket { remote_address: "r".repeat(257), ..faulty("remote_address") }),
        opened(Socket { user: Some(object(json!({"text": "x".repeat(1 << 20)}))), ..faulty("user") }),
        opened(Socket { data: Some(object(deep)), ..faulty("data") }),
        opened(Socket {
            connected_at: Some(Timestamp { seconds: i64::MAX, nanos: 0 }),
            ..faulty("connected_at")
        }),
        opened(Socket { session_id: "s".repeat(1_025), ..socket("session_id", json!({"id": 1})) }),
        opened(faulty("fine")),
        opened(faulty("")),
        opened(faulty(&"é".repeat(200))),
        socketpass::grpc::pb::Event { event: None },
    ];
    let ack = gateway.report(events, true).await.unwrap();
    let cut = "é".repeat(128);
    let rejected: Vec<_> =
        ack.rejected.iter().map(|rejection| (&*rejection.socket_id, &*rejection.field)).collect();
    assert_eq!(
        rejected,
        [
            ("namespace", "namespace"),
            ("origin", "origin"),
            ("remote_address", "remote_address"),
            ("user", "user"),
            ("data", "data"),
            ("connected_at", "connected_at"),
            ("session_id", "session_id"),
            ("", "socket_id"),
            (&*cut, "socket_id"),
            ("", "event"),
        ]
    );
    for rejection in &ack.rejected {
        assert!(rejection.message.len() < 200 && !rejection.message.is_empty(), "{rejection:?}");
    }
    // Each is listed without the field, and still found by its session.
    for id in ["namespace", "origin", "remote_address", "user", "data", "connected_at", "fine"] {
        let filter = format!(r#"socket.session_id == "session of {id}""#);
        assert_eq!(caller.ids(&filter).await, [format!("g/{id}")]);
    }
    assert_eq!(caller.ids("socket.session_id == '' && user.id == 1").await, ["g/session_id"]);
    assert_eq!(caller.ids("!has(user.id)").await, ["g/user"]);
    assert_eq!(caller.total("true").await, 8);
}

#[tokio::test]
async fn a_gateway_has_as_many_sockets_as_the_settings_allow() {
    let (service, mut caller) = start(&[("LIMITS_MAX_GATEWAY_SOCKETS", "2")]).await;
    let mut gateway = Gateway::open(&service.grpc, hello("g", "one")).await;
    let events = sockets(&["a", "b", "c"]).into_iter().map(opened).collect();
    let ack = gateway.report(events, true).await.unwrap();
    assert_eq!(ack.rejected.len(), 1);
    assert_eq!((&*ack.rejected[0].socket_id, &*ack.rejected[0].field), ("c", "socket_id"));
    assert!(ack.rejected[0].message.contains("limits.max_gateway_sockets"), "{:?}", ack.rejected);
    assert_eq!(caller.ids("true").await, ["g/a", "g/b"]);
    // One that is listed may be said again; with room there is place for another.
    gateway.opens(vec![socket("b", json!({"id": 2}))]).await;
    gateway.closes("a").await;
    gateway.opens(sockets(&["c"])).await;
    assert_eq!(caller.ids("true").await, ["g/b", "g/c"]);
}

#[tokio::test]
async fn a_newer_stream_of_the_same_incarnation_ends_the_old_one() {
    let (service, mut caller) = start(&[]).await;
    let mut old = Gateway::list(&service.grpc, hello("g", "one"), sockets(&["a"])).await;
    let mut new = Gateway::open(&service.grpc, hello("g", "one")).await;
    // What still comes on the old one counts for nothing.
    old.send(vec![closed("a"), opened(socket("stale", json!({})))], false).await;
    let end = old.end().await;
    assert_eq!(end.code(), Code::Aborted, "{end:?}");
    new.opens(sockets(&["b"])).await;
    assert_eq!(caller.ids("true").await, ["g/a", "g/b"]);
    new.report(Vec::new(), true).await.unwrap();
    assert_eq!(caller.ids("true").await, ["g/b"]);
    assert_eq!(caller.state("g").await, Some(GatewayState::Live));
}

#[tokio::test]
async fn a_gateway_id_cannot_be_taken_from_one_that_speaks() {
    let (service, mut caller) = start(&[("REGISTRY_LEASE", "1m")]).await;
    let old = Gateway::list(&service.grpc, hello("g", "one"), sockets(&["a"])).await;
    let speaking = old.live(Duration::from_millis(50));
    let begun = Instant::now();
    let refused = Gateway::try_open(&service.grpc, hello("g", "two")).await.err().unwrap();
    assert_eq!(refused.code(), Code::AlreadyExists, "{refused:?}");
    // It is known as soon as the old one has spoken, and after a third of the lease at the latest.
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(caller.ids("gateway.incarnation == 'one'").await, ["g/a"]);
    speaking.abort();
}

#[tokio::test]
async fn one_that_pauses_a_little_keeps_its_id() {
    // A batch is due every three seconds; it comes 200 ms late, and the other's hello comes right behind the one before.
    let (service, _caller) = start(&[("REGISTRY_LEASE", "9s")]).await;
    let mut old = Gateway::list(&service.grpc, hello("g", "one"), sockets(&["a"])).await;
    let other = tokio::spawn({
        let url = service.grpc.clone();
        async move { Gateway::try_open(&url, hello("g", "two")).await.err() }
    });
    tokio::time::sleep(Duration::from_millis(3_200)).await;
    old.report(Vec::new(), false).await.unwrap();
    let refused = other.await.unwrap().unwrap();
    assert_eq!(refused.code(), Code::AlreadyExists, "{refused:?}");
}

#[tokio::test]
async fn there_are_as_many_gateways_as_the_settings_allow() {
    let (service, mut caller) = start(&[("LIMITS_MAX_GATEWAYS", "2")]).await;
    let one = Gateway::list(&service.grpc, hello("g1", "one"), sockets(&["a"])).await;
    let _two = Gateway::list(&service.grpc, hello("g2", "one"), sockets(&["a"])).await;
    let refused = Gateway::try_open(&service.grpc, hello("g3", "one")).await.err().unwrap();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    assert!(refused.message().contains("limits.max_gateways"), "{refused:?}");
    // Those that are known come again, and one that goes makes room.
    drop(one);
    caller.is("g1", Some(GatewayState::Late)).await;
    Gateway::list(&service.grpc, hello("g1", "one"), sockets(&["a"])).await.goodbye().await;
    Gateway::list(&service.grpc, hello("g3", "one"), sockets(&["a"])).await;
}

#[tokio::test]
async fn one_that_is_silent_is_succeeded_for_good() {
    let (service, mut caller) = start(&[("REGISTRY_LEASE", "6s")]).await;
    // Its stream is open still, and says nothing.
    let mut old = Gateway::list(&service.grpc, hello("g", "one"), sockets(&["a", "b"])).await;
    let mut new = Gateway::open(&service.grpc, hello("g", "two")).await;
    old.send(vec![closed("a")], false).await;
    let end = old.end().await;
    assert_eq!(end.code(), Code::Aborted, "{end:?}");
    assert_eq!(caller.ids("true").await, ["g/a", "g/b"]);
    new.report(vec![opened(socket("b", json!({})))], true).await.unwrap();
    assert_eq!(caller.ids("gateway.incarnation == 'two'").await, ["g/b"]);
    // The former life is over, however often it comes back.
    for _ in 0..2 {
        let refused = Gateway::try_open(&service.grpc, hello("g", "one")).await.err().unwrap();
        assert_eq!(refused.code(), Code::Aborted, "{refused:?}");
    }
    assert_eq!(caller.ids("true").await, ["g/b"]);
}

#[tokio::test]
async fn silence_makes_late_and_then_gone() {
    const LEASE: Duration = Duration::from_secs(4);
    let (service, mut caller) = start(&[("REGISTRY_LEASE", "4s")]).await;
    let before = Instant::now();
    let mut gateway = Gateway::list(&service.grpc, hello("g", "one"), sockets(&["a", "b"])).await;
    let mut watcher = caller.watch("true").await;
    assert_eq!(watcher.told().await.len(), 2);
    caller.is("g", Some(GatewayState::Late)).await;
    assert!(before.elapsed() >= LEASE / 2, "{:?}", before.elapsed());
    assert_eq!(caller.view().await.incomplete_gateways, ["g"]);
    assert_eq!(caller.ids("true").await, ["g/a", "g/b"]);
    // A sign of life, if only an empty batch.
    let before = Instant::now();
    gateway.report(Vec::new(), false).await.unwrap();
    assert_eq!(caller.state("g").await, Some(GatewayState::Live));
    caller.is("g", None).await;
    assert!(before.elapsed() >= LEASE, "{:?}", before.elapsed());
    assert_eq!(caller.total("true").await, 0);
    watcher.tells(&["- g/a GATEWAY_GONE", "- g/b GATEWAY_GONE"]).await;
    assert_eq!(watcher.told_until_now(&service.grpc).await, [""; 0]);
    // Its stream is open still: it hears that it has to start over.
    gateway.send(Vec::new(), false).await;
    assert_eq!(gateway.end().await.code(), Code::Unavailable);
}

#[tokio::test]
async fn a_stream_that_ends_makes_late_at_once() {
    let (service, mut caller) = start(&[("REGISTRY_LEASE", "1h")]).await;
    let gateway = Gateway::list(&service.grpc, hello("g", "one"), sockets(&["a"])).await;
    drop(gateway);
    caller.is("g", Some(GatewayState::Late)).await;
    assert_eq!(caller.ids("true").await, ["g/a"]);
}

#[tokio::test]
async fn goodbye_removes_at_once() {
    let (service, mut caller) = start(&[("REGISTRY_LEASE", "1h")]).await;
    let gateway = Gateway::list(&service.grpc, hello("g", "one"), sockets(&["a", "b"])).await;
    let mut watcher = caller.watch("true").await;
    assert_eq!(watcher.told().await.len(), 2);
    gateway.goodbye().await;
    assert_eq!(caller.state("g").await, None);
    watcher.tells(&["- g/a CLOSED", "- g/b CLOSED"]).await;
    // The id is free at once, for anybody.
    Gateway::list(&service.grpc, hello("g", "two"), sockets(&["c"])).await;
}

#[tokio::test]
async fn a_drain_sends_gateways_and_watchers_away() {
    let (service, mut caller) = start(&[]).await;
    let mut gateway = Gateway::list(&service.grpc, hello("g", "one"), sockets(&["a"])).await;
    let mut watcher = caller.watch("true").await;
    let begun = Instant::now();
    let (gateway_end, watcher_end, ()) = tokio::join!(gateway.end(), watcher.end(), service.stop());
    assert_eq!(gateway_end.code(), Code::Unavailable, "{gateway_end:?}");
    assert_eq!(watcher_end.code(), Code::Unavailable, "{watcher_end:?}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

/// Each lists everything anew elsewhere: all at once would be a storm.
#[tokio::test]
async fn a_drain_sends_gateways_away_one_after_the_other() {
    let (service, _) = start(&[]).await;
    let mut ends = JoinSet::new();
    for id in ["a", "b", "c", "d"] {
        let mut gateway = Gateway::list(&service.grpc, hello(id, "one"), sockets(&[id])).await;
        ends.spawn(async move {
            assert_eq!(gateway.end().await.code(), Code::Unavailable);
            Instant::now()
        });
    }
    service.stop().await;
    let mut ends = ends.join_all().await;
    ends.sort_unstable();
    // A tenth of a second each; somewhat less, as they hear of it when they are polled.
    for pair in ends.windows(2) {
        assert!(pair[1] - pair[0] > Duration::from_millis(20), "{ends:?}");
    }
}

/// Sends batches for as long as they are taken, and says how many bytes that were.
async fn send_until_slowed(sender: &mpsc::Sender<ReportRequest>, sequence: &mut u64) -> usize {
    const EACH: usize = 32 << 10;
    let mut bytes = 0;
    loop {
        let padding = json!({"id": *sequence, "padding": "x".repeat(EACH)});
        let batch =
            Batch { sequence: *sequence + 1, events: vec![opened(socket("one", padding))], complete: false };
        let message = ReportRequest { message: Some(report_request::Message::Batch(batch)) };
        // What is taken is taken in microseconds.
        if timeout(Duration::from_secs(1), sender.send(message)).await.is_err() {
            return bytes;
        }
        *sequence += 1;
        bytes += EACH;
        assert!(bytes < 64 << 20, "it takes whatever comes");
    }
}

#[tokio::test]
async fn a_gateway_that_is_too_fast_is_slowed() {
    let redis = Redis::start().await;
    let settings = [("REGISTRY_STORE", &*redis.url()), ("REGISTRY_STORE_TIMEOUT", "30s")];
    let service = ServiceProcess::start(&settings).await;
    let (sender, receiver) = mpsc::channel(1);
    let mut answers =
        registry(&service.grpc).await.report(ReceiverStream::new(receiver)).await.unwrap().into_inner();
    let first = report_request::Message::Hello(hello("g", "one"));
    sender.send(ReportRequest { message: Some(first) }).await.unwrap();
    let welcome = answers.message().await.unwrap().unwrap().message.unwrap();
    assert!(matches!(welcome, report_response::Message::Welcome(_)), "{welcome:?}");
    redis.process().signal("STOP");
    let mut sequence = 0;
    let bytes = send_until_slowed(&sender, &mut sequence).await;
    assert!(bytes < 4 << 20, "{bytes} bytes wait");
    redis.process().signal("CONT");
    // All of it is kept in the end, in order.
    let mut acked = 0;
    while acked < sequence {
        match answers.message().await.unwrap().unwrap().message.unwrap() {
            report_response::Message::Ack(ack) => {
                assert!(ack.sequence > acked);
                acked = ack.sequence;
            }
            other => panic!("{other:?}"),
        }
    }
    let mut caller = Caller::of(&service.grpc).await;
    let filter = format!("user.id == {}", sequence - 1);
    until("the last one is listed", async || caller.clone().total(&filter).await == 1).await;
    assert_eq!(caller.total("true").await, 1);
}
