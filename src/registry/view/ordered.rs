//! Slots in the order of a key that is kept elsewhere.
//!
//! A million keys kept twice would be most of the memory, so an entry is the first bytes of the key and the slot that has
//! the whole of it: twelve bytes. Most comparisons need no more; only keys that begin alike are looked up.

use std::cmp::Ordering;

/// Entries of a chunk at most: few enough that inserting moves little, enough that there are few chunks.
const CHUNK: usize = 256;

/// How much of a key an entry has.
const PREFIX: usize = 8;

/// Kept as bytes so that twelve of them are twelve, without padding.
#[derive(Clone, Copy, Debug)]
struct Entry {
    prefix: [u8; PREFIX],
    slot: [u8; 4],
}

impl Entry {
    fn slot(self) -> u32 {
        u32::from_le_bytes(self.slot)
    }
}

/// A key to look for, and how the whole key in a slot compares with it. It is asked only where the first bytes are equal.
#[derive(Clone, Copy, Debug)]
pub struct Probe<F> {
    prefix: [u8; PREFIX],
    compare: F,
}

impl<F: Fn(u32) -> Ordering> Probe<F> {
    /// A probe for a key; `compare` says how the key in a slot stands to it.
    pub fn new(key: &[u8], compare: F) -> Self {
        let mut prefix = [0; PREFIX];
        for (place, byte) in prefix.iter_mut().zip(key) {
            *place = *byte;
        }
        Self { prefix, compare }
    }

    fn order(&self, entry: Entry) -> Ordering {
        entry.prefix.cmp(&self.prefix).then_with(|| (self.compare)(entry.slot()))
    }
}

/// A place between two entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    chunk: usize,
    offset: usize,
}

/// Slots in order; those with equal keys by their numbers.
#[derive(Debug, Default)]
pub struct Ordered {
    /// The first entry of each chunk, together so that finding a chunk stays in the cache.
    firsts: Vec<Entry>,
    /// None is empty.
    chunks: Vec<Vec<Entry>>,
}

impl Ordered {
    /// Adds a slot, where its key belongs.
    pub fn insert<F: Fn(u32) -> Ordering>(&mut self, slot: u32, key: &Probe<F>) {
        let entry = Entry { prefix: key.prefix, slot: slot.to_le_bytes() };
        let before = |other: Entry| key.order(other).then(other.slot().cmp(&slot)).is_lt();
        let mut place = self.place(before);
        if self.chunks.get(place.chunk).is_none_or(|entries| entries.len() == CHUNK) {
            if place.chunk + 1 >= self.chunks.len() && place.offset == self.length(place.chunk) {
                // Behind all others, or the first of all: what comes in order fills each chunk.
                self.firsts.push(entry);
                self.chunks.push(vec![entry]);
                return;
            }
            self.split(place.chunk);
            place = self.place(before);
        }
        if let Some(entries) = self.chunks.get_mut(place.chunk) {
            entries.insert(place.offset, entry);
            self.note_first(place.chunk);
        }
    }

    /// Takes a slot out; its key is still what it was when it was added.
    pub fn remove<F: Fn(u32) -> Ordering>(&mut self, slot: u32, key: &Probe<F>) {
        let mut place = self.place(|other| key.order(other).then(other.slot().cmp(&slot)).is_lt());
        if place.offset == self.length(place.chunk) {
            // Behind the last of a chunk is before the first of the next.
            place = Place { chunk: place.chunk + 1, offset: 0 };
        }
        let Some(entries) = self.chunks.get_mut(place.chunk) else { return };
        if entries.get(place.offset).is_none_or(|entry| entry.slot() != slot) {
            return;
        }
        entries.remove(place.offset);
        if entries.is_empty() {
            self.chunks.remove(place.chunk);
            self.firsts.remove(place.chunk);
            return;
        }
        self.note_first(place.chunk);
        self.join(place.chunk);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Before the first.
    pub fn start(&self) -> Place {
        Place { chunk: 0, offset: 0 }
    }

    /// Behind the last.
    pub fn end(&self) -> Place {
        let chunk = self.chunks.len().saturating_sub(1);
        Place { chunk, offset: self.length(chunk) }
    }

    /// Before the first whose key is not less than this one.
    pub fn from<F: Fn(u32) -> Ordering>(&self, key: &Probe<F>) -> Place {
        self.place(|entry| key.order(entry).is_lt())
    }

    /// Behind the last whose key is not greater than this one.
    pub fn behind<F: Fn(u32) -> Ordering>(&self, key: &Probe<F>) -> Place {
        self.place(|entry| key.order(entry).is_le())
    }

    /// The slots from one place to another, in order.
    pub fn between(&self, from: Place, to: Place) -> impl Iterator<Item = u32> {
        let chunks = self.chunks.get(from.chunk..=to.chunk.min(self.chunks.len().wrapping_sub(1)));
        let chunks = if from < to { chunks.unwrap_or_default() } else { &[] };
        chunks.iter().enumerate().flat_map(move |(number, entries)| {
            let start = if number == 0 { from.offset } else { 0 };
            let end = if from.chunk + number == to.chunk { to.offset } else { entries.len() };
            entries.get(start..end).unwrap_or_default().iter().map(|entry| entry.slot())
        })
    }

    /// How many there are from one place to another.
    pub fn count(&self, from: Place, to: Place) -> usize {
        if to <= from {
            return 0;
        }
        let whole: usize =
            self.chunks.get(from.chunk..to.chunk).unwrap_or_default().iter().map(Vec::len).sum();
        (whole + to.offset).saturating_sub(from.offset)
    }

    fn place(&self, before: impl Fn(Entry) -> bool) -> Place {
        let chunk = self.firsts.partition_point(|first| before(*first)).saturating_sub(1);
        let offset =
            self.chunks.get(chunk).map_or(0, |entries| entries.partition_point(|entry| before(*entry)));
        Place { chunk, offset }
    }

    fn length(&self, chunk: usize) -> usize {
        self.chunks.get(chunk).map_or(0, Vec::len)
    }

    fn split(&mut self, chunk: usize) {
        let Some(entries) = self.chunks.get_mut(chunk) else { return };
        let upper = entries.split_off(entries.len() / 2);
        if let Some(first) = upper.first() {
            self.firsts.insert(chunk + 1, *first);
            self.chunks.insert(chunk + 1, upper);
        }
    }

    /// Joins a chunk with the one behind it when both together leave room: many removals would leave many small ones.
    fn join(&mut self, chunk: usize) {
        if self.length(chunk) >= CHUNK / 4 || chunk + 1 >= self.chunks.len() {
            return;
        }
        if self.length(chunk) + self.length(chunk + 1) <= CHUNK * 3 / 4 {
            let behind = self.chunks.remove(chunk + 1);
            self.firsts.remove(chunk + 1);
            if let Some(entries) = self.chunks.get_mut(chunk) {
                entries.extend(behind);
            }
        }
    }

    fn note_first(&mut self, chunk: usize) {
        let first = self.chunks.get(chunk).and_then(|entries| entries.first());
        if let (Some(place), Some(first)) = (self.firsts.get_mut(chunk), first) {
            *place = *first;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn probe<'k>(key: &'k str, keys: &'k [String]) -> Probe<impl Fn(u32) -> Ordering + 'k> {
        Probe::new(key.as_bytes(), move |slot| keys[slot as usize].as_str().cmp(key))
    }

    proptest! {
        /// Beside a plain ordered set: keys that begin alike and equal ones among them.
        #[test]
        fn is_what_an_ordered_set_is(
            keys in proptest::collection::vec("(aaaaaaaa)?[a-c]{0,3}", 1..600),
            removed in proptest::collection::vec(any::<prop::sample::Index>(), 0..500),
            bounds in ("(aaaaaaaa)?[a-c]{0,3}", "(aaaaaaaa)?[a-c]{0,3}"),
        ) {
            let mut ordered = Ordered::default();
            let mut model = BTreeSet::new();
            for (slot, key) in keys.iter().enumerate() {
                ordered.insert(u32::try_from(slot).expect("few"), &probe(key, &keys));
                model.insert((key.clone(), slot));
            }
            for index in removed {
                let slot = index.index(keys.len());
                ordered.remove(u32::try_from(slot).expect("few"), &probe(&keys[slot], &keys));
                model.remove(&(keys[slot].clone(), slot));
            }
            let all: Vec<_> = ordered.between(ordered.start(), ordered.end()).collect();
            let expected: Vec<_> = model.iter().map(|(_, slot)| u32::try_from(*slot).expect("few")).collect();
            prop_assert_eq!(all, expected);
            let (from, to) = (&bounds.0, &bounds.1);
            let (start, end) = (ordered.from(&probe(from, &keys)), ordered.behind(&probe(to, &keys)));
            let within = model.iter().filter(|(key, _)| key >= from && key <= to);
            let expected: Vec<_> = within.map(|(_, slot)| u32::try_from(*slot).expect("few")).collect();
            prop_assert_eq!(ordered.count(start, end), expected.len());
            prop_assert_eq!(ordered.between(start, end).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn what_comes_in_order_fills_its_chunks() {
        let keys: Vec<_> = (0..10_000).map(|number| format!("{number:05}")).collect();
        let mut ordered = Ordered::default();
        for (slot, key) in keys.iter().enumerate() {
            ordered.insert(u32::try_from(slot).expect("few"), &probe(key, &keys));
        }
        assert_eq!(ordered.chunks.len(), 10_000_usize.div_ceil(CHUNK));
    }
}
