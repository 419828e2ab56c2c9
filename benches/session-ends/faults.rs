//! No socket of a living session is ended, and none of an ended session is forgotten, whatever breaks. Counted at the
//! clients.

use std::{sync::Arc, time::Duration};

use redis::{aio::MultiplexedConnection, cmd};
use socketpass::task;
use tokio::{
    task::JoinSet,
    time::{Instant, interval, sleep},
};

use crate::{
    book::Entry,
    chaos,
    ends::{self, Way},
    figures::{Times, milliseconds, seconds},
    fleet::{Fleet, REPLICAS},
    people,
    support::{
        redis::Redis,
        sentinel::{self, Sentinels},
    },
    wire::Wire,
};

/// `revalidate.interval`: short, so that a fault lasts for some of them.
const INTERVAL: Duration = Duration::from_secs(3);
const INTERVAL_SETTING: (&str, &str) = ("REVALIDATE_INTERVAL", "3s");

/// An absent session is read twice in the minute after a reconnect.
const READ_TWICE: Duration = Duration::from_secs(2);

/// A gateway that was killed and comes back under its id is not heard before its former life is over: half of
/// `registry.lease`.
const FORMER_LIFE: Duration = Duration::from_millis(7_500);

/// Until the client sees the close, without pushes, after a reconnect.
fn bound(entry: &Entry) -> Duration {
    let bound = INTERVAL + Duration::from_secs(1) + READ_TWICE;
    if entry.losses == 0 { bound } else { bound + FORMER_LIFE }
}

/// Sockets of a run that needs no more.
const SOCKETS: usize = 300;

/// Sessions that end after a fault.
const ENDS: usize = 100;
const ENDS_A_SECOND: f64 = 100.0;

/// Runs all, or the one that is named.
pub async fn run(logouts: usize, only: Option<&str>) {
    println!(
        "| run | sockets | sessions ended | closed | turned away | left | latest close | living ended | broken | \
         broken with their gateway | latest of those |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    let is_wanted = |name: &str| only.is_none_or(|only| only == name);
    let (mut passed, mut failed) = (0, 0);
    let mut count = |holds: bool| *(if holds { &mut passed } else { &mut failed }) += 1;
    if is_wanted("touched") {
        count(
            touched("touched 1,000 times a second, notifications", &["--notify-keyspace-events", "Kg$xe"])
                .await,
        );
        count(touched("touched 1,000 times a second, invalidations", &[]).await);
    }
    if is_wanted("failover") {
        count(failover("Redis' primary and replica change their roles", false).await);
        count(failover("Redis' primary is killed", true).await);
    }
    if is_wanted("slow") {
        count(slow().await);
    }
    if is_wanted("restarts") {
        count(restarts().await);
    }
    if is_wanted("chaos") {
        count(everything(logouts).await);
    }
    println!("\n{passed} passed, {failed} failed");
    assert_eq!(failed, 0, "what must hold does not");
}

async fn start(sockets: usize, store: &str) -> Fleet {
    // Few sockets: any process may have as many files.
    let settings = [("SESSION_STORE", store), ("REGISTRY_STORE", store), INTERVAL_SETTING];
    let fleet = Fleet::start(sockets, 10_000, &settings).await;
    fleet.hears().await;
    fleet
}

/// One session is behind all of a run's sockets, and is written and touched all the time.
async fn touched(name: &str, redis: &[&str]) -> bool {
    let redis = Redis::start_with(redis).await;
    let mut connection = redis.connection().await;
    let mut fleet = start(SOCKETS, &redis.url()).await;
    let session_id = people::log_in(&mut connection, 1).await.remove(0);
    let clients = fleet.open(vec![session_id.clone(); SOCKETS]).await;
    let mut ticks = interval(Duration::from_millis(1));
    for time in 0..5_000 {
        ticks.tick().await;
        // As express-session does: `touch` after each request, and the whole session when something in it is new.
        let mut touch = if time % 10 == 0 { cmd("SET") } else { cmd("EXPIRE") };
        touch.arg(people::key(&session_id));
        if time % 10 == 0 {
            touch.arg(people::session(0)).arg("EX");
        }
        let () = touch.arg(3_600).query_async(&mut connection).await.unwrap();
    }
    let now = crate::told::now();
    clients.iter().for_each(|client| fleet.book.ends(*client, now));
    let () = cmd("DEL").arg(people::key(&session_id)).query_async(&mut connection).await.unwrap();
    settled(name, &fleet, &[], |_| true).await
}

/// Redis has another primary: both live and change their roles, or the first was killed.
async fn failover(name: &str, is_killed: bool) -> bool {
    let mut sentinels = Sentinels::start().await;
    let mut connection = sentinel::connection(&sentinels.first).await;
    let mut fleet = start(SOCKETS, &sentinels.url(0)).await;
    let ending = populate(&mut fleet, &mut connection).await;
    // What the replica has not got yet is lost with the primary, sessions as well.
    let () = cmd("SET").arg("replicated").arg(1).query_async(&mut connection).await.unwrap();
    let replicas: usize = cmd("WAIT").arg(&[1, 10_000]).query_async(&mut connection).await.unwrap();
    assert_eq!(replicas, 1, "the replica follows");
    if is_killed {
        sentinels.kill_primary().await;
    } else {
        sentinels.fail_over().await;
    }
    sleep(INTERVAL).await;
    let promoted = sentinel::connection(&sentinels.second).await;
    ends::end(&fleet.book, &ending, &Way::Delete(promoted), ENDS_A_SECOND).await;
    settled(name, &fleet, &[], |_| true).await
}

/// Redis answers late, then so late that it counts as away, then not at all.
async fn slow() -> bool {
    let redis = Redis::start().await;
    let mut connection = redis.connection().await;
    let wire = Wire::new(vec![format!("127.0.0.1:{}", redis.port)]).await;
    let mut fleet = start(SOCKETS, &format!("redis://{}", wire.address)).await;
    let ending = populate(&mut fleet, &mut connection).await;
    for delay in [Duration::from_millis(300), Duration::from_secs(3), Duration::ZERO] {
        wire.delays(delay);
        sleep(2 * INTERVAL).await;
    }
    redis.process().signal("STOP");
    sleep(2 * INTERVAL).await;
    redis.process().signal("CONT");
    sleep(INTERVAL).await;
    ends::end(&fleet.book, &ending, &Way::Delete(connection), ENDS_A_SECOND).await;
    settled("Redis answers late, or not at all", &fleet, &[], |_| true).await
}

/// Each replica is restarted, asked to end and killed.
async fn restarts() -> bool {
    let redis = Redis::start().await;
    let mut connection = redis.connection().await;
    let mut fleet = start(SOCKETS, &redis.url()).await;
    let ending = populate(&mut fleet, &mut connection).await;
    for signal in ["TERM", "KILL"] {
        for replica in 0..REPLICAS {
            fleet.end_replica(replica, signal).await;
            sleep(INTERVAL / 2).await;
            fleet.start_replica(replica).await;
            sleep(INTERVAL / 2).await;
        }
    }
    ends::end(&fleet.book, &ending, &Way::Delete(connection), ENDS_A_SECOND).await;
    settled("replicas are restarted", &fleet, &[], |_| true).await
}

/// Pushes, replicas and gateways break at random while people log out.
async fn everything(logouts: usize) -> bool {
    let redis = Redis::start().await;
    let mut connection = redis.connection().await;
    let staying = SOCKETS.max(logouts / 5);
    let mut fleet = start(staying + logouts, &redis.url()).await;
    let staying = people::log_in(&mut connection, staying).await;
    let ending = people::log_in(&mut connection, logouts).await;
    fleet.open(staying).await;
    let ending = fleet.open(ending).await;
    fleet.is_watched_over().await;

    // At least a quarter of a minute, so that much can break.
    let a_second = (logouts as f64 / 15.0).min(200.0);
    let (as_now, as_before) = ending.split_at(logouts / 2);
    let (book, begun) = (Arc::clone(&fleet.book), Instant::now());
    let ways = [
        (as_now.to_vec(), Way::Delete(connection.clone())),
        (as_before.to_vec(), Way::Empty(connection.clone())),
    ];
    let mut logging_out = JoinSet::new();
    for (clients, way) in ways {
        let book = Arc::clone(&book);
        logging_out.spawn(async move { ends::end(&book, &clients, &way, a_second / 2.0).await });
    }
    let over = task::owned(async move { while logging_out.join_next().await.is_some() {} });
    let broken = chaos::reign(&mut fleet, &mut connection, || over.is_finished()).await;
    let name = format!(
        "{logouts} logouts in {:.0} s; meanwhile {} push connections cut, {} replicas and {} gateways killed",
        begun.elapsed().as_secs_f64(),
        broken.pushes,
        broken.replicas.len(),
        broken.gateways
    );
    // The first gateway is never killed.
    let gateways = fleet.gateways();
    settled(&name, &fleet, &broken.replicas, |client| client % gateways == 0).await
}

/// People whose sessions live on, and those, who are given, whose sessions will end.
async fn populate(fleet: &mut Fleet, redis: &mut MultiplexedConnection) -> Vec<usize> {
    let staying = people::log_in(redis, SOCKETS - ENDS).await;
    let ending = people::log_in(redis, ENDS).await;
    fleet.open(staying).await;
    let ending = fleet.open(ending).await;
    fleet.is_watched_over().await;
    ending
}

/// Waits for what has to end, and tells whether all is as it should be. `broke`: when something did that was about to close
/// sockets. `has_lived`: nothing broke a client's connection.
async fn settled(name: &str, fleet: &Fleet, broke: &[u64], has_lived: impl Fn(usize) -> bool) -> bool {
    let book = &fleet.book;
    let deadline = Instant::now() + 5 * INTERVAL + FORMER_LIFE;
    while book.count(Entry::is_left) > 0 && Instant::now() < deadline {
        sleep(Duration::from_millis(20)).await;
    }
    // Long enough that what would end wrongly has done so.
    sleep(INTERVAL).await;
    let entries = book.entries();
    let count = |is_so: fn(&Entry) -> bool| entries.iter().filter(|entry| is_so(entry)).count();
    let ended = count(|entry| entry.ended.is_some());
    let (closed, left) = (count(|entry| entry.outlived().is_some()), count(Entry::is_left));
    let wronged = count(Entry::is_wronged);
    let latest = |is_among: fn(&Entry) -> bool| {
        let times = entries.iter().filter(|entry| is_among(entry));
        let times: Times = times.filter_map(|entry| entry.outlived_since(broke)).collect();
        if times.len() == 0 { String::new() } else { milliseconds(times.max()) }
    };
    let broken = |(client, entry): &(usize, &Entry)| has_lived(*client) && entry.losses > 0;
    let broken = entries.iter().enumerate().filter(broken).count();
    let lost = count(|entry| entry.losses > 0) - broken;
    println!(
        "| {name} | {} | {ended} | {closed} | {} | {left} | {} | {wronged} | {broken} | {lost} | {} |",
        entries.len(),
        ended - closed - left,
        latest(|entry| entry.losses == 0),
        latest(|entry| entry.losses > 0),
    );
    let gateways = fleet.gateways();
    let mut is_well = broken == 0;
    for (client, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.is_amiss(bound(entry), broke))
    {
        is_well = false;
        let (gateway, ended) = (client % gateways, entry.ended.map(seconds));
        eprintln!("client {client} of gateway {gateway}: session ended {ended:?}, {}", entry.socket);
    }
    is_well
}
