//! What gateways are told to do with some of their sockets.

use serde::{Deserialize, Serialize};

use crate::reason::Reason;

/// A gateway is told of at most so many sockets at once.
pub const SOCKETS: usize = 1_000;

/// A command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// What its result names.
    pub command_id: String,
    /// What to do.
    pub task: Task,
}

/// What to do. Which sockets is the command's, at most [`SOCKETS`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Task {
    /// Disconnect them. May come again.
    Disconnect {
        /// Which.
        socket_ids: Vec<String>,
        /// What to tell their clients.
        close: CloseText,
        /// Why, for watchers.
        #[serde(with = "reason_by_name")]
        reason: Reason,
    },
    /// Emit an event to them. Comes once or never.
    Send {
        /// Which.
        socket_ids: Vec<String>,
        /// The event's name.
        event: String,
        /// Its arguments.
        args: Vec<serde_json::Value>,
    },
    /// The user behind them is this one now. May come again.
    UserChanged {
        /// Which.
        socket_ids: Vec<String>,
        /// The user.
        user: serde_json::Map<String, serde_json::Value>,
    },
}

/// How a socket is closed: as the caller wants it, where [`crate::reason::Close`] is as the reason has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloseText {
    /// A WebSocket close code, 4000-4999.
    pub code: u16,
    /// At most 32 ASCII characters.
    pub reason: String,
}

impl Task {
    /// The same for these sockets.
    pub fn with(&self, ids: Vec<String>) -> Self {
        let mut task = self.clone();
        match &mut task {
            Self::Disconnect { socket_ids, .. }
            | Self::Send { socket_ids, .. }
            | Self::UserChanged { socket_ids, .. } => *socket_ids = ids,
        }
        task
    }

    /// The sockets that it is about.
    pub fn socket_ids(&self) -> &[String] {
        match self {
            Self::Disconnect { socket_ids, .. }
            | Self::Send { socket_ids, .. }
            | Self::UserChanged { socket_ids, .. } => socket_ids,
        }
    }
}

/// What replicas tell each other, since the one that is asked is seldom the one that the gateway talks to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Message {
    /// To the replica that has the gateway's stream.
    Order {
        /// Whom the command is for.
        gateway_id: String,
        /// The command.
        command: Command,
    },
    /// To the replica that waits for it.
    Result {
        /// Of which command.
        command_id: String,
        /// The sockets for which it is so now.
        done: Vec<String>,
    },
    /// To all: sessions have changed.
    Changed {
        /// Which.
        session_ids: Vec<String>,
    },
}

mod reason_by_name {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error};

    use crate::reason::Reason;

    pub(super) fn serialize<S: Serializer>(reason: &Reason, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(reason.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Reason, D::Error> {
        let name = String::deserialize(deserializer)?;
        Reason::named(&name).ok_or_else(|| D::Error::custom("no such reason"))
    }
}
