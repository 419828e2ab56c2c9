//! Makes connections as a URL says: to one server, to the primary that Sentinels know, or to a cluster.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, IntoConnectionInfo as _, ProtocolVersion,
    PushInfo, RedisConnectionInfo, RedisResult, ServerErrorKind, TlsMode,
    aio::MultiplexedConnection,
    cluster::ClusterClientBuilder,
    cluster_async::ClusterConnection,
    io::tcp::TcpSettings,
    sentinel::{SentinelClientBuilder, SentinelServerType},
};
use secrecy::ExposeSecret as _;
use tokio::time::timeout;

use super::Connection;
use crate::config::redis_url::{RedisUrl, Topology};

/// One node that hangs must not use up the time of all: a cluster's client tries it twice, and requests to the others
/// wait whenever the client looks for it again.
const NODES_TRIED: u32 = 8;

/// How often a node of a cluster may send on to another: nodes that disagree for a moment do it twice, others never.
const REDIRECTIONS: usize = 4;

/// Makes connections.
#[derive(Clone, Debug)]
pub struct Connector {
    url: RedisUrl,
    connect_timeout: Duration,
    timeout: Duration,
}

impl Connector {
    /// For these servers. `connect_timeout` bounds an attempt to connect, `timeout` the answer to a command.
    pub fn new(url: RedisUrl, connect_timeout: Duration, timeout: Duration) -> Self {
        Self { url, connect_timeout, timeout }
    }

    /// Where it connects to.
    pub fn url(&self) -> &RedisUrl {
        &self.url
    }

    /// How long an answer may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// A connection of the caller's own. Why there is none is for the log alone.
    pub async fn connect(&self) -> Result<Connection, String> {
        let mut connection = self.in_time(self.attempt()).await?;
        // One that takes connections and refuses every command, for want of a password or while it loads, is as good as
        // away. Of a cluster some nodes may be.
        if !matches!(connection, Connection::Cluster(_)) {
            connection.check(self.timeout).await?;
        }
        Ok(connection)
    }

    /// A connection of the caller's own to the one server that has this key: in a cluster the node that owns its slot,
    /// and that node alone. When the slot moves to another node, what is asked here is answered with an error.
    pub async fn connect_to_owner(&self, key: &str) -> Result<Connection, String> {
        if self.url.topology != Topology::Cluster {
            return self.connect().await;
        }
        let mut last_cause = "no host".to_owned();
        for (host, port) in &self.url.nodes {
            let owner = timeout(self.connect_timeout / NODES_TRIED, self.follow(host, *port, key));
            match owner.await {
                Ok(Ok(owner)) => return Ok(Connection::Server(owner)),
                Ok(Err(error)) => last_cause = error.to_string(),
                Err(_elapsed) => {
                    last_cause = format!("no connection within {:?}", self.connect_timeout / NODES_TRIED);
                }
            }
        }
        Err(last_cause)
    }

    /// A connection of the caller's own that hears what a server says by itself: the server, the primary, or this node of
    /// a cluster.
    pub(super) async fn connect_listening<E>(
        &self,
        node: Option<&(String, u16)>,
        hear: impl Fn(PushInfo) -> Result<(), E> + Send + Sync + 'static,
    ) -> Result<Connection, String> {
        let config = patient().set_push_sender(hear);
        let mut connection = self
            .in_time(async {
                match (&self.url.topology, node.or(self.url.nodes.first())) {
                    (Topology::Sentinel(name), _) => {
                        self.primary(name, ProtocolVersion::RESP3, &config).await.map(Connection::Primary)
                    }
                    (_, Some((host, port))) => self
                        .server(host, *port, ProtocolVersion::RESP3, &config)
                        .await
                        .map(Connection::Server),
                    (_, None) => Err((ErrorKind::InvalidClientConfig, "no host").into()),
                }
            })
            .await?;
        connection.check(self.timeout).await?;
        Ok(connection)
    }

    /// A connection of the caller's own to this node of a cluster.
    pub(super) async fn connect_to_node(&self, host: &str, port: u16) -> Result<Connection, String> {
        let within = self.connect_timeout / NODES_TRIED;
        match timeout(within, self.server(host, port, ProtocolVersion::RESP2, &patient())).await {
            Ok(connection) => connection.map(Connection::Server).map_err(|error| error.to_string()),
            Err(_elapsed) => Err(format!("no connection within {within:?}")),
        }
    }

    async fn in_time<T>(&self, attempt: impl Future<Output = RedisResult<T>>) -> Result<T, String> {
        match timeout(self.connect_timeout, attempt).await {
            Ok(connection) => connection.map_err(|error| error.to_string()),
            Err(_elapsed) => Err(format!("no connection within {:?}", self.connect_timeout)),
        }
    }

    async fn attempt(&self) -> RedisResult<Connection> {
        match &self.url.topology {
            Topology::Single => {
                let (host, port) =
                    self.url.nodes.first().ok_or((ErrorKind::InvalidClientConfig, "no host"))?;
                self.server(host, *port, ProtocolVersion::RESP2, &patient()).await.map(Connection::Server)
            }
            Topology::Sentinel(name) => {
                self.primary(name, ProtocolVersion::RESP2, &patient()).await.map(Connection::Primary)
            }
            Topology::Cluster => self.cluster().await.map(Connection::Cluster),
        }
    }

    async fn server(
        &self,
        host: &str,
        port: u16,
        protocol: ProtocolVersion,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        let RedisUrl { topology: _, nodes: _, tls, username, password, database } = &self.url;
        let mut login = RedisConnectionInfo::default().set_db(*database).set_protocol(protocol);
        if let Some(username) = username {
            login = login.set_username(username);
        }
        if let Some(password) = password {
            login = login.set_password(password.expose_secret());
        }
        let info = address(host, port, *tls)
            .into_connection_info()?
            .set_redis_settings(login)
            .set_tcp_settings(tcp_settings());
        Client::open(info)?.get_multiplexed_async_connection_with_config(config).await
    }

    async fn primary(
        &self,
        name: &str,
        protocol: ProtocolVersion,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        let RedisUrl { topology: _, nodes: _, tls, username, password, database } = &self.url;
        let mut builder = SentinelClientBuilder::new(self.addresses(), name, SentinelServerType::Master)?
            .set_client_to_redis_db(*database)
            .set_client_to_redis_protocol(protocol)
            .set_client_to_redis_tcp_settings(tcp_settings());
        if *tls {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_tls_mode(TlsMode::Secure);
        }
        if let Some(username) = username {
            builder = builder.set_client_to_redis_username(username);
        }
        if let Some(password) = password {
            builder = builder.set_client_to_redis_password(password.expose_secret());
        }
        builder.build()?.get_async_connection_with_config(config).await
    }

    async fn cluster(&self) -> RedisResult<ClusterConnection> {
        let RedisUrl { topology: _, nodes: _, tls, username, password, database: _ } = &self.url;
        let mut builder = ClusterClientBuilder::new(self.addresses())
            .connection_timeout(self.connect_timeout / NODES_TRIED)
            .response_timeout(self.timeout)
            .tcp_settings(tcp_settings());
        if *tls {
            builder = builder.tls(TlsMode::Secure);
        }
        if let Some(username) = username {
            builder = builder.username(username);
        }
        if let Some(password) = password {
            builder = builder.password(password.expose_secret());
        }
        builder.build()?.get_async_connection().await
    }

    /// Asks this node of a cluster for a key, and goes where it says that the key is.
    async fn follow(&self, host: &str, port: u16, key: &str) -> RedisResult<MultiplexedConnection> {
        let (mut host, mut port) = (host.to_owned(), port);
        for _ in 0..REDIRECTIONS {
            let connection = self.server(&host, port, ProtocolVersion::RESP2, &patient()).await?;
            let mut exists = redis::cmd("EXISTS");
            exists.arg(key);
            let Err(error) = Connection::Server(connection.clone()).ask(&exists).await else {
                return Ok(connection);
            };
            let moved = error.kind() == ErrorKind::Server(ServerErrorKind::Moved);
            let Some((another, another_port)) = error
                .redirect_node()
                .filter(|_| moved)
                .and_then(|(address, _)| address.rsplit_once(':'))
                .and_then(|(host, port)| Some((host, port.parse().ok()?)))
            else {
                return Err(error);
            };
            // A node that does not know its own name leaves it out: the host is the one that was asked.
            if !another.is_empty() {
                another.clone_into(&mut host);
            }
            port = another_port;
        }
        Err((ErrorKind::Client, "the nodes of the cluster send each to another").into())
    }

    fn addresses(&self) -> impl Iterator<Item = ConnectionAddr> {
        self.url.nodes.iter().map(|(host, port)| address(host, *port, self.url.tls))
    }
}

/// Time is bounded where it is known what for: around the attempt and around each request.
fn patient() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None)
}

/// What is written together is sent together already; waiting for more (Nagle) would only add to each answer.
fn tcp_settings() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

fn address(host: &str, port: u16, tls: bool) -> ConnectionAddr {
    let host = host.to_owned();
    if tls {
        ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host, port)
    }
}
