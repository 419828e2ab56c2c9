//! A Redis server, its replica, and three Sentinels that watch over both.

use std::{collections::HashMap, fmt::Write as _};

use redis::{Client, RedisResult, Value, aio::MultiplexedConnection, cmd, from_redis_value};
use tempfile::TempDir;
use tokio::{net::TcpStream, process::Command};

use super::{ports::lasting_port, process::Process, redis::Redis, until};

pub struct Sentinels {
    /// The primary at first.
    pub first: Redis,
    /// Its replica at first.
    pub second: Redis,
    sentinels: Vec<Sentinel>,
}

/// What the Sentinels call the primary.
const NAME: &str = "web-sessions";
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

        let sentinels: Vec<_> = (0..3).map(|_| Sentinel::start(first.port)).collect();
        for sentinel in &sentinels {
            sentinel.hurry().await;
        }
        for sentinel in &sentinels {
            until("a Sentinel knows the servers and the others", || sentinel.is_ready()).await;
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
        becomes(&self.second, "master").await;
    }

    /// Starts the first again, empty, and waits until it is the other's replica.
    pub async fn restart_first(&mut self) {
        self.first.restart().await;
        becomes(&self.first, "slave").await;
    }

    /// Kills the Sentinel that the URL names first.
    pub async fn kill_sentinel(&mut self) {
        let sentinel = &mut self.sentinels[0].process;
        sentinel.signal("KILL");
        sentinel.exit_code().await;
    }
}

/// A connection to one of the servers. Does not last: a change of roles cuts it.
pub async fn connection(redis: &Redis) -> MultiplexedConnection {
    try_connection(redis).await.unwrap()
}

async fn try_connection(redis: &Redis) -> RedisResult<MultiplexedConnection> {
    let client = Client::open(format!("redis://:{PASSWORD}@127.0.0.1:{}", redis.port))?;
    client.get_multiplexed_async_connection().await
}

async fn becomes(redis: &Redis, wanted: &str) {
    until(wanted, || async { role(redis).await.is_ok_and(|role| role == wanted) }).await;
}

async fn role(redis: &Redis) -> RedisResult<String> {
    let role: Vec<Value> = cmd("ROLE").query_async(&mut try_connection(redis).await?).await?;
    Ok(from_redis_value(role.into_iter().next().unwrap())?)
}

struct Sentinel {
    port: u16,
    process: Process,
    /// It writes what it learns into its settings.
    _directory: TempDir,
}

impl Sentinel {
    fn start(primary: u16) -> Self {
        let directory = TempDir::new().unwrap();
        let port = lasting_port();
        let mut settings = format!("port {port}\nbind 127.0.0.1\n");
        for setting in [
            format!("monitor {NAME} 127.0.0.1 {primary} 2"),
            format!("auth-pass {NAME} {PASSWORD}"),
            format!("down-after-milliseconds {NAME} 500"),
            // Twice that has to pass before they vote again, should each have voted for itself.
            format!("failover-timeout {NAME} 3000"),
        ] {
            writeln!(settings, "sentinel {setting}").unwrap();
        }
        let file = directory.path().join("sentinel.conf");
        std::fs::write(&file, settings).unwrap();
        let process = Process::start(Command::new("redis-sentinel").arg(&file).current_dir(directory.path()));
        Self { port, process, _directory: directory }
    }

    async fn connection(&self) -> MultiplexedConnection {
        let client = Client::open(format!("redis://127.0.0.1:{}", self.port)).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// By default it hears of a replica within ten seconds, and takes a machine that is busy for one whose clock jumps.
    async fn hurry(&self) {
        until("redis-sentinel listens", || async {
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

    async fn is_ready(&self) -> bool {
        let state: HashMap<String, String> =
            cmd("SENTINEL").arg(&["MASTER", NAME]).query_async(&mut self.connection().await).await.unwrap();
        state["flags"] == "master" && state["num-slaves"] == "1" && state["num-other-sentinels"] == "2"
    }
}
