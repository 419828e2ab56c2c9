//! What happens at night, to real processes: gateways, replicas and Redis are killed, stopped and cut off.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use socketpass::{
    cli::bench::gateways::{Fleet, FleetOptions, Stop},
    grpc::pb::GatewayState,
};
use tokio::task::JoinSet;

use crate::support::{
    ANA, ANA_ID,
    callers::Caller,
    cookie,
    gateway::{Gateway, hello, socket},
    ports::lasting_port,
    process::Process,
    proxy::Proxy,
    redis::Redis,
    service::{ServiceProcess, authorize, client, socketpass, with_cookie},
    until,
};

const LEASE: Duration = Duration::from_secs(3);

/// Of every service here.
const SHORT: (&str, &str) = ("REGISTRY_LEASE", "3s");

/// Of those that have to be whole again within two of them, of which one goes by in any case: a busy machine takes its time.
const LONGER_LEASE: Duration = Duration::from_secs(8);
const LONGER: (&str, &str) = ("REGISTRY_LEASE", "8s");

/// What keeps every write, and loads it again.
const LASTING: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

async fn serve(settings: &[(&str, &str)]) -> (ServiceProcess, Caller) {
    let service = ServiceProcess::start(&[&[SHORT], settings].concat()).await;
    let caller = Caller::of(&service.grpc).await;
    (service, caller)
}

/// Gateways in a process of their own: two with ten sockets each, `gateway-1` and `gateway-2`.
async fn gateways(addr: &str, caller: &mut Caller) -> Process {
    let process = Process::start(socketpass().args([
        "bench",
        "registry",
        "--hold",
        "--gateways",
        "2",
        "--sockets",
        "20",
        "--addr",
        addr.trim_start_matches("http://"),
    ]));
    is_whole(caller, 20).await;
    process
}

/// Waits until so many sockets are listed and every gateway is heard of.
async fn is_whole(caller: &mut Caller, sockets: u64) {
    until(&format!("{sockets} sockets are listed, of gateways that are heard of"), async || {
        let mut caller = caller.clone();
        caller.total("true").await == sockets && caller.view().await.incomplete_gateways.is_empty()
    })
    .await;
}

fn port(url: &str) -> u16 {
    url.rsplit(':').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_gateway_that_is_killed_is_late_and_then_gone() {
    let (service, mut caller) = serve(&[]).await;
    let gateways = gateways(&service.grpc, &mut caller).await;
    let mut watcher = caller.watch("true").await;
    assert_eq!(watcher.told().await.len(), 20);
    gateways.kill().await;
    caller.is("gateway-1", Some(GatewayState::Late)).await;
    caller.is("gateway-2", Some(GatewayState::Late)).await;
    assert_eq!(caller.total("true").await, 20);
    assert_eq!(caller.view().await.incomplete_gateways, ["gateway-1", "gateway-2"]);
    caller.is("gateway-1", None).await;
    caller.is("gateway-2", None).await;
    let mut told = watcher.told_until_now(&service.grpc).await;
    assert!(told.iter().all(|told| told.ends_with(" GATEWAY_GONE")), "{told:?}");
    assert_eq!(told.len(), 20, "{told:?}");
    told.sort_unstable();
    told.dedup();
    assert_eq!(told.len(), 20);
}

#[tokio::test]
async fn the_successor_of_a_gateway_that_is_killed_waits_for_a_third_of_the_lease() {
    const LEASE: Duration = Duration::from_secs(9);
    let redis = Redis::start().await;
    for store in ["memory:", &redis.url()] {
        let (service, mut caller) = serve(&[("REGISTRY_STORE", store), ("REGISTRY_LEASE", "9s")]).await;
        let gateways = gateways(&service.grpc, &mut caller).await;
        gateways.kill().await;
        // Its connection broke, and that is known: no longer than what somebody who reports may pause.
        let begun = Instant::now();
        Gateway::open(&service.grpc, hello("gateway-1", "its successor")).await;
        let took = begun.elapsed();
        assert!((LEASE / 3..LEASE / 2 - LEASE / 20).contains(&took), "{store} {took:?}");
    }
}

#[tokio::test]
async fn a_gateway_that_hangs_within_its_lease_is_late_and_comes_back() {
    let (service, mut caller) = serve(&[]).await;
    let gateways = gateways(&service.grpc, &mut caller).await;
    let mut watcher = caller.watch("true").await;
    assert_eq!(watcher.told().await.len(), 20);
    gateways.signal("STOP");
    caller.is("gateway-1", Some(GatewayState::Late)).await;
    gateways.signal("CONT");
    is_whole(&mut caller, 20).await;
    assert_eq!(watcher.told_until_now(&service.grpc).await, [""; 0]);
    // Past the lease its sockets are gone, and when it wakes it lists them again.
    gateways.signal("STOP");
    caller.is("gateway-1", None).await;
    caller.is("gateway-2", None).await;
    gateways.signal("CONT");
    is_whole(&mut caller, 20).await;
    let told = watcher.told_until_now(&service.grpc).await;
    assert_eq!(told.len(), 40, "{told:?}");
    assert_eq!(told.iter().filter(|told| told.ends_with(" GATEWAY_GONE")).count(), 20, "{told:?}");
    assert_eq!(told.iter().filter(|told| told.starts_with("+ ")).count(), 20, "{told:?}");
}

#[tokio::test]
async fn a_network_that_is_cut_and_mended_loses_and_doubles_nothing() {
    let (service, mut caller) = serve(&[]).await;
    let network = Proxy::to(port(&service.grpc)).await;
    let _gateways = gateways(&format!("127.0.0.1:{}", network.port), &mut caller).await;
    let mut watcher = caller.watch("true").await;
    assert_eq!(watcher.told().await.len(), 20);
    for _ in 0..3 {
        network.cut();
        caller.is("gateway-1", Some(GatewayState::Late)).await;
        caller.is("gateway-2", Some(GatewayState::Late)).await;
        assert_eq!(caller.total("true").await, 20);
        network.mend();
        is_whole(&mut caller, 20).await;
    }
    assert_eq!(watcher.told_until_now(&service.grpc).await, [""; 0]);
}

/// A fleet of ten gateways with a thousand sockets, spread over these replicas.
fn fleet(replicas: &[&ServiceProcess]) -> Fleet {
    let urls = replicas.iter().map(|replica| replica.grpc.clone()).collect();
    let options = FleetOptions { urls, gateways: 10, sockets: 1_000, ..FleetOptions::new("") };
    Fleet::start(&options).unwrap()
}

/// Opens and closes until told otherwise; then the registry has what the fleet has.
async fn is_what_the_fleet_has(fleet: &Fleet, caller: &mut Caller) {
    fleet.set_rate(0.0);
    until("the registry has what the fleet has", async || {
        let mut caller = caller.clone();
        caller.total("true").await == fleet.counts().open_sockets
            && caller.view().await.incomplete_gateways.is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_replica_is_killed_its_gateways_move_and_no_socket_is_lost() {
    let redis = Redis::start().await;
    let store = ("REGISTRY_STORE", &*redis.url());
    let (doomed, _) = serve(&[store]).await;
    let (survivor, mut caller) = serve(&[store]).await;
    let fleet = fleet(&[&doomed, &survivor]);
    fleet.filled().await.unwrap();
    is_whole(&mut caller, 1_000).await;
    let mut watcher = caller.watch("true").await;
    assert_eq!(watcher.told().await.len(), 1_000);
    doomed.process.kill().await;
    until("all gateways report to the survivor", async || {
        assert_eq!(caller.clone().total("true").await, 1_000);
        fleet.counts().streams == 10 && fleet.counts().reopened >= 5
    })
    .await;
    is_whole(&mut caller, 1_000).await;
    assert_eq!(watcher.told_until_now(&survivor.grpc).await, [""; 0]);

    // And while sockets open and close.
    let (another, _) = serve(&[store]).await;
    drop(watcher);
    fleet.set_rate(500.0);
    until("much has happened", async || fleet.counts().acked_events > 1_500).await;
    drop(another);
    is_what_the_fleet_has(&fleet, &mut caller).await;
    fleet.stop(Stop::Goodbye).await;
    caller.counts("true", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_told_to_stop_sends_its_gateways_away() {
    let redis = Redis::start().await;
    let store = ("REGISTRY_STORE", &*redis.url());
    let (mut stopping, mut its_caller) = serve(&[store]).await;
    let (survivor, mut caller) = serve(&[store]).await;
    let fleet = fleet(&[&stopping, &survivor]);
    fleet.filled().await.unwrap();
    is_whole(&mut caller, 1_000).await;
    is_whole(&mut its_caller, 1_000).await;
    let mut watcher = caller.watch("true").await;
    assert_eq!(watcher.told().await.len(), 1_000);
    let mut its_watcher = its_caller.watch("true").await;
    assert_eq!(its_watcher.told().await.len(), 1_000);
    fleet.set_rate(500.0);
    stopping.process.signal("TERM");
    let end = its_watcher.end().await;
    assert_eq!(end.code(), tonic::Code::Unavailable, "{end:?}");
    assert_eq!(stopping.process.exit_code().await, Some(0));
    is_what_the_fleet_has(&fleet, &mut caller).await;
    // Nobody was gone, and each socket is told of once at a time.
    let mut listed = caller.ids("true").await;
    let told = watcher.told_until_now(&survivor.grpc).await;
    assert!(told.iter().all(|told| told.starts_with("+ ") || told.ends_with(" CLOSED")), "{told:?}");
    // Where the first watch ended another goes on, with what happened since and nothing else.
    let mut again = caller.try_watch("true", &its_watcher.revision).await.unwrap();
    again.told().await;
    listed.sort_unstable();
    assert_eq!(listed.len() as u64, fleet.counts().open_sockets);
    fleet.stop(Stop::Goodbye).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_killed_and_restarted_with_its_data_loses_nothing() {
    let mut redis = Redis::start_on(lasting_port(), &LASTING).await;
    let store = ("REGISTRY_STORE", &*redis.url());
    let ((one, mut caller), (other, mut other_caller)) = (serve(&[store]).await, serve(&[store]).await);
    let fleet = fleet(&[&one, &other]);
    fleet.filled().await.unwrap();
    is_whole(&mut caller, 1_000).await;
    is_whole(&mut other_caller, 1_000).await;
    let mut watcher = caller.watch("true").await;
    assert_eq!(watcher.told().await.len(), 1_000);
    redis.kill().await;
    // Longer than a lease: reads go on, and say how old they are; leases stand still.
    until("the answers are older than a lease", async || {
        let mut caller = caller.clone();
        assert_eq!(caller.total("true").await, 1_000);
        let age = caller.view().await.age.unwrap();
        age.seconds > 3
    })
    .await;
    redis.restart().await;
    is_whole(&mut caller, 1_000).await;
    is_whole(&mut other_caller, 1_000).await;
    until("the answers are fresh", async || {
        let view = caller.clone().view().await;
        view.age.is_some_and(|age| age.seconds == 0) && !view.warming_up
    })
    .await;
    // A full lease later nobody is gone.
    tokio::time::sleep(LEASE + LEASE / 2).await;
    assert_eq!(watcher.told_until_now(&one.grpc).await, [""; 0]);
    is_whole(&mut caller, 1_000).await;
    fleet.stop(Stop::Goodbye).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_killed_and_restarted_without_its_data_is_whole_within_two_leases() {
    let mut redis = Redis::start_on(lasting_port(), &[]).await;
    let settings = [("REGISTRY_STORE", &*redis.url()), LONGER];
    let ((one, mut caller), (other, mut other_caller)) = (serve(&settings).await, serve(&settings).await);
    let fleet = fleet(&[&one, &other]);
    fleet.filled().await.unwrap();
    is_whole(&mut caller, 1_000).await;
    is_whole(&mut other_caller, 1_000).await;
    redis.kill().await;
    redis.restart().await;
    let restarted = Instant::now();
    until("it is noticed", async || caller.clone().view().await.warming_up).await;
    let replicas = [&mut caller, &mut other_caller];
    for caller in replicas {
        until("it is whole", async || {
            let mut caller = caller.clone();
            let total = caller.total("true").await;
            let view = caller.view().await;
            // Never silently partial: whoever is missing may be missing because all begins anew.
            assert!(total == 1_000 || view.warming_up, "{total} sockets, {view:?}");
            total == 1_000 && view.incomplete_gateways.is_empty() && !view.warming_up
        })
        .await;
    }
    assert!(restarted.elapsed() < 2 * LONGER_LEASE, "{:?}", restarted.elapsed());
    assert_eq!(fleet.counts().open_sockets, 1_000);
    fleet.stop(Stop::Goodbye).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_restarts_with_its_registry_in_memory_says_that_it_begins_anew() {
    let addr = format!("127.0.0.1:{}", lasting_port());
    let (service, mut caller) = serve(&[("GRPC_ADDR", &addr), LONGER]).await;
    let fleet = fleet(&[&service]);
    fleet.filled().await.unwrap();
    until("it has warmed up", async || !caller.clone().view().await.warming_up).await;
    is_whole(&mut caller, 1_000).await;
    service.process.kill().await;
    let (_service, mut caller) = serve(&[("GRPC_ADDR", &addr), LONGER]).await;
    let restarted = Instant::now();
    until("it is whole", async || {
        let mut caller = caller.clone();
        let total = caller.total("true").await;
        let view = caller.view().await;
        assert!(total == 1_000 || view.warming_up, "{total} sockets, {view:?}");
        total == 1_000 && view.incomplete_gateways.is_empty() && !view.warming_up
    })
    .await;
    assert!(restarted.elapsed() < 2 * LONGER_LEASE, "{:?}", restarted.elapsed());
    is_whole(&mut caller, 1_000).await;
    fleet.stop(Stop::Goodbye).await;
}

#[tokio::test]
async fn a_replica_that_begins_while_redis_is_away_says_so() {
    let mut redis = Redis::start_on(lasting_port(), &LASTING).await;
    let store = ("REGISTRY_STORE", &*redis.url());
    let (first, mut first_caller) = serve(&[store]).await;
    let _gateways = gateways(&first.grpc, &mut first_caller).await;
    redis.kill().await;
    let (_late, mut caller) = serve(&[store]).await;
    let view = caller.view().await;
    assert!(view.warming_up, "{view:?}");
    assert_eq!(caller.total("true").await, 0);
    let mut watch = caller.clone();
    let watch = tokio::spawn(async move {
        match watch.try_watch("true", "").await {
            Ok(mut watcher) => watcher.end().await,
            Err(status) => status,
        }
    });
    let end = watch.await.unwrap();
    assert_eq!(end.code(), tonic::Code::Unavailable, "{end:?}");
    redis.restart().await;
    until("it has read the registry", async || caller.clone().total("true").await == 20).await;
    is_whole(&mut caller, 20).await;
    is_whole(&mut first_caller, 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_that_hangs_for_longer_than_a_lease_makes_nobody_gone() {
    let redis = Redis::start().await;
    let store = ("REGISTRY_STORE", &*redis.url());
    let (service, mut caller) = serve(&[store]).await;
    let fleet = fleet(&[&service]);
    fleet.filled().await.unwrap();
    is_whole(&mut caller, 1_000).await;
    let mut watcher = caller.watch("true").await;
    assert_eq!(watcher.told().await.len(), 1_000);
    redis.process().signal("STOP");
    until("the answers are older than a lease", async || {
        let mut caller = caller.clone();
        assert_eq!(caller.total("true").await, 1_000);
        caller.view().await.age.unwrap().seconds > 4
    })
    .await;
    redis.process().signal("CONT");
    is_whole(&mut caller, 1_000).await;
    assert_eq!(watcher.told_until_now(&service.grpc).await, [""; 0]);
    fleet.stop(Stop::Goodbye).await;
}

/// Handshakes one after the other, by many at once, while something else is under way.
struct Handshakes {
    stop: Arc<AtomicBool>,
    /// When each began, and how long it took.
    callers: JoinSet<Vec<(Instant, Duration)>>,
}

impl Handshakes {
    fn begin(url: &str, at_once: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut callers = JoinSet::new();
        for _ in 0..at_once {
            let (stop, url) = (Arc::clone(&stop), url.to_owned());
            callers.spawn(async move {
                let mut client = client(&url).await;
                let mut made = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    assert!(authorize(&mut client, with_cookie(&cookie(ANA_ID))).await.accepted);
                    made.push((begun, begun.elapsed()));
                }
                made
            });
        }
        Self { stop, callers }
    }

    /// Each caller got on from this instant until now, however fast the machine is: none waited until all that was done
    /// meanwhile was over.
    async fn got_on_since(self, begun: Instant) {
        let meanwhile = begun.elapsed();
        self.stop.store(true, Ordering::Relaxed);
        for made in self.callers.join_all().await {
            let made: Vec<_> = made.into_iter().filter(|(at, _)| *at > begun).map(|(_, took)| took).collect();
            let longest = made.iter().max().copied().unwrap_or_default();
            assert!(
                made.len() > 4 && is_part_of(longest, meanwhile),
                "{} handshakes in {meanwhile:?}, the longest {longest:?}",
                made.len()
            );
        }
    }
}

/// Of services whose answers are measured: none is given up, and no gateway is gone while it waits for one.
const PATIENT: [(&str, &str); 3] =
    [("SESSION_STORE_TIMEOUT", "30s"), ("LIMITS_CALL_TIMEOUT", "1m"), ("REGISTRY_LEASE", "5m")];

/// Whether somebody who waited so long did not wait until all else was done, which took so long in the same run. What is
/// less than a second the machine may take for itself.
fn is_part_of(wait: Duration, whole: Duration) -> bool {
    wait < (whole * 3 / 4).max(Duration::from_secs(1))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_gateways_that_list_again_do_not_starve_handshakes() {
    let redis = Redis::start().await;
    redis.put(ANA_ID, ANA.as_bytes()).await;
    let addr = format!("127.0.0.1:{}", lasting_port());
    let settings = [("SESSION_STORE", &*redis.url()), ("GRPC_ADDR", &addr)];
    let service = ServiceProcess::start(&[&settings[..], &PATIENT].concat()).await;
    let network = Proxy::to(port(&service.grpc)).await;
    let url = format!("http://127.0.0.1:{}", network.port);
    let options = FleetOptions { gateways: 100, sockets: 50_000, ..FleetOptions::new(&url) };
    let fleet = Fleet::start(&options).unwrap();
    fleet.filled().await.unwrap();
    let mut caller = Caller::of(&service.grpc).await;
    let handshakes = Handshakes::begin(&service.grpc, 4);
    // All at once.
    network.cut();
    until("all have been cut off", async || caller.clone().view().await.incomplete_gateways.len() == 100)
        .await;
    network.mend();
    let mended = Instant::now();
    until("all have listed again", async || {
        fleet.counts().streams == 100 && caller.clone().view().await.incomplete_gateways.is_empty()
    })
    .await;
    handshakes.got_on_since(mended).await;
    assert_eq!(caller.total("true").await, 50_000);
    fleet.stop(Stop::Cut).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_that_take_all_the_steps_there_are_hold_up_nobody() {
    let redis = Redis::start().await;
    redis.put(ANA_ID, ANA.as_bytes()).await;
    let settings = [("SESSION_STORE", &*redis.url())];
    let service = ServiceProcess::start(&[&settings[..], &PATIENT].concat()).await;
    let user = json!({"list": (0..2_000).collect::<Vec<u32>>()});
    let mut gateway = Gateway::open(&service.grpc, hello("g", "one")).await;
    for bunch in 0..10 {
        let id = |number| format!("s{}", bunch * 50 + number);
        gateway.opens((0..50).map(|number| socket(&id(number), user.clone())).collect()).await;
    }
    gateway.report(Vec::new(), true).await.unwrap();
    let handshakes = Handshakes::begin(&service.grpc, 2);
    let begun = Instant::now();
    let costly = "user.list.all(a, user.list.all(b, a + b >= 0))";
    let mut askers = JoinSet::new();
    for _ in 0..3 {
        let mut caller = Caller::of(&service.grpc).await;
        let mut watching = caller.clone();
        askers.spawn(async move { assert_eq!(watching.watch(costly).await.told().await, [""; 0]) });
        askers.spawn(async move {
            assert_eq!(caller.ids(costly).await, [""; 0]);
            assert_eq!(caller.total(costly).await, 0);
        });
    }
    // Reports go on meanwhile, and so do others' questions.
    let mut caller = Caller::of(&service.grpc).await;
    let (mut reports, mut questions) = (Duration::ZERO, Duration::ZERO);
    while !askers.is_empty() {
        let reported = Instant::now();
        gateway.opens(vec![socket("another", json!({"id": 1}))]).await;
        reports = reports.max(reported.elapsed());
        let asked = Instant::now();
        assert_eq!(caller.total("user.id == 1").await, 1);
        questions = questions.max(asked.elapsed());
        while let Some(asked) = askers.try_join_next() {
            asked.unwrap();
        }
    }
    handshakes.got_on_since(begun).await;
    let whole = begun.elapsed();
    assert!(is_part_of(reports, whole), "a report took {reports:?} of {whole:?}");
    assert!(is_part_of(questions, whole), "a question took {questions:?} of {whole:?}");
}
