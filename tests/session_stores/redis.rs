//! Redis, and what can befall it alone.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use redis::{Cmd, FromRedisValue, aio::MultiplexedConnection, cmd};
use socketpass::session_store::{Fault, Health, SessionStore};

use super::contract::{Backend, contract};
use crate::support::{
    ANA, ANA_ID,
    ports::lasting_port,
    redis::Redis,
    service::ServiceProcess,
    store::{
        becomes, connect, destroy, ends_in_seconds, finds_ana, found, is_unavailable_within, load, open,
        put_ana,
    },
    until,
};

struct OnRedis {
    redis: Redis,
    connection: MultiplexedConnection,
    prefix: &'static str,
}

impl OnRedis {
    async fn start() -> Self {
        Self::start_with_prefix("sess:").await
    }

    async fn start_with_prefix(prefix: &'static str) -> Self {
        let redis = Redis::start_on(lasting_port(), &[]).await;
        Self { connection: connect(&redis.url()).await.unwrap(), redis, prefix }
    }

    fn key(&self, id: &str) -> String {
        format!("{}{id}", self.prefix)
    }
}

#[async_trait]
impl Backend for OnRedis {
    fn store(&self) -> Arc<dyn SessionStore> {
        open(&self.redis.url(), &[("SESSION_PREFIX", self.prefix)])
    }

    async fn put(&self, id: &str, session: &[u8]) {
        let () = ask(&self.connection, cmd("SET").arg(self.key(id)).arg(session)).await;
    }

    async fn remove(&self, id: &str) {
        let removed: u32 = ask(&self.connection, cmd("DEL").arg(self.key(id))).await;
        assert_eq!(removed, 1, "{id:?} was there");
    }

    fn place(&self, id: &str) -> String {
        format!("key `{}`", self.key(id))
    }
}

async fn ask<T: FromRedisValue>(connection: &MultiplexedConnection, command: &Cmd) -> T {
    command.query_async(&mut connection.clone()).await.unwrap()
}

contract!(OnRedis::start().await);

#[tokio::test]
async fn a_key_is_the_prefix_and_the_id_whatever_the_prefix_is() {
    for prefix in ["", "sess:", "my app: ", "{app}:", "{}", "schlüssel/", "*"] {
        let backend = OnRedis::start_with_prefix(prefix).await;
        let store = backend.store();
        backend.put(ANA_ID, ANA.as_bytes()).await;
        assert_eq!(load(&*store, ANA_ID).await, found(ANA), "{prefix:?}");
        assert_eq!(store.place(ANA_ID), format!("key `{prefix}{ANA_ID}`"));

        // The same id under another prefix is another session.
        let () = ask(&backend.connection, cmd("FLUSHALL").arg("SYNC")).await;
        for other in ["other:", "sess", "sess::", " "] {
            let () = ask(&backend.connection, cmd("SET").arg(format!("{other}{ANA_ID}")).arg(ANA)).await;
        }
        assert_eq!(load(&*store, ANA_ID).await, Ok(None), "{prefix:?}");
    }
}

#[tokio::test]
async fn a_session_whose_time_to_live_ran_out_is_none() {
    let backend = OnRedis::start().await;
    let store = backend.store();
    let key = backend.key(ANA_ID);
    let () = ask(&backend.connection, cmd("SET").arg(&key).arg(ANA).arg("EX").arg(3600)).await;
    assert_eq!(load(&*store, ANA_ID).await, found(ANA));
    ends_in_seconds(&*store, ANA_ID, 3600).await;
    let set: bool = ask(&backend.connection, cmd("PEXPIRE").arg(&key).arg(20)).await;
    assert!(set);
    until("the time to live runs out", || async { load(&*store, ANA_ID).await == Ok(None) }).await;
}

#[tokio::test]
async fn a_key_that_holds_no_string_is_not_a_session() {
    let backend = OnRedis::start().await;
    let store = backend.store();
    for (key, command) in [("list", "RPUSH"), ("set", "SADD"), ("channel", "PFADD")] {
        let () = ask(&backend.connection, cmd(command).arg(backend.key(key)).arg(ANA)).await;
    }
    let () = ask(&backend.connection, cmd("HSET").arg(backend.key("hash")).arg("data").arg(ANA)).await;
    for id in ["list", "set", "hash"] {
        let answer = load(&*store, id).await;
        assert!(matches!(answer, Err(Fault::NotASession(_))), "{id}: {answer:?}");
    }
    // That is about the key and says nothing about the server.
    backend.put(ANA_ID, ANA.as_bytes()).await;
    assert_eq!(load(&*store, ANA_ID).await, found(ANA));
    assert_eq!(*store.health().borrow(), Health::Up);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_at_once_and_found_when_it_comes() {
    let port = lasting_port();
    let store = open(&format!("redis://127.0.0.1:{port}"), &[("SESSION_STORE_TIMEOUT", "20s")]);
    becomes(&*store, Health::Down).await;
    for _ in 0..20 {
        is_unavailable_within(Duration::from_secs(1), &*store).await;
    }
    let redis = Redis::start_on(port, &[]).await;
    put_ana(&redis).await;
    becomes(&*store, Health::Up).await;
    assert_eq!(load(&*store, ANA_ID).await, found(ANA));
}

#[tokio::test]
async fn the_first_load_waits_for_the_connection() {
    let backend = OnRedis::start().await;
    backend.put(ANA_ID, ANA.as_bytes()).await;
    for _ in 0..20 {
        assert_eq!(load(&*backend.store(), ANA_ID).await, found(ANA));
    }
}

#[tokio::test]
async fn a_server_that_hangs_costs_the_timeout_and_no_more() {
    let backend = OnRedis::start().await;
    let store = open(
        &backend.redis.url(),
        &[("SESSION_STORE_TIMEOUT", "500ms"), ("SESSION_STORE_CONNECT_TIMEOUT", "500ms")],
    );
    backend.put(ANA_ID, ANA.as_bytes()).await;
    assert_eq!(load(&*store, ANA_ID).await, found(ANA));
    for _ in 0..2 {
        backend.redis.process().signal("STOP");
        // The first of them in time, and the ones after it while the store tries to connect to what hangs.
        for _ in 0..6 {
            is_unavailable_within(Duration::from_secs(2), &*store).await;
        }
        becomes(&*store, Health::Down).await;
        backend.redis.process().signal("CONT");
        finds_ana(&*store).await;
        becomes(&*store, Health::Up).await;
    }
}

#[tokio::test]
async fn a_server_that_was_killed_and_restarted_is_found_again() {
    let mut backend = OnRedis::start().await;
    let store = backend.store();
    for _ in 0..3 {
        put_ana(&backend.redis).await;
        finds_ana(&*store).await;
        backend.redis.kill().await;
        becomes(&*store, Health::Down).await;
        is_unavailable_within(Duration::from_secs(1), &*store).await;
        // Without a disk it is empty then: what is found is what the new one has.
        backend.redis.restart().await;
        becomes(&*store, Health::Up).await;
        assert_eq!(load(&*store, ANA_ID).await, Ok(None));
    }
}

#[tokio::test]
async fn a_connection_that_the_server_cut_is_bridged() {
    let backend = OnRedis::start().await;
    let store = backend.store();
    backend.put(ANA_ID, ANA.as_bytes()).await;
    becomes(&*store, Health::Up).await;
    for _ in 0..50 {
        let cut: u32 =
            ask(&backend.connection, cmd("CLIENT").arg(&["KILL", "TYPE", "NORMAL", "SKIPME", "YES"])).await;
        assert!(cut <= 1, "one connection carries all reads");
        assert_eq!(load(&*store, ANA_ID).await, found(ANA));
    }
}

#[tokio::test]
async fn a_wrong_password_is_unavailable_and_never_shown() {
    let redis = Redis::start_on(lasting_port(), &["--requirepass", "right-h0rse"]).await;
    for credentials in [":wrong-h0rse", "default:wrong-h0rse", "nobody:wrong-h0rse"] {
        let url = format!("redis://{credentials}@127.0.0.1:{}", redis.port);
        let store = open(&url, &[("SESSION_STORE_TIMEOUT", "20s")]);
        becomes(&*store, Health::Down).await;
        let cause = is_unavailable_within(Duration::from_secs(1), &*store).await;
        let debug = format!("{store:?}");
        for shown in [&cause, &debug] {
            assert!(!shown.contains("h0rse"), "{shown}");
        }
        assert!(cause.contains("authentication"), "the log is told why: {cause}");
    }
}

#[tokio::test]
async fn a_password_that_is_wanted_and_not_given_is_unavailable() {
    let redis = Redis::start_on(lasting_port(), &["--requirepass", "right-h0rse"]).await;
    let store = open(&redis.url(), &[]);
    becomes(&*store, Health::Down).await;
    for _ in 0..20 {
        is_unavailable_within(Duration::from_secs(1), &*store).await;
    }
}

#[tokio::test]
async fn a_right_password_is_taken_from_the_url_and_never_shown() {
    // Every character that means something in a URL.
    let password = "h0rse:/@?#[]%20 ü";
    let redis = Redis::start_on(lasting_port(), &["--requirepass", password]).await;
    let encoded = "h0rse%3A%2F%40%3F%23%5B%5D%2520%20%C3%BC";
    for credentials in [format!(":{encoded}"), format!("default:{encoded}")] {
        let url = format!("redis://{credentials}@127.0.0.1:{}", redis.port);
        let connection = connect(&url).await.unwrap();
        let () = ask(&connection, cmd("SET").arg(format!("sess:{ANA_ID}")).arg(ANA)).await;
        let store = open(&url, &[]);
        assert_eq!(load(&*store, ANA_ID).await, found(ANA));
        assert!(!format!("{store:?}").contains("h0rse"));
    }
}

#[tokio::test]
async fn a_user_who_may_only_get_sessions_is_enough() {
    let backend = OnRedis::start().await;
    let () = ask(
        &backend.connection,
        cmd("ACL").arg(&["SETUSER", "reader", "on", ">h0rse", "resetkeys", "~sess:*", "-@all", "+getrange"]),
    )
    .await;
    backend.put(ANA_ID, ANA.as_bytes()).await;
    let url = format!("redis://reader:h0rse@127.0.0.1:{}", backend.redis.port);
    let store = open(&url, &[]);
    assert_eq!(load(&*store, ANA_ID).await, found(ANA));
    assert_eq!(load(&*store, "absent").await, Ok(None));
    // Health looks at the server by other means than a read, and this user has none.
    becomes(&*store, Health::Up).await;
    let Err(Fault::Refused(cause)) = destroy(&*store, ANA_ID).await else { panic!("it may write") };
    assert!(cause.contains("+del ~sess:*") && cause.contains("docs/redis.md"), "{cause}");
    assert_eq!(load(&*store, ANA_ID).await, found(ANA));

    let elsewhere = open(&url, &[("SESSION_PREFIX", "other:")]);
    let cause = is_unavailable_within(Duration::from_secs(1), &*elsewhere).await;
    assert!(cause.contains("permission") && !cause.contains("h0rse"), "{cause}");
}

#[tokio::test]
async fn rights_are_asked_for_only_where_they_are_missing() {
    let mut backend = OnRedis::start().await;
    let service = ServiceProcess::start(&[("SESSION_STORE", &backend.redis.url())]).await;
    service.process.output().line("changed sessions are heard of").await;
    backend.redis.kill().await;
    let line = service.process.output().line("changed sessions are not heard of").await;
    assert!(line.contains("as soon as it answers") && !line.contains("docs/redis.md"), "{line}");

    let redis = Redis::start().await;
    let user = ["SETUSER", "reader", "on", ">h0rse", "resetkeys", "~sess:*", "-@all", "+getrange"];
    let () = ask(&redis.connection().await, cmd("ACL").arg(&user)).await;
    let url = format!("redis://reader:h0rse@127.0.0.1:{}", redis.port);
    let service = ServiceProcess::start(&[("SESSION_STORE", &url)]).await;
    let line = service.process.output().line("changed sessions are not heard of").await;
    assert!(line.contains("docs/redis.md") && line.contains("client|tracking"), "{line}");
}

#[tokio::test]
async fn the_database_number_in_the_url_is_respected() {
    let backend = OnRedis::start().await;
    let key = backend.key(ANA_ID);
    for database in [0, 3, 15] {
        let url = format!("{}/{database}", backend.redis.url());
        let connection = connect(&url).await.unwrap();
        let () = ask(&connection, cmd("SET").arg(&key).arg(format!("in {database}"))).await;
    }
    for database in [0, 3, 15] {
        let store = open(&format!("{}/{database}", backend.redis.url()), &[]);
        assert_eq!(load(&*store, ANA_ID).await, found(format!("in {database}")));
    }
    let store = open(&backend.redis.url(), &[]);
    assert_eq!(load(&*store, ANA_ID).await, found("in 0"));
    let store = open(&format!("{}/4", backend.redis.url()), &[]);
    assert_eq!(load(&*store, ANA_ID).await, Ok(None));
    // Servers have 16 unless told otherwise.
    let store = open(&format!("{}/16", backend.redis.url()), &[]);
    becomes(&*store, Health::Down).await;
    is_unavailable_within(Duration::from_secs(1), &*store).await;
}

#[tokio::test]
async fn a_server_that_refuses_every_command_is_not_stormed_with_connections() {
    let backend = OnRedis::start().await;
    let store = backend.store();
    backend.put(ANA_ID, ANA.as_bytes()).await;
    let () = ask(&backend.connection, cmd("CONFIG").arg(&["SET", "requirepass", "right-h0rse"])).await;
    let refused = open(&backend.redis.url(), &[]);
    becomes(&*refused, Health::Down).await;

    // The checks of a store that is well tell the time: some 500 ms each.
    let start = Instant::now();
    let before = connections_so_far(&backend.connection).await;
    let checks = commands_so_far(&backend.connection, "ping").await;
    until("a few checks passed", || async {
        commands_so_far(&backend.connection, "ping").await >= checks + 3
    })
    .await;
    let made = connections_so_far(&backend.connection).await - before;
    assert!(made <= 5 + 5 * start.elapsed().as_secs(), "{made} connections in {:?}", start.elapsed());
    assert_eq!(load(&*store, ANA_ID).await, found(ANA));

    // And it is let in as soon as nothing is wanted any more.
    let () = ask(&backend.connection, cmd("CONFIG").arg(&["SET", "requirepass", ""])).await;
    becomes(&*refused, Health::Up).await;
    assert_eq!(load(&*refused, ANA_ID).await, found(ANA));
}

async fn connections_so_far(connection: &MultiplexedConnection) -> u64 {
    let stats: String = ask(connection, cmd("INFO").arg("stats")).await;
    let line = stats.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
    line.unwrap().parse().unwrap()
}

async fn commands_so_far(connection: &MultiplexedConnection, name: &str) -> u64 {
    let stats: String = ask(connection, cmd("INFO").arg("commandstats")).await;
    let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn a_server_that_cannot_save_is_up_for_reads() {
    let redis = Redis::start_on(lasting_port(), &["--save", "3600", "1"]).await;
    put_ana(&redis).await;
    let connection = connect(&redis.url()).await.unwrap();
    std::fs::remove_dir_all(redis.directory()).unwrap();
    let _: String = ask(&connection, &cmd("BGSAVE")).await;
    until("saving failed", || async {
        let state: String = ask(&connection, cmd("INFO").arg("persistence")).await;
        state.contains("rdb_last_bgsave_status:err")
    })
    .await;
    let refused = cmd("PING").query_async::<String>(&mut connection.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Some("MISCONF"), "it refuses even what the store checks it with");

    let store = open(&redis.url(), &[]);
    becomes(&*store, Health::Up).await;
    let before = connections_so_far(&connection).await;
    for _ in 0..100 {
        assert_eq!(load(&*store, ANA_ID).await, found(ANA));
    }
    assert_eq!(*store.health().borrow(), Health::Up);
    assert_eq!(connections_so_far(&connection).await, before);
}

#[tokio::test]
async fn a_server_that_still_loads_its_data_is_unavailable_until_it_has() {
    // It takes 20 ms for each key and listens to clients in between.
    let slowly = ["--key-load-delay", "20000", "--loading-process-events-interval-bytes", "1024"];
    let mut redis = Redis::start_on(lasting_port(), &slowly).await;
    let store = open(&redis.url(), &[("SESSION_STORE_TIMEOUT", "20s")]);
    put_ana(&redis).await;
    let connection = connect(&redis.url()).await.unwrap();
    for number in 0..1000 {
        let () = ask(&connection, cmd("SET").arg(format!("sess:{number}")).arg("x".repeat(2000))).await;
    }
    let () = ask(&connection, &cmd("SAVE")).await;
    finds_ana(&*store).await;
    redis.kill().await;
    redis.restart().await;
    becomes(&*store, Health::Down).await;

    let connection = connect(&redis.url()).await.unwrap();
    let loads =
        async || ask::<String>(&connection, cmd("INFO").arg("persistence")).await.contains("\nloading:1");
    until("it loads", &loads).await;
    for _ in 0..20 {
        is_unavailable_within(Duration::from_secs(1), &*store).await;
    }
    assert!(loads().await, "it loaded faster than this test asks");
    let () = ask(&connection, cmd("CONFIG").arg(&["SET", "key-load-delay", "0"])).await;
    finds_ana(&*store).await;
    becomes(&*store, Health::Up).await;
}
