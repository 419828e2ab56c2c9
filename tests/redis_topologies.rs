//! Redis as it is run where it must not go away: behind Sentinels, as a cluster, and over TLS.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use redis::cmd;
use socketpass::{
    grpc::pb::{AuthorizeResponse, Reason},
    session_store::{Fault, Health, SessionStore},
};
use tokio::{
    process::Command,
    task::{JoinHandle, JoinSet},
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::support::{
    ANA, ANA_ID, cookie,
    ports::lasting_port,
    process::Process,
    redis::Redis,
    redis_cluster::{self, RedisCluster},
    sentinel::{self, Sentinels},
    service::{ServiceProcess, authorize, command, with_cookie},
    store::{Answer, becomes, finds_ana, found, is_unavailable_within, load, open},
    tls::Authority,
    until,
};

const ANAS_KEY: &str = "sess:Zk3q9vWmT1n8yLxR4sPb7uCdEfGhJkMa";

/// Loads Ana's session all the time while something befalls the servers. Whatever it is, she must not be taken for
/// logged out, and nobody waits for longer than the timeout.
struct Watch {
    stop: CancellationToken,
    loads: JoinHandle<Loads>,
}

#[derive(Debug, Default)]
struct Loads {
    found: usize,
    unavailable: usize,
    wrong: Vec<Answer>,
    longest: Duration,
}

impl Watch {
    fn start(store: &Arc<dyn SessionStore>) -> Self {
        let stop = CancellationToken::new();
        let loads = tokio::spawn(Self::load(Arc::clone(store), stop.clone()));
        Self { stop, loads }
    }

    async fn load(store: Arc<dyn SessionStore>, stop: CancellationToken) -> Loads {
        let mut loads = Loads::default();
        let mut pace = interval(Duration::from_millis(5));
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !stop.is_cancelled() {
            let start = Instant::now();
            match load(&*store, ANA_ID).await {
                answer if answer == found(ANA) => loads.found += 1,
                Err(Fault::Unavailable(_)) => loads.unavailable += 1,
                answer => loads.wrong.push(answer),
            }
            loads.longest = loads.longest.max(start.elapsed());
            pace.tick().await;
        }
        loads
    }

    async fn stop(self) -> Loads {
        self.stop.cancel();
        let loads = self.loads.await.unwrap();
        println!("{loads:?}");
        assert!(loads.found > 0 && loads.wrong.is_empty(), "{loads:?}");
        assert!(loads.longest < TIMEOUT + SLACK, "{loads:?}");
        loads
    }
}

/// `session.store_timeout`, as it is by default.
const TIMEOUT: Duration = Duration::from_secs(1);
/// What a busy machine adds to it.
const SLACK: Duration = Duration::from_secs(1);

/// Puts Ana's session on the primary and waits until the replica has it too.
async fn put_on_both(primary: &Redis) {
    let mut connection = sentinel::connection(primary).await;
    let () = cmd("SET").arg(ANAS_KEY).arg(ANA).query_async(&mut connection).await.unwrap();
    let replicas: u32 = cmd("WAIT").arg(1).arg(20_000).query_async(&mut connection).await.unwrap();
    assert_eq!(replicas, 1);
}

/// Gives a server something of its own that no other has, primary or not.
async fn put_on_this_alone(replica: &Redis, session: &str) {
    let mut connection = sentinel::connection(replica).await;
    let () =
        cmd("CONFIG").arg(&["SET", "replica-read-only", "no"]).query_async(&mut connection).await.unwrap();
    let () = cmd("SET").arg(ANAS_KEY).arg(session).query_async(&mut connection).await.unwrap();
}

#[tokio::test]
async fn behind_sentinels_sessions_are_read_from_the_primary() {
    let mut sentinels = Sentinels::start().await;
    put_on_both(&sentinels.first).await;
    put_on_this_alone(&sentinels.second, "the replica's").await;
    let store = open(&sentinels.url(0), &[]);
    assert_eq!(load(&*store, ANA_ID).await, found(ANA));
    becomes(&*store, Health::Up).await;
    assert_eq!(load(&*store, "absent").await, Ok(None));

    // The database number is the primary's.
    assert_eq!(load(&*open(&sentinels.url(1), &[]), ANA_ID).await, Ok(None));

    let unknown = open(&sentinels.url_of("unknown", 0), &[("SESSION_STORE_TIMEOUT", "20s")]);
    becomes(&*unknown, Health::Down).await;
    let cause = is_unavailable_within(Duration::from_secs(2), &*unknown).await;
    assert!(cause.contains("Master with given name not found"), "{cause}");
    assert!(!format!("{unknown:?}").contains("h0rse"));

    sentinels.kill_sentinel().await;
    assert_eq!(load(&*store, ANA_ID).await, found(ANA));
    assert_eq!(load(&*open(&sentinels.url(0), &[]), ANA_ID).await, found(ANA));
}

#[tokio::test]
async fn when_the_primary_dies_sessions_are_read_from_the_replica_that_takes_its_place() {
    let mut sentinels = Sentinels::start().await;
    put_on_both(&sentinels.first).await;
    let store = open(&sentinels.url(0), &[]);
    finds_ana(&*store).await;
    let watch = Watch::start(&store);
    sentinels.kill_primary().await;
    becomes(&*store, Health::Down).await;
    finds_ana(&*store).await;
    becomes(&*store, Health::Up).await;

    // The dead one comes back empty, and believes to be the primary until the Sentinels tell it otherwise.
    sentinels.restart_first().await;
    finds_ana(&*store).await;
    let loads = watch.stop().await;
    assert!(loads.unavailable > 0, "it was dead for a while: {loads:?}");
}

#[tokio::test]
async fn when_primary_and_replica_change_roles_sessions_are_read_from_the_new_primary() {
    let sentinels = Sentinels::start().await;
    put_on_both(&sentinels.first).await;
    let store = open(&sentinels.url(0), &[]);
    finds_ana(&*store).await;
    let watch = Watch::start(&store);
    sentinels.fail_over().await;
    finds_ana(&*store).await;
    watch.stop().await;

    // Both are alive and have Ana's session. Now each gets one of its own, and the store finds the new primary's.
    let mut primary = sentinel::connection(&sentinels.second).await;
    let () = cmd("SET").arg(ANAS_KEY).arg("the primary's").query_async(&mut primary).await.unwrap();
    let replicas: u32 = cmd("WAIT").arg(1).arg(20_000).query_async(&mut primary).await.unwrap();
    assert_eq!(replicas, 1);
    put_on_this_alone(&sentinels.first, "the replica's").await;
    until("the store reads from the new primary", || async {
        load(&*store, ANA_ID).await == found("the primary's")
    })
    .await;
}

/// Puts sessions on all nodes of a cluster; the node by id.
async fn put_everywhere(cluster: &RedisCluster) -> BTreeMap<String, usize> {
    let mut nodes = BTreeMap::new();
    for number in 0..60 {
        let id = format!("session {number}");
        let node = cluster.put(&format!("sess:{id}"), id.as_bytes()).await;
        nodes.insert(id, node);
    }
    for node in 0..3 {
        assert!(nodes.values().filter(|owner| **owner == node).count() > 5, "{nodes:?}");
    }
    nodes
}

/// Loads them all at the same time; the answers by id, and what the slowest took.
async fn load_all(
    store: &Arc<dyn SessionStore>,
    ids: &BTreeMap<String, usize>,
) -> BTreeMap<String, (Answer, Duration)> {
    let mut loads = JoinSet::new();
    for id in ids.keys().cloned() {
        let store = Arc::clone(store);
        loads.spawn(async move {
            let start = Instant::now();
            let answer = load(&*store, &id).await;
            (id, (answer, start.elapsed()))
        });
    }
    loads.join_all().await.into_iter().collect()
}

#[tokio::test]
async fn sessions_are_found_on_every_node_of_a_cluster() {
    let cluster = RedisCluster::start(&[]).await;
    let ids = put_everywhere(&cluster).await;
    let one = cluster.addresses().pop().unwrap();
    let one_of_two = format!("127.0.0.1:{},{one}", lasting_port());
    for nodes in [cluster.addresses().join(","), one, one_of_two] {
        let store = open(&format!("redis+cluster://{nodes}"), &[]);
        for (id, (answer, _)) in load_all(&store, &ids).await {
            assert_eq!(answer, found(&*id));
        }
        assert_eq!(load(&*store, "absent").await, Ok(None));
        becomes(&*store, Health::Up).await;
    }

    // What a prefix puts into braces decides about the node.
    let () = redis_cluster::ask(&cluster.nodes[0], cmd("FLUSHALL").arg("SYNC")).await.unwrap();
    let store = open(&cluster.url(), &[("SESSION_PREFIX", "{app}:")]);
    cluster.put("{app}:Ana", ANA.as_bytes()).await;
    assert_eq!(load(&*store, "Ana").await, found(ANA));
}

#[tokio::test]
async fn when_a_node_of_a_cluster_dies_the_sessions_of_the_others_are_still_found() {
    let mut cluster = RedisCluster::start(&["--cluster-require-full-coverage", "no"]).await;
    let ids = put_everywhere(&cluster).await;
    let store = open(&cluster.url(), &[]);
    becomes(&*store, Health::Up).await;
    cluster.nodes[1].kill().await;
    let start = Instant::now();
    let mut rounds = 0;
    while start.elapsed() < Duration::from_secs(6) {
        rounds += 1;
        let mut longest = [Duration::ZERO; 2];
        let mut bad = 0;
        for (id, (answer, took)) in load_all(&store, &ids).await {
            let alive = ids[&id] != 1;
            longest[usize::from(alive)] = longest[usize::from(alive)].max(took);
            if alive && answer != found(&*id) {
                bad += 1;
            }
            if !alive {
                assert!(matches!(answer, Err(Fault::Unavailable(_))), "{answer:?}");
            }
        }
        println!(
            "round {rounds} at {:?}: bad {bad} longest dead/alive {longest:?} {:?}",
            start.elapsed(),
            *store.health().borrow()
        );
    }
}

#[tokio::test]
async fn when_a_node_of_a_cluster_hangs_the_sessions_of_the_others_are_still_found() {
    let cluster = RedisCluster::start(&["--cluster-require-full-coverage", "no"]).await;
    let ids = put_everywhere(&cluster).await;
    let store = open(&cluster.url(), &[]);
    becomes(&*store, Health::Up).await;
    cluster.nodes[1].process().signal("STOP");
    let start = Instant::now();
    let mut rounds = 0;
    while start.elapsed() < Duration::from_secs(15) {
        rounds += 1;
        let mut longest = [Duration::ZERO; 2];
        let mut bad = 0;
        for (id, (answer, took)) in load_all(&store, &ids).await {
            let alive = ids[&id] != 1;
            longest[usize::from(alive)] = longest[usize::from(alive)].max(took);
            if alive && answer != found(&*id) {
                bad += 1;
            }
            if !alive {
                assert!(matches!(answer, Err(Fault::Unavailable(_))), "{answer:?}");
            }
        }
        println!(
            "HANG round {rounds} at {:?}: bad {bad} longest dead/alive {longest:?} {:?}",
            start.elapsed(),
            *store.health().borrow()
        );
    }
    cluster.nodes[1].process().signal("CONT");
}

#[tokio::test]
async fn a_cluster_that_was_killed_and_restarted_is_found_again() {
    let mut cluster = RedisCluster::start(&[]).await;
    let store = open(&cluster.url(), &[]);
    becomes(&*store, Health::Up).await;
    for node in &mut cluster.nodes {
        node.kill().await;
    }
    becomes(&*store, Health::Down).await;
    let cause = is_unavailable_within(TIMEOUT + SLACK, &*store).await;
    println!("{cause}");
    for node in &mut cluster.nodes {
        node.restart().await;
    }
    cluster.is_well().await;
    let ids = put_everywhere(&cluster).await;
    until("the cluster is found again", || async {
        load_all(&store, &ids).await.into_iter().all(|(id, (answer, _))| answer == found(id))
    })
    .await;
    becomes(&*store, Health::Up).await;
}

#[tokio::test]
async fn experiment_all_dead_cpu() {
    let mut cluster = RedisCluster::start(&[]).await;
    let ids = put_everywhere(&cluster).await;
    let mut command = command(&[("SESSION_STORE", &cluster.url())]);
    let service = serve(&mut command).await;
    let mut client = service.client().await;
    println!("{:?}", ids.len());
    println!("{:?}", authorize(&mut client, with_cookie(&cookie(ANA_ID))).await.reason());
    let cpu = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let f: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().map(str::to_owned).collect();
        f[11].parse::<u64>().unwrap() + f[12].parse::<u64>().unwrap()
    };
    for node in &mut cluster.nodes {
        node.kill().await;
    }
    println!("{:?}", authorize(&mut client, with_cookie(&cookie(ANA_ID))).await.reason());
    for _ in 0..4 {
        let before = cpu(service.process.id());
        let lines = service.process.output().text().lines().count();
        tokio::time::sleep(Duration::from_secs(2)).await;
        println!(
            "cpu ticks in 2 s: {} lines {}",
            cpu(service.process.id()) - before,
            service.process.output().text().lines().count() - lines
        );
        println!("{:?}", authorize(&mut client, with_cookie(&cookie(ANA_ID))).await.reason());
    }
    let text = service.process.output().text();
    println!("{}", text.lines().take(30).collect::<Vec<_>>().join("\n"));
}

#[tokio::test]
async fn a_cluster_that_comes_back_at_other_addresses_is_found_by_those_in_the_url() {
    let mut cluster = RedisCluster::start(&[]).await;
    let port = lasting_port();
    let store = open(&format!("{},127.0.0.1:{port}", cluster.url()), &[]);
    becomes(&*store, Health::Up).await;
    for node in &mut cluster.nodes {
        node.kill().await;
    }
    becomes(&*store, Health::Down).await;
    let cluster = RedisCluster::start_on([port, lasting_port(), lasting_port()], &[]).await;
    let ids = put_everywhere(&cluster).await;
    until("the cluster is found again", || async {
        load_all(&store, &ids).await.into_iter().all(|(id, (answer, _))| answer == found(id))
    })
    .await;
}

/// Starts the program with what is added to its environment, and waits until it serves.
async fn serve(command: &mut Command) -> ServiceProcess {
    let process = Process::start(command);
    let line: serde_json::Value = serde_json::from_str(&process.output().line("\"serving\"").await).unwrap();
    let url = |name: &str| format!("http://{}", line[name].as_str().unwrap());
    ServiceProcess { grpc: url("grpc_addr"), http: url("http_addr"), process }
}

/// Has a program of its own decide about Ana, since what it trusts is a matter of its environment.
async fn decide(store: &str, trusted: Option<&Path>) -> (AuthorizeResponse, ServiceProcess) {
    let mut command = command(&[("SESSION_STORE", store)]);
    command.env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
    if let Some(trusted) = trusted {
        command.env("SSL_CERT_FILE", trusted);
    }
    let service = serve(&mut command).await;
    let response = authorize(&mut service.client().await, with_cookie(&cookie(ANA_ID))).await;
    (response, service)
}

async fn start_with_tls(authority: &Authority, host: &str) -> (Redis, u16) {
    let port = lasting_port();
    let arguments = authority.redis_arguments(port, &[host]);
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let redis = Redis::start_on(lasting_port(), &arguments).await;
    redis.put(ANA_ID, ANA.as_bytes()).await;
    (redis, port)
}

fn assert_unavailable(response: &AuthorizeResponse) {
    assert!(!response.accepted);
    assert_eq!(response.reason(), Reason::StoreUnavailable);
}

#[tokio::test]
async fn over_tls_sessions_are_read_from_a_server_whose_certificate_is_trusted() {
    let authority = Authority::new();
    let (_redis, port) = start_with_tls(&authority, "localhost").await;
    let (response, _) = decide(&format!("rediss://localhost:{port}"), Some(&authority.file())).await;
    assert_eq!(response.reason(), Reason::Authorized);
    assert!(response.accepted);
}

#[tokio::test]
async fn over_tls_a_certificate_that_nobody_trusts_is_refused() {
    let authority = Authority::new();
    let (_redis, port) = start_with_tls(&authority, "localhost").await;
    let url = format!("rediss://localhost:{port}");
    let another = Authority::new();
    for trusted in [None, Some(another.file())] {
        let (response, service) = decide(&url, trusted.as_deref()).await;
        assert_unavailable(&response);
        println!("{}", service.process.output().text());
    }
}

#[tokio::test]
async fn over_tls_a_certificate_for_another_host_is_refused() {
    let authority = Authority::new();
    let (_redis, port) = start_with_tls(&authority, "redis.example").await;
    let (response, service) = decide(&format!("rediss://localhost:{port}"), Some(&authority.file())).await;
    assert_unavailable(&response);
    println!("{}", service.process.output().text());
}

#[tokio::test]
async fn tls_and_no_tls_do_not_talk_to_each_other() {
    let authority = Authority::new();
    let (redis, port) = start_with_tls(&authority, "localhost").await;
    for url in [format!("rediss://localhost:{}", redis.port), format!("redis://localhost:{port}")] {
        let (response, service) = decide(&url, Some(&authority.file())).await;
        assert_unavailable(&response);
        println!("{}", service.process.output().text());
    }
}
