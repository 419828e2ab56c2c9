//! What matches, and then what changes about that.
//!
//! A watcher reads each shard's latest changes at its own pace: nothing is queued for it, and nobody waits for it. One that
//! is slower than the changes, for longer than they are kept, has to start afresh.

use std::{array, sync::Arc, time::Duration, vec};

use tokio::{
    sync::watch,
    task::yield_now,
    time::{Instant, sleep_until, timeout},
};

use super::{
    change::{Epoch, Position, SHARDS, Shard},
    query::Query,
    token::Revision,
    view::{Coverage, View, history::Entry, member::Member},
};
use crate::{expression::Steps, reason::Reason};

/// What a watcher sees.
#[derive(Clone, Debug)]
pub enum Seen {
    /// It matches, or it does so still and has changed.
    Opened(Member),
    /// It does not any more.
    Closed(Member, Reason),
    /// Everything up to here has been told.
    Checkpoint(Coverage),
}

/// Why a watch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// It cannot be gone on from where the watcher is.
    #[error("{0}; start afresh, without from_revision")]
    OutOfRange(&'static str),
    /// So many are open that there is no room for another.
    #[error("as many watches are open here as limits.max_watches allows; try another replica")]
    TooMany,
    /// This replica does not know enough yet.
    #[error("{0}; try again, or another replica")]
    Unavailable(&'static str),
}

/// Members of a snapshot that are looked at before the watcher has to have read them.
const SNAPSHOT: usize = 256;

/// Changes that are read at once from a shard.
const AT_ONCE: usize = 256;

/// Steps of evaluations before others get a turn, about a millisecond.
const TURN: u64 = 1 << 15;

/// How often a watcher to whom nothing happens hears that all is told.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

/// How long a watcher that has seen more than this replica waits for it to catch up.
const CATCH_UP: Duration = Duration::from_secs(5);

/// A watch.
#[derive(Debug)]
pub struct Watch {
    view: Arc<View>,
    query: Arc<Query>,
    changes: watch::Receiver<u64>,
    epochs: [Epoch; SHARDS],
    positions: [Position; SHARDS],
    /// The number of the next entry of each shard's history.
    next: [u64; SHARDS],
    /// Shards whose snapshot is still to come.
    snapshots: Vec<Shard>,
    /// What is left of the snapshot of a shard, and whether it is sure that all of it matches.
    candidates: vec::IntoIter<Member>,
    sure: bool,
    checkpoint: Instant,
    /// Those of evaluations until others get a turn.
    steps: Steps,
}

impl Watch {
    /// Begins with a snapshot, or behind a revision.
    pub async fn start(view: Arc<View>, query: Arc<Query>, from: Option<&Revision>) -> Result<Self, Ended> {
        let mut changes = view.changes();
        let patience = Instant::now() + CATCH_UP;
        loop {
            changes.borrow_and_update();
            match Self::attempt(&view, &query, from) {
                Err(Ended::Unavailable(_)) if Instant::now() < patience => {
                    let _ = timeout(patience - Instant::now(), changes.changed()).await;
                }
                begun => return begun,
            }
        }
    }

    fn attempt(view: &Arc<View>, query: &Arc<Query>, from: Option<&Revision>) -> Result<Self, Ended> {
        let mut epochs = [Epoch(0); SHARDS];
        for (epoch, shard) in epochs.iter_mut().zip(Shard::all()) {
            let data = view.shard(shard).data();
            *epoch = data.ok_or(Ended::Unavailable("this replica has not read the registry yet"))?.0;
        }
        let mut this = Self {
            view: Arc::clone(view),
            query: Arc::clone(query),
            changes: view.changes(),
            epochs,
            positions: array::from_fn(|_| Position::default()),
            next: [0; SHARDS],
            snapshots: Vec::new(),
            candidates: Vec::new().into_iter(),
            sure: false,
            checkpoint: Instant::now(),
            steps: Steps::new(TURN),
        };
        match from {
            None => this.snapshots = Shard::all().collect(),
            Some(revision) => this.go_on(revision)?,
        }
        Ok(this)
    }

    fn go_on(&mut self, revision: &Revision) -> Result<(), Ended> {
        if revision.epoch != Epoch::of_all(self.epochs) {
            return Err(Ended::OutOfRange("the registry has begun anew since"));
        }
        self.positions = revision.positions;
        for ((shard, next), position) in Shard::all().zip(&mut self.next).zip(&self.positions) {
            let shard = self.view.shard(shard);
            if *position > shard.position() {
                return Err(Ended::Unavailable("this replica has not come as far yet"));
            }
            let number = shard.history().behind(*position);
            *next = number.ok_or(Ended::OutOfRange("what came behind it is not kept any more"))?;
        }
        Ok(())
    }

    /// What comes next, at least one thing, each with where a watch can go on from behind it.
    pub async fn next(&mut self) -> Result<Vec<(Seen, String)>, Ended> {
        loop {
            let seen = self.snapshot().await;
            if !seen.is_empty() {
                return Ok(seen);
            }
            if let Some(shard) = self.snapshots.pop() {
                self.gather(shard);
                continue;
            }
            self.changes.borrow_and_update();
            let mut seen = Vec::new();
            let mut all_read = true;
            for shard in Shard::all() {
                all_read &= self.read(shard, &mut seen).await?;
            }
            if all_read && self.checkpoint <= Instant::now() {
                self.checkpoint = Instant::now() + CHECKPOINT_EVERY;
                seen.push((Seen::Checkpoint(self.view.coverage()), self.revision()));
            }
            if !seen.is_empty() {
                return Ok(seen);
            }
            if !all_read {
                yield_now().await;
                continue;
            }
            tokio::select! {
                changed = self.changes.changed() => {
                    changed.map_err(|_| Ended::Unavailable("the service is stopping"))?;
                }
                () = sleep_until(self.checkpoint) => {}
            }
        }
    }

    /// What may match in a shard is gathered while it is locked, and looked at when it is not any more.
    fn gather(&mut self, shard: Shard) {
        let number = shard.number();
        let shard = self.view.shard(shard);
        let epoch = shard.data().map(|(epoch, _)| epoch);
        if let (Some(place), Some(epoch)) = (self.epochs.get_mut(number), epoch) {
            *place = epoch;
        }
        if let Some(next) = self.next.get_mut(number) {
            *next = shard.history().next();
        }
        if let Some(position) = self.positions.get_mut(number) {
            *position = shard.position();
        }
        let (candidates, sure) = self.query.candidates_in(&shard);
        (self.candidates, self.sure) = (candidates.into_iter(), sure);
    }

    /// Some of those that were gathered and match.
    async fn snapshot(&mut self) -> Vec<(Seen, String)> {
        let mut seen = Vec::new();
        while seen.len() < SNAPSHOT
            && let Some(member) = self.candidates.next()
        {
            if self.sure || self.matches(&member).await {
                seen.push((Seen::Opened(member), String::new()));
            }
        }
        seen
    }

    /// Whether a socket matches. Others get a turn now and then.
    async fn matches(&mut self, member: &Member) -> bool {
        let matches = self.query.matches(member, &mut self.steps);
        if self.steps.are_used_up() {
            self.steps = Steps::new(TURN);
            yield_now().await;
        }
        matches
    }

    /// Reads some of the shard's changes, and says whether those were all.
    async fn read(&mut self, shard: Shard, seen: &mut Vec<(Seen, String)>) -> Result<bool, Ended> {
        let number = shard.number();
        let (entries, all_read, position) = {
            let shard = self.view.shard(shard);
            let known = self.epochs.get(number).copied();
            if shard.data().map(|(epoch, _)| epoch) != known {
                return Err(Ended::OutOfRange("the registry has begun anew"));
            }
            let next = self.next.get_mut(number).ok_or(Ended::Unavailable("there is no such shard"))?;
            let entries = shard.history().from(*next, AT_ONCE);
            let entries: Vec<Entry> = entries
                .ok_or(Ended::OutOfRange("this watcher is slower than the changes"))?
                .cloned()
                .collect();
            *next += u64::try_from(entries.len()).unwrap_or(u64::MAX);
            (entries, *next == shard.history().next(), shard.position())
        };
        let before = seen.len();
        for entry in entries {
            if let Some(place) = self.positions.get_mut(number).filter(|_| !entry.goes_on) {
                *place = entry.position;
            }
            if let Some(event) = self.look(entry).await {
                seen.push((event, self.revision()));
            }
        }
        if let Some(place) = self.positions.get_mut(number).filter(|_| all_read) {
            // Also what is not for watchers is behind it now.
            *place = position;
        }
        if seen.len() > before {
            // Whoever has seen the last of them has seen all that was read: also what came behind it and is not theirs.
            let revision = self.revision();
            if let Some((_, last)) = seen.last_mut() {
                *last = revision;
            }
        }
        Ok(all_read)
    }

    /// What an entry is to those who watch this.
    async fn look(&mut self, entry: Entry) -> Option<Seen> {
        let Entry { before, now, reason, .. } = entry;
        let is_open = now.is_some();
        let before = self.matching(before).await;
        let now = self.matching(now).await;
        match (before, now) {
            (None, None) => None,
            (Some(before), Some(now)) if before.record == now.record => None,
            (_, Some(now)) => Some(Seen::Opened(now)),
            (Some(before), None) => {
                Some(Seen::Closed(before, if is_open { Reason::LeftFilter } else { reason }))
            }
        }
    }

    async fn matching(&mut self, member: Option<Member>) -> Option<Member> {
        let member = member?;
        self.matches(&member).await.then_some(member)
    }

    fn revision(&self) -> String {
        Revision { epoch: Epoch::of_all(self.epochs), positions: self.positions }.encode()
    }
}
