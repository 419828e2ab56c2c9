//! Everything that is known of the registry, in memory and indexed: all answers come from here.

use std::time::Duration;

use super::{
    change::{Change, Epoch, Holder, Position, Shard},
    record::Record,
};

/// All there is in a shard at one position.
#[derive(Debug)]
pub struct Snapshot {
    /// Which data.
    pub epoch: Epoch,
    /// How long ago that data began.
    pub began: Duration,
    /// Everything up to here is in it.
    pub position: Position,
    /// Who holds which gateway id, and their sockets.
    pub gateways: Vec<(Holder, Vec<Record>)>,
    /// What led there, as far as it is known, the oldest first; watchers go on from within it.
    pub history: Vec<(Position, Change)>,
}

/// The view.
#[derive(Debug, Default)]
pub struct View;

impl View {
    /// From now on this is what the shard holds. Watchers of the same epoch are told the differences; those of another
    /// one have to start afresh.
    pub fn replace(&self, _shard: Shard, _snapshot: Snapshot) {}

    /// These changes have happened, and with them everything up to the position.
    pub fn apply(&self, _shard: Shard, _position: Position, _changes: Vec<Change>) {}

    /// How long ago each of these gateways gave a sign of life.
    pub fn seen<'g>(&self, _shard: Shard, _signs: impl IntoIterator<Item = (&'g str, Duration)>) {}

    /// The shard is known as it is now.
    pub fn up_to_date(&self, _shard: Shard) {}
}
