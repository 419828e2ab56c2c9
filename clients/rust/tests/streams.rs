//! The stream: hello, listing, batches, acks, and again whenever it ends.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use socketpass_client::{
    Builder, Close, Connection, Handshake, SocketPass, Tracked,
    proto::{Ack, Rejection, event::Event, report_request::Message as Said, report_response::Message as Say},
};
use tonic::{Code, Status};

use crate::support::{
    peer::{Peer, params},
    soon, until,
};

fn settings(peer: &Peer) -> Builder {
    SocketPass::builder().address(peer.address.to_string()).gateway_id("chat-1")
}

/// A connection that remembers how it was closed.
#[derive(Clone, Default)]
struct Remembers(Arc<Mutex<Option<Close>>>);

impl Connection for Remembers {
    fn close(&self, close: &Close) {
        self.0.lock().unwrap().get_or_insert(close.clone());
    }

    fn send(&self, _: &str, _: &[Value]) -> bool {
        true
    }
}

async fn open(pass: &SocketPass, id: &str) -> (Tracked, Remembers) {
    let connection = Remembers::default();
    let admission = pass.authorize(Handshake::default()).await.unwrap();
    (admission.open(id, connection.clone()), connection)
}

#[tokio::test]
async fn hello_says_who_reports() {
    let peer = Peer::start().await;
    let _pass = settings(&peer).label("zone", "b").token("sp_token").connect().await.unwrap();
    let first = peer.stream().await;
    assert_eq!(first.hello.gateway_id, "chat-1");
    assert_eq!(first.hello.labels["zone"], "b");
    assert_eq!(first.metadata.get("authorization").unwrap(), "Bearer sp_token");
    let incarnation = first.hello.incarnation.clone();
    assert_eq!(incarnation.len(), 32);
    first.end(Status::unavailable("moving"));
    assert_eq!(peer.stream().await.hello.incarnation, incarnation);
}

#[tokio::test]
async fn everything_is_listed_in_batches_and_then_what_changes() {
    let peer = Peer::start().await;
    let pass = settings(&peer).connect().await.unwrap();
    let stream = peer.welcomed(0).await;
    let admission = pass.authorize(Handshake::default()).await.unwrap();
    let open = |index: usize| admission.open(format!("s{index:04}"), Remembers::default());
    let mut open_now: Vec<_> = (0..1_100).map(open).collect();
    stream.end(Status::unavailable("moving"));
    let mut stream = peer.stream().await;
    stream.welcome(Duration::from_secs(15));
    for (sequence, events, complete) in [(1, 500, false), (2, 500, false), (3, 100, true)] {
        let batch = stream.batch().await;
        assert_eq!((batch.sequence, batch.events.len(), batch.complete), (sequence, events, complete));
    }
    stream.ack(3);
    open_now.pop();
    assert_eq!(stream.closed().await, "s1099");
    open_now.push(open(1_100));
    assert_eq!(stream.opened().await.socket_id, "s1100");
}

#[tokio::test]
async fn it_is_opened_again_whatever_the_status() {
    let peer = Peer::start().await;
    let pass = settings(&peer).connect().await.unwrap();
    let (_socket, _) = open(&pass, "a").await;
    let mut stream = peer.welcomed(1).await;
    for code in [
        Code::Unavailable,
        Code::Ok,
        Code::Internal,
        Code::AlreadyExists,
        Code::Aborted,
        Code::Unauthenticated,
    ] {
        let ended = Instant::now();
        match code {
            Code::Ok => drop(stream),
            code => stream.end(Status::new(code, "ends")),
        }
        stream = peer.welcomed(1).await;
        let pause = ended.elapsed();
        assert!(code == Code::Unavailable || pause >= Duration::from_millis(100), "{code:?}: {pause:?}");
        assert!(pause < Duration::from_secs(2), "{code:?}: {pause:?}");
    }
}

#[tokio::test]
async fn pauses_grow_until_a_welcome() {
    let peer = Peer::start().await;
    let _pass = settings(&peer).connect().await.unwrap();
    let mut ended = Instant::now();
    let mut pauses = vec![];
    for _ in 0..4 {
        peer.stream().await.end(Status::internal("broken"));
        pauses.push(ended.elapsed());
        ended = Instant::now();
    }
    // 200, 400, 800 ms, of which half is random.
    for (pause, least) in pauses[1..].iter().zip([100, 200, 400]) {
        assert!(*pause >= Duration::from_millis(least), "{pauses:?}");
    }
    peer.welcomed(0).await.end(Status::internal("broken"));
    ended = Instant::now();
    peer.stream().await;
    assert!(ended.elapsed() < Duration::from_millis(700));
}

#[tokio::test]
async fn a_batch_is_a_sign_of_life() {
    let peer = Peer::start().await;
    let _pass = settings(&peer).connect().await.unwrap();
    let mut stream = peer.stream().await;
    stream.welcome(Duration::from_secs(2));
    assert!(stream.batch().await.complete);
    stream.ack(1);
    let began = Instant::now();
    for sequence in 2..5 {
        let batch = stream.batch().await;
        assert_eq!((batch.sequence, batch.events.len(), batch.complete), (sequence, 0, false));
        stream.ack(sequence);
    }
    // A quarter of the lease, three times.
    let took = began.elapsed();
    assert!((Duration::from_millis(1_400)..Duration::from_secs(4)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn sixteen_batches_are_under_way_and_the_rest_is_a_set() {
    let peer = Peer::start().await;
    let pass = settings(&peer).connect().await.unwrap();
    let (socket, _) = open(&pass, "a").await;
    let mut stream = peer.stream().await;
    stream.welcome(Duration::from_secs(60));
    for sequence in 1..=16 {
        assert_eq!(stream.batch().await.sequence, sequence);
        socket.set_data(params(json!({"n": sequence}))).unwrap();
    }
    // Nothing goes out now; what opens and closes meanwhile is never told.
    for n in 0..100 {
        socket.set_data(params(json!({"n": n}))).unwrap();
    }
    drop(open(&pass, "b").await);
    let (_c, _) = open(&pass, "c").await;
    stream.ack(16);
    let ids: Vec<_> = stream
        .events()
        .await
        .into_iter()
        .map(|event| match event {
            Event::Opened(socket) => socket.socket_id,
            Event::Closed(closed) => format!("-{}", closed.socket_id),
        })
        .collect();
    assert_eq!(ids, ["a", "c"]);
}

#[tokio::test]
async fn a_stream_without_acks_is_given_up() {
    let peer = Peer::start().await;
    let pass = settings(&peer).connect().await.unwrap();
    let (_socket, _) = open(&pass, "a").await;
    let mut stream = peer.stream().await;
    let began = Instant::now();
    stream.welcome(Duration::from_secs(2));
    // Half a lease after the first batch another stream comes.
    let mut next = peer.stream().await;
    let took = began.elapsed();
    assert!((Duration::from_millis(950)..Duration::from_secs(3)).contains(&took), "{took:?}");
    next.welcome(Duration::from_secs(15));
    assert_eq!(next.opened().await.socket_id, "a");
    // The first one was cancelled.
    soon("the first stream ends", async { while let Some(Said::Batch(_)) = stream.hears().await {} }).await;
}

#[tokio::test]
async fn rejected_fields_end_nothing() {
    let peer = Peer::start().await;
    let pass = settings(&peer).connect().await.unwrap();
    let (socket, _) = open(&pass, "a").await;
    let mut stream = peer.stream().await;
    stream.welcome(Duration::from_secs(15));
    stream.batch().await;
    let rejected = Rejection { socket_id: "a".into(), field: "user".into(), message: "is too deep".into() };
    stream.say(Say::Ack(Ack { sequence: 1, rejected: vec![rejected] }));
    socket.set_data(params(json!({"still": "here"}))).unwrap();
    assert_eq!(stream.opened().await.socket_id, "a");
}

#[tokio::test]
async fn the_stream_comes_back_after_the_service_was_killed() {
    let peer = Peer::start().await;
    let address = peer.address;
    let pass = settings(&peer).connect().await.unwrap();
    let (_socket, _) = open(&pass, "a").await;
    let _stream = peer.welcomed(1).await;
    drop(peer);
    assert!(pass.authorize(Handshake::default()).await.is_err());
    let peer = Peer::start_at(address, None).await;
    let _stream = peer.welcomed(1).await;
    pass.authorize(Handshake::default()).await.unwrap();
}

#[tokio::test]
async fn sockets_are_closed_after_a_loss_that_lasts() {
    let peer = Peer::start().await;
    let pass = settings(&peer).close_after_loss(Duration::from_millis(800)).connect().await.unwrap();
    let (_a, a) = open(&pass, "a").await;
    let stream = peer.welcomed(1).await;
    // As long as there is a stream, and a short loss, do no harm.
    tokio::time::sleep(Duration::from_millis(900)).await;
    stream.end(Status::unavailable("moving"));
    let stream = peer.welcomed(1).await;
    assert_eq!(*a.0.lock().unwrap(), None);
    let lost = Instant::now();
    stream.end(Status::unavailable("moving"));
    tokio::time::sleep(Duration::from_millis(400)).await;
    let (_b, b) = open(&pass, "b").await;
    let close = Some(Close { code: 4000, reason: "service_unavailable".into() });
    until("the first is closed", || *a.0.lock().unwrap() == close).await;
    assert!(lost.elapsed() >= Duration::from_millis(790));
    // Who came during the loss has as long.
    assert_eq!(*b.0.lock().unwrap(), None);
    until("the second is closed", || *b.0.lock().unwrap() == close).await;
    assert!(lost.elapsed() >= Duration::from_millis(1_190));
    assert!(pass.sockets().is_empty());
}

#[tokio::test]
async fn a_socket_that_ends_without_a_word_is_found() {
    struct Ended;
    impl Connection for Ended {
        fn close(&self, _: &Close) {}
        fn send(&self, _: &str, _: &[Value]) -> bool {
            false
        }
        fn is_open(&self) -> bool {
            false
        }
    }
    let peer = Peer::start().await;
    let pass = settings(&peer).connect().await.unwrap();
    let _kept = pass.authorize(Handshake::default()).await.unwrap().open("a", Ended);
    until("it is off the list", || pass.sockets().is_empty()).await;
}
