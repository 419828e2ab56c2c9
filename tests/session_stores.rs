//! What every session store promises, asked of each; and what can befall Redis alone.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use redis::{Cmd, FromRedisValue, aio::MultiplexedConnection, cmd};
use socketpass::session_store::{Fault, Health, MemoryStore, SessionId, SessionStore};
use tokio::{task::JoinSet, time::timeout};

use crate::support::{
    ANA, ANA_ID,
    ports::lasting_port,
    redis::Redis,
    store::{becomes, connect, finds_ana, found, is_unavailable_within, load, open, put_ana},
    until,
};

/// A store, and the way in that the web app has.
#[async_trait]
trait Backend: Send + Sync {
    /// The store under test.
    fn store(&self) -> Arc<dyn SessionStore>;

    /// Stores raw bytes.
    async fn put(&self, id: &str, session: &[u8]);

    /// Removes what is stored.
    async fn remove(&self, id: &str);

    /// Where `put` puts it.
    fn key(&self, id: &str) -> String;
}

#[derive(Default)]
struct InMemory(Arc<MemoryStore>);

#[async_trait]
impl Backend for InMemory {
    fn store(&self) -> Arc<dyn SessionStore> {
        Arc::clone(&self.0) as Arc<dyn SessionStore>
    }

    async fn put(&self, id: &str, session: &[u8]) {
        self.0.insert(id, session);
    }

    async fn remove(&self, id: &str) {
        self.0.remove(id);
    }

    fn key(&self, id: &str) -> String {
        id.to_owned()
    }
}

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

    fn key(&self, id: &str) -> String {
        format!("{}{id}", self.prefix)
    }
}

async fn ask<T: FromRedisValue>(connection: &MultiplexedConnection, command: &Cmd) -> T {
    command.query_async(&mut connection.clone()).await.unwrap()
}

/// Each check as a test of each kind of store.
macro_rules! contract {
    ($($check:ident),+ $(,)?) => {
        mod in_memory {
            $(
                #[tokio::test]
                async fn $check() {
                    super::$check(&super::InMemory::default()).await;
                }
            )+
        }

        mod on_redis {
            $(
                #[tokio::test]
                async fn $check() {
                    super::$check(&super::OnRedis::start().await).await;
                }
            )+
        }
    };
}

contract!(
    a_session_comes_back_byte_for_byte,
    an_id_is_taken_to_the_letter,
    ids_are_case_sensitive,
    no_id_matches_a_part_of_another,
    an_absent_session_is_none,
    an_empty_session_is_none,
    no_more_is_read_than_is_taken,
    a_removed_session_is_none,
    a_replaced_session_is_seen_at_once,
    loads_at_the_same_time_each_get_their_own_answer,
    a_load_that_is_given_up_leaves_the_others_their_own_answers,
    health_becomes_up,
    the_key_tells_where_a_session_is,
);

async fn an_empty_session_is_none(backend: &dyn Backend) {
    let store = backend.store();
    backend.put("empty", b"").await;
    assert_eq!(load(&*store, "empty").await, Ok(None));
}

async fn no_more_is_read_than_is_taken(backend: &dyn Backend) {
    let store = backend.store();
    backend.put("ten", b"0123456789").await;
    let id = SessionId::new("ten".to_owned()).unwrap();
    for (max_bytes, read) in
        [(usize::MAX, "0123456789"), (10, "0123456789"), (9, "0123456789"), (8, "012345678"), (0, "0")]
    {
        assert_eq!(store.load(&id, max_bytes).await, found(read), "{max_bytes}");
    }
}

async fn a_session_comes_back_byte_for_byte(backend: &dyn Backend) {
    let store = backend.store();
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    let megabyte: Vec<u8> =
        (0..1_u32 << 18).flat_map(|word| word.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    assert_eq!(megabyte.len(), 1 << 20);
    for session in [
        ANA.as_bytes(),
        b"\0",
        b"nil",
        b"$-1\r\n",
        b"+OK\r\n*2\r\n",
        b"\xff\xfe \xc3\x28",
        &every_byte,
        &megabyte,
    ] {
        backend.put(ANA_ID, session).await;
        let answer = load(&*store, ANA_ID).await;
        let shown = String::from_utf8_lossy(&session[..session.len().min(32)]);
        assert!(answer == found(session), "{} bytes: {shown:?}", session.len());
    }
}

async fn an_id_is_taken_to_the_letter(backend: &dyn Backend) {
    let store = backend.store();
    let long = "long".repeat(10_000);
    let ids = [
        "plain",
        " plain",
        "plain ",
        "two words",
        "  ",
        "zero\0zero",
        "\0",
        "line\nline",
        "line\r\nGET sess:plain\r\n",
        "\"quoted\"",
        "'quoted'",
        "back\\slash",
        "\\n",
        "../../x",
        "../",
        "%2e%2e%2fx",
        "{tag}",
        "{}",
        "}{",
        "sess:plain",
        ":",
        "*",
        "pl?in",
        "pl[a-z]in",
        "${plain}",
        "\u{feff}plain",
        "ключ",
        "鍵\u{202e}🔑",
        // Composed and decomposed: one to a person, two to a store.
        "\u{e9}",
        "e\u{301}",
        &long,
    ];
    for id in ids {
        backend.put(id, format!("of {id}").as_bytes()).await;
    }
    for id in ids {
        assert!(load(&*store, id).await == found(format!("of {id}")), "{id:?}");
    }
}

async fn ids_are_case_sensitive(backend: &dyn Backend) {
    let store = backend.store();
    backend.put("CaseÄ", b"its own").await;
    for other in ["casEÄ", "caseä", "CASEÄ", "Caseä"] {
        assert_eq!(load(&*store, other).await, Ok(None), "{other:?}");
    }
    backend.put("caseä", b"another").await;
    assert_eq!(load(&*store, "CaseÄ").await, found("its own"));
    assert_eq!(load(&*store, "caseä").await, found("another"));
}

async fn no_id_matches_a_part_of_another(backend: &dyn Backend) {
    let store = backend.store();
    backend.put("abcdef", b"whole").await;
    for part in [
        "a",
        "abc",
        "abcde",
        "def",
        "bcdef",
        "abcdefg",
        "xabcdef",
        "abcdef ",
        " abcdef",
        "abcdef\0",
        "abcdef\n",
        "abc*",
        "*",
        "abcde?",
        "abcde[f]",
        "abcdef/",
        "./abcdef",
        "abcdef.json",
    ] {
        assert_eq!(load(&*store, part).await, Ok(None), "{part:?}");
    }
    assert_eq!(load(&*store, "abcdef").await, found("whole"));
}

async fn an_absent_session_is_none(backend: &dyn Backend) {
    let store = backend.store();
    assert_eq!(load(&*store, ANA_ID).await, Ok(None));
    backend.put("somebody else's", ANA.as_bytes()).await;
    assert_eq!(load(&*store, ANA_ID).await, Ok(None));
}

async fn a_removed_session_is_none(backend: &dyn Backend) {
    let store = backend.store();
    backend.put(ANA_ID, ANA.as_bytes()).await;
    backend.put("another", ANA.as_bytes()).await;
    assert_eq!(load(&*store, ANA_ID).await, found(ANA));
    backend.remove(ANA_ID).await;
    assert_eq!(load(&*store, ANA_ID).await, Ok(None));
    assert_eq!(load(&*store, "another").await, found(ANA));
}

async fn a_replaced_session_is_seen_at_once(backend: &dyn Backend) {
    let store = backend.store();
    for revision in 0..100 {
        let session = format!("{{\"revision\":{revision}}}");
        backend.put(ANA_ID, session.as_bytes()).await;
        assert_eq!(load(&*store, ANA_ID).await, found(session));
    }
}

/// Sessions of different sizes, some of which are absent: what an answer that went to somebody else would show.
fn session_number(number: usize) -> Option<String> {
    (!number.is_multiple_of(5)).then(|| format!("{number} ").repeat(1 + number * 37 % 1000))
}

async fn put_numbered_sessions(backend: &dyn Backend) {
    for number in 0..200 {
        if let Some(session) = session_number(number) {
            backend.put(&number.to_string(), session.as_bytes()).await;
        }
    }
}

async fn assert_own_answers(store: &Arc<dyn SessionStore>) {
    let mut loads = JoinSet::new();
    for number in 0..200 {
        let store = Arc::clone(store);
        loads.spawn(async move { (number, load(&*store, &number.to_string()).await) });
    }
    let answers = loads.join_all().await;
    assert_eq!(answers.len(), 200);
    for (number, answer) in answers {
        assert!(answer == Ok(session_number(number).map(String::into_bytes)), "{number}");
    }
}

async fn loads_at_the_same_time_each_get_their_own_answer(backend: &dyn Backend) {
    let store = backend.store();
    put_numbered_sessions(backend).await;
    assert_own_answers(&store).await;
}

async fn a_load_that_is_given_up_leaves_the_others_their_own_answers(backend: &dyn Backend) {
    let store = backend.store();
    put_numbered_sessions(backend).await;
    becomes(&*store, Health::Up).await;
    for number in 0..200 {
        // Polled once, so that it is on its way when nobody wants it any more.
        let _ = timeout(Duration::ZERO, load(&*store, &number.to_string())).await;
    }
    assert_own_answers(&store).await;
}

async fn health_becomes_up(backend: &dyn Backend) {
    let store = backend.store();
    becomes(&*store, Health::Up).await;
}

async fn the_key_tells_where_a_session_is(backend: &dyn Backend) {
    let store = backend.store();
    for id in [ANA_ID, "Zk3…", "two words", ""] {
        assert_eq!(store.key(id), backend.key(id));
    }
}

#[tokio::test]
async fn a_key_is_the_prefix_and_the_id_whatever_the_prefix_is() {
    for prefix in ["", "sess:", "my app: ", "{app}:", "{}", "schlüssel/", "*"] {
        let backend = OnRedis::start_with_prefix(prefix).await;
        let store = backend.store();
        backend.put(ANA_ID, ANA.as_bytes()).await;
        assert_eq!(load(&*store, ANA_ID).await, found(ANA), "{prefix:?}");
        assert_eq!(store.key(ANA_ID), format!("{prefix}{ANA_ID}"));

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

    let elsewhere = open(&url, &[("SESSION_PREFIX", "other:")]);
    let cause = is_unavailable_within(Duration::from_secs(1), &*elsewhere).await;
    assert!(cause.contains("permission") && !cause.contains("h0rse"), "{cause}");
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
