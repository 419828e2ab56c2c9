//! Where the truth is kept: who holds which gateway id, until when, and which sockets are open. One trait, two ledgers:
//! `memory`, and `redis`. A ledger decides what counts; what it decided goes into the [`View`], which answers.
//!
//! [`View`]: super::view::View

use std::{collections::HashSet, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::watch;

use super::{
    change::{Epoch, GatewayInfo, Position, Shard},
    confirmation::Confirmation,
    record::Record,
    session_ended::SessionEnded,
};
pub use crate::health::Health;
use crate::reason::Reason;

/// The right to write for a gateway id. It ends when a later stream gets one for the same id, or the lease ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenure {
    /// Who holds it.
    pub info: Arc<GatewayInfo>,
    /// Counts the streams that held this gateway id.
    pub number: u64,
}

/// A sign of life of whoever holds a gateway id: another one each time that they speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign(pub String);

/// How many incarnations of a gateway that others have replaced are remembered, and for how long since one was added or
/// came back: a process that is restarted again and again must not fill the memory.
pub const RETIRED: usize = 16;
/// See [`RETIRED`].
pub const RETIRED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// What a stream that asks for a gateway id is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// It is theirs.
    Granted(Tenure),
    /// Another incarnation holds it. Ask again, to see whether it still speaks.
    Held {
        /// Its last sign of life.
        sign: Sign,
        /// Its stream has ended without a goodbye.
        is_cut: bool,
    },
    /// Another incarnation has taken it from this one, for good.
    Retired,
}

/// One thing that a gateway reports.
#[derive(Clone, Debug)]
pub enum Event {
    /// The socket is open, and this is all there is to say of it.
    Opened(Record),
    /// The socket is not open any more.
    Closed {
        /// Which.
        socket_id: String,
        /// Why, for watchers.
        reason: Reason,
    },
}

/// Why something was not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The tenure has ended, and who has the gateway id now is this; `None`: nobody.
    #[error("another stream holds the gateway id")]
    Superseded(Option<Arc<GatewayInfo>>),
    /// The ledger does not answer. Whether it was written is not known; writing it again does no harm. The cause is for
    /// the log alone.
    #[error("the registry's store is unavailable: {0}")]
    Away(String),
}

/// An end of a session, on its way to those who watch.
#[derive(Clone, Debug)]
pub struct Telling {
    /// The end.
    pub ended: SessionEnded,
    /// The number of the last one of its kind that was told, which the session has outlived.
    pub outlived: Option<u64>,
}

/// The truth about gateways and sockets.
#[async_trait]
pub trait Ledger: fmt::Debug + Send + Sync + 'static {
    /// Asks for a gateway id, for a new stream. Granted when nobody holds it, or an earlier stream of the same
    /// incarnation does, or another incarnation whose last sign of life is still `silent`; those are retired then, for
    /// good. A claim that is granted is a sign of life, and begins a listing.
    async fn claim(&self, info: &Arc<GatewayInfo>, silent: Option<&Sign>) -> Result<Claimed, Fault>;

    /// Keeps these events, in this order; those that change nothing are no changes. A sign of life, also without events.
    async fn write(&self, tenure: &Tenure, events: Vec<Event>) -> Result<(), Fault>;

    /// Keeps what was confirmed of these sockets, each by its id, where they are open still and of the session that was
    /// asked. No sign of life: it is not the gateway that speaks.
    async fn confirm(&self, tenure: &Tenure, confirmed: Vec<(Box<str>, Confirmation)>) -> Result<(), Fault>;

    /// The first listing is complete: what is open of the gateway and not among `named` is closed, with
    /// [`Reason::Closed`].
    async fn complete(&self, tenure: &Tenure, named: &HashSet<Box<str>>) -> Result<(), Fault>;

    /// The gateway ends: its sockets are closed, with [`Reason::Closed`], and nobody holds its id.
    async fn goodbye(&self, tenure: &Tenure) -> Result<(), Fault>;

    /// The stream has ended without a goodbye: the gateway is late. The lease goes on.
    async fn cut(&self, tenure: &Tenure) -> Result<(), Fault>;

    /// Tells all replicas what one of them has to say, this one among them, in the order of the shard's changes. No change
    /// to what is listed.
    async fn tell(&self, shard: Shard, message: Arc<[u8]>) -> Result<(), Fault>;

    /// Tells all replicas of ends of sessions that are told of in this shard, likewise. Each is told once, whoever finds it:
    /// one is told where none of its kind has been within the history, or the last one is that which the session has
    /// outlived. Of several who find the same end that holds for the first.
    async fn tell_ends(&self, shard: Shard, ends: &[Telling]) -> Result<(), Fault>;

    /// How far a shard's changes go at least: everything that was kept for this replica is among them. `None`: it does not say.
    fn newest(&self, shard: Shard) -> Option<(Epoch, Position)>;

    /// Whether what it is kept in throws things away when it is full, and with them sockets that are open.
    fn evicts(&self) -> bool;

    /// Follows whether the ledger answers.
    fn health(&self) -> watch::Receiver<Health>;
}
