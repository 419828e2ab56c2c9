//! A Redis server, its replica, and three Sentinels that watch over both.

use std::{collections::HashMap, fmt::Write as _, time::Duration};

use redis::{RedisResult, Value, aio::MultiplexedConnection, cmd, from_redis_value};
use tempfile::TempDir;
use tokio::{net::TcpStream, process::Command};

use super::{
    PATIENCE, ports::lasting_port, process::Process, redis::Redis, store::connect, tls::Authority, until,
};

pub struct Sentinels {
    /// The primary at first.
    pub first: Redis,
    /// Its replica at first.
    pub second: Redis,
    sentinels: Vec<Sentinel>,
}

/// What the Sentinels call the primary.
pub const NAME: &str = "web-sessions";
/// Of the Redis servers; the Sentinels themselves want none.
const PASSWORD: &str = "h0rse";

impl Sentinels {
    pub async fn start() -> Self {
        // A new replica gets its data at once, and not after five seconds in which others might want them too.
        let arguments =
            ["--requirepass", PASSWORD, "--masterauth", PASSWORD, "--repl-diskless-sync-delay", "0"];
        let first = Redis::start_on(lasting_port(), &arguments).await;
        let port = first.port.to_string();
        let of_the_first = [&arguments[..], &["--replicaof", "127.0.0.1", &port]].concat();
        let second = Redis::start_on(lasting_port(), &of_the_first).await;
        until("the replica follows", || async {
            let state: String =
                cmd("INFO").arg("replication").query_async(&mut connection(&second).await).await.unwrap();
            state.contains("master_link_status:up")
        })
        .await;

        let settings = format!("sentinel auth-pass {NAME} {PASSWORD}\n");
        let sentinels: Vec<_> = (0..3).map(|_| Sentinel::start(first.port, 2, &settings)).collect();
        for sentinel in &sentinels {
            sentinel.hurry().await;
        }
        for sentinel in &sentinels {
            until("a Sentinel knows the servers and the others", || async {
                let state = sentinel.state().await;
                state["flags"] == "master"
                    && state["num-slaves"] == "1"
                    && state["num-other-sentinels"] == "2"
            })
            .await;
        }
        Self { first, second, sentinels }
    }

    /// The store's URL: all Sentinels, and the password of the servers.
    pub fn url(&self, database: u8) -> String {
        self.url_of(NAME, database)
    }

    pub fn url_of(&self, name: &str, database: u8) -> String {
        let hosts: Vec<_> =
            self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port)).collect();
        format!("redis+sentinel://:{PASSWORD}@{}/{name}/{database}", hosts.join(","))
    }

    /// Has the two change their roles while both are alive, and waits until they have.
    pub async fn fail_over(&self) {
        until("the failover begins", || async {
            // Refused while the Sentinel has not heard of the replica lately.
            let mut sentinel = self.sentinels[0].connection().await;
            cmd("SENTINEL").arg(&["FAILOVER", NAME]).query_async::<()>(&mut sentinel).await.is_ok()
        })
        .await;
        becomes(&self.second, "master").await;
        becomes(&self.first, "slave").await;
    }

    /// Kills the primary and waits until the replica has been promoted.
    pub async fn kill_primary(&mut self) {
        self.first.kill().await;
        self.take_for_dead_after(Duration::from_millis(500)).await;
        becomes(&self.second, "master").await;
        self.take_for_dead_after(PATIENCE).await;
    }

    /// Sentinels that are quick to take a server for dead have servers of a busy machine change their roles, and
    /// back, when no test asks for it: they are quick only while one is dead.
    async fn take_for_dead_after(&self, silence: Duration) {
        let silence = silence.as_millis().to_string();
        for sentinel in &self.sentinels {
            let mut command = cmd("SENTINEL");
            command.arg(&["SET", NAME, "down-after-milliseconds", &silence]);
            let () = command.query_async(&mut sentinel.connection().await).await.unwrap();
        }
    }

    /// Starts the first again, empty, and waits until it is the other's replica.
    pub async fn restart_first(&mut self) {
        self.first.restart().await;
        becomes(&self.first, "slave").await;
    }

    /// The Sentinel that the URL names first.
    pub fn first_sentinel(&mut self) -> &mut Process {
        &mut self.sentinels[0].process
    }
}

/// A connection to one of the servers. Does not last: a change of roles cuts it.
pub async fn connection(redis: &Redis) -> MultiplexedConnection {
    try_connection(redis).await.unwrap()
}

async fn try_connection(redis: &Redis) -> RedisResult<MultiplexedConnection> {
    connect(&format!("redis://:{PASSWORD}@127.0.0.1:{}", redis.port)).await
}

async fn becomes(redis: &Redis, wanted: &str) {
    until(wanted, || async { role(redis).await.is_ok_and(|role| role == wanted) }).await;
}

async fn role(redis: &Redis) -> RedisResult<String> {
    let role: Vec<Value> = cmd("ROLE").query_async(&mut try_connection(redis).await?).await?;
    Ok(from_redis_value(role.into_iter().next().unwrap())?)
}

/// A single Sentinel that speaks TLS with the primary and, on the port that it gives, with clients.
pub async fn start_with_tls(authority: &Authority, primary: u16) -> (Sentinel, u16) {
    let port = lasting_port();
    let mut settings = "tls-replication yes\n".to_owned();
    for argument in authority.redis_arguments(port, &["127.0.0.1"]).chunks(2) {
        writeln!(settings, "{} {}", argument[0].trim_start_matches("--"), argument[1]).unwrap();
    }
    let sentinel = Sentinel::start(primary, 1, &settings);
    sentinel.hurry().await;
    until("the Sentinel knows the server", || async { sentinel.state().await["flags"] == "master" }).await;
    (sentinel, port)
}

pub struct Sentinel {
    port: u16,
    process: Process,
    /// It writes what it learns into its settings.
    _directory: TempDir,
}

impl Sentinel {
    fn start(primary: u16, quorum: u8, settings: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let port = lasting_port();
        let silence = PATIENCE.as_millis();
        // Were each to vote for itself, twice the failover timeout would have to pass before they vote again.
        let settings = format!(
            "port {port}\n\
             bind 127.0.0.1\n\
             sentinel monitor {NAME} 127.0.0.1 {primary} {quorum}\n\
             sentinel down-after-milliseconds {NAME} {silence}\n\
             sentinel failover-timeout {NAME} 3000\n\
             {settings}"
        );
        let file = directory.path().join("sentinel.conf");
        std::fs::write(&file, settings).unwrap();
        let process = Process::start(
            Command::new("redis-server").arg(&file).arg("--sentinel").current_dir(directory.path()),
        );
        Self { port, process, _directory: directory }
    }

    async fn connection(&self) -> MultiplexedConnection {
        connect(&format!("redis://127.0.0.1:{}", self.port)).await.unwrap()
    }

    /// By default it hears of a replica within ten seconds, and takes a machine that is busy for one whose clock jumps.
    async fn hurry(&self) {
        until("the Sentinel listens", || async {
            TcpStream::connect(("127.0.0.1", self.port)).await.is_ok()
        })
        .await;
        let mut command = cmd("SENTINEL");
        command.arg("DEBUG");
        for (period, milliseconds) in
            [("INFO-PERIOD", 200), ("PUBLISH-PERIOD", 200), ("ASK-PERIOD", 100), ("TILT-TRIGGER", 60_000)]
        {
            command.arg(period).arg(milliseconds);
        }
        let () = command.query_async(&mut self.connection().await).await.unwrap();
    }

    /// What it knows of the primary.
    async fn state(&self) -> HashMap<String, String> {
        cmd("SENTINEL").arg(&["MASTER", NAME]).query_async(&mut self.connection().await).await.unwrap()
    }
}
