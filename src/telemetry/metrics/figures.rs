//! What is counted elsewhere, and asked for at each scrape.

use std::time::Duration;

use crate::reason::Reason;

/// How the registry stands.
#[derive(Clone, Debug, Default)]
pub struct RegistryFigures {
    /// Its store answers.
    pub is_up: bool,
    /// Its store throws keys away when it is full.
    pub evicts: bool,
    /// How old this replica's answers may be.
    pub age: Duration,
    /// It began without data less than a lease ago.
    pub warming_up: bool,
    /// Open sockets.
    pub sockets: u64,
    /// Gateways that are heard of.
    pub live_gateways: u64,
    /// Gateways that are late.
    pub late_gateways: u64,
    /// Gateways whose lease this replica has ended.
    pub gone_gateways: u64,
    /// What came of commands, by what they were about.
    pub commands: Vec<CommandFigures>,
}

/// What came of commands of one kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct CommandFigures {
    /// Which kind.
    pub task: &'static str,
    /// Commands that were sent.
    pub sent: u64,
    /// Sockets for which it was done.
    pub done: u64,
    /// Sockets whose gateway could not.
    pub failed: u64,
    /// Sockets whose gateway did not answer.
    pub unreachable: u64,
}

/// What the decision asked again behind open sockets came to.
#[derive(Clone, Debug, Default)]
pub struct SessionEndFigures {
    /// Sessions whose sockets are watched over here.
    pub sessions: u64,
    /// Questions, by the reason that the answer had.
    pub questions: Vec<(Reason, u64)>,
    /// The session store tells of all changes.
    pub pushes_up: bool,
    /// Changes that it has told of.
    pub changes: u64,
    /// Those of them for which there was no room.
    pub changes_lost: u64,
    /// Sockets whose gateways were told that their user has changed.
    pub user_changes: u64,
    /// Attempts to tell a gateway so that came to nothing.
    pub user_change_failures: u64,
    /// Sockets that wait to be ended.
    pub waiting: u64,
    /// Sockets that were ended, by reason.
    pub ended: Vec<(Reason, u64)>,
    /// Attempts to end a socket that came to nothing.
    pub failures: u64,
    /// Attempts to destroy a session, by what came of them.
    pub destroyed: [(&'static str, u64); 2],
    /// Calls and tokens that are ending sessions.
    pub ending: u64,
}

/// What was told, and what was lost of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    /// Lines of the log that were lost.
    pub log_lost: u64,
    /// Lines of the audit log that its writer was given.
    pub audit: u64,
    /// Lines of the audit log that were lost.
    pub audit_lost: u64,
    /// Spans that the collector has taken.
    pub spans_exported: u64,
    /// Spans that were lost.
    pub spans_lost: u64,
}
