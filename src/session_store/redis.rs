//! Redis, as connect-redis writes it: one JSON string a session under `prefix` + id, whose time to live is the truth
//! about when it ends.

use std::time::Duration;

use async_trait::async_trait;
use redis::{Cmd, Value};
use tokio::sync::watch;

use super::{Fault, Health, SessionId, SessionStore, log_answers, log_silent};
use crate::{
    config::redis_url::RedisUrl,
    redis_connection::{Connector, KeptConnection, Purpose},
};

/// Reads sessions from Redis.
#[derive(Debug)]
pub struct RedisStore {
    prefix: String,
    connection: KeptConnection,
}

impl RedisStore {
    /// Opens the store and starts to connect.
    pub fn open(url: RedisUrl, prefix: String, connect_timeout: Duration, timeout: Duration) -> Self {
        let purpose = Purpose { probe: Cmd::getrange(&prefix, 0, 0), log_answers, log_silent };
        let connector = Connector::new(url, connect_timeout, timeout);
        Self { prefix, connection: KeptConnection::open(connector, purpose) }
    }
}

#[async_trait]
impl SessionStore for RedisStore {
    async fn load(&self, id: &SessionId, max_bytes: usize) -> Result<Option<Vec<u8>>, Fault> {
        let last = isize::try_from(max_bytes).unwrap_or(isize::MAX);
        let command = Cmd::getrange(format!("{}{}", self.prefix, id.expose()), 0, last);
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
