//! `redis://`: a user under a key of its own, as a JSON text or as a hash.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use redis::{Cmd, Value};
use tokio::{sync::watch, time::Instant};

use super::{
    Fields,
    lookup::{Failure, Found, Lookup, MAX_USER_BYTES, too_large, user_of_json},
    presence,
};
use crate::{
    config::{redis_url::RedisUrl, user_url::Template},
    health::Health,
    redis_connection::{Connector, Failure as Unanswered, KeptConnection, Purpose},
};

/// A hash with more fields is something else than a user. It also bounds how long the server counts its bytes.
const MAX_FIELDS: i64 = 1000;

/// Reads users from Redis.
#[derive(Debug)]
pub struct RedisUsers {
    key: Template,
    url: String,
    connection: KeptConnection,
}

impl RedisUsers {
    /// Starts to connect.
    pub fn open(url: RedisUrl, key: Template, timeout: Duration) -> Self {
        let purpose = Purpose {
            probe: Cmd::getrange(key.fill(""), 0, 0),
            log_answers: presence::log_answers,
            log_silent: presence::log_silent,
        };
        let shown = url.to_string();
        let connector = Connector::new(url, timeout, timeout);
        Self { key, url: shown, connection: KeptConnection::open(connector, purpose) }
    }

    async fn ask(&self, command: &Cmd) -> Result<Value, Failure> {
        self.connection.ask(command).await.map_err(|no_answer| self.failure(&no_answer))
    }

    fn failure(&self, no_answer: &Unanswered) -> Failure {
        match no_answer.code() {
            Some("WRONGTYPE") => Failure::unusable(
                "the key holds neither a text nor a hash: does user.lookup lead to the users?",
                no_answer.to_string(),
            ),
            code => {
                self.connection.doubt();
                match code {
                    Some("NOPERM" | "NOAUTH" | "WRONGPASS") => Failure::refused(
                        "Redis does not let socketpass read users: it needs GETRANGE, and for hashes HLEN, MEMORY USAGE and \
                         HGETALL",
                        no_answer.to_string(),
                    ),
                    _ if matches!(no_answer, Unanswered::NoAnswer(_)) => {
                        Failure::timed_out(no_answer.to_string())
                    }
                    _ => Failure::unreachable(no_answer.to_string()),
                }
            }
        }
    }

    /// HGETALL has no bound of its own, so it is asked beforehand how much there is.
    async fn hash(&self, key: &str) -> Result<Option<Found>, Failure> {
        match self.ask(&of_key("HLEN", key)).await? {
            Value::Int(0) => return Ok(None),
            Value::Int(1..=MAX_FIELDS) => {}
            _ => {
                return Err(Failure::unusable(
                    "the hash has more than 1,000 fields: is it a user?",
                    "too many fields",
                ));
            }
        }
        let mut usage = redis::cmd("MEMORY");
        // Every field is counted, none is guessed.
        usage.arg("USAGE").arg(key).arg("SAMPLES").arg(0);
        let bytes = match self.ask(&usage).await? {
            Value::Nil => return Ok(None),
            Value::Int(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
            _ => return Err(strange()),
        };
        if bytes > MAX_USER_BYTES {
            return Err(too_large());
        }
        let fields = fields(self.ask(&of_key("HGETALL", key)).await?).ok_or_else(strange)?;
        Ok((!fields.is_empty()).then(|| Found { fields: Arc::new(fields) }))
    }
}

fn of_key(command: &str, key: &str) -> Cmd {
    let mut command = redis::cmd(command);
    command.arg(key);
    command
}

fn strange() -> Failure {
    Failure::refused(
        "Redis answered what Redis does not answer: is it one?",
        "another type than the command gives",
    )
}

/// A hash has texts only, and so has the user.
fn fields(hash: Value) -> Option<Fields> {
    let pairs = match hash {
        Value::Map(pairs) => pairs,
        Value::Array(flat) => {
            let mut flat = flat.into_iter();
            std::iter::from_fn(|| Some((flat.next()?, flat.next()?))).collect()
        }
        _ => return None,
    };
    let text = |value| match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        _ => None,
    };
    pairs.into_iter().map(|(name, value)| Some((text(name)?, text(value)?.into()))).collect()
}

#[async_trait]
impl Lookup for RedisUsers {
    async fn ask(&self, id: &str, _deadline: Instant) -> Result<Option<Found>, Failure> {
        let key = self.key.fill(id);
        let last = isize::try_from(MAX_USER_BYTES).unwrap_or(isize::MAX);
        match self.connection.ask(&Cmd::getrange(&key, 0, last)).await {
            Ok(Value::BulkString(user)) if user.is_empty() => Ok(None),
            Ok(Value::BulkString(user)) => user_of_json(&user).map(Some),
            Ok(_) => Err(strange()),
            Err(no_answer) if no_answer.code() == Some("WRONGTYPE") => self.hash(&key).await,
            Err(no_answer) => Err(self.failure(&no_answer)),
        }
    }

    /// The connection has a keeper.
    async fn reach(&self) -> Result<(), Failure> {
        Ok(())
    }

    fn watched(&self) -> Option<watch::Receiver<Health>> {
        Some(self.connection.health())
    }

    fn name(&self) -> &'static str {
        "redis"
    }

    fn url(&self) -> String {
        self.url.clone()
    }

    fn place(&self, id: &str) -> String {
        self.key.fill(id)
    }

    fn when_missing(&self) -> &'static str {
        "there is no such key: is user.lookup right? Otherwise they have been removed since they logged in"
    }
}
