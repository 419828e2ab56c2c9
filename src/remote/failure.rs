//! Why there is no answer.

use std::time::Duration;

/// Why there is no answer. For the log alone: it may hold a driver's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// There is no connection, and none could be made.
    #[error("{0}")]
    Away(String),
    /// It did not answer in time, or not let in.
    #[error("{0}")]
    NoAnswer(String),
    /// The connection broke, or nobody knows in which state it is: it is not asked again.
    #[error("{0}")]
    Broken(String),
    /// The server's own error: the connection goes on.
    #[error("{0}")]
    Refused(String),
    /// The same, since whoever asks has no right to that.
    #[error("{0}")]
    Denied(String),
}

impl Failure {
    pub(super) fn no_connection(within: Duration) -> Self {
        Self::NoAnswer(format!("no connection within {within:?}"))
    }

    pub(super) fn no_answer(within: Duration) -> Self {
        Self::NoAnswer(format!("no answer within {within:?}"))
    }
}
