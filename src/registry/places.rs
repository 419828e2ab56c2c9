//! How far a watcher has come in the shards' histories. It reads each at its own pace: nothing is queued for it, and nobody
//! waits for it.

use std::array;

use super::{
    change::{Epoch, Position, SHARDS, Shard},
    token::Revision,
    view::{
        View,
        history::{Entry, Happened, History},
        shard::ShardView,
    },
    watch_sockets::Ended,
};

/// Entries that are read at once from a shard.
const AT_ONCE: usize = 256;

/// Which of a shard's histories.
pub type Pick<T> = fn(&ShardView) -> &History<T>;

/// The places.
#[derive(Debug)]
pub struct Places<T> {
    pick: Pick<T>,
    epochs: [Epoch; SHARDS],
    positions: [Position; SHARDS],
    /// The number of the next entry of each.
    next: [u64; SHARDS],
}

/// What was read of a shard.
#[derive(Debug)]
pub struct Read<T> {
    /// The entries, in order.
    pub entries: Vec<Entry<T>>,
    /// Those were all; everything up to this position is known then.
    pub all_up_to: Option<Position>,
}

impl<T: Happened> Places<T> {
    /// In front of what comes next in each shard.
    pub fn now(view: &View, pick: Pick<T>) -> Result<Self, Ended> {
        let mut this = Self {
            pick,
            epochs: [Epoch(0); SHARDS],
            positions: array::from_fn(|_| Position::default()),
            next: [0; SHARDS],
        };
        for shard in Shard::all() {
            let view = view.shard(shard);
            view.data().ok_or(Ended::Unavailable("this replica has not read the registry yet"))?;
            this.skip_to_now(shard, &view);
        }
        Ok(this)
    }

    /// Behind a revision.
    pub fn behind(view: &View, pick: Pick<T>, revision: &Revision) -> Result<Self, Ended> {
        let mut this = Self::now(view, pick)?;
        if revision.epoch != Epoch::of_all(this.epochs) {
            return Err(Ended::OutOfRange("the registry has begun anew since"));
        }
        this.positions = revision.positions;
        for ((shard, next), position) in Shard::all().zip(&mut this.next).zip(&this.positions) {
            let shard = view.shard(shard);
            if *position > shard.position() {
                return Err(Ended::Unavailable("this replica has not come as far yet"));
            }
            let number = pick(&shard).behind(*position);
            *next = number.ok_or(Ended::OutOfRange("what came behind it is not kept any more"))?;
        }
        Ok(this)
    }

    /// What came until now is passed over.
    pub fn skip_to_now(&mut self, shard: Shard, view: &ShardView) {
        let number = shard.number();
        if let (Some(place), Some((epoch, _))) = (self.epochs.get_mut(number), view.data()) {
            *place = epoch;
        }
        if let Some(next) = self.next.get_mut(number) {
            *next = (self.pick)(view).next();
        }
        self.has_come_to(shard, view.position());
    }

    /// The next entries of a shard.
    pub fn read(&mut self, view: &View, shard: Shard) -> Result<Read<T>, Ended> {
        let number = shard.number();
        let view = view.shard(shard);
        if view.data().map(|(epoch, _)| epoch) != self.epochs.get(number).copied() {
            return Err(Ended::OutOfRange("the registry has begun anew"));
        }
        let next = self.next.get_mut(number).ok_or(Ended::Unavailable("there is no such shard"))?;
        let history = (self.pick)(&view);
        let entries = history.from(*next, AT_ONCE);
        let entries: Vec<_> =
            entries.ok_or(Ended::OutOfRange("this watcher is slower than the changes"))?.cloned().collect();
        *next += u64::try_from(entries.len()).unwrap_or(u64::MAX);
        let all_up_to = (*next == history.next()).then(|| view.position());
        Ok(Read { entries, all_up_to })
    }

    /// Everything of a shard up to here has been told.
    pub fn has_come_to(&mut self, shard: Shard, position: Position) {
        if let Some(place) = self.positions.get_mut(shard.number()) {
            *place = position;
        }
    }

    /// As a watcher carries it.
    pub fn revision(&self) -> String {
        Revision { epoch: Epoch::of_all(self.epochs), positions: self.positions }.encode()
    }
}
