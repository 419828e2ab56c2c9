//! From the end of a session to the close that its client sees.

use std::{sync::Arc, time::Duration};

use redis::cmd;
use socketpass::{
    config::redis_url::RedisUrl,
    redis_connection::{Connector, Failure, Listener, Means, Pushed},
    task,
};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    apps::App,
    book::{Book, Entry},
    ends::{self, Way},
    figures::{Times, milliseconds, seconds},
    fleet::{Fleet, REPLICAS},
    people,
    support::redis::Redis,
    told::now,
};

/// The most for which the aim is set.
const ENDS_A_SECOND: f64 = 500.0;

/// Sessions that expire in the storm: as many a second as make 100,000 in a minute.
const STORM_A_SECOND: f64 = 100_000.0 / 60.0;

/// Touched sessions that two replicas have asked about in a second, at the slowest pace that they have.
const TOUCHED_A_SECOND: f64 = 3_000.0;

/// From the first expiry of a storm of a minute.
const STORM_IS_OVER: f64 = 1.5;

pub struct Options {
    /// Sockets that are open throughout.
    pub sockets: usize,
    /// Sockets more, for each way in which sessions end.
    pub ends: usize,
    pub interval: Duration,
    /// That a process may have open.
    pub files: usize,
}

/// How the replicas hear of changed sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pushes {
    Notifications,
    Invalidations,
    None,
}

impl Pushes {
    fn words(self) -> &'static str {
        match self {
            Self::Notifications => "keyspace notifications",
            Self::Invalidations => "invalidations (RESP3)",
            Self::None => "no pushes",
        }
    }

    async fn redis(self) -> (Redis, String) {
        let redis = match self {
            Self::Notifications => Redis::start_with(&["--notify-keyspace-events", "Kg$xe"]).await,
            Self::Invalidations | Self::None => Redis::start().await,
        };
        if self != Self::None {
            let url = redis.url();
            return (redis, url);
        }
        let mut command = cmd("ACL");
        command.arg(&["SETUSER", "reader", "on", ">x", "~sess:*", "+getrange", "+pttl", "+ping"]);
        let () = command.query_async(&mut redis.connection().await).await.unwrap();
        let url = format!("redis://reader:x@127.0.0.1:{}", redis.port);
        (redis, url)
    }
}

pub async fn run(options: &Options) {
    let Options { sockets, interval, .. } = options;
    println!("{sockets} sockets, {REPLICAS} replicas, `revalidate.interval` {interval:?}");
    for pushes in [Pushes::Notifications, Pushes::Invalidations, Pushes::None] {
        measure(options, pushes).await;
    }
}

async fn measure(options: &Options, pushes: Pushes) {
    let Options { sockets, ends, interval, files } = *options;
    let (redis, store) = pushes.redis().await;
    let mut connection = redis.connection().await;
    let registry = redis.url();
    let seconds = format!("{}s", interval.as_secs());
    let settings = [
        ("SESSION_STORE", store.as_str()),
        ("REGISTRY_STORE", registry.as_str()),
        ("REVALIDATE_INTERVAL", seconds.as_str()),
    ];
    let (old, _old) = App::start("0.5", &registry).await;
    let (new, _new) = App::start("0.7", &registry).await;
    let mut fleet = Fleet::start(sockets + 4 * ends, files, &settings).await;

    let staying = people::log_in(&mut connection, sockets).await;
    let (deleted, expired) =
        (people::log_in(&mut connection, ends).await, people::log_in(&mut connection, ends).await);
    let logged_out = tokio::join!(old.log_in(ends), new.log_in(ends));
    let begun = Instant::now();
    let staying = fleet.open(staying).await;
    let groups = [
        ("DEL", fleet.open(deleted).await),
        ("its time ran out", fleet.open(expired).await),
        ("logout, Passport 0.5", fleet.open(logged_out.0).await),
        ("logout, Passport 0.7", fleet.open(logged_out.1).await),
    ];
    let opened = begun.elapsed();
    fleet.is_watched_over().await;
    let known = begun.elapsed() - opened;
    let _hearing = if pushes == Pushes::None { None } else { Some(hear(&store, &fleet.book).await) };
    if pushes != Pushes::None {
        fleet.hears().await;
    }
    // It is the same whatever is pushed.
    let reads = if pushes == Pushes::None { Some(reads_a_second(&redis, interval).await) } else { None };

    let book = Arc::clone(&fleet.book);
    let [(_, deleted), (_, expired), (_, with_old), (_, with_new)] = &groups;
    ends::end(&book, deleted, &Way::Delete(connection.clone()), ENDS_A_SECOND).await;
    let over = ends::expire(&book, &mut connection, expired, ENDS_A_SECOND, Duration::from_secs(1)).await;
    sleep_until(over).await;
    ends::end(&book, with_old, &Way::LogOut(Box::new(old)), ENDS_A_SECOND).await;
    ends::end(&book, with_new, &Way::LogOut(Box::new(new)), ENDS_A_SECOND).await;
    let bound = interval + Duration::from_secs(1);
    let deadline = Instant::now() + bound + Duration::from_secs(5);
    while book.count(Entry::is_left) > 0 && Instant::now() < deadline {
        sleep(Duration::from_millis(20)).await;
    }

    let all = staying.len() + 4 * ends;
    println!("\n### {}\n", pushes.words());
    println!(
        "{all} sockets were opened over {} gateways in {:.1} s; {:.1} s later both replicas watched over all.\n",
        fleet.gateways(),
        opened.as_secs_f64(),
        known.as_secs_f64()
    );
    if let Some(reads) = reads {
        println!("The sweep reads {reads:.0} times a second.\n");
    }
    println!(
        "| the session's end | closed | Redis' push: median | p99 | max | the client's close: median | p99 | max | p99 / push's | aim |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let aim = if pushes == Pushes::None { bound } else { Duration::from_millis(250) };
    for (name, clients) in &groups {
        let entries: Vec<Entry> = clients.iter().map(|client| book.entry(*client)).collect();
        let push: Times = entries.iter().filter_map(Entry::push).collect();
        let close: Times = entries.iter().filter_map(Entry::outlived).collect();
        let ratio = close.of_thousand(990).as_secs_f64() / push.of_thousand(990).as_secs_f64();
        let ratio = if push.len() == 0 { String::new() } else { format!("{ratio:.1} x") };
        println!(
            "| {name} | {} of {} | {} | {} | {ratio} | p99 under {} |",
            close.len(),
            entries.len(),
            push.columns(),
            close.columns(),
            milliseconds(aim)
        );
    }
    let (wronged, lost) = (book.count(Entry::is_wronged), book.count(|entry| entry.losses > 0));
    println!("\n{wronged} sockets of living sessions were ended, {lost} connections broke.");
    if pushes == Pushes::Notifications {
        storm(&book, &redis, &staying, bound).await;
    }
    tell_of_left(&fleet, &redis).await;
}

/// Sockets that should be closed and are not: what there is to know about the first few.
async fn tell_of_left(fleet: &Fleet, redis: &Redis) {
    const FEW: usize = 3;
    let left: Vec<Entry> = fleet.book.entries().into_iter().filter(Entry::is_left).collect();
    for entry in left.iter().take(FEW) {
        let key = people::key(&entry.session_id);
        let lives: i64 = cmd("PTTL").arg(key).query_async(&mut redis.connection().await).await.unwrap();
        let (ended, now) = (entry.ended.map(seconds), seconds(now()));
        println!("one of {}: session ended {ended:?}, {}, now {now}, PTTL {lives}", left.len(), entry.socket);
    }
    if !left.is_empty() {
        for name in [
            "session_ends_total",
            "session_end_failures_total",
            "session_ends_waiting",
            "session_changes_lost_total",
        ] {
            println!("socketpass_{name} {}", fleet.metric(&format!("socketpass_{name}")).await);
        }
        (0..REPLICAS).for_each(|replica| println!("{}", fleet.log(replica)));
    }
}

/// How often the replicas read sessions while nothing happens.
async fn reads_a_second(redis: &Redis, interval: Duration) -> f64 {
    let mut connection = redis.connection().await;
    let mut reads = async || {
        people::calls(&mut connection, "getrange").await + people::calls(&mut connection, "pttl").await
    };
    // From when the first questions about all are over; each comes once in an interval.
    sleep(interval / 4).await;
    let (before, begun) = (reads().await, Instant::now());
    sleep(interval).await;
    (reads().await - before) as f64 / begun.elapsed().as_secs_f64()
}

/// All that are left expire, as many a second as 100,000 in a minute.
async fn storm(book: &Book, redis: &Redis, clients: &[usize], bound: Duration) {
    // Until then the replicas have asked all again that are touched by this.
    let after = Duration::from_secs(1) + Duration::from_secs_f64(clients.len() as f64 / TOUCHED_A_SECOND);
    let begin = Instant::now() + after;
    ends::expire(book, &mut redis.connection().await, clients, STORM_A_SECOND, after).await;
    let expiries = clients.len() as f64 / STORM_A_SECOND;
    let aim = Duration::from_secs_f64(expiries * STORM_IS_OVER);
    while book.count(Entry::is_left) > 0 && Instant::now() < begin + aim + bound {
        sleep(Duration::from_millis(50)).await;
    }
    let over = Instant::now().saturating_duration_since(begin);
    let times: Times = clients.iter().filter_map(|client| book.entry(*client).outlived()).collect();
    println!(
        "\n{} sessions expired within {expiries:.0} s: {} sockets were closed {:.1} s after the first expiry (aim: {:.0} s); \
         each after median | p99 | max: {}",
        clients.len(),
        times.len(),
        over.as_secs_f64(),
        aim.as_secs_f64(),
        times.columns()
    );
}

/// Listens to Redis as the replicas do.
async fn hear(store: &str, book: &Arc<Book>) -> AbortOnDropHandle<()> {
    let timeout = Duration::from_secs(2);
    let connector = Connector::new(RedisUrl::parse(store).unwrap(), timeout, timeout);
    let (told, is_told) = tokio::sync::watch::channel(false);
    let ear = Arc::new(Ear { book: Arc::clone(book), told });
    let hearing = task::owned(async move { match connector.follow_keys("sess:", ear).await {} });
    is_told.clone().wait_for(|told| *told).await.unwrap();
    hearing
}

struct Ear {
    book: Arc<Book>,
    told: tokio::sync::watch::Sender<bool>,
}

impl Listener for Ear {
    fn hear(&self, pushed: Pushed) {
        if let Pushed::Changed(session_id) = pushed {
            self.book.is_pushed(&String::from_utf8(session_id).unwrap(), now());
        }
    }

    fn is_told(&self, _: &str, by: Result<Means, &Failure>) {
        self.told.send_replace(by.is_ok());
    }

    fn primaries_changed(&self) {}
}
