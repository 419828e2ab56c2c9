//! How many sockets match, and how many of them have which value.

use std::{
    collections::HashMap,
    num::NonZero,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    thread,
};

use super::{Query, set::Set};
use crate::{
    expression::{
        packed::{Packer, Value},
        path::Path,
    },
    registry::{
        change::Shard,
        view::{View, member::Member, shard::ShardView},
    },
};

/// Threads that look at sockets for one count: what more would gain, handshakes would lose.
const LOOKERS: usize = 4;

/// More groups are no overview any more, and each takes memory.
pub const GROUPS: usize = 10_000;

/// A count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Count {
    /// All that match.
    pub total: u64,
    /// By the value at the path that was asked for, packed; the largest first, then by value.
    pub groups: Vec<(Box<[u8]>, u64)>,
}

/// There are more than [`GROUPS`] groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has more than {GROUPS} different values")]
pub struct TooManyGroups;

impl Query {
    /// Counts.
    pub fn count(&self, view: &View) -> u64 {
        if !self.looks_at_all() {
            return Shard::all().map(|shard| self.count_in(&view.shard(shard))).sum();
        }
        // What waits for memory waits for it on every processor at the same time.
        let shards: Vec<_> = Shard::all().collect();
        let (next, total) = (AtomicUsize::new(0), AtomicU64::new(0));
        let count = || {
            while let Some(shard) = shards.get(next.fetch_add(1, Ordering::Relaxed)) {
                total.fetch_add(self.count_in(&view.shard(*shard)), Ordering::Relaxed);
            }
        };
        thread::scope(|scope| {
            for _ in 1..thread::available_parallelism().map_or(1, NonZero::get).min(LOOKERS) {
                scope.spawn(count);
            }
            count();
        });
        total.into_inner()
    }

    fn count_in(&self, shard: &ShardView) -> u64 {
        if self.rest.is_none()
            && let Some(count) = self.set.count(shard)
        {
            return count;
        }
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        if let (Set::All, Some(rest)) = (&self.set, &self.rest) {
            return number(shard.members().count(|member| rest.matches(&member)));
        }
        let found = self.set.find(shard, shard.all());
        if self.test(&found).is_none() {
            return found.slots.len();
        }
        number(self.matching(shard, &found).count())
    }

    /// Counts by the value at a path. Those that have nothing there are under null.
    pub fn count_by(&self, view: &View, path: &Path) -> Result<Count, TooManyGroups> {
        let mut groups = Groups::default();
        for shard in Shard::all() {
            let shard = view.shard(shard);
            let found = self.set.find(&shard, shard.all());
            if self.test(&found).is_none()
                && let Some((index, _)) = shard.index(path)
                && let (common, true) = index.common()
            {
                // Every value has its bitmap: nothing has to be looked at.
                let mut rest = found.slots.len();
                for (key, slots) in common {
                    let count = slots.intersection_len(&found.slots);
                    rest = rest.saturating_sub(count);
                    groups.add(key.value(), count)?;
                }
                groups.add(Value::Null, rest)?;
                continue;
            }
            for member in self.matching(&shard, &found) {
                groups.add(value_at(path, member), 1)?;
            }
        }
        Ok(groups.into_count())
    }
}

fn value_at<'m>(path: &Path, member: &'m Member) -> Value<'m> {
    path.get(&member).unwrap_or(Value::Null)
}

#[derive(Default)]
struct Groups {
    counts: HashMap<Box<[u8]>, u64>,
    key: Vec<u8>,
}

impl Groups {
    fn add(&mut self, value: Value<'_>, count: u64) -> Result<(), TooManyGroups> {
        if count == 0 {
            return Ok(());
        }
        let mut packer = Packer::onto(std::mem::take(&mut self.key));
        packer.value(value);
        self.key = packer.into_bytes();
        if let Some(known) = self.counts.get_mut(self.key.as_slice()) {
            *known += count;
        } else if self.counts.len() < GROUPS {
            self.counts.insert(self.key.as_slice().into(), count);
        } else {
            return Err(TooManyGroups);
        }
        self.key.clear();
        Ok(())
    }

    fn into_count(self) -> Count {
        let mut groups: Vec<_> = self.counts.into_iter().collect();
        groups.sort_unstable_by(|(one, one_count), (other, other_count)| {
            other_count.cmp(one_count).then_with(|| one.cmp(other))
        });
        Count { total: groups.iter().map(|(_, count)| count).sum(), groups }
    }
}
