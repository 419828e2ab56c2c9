//! The index of one field: which slots have which value there.
//!
//! A value that many sockets share has a bitmap of its own. Values that few share stand in one ordered list, at twelve
//! bytes a socket; a user's id or a session id would need several times that as a bitmap each. A value moves from the one
//! to the other by itself as it becomes common or rare.

use std::{borrow::Cow, cmp::Ordering, collections::BTreeMap, ops::Bound};

use roaring::RoaringBitmap;

use super::ordered::{Ordered, Place, Probe};
use crate::expression::packed::{Text, Value};

/// From here on a value is common: a bitmap of so many slots takes less than as many entries.
const COMMON: usize = 64;
/// From here on it is rare again: far enough below, so that it does not go to and fro.
const RARE: u64 = 16;

/// A value as an index knows it: numbers as doubles, since what a message carries is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Key<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, whole or not.
    Number(f64),
    /// A text.
    Text(&'a [u8]),
}

impl<'a> Key<'a> {
    /// The key of a value; `None`: lists and objects have none.
    pub fn of(value: Value<'a>) -> Option<Self> {
        match value {
            Value::Null => Some(Self::Null),
            Value::Bool(flag) => Some(Self::Bool(flag)),
            #[expect(clippy::cast_precision_loss, reason = "it came in as a double")]
            Value::Int(number) => Some(Self::Number(number as f64)),
            Value::Double(number) => Some(Self::Number(number)),
            Value::Text(text) => Some(Self::Text(text.as_bytes())),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The value of a key.
    pub fn value(self) -> Value<'a> {
        match self {
            Self::Null => Value::Null,
            Self::Bool(flag) => Value::Bool(flag),
            Self::Number(number) => Value::number(number),
            Self::Text(text) => Value::Text(Text::of_utf8(text)),
        }
    }
}

/// A number's bytes, which are ordered as numbers are; both zeros are one.
fn number_bytes(number: f64) -> [u8; 8] {
    const SIGN: u64 = 1 << 63;
    let bits = (number + 0.0).to_bits();
    (if bits & SIGN == 0 { bits | SIGN } else { !bits }).to_be_bytes()
}

/// Where the value of a slot is read.
pub trait Values {
    /// The value that a slot has at the index's path; `None`: nothing.
    fn value(&self, slot: u32) -> Option<Value<'_>>;
}

/// The index.
#[derive(Debug, Default)]
pub struct Index {
    present: RoaringBitmap,
    nulls: RoaringBitmap,
    falses: RoaringBitmap,
    trues: RoaringBitmap,
    numbers: Keyed,
    texts: Keyed,
}

/// Numbers or texts, by their bytes.
#[derive(Debug, Default)]
struct Keyed {
    /// All of this kind.
    all: RoaringBitmap,
    common: BTreeMap<Box<[u8]>, RoaringBitmap>,
    rare: Ordered,
}

impl Index {
    /// Adds a slot with what it has at the index's path, if anything. `values` answers for all slots, this one among them.
    pub fn insert(&mut self, slot: u32, value: Value<'_>, values: &impl Values) {
        self.present.insert(slot);
        match Key::of(value) {
            Some(Key::Null) => drop(self.nulls.insert(slot)),
            Some(Key::Bool(flag)) => drop(self.bools_mut(flag).insert(slot)),
            Some(Key::Number(number)) => {
                self.numbers.insert(slot, &number_bytes(number), same_number);
            }
            Some(Key::Text(text)) => self.texts.insert(slot, text, compare_texts(text, values)),
            None => {}
        }
    }

    /// Takes a slot out; `value` is what it had when it was added.
    pub fn remove(&mut self, slot: u32, value: Value<'_>, values: &impl Values) {
        self.present.remove(slot);
        match Key::of(value) {
            Some(Key::Null) => drop(self.nulls.remove(slot)),
            Some(Key::Bool(flag)) => drop(self.bools_mut(flag).remove(slot)),
            Some(Key::Number(number)) => {
                self.numbers.remove(slot, &number_bytes(number), same_number);
            }
            Some(Key::Text(text)) => self.texts.remove(slot, text, compare_texts(text, values)),
            None => {}
        }
    }

    /// The slots that have anything there.
    pub fn present(&self) -> &RoaringBitmap {
        &self.present
    }

    /// The slots that have this value.
    pub fn equal(&self, key: Key<'_>, values: &impl Values) -> Answer<'_> {
        match key {
            Key::Null => Answer::of(&self.nulls),
            Key::Bool(flag) => Answer::of(if flag { &self.trues } else { &self.falses }),
            Key::Number(number) => self.numbers.equal(&number_bytes(number), same_number),
            Key::Text(text) => self.texts.equal(text, compare_texts(text, values)),
        }
    }

    /// The slots whose number lies between these.
    pub fn numbers(&self, from: Bound<f64>, to: Bound<f64>) -> Answer<'_> {
        let (from, to) = (from.map(number_bytes), to.map(number_bytes));
        self.numbers.range(as_bytes(&from), as_bytes(&to), |_| same_number)
    }

    /// The slots whose text lies between these, bytewise.
    pub fn texts(&self, from: Bound<&[u8]>, to: Bound<&[u8]>, values: &impl Values) -> Answer<'_> {
        self.texts.range(from, to, |text| compare_texts(text, values))
    }

    /// The slots that have a text there.
    pub fn all_texts(&self) -> &RoaringBitmap {
        &self.texts.all
    }

    /// Each value that has a bitmap, with it, and whether these are all values: null and bools always are.
    pub fn common(&self) -> (impl Iterator<Item = (Key<'_>, &RoaringBitmap)>, bool) {
        let fixed =
            [(Key::Null, &self.nulls), (Key::Bool(false), &self.falses), (Key::Bool(true), &self.trues)];
        let numbers = self.numbers.common.iter().map(|(bytes, slots)| (Key::Number(number_of(bytes)), slots));
        let texts = self.texts.common.iter().map(|(bytes, slots)| (Key::Text(bytes), slots));
        let of_keys = self.nulls.len() + self.falses.len() + self.trues.len();
        let all_have_keys = of_keys + self.numbers.all.len() + self.texts.all.len() == self.present.len();
        let are_all = all_have_keys && self.numbers.rare.is_empty() && self.texts.rare.is_empty();
        (fixed.into_iter().filter(|(_, slots)| !slots.is_empty()).chain(numbers).chain(texts), are_all)
    }

    fn bools_mut(&mut self, flag: bool) -> &mut RoaringBitmap {
        if flag { &mut self.trues } else { &mut self.falses }
    }
}

fn as_bytes(bound: &Bound<[u8; 8]>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(bytes) => Bound::Included(bytes),
        Bound::Excluded(bytes) => Bound::Excluded(bytes),
        Bound::Unbounded => Bound::Unbounded,
    }
}

fn number_of(bytes: &[u8]) -> f64 {
    const SIGN: u64 = 1 << 63;
    let bits = bytes.try_into().map(u64::from_be_bytes).unwrap_or(SIGN);
    f64::from_bits(if bits & SIGN == 0 { !bits } else { bits & !SIGN })
}

/// Numbers that begin alike are equal: all of one is in its first bytes.
fn same_number(_: u32) -> Ordering {
    Ordering::Equal
}

fn compare_texts<'v, V: Values>(text: &'v [u8], values: &'v V) -> impl Fn(u32) -> Ordering + use<'v, V> {
    move |slot| match values.value(slot) {
        Some(Value::Text(other)) => other.as_bytes().cmp(text),
        _ => Ordering::Less,
    }
}

impl Keyed {
    fn insert(&mut self, slot: u32, key: &[u8], compare: impl Fn(u32) -> Ordering) {
        self.all.insert(slot);
        if let Some(slots) = self.common.get_mut(key) {
            slots.insert(slot);
            return;
        }
        let probe = Probe::new(key, compare);
        self.rare.insert(slot, &probe);
        let (from, to) = (self.rare.from(&probe), self.rare.behind(&probe));
        if self.rare.count(from, to) >= COMMON {
            let slots: Vec<u32> = self.rare.between(from, to).collect();
            for slot in &slots {
                self.rare.remove(*slot, &probe);
            }
            self.common.insert(key.into(), slots.into_iter().collect());
        }
    }

    fn remove(&mut self, slot: u32, key: &[u8], compare: impl Fn(u32) -> Ordering) {
        self.all.remove(slot);
        let Some(slots) = self.common.get_mut(key) else {
            return self.rare.remove(slot, &Probe::new(key, compare));
        };
        slots.remove(slot);
        if slots.len() < RARE {
            let slots = self.common.remove(key).unwrap_or_default();
            let probe = Probe::new(key, compare);
            for slot in slots {
                self.rare.insert(slot, &probe);
            }
        }
    }

    fn equal(&self, key: &[u8], compare: impl Fn(u32) -> Ordering) -> Answer<'_> {
        if let Some(slots) = self.common.get(key) {
            return Answer::of(slots);
        }
        let probe = Probe::new(key, compare);
        let (from, to) = (self.rare.from(&probe), self.rare.behind(&probe));
        Answer { bitmaps: Vec::new(), rare: Some((&self.rare, from, to)) }
    }

    fn range<'k, F: Fn(u32) -> Ordering>(
        &self,
        from: Bound<&'k [u8]>,
        to: Bound<&'k [u8]>,
        compare: impl Fn(&'k [u8]) -> F,
    ) -> Answer<'_> {
        if is_empty(from, to) {
            return Answer::default();
        }
        let probe = |key: &'k [u8]| Probe::new(key, compare(key));
        let start = match from {
            Bound::Unbounded => self.rare.start(),
            Bound::Included(key) => self.rare.from(&probe(key)),
            Bound::Excluded(key) => self.rare.behind(&probe(key)),
        };
        let end = match to {
            Bound::Unbounded => self.rare.end(),
            Bound::Included(key) => self.rare.behind(&probe(key)),
            Bound::Excluded(key) => self.rare.from(&probe(key)),
        };
        let bitmaps = self.common.range::<[u8], _>((from, to)).map(|(_, slots)| slots).collect();
        Answer { bitmaps, rare: Some((&self.rare, start, end)) }
    }
}

/// `BTreeMap::range` does not take a range whose ends have changed places.
fn is_empty(from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
    match (from, to) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => {
            from >= to
        }
    }
}

/// What an index answers: bitmaps, and a piece of the ordered list.
#[derive(Debug, Default)]
pub struct Answer<'i> {
    bitmaps: Vec<&'i RoaringBitmap>,
    rare: Option<(&'i Ordered, Place, Place)>,
}

impl<'i> Answer<'i> {
    fn of(slots: &'i RoaringBitmap) -> Self {
        Self { bitmaps: vec![slots], rare: None }
    }

    /// How many slots it has.
    pub fn count(&self) -> u64 {
        self.bitmaps.iter().map(|slots| slots.len()).sum::<u64>() + self.uncollected()
    }

    /// How many of its slots have to be put together one by one.
    pub fn uncollected(&self) -> u64 {
        let rare = self.rare.map_or(0, |(ordered, from, to)| ordered.count(from, to));
        u64::try_from(rare).unwrap_or(u64::MAX)
    }

    /// The slots. One bitmap is lent, anything else is put together.
    pub fn slots(&self) -> Cow<'i, RoaringBitmap> {
        let rare = || self.rare.into_iter().flat_map(|(ordered, from, to)| ordered.between(from, to));
        match self.bitmaps.as_slice() {
            [slots] if self.uncollected() == 0 => Cow::Borrowed(slots),
            bitmaps => {
                let mut slots = RoaringBitmap::new();
                for bitmap in bitmaps {
                    slots |= *bitmap;
                }
                let mut rest: Vec<u32> = rare().collect();
                // In order they are put behind each other; one by one each would be looked for.
                rest.sort_unstable();
                slots |= rest.into_iter().collect::<RoaringBitmap>();
                Cow::Owned(slots)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::expression::packed::{self, Packer};

    struct Table(Vec<Option<Vec<u8>>>);

    impl Values for Table {
        fn value(&self, slot: u32) -> Option<Value<'_>> {
            self.0[slot as usize].as_deref().map(packed::value)
        }
    }

    fn pack(json: &serde_json::Value) -> Vec<u8> {
        let mut packer = Packer::default();
        packer.json(json);
        packer.into_bytes()
    }

    /// Few values that many have, and many that few have.
    fn any_value() -> impl Strategy<Value = serde_json::Value> {
        prop_oneof![
            4 => prop_oneof![Just("blue"), Just("green")].prop_map(serde_json::Value::from),
            4 => (0..3).prop_map(serde_json::Value::from),
            2 => "[a-b]{0,10}".prop_map(serde_json::Value::from),
            2 => (-50..50).prop_map(|number| serde_json::Value::from(f64::from(number) / 4.0)),
            1 => any::<bool>().prop_map(serde_json::Value::from),
            1 => Just(serde_json::json!(null)),
            1 => Just(serde_json::json!([1])),
        ]
    }

    proptest! {
        #[test]
        fn answers_what_a_look_at_each_would(
            values in proptest::collection::vec(proptest::option::of(any_value()), 1..700),
            removed in proptest::collection::vec(any::<prop::sample::Index>(), 0..600),
            number in -13_i32..13,
            text in "[a-b]{0,3}",
        ) {
            let table = Table(values.iter().map(|value| value.as_ref().map(pack)).collect());
            let mut index = Index::default();
            let mut there = RoaringBitmap::new();
            for slot in 0..u32::try_from(values.len()).expect("few") {
                if let Some(value) = table.value(slot) {
                    index.insert(slot, value, &table);
                    there.insert(slot);
                }
            }
            for position in removed {
                let slot = u32::try_from(position.index(values.len())).expect("few");
                if let Some(value) = table.value(slot).filter(|_| there.contains(slot)) {
                    index.remove(slot, value, &table);
                    there.remove(slot);
                }
            }
            let expect = |holds: &dyn Fn(Key<'_>) -> bool| -> RoaringBitmap {
                there.iter().filter(|slot| table.value(*slot).and_then(Key::of).is_some_and(holds)).collect()
            };
            let number = f64::from(number);
            let text = text.as_bytes();
            prop_assert_eq!(index.present(), &there);
            for key in [Key::Null, Key::Bool(true), Key::Number(number), Key::Text(text), Key::Text(b"blue")] {
                let answer = index.equal(key, &table);
                let expected = expect(&|other| other == key);
                prop_assert_eq!(answer.count(), expected.len());
                prop_assert_eq!(answer.slots().into_owned(), expected, "{:?}", key);
            }
            let above = index.numbers(Bound::Excluded(number), Bound::Unbounded);
            prop_assert_eq!(
                above.slots().into_owned(),
                expect(&|key| matches!(key, Key::Number(other) if other > number))
            );
            let between = index.texts(Bound::Included(text), Bound::Excluded(b"b"), &table);
            prop_assert_eq!(
                between.slots().into_owned(),
                expect(&|key| matches!(key, Key::Text(other) if other >= text && other < b"b".as_slice()))
            );
        }
    }

    #[test]
    fn numbers_are_ordered_as_bytes_too() {
        let numbers = [f64::NEG_INFINITY, -1e300, -1.5, -1.0, -1e-300, 0.0, 1e-300, 1.0, 1.5, f64::INFINITY];
        for pair in numbers.windows(2) {
            assert!(number_bytes(pair[0]) < number_bytes(pair[1]), "{pair:?}");
            assert_eq!(number_of(&number_bytes(pair[0])), pair[0]);
        }
        assert_eq!(number_bytes(-0.0), number_bytes(0.0));
    }
}
