//! Sets of slots, as indexes give them: what may match, before anything is evaluated.

use std::{borrow::Cow, cmp::Ordering, ops::Bound};

use roaring::RoaringBitmap;

use crate::{
    expression::{Bound as Filter, path::Path},
    registry::view::{
        index::{Answer, Key},
        member::GatewayAlone,
        shard::ShardView,
    },
};

/// A set of slots.
#[derive(Clone, Debug)]
pub enum Set {
    /// Every socket.
    All,
    /// Those for which something holds that an index knows.
    Leaf(Leaf),
    /// Those that are in each of these.
    And(Vec<Self>),
    /// Those that are in any of these.
    Or(Vec<Self>),
}

/// Something that an index knows.
#[derive(Clone, Debug)]
pub enum Leaf {
    /// Of the value at an indexed path.
    Field {
        /// The path.
        path: Path,
        /// What holds for the value.
        test: Test,
    },
    /// Of the gateway: asked once of each.
    Gateways(Filter),
}

/// What holds for a value. A value of another kind than is asked for is an error, which is no match.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// It is there.
    Present,
    /// It is not there.
    Absent,
    /// It is one of these, of which no two are the same.
    AnyOf(Vec<Scalar>),
    /// It is there and none of these, of which no two are the same.
    NoneOf(Vec<Scalar>),
    /// It is a number between these.
    Numbers(Bound<f64>, Bound<f64>),
    /// It is a text between these, bytewise.
    Texts(Edge, Edge),
    /// It is a text, and not between these.
    TextsBeside(Edge, Edge),
}

/// Where a stretch of texts begins or ends.
pub type Edge = Bound<Box<[u8]>>;

/// A value that an index can be asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(Box<[u8]>),
}

impl Scalar {
    /// Each of these once, in some order: a socket must not be counted twice for having what was said twice.
    pub fn distinct(mut scalars: Vec<Self>) -> Vec<Self> {
        scalars.sort_unstable_by(Self::order);
        scalars.dedup();
        scalars
    }

    fn order(&self, other: &Self) -> Ordering {
        let kind = |scalar: &Self| match scalar {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Number(_) => 2,
            Self::Text(_) => 3,
        };
        match (self, other) {
            (Self::Bool(one), Self::Bool(other)) => one.cmp(other),
            // Both zeros are one.
            (Self::Number(one), Self::Number(other)) => (one + 0.0).total_cmp(&(other + 0.0)),
            (Self::Text(one), Self::Text(other)) => one.cmp(other),
            _ => kind(self).cmp(&kind(other)),
        }
    }

    fn key(&self) -> Key<'_> {
        match self {
            Self::Null => Key::Null,
            Self::Bool(flag) => Key::Bool(*flag),
            Self::Number(number) => Key::Number(*number),
            Self::Text(text) => Key::Text(text),
        }
    }
}

/// Slots that may match.
#[derive(Debug)]
pub struct Found<'s> {
    /// The slots.
    pub slots: Cow<'s, RoaringBitmap>,
    /// They are just the set; otherwise more than that, and each has to be looked at.
    pub exact: bool,
}

/// A piece of an ordered list that is this many times larger than what is left already is not put together: looking at
/// each of the few is less work.
const NOT_WORTH: u64 = 8;

impl Set {
    /// How many slots it has at most.
    pub fn estimate(&self, shard: &ShardView) -> u64 {
        let all = shard.all().len();
        match self {
            Self::All => all,
            Self::Leaf(leaf) => leaf.estimate(shard),
            Self::And(sets) => sets.iter().map(|set| set.estimate(shard)).min().unwrap_or(all),
            Self::Or(sets) => sets.iter().map(|set| set.estimate(shard)).sum::<u64>().min(all),
        }
    }

    /// The paths whose indexes it asks; none where only gateways are asked.
    pub fn paths(&self, paths: &mut Vec<Path>) {
        match self {
            Self::Leaf(Leaf::Field { path, .. }) if !paths.contains(path) => paths.push(path.clone()),
            Self::All | Self::Leaf(_) => {}
            Self::And(sets) | Self::Or(sets) => sets.iter().for_each(|set| set.paths(paths)),
        }
    }

    /// How many slots it has, where that can be told without putting it together.
    pub fn count(&self, shard: &ShardView) -> Option<u64> {
        match self {
            Self::All => Some(shard.all().len()),
            Self::Leaf(leaf) => Some(leaf.estimate(shard)),
            Self::And(_) | Self::Or(_) => None,
        }
    }

    /// The slots, of those within.
    pub fn find<'s>(&'s self, shard: &'s ShardView, within: &'s RoaringBitmap) -> Found<'s> {
        match self {
            Self::All => Found { slots: Cow::Borrowed(within), exact: true },
            Self::Leaf(leaf) => leaf.narrow(shard, Cow::Borrowed(within)),
            Self::And(sets) => {
                let mut sets: Vec<_> = sets.iter().map(|set| (set.estimate(shard), set)).collect();
                sets.sort_by_key(|(estimate, _)| *estimate);
                let mut found = Found { slots: Cow::Borrowed(within), exact: true };
                for (_, set) in sets {
                    let Found { slots, exact } = found;
                    let next = set.narrow(shard, slots);
                    found = Found { slots: next.slots, exact: exact && next.exact };
                }
                found
            }
            Self::Or(sets) => {
                let mut found = Found { slots: Cow::Owned(RoaringBitmap::new()), exact: true };
                for set in sets {
                    let next = set.find(shard, within);
                    *found.slots.to_mut() |= &*next.slots;
                    found.exact &= next.exact;
                }
                found
            }
        }
    }

    fn narrow<'s>(&'s self, shard: &'s ShardView, within: Cow<'s, RoaringBitmap>) -> Found<'s> {
        match self {
            Self::Leaf(leaf) => leaf.narrow(shard, within),
            _ => {
                let Found { slots, exact } = self.find(shard, &within);
                Found { slots: Cow::Owned(slots.into_owned()), exact }
            }
        }
    }
}

impl Leaf {
    /// How many slots it has.
    pub fn estimate(&self, shard: &ShardView) -> u64 {
        match self {
            Self::Gateways(filter) => gateways(shard, filter).map(RoaringBitmap::len).sum(),
            Self::Field { path, test } => {
                let Some((index, values)) = shard.index(path) else { return shard.all().len() };
                let count = |scalars: &[Scalar]| {
                    scalars.iter().map(|scalar| index.equal(scalar.key(), &values).count()).sum::<u64>()
                };
                match test {
                    Test::Present => index.present().len(),
                    Test::Absent => shard.all().len().saturating_sub(index.present().len()),
                    Test::AnyOf(scalars) => count(scalars),
                    Test::NoneOf(scalars) => index.present().len().saturating_sub(count(scalars)),
                    Test::Numbers(from, to) => index.numbers(*from, *to).count(),
                    Test::Texts(from, to) => index.texts(bytes(from), bytes(to), &values).count(),
                    Test::TextsBeside(from, to) => {
                        let between = index.texts(bytes(from), bytes(to), &values).count();
                        index.all_texts().len().saturating_sub(between)
                    }
                }
            }
        }
    }

    fn narrow<'s>(&'s self, shard: &'s ShardView, within: Cow<'s, RoaringBitmap>) -> Found<'s> {
        let exactly = |slots: RoaringBitmap| Found { slots: Cow::Owned(slots), exact: true };
        let Self::Field { path, test } = self else {
            let Self::Gateways(filter) = self else { return Found { slots: within, exact: false } };
            let mut slots = RoaringBitmap::new();
            for gateway in gateways(shard, filter) {
                slots |= gateway & &*within;
            }
            return exactly(slots);
        };
        let Some((index, values)) = shard.index(path) else { return Found { slots: within, exact: false } };
        let all_of = |answers: Vec<Answer<'_>>| -> Option<RoaringBitmap> {
            let size: u64 = answers.iter().map(Answer::uncollected).sum();
            if size > NOT_WORTH * (within.len() + NOT_WORTH) {
                return None;
            }
            let mut slots = RoaringBitmap::new();
            for answer in &answers {
                slots |= &*answer.slots() & &*within;
            }
            Some(slots)
        };
        let equal = |scalars: &[Scalar]| -> Vec<Answer<'_>> {
            scalars.iter().map(|scalar| index.equal(scalar.key(), &values)).collect()
        };
        let slots = match test {
            Test::Present => Some(&*within & index.present()),
            Test::Absent => Some(&*within - index.present()),
            Test::AnyOf(scalars) => all_of(equal(scalars)),
            Test::NoneOf(scalars) => all_of(equal(scalars)).map(|slots| (&*within & index.present()) - slots),
            Test::Numbers(from, to) => all_of(vec![index.numbers(*from, *to)]),
            Test::Texts(from, to) => all_of(vec![index.texts(bytes(from), bytes(to), &values)]),
            Test::TextsBeside(from, to) => all_of(vec![index.texts(bytes(from), bytes(to), &values)])
                .map(|slots| (&*within & index.all_texts()) - slots),
        };
        match slots {
            Some(slots) => exactly(slots),
            None => Found { slots: within, exact: false },
        }
    }
}

fn gateways<'s>(shard: &'s ShardView, filter: &'s Filter) -> impl Iterator<Item = &'s RoaringBitmap> {
    let matches = |info| filter.matches(&GatewayAlone(info));
    shard
        .gateways()
        .values()
        .filter(move |gateway| matches(&gateway.holder().info))
        .map(|gateway| gateway.slots())
}

fn bytes(bound: &Edge) -> Bound<&[u8]> {
    match bound {
        Bound::Included(text) => Bound::Included(text),
        Bound::Excluded(text) => Bound::Excluded(text),
        Bound::Unbounded => Bound::Unbounded,
    }
}
