//! How many sockets one person may have.

use std::{collections::BTreeSet, time::Duration};

use serde_json::json;
use socketpass::grpc::pb::{Reason, Socket};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};

use super::{are_asked, disconnect, ends, gateway, is_told_nothing, session_of, socket_of, start};
use crate::support::{
    ANA, ANA_ID, PATIENCE,
    callers::Caller,
    cookie,
    gateway::Gateway,
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
    let explained = explain(&mut client, with_cookie(&cookie(ANA_ID))).await;
    let step = explained.steps.last().unwrap();
    assert_eq!((step.name.as_str(), step.ok), ("cap", true));
    assert!(
        step.found.starts_with("not counted: ") && step.found.contains("user.id_field, `id`"),
        "{step:?}"
    );
    is_told_nothing(&mut chat, Duration::from_millis(300)).await;
    service.stop().await;
}

#[tokio::test]
async fn what_a_gateway_makes_up_ends_nobody_elses_sockets() {
    let (redis, service) = begin(&[("LIMITS_EVICT_OLDEST", "true")]).await;
    let mut chat = gateway(&service, "chat", vec![of_ana("a", 0), of_ana("b", 1)]).await;
    are_asked(&service, 1).await;
    let made_up = |id: &str| Socket { session_id: String::new(), ..of_ana(id, 2) };
    let mut other = gateway(&service, "other", ["v", "w", "x"].map(made_up).to_vec()).await;
    let mut caller = Caller::of(&service.grpc).await;
    caller.counts("user.id == 1", 5).await;
    redis.put(ANA_ID, ANA.as_bytes()).await;
    are_asked(&service, 2).await;
    // And of a session that somebody else has.
    redis.put("ben", &session_of(&json!({"id": 2}))).await;
    other.opens(vec![Socket { session_id: "ben".to_owned(), ..of_ana("y", 2) }]).await;
    caller.counts("user.id == 1", 5).await;
    redis.put(ANA_ID, ANA.as_bytes()).await;
    are_asked(&service, 4).await;
    is_told_nothing(&mut chat, Duration::from_millis(300)).await;
    service.stop().await;
}

#[tokio::test]
async fn the_oldest_is_the_one_that_the_service_has_known_for_longest() {
    for (evicts, ended, code, reason) in
        [("true", "a", 4506, "evicted"), ("false", "c", 4002, "too_many_sockets")]
    {
        let (_redis, service) = begin(&[("LIMITS_EVICT_OLDEST", evicts)]).await;
        // Its gateway says that it will be opened in thirty years.
        let mut chat = gateway(&service, "chat", vec![of_ana("a", 1_000_000_000)]).await;
        are_asked(&service, 1).await;
        chat.opens(vec![of_ana("b", 0)]).await;
        are_asked(&service, 2).await;
        chat.opens(vec![of_ana("c", -1_000_000_000)]).await;
        ends(&mut chat, &[ended], code, reason).await;
        is_told_nothing(&mut chat, Duration::from_millis(300)).await;
        service.stop().await;
    }
}

#[tokio::test]
async fn a_number_and_the_text_that_it_is_written_as_are_one_person() {
    let (redis, service) = begin(&[]).await;
    let (number, text) = (json!({"id": 7}), json!({"id": "7"}));
    redis.put("one", &session_of(&number)).await;
    redis.put("two", &session_of(&text)).await;
    let mut chat = gateway(&service, "chat", vec![socket_of("a", "one", &number)]).await;
    are_asked(&service, 1).await;
    let mut client = service.client().await;
    for session in ["one", "two"] {
        assert!(authorize(&mut client, with_cookie(&cookie(session))).await.accepted);
    }
    chat.opens(vec![socket_of("b", "two", &text)]).await;
    are_asked(&service, 2).await;
    for session in ["one", "two"] {
        let refused = authorize(&mut client, with_cookie(&cookie(session))).await;
        assert_eq!(refused.reason(), Reason::TooManySockets, "{session}");
    }
    chat.opens(vec![socket_of("c", "one", &number)]).await;
    ends(&mut chat, &["c"], 4002, "too_many_sockets").await;
    service.stop().await;
}

/// Does as it is told until it is dropped, and tells what that was: socket, code.
fn obeys(mut gateway: Gateway, told: mpsc::UnboundedSender<(String, u32)>) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let command = gateway.command().await;
            let (ids, close) = disconnect(&command);
            gateway.done(&command, &ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
            for id in ids {
                let _ = told.send((id, close.code));
            }
        }
    })
}

#[tokio::test]
async fn a_burst_at_two_replicas_is_brought_down_to_the_cap() {
    for (evicts, code) in [("false", 4002), ("true", 4506)] {
        let (redis, ledger) = (Redis::start().await, Redis::start().await);
        let (ana, url) = (json!({"id": 1}), ledger.url());
        let sessions = ["one", "two", "three", "four"];
        for session in sessions {
            redis.put(session, &session_of(&ana)).await;
        }
        let settings = [
            ("REGISTRY_STORE", &*url),
            ("LIMITS_MAX_SOCKETS_PER_USER", "5"),
            ("LIMITS_EVICT_OLDEST", evicts),
            ("REVALIDATE_INTERVAL", "1s"),
        ];
        let replicas = [start(&redis, &settings).await, start(&redis, &settings).await];
        let socket = |number: usize| socket_of(&format!("{number:02}"), sessions[number % 4], &ana);
        let (tell, mut told) = mpsc::unbounded_channel();
        let mut chats = Vec::new();
        for (replica, gateway_id) in replicas.iter().zip(["chat", "feed"]) {
            let mut caller = Caller::of(&replica.grpc).await;
            caller.counts("true", 0).await;
            chats.push(gateway(replica, gateway_id, Vec::new()).await);
        }
        // Five first, which are the oldest.
        chats[0].opens((0..5).map(socket).collect()).await;
        are_asked(&replicas[0], 4).await;
        for replica in &replicas {
            Caller::of(&replica.grpc).await.counts("user.id == 1", 5).await;
        }
        let refused = async |replica: &Service| {
            let handshake = with_cookie(&cookie("one"));
            authorize(&mut replica.client().await, handshake).await.reason()
        };
        for replica in &replicas {
            let expected = if evicts == "true" { Reason::Authorized } else { Reason::TooManySockets };
            assert_eq!(refused(replica).await, expected);
        }
        // Twenty handshakes had passed before that was known.
        let [chat, feed] = &mut chats[..] else { panic!("two gateways") };
        let of_chat = (5..25).filter(|number| number % 2 == 0).map(socket).collect();
        let of_feed = (5..25).filter(|number| number % 2 == 1).map(socket).collect();
        tokio::join!(chat.opens(of_chat), feed.opens(of_feed));
        let chats: Vec<_> = chats.into_iter().map(|gateway| obeys(gateway, tell.clone())).collect();
        let mut gone = BTreeSet::new();
        while gone.len() < 20 {
            let (id, with) = timeout(PATIENCE, told.recv()).await.expect("told soon").unwrap();
            assert_eq!(with, code, "{id}");
            gone.insert(id);
        }
        let oldest: BTreeSet<_> = (0..5).map(|number| format!("{number:02}")).collect();
        assert_eq!(gone.is_superset(&oldest), evicts == "true", "{gone:?}");
        assert_eq!(gone.is_disjoint(&oldest), evicts == "false", "{gone:?}");
        for replica in &replicas {
            Caller::of(&replica.grpc).await.counts("user.id == 1", 5).await;
        }
        // Now and after the next questions.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        while let Ok((id, _)) = told.try_recv() {
            assert!(gone.contains(&id), "{id} ends, too");
        }
        assert_eq!(Caller::of(&replicas[1].grpc).await.total("user.id == 1").await, 5);
        for chat in chats {
            chat.abort();
        }
        for replica in replicas {
            replica.stop().await;
        }
    }
}

#[tokio::test]
async fn sockets_that_come_and_go_below_the_cap_are_never_refused() {
    let ledger = Redis::start().await;
    for registry in ["memory:".to_owned(), ledger.url()] {
        let (_redis, service) = begin(&[("REGISTRY_STORE", &registry)]).await;
        let mut client = service.client().await;
        let mut caller = Caller::of(&service.grpc).await;
        let handshake = with_cookie(&cookie(ANA_ID));
        let mut chat = gateway(&service, "chat", vec![of_ana("stays", 0)]).await;
        for number in 0..200 {
            if registry != "memory:" && number % 20 == 0 {
                caller.counts("true", 1).await;
            }
            if registry == "memory:" || number % 20 == 0 {
                let decision = authorize(&mut client, handshake.clone()).await;
                assert!(decision.accepted, "{registry} {number}: {decision:?}");
            }
            let id = format!("{}", number % 3);
            chat.opens(vec![of_ana(&id, number)]).await;
            chat.closes(&id).await;
        }
        caller.counts("true", 1).await;
        chat.opens(vec![of_ana("last", 300)]).await;
        caller.counts("true", 2).await;
        let refused = authorize(&mut client, handshake.clone()).await;
        assert_eq!(refused.reason(), Reason::TooManySockets);
        assert_eq!(chat.waiting_commands(), 0, "{registry}");
        is_told_nothing(&mut chat, Duration::from_millis(300)).await;
        service.stop().await;
    }
}
