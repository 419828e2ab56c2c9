//! The way to Redis that all who write share.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use redis::Cmd;

use super::{
    keys::Keys,
    script::{Answer, Call},
    wire::StreamId,
};
use crate::{
    config::registry::Registry as Settings,
    redis_connection::{Connection, Connector, Failure, KeptConnection, Purpose},
    registry::{
        change::{Epoch, SHARDS, Shard},
        ledger::Fault,
    },
};

/// The registry's keys, and the connection to them.
pub(super) struct Store {
    connection: KeptConnection,
    keys: Vec<Keys>,
    known: Vec<Mutex<Option<Known>>>,
}

/// The newest that Redis has said of a shard: whoever follows it has to get there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) epoch: Epoch,
    pub(super) last: StreamId,
}

impl Store {
    /// Starts to connect.
    pub(super) fn open(connector: Connector, settings: &Settings) -> Self {
        let keys: Vec<_> = Shard::all().map(|shard| Keys::new(&settings.prefix, shard)).collect();
        let mut probe = Cmd::new();
        // A server that refuses to write, being full or unable to save, is no help.
        probe.arg("SET").arg(keys.first().map(Keys::probe)).arg("");
        let purpose = Purpose { probe, log_answers, log_silent };
        Self {
            connection: KeptConnection::open(connector, purpose),
            keys,
            known: (0..SHARDS).map(|_| Mutex::new(None)).collect(),
        }
    }

    pub(super) fn connection(&self) -> &KeptConnection {
        &self.connection
    }

    pub(super) fn keys(&self, shard: Shard) -> &Keys {
        #[expect(clippy::indexing_slicing, reason = "there are as many as a Shard's number can be")]
        &self.keys[shard.number()]
    }

    /// The newest that Redis has said of the shard.
    pub(super) fn known(&self, shard: Shard) -> Option<Known> {
        *self.known_of(shard).lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_of(&self, shard: Shard) -> &Mutex<Option<Known>> {
        #[expect(clippy::indexing_slicing, reason = "there are as many as a Shard's number can be")]
        &self.known[shard.number()]
    }

    fn note(&self, shard: Shard, answer: &Answer) {
        let Some(last) = answer.newest else { return };
        let mut known = self.known_of(shard).lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *known {
            Some(known) if known.epoch == answer.epoch => known.last = known.last.max(last),
            known => *known = Some(Known { epoch: answer.epoch, last }),
        }
    }

    /// What was known of the shard is not so any more: Redis has lost it.
    pub(super) fn forget(&self, shard: Shard) {
        *self.known_of(shard).lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Runs a script that may run twice: once more when the connection breaks, as a restart has it.
    pub(super) async fn run(&self, shard: Shard, call: &Call<'_>) -> Result<Answer, Fault> {
        let mut answer = self.connection.ask(&call.by_hash()).await;
        if is_unknown(&answer) {
            answer = self.connection.ask(&call.in_full()).await;
        }
        self.answered(shard, answer)
    }

    /// Runs a script once at most, as far as that is ours to say.
    pub(super) async fn run_once(&self, shard: Shard, call: &Call<'_>) -> Result<Answer, Fault> {
        let mut answer = self.connection.ask_once(&call.by_hash()).await;
        if is_unknown(&answer) {
            answer = self.connection.ask_once(&call.in_full()).await;
        }
        self.answered(shard, answer)
    }

    fn answered(&self, shard: Shard, answer: Result<redis::Value, Failure>) -> Result<Answer, Fault> {
        let answer = answer.map_err(|failure| {
            self.connection.doubt();
            Fault::Away(failure.to_string())
        })?;
        let answer = Answer::read(answer)?;
        self.note(shard, &answer);
        Ok(answer)
    }
}

/// Runs a script on a connection of the caller's own.
pub(super) async fn run_on(connection: &mut Connection, call: &Call<'_>) -> Result<Answer, Fault> {
    let away = |error: redis::RedisError| Fault::Away(error.to_string());
    let answer = match connection.ask(&call.by_hash()).await {
        Err(error) if error.code() == Some(NOT_LOADED) => connection.ask(&call.in_full()).await,
        answer => answer,
    };
    Answer::read(answer.map_err(away)?)
}

/// What a server says that was not told the script before.
const NOT_LOADED: &str = "NOSCRIPT";

fn is_unknown(answer: &Result<redis::Value, Failure>) -> bool {
    answer.as_ref().is_err_and(|failure| failure.code() == Some(NOT_LOADED))
}

fn log_answers(url: &str) {
    tracing::info!(store = url, "the registry's store answers");
}

fn log_silent(url: &str, cause: &str) {
    tracing::error!(
        store = url,
        cause,
        "the registry's store does not answer: gateways' reports are not acked until it does, and after half a lease their \
         sockets do not end with their sessions; answers come from what is known and say their age"
    );
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("keys", &self.keys.first()).finish_non_exhaustive()
    }
}
