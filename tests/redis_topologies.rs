//! Redis as it is run where it must not go away: behind Sentinels, as a cluster, and over TLS.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{aio::MultiplexedConnection, cmd};
use socketpass::{
    grpc::pb::{AuthorizeResponse, Reason},
    session_store::{Fault, Health, Listener, News, SessionStore},
};
use tokio::{
    net::TcpListener,
    process::Command,
    task::{JoinHandle, JoinSet},
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::support::{
    ANA, ANA_ID, PATIENCE, cookie,
    ports::lasting_port,
    process::Process,
    redis::Redis,
    redis_cluster::{self, RedisCluster},
    sentinel::{self, Sentinels},
    service::{ServiceProcess, authorize, command, with_cookie},
    store::{Answer, becomes, finds_ana, found, is_unavailable_within, load, open, put_ana},
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
        assert!(loads.found > 0 && loads.wrong.is_empty(), "{loads:?}");
        assert!(loads.longest < TIMEOUT + SLACK, "{loads:?}");
        loads
    }
}

/// `session.store_timeout`, as it is by default.
const TIMEOUT: Duration = Duration::from_secs(1);
/// What a busy machine adds to it.
const SLACK: Duration = Duration::from_secs(1);

/// Puts Ana's session on a primary and waits until its replica has it too.
async fn put_replicated(primary: &mut MultiplexedConnection, session: &str) {
    let () = cmd("SET").arg(ANAS_KEY).arg(session).query_async(primary).await.unwrap();
    until("the replica has it", || {
        let mut primary = primary.clone();
        async move { cmd("WAIT").arg(1).arg(100).query_async::<u32>(&mut primary).await.unwrap() == 1 }
    })
    .await;
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
    put_replicated(&mut sentinel::connection(&sentinels.first).await, ANA).await;
    put_on_this_alone(&sentinels.second, "the replica's").await;
    let store = open(&sentinels.url(0), &[]);
    assert_eq!(load(&*store, ANA_ID).await, found(ANA));
    becomes(&*store, Health::Up).await;
    assert_eq!(load(&*store, "absent").await, Ok(None));
    assert!(!format!("{store:?}").contains("h0rse"));

    // The database number is the primary's.
    assert_eq!(load(&*open(&sentinels.url(1), &[]), ANA_ID).await, Ok(None));

    // A user who may do no more than read sessions and ask which server is the primary is enough.
    let mut command = cmd("ACL");
    command.arg(&["SETUSER", "reader", "on", ">reading", "~sess:*", "+getrange", "+role"]);
    let () = command.query_async(&mut sentinel::connection(&sentinels.first).await).await.unwrap();
    let reader = open(&sentinels.url(0).replace(":h0rse@", "reader:reading@"), &[]);
    assert_eq!(load(&*reader, ANA_ID).await, found(ANA));
    becomes(&*reader, Health::Up).await;

    let unknown = open(&sentinels.url_of("unknown", 0), &[("SESSION_STORE_TIMEOUT", "20s")]);
    becomes(&*unknown, Health::Down).await;
    let cause = is_unavailable_within(SLACK, &*unknown).await;
    assert!(cause.contains("Master with given name not found"), "{cause}");
    assert!(!format!("{unknown:?}").contains("h0rse"));

    // The Sentinel that is asked first hangs, and then is dead. Those who have a connection do not need it.
    sentinels.first_sentinel().signal("STOP");
    finds_ana(&*open(&sentinels.url(0), &[])).await;
    sentinels.first_sentinel().signal("KILL");
    sentinels.first_sentinel().exit_code().await;
    assert_eq!(load(&*open(&sentinels.url(0), &[]), ANA_ID).await, found(ANA));
    assert_eq!(load(&*store, ANA_ID).await, found(ANA));
}

#[tokio::test]
async fn when_the_primary_dies_sessions_are_read_from_the_replica_that_takes_its_place() {
    let mut sentinels = Sentinels::start().await;
    put_replicated(&mut sentinel::connection(&sentinels.first).await, ANA).await;
    let store = open(&sentinels.url(0), &[]);
    finds_ana(&*store).await;
    let watch = Watch::start(&store);
    sentinels.kill_primary().await;
    becomes(&*store, Health::Up).await;
    finds_ana(&*store).await;

    // The dead one comes back empty, and takes itself for the primary until a Sentinel tells it otherwise.
    sentinels.restart_first().await;
    finds_ana(&*store).await;
    let loads = watch.stop().await;
    assert!(loads.unavailable > 0, "there was no primary for a while: {loads:?}");
}

#[tokio::test]
async fn when_primary_and_replica_change_roles_sessions_are_read_from_the_new_primary() {
    let sentinels = Sentinels::start().await;
    put_replicated(&mut sentinel::connection(&sentinels.first).await, ANA).await;
    let store = open(&sentinels.url(0), &[]);
    finds_ana(&*store).await;
    let watch = Watch::start(&store);
    sentinels.fail_over().await;
    finds_ana(&*store).await;
    watch.stop().await;

    // Both are alive and both have Ana's session. Now each gets one of its own, and the store finds the new primary's.
    put_replicated(&mut sentinel::connection(&sentinels.second).await, "the primary's").await;
    put_on_this_alone(&sentinels.first, "the replica's").await;
    until("the store reads from the new primary", || async {
        load(&*store, ANA_ID).await == found("the primary's")
    })
    .await;
}

/// Sessions on all nodes of a cluster: each one's node by its id, which is what it holds, too.
struct Spread(BTreeMap<String, usize>);

impl Spread {
    async fn over(cluster: &RedisCluster) -> Self {
        let mut owners = BTreeMap::new();
        for number in 0..60 {
            let id = format!("session {number}");
            let owner = cluster.put(&format!("sess:{id}"), id.as_bytes()).await;
            owners.insert(id, owner);
        }
        for node in 0..3 {
            assert!(owners.values().filter(|owner| **owner == node).count() > 5, "{owners:?}");
        }
        Self(owners)
    }

    /// Loads all at the same time. Gives the nodes of those that were not found; every other answer, and every load that
    /// takes longer than it may, is a failure.
    async fn not_found(&self, store: &Arc<dyn SessionStore>) -> BTreeSet<usize> {
        let mut loads = JoinSet::new();
        for (id, owner) in self.0.clone() {
            let store = Arc::clone(store);
            loads.spawn(async move {
                let start = Instant::now();
                let answer = load(&*store, &id).await;
                let took = start.elapsed();
                assert!(took < TIMEOUT + SLACK, "{answer:?} took {took:?}");
                match answer {
                    answer if answer == found(id) => None,
                    Err(Fault::Unavailable(_)) => Some(owner),
                    answer => panic!("{answer:?}"),
                }
            });
        }
        loads.join_all().await.into_iter().flatten().collect()
    }

    async fn becomes_found(&self, store: &Arc<dyn SessionStore>) {
        until("all sessions are found", || async { self.not_found(store).await.is_empty() }).await;
    }
}

/// A node that is away does not make the others refuse what is theirs.
const PARTIAL: [&str; 2] = ["--cluster-require-full-coverage", "no"];
/// The node that fails.
const FAILED: usize = 1;

#[tokio::test]
async fn sessions_are_found_on_every_node_of_a_cluster() {
    let cluster = RedisCluster::start(&[]).await;
    let sessions = Spread::over(&cluster).await;
    let one = cluster.addresses().pop().unwrap();
    let one_of_two = format!("127.0.0.1:{},{one}", lasting_port());
    for nodes in [cluster.addresses().join(","), one, one_of_two] {
        let store = open(&format!("redis+cluster://{nodes}"), &[]);
        assert_eq!(sessions.not_found(&store).await, BTreeSet::new(), "{nodes}");
        assert_eq!(load(&*store, "absent").await, Ok(None));
        becomes(&*store, Health::Up).await;
    }

    // A user who may do no more than read sessions and learn where they are is enough.
    for node in &cluster.nodes {
        let mut command = cmd("ACL");
        command.arg(&["SETUSER", "reader", "on", ">h0rse", "~sess:*", "+getrange", "+cluster|slots"]);
        let () = redis_cluster::ask(node, &command).await.unwrap();
    }
    let store = open(&cluster.url().replace("://", "://reader:h0rse@"), &[]);
    assert_eq!(sessions.not_found(&store).await, BTreeSet::new());
    becomes(&*store, Health::Up).await;
    assert!(!format!("{store:?}").contains("h0rse"));
    let store = open(&cluster.url().replace("://", "://reader:wr0ng@"), &[]);
    becomes(&*store, Health::Down).await;
    let cause = is_unavailable_within(SLACK, &*store).await;
    assert!(cause.contains("authentication") && !cause.contains("wr0ng"), "{cause}");

    // What stands between braces decides on the node, also when it is the prefix that has them.
    let store = open(&cluster.url(), &[("SESSION_PREFIX", "{app}:")]);
    cluster.put(&format!("{{app}}:{ANA_ID}"), ANA.as_bytes()).await;
    assert_eq!(load(&*store, ANA_ID).await, found(ANA));
}

#[tokio::test]
async fn a_session_is_found_while_it_moves_to_another_node_and_afterwards() {
    let cluster = RedisCluster::start(&[]).await;
    let owner = cluster.put(ANAS_KEY, ANA.as_bytes()).await;
    let store = open(&cluster.url(), &[]);
    assert_eq!(load(&*store, ANA_ID).await, found(ANA));

    let (from, to) = (&cluster.nodes[owner], &cluster.nodes[(owner + 1) % 3]);
    let slot: u16 = redis_cluster::ask(from, cmd("CLUSTER").arg("KEYSLOT").arg(ANAS_KEY)).await.unwrap();
    let from_id: String = redis_cluster::ask(from, cmd("CLUSTER").arg("MYID")).await.unwrap();
    let to_id: String = redis_cluster::ask(to, cmd("CLUSTER").arg("MYID")).await.unwrap();
    let set_slot = async |node: &Redis, state: &str, id: &str| {
        let mut command = cmd("CLUSTER");
        command.arg("SETSLOT").arg(slot).arg(state).arg(id);
        redis_cluster::ask::<()>(node, &command).await.unwrap();
    };
    set_slot(to, "IMPORTING", &from_id).await;
    set_slot(from, "MIGRATING", &to_id).await;
    assert_eq!(load(&*store, ANA_ID).await, found(ANA));
    let mut migrate = cmd("MIGRATE");
    migrate.arg("127.0.0.1").arg(to.port).arg(ANAS_KEY).arg(0).arg(20_000);
    let () = redis_cluster::ask(from, &migrate).await.unwrap();
    assert_eq!(
        load(&*store, ANA_ID).await,
        found(ANA),
        "its old node still has the slot, and asks to ask the new one"
    );
    set_slot(to, "NODE", &to_id).await;
    set_slot(from, "NODE", &to_id).await;
    for _ in 0..20 {
        assert_eq!(load(&*store, ANA_ID).await, found(ANA));
    }
}

#[tokio::test]
async fn when_a_node_of_a_cluster_dies_the_sessions_of_the_others_are_still_found() {
    let mut cluster = RedisCluster::start(&PARTIAL).await;
    let sessions = Spread::over(&cluster).await;
    let store = open(&cluster.url(), &[]);
    becomes(&*store, Health::Up).await;
    cluster.nodes[FAILED].kill().await;
    for _ in 0..5 {
        assert_eq!(sessions.not_found(&store).await, BTreeSet::from([FAILED]));
    }
    cluster.take_for_dead(FAILED).await;
    for _ in 0..5 {
        assert_eq!(sessions.not_found(&store).await, BTreeSet::from([FAILED]));
    }
    let late = open(&cluster.url(), &[]);
    assert_eq!(sessions.not_found(&late).await, BTreeSet::from([FAILED]));

    cluster.restart(FAILED).await;
    let sessions = Spread::over(&cluster).await;
    sessions.becomes_found(&store).await;
    sessions.becomes_found(&late).await;
    becomes(&*store, Health::Up).await;
}

#[tokio::test]
async fn a_node_of_a_cluster_that_dies_makes_another_of_what_answers() {
    struct Deaf;

    impl Listener for Deaf {
        fn hear(&self, _: News) {}
    }

    let mut cluster = RedisCluster::start(&[]).await;
    let store = open(&cluster.url(), &[]);
    becomes(&*store, Health::Up).await;
    let dies = async {
        until("it is listened to", async || {
            let clients: String =
                redis_cluster::ask(&cluster.nodes[FAILED], cmd("INFO").arg("clients")).await.unwrap();
            clients.contains("tracking_clients:1")
        })
        .await;
        let before = store.connection();
        cluster.nodes[FAILED].kill().await;
        until("another answers", async || store.connection() > before).await;
    };
    tokio::select! {
        () = store.follow(Arc::new(Deaf)) => unreachable!("it goes on"),
        () = dies => {}
    }
}

#[tokio::test]
async fn a_cluster_that_refuses_reads_while_its_nodes_answer_is_down() {
    // Redis' own default: a cluster that lacks slots serves none.
    let mut cluster = RedisCluster::start(&[]).await;
    let sessions = Spread::over(&cluster).await;
    let store = open(&cluster.url(), &[]);
    becomes(&*store, Health::Up).await;
    cluster.nodes[FAILED].kill().await;
    cluster.take_for_dead(FAILED).await;
    until("no session is found", || async { sessions.not_found(&store).await == BTreeSet::from([0, 1, 2]) })
        .await;
    becomes(&*store, Health::Down).await;
    cluster.restart(FAILED).await;
    becomes(&*store, Health::Up).await;
}

#[tokio::test]
async fn when_a_node_of_a_cluster_hangs_the_sessions_of_the_others_are_still_found() {
    let cluster = RedisCluster::start(&PARTIAL).await;
    let sessions = Spread::over(&cluster).await;
    let store = open(&cluster.url(), &[]);
    becomes(&*store, Health::Up).await;
    cluster.nodes[FAILED].process().signal("STOP");
    for _ in 0..8 {
        assert_eq!(sessions.not_found(&store).await, BTreeSet::from([FAILED]));
    }
    cluster.nodes[FAILED].process().signal("CONT");
    sessions.becomes_found(&store).await;
    becomes(&*store, Health::Up).await;
}

#[tokio::test]
async fn a_cluster_of_which_a_node_hangs_can_be_opened() {
    let cluster = RedisCluster::start(&PARTIAL).await;
    let sessions = Spread::over(&cluster).await;
    cluster.nodes[FAILED].process().signal("STOP");
    let store = open(&cluster.url(), &[]);
    until("the others' sessions are found", || async {
        sessions.not_found(&store).await == BTreeSet::from([FAILED])
    })
    .await;
    for _ in 0..5 {
        assert_eq!(sessions.not_found(&store).await, BTreeSet::from([FAILED]));
    }
    cluster.nodes[FAILED].process().signal("CONT");
    sessions.becomes_found(&store).await;
}

#[tokio::test]
async fn when_a_node_of_a_cluster_hangs_its_sessions_are_found_on_the_replica_that_takes_its_place() {
    let cluster = RedisCluster::start(&[]).await;
    let replica = cluster.add_replica_of(FAILED).await;
    let sessions = Spread::over(&cluster).await;
    let size = async |node: &Redis| redis_cluster::ask::<u32>(node, &cmd("DBSIZE")).await.unwrap();
    until("the replica has all", || async { size(&replica).await == size(&cluster.nodes[FAILED]).await })
        .await;
    let store = open(&cluster.url(), &[]);
    becomes(&*store, Health::Up).await;
    cluster.nodes[FAILED].process().signal("STOP");
    cluster.take_for_dead(FAILED).await;
    sessions.becomes_found(&store).await;
    becomes(&*store, Health::Up).await;
    sessions.becomes_found(&open(&cluster.url(), &[])).await;
}

#[tokio::test]
async fn a_cluster_that_was_killed_and_restarted_is_found_again() {
    let mut cluster = RedisCluster::start(&[]).await;
    let store = open(&cluster.url(), &[]);
    becomes(&*store, Health::Up).await;
    cluster.kill().await;
    becomes(&*store, Health::Down).await;
    is_unavailable_within(TIMEOUT + SLACK, &*store).await;
    for node in &mut cluster.nodes {
        node.restart().await;
    }
    cluster.is_well().await;
    Spread::over(&cluster).await.becomes_found(&store).await;
    becomes(&*store, Health::Up).await;
}

#[tokio::test]
async fn a_cluster_that_comes_back_at_other_addresses_is_found_where_the_url_says() {
    let mut cluster = RedisCluster::start(&[]).await;
    let port = lasting_port();
    let store = open(&format!("{},127.0.0.1:{port}", cluster.url()), &[]);
    becomes(&*store, Health::Up).await;
    cluster.kill().await;
    becomes(&*store, Health::Down).await;
    let cluster = RedisCluster::start_on([port, lasting_port(), lasting_port()], &[]).await;
    Spread::over(&cluster).await.becomes_found(&store).await;
    becomes(&*store, Health::Up).await;
}

#[tokio::test]
async fn a_cluster_that_is_away_is_looked_for_without_a_storm() {
    let mut cluster = RedisCluster::start(&[]).await;
    let store = open(&cluster.url(), &[]);
    becomes(&*store, Health::Up).await;
    cluster.kill().await;
    let in_its_place = TcpListener::bind(("127.0.0.1", cluster.nodes[0].port)).await.unwrap();
    // The client that lost it looks for it without a pause, until the store gives that client up.
    let begin = Instant::now();
    let mut attempts = VecDeque::new();
    loop {
        let attempt = timeout(PATIENCE, in_its_place.accept()).await;
        attempt.expect("it is looked for").unwrap();
        attempts.push_front(Instant::now());
        attempts.truncate(12);
        let (Some(last), Some(first)) = (attempts.front(), attempts.get(11)) else { continue };
        if *last - *first > Duration::from_millis(2500) {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "the storm goes on");
    }
    // Nobody waits for what is known to be away.
    is_unavailable_within(TIMEOUT / 2, &*store).await;
}

/// Starts the program with what is added to its environment, and waits until it serves.
async fn serve(command: &mut Command) -> ServiceProcess {
    let process = Process::start(command);
    let line: serde_json::Value = serde_json::from_str(&process.output().line("\"serving\"").await).unwrap();
    let url = |name: &str| format!("http://{}", line[name].as_str().unwrap());
    ServiceProcess { grpc: url("grpc_addr"), http: url("http_addr"), process }
}

/// Has a program of its own decide about Ana, since whom it trusts is in its environment.
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
    put_ana(&redis).await;
    (redis, port)
}

fn assert_accepted(response: &AuthorizeResponse) {
    assert_eq!(response.reason(), Reason::Authorized);
    assert!(response.accepted);
}

fn assert_unavailable(response: &AuthorizeResponse) {
    assert_eq!(response.reason(), Reason::StoreUnavailable);
    assert!(!response.accepted);
}

#[tokio::test]
async fn over_tls_sessions_are_read_from_a_server_whose_certificate_is_trusted() {
    let authority = Authority::new();
    let (_redis, port) = start_with_tls(&authority, "localhost").await;
    let (response, _) = decide(&format!("rediss://localhost:{port}"), Some(&authority.file())).await;
    assert_accepted(&response);
}

#[tokio::test]
async fn over_tls_a_certificate_of_an_authority_that_is_not_trusted_is_refused() {
    let authority = Authority::new();
    let (_redis, port) = start_with_tls(&authority, "localhost").await;
    let url = format!("rediss://localhost:{port}");
    let another = Authority::new();
    for trusted in [None, Some(another.file())] {
        let (response, service) = decide(&url, trusted.as_deref()).await;
        assert_unavailable(&response);
        service.process.output().line("invalid peer certificate").await;
    }
}

#[tokio::test]
async fn over_tls_a_certificate_for_another_host_is_refused() {
    let authority = Authority::new();
    let (_redis, port) = start_with_tls(&authority, "redis.example").await;
    for host in ["localhost", "127.0.0.1"] {
        let (response, service) = decide(&format!("rediss://{host}:{port}"), Some(&authority.file())).await;
        assert_unavailable(&response);
        service.process.output().line("invalid peer certificate").await;
    }
}

#[tokio::test]
async fn tls_is_not_spoken_where_it_is_not_asked_for_nor_left_out_where_it_is() {
    let authority = Authority::new();
    let (redis, port) = start_with_tls(&authority, "localhost").await;
    for url in [format!("rediss://localhost:{}", redis.port), format!("redis://localhost:{port}")] {
        let (response, _) = decide(&url, Some(&authority.file())).await;
        assert_unavailable(&response);
    }
}

#[tokio::test]
async fn over_tls_sessions_are_read_from_a_cluster() {
    let authority = Authority::new();
    // Its nodes are named by their addresses, whatever the URL calls them.
    let (cluster, ports) = RedisCluster::start_with_tls(&authority, &["localhost", "127.0.0.1"]).await;
    cluster.put(ANAS_KEY, ANA.as_bytes()).await;
    let url = format!("rediss+cluster://localhost:{}", ports[0]);
    let (response, _) = decide(&url, Some(&authority.file())).await;
    assert_accepted(&response);
    let (response, _) = decide(&url, None).await;
    assert_unavailable(&response);
}

#[tokio::test]
async fn over_tls_sessions_are_read_from_the_primary_that_a_sentinel_names() {
    let authority = Authority::new();
    let (redis, port) = start_with_tls(&authority, "127.0.0.1").await;
    let (_sentinel, sentinel_port) = sentinel::start_with_tls(&authority, port).await;
    let url = format!("rediss+sentinel://127.0.0.1:{sentinel_port}/{}", sentinel::NAME);
    let (response, _) = decide(&url, Some(&authority.file())).await;
    assert_accepted(&response);
    let (response, _) = decide(&url, None).await;
    assert_unavailable(&response);
    drop(redis);
}
