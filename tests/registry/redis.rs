//! What can befall a registry in Redis alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use redis::{FromRedisValue, aio::MultiplexedConnection, cmd};
use serde_json::json;
use socketpass::{
    reason::Reason,
    registry::{
        change::{Kept, Shard},
        ledger::{Event, Fault, Health, Ledger, Tenure},
        view::{Notice, shard::Known},
        watch_session_ends::SessionEndsWatch,
        watch_sockets::Ended,
    },
};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{
    PATIENCE,
    ports::lasting_port,
    proxy::Proxy,
    redis::Redis,
    redis_cluster::{self, RedisCluster},
    registry::{Alive, Replica, close, ended, open},
    sentinel::{self, Sentinels},
    store::connect,
    until,
};

/// Of the tests in which leases end, or must not.
const LEASE: Duration = Duration::from_millis(1_800);
const SHORT: [(&str, &str); 1] = [("REGISTRY_LEASE", "1800ms")];

/// Signs of life.
const OFTEN: Duration = Duration::from_millis(100);

async fn ask<T: FromRedisValue>(redis: &Redis, command: &[&str]) -> T {
    let mut asked = cmd(command[0]);
    asked.arg(&command[1..]);
    asked.query_async(&mut connect(&redis.url()).await.unwrap()).await.unwrap()
}

fn key(gateway_id: &str, name: &str) -> String {
    format!("{{socketpass:{}}}:{name}", Shard::of(gateway_id).number())
}

/// Waits until a write of this tenure is refused because nobody holds the gateway id.
async fn is_void(replica: &Replica, tenure: &Tenure) {
    until("the tenure is void", || async {
        match replica.ledger.write(tenure, vec![]).await {
            Err(Fault::Superseded(None)) => true,
            Ok(()) | Err(Fault::Away(_)) => false,
            Err(other) => panic!("{other:?}"),
        }
    })
    .await;
}

/// Waits until this can be written, for the same tenure.
async fn is_written(replica: &Replica, tenure: &Tenure, events: impl Fn() -> Vec<Event>) {
    until("it is written", || async {
        match replica.ledger.write(tenure, events()).await {
            Ok(()) => true,
            Err(Fault::Away(_)) => false,
            Err(other) => panic!("{other}"),
        }
    })
    .await;
}

async fn becomes(replica: &Replica, health: Health) {
    let mut changes = replica.ledger.health();
    timeout(PATIENCE, changes.wait_for(|now| *now == health)).await.expect("in time").unwrap();
}

/// No socket of the gateway was ever told to be closed.
fn nothing_was_closed(replica: &Replica, gateway_id: &str) {
    let told = replica.told(gateway_id);
    assert!(told.iter().all(|(_, what)| what.is_ok()), "{told:?}");
}

#[tokio::test]
async fn all_replicas_see_the_same_and_a_later_one_goes_on_where_another_was() {
    let redis = Redis::start().await;
    let (first, second) = (Replica::open(&redis.url(), &[]), Replica::open(&redis.url(), &[]));
    let one = first.lists_anew("chat-1", "a", &["s1", "s2"]).await;
    let other = second.lists_anew("chat-2", "b", &["s1"]).await;
    second.ledger.write(&one, vec![open("s2", 7), close("s1")]).await.unwrap();
    first.ledger.write(&other, vec![open("s3", 3)]).await.unwrap();
    for replica in [&first, &second] {
        replica.lists("chat-1", &["s2"]).await;
        replica.lists("chat-2", &["s1", "s3"]).await;
    }
    assert_eq!(first.listed(), second.listed());
    assert_eq!(first.told("chat-1"), second.told("chat-1"));
    until("the positions are the same", || async {
        Shard::all().all(|shard| first.view.shard(shard).position() == second.view.shard(shard).position())
    })
    .await;

    // One that starts now knows what the others know, and what led there.
    let third = Replica::open(&redis.url(), &[]);
    third.lists("chat-1", &["s2"]).await;
    third.lists("chat-2", &["s1", "s3"]).await;
    assert_eq!(third.listed(), first.listed());
    assert_eq!(third.told("chat-1"), first.told("chat-1"));
    let shard = Shard::of("chat-1");
    let (theirs, ours) = (first.view.shard(shard), third.view.shard(shard));
    assert_eq!(theirs.data().unwrap().0, ours.data().unwrap().0);
    assert_eq!(theirs.position(), ours.position());
    let entries = theirs.history().from(0, 99).unwrap();
    let positions: Vec<_> = entries.map(|entry| entry.position).collect();
    assert_eq!(positions.len(), 4);
    assert!(positions.is_sorted_by(|a, b| a < b), "{positions:?}");
    for (number, position) in positions.iter().enumerate() {
        let rest = ours.history().from(ours.history().behind(*position).unwrap(), 99).unwrap().count();
        assert_eq!(rest, positions.len() - 1 - number, "behind {position:?}");
    }
}

#[tokio::test]
async fn a_gateway_that_moves_to_another_replica_is_the_same_gateway() {
    let redis = Redis::start().await;
    let (first, second) = (Replica::open(&redis.url(), &[]), Replica::open(&redis.url(), &[]));
    let before = first.lists_anew("chat-1", "a", &["s1", "s2"]).await;
    drop(first);
    let after = second.lists_anew("chat-1", "a", &["s1", "s2"]).await;
    assert!(after.number > before.number);
    second.lists("chat-1", &["s1", "s2"]).await;
    nothing_was_closed(&second, "chat-1");
    assert_eq!(second.told("chat-1").len(), 2);
}

#[tokio::test]
async fn what_a_replica_began_to_close_another_closes() {
    let redis = Redis::start().await;
    let replica = Replica::open(&redis.url(), &SHORT);
    let ids: Vec<_> = (0..1000).map(|number| format!("s{number}")).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let (tenure, _alive) = replica.lists_alive("chat-1", "a", &ids, OFTEN).await;
    replica.lists("chat-1", &ids).await;
    // As after its first script, had the replica that heard the goodbye died then.
    let _: u64 = ask(&redis, &["HSET", &key("chat-1", "ending"), "chat-1", "closed"]).await;
    assert_eq!(replica.ledger.write(&tenure, vec![open("s", 1)]).await, Err(Fault::Superseded(None)));
    replica.is_gone("chat-1").await;
    let told = replica.told("chat-1");
    assert_eq!(told.len(), 2000);
    assert!(told[1000..].iter().all(|(_, what)| *what == Err(Reason::Closed)));
    let left: Vec<String> = ask(&redis, &["KEYS", "*chat-1*"]).await;
    assert_eq!(left, Vec::<String>::new());

    // Who comes before all is closed, ends it first.
    let (tenure, _alive) = replica.lists_alive("chat-1", "a", &ids, OFTEN).await;
    let _: u64 = ask(&redis, &["HSET", &key("chat-1", "ending"), "chat-1", "gateway_gone"]).await;
    let (next, _alive) = replica.lists_alive("chat-1", "b", &["s1"], OFTEN).await;
    assert!(next.number > tenure.number);
    replica.lists("chat-1", &["s1"]).await;
}

#[tokio::test]
async fn replicas_end_a_lease_together_and_tell_it_once() {
    let redis = Redis::start().await;
    let replicas = [(); 3].map(|()| Replica::open(&redis.url(), &SHORT));
    let (_, its_signs) = replicas[0].lists_alive("silent", "a", &["s1", "s2"], OFTEN).await;
    let (_, _alive) = replicas[1].lists_alive("lively", "a", &["s1"], OFTEN).await;
    for replica in &replicas {
        replica.lists("silent", &["s1", "s2"]).await;
        replica.lists("lively", &["s1"]).await;
    }
    drop(its_signs);
    for replica in &replicas {
        replica.is_gone("silent").await;
        let closed = replica.told("silent").into_iter().filter(|(_, what)| what.is_err()).count();
        assert_eq!(closed, 2);
        replica.lists("lively", &["s1"]).await;
        nothing_was_closed(replica, "lively");
    }
}

#[tokio::test]
async fn signs_of_life_are_seen_by_every_replica() {
    let redis = Redis::start().await;
    // Half of it has to be seen, while it is late.
    let lease = Duration::from_secs(3);
    let [first, second] = [(); 2].map(|()| Replica::open(&redis.url(), &[("REGISTRY_LEASE", "3s")]));
    let (_, alive) = first.lists_alive("chat-1", "a", &["s1"], OFTEN).await;
    second.lists("chat-1", &["s1"]).await;
    let seen = || second.view.shard(Shard::of("chat-1")).gateways()["chat-1"].seen();
    let begun = Instant::now();
    until("it is seen on and on", || async { seen() > begun + lease }).await;
    assert!(second.view.coverage().incomplete_gateways.is_empty());
    drop(alive);
    until("it is late", || async { !second.view.coverage().incomplete_gateways.is_empty() }).await;
    second.lists("chat-1", &["s1"]).await;
    second.is_gone("chat-1").await;
}

#[tokio::test]
async fn leases_stand_still_while_redis_hangs() {
    let redis = Redis::start().await;
    let replica = Replica::open(&redis.url(), &SHORT);
    let (tenure, alive) = replica.lists_alive("chat-1", "a", &["s1"], OFTEN).await;
    replica.lists("chat-1", &["s1"]).await;
    redis.process().signal("STOP");
    becomes(&replica, Health::Down).await;
    sleep(2 * LEASE).await;
    redis.process().signal("CONT");
    becomes(&replica, Health::Up).await;
    let back = Instant::now();
    until("a lease has passed", || async {
        assert!(replica.holder("chat-1").is_some());
        back.elapsed() > LEASE
    })
    .await;
    nothing_was_closed(&replica, "chat-1");
    assert_eq!(replica.ledger.write(&tenure, vec![open("s2", 1)]).await, Ok(()));
    replica.lists("chat-1", &["s1", "s2"]).await;
    drop(alive);
    replica.is_gone("chat-1").await;
}

#[tokio::test]
async fn leases_stand_still_while_no_replica_is_there() {
    let redis = Redis::start().await;
    let replica = Replica::open(&redis.url(), &SHORT);
    let (tenure, alive) = replica.lists_alive("chat-1", "a", &["s1"], OFTEN).await;
    drop((alive, replica));
    sleep(2 * LEASE).await;
    let replica = Replica::open(&redis.url(), &SHORT);
    let _alive = Alive::keep(&replica.ledger, &tenure, OFTEN);
    replica.lists("chat-1", &["s1"]).await;
    let back = Instant::now();
    until("a lease has passed", || async {
        assert!(replica.holder("chat-1").is_some());
        back.elapsed() > 2 * LEASE
    })
    .await;
    nothing_was_closed(&replica, "chat-1");
}

/// What keeps every write, and loads it again.
const LASTING: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

#[tokio::test]
async fn redis_that_comes_back_with_its_data_goes_on_as_before() {
    let mut redis = Redis::start_on(lasting_port(), &LASTING).await;
    let replica = Replica::open(&redis.url(), &SHORT);
    let (tenure, _alive) = replica.lists_alive("chat-1", "a", &["s1"], OFTEN).await;
    replica.lists("chat-1", &["s1"]).await;
    let data = replica.view.shard(Shard::of("chat-1")).data().unwrap().0;
    redis.kill().await;
    becomes(&replica, Health::Down).await;
    let written = timeout(PATIENCE, replica.ledger.write(&tenure, vec![open("s2", 1)])).await.unwrap();
    assert!(matches!(written, Err(Fault::Away(_))), "{written:?}");
    assert!(replica.view.coverage().age > Duration::ZERO);
    sleep(2 * LEASE).await;
    // Nothing is known to have changed.
    replica.lists("chat-1", &["s1"]).await;
    redis.restart().await;
    becomes(&replica, Health::Up).await;
    replica.ledger.write(&tenure, vec![open("s2", 1)]).await.unwrap();
    replica.lists("chat-1", &["s1", "s2"]).await;
    let back = Instant::now();
    until("a lease has passed", || async {
        assert!(replica.holder("chat-1").is_some());
        back.elapsed() > 2 * LEASE
    })
    .await;
    nothing_was_closed(&replica, "chat-1");
    assert_eq!(replica.told("chat-1").len(), 2);
    assert_eq!(replica.view.shard(Shard::of("chat-1")).data().unwrap().0, data);
    assert!(!replica.notices().iter().any(|notice| matches!(notice, Notice::NewData(_))));
}

#[tokio::test]
async fn redis_that_comes_back_empty_is_filled_by_the_gateways() {
    let mut redis = Redis::start_on(lasting_port(), &[]).await;
    let replica = Replica::open(&redis.url(), &[]);
    let tenure = replica.lists_anew("chat-1", "a", &["s1", "s2"]).await;
    let other = replica.lists_anew("chat-2", "a", &["s1"]).await;
    replica.lists("chat-1", &["s1", "s2"]).await;
    redis.kill().await;
    becomes(&replica, Health::Down).await;
    redis.restart().await;
    is_void(&replica, &tenure).await;
    is_void(&replica, &other).await;
    until("the view has begun anew", || async {
        let told = replica.notices();
        told.iter().any(|notice| matches!(notice, Notice::NewData(shard) if *shard == Shard::of("chat-1")))
    })
    .await;
    assert!(replica.view.coverage().warming_up);
    let again = replica.lists_anew("chat-1", "a", &["s2", "s3"]).await;
    assert!(again.number > tenure.number);
    replica.lists("chat-1", &["s2", "s3"]).await;
    assert_eq!(replica.ledger.write(&tenure, vec![]).await, Err(Fault::Superseded(Some(again.info))));
}

#[tokio::test]
async fn data_that_is_thrown_away_under_everybodys_feet_is_missed_at_once() {
    let redis = Redis::start().await;
    let replicas = [(); 2].map(|()| Replica::open(&redis.url(), &[]));
    let tenure = replicas[0].lists_anew("chat-1", "a", &["s1"]).await;
    for replica in &replicas {
        replica.lists("chat-1", &["s1"]).await;
    }
    let () = ask(&redis, &["FLUSHALL"]).await;
    assert_eq!(replicas[1].ledger.write(&tenure, vec![open("s2", 1)]).await, Err(Fault::Superseded(None)));
    for replica in &replicas {
        replica.is_gone("chat-1").await;
    }
    replicas[1].lists_anew("chat-1", "a", &["s1", "s2"]).await;
    for replica in &replicas {
        replica.lists("chat-1", &["s1", "s2"]).await;
    }
}

#[tokio::test]
async fn data_that_is_older_than_what_was_acked_is_listed_again() {
    let mut redis = Redis::start_on(lasting_port(), &["--dbfilename", "dump.rdb"]).await;
    let replicas = [(); 2].map(|()| Replica::open(&redis.url(), &[]));
    let before = replicas[0].lists_anew("chat-1", "a", &["s1", "s2"]).await;
    replicas[1].lists("chat-1", &["s1", "s2"]).await;
    let () = ask(&redis, &["SAVE"]).await;
    replicas[0].ledger.write(&before, vec![close("s1"), open("s3", 1)]).await.unwrap();
    replicas[1].lists("chat-1", &["s2", "s3"]).await;
    redis.kill().await;
    redis.restart().await;
    is_void(&replicas[0], &before).await;
    // What is listed is what Redis has, until the gateway says better.
    replicas[1].lists("chat-1", &["s1", "s2"]).await;
    assert_eq!(replicas[1].view.coverage().incomplete_gateways, [Arc::from("chat-1")]);
    assert!(replicas[1].view.coverage().warming_up);
    replicas[0].lists_anew("chat-1", "a", &["s2", "s3"]).await;
    for replica in &replicas {
        replica.lists("chat-1", &["s2", "s3"]).await;
    }
}

#[tokio::test]
async fn whoever_was_cut_off_goes_on_where_it_was() {
    let redis = Redis::start().await;
    let proxy = Proxy::to(redis.port).await;
    let (there, here) = (Replica::open(&redis.url(), &[]), Replica::open(&proxy.url(), &[]));
    let tenure = there.lists_anew("chat-1", "a", &["s1"]).await;
    here.lists("chat-1", &["s1"]).await;
    proxy.cut();
    becomes(&here, Health::Down).await;
    there.ledger.write(&tenure, vec![open("s2", 1), close("s1"), open("s1", 2)]).await.unwrap();
    there.ledger.tell(Shard::of("chat-1"), (*b"while away").into()).await.unwrap();
    assert_eq!(here.sockets("chat-1"), BTreeSet::from(["s1".to_owned()]));
    proxy.mend();
    here.lists("chat-1", &["s1", "s2"]).await;
    until("all was told", || async { here.told("chat-1") == there.told("chat-1") }).await;
    let mut heard = Vec::new();
    until("the message was heard", || {
        heard.extend(here.notices());
        let found =
            heard.iter().any(|notice| matches!(notice, Notice::Message(said) if **said == *b"while away"));
        async move { found }
    })
    .await;
}

#[tokio::test]
async fn whoever_was_away_for_longer_than_the_history_begins_anew_and_tells_the_differences() {
    let redis = Redis::start().await;
    let proxy = Proxy::to(redis.port).await;
    let (there, here) = (Replica::open(&redis.url(), &[]), Replica::open(&proxy.url(), &[]));
    let tenure = there.lists_anew("chat-1", "a", &["s1", "s2", "s3"]).await;
    let gone = there.lists_anew("chat-gone", "a", &["s1"]).await;
    here.lists("chat-1", &["s1", "s2", "s3"]).await;
    here.lists("chat-gone", &["s1"]).await;
    let mut ends = SessionEndsWatch::start(Arc::clone(&here.view), None).await.unwrap();
    proxy.cut();
    becomes(&here, Health::Down).await;
    // It is told of in a shard whose feed is trimmed.
    there.finds(&ended("chat-1", Reason::SessionNotFound), None).await;
    there.ledger.write(&tenure, vec![close("s1"), open("s2", 7), open("s4", 1)]).await.unwrap();
    there.ledger.goodbye(&gone).await.unwrap();
    for gateway_id in ["chat-1", "chat-gone"] {
        let _: u64 = ask(&redis, &["XTRIM", &key(gateway_id, "feed"), "MAXLEN", "0"]).await;
    }
    proxy.mend();
    here.lists("chat-1", &["s2", "s3", "s4"]).await;
    here.is_gone("chat-gone").await;
    assert_eq!(here.listed(), there.listed());
    // Which sessions ended meanwhile nobody knows here.
    assert!(matches!(ends.next().await, Err(Ended::OutOfRange(_))));
    let mut told = here.told("chat-1").split_off(3);
    told.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [
        ("s1".to_owned(), Err(Reason::Closed)),
        ("s2".to_owned(), Ok(json!({"id": 7}))),
        ("s4".to_owned(), Ok(json!({"id": 1}))),
    ];
    assert_eq!(told, expected);
    // The right to write did not end with that.
    here.ledger.write(&tenure, vec![close("s4")]).await.unwrap();
    here.lists("chat-1", &["s2", "s3"]).await;
}

#[tokio::test]
async fn whoever_lags_behind_reads_much_at_once() {
    const ENTRIES: u64 = 3_000;
    let redis = Redis::start().await;
    let proxy = Proxy::to(redis.port).await;
    let (there, here) = (Replica::open(&redis.url(), &[]), Replica::open(&proxy.url(), &[]));
    let tenure = there.lists_anew("chat-1", "a", &["s1"]).await;
    here.lists("chat-1", &["s1"]).await;
    proxy.cut();
    becomes(&here, Health::Down).await;
    for user in 0..ENTRIES {
        there.ledger.write(&tenure, vec![open("s1", user)]).await.unwrap();
    }
    until("they are seen there", || async { there.told("chat-1").len() as u64 > ENTRIES }).await;
    let (before, mended) = (reads(&redis).await, Instant::now());
    proxy.mend();
    until("all was told", || async { here.told("chat-1") == there.told("chat-1") }).await;
    // Both replicas wait for more, five times a second.
    let waits = 10 * (mended.elapsed().as_secs() + 1);
    let read = reads(&redis).await - before;
    assert!(read < 20 + waits, "read {read} times for {ENTRIES} entries");
}

/// How often feeds were read.
async fn reads(redis: &Redis) -> u64 {
    let stats: String = ask(redis, &["INFO", "commandstats"]).await;
    let of_reads = stats.lines().find_map(|line| line.strip_prefix("cmdstat_xread:calls="));
    of_reads.and_then(|line| line.split(',').next()).map_or(0, |calls| calls.parse().unwrap())
}

#[tokio::test]
async fn a_shard_is_known_as_of_when_it_was_asked_for() {
    /// An answer without an entry comes no sooner, and does not have what was kept while it was on its way.
    const QUIET: Duration = Duration::from_millis(150);
    let redis = Redis::start().await;
    let replica = Replica::open(&redis.url(), &[]);
    replica.has_begun().await;
    let shard = Shard::of("chat-1");
    for _ in 0..3 {
        let before = replica.view.shard(shard).known();
        until("it is known anew", || async { replica.view.shard(shard).known() != before }).await;
        let Known::At(then) = replica.view.shard(shard).known() else { panic!("it is known") };
        assert!(then.elapsed() >= QUIET, "{:?}", then.elapsed());
    }
}

#[tokio::test]
async fn what_is_kept_is_there_when_all_of_it_was_read() {
    let redis = Redis::start().await;
    let proxy = Proxy::to(redis.port).await;
    let (there, here) = (Replica::open(&redis.url(), &[]), Replica::open(&proxy.url(), &[]));
    let tenure = there.lists_anew("chat-1", "a", &["s1"]).await;
    here.lists("chat-1", &["s1"]).await;
    proxy.cut();
    becomes(&here, Health::Down).await;
    // More than is read at once: three mebibytes.
    for user in 0..250 {
        let events = (0..200).map(|socket| open(&format!("s{socket}"), user)).collect();
        there.ledger.write(&tenure, events).await.unwrap();
    }
    let size: usize = ask(&redis, &["MEMORY", "USAGE", &key("chat-1", "feed")]).await;
    assert!(size > 3 << 20, "{size}");
    let shard = Shard::of("chat-1");
    let last = Kept { shard, newest: there.ledger.newest(shard), at: Instant::now() };
    // Whoever cannot say how far the changes go has to wait until the shard is known as of later.
    let unsaid = Kept { newest: None, ..last };
    for kept in [last, unsaid] {
        there.sees(&kept).await;
        assert!(!here.view.has(&kept));
    }
    proxy.mend();
    for kept in [last, unsaid] {
        here.sees(&kept).await;
        let listed = here.listed();
        assert_eq!(listed.len(), 200);
        assert!(listed.values().all(|user| *user == json!({"id": 249})), "{listed:?}");
    }
}

#[tokio::test]
async fn whoever_changes_nothing_hears_how_far_the_changes_go() {
    let redis = Redis::start().await;
    let (there, here) = (Replica::open(&redis.url(), &[]), Replica::open(&redis.url(), &[]));
    here.has_begun().await;
    let tenure = there.lists_anew("chat-1", "a", &["s1"]).await;
    there.ledger.write(&tenure, vec![open("s2", 1)]).await.unwrap();
    // As one whose first answer was lost.
    here.ledger.write(&tenure, vec![open("s2", 1)]).await.unwrap();
    let shard = Shard::of("chat-1");
    let (_, written) = there.ledger.newest(shard).unwrap();
    let (_, heard) = here.ledger.newest(shard).unwrap();
    assert!(heard >= written, "{heard:?} is before {written:?}");
}

#[tokio::test]
async fn changes_are_trimmed_when_they_are_old() {
    let redis = Redis::start().await;
    let replica = Replica::open(&redis.url(), &[("REGISTRY_HISTORY", "1s"), ("REGISTRY_LEASE", "800ms")]);
    let tenure = replica.claim("chat-1", "a").await;
    // Redis trims whole nodes of a stream, of 4 KiB or 100 entries.
    let mut number = 0;
    until("old changes are gone", || {
        number += 1;
        let (replica, tenure, redis) = (&replica, &tenure, &redis);
        async move {
            replica.ledger.write(tenure, vec![open("s1", number)]).await.unwrap();
            let entries: u64 = ask(redis, &["XLEN", &key("chat-1", "feed")]).await;
            number > 100 && entries < number
        }
    })
    .await;
    until("the last is seen", || async {
        replica.listed().get(&("chat-1".to_owned(), "s1".to_owned())) == Some(&json!({"id": number}))
    })
    .await;
}

#[tokio::test]
async fn what_nobody_understands_is_passed_over() {
    let redis = Redis::start().await;
    let replica = Replica::open(&redis.url(), &[]);
    let tenure = replica.lists_anew("chat-1", "a", &["s1"]).await;
    let feed = key("chat-1", "feed");
    for entry in [
        &["v", "2", "g", "chat-1", "n", ""][..],
        &["v", "1", "g", "chat-1", "?", ""],
        &["v", "1", "o", "no record"],
        &["something", "else"],
    ] {
        let _: String = ask(&redis, &[&["XADD", &feed, "*"], entry].concat()).await;
    }
    replica.ledger.write(&tenure, vec![open("s2", 1)]).await.unwrap();
    replica.lists("chat-1", &["s1", "s2"]).await;
    let late = Replica::open(&redis.url(), &[]);
    late.lists("chat-1", &["s1", "s2"]).await;
}

#[tokio::test]
async fn a_message_that_the_driver_says_twice_is_heard_once() {
    let redis = Redis::start().await;
    let replica = Replica::open(&redis.url(), &[]);
    replica.lists_anew("chat-1", "a", &["s1"]).await;
    replica.lists("chat-1", &["s1"]).await;
    for (number, message) in [("7", "one"), ("7", "one"), ("8", "two")] {
        let entry = ["XADD", &key("chat-1", "feed"), "*", "v", "1", "k", number, "m", message];
        let _: String = ask(&redis, &entry).await;
    }
    let mut heard = Vec::new();
    until("both were heard", || {
        heard.extend(replica.notices().into_iter().filter_map(|notice| match notice {
            Notice::Message(message) => Some(String::from_utf8(message.to_vec()).unwrap()),
            _ => None,
        }));
        let both = heard.len() >= 2;
        async move { both }
    })
    .await;
    assert_eq!(heard, ["one", "two"]);
}

#[tokio::test]
async fn redis_that_is_full_is_away_until_it_is_not() {
    let redis = Redis::start().await;
    let replica = Replica::open(&redis.url(), &[]);
    replica.has_begun().await;
    let tenure = replica.lists_anew("chat-1", "a", &["s1"]).await;
    let () = ask(&redis, &["CONFIG", "SET", "maxmemory", "1"]).await;
    let refused = replica.ledger.write(&tenure, vec![open("s2", 1)]).await;
    assert!(matches!(&refused, Err(Fault::Away(cause)) if cause.contains("maxmemory")), "{refused:?}");
    becomes(&replica, Health::Down).await;
    replica.lists("chat-1", &["s1"]).await;
    let () = ask(&redis, &["CONFIG", "SET", "maxmemory", "0"]).await;
    becomes(&replica, Health::Up).await;
    replica.ledger.write(&tenure, vec![open("s2", 1)]).await.unwrap();
    replica.lists("chat-1", &["s1", "s2"]).await;
}

#[tokio::test]
async fn redis_that_may_throw_keys_away_is_noticed() {
    let redis = Redis::start_with(&["--maxmemory-policy", "allkeys-lru"]).await;
    let (_replica, ledger) = Replica::open_redis(&redis.url(), &[]);
    let ledger = ledger.unwrap();
    until("it is noticed", || async { ledger.evicts() }).await;
    let redis = Redis::start().await;
    let (replica, ledger) = Replica::open_redis(&redis.url(), &[]);
    replica.lists_anew("chat-1", "a", &["s1"]).await;
    assert!(!ledger.unwrap().evicts());
}

#[tokio::test]
async fn prefixes_keep_installations_apart() {
    let redis = Redis::start().await;
    let replicas = ["", "other:"].map(|prefix| Replica::open(&redis.url(), &[("REGISTRY_PREFIX", prefix)]));
    for (replica, socket) in replicas.iter().zip(["s1", "s2"]) {
        replica.lists_anew("chat-1", "a", &[socket]).await;
    }
    for (replica, socket) in replicas.iter().zip(["s1", "s2"]) {
        replica.lists("chat-1", &[socket]).await;
    }
}

/// docs/redis.md names these.
const RIGHTS: [&str; 27] = [
    "+ping",
    "+eval",
    "+evalsha",
    "+time",
    "+set",
    "+exists",
    "+del",
    "+expire",
    "+hget",
    "+hmget",
    "+hset",
    "+hsetnx",
    "+hincrby",
    "+hdel",
    "+hexists",
    "+hscan",
    "+hrandfield",
    "+zadd",
    "+zrem",
    "+zscore",
    "+zscan",
    "+zrangebyscore",
    "+lrange",
    "+lpush",
    "+ltrim",
    "+xadd",
    "+xread",
];
const MORE_RIGHTS: [&str; 5] = ["+xrange", "+xrevrange", "+xtrim", "+xinfo|stream", "~{socketpass:*"];

#[tokio::test]
async fn a_user_who_may_do_no_more_than_the_documents_say_is_enough() {
    let redis = Redis::start().await;
    let user = ["ACL", "SETUSER", "registry", "on", ">h0rse", "resetkeys"];
    let () = ask(&redis, &[&user[..], &RIGHTS, &MORE_RIGHTS].concat()).await;
    let url = redis.url().replace("://", "://registry:h0rse@");
    let (replica, ledger) = Replica::open_redis(&url, &SHORT);
    becomes(&replica, Health::Up).await;
    let tenure = replica.lists_anew("chat-1", "a", &["s1"]).await;
    let (_, alive) = replica.lists_alive("chat-1", "a", &["s2"], OFTEN).await;
    assert!(replica.ledger.write(&tenure, vec![]).await.is_err());
    let (other, _alive) = replica.lists_alive("chat-2", "a", &["s1"], OFTEN).await;
    replica.lists("chat-1", &["s2"]).await;
    let late = Replica::open(&url, &SHORT);
    late.lists("chat-1", &["s2"]).await;
    drop(alive);
    let Ok(socketpass::registry::ledger::Claimed::Held { sign, .. }) =
        replica.ledger.claim(&crate::support::registry::info("chat-1", "b"), None).await
    else {
        panic!("it is held");
    };
    let taken = replica.ledger.claim(&crate::support::registry::info("chat-1", "b"), Some(&sign)).await;
    crate::support::registry::granted(taken);
    replica.ledger.tell(Shard::of("chat-1"), (*b"x").into()).await.unwrap();
    replica.finds(&ended("one", Reason::SessionNotFound), None).await;
    replica.ledger.goodbye(&other).await.unwrap();
    replica.is_gone("chat-2").await;
    replica.is_gone("chat-1").await;
    assert_eq!(*replica.ledger.health().borrow(), Health::Up);
    // What it must not ask it does without.
    assert!(!ledger.unwrap().evicts());
    let denied: Vec<BTreeMap<String, String>> = ask(&redis, &["ACL", "LOG"]).await;
    let denied: Vec<_> = denied.iter().map(|entry| entry["object"].as_str()).collect();
    assert_eq!(denied, ["info"]);
    assert!(!format!("{:?}", replica.ledger).contains("h0rse"));
}

/// Waits until the replica of a primary has everything.
async fn is_replicated(primary: MultiplexedConnection, key: &str) {
    until("the replica has it", || async {
        let mut primary = primary.clone();
        // Waited for is what this connection has written, and everything before it.
        let () = cmd("SET").arg(key).arg("").query_async(&mut primary).await.unwrap();
        cmd("WAIT").arg(1).arg(100).query_async::<u32>(&mut primary).await.unwrap() == 1
    })
    .await;
}

#[tokio::test]
async fn when_the_primary_dies_the_registry_goes_on_at_its_replica() {
    let mut sentinels = Sentinels::start().await;
    let replicas = [(); 2].map(|()| Replica::open(&sentinels.url(0), &[("REGISTRY_LEASE", "2s")]));
    let (tenure, _alive) = replicas[0].lists_alive("chat-1", "a", &["s1"], OFTEN).await;
    replicas[1].lists("chat-1", &["s1"]).await;
    is_replicated(sentinel::connection(&sentinels.first).await, "written").await;
    sentinels.kill_primary().await;
    is_written(&replicas[0], &tenure, || vec![open("s2", 1), close("s1")]).await;
    for replica in &replicas {
        replica.lists("chat-1", &["s2"]).await;
        assert_eq!(replica.told("chat-1").len(), 3);
    }
}

#[tokio::test]
async fn when_primary_and_replica_change_roles_the_registry_goes_on_at_the_new_primary() {
    let sentinels = Sentinels::start().await;
    let replicas = [(); 2].map(|()| Replica::open(&sentinels.url(0), &[]));
    let tenure = replicas[0].lists_anew("chat-1", "a", &["s1"]).await;
    replicas[1].lists("chat-1", &["s1"]).await;
    is_replicated(sentinel::connection(&sentinels.first).await, "written").await;
    sentinels.fail_over().await;
    is_written(&replicas[0], &tenure, || vec![open("s2", 1), close("s1")]).await;
    for replica in &replicas {
        replica.lists("chat-1", &["s2"]).await;
        assert_eq!(replica.told("chat-1").len(), 3);
    }
}

/// A gateway on each node of a cluster.
async fn one_on_each(cluster: &RedisCluster) -> Vec<String> {
    let mut names: Vec<Option<String>> = vec![None; 3];
    for number in 0.. {
        let gateway_id = format!("chat-{number}");
        let node = cluster.put(&key(&gateway_id, "which"), b"").await;
        names[node].get_or_insert(gateway_id);
        if names.iter().all(Option::is_some) {
            break;
        }
    }
    names.into_iter().flatten().collect()
}

#[tokio::test]
async fn a_node_that_is_away_keeps_nothing_but_its_own_shards() {
    let mut cluster = RedisCluster::start(&["--cluster-require-full-coverage", "no"]).await;
    let replicas = [(); 2].map(|()| Replica::open(&cluster.url(), &[]));
    let gateways = one_on_each(&cluster).await;
    let mut tenures = Vec::new();
    for gateway_id in &gateways {
        tenures.push(replicas[0].lists_anew(gateway_id, "a", &["s1"]).await);
        replicas[1].lists(gateway_id, &["s1"]).await;
    }
    cluster.nodes[1].kill().await;
    for number in [0, 2] {
        until("the others are written", || async {
            replicas[0].ledger.write(&tenures[number], vec![open("s2", 1)]).await.is_ok()
        })
        .await;
        replicas[1].lists(&gateways[number], &["s1", "s2"]).await;
    }
    let away = replicas[0].ledger.write(&tenures[1], vec![open("s2", 1)]).await;
    assert!(matches!(away, Err(Fault::Away(_))), "{away:?}");
    replicas[1].lists(&gateways[1], &["s1"]).await;
    until("the answers say their age", || async { replicas[1].view.coverage().age > Duration::from_secs(1) })
        .await;
    // It comes back without its data: its gateways list again, and the others' do not.
    cluster.take_for_dead(1).await;
    cluster.restart(1).await;
    is_void(&replicas[0], &tenures[1]).await;
    replicas[0].lists_anew(&gateways[1], "a", &["s3"]).await;
    for replica in &replicas {
        replica.lists(&gateways[1], &["s3"]).await;
        replica.lists(&gateways[0], &["s1", "s2"]).await;
    }
    for number in [0, 2] {
        replicas[0].ledger.write(&tenures[number], vec![]).await.unwrap();
    }
}

#[tokio::test]
async fn when_a_nodes_replica_takes_its_place_the_shard_goes_on_there() {
    let mut cluster = RedisCluster::start(&["--cluster-require-full-coverage", "no"]).await;
    let _replica = cluster.add_replica_of(1).await;
    let replicas = [(); 2].map(|()| Replica::open(&cluster.url(), &[]));
    let gateway_id = one_on_each(&cluster).await.remove(1);
    let tenure = replicas[0].lists_anew(&gateway_id, "a", &["s1"]).await;
    replicas[1].lists(&gateway_id, &["s1"]).await;
    is_replicated(connect(&cluster.nodes[1].url()).await.unwrap(), &key(&gateway_id, "written")).await;
    cluster.nodes[1].kill().await;
    cluster.take_for_dead(1).await;
    is_written(&replicas[0], &tenure, || vec![open("s2", 1)]).await;
    for replica in &replicas {
        replica.lists(&gateway_id, &["s1", "s2"]).await;
        assert_eq!(replica.told(&gateway_id).len(), 2);
    }
}

#[tokio::test]
async fn a_shard_that_moves_to_another_node_is_followed_there() {
    let cluster = RedisCluster::start(&[]).await;
    let replicas = [(); 2].map(|()| Replica::open(&cluster.url(), &[]));
    let gateway_id = one_on_each(&cluster).await.remove(0);
    let tenure = replicas[0].lists_anew(&gateway_id, "a", &["s1"]).await;
    replicas[1].lists(&gateway_id, &["s1"]).await;

    let (from, to) = (&cluster.nodes[0], &cluster.nodes[1]);
    let slot: u16 =
        redis_cluster::ask(from, cmd("CLUSTER").arg("KEYSLOT").arg(key(&gateway_id, ""))).await.unwrap();
    let mut ids = Vec::new();
    for node in [from, to] {
        ids.push(redis_cluster::ask::<String>(node, cmd("CLUSTER").arg("MYID")).await.unwrap());
    }
    let set_slot = async |node: &Redis, state: &str, id: &str| {
        let mut command = cmd("CLUSTER");
        command.arg("SETSLOT").arg(slot).arg(state).arg(id);
        redis_cluster::ask::<()>(node, &command).await.unwrap();
    };
    set_slot(to, "IMPORTING", &ids[0]).await;
    set_slot(from, "MIGRATING", &ids[1]).await;
    loop {
        let mut command = cmd("CLUSTER");
        command.arg("GETKEYSINSLOT").arg(slot).arg(100);
        let keys: Vec<String> = redis_cluster::ask(from, &command).await.unwrap();
        if keys.is_empty() {
            break;
        }
        let mut migrate = cmd("MIGRATE");
        migrate.arg("127.0.0.1").arg(to.port).arg("").arg(0).arg(20_000).arg("KEYS").arg(keys);
        let () = redis_cluster::ask(from, &migrate).await.unwrap();
    }
    for node in &cluster.nodes {
        set_slot(node, "NODE", &ids[1]).await;
    }
    is_written(&replicas[0], &tenure, || vec![open("s2", 1)]).await;
    for replica in &replicas {
        replica.lists(&gateway_id, &["s1", "s2"]).await;
        assert_eq!(replica.told(&gateway_id).len(), 2);
    }
}
