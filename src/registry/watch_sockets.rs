//! What matches, and then what changes about that.
//!
//! A watcher that is slower than the changes, for longer than they are kept, has to start afresh.

use std::{sync::Arc, time::Duration, vec};

use tokio::{
    sync::watch,
    task::yield_now,
    time::{Instant, sleep_until, timeout},
};

use super::{
    change::Shard,
    places::{Places, Read},
    query::Query,
    token::Revision,
    view::{Coverage, View, history::Difference, member::Member, shard::ShardView},
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

/// Begins a watch, as soon as this replica has come as far as the watcher.
pub(super) async fn caught_up<W>(
    view: &View,
    mut attempt: impl FnMut() -> Result<W, Ended>,
) -> Result<W, Ended> {
    let mut changes = view.changes();
    let patience = Instant::now() + CATCH_UP;
    loop {
        changes.borrow_and_update();
        match attempt() {
            Err(Ended::Unavailable(_)) if Instant::now() < patience => {
                let _ = timeout(patience - Instant::now(), changes.changed()).await;
            }
            begun => return begun,
        }
    }
}

/// Members of a snapshot that are looked at before the watcher has to have read them.
const SNAPSHOT: usize = 256;

/// Steps of evaluations before others get a turn, about a millisecond.
const TURN: u64 = 1 << 15;

/// How often a watcher to whom nothing happens hears that all is told.
pub(super) const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

/// How long a watcher that has seen more than this replica waits for it to catch up.
const CATCH_UP: Duration = Duration::from_secs(5);

/// A watch.
#[derive(Debug)]
pub struct Watch {
    view: Arc<View>,
    query: Arc<Query>,
    changes: watch::Receiver<u64>,
    places: Places<Difference>,
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
        caught_up(&view, || Self::attempt(&view, &query, from)).await
    }

    fn attempt(view: &Arc<View>, query: &Arc<Query>, from: Option<&Revision>) -> Result<Self, Ended> {
        let (places, snapshots) = match from {
            None => (Places::now(view, ShardView::history)?, Shard::all().collect()),
            Some(revision) => (Places::behind(view, ShardView::history, revision)?, Vec::new()),
        };
        Ok(Self {
            view: Arc::clone(view),
            query: Arc::clone(query),
            changes: view.changes(),
            places,
            snapshots,
            candidates: Vec::new().into_iter(),
            sure: false,
            checkpoint: Instant::now(),
            steps: Steps::new(TURN),
        })
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
                seen.push((Seen::Checkpoint(self.view.coverage()), self.places.revision()));
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
        let view = self.view.shard(shard);
        self.places.skip_to_now(shard, &view);
        let (candidates, sure) = self.query.candidates_in(&view);
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
        let Read { entries, all_up_to } = self.places.read(&self.view, shard)?;
        let before = seen.len();
        for entry in entries {
            if !entry.goes_on {
                self.places.has_come_to(shard, entry.position);
            }
            if let Some(event) = self.look(entry.what).await {
                seen.push((event, self.places.revision()));
            }
        }
        if let Some(position) = all_up_to {
            // Also what is not for watchers is behind it now.
            self.places.has_come_to(shard, position);
        }
        if seen.len() > before {
            // Whoever has seen the last of them has seen all that was read: also what came behind it and is not theirs.
            let revision = self.places.revision();
            if let Some((_, last)) = seen.last_mut() {
                *last = revision;
            }
        }
        Ok(all_up_to.is_some())
    }

    /// What a change is to those who watch this.
    async fn look(&mut self, change: Difference) -> Option<Seen> {
        let Difference { before, now, reason } = change;
        let is_open = now.is_some();
        let before = self.matching(before).await;
        let now = self.matching(now).await;
        match (before, now) {
            (None, None) => None,
            (Some(before), Some(now)) if before.record.shows_the_same(&now.record) => None,
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
}
