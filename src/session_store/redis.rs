//! Redis, as connect-redis writes it: one JSON string a session under `prefix` + id, whose time to live is the truth
//! about when it ends.
//!
//! One multiplexed connection carries all reads. A keeper task owns it: it connects, asks now and then whether the
//! server still answers, and connects anew when it does not, so that no request waits for a connection that is dead.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, FromRedisValue as _, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisError, RedisResult, TlsMode, Value,
    aio::{ConnectionLike as _, MultiplexedConnection},
    cluster::ClusterClientBuilder,
    cluster_async::ClusterConnection,
    cluster_routing::{MultipleNodeRoutingInfo, ResponsePolicy, RoutingInfo},
    io::tcp::TcpSettings,
    sentinel::{SentinelClientBuilder, SentinelServerType},
};
use secrecy::ExposeSecret as _;
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{Fault, Health, SessionId, SessionStore};
use crate::{
    config::redis_url::{RedisUrl, Topology},
    task,
};

/// How often the keeper asks whether the server answers: half a second bounds how long a dead one goes unnoticed by
/// health and costs the server nothing.
const CHECK_EVERY: Duration = Duration::from_millis(500);

/// Between attempts to connect: the first follows at once, so that a restart is bridged, and a server that stays away is
/// asked twice a second by each replica, which it can bear when it comes back.
const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_AT_MOST: Duration = Duration::from_millis(500);

/// Reads sessions from Redis.
#[derive(Debug)]
pub struct RedisStore {
    prefix: String,
    timeout: Duration,
    link: watch::Receiver<Link>,
    health: watch::Receiver<Health>,
    doubt: Arc<Doubt>,
    /// Ends with the store.
    _keeper: AbortOnDropHandle<()>,
}

/// What requests tell the keeper.
#[derive(Debug, Default)]
struct Doubt {
    /// Look at the connection now.
    now: Notify,
    /// A read failed, which of a cluster can be for another reason than that a node does not answer.
    failed: AtomicBool,
}

/// The connection as requests see it.
#[derive(Clone)]
enum Link {
    /// The first attempt since the start or since a loss is under way: worth waiting for.
    Connecting,
    /// Usable. The number tells one connection from the next.
    Up(u64, Connection),
    /// The last attempt failed; the next is under way.
    Down(Arc<str>),
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connecting => f.write_str("Connecting"),
            Self::Up(number, _) => write!(f, "Up({number})"),
            Self::Down(cause) => write!(f, "Down({cause})"),
        }
    }
}

#[derive(Clone)]
enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    async fn ask(&mut self, command: &Cmd) -> RedisResult<Value> {
        let answer = match self {
            Self::Server(connection) => connection.req_packed_command(command).await,
            Self::Cluster(connection) => connection.req_packed_command(command).await,
        };
        // At this level the driver takes a server's error for a value like any other.
        answer?.extract_error()
    }
}

impl RedisStore {
    /// Opens the store and starts to connect.
    pub fn open(url: RedisUrl, prefix: String, connect_timeout: Duration, timeout: Duration) -> Self {
        let (link_sender, link) = watch::channel(Link::Connecting);
        let (health_sender, health) = watch::channel(Health::Unknown);
        let doubt = Arc::new(Doubt::default());
        let keeper = Keeper {
            connector: Connector { url, connect_timeout, timeout },
            prefix: prefix.clone(),
            link: link_sender,
            health: health_sender,
            doubt: Arc::clone(&doubt),
        };
        let keeper = task::owned(keeper.run());
        Self { prefix, timeout, link, health, doubt, _keeper: keeper }
    }

    async fn ask(&self, command: &Cmd) -> Result<Value, Fault> {
        let (number, mut connection) = self.connection_after(None).await?;
        match connection.ask(command).await {
            // A read can be asked again, and a connection that broke may be one that a restart cut.
            Err(error) if error.is_connection_dropped() => {
                self.doubt.now.notify_one();
                let (_, mut connection) = self.connection_after(Some(number)).await?;
                connection.ask(command).await.map_err(|error| fault(&error))
            }
            answer => answer.map_err(|error| fault(&error)),
        }
    }

    /// A connection that is up, and another one than that of this number.
    async fn connection_after(&self, used: Option<u64>) -> Result<(u64, Connection), Fault> {
        if let (None, Link::Up(number, connection)) = (used, &*self.link.borrow()) {
            return Ok((*number, connection.clone()));
        }
        let mut link = self.link.clone();
        let link = link
            .wait_for(|link| match link {
                Link::Connecting => false,
                Link::Up(number, _) => used != Some(*number),
                Link::Down(_) => true,
            })
            .await
            .map_err(|_| Fault::Unavailable("the store is being closed".to_owned()))?;
        match &*link {
            Link::Up(number, connection) => Ok((*number, connection.clone())),
            Link::Down(cause) => Err(Fault::Unavailable(cause.to_string())),
            Link::Connecting => Err(Fault::Unavailable("still connecting".to_owned())),
        }
    }
}

#[async_trait]
impl SessionStore for RedisStore {
    async fn load(&self, id: &SessionId) -> Result<Option<Vec<u8>>, Fault> {
        let command = Cmd::get(format!("{}{}", self.prefix, id.expose()));
        let no_answer = |_| Err(Fault::Unavailable(format!("no answer within {:?}", self.timeout)));
        let answer = timeout(self.timeout, self.ask(&command)).await.unwrap_or_else(no_answer);
        if let Err(Fault::Unavailable(_)) = answer {
            self.doubt.failed.store(true, Ordering::Relaxed);
            self.doubt.now.notify_one();
        }
        match answer? {
            Value::Nil => Ok(None),
            Value::BulkString(session) => Ok(Some(session)),
            _ => Err(Fault::Unavailable("an answer that GET does not give".to_owned())),
        }
    }

    fn key(&self, id: &str) -> String {
        format!("{}{id}", self.prefix)
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }
}

fn fault(error: &RedisError) -> Fault {
    match error.code() {
        Some("WRONGTYPE") => Fault::NotASession(error.to_string()),
        _ => Fault::Unavailable(error.to_string()),
    }
}

/// Owns the connection.
struct Keeper {
    connector: Connector,
    /// A key that may be read, for asking whether it can.
    prefix: String,
    link: watch::Sender<Link>,
    health: watch::Sender<Health>,
    doubt: Arc<Doubt>,
}

impl Keeper {
    async fn run(self) {
        let url = self.connector.url.to_string();
        let mut number = 0;
        let mut delay = RETRY_FIRST;
        loop {
            match self.connector.connect().await {
                Ok(connection) => {
                    number += 1;
                    delay = RETRY_FIRST;
                    self.link.send_replace(Link::Up(number, connection.clone()));
                    let cause = self.stay(connection, &mut number, &url).await;
                    self.report_down(&cause, &url);
                    self.link.send_replace(Link::Connecting);
                }
                Err(cause) => {
                    self.report_down(&cause, &url);
                    self.link.send_replace(Link::Down(cause.into()));
                    sleep(delay.mul_f64(rand::random_range(0.5..1.0))).await;
                    delay = (delay * 2).min(RETRY_AT_MOST);
                }
            }
        }
    }

    /// Stays with a connection until it fails, and says why it did.
    async fn stay(&self, mut connection: Connection, number: &mut u64, url: &str) -> String {
        loop {
            match (self.connector.check(&mut connection).await, &mut connection) {
                (Ok(()), connection) if self.doubt.failed.load(Ordering::Relaxed) => {
                    // It answers, and yet it may refuse reads: a cluster that lacks slots does, and an ACL can.
                    match self.connector.serves_reads(connection, &self.prefix).await {
                        Ok(()) => {
                            self.doubt.failed.store(false, Ordering::Relaxed);
                            self.report_up(url);
                        }
                        Err(cause) => self.report_down(&cause, url),
                    }
                }
                (Ok(()), _) => self.report_up(url),
                (Err(cause), Connection::Server(_)) => return cause,
                // The nodes that are well go on answering, so a cluster's client is kept until another finds more of them:
                // it does not notice that a node hangs whose replica took its place. When no node answers it has to go
                // all the same: it asks where it last saw them, without a pause, and never again where the URL says.
                (Err(cause), Connection::Cluster(cluster)) => {
                    self.report_down(&cause, url);
                    if let Ok(another) = self.connector.connect().await {
                        connection = another;
                        *number += 1;
                        self.link.send_replace(Link::Up(*number, connection.clone()));
                    } else if !self.connector.any_answers(cluster).await {
                        return cause;
                    }
                }
            }
            // However many requests are in doubt, the server is asked only so often.
            sleep(RETRY_FIRST).await;
            tokio::select! {
                () = sleep(CHECK_EVERY) => {}
                () = self.doubt.now.notified() => {}
            }
        }
    }

    /// Logs the way back, once.
    fn report_up(&self, url: &str) {
        let before = self.health.send_replace(Health::Up);
        if before != Health::Up {
            tracing::info!(store = url, "the session store answers");
        }
    }

    /// Logs the loss, once and not for each handshake.
    fn report_down(&self, cause: &str, url: &str) {
        let before = self.health.send_replace(Health::Down);
        if before != Health::Down {
            tracing::error!(
                store = url,
                cause,
                "the session store does not answer: handshakes are rejected with STORE_UNAVAILABLE until it does"
            );
        }
    }
}

/// Makes connections.
struct Connector {
    url: RedisUrl,
    connect_timeout: Duration,
    timeout: Duration,
}

impl Connector {
    async fn connect(&self) -> Result<Connection, String> {
        match timeout(self.connect_timeout, self.attempt()).await {
            // One that takes connections and refuses every command, for want of a password or while it loads, is as good
            // as away. Of a cluster some nodes may be.
            Ok(Ok(mut connection @ Connection::Server(_))) => {
                self.check(&mut connection).await.map(|()| connection)
            }
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_elapsed) => Err(format!("no connection within {:?}", self.connect_timeout)),
        }
    }

    async fn attempt(&self) -> RedisResult<Connection> {
        // Time is bounded where it is known what for: around the attempt and around each request.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        // What is written together is sent together already; waiting for more (Nagle) would only add to each answer.
        let tcp = TcpSettings::default().set_nodelay(true);
        let RedisUrl { topology, nodes, tls, username, password, database } = &self.url;
        let password = password.as_ref().map(|password| password.expose_secret());
        let addresses = nodes.iter().map(|(host, port)| address(host, *port, *tls));
        let login = || {
            let mut login = RedisConnectionInfo::default().set_db(*database);
            if let Some(username) = username {
                login = login.set_username(username);
            }
            if let Some(password) = password {
                login = login.set_password(password);
            }
            login
        };
        match topology {
            Topology::Single => {
                let (host, port) = nodes.first().ok_or((redis::ErrorKind::InvalidClientConfig, "no host"))?;
                let info = address(host, *port, *tls)
                    .into_connection_info()?
                    .set_redis_settings(login())
                    .set_tcp_settings(tcp);
                let client = Client::open(info)?;
                client.get_multiplexed_async_connection_with_config(&config).await.map(Connection::Server)
            }
            Topology::Sentinel(primary) => {
                let mut builder = SentinelClientBuilder::new(addresses, primary, SentinelServerType::Master)?
                    .set_client_to_redis_db(*database)
                    .set_client_to_redis_tcp_settings(tcp);
                if *tls {
                    builder = builder
                        .set_client_to_redis_tls_mode(TlsMode::Secure)
                        .set_client_to_sentinel_tls_mode(TlsMode::Secure);
                }
                if let Some(username) = username {
                    builder = builder.set_client_to_redis_username(username);
                }
                if let Some(password) = password {
                    builder = builder.set_client_to_redis_password(password);
                }
                let mut client = builder.build()?;
                client.get_async_connection_with_config(&config).await.map(Connection::Server)
            }
            Topology::Cluster => {
                // One node that hangs must not use up the time of all: the attempt tries it twice, and requests to the
                // others wait whenever the client looks for it again.
                let each = self.connect_timeout / 8;
                let mut builder = ClusterClientBuilder::new(addresses)
                    .connection_timeout(each)
                    .response_timeout(self.timeout)
                    .tcp_settings(tcp);
                if *tls {
                    builder = builder.tls(TlsMode::Secure);
                }
                if let Some(username) = username {
                    builder = builder.username(username);
                }
                if let Some(password) = password {
                    builder = builder.password(password);
                }
                builder.build()?.get_async_connection().await.map(Connection::Cluster)
            }
        }
    }

    /// Asks whether the server answers, of a cluster every node, and behind Sentinels whether it is still the primary.
    async fn check(&self, connection: &mut Connection) -> Result<(), String> {
        match self.url.topology {
            Topology::Single | Topology::Cluster => {
                self.answer(connection, &redis::cmd("PING")).await.map(drop)
            }
            Topology::Sentinel(_) => match self.answer(connection, &redis::cmd("ROLE")).await? {
                Some(Value::Array(role)) if role.first() != Some(&Value::BulkString(b"master".into())) => {
                    Err("the server is not the primary any more".to_owned())
                }
                _ => Ok(()),
            },
        }
    }

    /// The answer to a command of the keeper's; `None` when the server refuses this one, and answers all the same.
    async fn answer(&self, connection: &mut Connection, command: &Cmd) -> Result<Option<Value>, String> {
        match timeout(self.timeout, connection.ask(command)).await {
            Err(_elapsed) => Err(format!("no answer within {:?}", self.timeout)),
            Ok(Ok(value)) => Ok(Some(value)),
            // An ACL that allows GET alone refuses the others, a server that cannot save reads on, and a key of another
            // type was read.
            Ok(Err(error)) if matches!(error.code(), Some("NOPERM" | "MISCONF" | "WRONGTYPE")) => Ok(None),
            Ok(Err(error)) => Err(error.to_string()),
        }
    }

    /// Whether at least one node of a cluster answers.
    async fn any_answers(&self, cluster: &mut ClusterConnection) -> bool {
        self.ask_any(cluster, redis::cmd("PING")).await.is_some()
    }

    /// Whether what answers also serves reads.
    async fn serves_reads(&self, connection: &mut Connection, prefix: &str) -> Result<(), String> {
        let cluster = match connection {
            Connection::Cluster(cluster) => cluster,
            Connection::Server(_) => {
                return match timeout(self.timeout, connection.ask(&Cmd::get(prefix))).await {
                    Ok(Err(error)) if error.code() != Some("WRONGTYPE") => Err(error.to_string()),
                    Ok(_) => Ok(()),
                    Err(_elapsed) => Err(format!("no answer within {:?}", self.timeout)),
                };
            }
        };
        // A cluster is not asked for a key: that could be on a node that hangs, and while the driver looks for that one
        // the reads of the others wait. Its user may be one that must not ask for this either.
        let mut info = redis::cmd("CLUSTER");
        info.arg("INFO");
        match self.ask_any(cluster, info).await {
            Some(info) if info.contains("cluster_state:fail") => {
                Err("the cluster is down: it lacks slots, and so refuses every read".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// The first answer of any of a cluster's nodes, as text.
    async fn ask_any(&self, cluster: &mut ClusterConnection, command: Cmd) -> Option<String> {
        let one_of_all = (MultipleNodeRoutingInfo::AllMasters, Some(ResponsePolicy::OneSucceeded));
        let answer = cluster.route_command(command, RoutingInfo::MultiNode(one_of_all));
        let answer = timeout(self.timeout, answer).await.ok()?.ok()?;
        String::from_redis_value(answer).ok()
    }
}

fn address(host: &str, port: u16, tls: bool) -> ConnectionAddr {
    let host = host.to_owned();
    if tls {
        ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host, port)
    }
}
