//! A PostgreSQL for all tests, in a time zone that nobody would guess.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls, error::SqlState};

use super::{
    PATIENCE,
    ports::lasting_port,
    shared_server::{SharedServer, certify, is_root, run},
};

/// Three quarters of an hour off whatever else is used.
const TIME_ZONE: &str = "Pacific/Chatham";

pub const PASSWORD: &str = "pg:p@ss/word";
const PASSWORD_IN_URL: &str = "pg%3Ap%40ss%2Fword";

struct Server {
    port: u16,
    authority: PathBuf,
    _server: SharedServer,
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let folder = TempDir::new().unwrap().keep();
        let data = folder.join("data");
        let password = folder.join("password");
        fs::write(&password, PASSWORD).unwrap();
        let [certificate, key, authority] = certify(&folder);
        if is_root() {
            run(&words(&["chown", "-R", "postgres", path(&folder)]));
        }
        let mut initdb = as_postgres(&["initdb"]);
        initdb.extend(words(&[
            "--pgdata",
            path(&data),
            "--username",
            "postgres",
            "--pwfile",
            path(&password),
        ]));
        initdb.extend(words(&[
            "--auth",
            "scram-sha-256",
            "--encoding",
            "UTF8",
            "--locale",
            "C.UTF-8",
            "--no-sync",
        ]));
        run(&initdb);
        let port = lasting_port();
        let mut postgres = as_postgres(&["postgres"]);
        postgres.extend(words(&[
            "-D",
            path(&data),
            "-p",
            &port.to_string(),
            "-F",
            "-k",
            "",
            "-h",
            "127.0.0.1",
        ]));
        postgres.extend(words(&["-c", &format!("timezone={TIME_ZONE}"), "-c", "max_connections=300"]));
        for (name, file) in [("ssl_cert_file", &certificate), ("ssl_key_file", &key)] {
            postgres.extend(words(&["-c", "ssl=on", "-c", &format!("{name}={}", file.display())]));
        }
        Server { port, authority, _server: SharedServer::start(&folder, port, &postgres) }
    })
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// PostgreSQL refuses to run as root; Debian keeps its programs out of the path.
fn as_postgres(program: &[&str]) -> Vec<String> {
    let user: &[&str] =
        if is_root() { &["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] } else { &[] };
    let mut command = words(user);
    let found = newest_debian(program[0]);
    command.push(found.map_or_else(|| program[0].to_owned(), |found| path(&found).to_owned()));
    command.extend(words(&program[1..]));
    command
}

fn newest_debian(program: &str) -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut versions: Vec<_> =
        versions.filter_map(|version| Some(version.ok()?.path().join("bin").join(program))).collect();
    versions.retain(|path| path.exists());
    versions.sort();
    versions.pop()
}

/// A database of a test's own.
pub struct Postgres {
    pub port: u16,
    pub name: String,
    pub client: Client,
    speaker: JoinHandle<()>,
}

impl Postgres {
    pub async fn create() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let port = tokio::task::spawn_blocking(|| server().port).await.unwrap();
        let name = format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let (administrator, speaker) = connect(&url("postgres", port, "postgres")).await;
        administrator.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        speaker.abort();
        let (client, speaker) = connect(&url("postgres", port, &name)).await;
        Self { port, name, client, speaker }
    }

    /// As the web app comes in.
    pub fn url(&self) -> String {
        url("postgres", self.port, &self.name)
    }

    /// Who signed its certificate, which is for 127.0.0.1.
    pub fn authority(&self) -> &'static Path {
        &server().authority
    }

    /// As somebody who may read one table and nothing else.
    pub async fn reader(&self, table: &str) -> String {
        let reader = format!("reader_of_{}", self.name);
        self.client
            .batch_execute(&format!(
                "CREATE ROLE {reader} LOGIN PASSWORD '{PASSWORD}'; GRANT SELECT ON {table} TO {reader}"
            ))
            .await
            .unwrap();
        url(&reader, self.port, &self.name)
    }

    /// Lets the reader do more with its table.
    pub async fn grant(&self, right: &str, table: &str) {
        let grant = format!("GRANT {right} ON {table} TO reader_of_{}", self.name);
        self.client.batch_execute(&grant).await.unwrap();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.speaker.abort();
    }
}

fn url(user: &str, port: u16, database: &str) -> String {
    format!("postgres://{user}:{PASSWORD_IN_URL}@127.0.0.1:{port}/{database}")
}

async fn connect(url: &str) -> (Client, JoinHandle<()>) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match tokio_postgres::connect(url, NoTls).await {
            Ok((client, connection)) => return (client, tokio::spawn(async move { drop(connection.await) })),
            // It listens before it is ready.
            Err(error) if error.code() == Some(&SqlState::CANNOT_CONNECT_NOW) => {
                assert!(Instant::now() < deadline, "PostgreSQL does not become ready");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}
