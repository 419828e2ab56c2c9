//! The latest changes of a shard, for watchers: each follows at its own pace, and none is waited for.

use std::{collections::VecDeque, time::Duration};

use super::member::Member;
use crate::{reason::Reason, registry::change::Position};

/// Something that watchers are told of.
pub trait Happened: Clone {
    /// What it keeps alive, roughly, in bytes.
    fn weight(&self) -> usize;
}

/// Something that happened, and where.
#[derive(Clone, Debug)]
pub struct Entry<T> {
    /// Where it happened. Several can have happened at once.
    pub position: Position,
    /// More happened at once with it, in the entries behind it.
    pub goes_on: bool,
    /// What.
    pub what: T,
}

/// What a socket was and what it is.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The socket before; `None`: it was not open.
    pub before: Option<Member>,
    /// The socket now; `None`: it is closed.
    pub now: Option<Member>,
    /// Why it was closed.
    pub reason: Reason,
}

impl Happened for Difference {
    /// The socket as it was. As it is now it is kept in any case.
    fn weight(&self) -> usize {
        self.before.as_ref().map_or(0, |member| member.record.as_bytes().len())
    }
}

impl<T: Happened> Entry<T> {
    fn weight(&self) -> usize {
        size_of::<Self>() + self.what.weight()
    }
}

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Not for longer (`registry.history`).
    pub age: Duration,
    /// Not more, in bytes.
    pub bytes: usize,
}

/// The latest changes, in order.
#[derive(Debug)]
pub struct History<T> {
    bounds: Bounds,
    entries: VecDeque<Entry<T>>,
    /// How many entries there were before the first that is here.
    dropped: u64,
    /// What came up to here is not here any more, or never was.
    trimmed: Position,
    bytes: usize,
}

impl<T: Happened> History<T> {
    /// An empty one that begins at this position.
    pub fn new(bounds: Bounds, position: Position) -> Self {
        Self { bounds, entries: VecDeque::new(), dropped: 0, trimmed: position, bytes: 0 }
    }

    /// Adds an entry, and drops what is too old or too much.
    pub fn push(&mut self, entry: Entry<T>) {
        let newest = entry.position.milliseconds;
        self.bytes += entry.weight();
        self.entries.push_back(entry);
        let age = u64::try_from(self.bounds.age.as_millis()).unwrap_or(u64::MAX);
        let oldest = newest.saturating_sub(age);
        while let Some(first) = self.entries.front() {
            if first.position.milliseconds >= oldest && self.bytes <= self.bounds.bytes {
                break;
            }
            self.bytes = self.bytes.saturating_sub(first.weight());
            self.trimmed = self.trimmed.max(first.position);
            self.dropped += 1;
            self.entries.pop_front();
        }
    }

    /// What came up to this position is not known: nobody goes on from before it.
    pub fn breaks_off(&mut self, position: Position) {
        // The number that comes next is one that nobody waits for.
        self.dropped = self.next() + 1;
        self.entries.clear();
        self.bytes = 0;
        self.trimmed = position;
    }

    /// The entries from this number on happened at once.
    pub fn join_from(&mut self, number: u64) {
        let start =
            number.checked_sub(self.dropped).and_then(|start| usize::try_from(start).ok()).unwrap_or(0);
        let all_but_last = self.entries.len().saturating_sub(1);
        for entry in self.entries.range_mut(start.min(all_but_last)..all_but_last) {
            entry.goes_on = true;
        }
    }

    /// The number of the entry that comes next.
    pub fn next(&self) -> u64 {
        self.dropped + u64::try_from(self.entries.len()).unwrap_or(u64::MAX)
    }

    /// The number of the first entry behind this position; `None`: some of them are not here any more.
    pub fn behind(&self, position: Position) -> Option<u64> {
        if position < self.trimmed {
            return None;
        }
        let known = self.entries.partition_point(|entry| entry.position <= position);
        Some(self.dropped + u64::try_from(known).unwrap_or(u64::MAX))
    }

    /// All that are here, the latest first.
    pub fn latest(&self) -> impl Iterator<Item = &Entry<T>> {
        self.entries.iter().rev()
    }

    /// Entries from this number on, at most so many; `None`: it is not here any more.
    pub fn from(&self, number: u64, at_most: usize) -> Option<impl Iterator<Item = &Entry<T>>> {
        let start = usize::try_from(number.checked_sub(self.dropped)?).ok()?;
        Some(self.entries.iter().skip(start).take(at_most))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::registry::{change::GatewayInfo, record::tests::record};

    fn entry(milliseconds: u64) -> Entry<Difference> {
        let info = Arc::new(GatewayInfo::new("g", "i", &Default::default()));
        let now = Some(Member { info, record: record("s", &serde_json::json!({})) });
        let what = Difference { before: None, now, reason: Reason::Closed };
        Entry { position: at(milliseconds), goes_on: false, what }
    }

    fn at(milliseconds: u64) -> Position {
        Position { milliseconds, sequence: 0 }
    }

    #[test]
    fn what_is_too_old_is_dropped_and_nobody_goes_on_from_before_it() {
        let bounds = Bounds { age: Duration::from_millis(100), bytes: usize::MAX };
        let mut history = History::new(bounds, at(5));
        assert_eq!(history.behind(at(4)), None);
        for milliseconds in [10, 50, 100, 130] {
            history.push(entry(milliseconds));
        }
        assert_eq!(history.behind(at(9)), None);
        let next = history.behind(at(10)).expect("all behind it are there");
        let rest: Vec<_> = history.from(next, 2).expect("there").map(|entry| entry.position).collect();
        assert_eq!(rest, [at(50), at(100)]);
        assert_eq!(history.behind(at(500)), Some(history.next()));
        assert!(history.from(0, 1).is_none());
    }

    #[test]
    fn whoever_has_seen_a_part_of_what_happened_at_once_goes_on_with_all_of_it() {
        let mut history = History::new(Bounds { age: Duration::MAX, bytes: usize::MAX }, at(0));
        history.push(entry(1));
        let first = history.next();
        for _ in 0..3 {
            history.push(entry(2));
        }
        history.join_from(first);
        let go_on: Vec<_> = history.from(0, 9).expect("there").map(|entry| entry.goes_on).collect();
        assert_eq!(go_on, [false, true, true, false]);
        assert_eq!(history.behind(at(1)), Some(first));
    }

    #[test]
    fn nobody_goes_on_over_a_gap() {
        let mut history = History::new(Bounds { age: Duration::MAX, bytes: usize::MAX }, at(0));
        history.push(entry(1));
        let next = history.next();
        history.breaks_off(at(5));
        assert!(history.from(next, 1).is_none());
        assert_eq!((history.behind(at(4)), history.behind(at(5))), (None, Some(history.next())));
        history.push(entry(6));
        assert!(history.from(next, 1).is_none());
        assert_eq!(history.from(history.behind(at(5)).expect("there"), 9).map(Iterator::count), Some(1));
    }

    #[test]
    fn what_is_too_much_is_dropped() {
        let bounds = Bounds { age: Duration::MAX, bytes: 3 * entry(0).weight() };
        let mut history = History::new(bounds, at(0));
        for milliseconds in 1..=10 {
            history.push(entry(milliseconds));
        }
        assert_eq!(history.from(history.behind(at(7)).expect("there"), 10).map(Iterator::count), Some(3));
        assert_eq!(history.behind(at(6)), None);
    }
}
