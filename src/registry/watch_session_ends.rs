//! Which sessions end, for whom, and why.

use std::sync::Arc;

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    change::Shard,
    places::{Places, Read},
    session_ended::SessionEnded,
    token::Revision,
    view::{View, shard::ShardView},
    watch_sockets::{CHECKPOINT_EVERY, Ended, caught_up},
};

/// What a watcher sees.
#[derive(Clone, Debug)]
pub enum SeenEnd {
    /// A session has ended.
    Ended(SessionEnded),
    /// Everything up to here has been told.
    Checkpoint,
}

/// A watch.
#[derive(Debug)]
pub struct SessionEndsWatch {
    view: Arc<View>,
    changes: watch::Receiver<u64>,
    places: Places<SessionEnded>,
    checkpoint: Instant,
}

impl SessionEndsWatch {
    /// Begins with what comes next, or behind a revision.
    pub async fn start(view: Arc<View>, from: Option<&Revision>) -> Result<Self, Ended> {
        caught_up(&view, || {
            let places = match from {
                None => Places::now(&view, ShardView::ended)?,
                Some(revision) => Places::behind(&view, ShardView::ended, revision)?,
            };
            let checkpoint = Instant::now() + CHECKPOINT_EVERY;
            Ok(Self { view: Arc::clone(&view), changes: view.changes(), places, checkpoint })
        })
        .await
    }

    /// Where a watch can go on from that has seen all so far.
    pub fn revision(&self) -> String {
        self.places.revision()
    }

    /// What comes next, at least one thing, each with where a watch can go on from behind it.
    pub async fn next(&mut self) -> Result<Vec<(SeenEnd, String)>, Ended> {
        loop {
            self.changes.borrow_and_update();
            let mut seen = Vec::new();
            let mut all_read = true;
            for shard in Shard::all() {
                let Read { entries, all_up_to } = self.places.read(&self.view, shard)?;
                for entry in entries {
                    self.places.has_come_to(shard, entry.position);
                    seen.push((SeenEnd::Ended(entry.what), self.places.revision()));
                }
                if let Some(position) = all_up_to {
                    self.places.has_come_to(shard, position);
                }
                all_read &= all_up_to.is_some();
            }
            if all_read && self.checkpoint <= Instant::now() {
                self.checkpoint = Instant::now() + CHECKPOINT_EVERY;
                seen.push((SeenEnd::Checkpoint, self.places.revision()));
            }
            if !seen.is_empty() {
                return Ok(seen);
            }
            if !all_read {
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
}
