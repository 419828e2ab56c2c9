//! What every ledger promises, asked of each.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use serde_json::json;
use socketpass::{
    reason::Reason,
    registry::{
        change::Shard,
        ledger::{Claimed, Event, Fault, Health, Telling},
        record::{Builder, Socket},
        view::Notice,
    },
};
use tokio::time::timeout;

use crate::support::{
    PATIENCE,
    redis::Redis,
    redis_cluster::RedisCluster,
    registry::{Replica, close, ended, granted, info, open},
    until,
};

/// A ledger, and what it stands on.
struct Backend {
    url: String,
    _servers: Vec<Redis>,
}

impl Backend {
    fn in_memory() -> Self {
        Self { url: "memory:".to_owned(), _servers: Vec::new() }
    }

    async fn on_redis() -> Self {
        let redis = Redis::start().await;
        Self { url: redis.url(), _servers: vec![redis] }
    }

    async fn on_a_cluster() -> Self {
        let cluster = RedisCluster::start(&[]).await;
        Self { url: cluster.url(), _servers: cluster.nodes }
    }

    fn open(&self) -> Replica {
        Replica::open(&self.url, &[])
    }

    fn open_with(&self, settings: &[(&str, &str)]) -> Replica {
        Replica::open(&self.url, settings)
    }
}

/// Each check as a test of each kind of ledger.
macro_rules! contract {
    ($($check:ident),+ $(,)?) => {
        mod in_memory {
            $(
                #[tokio::test]
                async fn $check() {
                    super::$check(&super::Backend::in_memory()).await;
                }
            )+
        }

        mod on_redis {
            $(
                #[tokio::test]
                async fn $check() {
                    super::$check(&super::Backend::on_redis().await).await;
                }
            )+
        }

        /// A cluster takes seconds to start, and its nodes bear several registries.
        #[tokio::test]
        async fn on_a_cluster() {
            let mut backend = Backend::on_a_cluster().await;
            let _ = &mut backend;
            $(
                println!("{}", stringify!($check));
                $check(&backend).await;
                backend.empty().await;
            )+
        }
    };
}

impl Backend {
    /// Of what the check before left.
    async fn empty(&self) {
        for server in &self._servers {
            let () = redis::cmd("FLUSHALL").query_async(&mut server.connection().await).await.unwrap();
        }
    }
}

contract!(
    what_is_written_is_listed,
    events_of_one_batch_count_in_order,
    what_is_written_again_changes_nothing,
    a_new_stream_of_the_same_incarnation_ends_the_old_one,
    another_incarnation_takes_the_id_when_the_first_is_silent,
    a_listing_that_is_complete_closes_what_was_not_named,
    goodbye_closes_everything,
    a_gateway_that_is_cut_is_late_until_it_comes_again,
    a_gateway_without_signs_of_life_is_gone_when_its_lease_ends,
    messages_arrive_in_order_and_once,
    the_end_of_a_session_is_told_once_whoever_finds_it,
    a_session_that_lives_again_ends_again,
    large_gateways_are_listed_and_closed,
    health_becomes_up,
);

async fn what_is_written_is_listed(backend: &Backend) {
    let replica = backend.open();
    let tenure = replica.claim("chat-1", "a").await;
    replica.ledger.write(&tenure, vec![open("s1", 1), open("s2", 2)]).await.unwrap();
    replica.lists("chat-1", &["s1", "s2"]).await;
    replica.ledger.write(&tenure, vec![close("s1"), open("s2", 3), open("s3", 3)]).await.unwrap();
    replica.lists("chat-1", &["s2", "s3"]).await;
    assert_eq!(replica.listed()[&("chat-1".to_owned(), "s2".to_owned())], json!({"id": 3}));
    let told = [
        ("s1".to_owned(), Ok(json!({"id": 1}))),
        ("s2".to_owned(), Ok(json!({"id": 2}))),
        ("s1".to_owned(), Err(Reason::Closed)),
        ("s2".to_owned(), Ok(json!({"id": 3}))),
        ("s3".to_owned(), Ok(json!({"id": 3}))),
    ];
    assert_eq!(replica.told("chat-1"), told);
    let holder = replica.holder("chat-1").unwrap();
    assert_eq!(holder.info, info("chat-1", "a"));
    assert_eq!((holder.tenure, holder.listing, holder.cut), (tenure.number, true, false));
}

async fn events_of_one_batch_count_in_order(backend: &Backend) {
    let replica = backend.open();
    let tenure = replica.claim("chat-1", "a").await;
    let events = vec![
        open("s1", 1),
        close("s1"),
        open("s1", 2),
        open("s2", 1),
        close("s2"),
        close("never opened"),
        open("s1", 3),
    ];
    replica.ledger.write(&tenure, events).await.unwrap();
    replica.lists("chat-1", &["s1"]).await;
    assert_eq!(replica.listed()[&("chat-1".to_owned(), "s1".to_owned())], json!({"id": 3}));
    // More than one script takes, so that the order is that of several.
    let mut events: Vec<_> = (0..999).map(|number| open("s9", number)).collect();
    events.push(close("s1"));
    replica.ledger.write(&tenure, events).await.unwrap();
    replica.lists("chat-1", &["s9"]).await;
    assert_eq!(replica.listed()[&("chat-1".to_owned(), "s9".to_owned())], json!({"id": 998}));
}

async fn what_is_written_again_changes_nothing(backend: &Backend) {
    let replica = backend.open();
    let tenure = replica.claim("chat-1", "a").await;
    for _ in 0..3 {
        replica.ledger.write(&tenure, vec![open("s1", 1), close("s2")]).await.unwrap();
    }
    replica.ledger.write(&tenure, vec![open("s3", 1)]).await.unwrap();
    replica.lists("chat-1", &["s1", "s3"]).await;
    assert_eq!(replica.told("chat-1").len(), 2);
    for _ in 0..2 {
        replica.ledger.complete(&tenure, &HashSet::from(["s1".into(), "s3".into()])).await.unwrap();
        replica.ledger.cut(&tenure).await.unwrap();
    }
    until("it is told", || async { replica.holder("chat-1").unwrap().cut }).await;
    replica.lists("chat-1", &["s1", "s3"]).await;
    assert_eq!(replica.told("chat-1").len(), 2);
}

async fn a_new_stream_of_the_same_incarnation_ends_the_old_one(backend: &Backend) {
    let replica = backend.open();
    let first = replica.lists_anew("chat-1", "a", &["s1", "s2"]).await;
    let second = replica.claim("chat-1", "a").await;
    assert!(second.number > first.number);
    // The sockets stay listed while it lists again.
    replica.ledger.write(&second, vec![open("s2", 1)]).await.unwrap();
    let refused = Fault::Superseded(Some(info("chat-1", "a")));
    assert_eq!(replica.ledger.write(&first, vec![open("s9", 1)]).await, Err(refused.clone()));
    assert_eq!(replica.ledger.complete(&first, &HashSet::new()).await, Err(refused.clone()));
    assert_eq!(replica.ledger.cut(&first).await, Err(refused.clone()));
    assert_eq!(replica.ledger.goodbye(&first).await, Err(refused));
    until("it lists", || async { replica.holder("chat-1").is_some_and(|holder| holder.listing) }).await;
    assert_eq!(replica.sockets("chat-1"), BTreeSet::from(["s1".to_owned(), "s2".to_owned()]));
    let holder = replica.holder("chat-1").unwrap();
    assert!(!holder.cut, "{holder:?}");
}

async fn another_incarnation_takes_the_id_when_the_first_is_silent(backend: &Backend) {
    let replica = backend.open();
    let first = replica.lists_anew("chat-1", "a", &["s1"]).await;
    let Claimed::Held { sign, .. } = replica.ledger.claim(&info("chat-1", "b"), None).await.unwrap() else {
        panic!("it is held");
    };
    replica.ledger.write(&first, vec![]).await.unwrap();
    let Claimed::Held { sign: another, .. } =
        replica.ledger.claim(&info("chat-1", "b"), Some(&sign)).await.unwrap()
    else {
        panic!("it has spoken since");
    };
    assert_ne!(sign, another);
    let second = granted(replica.ledger.claim(&info("chat-1", "b"), Some(&another)).await);
    let refused = Fault::Superseded(Some(info("chat-1", "b")));
    assert_eq!(replica.ledger.write(&first, vec![open("s9", 1)]).await, Err(refused));
    assert_eq!(replica.ledger.claim(&info("chat-1", "a"), None).await, Ok(Claimed::Retired));
    // For good, whoever else comes in between.
    let Claimed::Held { sign, .. } = replica.ledger.claim(&info("chat-1", "c"), None).await.unwrap() else {
        panic!("it is held");
    };
    granted(replica.ledger.claim(&info("chat-1", "c"), Some(&sign)).await);
    for retired in ["a", "b"] {
        assert_eq!(
            replica.ledger.claim(&info("chat-1", retired), Some(&sign)).await,
            Ok(Claimed::Retired),
            "{retired}"
        );
    }
    assert!(replica.ledger.write(&second, vec![]).await.is_err());
    replica.lists("chat-1", &["s1"]).await;
    until("it is the third's", || async {
        replica.holder("chat-1").is_some_and(|holder| &*holder.info.incarnation == "c")
    })
    .await;
    // Also when nobody holds it any more.
    let third = replica.claim("chat-1", "c").await;
    replica.ledger.goodbye(&third).await.unwrap();
    for retired in ["a", "b"] {
        assert_eq!(replica.ledger.claim(&info("chat-1", retired), None).await, Ok(Claimed::Retired));
    }
    replica.claim("chat-1", "c").await;
}

async fn a_listing_that_is_complete_closes_what_was_not_named(backend: &Backend) {
    let replica = backend.open();
    replica.lists_anew("chat-1", "a", &["s1", "s2", "s3"]).await;
    replica.lists_anew("chat-1", "a", &["s2", "s4"]).await;
    replica.lists("chat-1", &["s2", "s4"]).await;
    until("it is complete", || async { !replica.holder("chat-1").unwrap().listing }).await;
    let told: Vec<_> = replica.told("chat-1").into_iter().filter(|(_, what)| what.is_err()).collect();
    let closed: BTreeSet<_> = told.iter().map(|(socket, _)| socket.as_str()).collect();
    assert_eq!(closed, BTreeSet::from(["s1", "s3"]));
    assert!(told.iter().all(|(_, what)| *what == Err(Reason::Closed)));
    // Nothing was said of what stayed as it was.
    assert_eq!(replica.told("chat-1").len(), 6);
}

async fn goodbye_closes_everything(backend: &Backend) {
    let replica = backend.open();
    let tenure = replica.lists_anew("chat-1", "a", &["s1", "s2"]).await;
    replica.ledger.goodbye(&tenure).await.unwrap();
    replica.is_gone("chat-1").await;
    assert!(
        replica.told("chat-1").iter().skip(2).all(|(_, what)| *what == Err(Reason::Closed)),
        "{:?}",
        replica.told("chat-1")
    );
    assert_eq!(replica.ledger.write(&tenure, vec![open("s9", 1)]).await, Err(Fault::Superseded(None)));
    // Another may have the id now, and a later stream still counts over an earlier one.
    let next = replica.claim("chat-1", "b").await;
    assert!(next.number > tenure.number);
    assert_eq!(
        replica.ledger.write(&tenure, vec![open("s9", 1)]).await,
        Err(Fault::Superseded(Some(info("chat-1", "b"))))
    );
}

async fn a_gateway_that_is_cut_is_late_until_it_comes_again(backend: &Backend) {
    let replica = backend.open();
    let tenure = replica.lists_anew("chat-1", "a", &["s1"]).await;
    replica.ledger.cut(&tenure).await.unwrap();
    until("it is late", || async { replica.holder("chat-1").is_some_and(|holder| holder.cut) }).await;
    assert_eq!(replica.view.coverage().incomplete_gateways, [Arc::from("chat-1")]);
    replica.lists("chat-1", &["s1"]).await;
    replica.lists_anew("chat-1", "a", &["s1"]).await;
    until("it is well", || async { replica.view.coverage().incomplete_gateways.is_empty() }).await;
    assert_eq!(replica.told("chat-1").len(), 1);
}

async fn a_gateway_without_signs_of_life_is_gone_when_its_lease_ends(backend: &Backend) {
    let replica = backend.open_with(&[("REGISTRY_LEASE", "1200ms")]);
    const OFTEN: Duration = Duration::from_millis(50);
    let (silent, its_signs) = replica.lists_alive("silent", "a", &["s1", "s2"], OFTEN).await;
    let (lively, _alive) = replica.lists_alive("lively", "a", &["s1"], OFTEN).await;
    replica.lists("silent", &["s1", "s2"]).await;
    drop(its_signs);
    replica.is_gone("silent").await;
    assert!(replica.told("silent").iter().skip(2).all(|(_, what)| *what == Err(Reason::GatewayGone)));
    assert_eq!(replica.told("silent").len(), 4);
    assert_eq!(replica.ledger.write(&silent, vec![open("s9", 1)]).await, Err(Fault::Superseded(None)));
    replica.lists("lively", &["s1"]).await;
    replica.ledger.write(&lively, vec![]).await.unwrap();
    // It may come again.
    let (_, _alive_again) = replica.lists_alive("silent", "a", &["s3"], OFTEN).await;
    replica.lists("silent", &["s3"]).await;
}

async fn messages_arrive_in_order_and_once(backend: &Backend) {
    let replica = backend.open();
    replica.has_begun().await;
    let shard = Shard::of("chat-1");
    for number in 0..100_u8 {
        replica.ledger.tell(shard, [number, 0, 255].into()).await.unwrap();
    }
    let mut heard = Vec::new();
    until("all were heard", || {
        heard.extend(replica.notices().into_iter().filter_map(|notice| match notice {
            Notice::Message(message) => Some(message[0]),
            _ => None,
        }));
        let all = heard.len() >= 100;
        async move { all }
    })
    .await;
    assert_eq!(heard, (0..100).collect::<Vec<_>>());
}

async fn the_end_of_a_session_is_told_once_whoever_finds_it(backend: &Backend) {
    const SESSIONS: usize = 5_000;
    let replica = backend.open();
    replica.has_begun().await;
    let find = async || {
        for shard in Shard::all() {
            let ids = (0..SESSIONS).map(|number| format!("session-{number}"));
            let telling = |id: String| Telling { ended: ended(&id, Reason::SessionNotFound), outlived: None };
            let ends: Vec<_> = ids.filter(|id| Shard::of(id) == shard).map(telling).collect();
            replica.ledger.tell_ends(shard, &ends).await.unwrap();
        }
    };
    tokio::join!(find(), find());
    until("all are told", || async { replica.ends().len() >= SESSIONS }).await;
    // What comes behind them in each shard is there, so that nothing else can come.
    for shard in Shard::all() {
        replica.ledger.tell(shard, (*b"the last").into()).await.unwrap();
    }
    let mut heard = 0;
    until("the last is heard", || {
        heard += replica.notices().iter().filter(|notice| matches!(notice, Notice::Message(_))).count();
        let all = heard == Shard::all().count();
        async move { all }
    })
    .await;
    let told: BTreeSet<_> = replica.ends().into_iter().map(|(session, _)| session).collect();
    assert_eq!((replica.ends().len(), told.len()), (SESSIONS, SESSIONS));
}

async fn a_session_that_lives_again_ends_again(backend: &Backend) {
    let (here, there) = (backend.open(), backend.open());
    here.has_begun().await;
    there.has_begun().await;
    // In memory each is alone.
    let other = if backend.url == "memory:" { &here } else { &there };
    let first = ended("one", Reason::NotLoggedIn);
    here.finds(&first, None).await;
    // The other half of the same logout, and another end.
    other.finds(&ended("one", Reason::SessionNotFound), None).await;
    other.finds(&ended("one", Reason::DeniedByPolicy), None).await;
    let second = ended("one", Reason::SessionNotFound);
    here.finds(&second, Some(first.number())).await;
    for replica in [&here, other] {
        replica.finds(&ended("one", Reason::SessionNotFound), Some(first.number())).await;
        replica.finds(&second, Some(first.number())).await;
    }
    other.finds(&ended("one", Reason::NotLoggedIn), Some(second.number())).await;
    let reasons = [Reason::NotLoggedIn, Reason::DeniedByPolicy, Reason::SessionNotFound, Reason::NotLoggedIn];
    let expected = reasons.map(|reason| ("one".to_owned(), reason));
    for replica in [&here, other] {
        until("all are told", || async { replica.ends().len() >= expected.len() }).await;
        assert_eq!(replica.ends(), expected);
    }
}

async fn large_gateways_are_listed_and_closed(backend: &Backend) {
    let replica = backend.open();
    let tenure = replica.claim("large", "a").await;
    for batch in 0..5 {
        let events = (0..1000).map(|number| open(&format!("s{batch}-{number}"), number)).collect();
        replica.ledger.write(&tenure, events).await.unwrap();
    }
    until("all are listed", || async { replica.sockets("large").len() == 5000 }).await;
    let kept: HashSet<Box<str>> = (0..1000).map(|number| format!("s3-{number}").into()).collect();
    replica.ledger.complete(&tenure, &kept).await.unwrap();
    until("the others are closed", || async { replica.sockets("large").len() == 1000 }).await;
    assert!(replica.sockets("large").iter().all(|id| kept.contains(id.as_str())));
    // One as large as the largest that a gateway may report.
    let mut builder = Builder::default();
    builder.packer().json(&json!({"id": "x".repeat(64 << 10)}));
    builder.packer().json(&json!({"all": "y".repeat(64 << 10)}));
    let socket = Socket { socket_id: "big", ..Default::default() };
    let record = builder.finish(&socket);
    replica.ledger.write(&tenure, vec![Event::Opened(record); 50]).await.unwrap();
    until("it is listed", || async { replica.sockets("large").contains("big") }).await;
    replica.ledger.goodbye(&tenure).await.unwrap();
    replica.is_gone("large").await;
}

async fn health_becomes_up(backend: &Backend) {
    let replica = backend.open();
    let mut health = replica.ledger.health();
    timeout(PATIENCE, health.wait_for(|health| *health == Health::Up)).await.unwrap().unwrap();
}
