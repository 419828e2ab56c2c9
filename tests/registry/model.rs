//! A registry beside a plain model of it: whatever happens in whatever order, the view is the model once it has caught up,
//! and what watchers were told, played back, is the view.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::json;
use socketpass::registry::{
    change::Shard,
    ledger::{Claimed, Event, Fault, Tenure},
    query::{Query, programs::Programs},
    record::{Builder, Record, Socket},
    token::Revision,
    watch_sockets::{Ended, Seen, Watch},
};
use tokio::time::timeout;

use crate::support::{
    redis::Redis,
    registry::{Replica, close, granted, info},
    until,
};

const GATEWAYS: usize = 3;
const SOCKETS: usize = 5;
const LEASE: Duration = Duration::from_millis(1500);

/// Longer than any change takes to be known, on a machine that is busy.
const SETTLED: Duration = Duration::from_secs(8);

/// Something that happens.
#[derive(Clone, Debug)]
enum Step {
    /// The gateway opens a socket, or says something else of one.
    Open { gateway: usize, socket: usize, user: usize },
    /// The gateway closes a socket.
    Close { gateway: usize, socket: usize },
    /// The gateway's stream ends.
    Cut { gateway: usize },
    /// The gateway lists again, on any replica: these of its sockets, some with another user.
    List { gateway: usize, replica: usize, named: [Option<usize>; SOCKETS], complete: bool },
    /// Another process takes the gateway's name.
    Take { gateway: usize, replica: usize, named: [Option<usize>; SOCKETS] },
    /// A stream of a former life still speaks.
    LateWord { gateway: usize, socket: usize },
    /// The gateway's lease ends.
    LeaseEnds { gateway: usize },
    /// The gateway says goodbye.
    Goodbye { gateway: usize },
    /// A replica dies, and another starts.
    ReplicaDies { replica: usize },
    /// A watcher moves, to any replica.
    WatcherMoves { watcher: usize, replica: usize },
}

fn any_step() -> impl Strategy<Value = Step> {
    let gateway = || 0..GATEWAYS;
    let named = || proptest::array::uniform5(proptest::option::of(0_usize..3));
    prop_oneof![
        8 => (gateway(), 0..SOCKETS, 0_usize..3)
            .prop_map(|(gateway, socket, user)| Step::Open { gateway, socket, user }),
        4 => (gateway(), 0..SOCKETS).prop_map(|(gateway, socket)| Step::Close { gateway, socket }),
        2 => gateway().prop_map(|gateway| Step::Cut { gateway }),
        4 => (gateway(), 0_usize..2, named(), any::<bool>())
            .prop_map(|(gateway, replica, named, complete)| Step::List { gateway, replica, named, complete }),
        2 => (gateway(), 0_usize..2, named())
            .prop_map(|(gateway, replica, named)| Step::Take { gateway, replica, named }),
        1 => (gateway(), 0..SOCKETS).prop_map(|(gateway, socket)| Step::LateWord { gateway, socket }),
        1 => gateway().prop_map(|gateway| Step::LeaseEnds { gateway }),
        1 => gateway().prop_map(|gateway| Step::Goodbye { gateway }),
        1 => (0_usize..2).prop_map(|replica| Step::ReplicaDies { replica }),
        2 => (0_usize..2, 0_usize..2).prop_map(|(watcher, replica)| Step::WatcherMoves { watcher, replica }),
    ]
}

fn gateway_id(gateway: usize) -> String {
    format!("gateway-{gateway}")
}

fn socket_id(socket: usize) -> String {
    format!("s{socket}")
}

/// Who may be behind a socket; the first two are of one team.
fn user(number: usize) -> serde_json::Value {
    json!({"id": number, "team": if number < 2 { "a" } else { "b" }})
}

fn record(socket: usize, number: usize) -> Record {
    let mut builder = Builder::default();
    builder.packer().json(&user(number));
    builder.packer().json(&json!({}));
    builder.finish(&Socket { socket_id: &socket_id(socket), ..Socket::default() })
}

/// A gateway as it sees itself.
#[derive(Default)]
struct Gateway {
    life: usize,
    replica: usize,
    tenure: Option<Tenure>,
    former: Vec<Tenure>,
    /// Named on this stream so far; `None`: the listing is complete.
    named: Option<HashSet<Box<str>>>,
}

/// Gateway and socket, and who is behind it.
type Listed = BTreeMap<(usize, usize), usize>;

struct Watcher {
    filter: &'static str,
    watch: Watch,
    revision: String,
    seen: BTreeMap<(String, String), Record>,
    /// How often it was told of each socket since the world was settled.
    told: BTreeMap<(String, String), usize>,
}

struct World<'r> {
    url: String,
    redis: Option<&'r Redis>,
    /// What keys begin with: each world has its own.
    prefix: String,
    replicas: Vec<Replica>,
    gateways: Vec<Gateway>,
    listed: Listed,
    /// How often each socket has changed since the world was settled.
    changes: BTreeMap<(usize, usize), usize>,
    watchers: Vec<Watcher>,
}

impl<'r> World<'r> {
    async fn begin(url: &str, redis: Option<&'r Redis>) -> Self {
        let prefix = format!("{:x}:", rand::random::<u64>());
        let count = if redis.is_some() { 2 } else { 1 };
        let mut replicas = Vec::new();
        for _ in 0..count {
            replicas.push(open(url, &prefix).await);
        }
        let mut this = Self {
            url: url.to_owned(),
            redis,
            prefix,
            replicas,
            gateways: (0..GATEWAYS).map(|_| Gateway::default()).collect(),
            listed: BTreeMap::new(),
            changes: BTreeMap::new(),
            watchers: Vec::new(),
        };
        for filter in ["true", r#"user.team == "a""#] {
            let watch = watch(&this.replicas[0], filter, None).await.unwrap();
            let (seen, told) = (BTreeMap::new(), BTreeMap::new());
            this.watchers.push(Watcher { filter, watch, revision: String::new(), seen, told });
        }
        this
    }

    fn replica(&self, number: usize) -> &Replica {
        &self.replicas[number % self.replicas.len()]
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Open { gateway, socket, user } => {
                self.say(gateway, Event::Opened(record(socket, user))).await;
            }
            Step::Close { gateway, socket } => self.say(gateway, close(&socket_id(socket))).await,
            Step::Cut { gateway } => {
                let gateway = &mut self.gateways[gateway];
                if let Some(tenure) = gateway.tenure.take() {
                    let ledger = &self.replicas[gateway.replica % self.replicas.len()].ledger;
                    ledger.cut(&tenure).await.unwrap();
                    gateway.former.push(tenure);
                }
            }
            Step::List { gateway, replica, named, complete } => {
                self.list(gateway, replica, named, complete, false).await;
            }
            Step::Take { gateway, replica, named } => self.list(gateway, replica, named, true, true).await,
            Step::LateWord { gateway, socket } => {
                let state = &self.gateways[gateway];
                if state.tenure.is_some()
                    && let Some(former) = state.former.last()
                {
                    let ledger = &self.replica(state.replica).ledger;
                    let word = ledger.write(former, vec![close(&socket_id(socket))]).await;
                    assert!(matches!(word, Err(Fault::Superseded(Some(_)))), "{word:?}");
                }
            }
            Step::LeaseEnds { gateway } => self.lease_ends(gateway).await,
            Step::Goodbye { gateway } => {
                if let Some(tenure) = self.gateways[gateway].tenure.take() {
                    self.replica(self.gateways[gateway].replica).ledger.goodbye(&tenure).await.unwrap();
                    self.closes(gateway, |_| true);
                }
            }
            Step::ReplicaDies { replica } => self.replica_dies(replica).await,
            Step::WatcherMoves { watcher, replica } => self.move_watcher(watcher, replica).await,
        }
    }

    /// What a gateway tells while its stream is open.
    async fn say(&mut self, gateway: usize, event: Event) {
        let state = &mut self.gateways[gateway];
        let Some(tenure) = &state.tenure else { return };
        match &event {
            Event::Opened(record) => {
                let socket = socket_number(record.socket_id());
                let user = user_of(record);
                if self.listed.insert((gateway, socket), user) != Some(user) {
                    *self.changes.entry((gateway, socket)).or_default() += 1;
                }
                if let Some(named) = &mut state.named {
                    named.insert(record.socket_id().into());
                }
            }
            Event::Closed { socket_id, .. } => {
                let key = (gateway, socket_number(socket_id));
                if self.listed.remove(&key).is_some() {
                    *self.changes.entry(key).or_default() += 1;
                }
                if let Some(named) = &mut state.named {
                    named.remove(socket_id.as_str());
                }
            }
        }
        let ledger = &self.replicas[state.replica % self.replicas.len()].ledger;
        ledger.write(tenure, vec![event]).await.unwrap();
    }

    async fn list(
        &mut self,
        gateway: usize,
        replica: usize,
        named: [Option<usize>; SOCKETS],
        complete: bool,
        another_life: bool,
    ) {
        let ledger = Arc::clone(&self.replica(replica).ledger);
        let state = &mut self.gateways[gateway];
        state.life += usize::from(another_life);
        state.replica = replica;
        let info = info(&gateway_id(gateway), &format!("life-{}", state.life));
        let claimed = ledger.claim(&info, None).await;
        let claimed = match claimed {
            Ok(Claimed::Held { sign, .. }) => {
                assert!(another_life, "its own id is held by another");
                ledger.claim(&info, Some(&sign)).await
            }
            claimed => claimed,
        };
        state.former.extend(state.tenure.replace(granted(claimed)));
        state.named = Some(HashSet::new());
        for (socket, user) in named.into_iter().enumerate() {
            if let Some(user) = user {
                self.say(gateway, Event::Opened(record(socket, user))).await;
            }
        }
        let state = &mut self.gateways[gateway];
        if complete && let (Some(tenure), Some(named)) = (&state.tenure, state.named.take()) {
            ledger.complete(tenure, &named).await.unwrap();
            let is_named = |socket: usize| named.contains(socket_id(socket).as_str());
            self.closes(gateway, |socket| !is_named(socket));
        }
    }

    /// These of a gateway's sockets are not open any more.
    fn closes(&mut self, gateway: usize, closed: impl Fn(usize) -> bool) {
        for (key, _) in self.listed.extract_if(.., |(of, socket), _| *of == gateway && closed(*socket)) {
            *self.changes.entry(key).or_default() += 1;
        }
    }

    async fn lease_ends(&mut self, ends: usize) {
        match &self.redis {
            // By Redis' clock, which nobody turns: the lease is said to have ended, and so is the time in which none ends
            // after a beginning, which begins when a replica first looks at the shard's leases.
            Some(redis) => {
                let id = gateway_id(ends);
                let shard = format!("{{{}{}}}", self.prefix, Shard::of(&id).number());
                let connection = redis.connection().await;
                until("the lease has ended", async || {
                    let mut ending = redis::pipe();
                    ending.hset(format!("{shard}:meta"), "grace", 1);
                    ending.cmd("ZADD").arg(format!("{shard}:leases")).arg("XX").arg(1).arg(&id);
                    let () = ending.query_async(&mut connection.clone()).await.unwrap();
                    self.replica(0).holder(&id).is_none()
                })
                .await;
            }
            None => {
                for _ in 0..4 {
                    for (number, gateway) in self.gateways.iter().enumerate() {
                        let alive = gateway.tenure.as_ref().or(gateway.former.last());
                        if let Some(tenure) = alive.filter(|_| number != ends) {
                            // Of a gateway that is gone already this is refused.
                            let _ = self.replicas[0].ledger.write(tenure, Vec::new()).await;
                        }
                    }
                    tokio::time::sleep(LEASE / 3).await;
                }
            }
        }
        self.replica(0).is_gone(&gateway_id(ends)).await;
        self.gateways[ends].tenure = None;
        self.gateways[ends].former.clear();
        self.closes(ends, |_| true);
    }

    async fn replica_dies(&mut self, number: usize) {
        let number = number % self.replicas.len();
        // Its watchers hear of it and go elsewhere, when they have heard the rest there.
        if self.replicas.len() > 1 {
            for watcher in 0..self.watchers.len() {
                self.move_watcher(watcher, number + 1).await;
            }
        }
        self.replicas.remove(number);
        self.replicas.insert(number, open(&self.url, &self.prefix).await);
        if self.redis.is_none() {
            // With it went all that it knew. What was watched cannot be gone on with.
            self.gateways.iter_mut().for_each(|gateway| {
                gateway.tenure = None;
                gateway.former.clear();
            });
            self.listed.clear();
            for watcher in &mut self.watchers {
                let from = Revision::decode(&watcher.revision);
                if let Some(from) = &from {
                    let again = watch(&self.replicas[0], watcher.filter, Some(from)).await;
                    assert!(matches!(again, Err(Ended::OutOfRange(_))), "{again:?}");
                }
                watcher.watch = watch(&self.replicas[0], watcher.filter, None).await.unwrap();
                watcher.seen.clear();
                watcher.told.clear();
                watcher.revision.clear();
            }
        }
    }

    async fn move_watcher(&mut self, watcher: usize, replica: usize) {
        let number = replica % self.replicas.len();
        let watcher = &mut self.watchers[watcher];
        // Whatever it has not read yet it is told there.
        let Some(from) = Revision::decode(&watcher.revision) else { return };
        watcher.watch = watch(&self.replicas[number], watcher.filter, Some(&from)).await.unwrap();
    }

    /// Waits until every view is the model, and every watcher has been told of it and of nothing else.
    async fn settle(&mut self) {
        let expected: BTreeMap<_, _> = self
            .listed
            .iter()
            .map(|((gateway, socket), number)| ((gateway_id(*gateway), socket_id(*socket)), user(*number)))
            .collect();
        for (number, replica) in self.replicas.iter().enumerate() {
            let same =
                timeout(SETTLED, until("the view is the model", || async { replica.listed() == expected }));
            assert!(same.await.is_ok(), "replica {number}: {:?} instead of {expected:?}", replica.listed());
        }
        for watcher in &mut self.watchers {
            // The snapshot ends with a checkpoint; without one there is nowhere to go on from.
            while watcher.revision.is_empty() {
                let told = timeout(SETTLED, watcher.watch.next()).await.expect("a snapshot").unwrap();
                for (what, revision) in told {
                    watcher.hear(what, revision);
                }
            }
        }
        let markers = self.mark().await;
        for watcher in &mut self.watchers {
            let wanted: BTreeSet<_> = expected
                .iter()
                .filter(|(_, user)| watcher.filter == "true" || user["team"] == "a")
                .map(|(key, user)| (key.clone(), user["id"].as_u64().unwrap()))
                .collect();
            let seen = |watcher: &Watcher| -> BTreeSet<_> {
                let user = |record: &Record| u64::try_from(user_of(record)).unwrap();
                watcher.seen.iter().map(|(key, record)| (key.clone(), user(record))).collect()
            };
            let mut behind = markers.clone();
            let all_told = timeout(SETTLED, async {
                while !behind.is_empty() {
                    for (what, revision) in watcher.watch.next().await.unwrap() {
                        if let Seen::Closed(member, _) = &what {
                            behind.retain(|marker| **marker != *member.info.gateway_id);
                        }
                        watcher.hear(what, revision);
                    }
                }
            });
            assert!(all_told.await.is_ok(), "{}: {:?}, not {wanted:?}", watcher.filter, seen(watcher));
            assert_eq!(seen(watcher), wanted, "{}", watcher.filter);
            // What undoes itself is not seen, but told.
            for ((gateway, socket), told) in std::mem::take(&mut watcher.told) {
                let is_it = |(of, number): &(usize, usize)| {
                    gateway_id(*of) == gateway && socket_id(*number) == socket
                };
                let changes =
                    self.changes.iter().find(|(key, _)| is_it(key)).map_or(0, |(_, changes)| *changes);
                assert!(
                    told <= changes || markers.contains(&gateway),
                    "{}: told {told} times of {gateway}/{socket}, which has changed {changes} times",
                    watcher.filter
                );
            }
        }
        self.changes.clear();
    }

    /// Opens and closes a socket in the shard of each gateway, which every watcher is told of behind all that has happened
    /// there. Gives the names of the gateways that did.
    async fn mark(&self) -> Vec<String> {
        let mut markers = Vec::new();
        for gateway in 0..GATEWAYS {
            let shard = Shard::of(&gateway_id(gateway));
            let mut names = (0..).map(|number| format!("marker-{gateway}-{number}"));
            let marker = names.find(|name| Shard::of(name) == shard).unwrap();
            let ledger = &self.replica(0).ledger;
            let tenure = granted(ledger.claim(&info(&marker, "one"), None).await);
            ledger.write(&tenure, vec![Event::Opened(record(0, 0))]).await.unwrap();
            ledger.goodbye(&tenure).await.unwrap();
            markers.push(marker);
        }
        markers
    }
}

impl Watcher {
    fn hear(&mut self, what: Seen, revision: String) {
        let key = |member: &socketpass::registry::view::member::Member| {
            (member.info.gateway_id.to_string(), member.record.socket_id().to_owned())
        };
        if let Seen::Opened(member) | Seen::Closed(member, _) = &what {
            *self.told.entry(key(member)).or_default() += 1;
        }
        match what {
            Seen::Opened(member) => {
                let key = key(&member);
                let before = self.seen.insert(key.clone(), member.record.clone());
                assert!(before != Some(member.record), "told of something that is as before: {key:?}");
            }
            Seen::Closed(member, _) => {
                assert!(self.seen.remove(&key(&member)).is_some(), "closed and not open: {:?}", key(&member));
            }
            Seen::Checkpoint(_) => {}
        }
        if !revision.is_empty() {
            self.revision = revision;
        }
    }
}

fn socket_number(socket_id: &str) -> usize {
    socket_id.trim_start_matches('s').parse().unwrap()
}

fn user_of(record: &Record) -> usize {
    match record.user().get(b"id") {
        Some(socketpass::expression::packed::Value::Int(number)) => usize::try_from(number).unwrap(),
        other => panic!("{other:?}"),
    }
}

async fn open(url: &str, prefix: &str) -> Replica {
    // In memory time is driven; by Redis' clock none may end by itself while the test takes its time.
    let lease =
        if url == "memory:" { humantime::format_duration(LEASE).to_string() } else { "5m".to_owned() };
    let replica = Replica::open(url, &[("REGISTRY_LEASE", &lease), ("REGISTRY_PREFIX", prefix)]);
    replica.has_begun().await;
    replica
}

async fn watch(replica: &Replica, filter: &str, from: Option<&Revision>) -> Result<Watch, Ended> {
    let query = Query::new(&Programs::default().get(filter).unwrap(), &replica.view, &[]).unwrap();
    Watch::start(Arc::clone(&replica.view), Arc::new(query), from).await
}

fn run(cases: u32, steps: usize, case: impl Fn(Vec<Vec<Step>>)) {
    let config = ProptestConfig {
        cases,
        max_shrink_iters: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    // Steps in bunches: within one, changes pile up before anybody looks.
    let sequences = proptest::collection::vec(proptest::collection::vec(any_step(), 1..6), 1..steps);
    let result = TestRunner::new(config).run(&sequences, |bunches| {
        case(bunches);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

async fn play(mut world: World<'_>, bunches: Vec<Vec<Step>>) {
    world.settle().await;
    for bunch in bunches {
        for step in bunch {
            world.step(step).await;
        }
        world.settle().await;
    }
}

#[test]
fn in_memory_the_view_is_the_model() {
    run(200, 12, |bunches| {
        // Time is driven: a lease ends when nothing else is left to do.
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async { play(World::begin("memory:", None).await, bunches).await });
    });
}

#[test]
fn in_redis_the_view_is_the_model() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let redis = runtime.block_on(Redis::start());
    run(60, 8, |bunches| {
        runtime.block_on(async { play(World::begin(&redis.url(), Some(&redis)).await, bunches).await });
    });
}
