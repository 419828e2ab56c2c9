//! What can befall a store that is asked over a network: away, silent, speaking something else, cut off.

use std::{path::Path, time::Duration};

use rand::RngCore as _;
use socketpass::session_store::{Fault, Health};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, sqlite::SqliteConnectOptions,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
    time::timeout,
};

use crate::support::{
    ANA, ANA_ID,
    mariadb::MariaDb,
    memcached::Memcached,
    ports::lasting_port,
    postgres::Postgres,
    proxy::Proxy,
    store::{becomes, destroy, finds_ana, is_unavailable_within, load, open},
};

/// URLs of stores at a port.
fn urls(port: u16) -> Vec<String> {
    vec![
        format!("postgres://u:hunter2@127.0.0.1:{port}/app"),
        format!("mysql://u:hunter2@127.0.0.1:{port}/app"),
        format!("memcache://127.0.0.1:{port}"),
        format!("mongodb://u:hunter2@127.0.0.1:{port}/app"),
    ]
}

const SHORT: [(&str, &str); 2] =
    [("SESSION_STORE_TIMEOUT", "300ms"), ("SESSION_STORE_CONNECT_TIMEOUT", "300ms")];

#[tokio::test]
async fn a_server_that_is_not_there_is_said_at_once() {
    for url in urls(lasting_port()) {
        let store = open(&url, &[("SESSION_STORE_TIMEOUT", "20s")]);
        becomes(&*store, Health::Down).await;
        for _ in 0..20 {
            let cause = is_unavailable_within(Duration::from_secs(1), &*store).await;
            assert!(!cause.contains("hunter2"), "{cause}");
        }
        let destroyed = timeout(Duration::from_secs(1), destroy(&*store, ANA_ID)).await.expect("at once");
        assert!(matches!(destroyed, Err(Fault::Unavailable(_))), "{url}: {destroyed:?}");
        assert!(!format!("{store:?}").contains("hunter2"));
    }
}

/// A server that does this with each connection.
async fn server(garbage: Option<&'static [u8]>) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let mut held = vec![];
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let Some(garbage) = garbage else {
                held.push(stream);
                continue;
            };
            tokio::spawn(async move {
                let mut asked = [0; 4096];
                // Whether the server speaks first or not.
                let _ = stream.write_all(garbage).await;
                while stream.read(&mut asked).await.is_ok_and(|read| read > 0) {
                    let mut noise = [0; 4096];
                    rand::rng().fill_bytes(&mut noise);
                    let _ = stream.write_all(garbage).await;
                    let _ = stream.write_all(&noise).await;
                }
            });
        }
    });
    (port, serving)
}

#[tokio::test]
async fn a_server_that_takes_connections_and_says_nothing_costs_the_timeout_and_no_more() {
    let (port, serving) = server(None).await;
    for url in urls(port) {
        let store = open(&url, &SHORT);
        is_unavailable_within(Duration::from_millis(1500), &*store).await;
        becomes(&*store, Health::Down).await;
        is_unavailable_within(Duration::from_millis(250), &*store).await;
    }
    serving.abort();
}

#[tokio::test]
async fn a_server_that_speaks_something_else_is_not_believed() {
    for garbage in [
        b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice(),
        b"\0",
        b"\n\n\n",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"VALUE socketpass 2 4000000000000\r\n",
        b"VALUE another 2 2\r\n{}\r\nEND\r\n",
        b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I",
    ] {
        let (port, serving) = server(Some(garbage)).await;
        for url in urls(port) {
            let store = open(&url, &SHORT);
            for _ in 0..3 {
                is_unavailable_within(Duration::from_millis(1500), &*store).await;
            }
        }
        serving.abort();
    }
}

#[tokio::test]
async fn a_network_that_is_cut_is_noticed_and_found_again() {
    let postgres = Postgres::create().await;
    let create = format!(
        "CREATE TABLE session (sid varchar PRIMARY KEY, sess json, expire timestamp);
         INSERT INTO session VALUES ('{ANA_ID}', '{ANA}', 'infinity')"
    );
    postgres.client.batch_execute(&create).await.unwrap();
    let mariadb = MariaDb::create().await;
    for statement in [
        "CREATE TABLE sessions (session_id varchar(128) PRIMARY KEY, expires int unsigned, data text)"
            .to_owned(),
        format!("INSERT INTO sessions VALUES ('{ANA_ID}', 4000000000, '{ANA}')"),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut mariadb.connection().await).await.unwrap();
    }
    let memcached = Memcached::start().await;
    memcached.set(ANA_ID, 2, ANA.as_bytes()).await;
    for (url, port) in
        [(postgres.url(), postgres.port), (mariadb.url(), mariadb.port), (memcached.url(), memcached.port)]
    {
        let proxy = Proxy::to(port).await;
        let store = open(&url.replace(&format!(":{port}"), &format!(":{}", proxy.port)), &SHORT);
        finds_ana(&*store).await;
        becomes(&*store, Health::Up).await;
        let before = store.connection();
        assert!(before > 0, "{url}");
        proxy.cut();
        becomes(&*store, Health::Down).await;
        is_unavailable_within(Duration::from_millis(250), &*store).await;
        proxy.mend();
        becomes(&*store, Health::Up).await;
        finds_ana(&*store).await;
        assert!(store.connection() > before, "{url}");
    }
}

#[tokio::test]
async fn a_server_that_freezes_is_noticed_and_found_again() {
    let memcached = Memcached::start().await;
    memcached.set(ANA_ID, 2, ANA.as_bytes()).await;
    let store = open(&memcached.url(), &SHORT);
    finds_ana(&*store).await;
    memcached.process().signal("STOP");
    is_unavailable_within(Duration::from_millis(1500), &*store).await;
    becomes(&*store, Health::Down).await;
    memcached.process().signal("CONT");
    finds_ana(&*store).await;
}

#[tokio::test]
async fn files_that_are_not_there_or_something_else() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(at("text"), "not a database, and longer than the header of one. ".repeat(100)).unwrap();
    pipe(&folder.path().join("pipe"));
    for (url, cause) in [
        (format!("sqlite:{}", at("absent")), "No such file"),
        (format!("sqlite:{}", at("")), "it is no file"),
        (format!("sqlite:{}", at("pipe")), "it is no file"),
        (format!("sqlite:{}", at("text")), "not a database"),
        (format!("file:{}", at("absent")), "No such file"),
        (format!("file:{}", at("text")), "Not a directory"),
    ] {
        let store = open(&url, &[]);
        becomes(&*store, Health::Down).await;
        let answer = load(&*store, ANA_ID).await;
        assert!(format!("{answer:?}").contains(cause), "{url}: {answer:?}");
    }
}

/// Whoever opens it waits for somebody at the other end.
fn pipe(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[tokio::test]
async fn a_file_that_hangs_is_noticed_and_found_again() {
    let folder = TempDir::new().unwrap();
    let [file, journal] = ["sessions", "sessions-journal"].map(|name| folder.path().join(name));
    let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let mut app = options.connect().await.unwrap();
    for statement in [
        "CREATE TABLE sessions (sid PRIMARY KEY, expired, sess)".to_owned(),
        format!("INSERT INTO sessions VALUES ('{ANA_ID}', 4000000000000, '{ANA}')"),
    ] {
        app.execute(AssertSqlSafe(statement)).await.unwrap();
    }
    app.close().await.unwrap();
    let store = open(&format!("sqlite:{}", file.display()), &SHORT);
    finds_ana(&*store).await;
    // SQLite looks there for what another left half done.
    pipe(&journal);
    is_unavailable_within(Duration::from_millis(1500), &*store).await;
    becomes(&*store, Health::Down).await;
    for _ in 0..20 {
        is_unavailable_within(Duration::from_millis(250), &*store).await;
    }
    std::fs::rename(&journal, folder.path().join("elsewhere")).unwrap();
    drop(tokio::fs::File::options().write(true).open(folder.path().join("elsewhere")).await.unwrap());
    finds_ana(&*store).await;
}
