//! Where the web app keeps its sessions: one small trait, and one file for each kind of store.

use std::{fmt, future::pending, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::{
    config::session::{Session as Settings, StoreUrl},
    health::Told,
    remote::{Failure, Patience},
};

mod end;
mod file;
mod memcached;
mod memory;
#[cfg(feature = "mongodb")]
mod mongodb;
mod news;
mod none;
mod redis;
mod session_id;
mod sql;

#[cfg(feature = "mongodb")]
pub use self::mongodb::MongoStore;
pub use self::{
    file::FileStore,
    memcached::MemcachedStore,
    memory::MemoryStore,
    news::{Listener, News},
    redis::RedisStore,
    session_id::SessionId,
    sql::SqlStore,
};
pub use crate::health::Health;

/// Why the store has no answer. The causes are for the log alone: they may hold a driver's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It did not answer, or not in time, or with an error. May pass.
    #[error("the session store is unavailable: {0}")]
    Unavailable(String),
    /// It answers, and its user has no right to this. Will not pass by itself. Nothing but destroying meets it.
    #[error("the session store refuses: {0}")]
    Refused(String),
    /// It has something under the id that is no session at all. Will not pass by itself.
    #[error("not a session: {0}")]
    NotASession(String),
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::Unavailable(failure.to_string())
    }
}

/// A session, and when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lasting {
    /// As [`SessionStore::load`] gives it.
    pub session: Vec<u8>,
    /// How long it lives if nobody touches it; `None`: it has no end, or the store does not say.
    pub ends_in: Option<Duration>,
}

/// A store of sessions. Nothing is written but what somebody ends.
#[async_trait]
pub trait SessionStore: std::fmt::Debug + Send + Sync + 'static {
    /// The stored bytes of a living session, JSON as the npm store wrote it; `None` when there is no such session, or an
    /// empty one. Of one that is larger than `max_bytes` comes one byte more than that, and the rest is not read. Answers
    /// within `session.store_timeout`.
    async fn load(&self, id: &SessionId, max_bytes: usize) -> Result<Option<Vec<u8>>, Fault>;

    /// Destroys a session, as the npm store's own `destroy` does: the app knows it no more. One that is not there is no
    /// fault. Answers within `session.store_timeout`.
    async fn destroy(&self, id: &SessionId) -> Result<(), Fault>;

    /// The same, and how long the session lives if nobody touches it.
    async fn load_with_end(&self, id: &SessionId, max_bytes: usize) -> Result<Option<Lasting>, Fault> {
        Ok(self.load(id, max_bytes).await?.map(|session| Lasting { session, ends_in: None }))
    }

    /// Which connection answers, counted: what another one says may come from another server, or from the same one that
    /// has just come back. One rule for all stores: it counts when a connection was lost and no other one answers that
    /// waited beside it, or when another server is asked from now on; it does not when a connection was closed here, be it idle,
    /// or given up with an answer half-read or too late.
    fn connection(&self) -> u64 {
        0
    }

    /// Has the listener told of sessions that change, for as long as it is polled, if the store can tell.
    async fn follow(&self, _listener: Arc<dyn Listener>) {
        pending::<()>().await;
    }

    /// Where a session is, for people: `id` comes shortened.
    fn place(&self, id: &str) -> String;

    /// What people should ask themselves when it is not there, and its settings.
    fn question(&self) -> &'static str;

    /// Follows whether the store answers.
    fn health(&self) -> watch::Receiver<Health>;
}

/// Opens the store that the settings name. Does not wait for it: a store that is away is no reason not to start.
pub fn open(settings: &Settings) -> Arc<dyn SessionStore> {
    let patience = Patience { connect: settings.store_connect_timeout, answer: settings.store_timeout };
    match &settings.store {
        StoreUrl::Memory => Arc::new(MemoryStore::new()),
        StoreUrl::CookieSession => Arc::new(none::NoStore::default()),
        StoreUrl::Redis(target) => Arc::new(RedisStore::open(
            target.clone(),
            settings.prefix.clone(),
            settings.store_connect_timeout,
            settings.store_timeout,
        )),
        StoreUrl::Sql(url, layout) => Arc::new(SqlStore::open(url, layout, patience)),
        #[cfg(feature = "mongodb")]
        StoreUrl::Mongo(url, layout) => Arc::new(MongoStore::open(url.clone(), layout.clone(), patience)),
        StoreUrl::Memcached(url) => {
            Arc::new(MemcachedStore::open(url.clone(), settings.prefix.clone(), patience))
        }
        StoreUrl::File(folder) => Arc::new(FileStore::open(folder.clone(), patience)),
    }
}

/// Why a session could not be destroyed.
fn not_destroyed(failure: &Failure, needed: impl fmt::Display) -> Fault {
    match failure {
        Failure::Denied(words) => may_only_read(words, needed, "docs/stores.md"),
        other => Fault::Unavailable(other.to_string()),
    }
}

/// The user of session.store has the rights to read and no others, which are enough for all else.
fn may_only_read(words: impl fmt::Display, needed: impl fmt::Display, manual: &str) -> Fault {
    Fault::Refused(format!(
        "{words}: sessions can be read and not ended; to end them session.store needs {needed} ({manual})"
    ))
}

/// What the log says of a store's coming and going.
fn told(url: &impl fmt::Display) -> Told {
    Told { url: url.to_string(), log_answers, log_silent }
}

fn log_answers(url: &str) {
    tracing::info!(store = url, "the session store answers");
}

fn log_silent(url: &str, cause: &str) {
    tracing::error!(
        store = url,
        cause,
        "the session store does not answer: handshakes are rejected with STORE_UNAVAILABLE until it does"
    );
}
