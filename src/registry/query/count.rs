//! How many sockets match, and how many of them have which value.

use std::{
    collections::HashMap,
    convert::Infallible,
    num::NonZero,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use super::{
    Query,
    look::{self, Part},
    set::Set,
};
use crate::{
    expression::{
        packed::{Packer, Value},
        path::Path,
    },
    registry::{
        change::Shard,
        view::{View, shard::ShardView},
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

/// A count under way.
#[derive(Debug)]
pub struct Counting {
    left: Mutex<Vec<Work>>,
    total: AtomicU64,
}

/// A count by the value at a path, under way.
#[derive(Debug)]
pub struct Grouping {
    path: Path,
    left: Vec<Work>,
    groups: Groups,
}

/// What is left of a shard.
#[derive(Debug)]
enum Work {
    /// Nothing has been done yet.
    All(Shard),
    /// These are to be looked at.
    Part(Part),
}

fn all_shards() -> Vec<Work> {
    Shard::all().map(Work::All).collect()
}

impl Default for Counting {
    fn default() -> Self {
        Self { left: Mutex::new(all_shards()), total: AtomicU64::new(0) }
    }
}

impl Counting {
    /// How many match of what has been counted.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    fn add(&self, count: u64) {
        self.total.fetch_add(count, Ordering::Relaxed);
    }

    fn take(&self) -> Option<Work> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn put_back(&self, part: Part) {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).push(Work::Part(part));
    }

    fn is_over(&self) -> bool {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

impl Grouping {
    /// By the value at this path.
    pub fn by(path: Path) -> Self {
        Self { path, left: all_shards(), groups: Groups::default() }
    }

    /// The groups, and how many sockets there are in all.
    pub fn into_count(self) -> Count {
        self.groups.into_count()
    }
}

impl Query {
    /// Goes on counting, for one look. Whether that was all.
    pub fn count(&self, view: &View, counting: &Counting) -> bool {
        let work = || {
            let mut steps = look::steps();
            while !steps.are_used_up()
                && let Some(work) = counting.take()
            {
                let mut part = match work {
                    Work::Part(part) => part,
                    Work::All(shard) => match self.count_by_index(&view.shard(shard), shard) {
                        Ok(count) => {
                            counting.add(count);
                            continue;
                        }
                        Err(part) => part,
                    },
                };
                let mut count = 0;
                let see = |_: &_| -> Result<(), Infallible> {
                    count += 1;
                    Ok(())
                };
                let Ok(is_over) = self.go_through(view, &mut part, &mut steps, see);
                counting.add(count);
                if !is_over {
                    counting.put_back(part);
                }
            }
        };
        if self.looks_at_all() {
            // What waits for memory waits for it on every processor at the same time.
            thread::scope(|scope| {
                for _ in 1..thread::available_parallelism().map_or(1, NonZero::get).min(LOOKERS) {
                    scope.spawn(work);
                }
                work();
            });
        } else {
            work();
        }
        counting.is_over()
    }

    /// How many match in a shard as far as indexes alone can tell, else what has to be looked at.
    fn count_by_index(&self, shard: &ShardView, number: Shard) -> Result<u64, Part> {
        if self.rest.is_none()
            && let Some(count) = self.set.count(shard)
        {
            return Ok(count);
        }
        if matches!(self.set, Set::All) {
            return Err(Part::all(number));
        }
        let found = self.set.find(shard, shard.all());
        if self.test(&found).is_none() {
            return Ok(found.slots.len());
        }
        Err(Part::these(number, found.slots.into_owned()))
    }

    /// Goes on counting by the value at a path, for one look. Whether that was all. Those that have nothing there are under
    /// null.
    pub fn group(&self, view: &View, grouping: &mut Grouping) -> Result<bool, TooManyGroups> {
        let Grouping { path, left, groups } = grouping;
        let mut steps = look::steps();
        while !steps.are_used_up()
            && let Some(work) = left.pop()
        {
            let mut part = match work {
                Work::Part(part) => part,
                Work::All(shard) => match self.group_by_index(&view.shard(shard), shard, path, groups)? {
                    None => continue,
                    Some(part) => part,
                },
            };
            let see = |member: &_| groups.add(path.get(&member).unwrap_or(Value::Null), 1);
            if !self.go_through(view, &mut part, &mut steps, see)? {
                left.push(Work::Part(part));
            }
        }
        Ok(left.is_empty())
    }

    /// The groups of a shard as far as indexes alone can tell, else what has to be looked at.
    fn group_by_index(
        &self,
        shard: &ShardView,
        number: Shard,
        path: &Path,
        groups: &mut Groups,
    ) -> Result<Option<Part>, TooManyGroups> {
        let found = self.set.find(shard, shard.all());
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
            return Ok(None);
        }
        Ok(Some(match self.set {
            Set::All => Part::all(number),
            _ => Part::these(number, found.slots.into_owned()),
        }))
    }
}

#[derive(Debug, Default)]
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
