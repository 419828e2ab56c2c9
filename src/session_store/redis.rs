//! Redis, as connect-redis writes it: one JSON string a session under `prefix` + id, whose time to live is the truth
//! about when it ends.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use redis::{Cmd, Value};
use tokio::sync::watch;

use super::{
    Fault, Health, Lasting, Listener, News, SessionId, SessionStore, log_answers, log_silent, may_only_read,
};
use crate::{
    config::redis_url::{RedisUrl, Topology},
    redis_connection::{self, Connector, KeptConnection, Means, Purpose, Pushed},
};

/// Reads sessions from Redis, and ends them there.
#[derive(Debug)]
pub struct RedisStore {
    prefix: String,
    connector: Connector,
    connection: KeptConnection,
    /// Counts how often a cluster's primaries were others than before, or may have been.
    moves: Arc<AtomicU64>,
    unasked: Unasked,
}

impl RedisStore {
    /// Opens the store and starts to connect.
    pub fn open(url: RedisUrl, prefix: String, connect_timeout: Duration, timeout: Duration) -> Self {
        let purpose = Purpose { probe: Cmd::getrange(&prefix, 0, 0), log_answers, log_silent };
        let connector = Connector::new(url, connect_timeout, timeout);
        let connection = KeptConnection::open(connector.clone(), purpose);
        Self { prefix, connector, connection, moves: Arc::default(), unasked: Unasked::default() }
    }

    fn key(&self, id: &SessionId) -> String {
        format!("{}{}", self.prefix, id.expose())
    }

    /// How long a session lives if nobody touches it. Without an answer it is asked for again all the same, only later.
    async fn time_to_live(&self, id: &SessionId) -> Option<Duration> {
        if self.unasked.is_on(self.connection.number()) {
            return None;
        }
        match self.connection.ask(&Cmd::pttl(self.key(id))).await {
            // Negative: there is no such key, or it has no end.
            Ok(Value::Int(milliseconds)) => u64::try_from(milliseconds).ok().map(Duration::from_millis),
            Ok(_) => None,
            Err(failure) => {
                if failure.code() == Some("NOPERM") {
                    self.unasked.is_refused(self.connection.number(), &failure);
                } else {
                    self.connection.doubt();
                }
                None
            }
        }
    }
}

#[async_trait]
impl SessionStore for RedisStore {
    async fn load(&self, id: &SessionId, max_bytes: usize) -> Result<Option<Vec<u8>>, Fault> {
        let last = isize::try_from(max_bytes).unwrap_or(isize::MAX);
        let command = Cmd::getrange(self.key(id), 0, last);
        match self.connection.ask(&command).await {
            // What connect-redis takes for no session, too.
            Ok(Value::BulkString(session)) => Ok((!session.is_empty()).then_some(session)),
            Ok(_) => Err(Fault::Unavailable("an answer that GETRANGE does not give".to_owned())),
            Err(failure) if failure.code() == Some("WRONGTYPE") => {
                Err(Fault::NotASession(failure.to_string()))
            }
            Err(failure) => {
                self.connection.doubt();
                Err(Fault::Unavailable(failure.to_string()))
            }
        }
    }

    async fn destroy(&self, id: &SessionId) -> Result<(), Fault> {
        match self.connection.ask(&Cmd::del(self.key(id))).await {
            Ok(_) => Ok(()),
            Err(failure) if failure.code() == Some("NOPERM") => {
                let needed = format_args!("the right to `+del ~{}*`", self.prefix);
                Err(may_only_read(failure, needed, "docs/redis.md"))
            }
            Err(failure) => {
                self.connection.doubt();
                Err(Fault::Unavailable(failure.to_string()))
            }
        }
    }

    async fn load_with_end(&self, id: &SessionId, max_bytes: usize) -> Result<Option<Lasting>, Fault> {
        // Together, so that they reach the server as one.
        let (session, ends_in) = tokio::join!(self.load(id, max_bytes), self.time_to_live(id));
        Ok(session?.map(|session| Lasting { session, ends_in }))
    }

    fn connection(&self) -> u64 {
        self.connection.number() + self.moves.load(Ordering::Relaxed)
    }

    async fn follow(&self, listener: Arc<dyn Listener>) {
        let moves = Arc::clone(&self.moves);
        let is_cluster = self.connector.url().topology == Topology::Cluster;
        let ear = Ear { listener, moves, is_cluster, servers: Mutex::default() };
        match self.connector.follow_keys(&self.prefix, Arc::new(ear)).await {}
    }

    fn place(&self, id: &str) -> String {
        format!("key `{}{id}`", self.prefix)
    }

    fn question(&self) -> &'static str {
        "is the prefix right (session.prefix), and session.store the store of the web app?"
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.connection.health()
    }
}

/// On which connection the store's user may not ask how long sessions live: there it is not asked again.
#[derive(Debug)]
struct Unasked {
    connection: AtomicU64,
    is_said: AtomicBool,
}

impl Default for Unasked {
    fn default() -> Self {
        // No connection comes to have this number.
        Self { connection: AtomicU64::new(u64::MAX), is_said: AtomicBool::new(false) }
    }
}

impl Unasked {
    fn is_on(&self, connection: u64) -> bool {
        self.connection.load(Ordering::Relaxed) == connection
    }

    fn is_refused(&self, connection: u64, failure: &redis_connection::Failure) {
        self.connection.store(connection, Ordering::Relaxed);
        if !self.is_said.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                cause = %failure,
                "nobody knows when sessions expire: sockets end with an expired session at the store's push, if it tells of \
                 its sessions, else within revalidate.interval; to have them end in time allow the user of session.store \
                 `+pttl` (docs/redis.md), which is noticed with the next connection"
            );
        }
    }
}

/// Makes sessions' news of what servers tell of keys.
struct Ear {
    listener: Arc<dyn Listener>,
    moves: Arc<AtomicU64>,
    is_cluster: bool,
    /// Which servers tell of their keys now.
    servers: Mutex<HashMap<String, Telling>>,
}

/// Whether a server tells of its keys.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Telling {
    Tells,
    /// The store's user may have it tell by no means.
    IsForbidden,
    IsSilent,
}

impl From<&Result<Means, &redis_connection::Failure>> for Telling {
    fn from(by: &Result<Means, &redis_connection::Failure>) -> Self {
        match by {
            Ok(_) => Self::Tells,
            Err(cause) if cause.code() == Some("NOPERM") => Self::IsForbidden,
            Err(_) => Self::IsSilent,
        }
    }
}

impl redis_connection::Listener for Ear {
    fn hear(&self, pushed: Pushed) {
        // An id that is no text is none that a cookie can carry.
        let id = |key| String::from_utf8(key).ok().and_then(SessionId::new);
        let news = match pushed {
            Pushed::Changed(key) => id(key).map(News::Changed),
            Pushed::Touched(key) => id(key).map(News::Touched),
            Pushed::Everything => Some(News::Everything),
        };
        if let Some(news) = news {
            self.listener.hear(news);
        }
    }

    fn is_told(&self, server: &str, by: Result<Means, &redis_connection::Failure>) {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let telling = Telling::from(&by);
        let before = servers.insert(server.to_owned(), telling);
        if before == Some(telling) {
            return;
        }
        // Of a cluster another node may take its place before that is known, with less than it had.
        if self.is_cluster && before == Some(Telling::Tells) {
            self.moves.fetch_add(1, Ordering::Relaxed);
        }
        match by {
            Ok(Means::Notifications) => {
                tracing::info!(store = server, "changed sessions are heard of by keyspace notifications");
            }
            Ok(Means::Invalidations) => {
                tracing::info!(store = server, "changed sessions are heard of by invalidations (RESP3)");
            }
            Err(cause) if telling == Telling::IsForbidden => tracing::warn!(
                store = server,
                %cause,
                "changed sessions are not heard of: sockets end with their sessions within revalidate.interval; \
                 docs/redis.md says what the store's user has to be allowed"
            ),
            Err(cause) => tracing::warn!(
                store = server,
                %cause,
                "changed sessions are not heard of: sockets end with their sessions within revalidate.interval until the \
                 store tells of them again; it is asked to as soon as it answers"
            ),
        }
        let all = servers.values().all(|telling| *telling == Telling::Tells);
        drop(servers);
        self.listener.hear(News::AreTold(all));
    }

    fn primaries_changed(&self) {
        self.moves.fetch_add(1, Ordering::Relaxed);
        self.servers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
