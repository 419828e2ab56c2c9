//! What a source is to those who ask it: a table of users by id.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tokio::{sync::watch, time::Instant};

use super::{Fault, FaultKind, Fields};
pub use crate::json::MAX_USER_BYTES;
use crate::{
    health::Health,
    json::{self, Unreadable},
};

/// A user as it was found.
#[derive(Debug)]
pub struct Found {
    /// Its fields.
    pub fields: Arc<Fields>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The connection broke before the answer was there: it may be one that a restart cut, and another may do.
    Died(String),
    /// Asking again would not help.
    Fault(Fault),
}

/// One source of users. How often it is asked, and how long, is for [`LookedUp`](super::looked_up::LookedUp).
#[async_trait]
pub trait Lookup: std::fmt::Debug + Send + Sync + 'static {
    /// Asks once for the user of this id; `None`: there is none. What comes after the deadline nobody waits for.
    async fn ask(&self, id: &str, deadline: Instant) -> Result<Option<Found>, Failure>;

    /// Looks whether the source can be reached, without asking for anybody.
    async fn reach(&self) -> Result<(), Failure>;

    /// Follows whether the source answers, if its connection is watched over anyway.
    fn watched(&self) -> Option<watch::Receiver<Health>> {
        None
    }

    /// What it is, in a word.
    fn name(&self) -> &'static str;

    /// Its URL, for the log.
    fn url(&self) -> String;

    /// Where it has this user, for people.
    fn place(&self, id: &str) -> String;

    /// What to look into when there is no such user.
    fn when_missing(&self) -> &'static str;
}

impl Failure {
    /// No connection.
    pub fn unreachable(cause: impl Into<String>) -> Self {
        Self::Fault(unreachable(cause.into()))
    }

    /// No answer in time.
    pub fn timed_out(cause: impl Into<String>) -> Self {
        Self::Fault(Fault {
            kind: FaultKind::TimedOut,
            words: "the user source did not answer within user.timeout: is it slow, or not reachable from here?",
            cause: cause.into(),
        })
    }

    /// The source answered, and would not say who it is.
    pub fn refused(words: &'static str, cause: impl Into<String>) -> Self {
        Self::Fault(Fault { kind: FaultKind::Refused, words, cause: cause.into() })
    }

    /// What it answered is no user.
    pub fn unusable(words: &'static str, cause: impl Into<String>) -> Self {
        Self::Fault(Fault { kind: FaultKind::Unusable, words, cause: cause.into() })
    }

    /// As whoever waits for an answer is told.
    pub fn into_fault(self) -> Fault {
        match self {
            Self::Died(cause) => unreachable(cause),
            Self::Fault(fault) => fault,
        }
    }
}

fn unreachable(cause: String) -> Fault {
    Fault {
        kind: FaultKind::Unreachable,
        words: "the user source cannot be reached; the service's log has the cause; is user.source right, and is it up and \
                reachable from here?",
        cause,
    }
}

const TOO_LARGE: &str = "the user is larger than 1 MiB, more than sockets can be told of";

/// A user whom a source keeps as JSON.
pub fn user_of_json(raw: &[u8]) -> Result<Found, Failure> {
    if raw.len() > MAX_USER_BYTES {
        return Err(too_large());
    }
    match json::value(raw) {
        Ok(Value::Object(fields)) => Ok(Found { fields: Arc::new(fields) }),
        Ok(_) => Err(Failure::unusable("the user source has something else than a JSON object", "no object")),
        Err(unreadable @ Unreadable::Invalid) => {
            Err(Failure::unusable("the user source has something else than JSON", unreadable.to_string()))
        }
        Err(unreadable @ Unreadable::TooDeep) => {
            Err(Failure::unusable("the user is nested deeper than 24 levels", unreadable.to_string()))
        }
    }
}

/// A user who is larger than [`MAX_USER_BYTES`].
pub fn too_large() -> Failure {
    Failure::unusable(TOO_LARGE, format!("more than {MAX_USER_BYTES} bytes"))
}
