//! JSON-like values in as few bytes as it takes: a million users have to fit in memory and to be looked through in
//! milliseconds. A value is a tag and what follows; a container says how long it is, so that it can be stepped over.

/// A value's first byte.
mod tag {
    pub(super) const NULL: u8 = 0;
    pub(super) const FALSE: u8 = 1;
    pub(super) const TRUE: u8 = 2;
    /// Zigzag varint.
    pub(super) const INT: u8 = 3;
    /// Eight bytes, little endian.
    pub(super) const DOUBLE: u8 = 4;
    /// Length as varint, UTF-8.
    pub(super) const TEXT: u8 = 5;
    /// Length in four bytes, little endian; elements.
    pub(super) const LIST: u8 = 6;
    /// Length in four bytes, little endian; members, each a name (length as varint, UTF-8) and a value, by name.
    pub(super) const MAP: u8 = 7;
}

/// Deeper nesting is refused when bytes are read back. What comes in through the doors is at most 24 deep.
const MAX_DEPTH: usize = 32;

/// A value, borrowed from the bytes it is packed in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number within 64 bits.
    Int(i64),
    /// Any other number.
    Double(f64),
    /// A text.
    Text(Text<'a>),
    /// A list.
    List(List<'a>),
    /// An object.
    Map(Map<'a>),
}

/// UTF-8, as bytes: comparing and searching them is the same, and costs no check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text<'a>(&'a [u8]);

/// The elements of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct List<'a>(&'a [u8]);

/// The members of an object, ordered by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Map<'a>(&'a [u8]);

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(text.as_bytes())
    }
}

impl<'a> Text<'a> {
    /// The text in these bytes, which are known to be UTF-8.
    pub fn of_utf8(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The text; empty should the bytes not be UTF-8, which only damaged memory could bring about.
    pub fn as_str(self) -> &'a str {
        std::str::from_utf8(self.0).unwrap_or_default()
    }
}

impl Value<'_> {
    /// A number: a whole one that fits in 64 bits is an int, any other a double.
    pub fn number(number: f64) -> Self {
        /// 2^63: from here on a double is no i64.
        const LIMIT: f64 = 9_223_372_036_854_775_808.0;
        if number.trunc() == number && (-LIMIT..LIMIT).contains(&number) {
            #[expect(clippy::cast_possible_truncation, reason = "whole and within range")]
            Self::Int(number as i64)
        } else {
            Self::Double(number)
        }
    }
}

impl<'a> List<'a> {
    /// One after the other.
    pub fn iter(self) -> Elements<'a> {
        Elements(self.0)
    }

    /// The packed elements.
    pub(super) fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

/// The elements of a list, one after the other.
#[derive(Clone, Debug)]
pub struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        read(&mut self.0)
    }
}

/// The members of an object, one after the other.
#[derive(Clone, Debug)]
pub struct Members<'a>(&'a [u8]);

impl<'a> Iterator for Members<'a> {
    type Item = (Text<'a>, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        Some((text(&mut self.0)?, read(&mut self.0)?))
    }
}

impl<'a> Map<'a> {
    /// The object packed in these bytes, which a [`Packer`] made or [`check`] has seen; empty for anything else.
    pub fn of(packed: &'a [u8]) -> Self {
        match value(packed) {
            Value::Map(map) => map,
            _ => Self::default(),
        }
    }

    /// Name and value, one after the other.
    pub fn iter(self) -> Members<'a> {
        Members(self.0)
    }

    /// The packed members.
    pub(super) fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The member of this name.
    pub fn get(self, name: &[u8]) -> Option<Value<'a>> {
        let mut rest = self.0;
        loop {
            let found = text(&mut rest)?;
            match order(found.0, name) {
                std::cmp::Ordering::Less => step_over(&mut rest)?,
                std::cmp::Ordering::Equal => return read(&mut rest),
                std::cmp::Ordering::Greater => return None,
            }
        }
    }

    /// What stands at the end of a path of names.
    pub fn at<'n>(self, path: impl IntoIterator<Item = &'n [u8]>) -> Option<Value<'a>> {
        let mut value = Value::Map(self);
        for name in path {
            let Value::Map(map) = value else { return None };
            value = map.get(name)?;
        }
        Some(value)
    }
}

/// The value packed in these bytes; null for what is none.
pub fn value(packed: &[u8]) -> Value<'_> {
    let mut rest = packed;
    read(&mut rest).unwrap_or(Value::Null)
}

/// Whether these bytes, which come from outside, are one value and nothing else.
pub fn check(packed: &[u8]) -> bool {
    let mut rest = packed;
    check_value(&mut rest, 0).is_some() && rest.is_empty()
}

/// Packs values one after the other. Lists and maps are written between their beginning and their end.
#[derive(Clone, Debug, Default)]
pub struct Packer(Vec<u8>);

/// A container that was begun. Its length is written when it ends.
#[derive(Debug)]
#[must_use = "a container has to be ended"]
pub struct Begun(usize);

impl Packer {
    /// Appends to these bytes.
    pub fn onto(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Everything that was packed.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// `null`
    pub fn null(&mut self) {
        self.0.push(tag::NULL);
    }

    /// `true` or `false`
    pub fn bool(&mut self, flag: bool) {
        self.0.push(if flag { tag::TRUE } else { tag::FALSE });
    }

    /// A number: a whole one that fits in 64 bits is an int, any other a double.
    pub fn number(&mut self, number: f64) {
        self.value(Value::number(number));
    }

    /// A whole number.
    pub fn int(&mut self, number: i64) {
        self.0.push(tag::INT);
        #[expect(clippy::cast_sign_loss, reason = "zigzag: small numbers of either sign are short")]
        put_varint(&mut self.0, ((number << 1) ^ (number >> 63)) as u64);
    }

    /// A number that stays a double even if it is whole.
    pub fn double(&mut self, number: f64) {
        self.0.push(tag::DOUBLE);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        self.0.push(tag::TEXT);
        put_bytes(&mut self.0, text.as_bytes());
    }

    /// Begins a list; its elements follow.
    pub fn begin_list(&mut self) -> Begun {
        self.begin(tag::LIST)
    }

    /// Begins an object; [`Packer::name`] and a value follow for each member, by name.
    pub fn begin_map(&mut self) -> Begun {
        self.begin(tag::MAP)
    }

    /// The name of the member that follows.
    pub fn name(&mut self, name: &str) {
        put_bytes(&mut self.0, name.as_bytes());
    }

    fn begin(&mut self, tag: u8) -> Begun {
        self.0.push(tag);
        self.0.extend_from_slice(&[0; 4]);
        Begun(self.0.len())
    }

    /// Ends the container that was begun last.
    pub fn end(&mut self, Begun(start): Begun) {
        // More than 4 GiB cannot come in; it would read back as nothing.
        let length = u32::try_from(self.0.len().saturating_sub(start)).unwrap_or(0);
        if let Some(place) = start.checked_sub(4).and_then(|place| self.0.get_mut(place..start)) {
            place.copy_from_slice(&length.to_le_bytes());
        }
    }

    /// A value that is packed elsewhere already.
    pub fn value(&mut self, value: Value<'_>) {
        match value {
            Value::Null => self.null(),
            Value::Bool(flag) => self.bool(flag),
            Value::Int(number) => self.int(number),
            Value::Double(number) => self.double(number),
            Value::Text(Text(text)) => {
                self.0.push(tag::TEXT);
                put_bytes(&mut self.0, text);
            }
            Value::List(List(elements)) => {
                let begun = self.begin_list();
                self.0.extend_from_slice(elements);
                self.end(begun);
            }
            Value::Map(Map(members)) => {
                let begun = self.begin_map();
                self.0.extend_from_slice(members);
                self.end(begun);
            }
        }
    }

    /// A value of serde's.
    pub fn json(&mut self, json: &serde_json::Value) {
        match json {
            serde_json::Value::Null => self.null(),
            serde_json::Value::Bool(flag) => self.bool(*flag),
            serde_json::Value::Number(number) => self.number(number.as_f64().unwrap_or_default()),
            serde_json::Value::String(text) => self.text(text),
            serde_json::Value::Array(elements) => {
                let begun = self.begin_list();
                for element in elements {
                    self.json(element);
                }
                self.end(begun);
            }
            serde_json::Value::Object(members) => self.object(members),
        }
    }

    /// An object of serde's.
    pub fn object(&mut self, members: &serde_json::Map<String, serde_json::Value>) {
        let begun = self.begin_map();
        // serde_json's own order is by name too.
        for (name, member) in members {
            self.name(name);
            self.json(member);
        }
        self.end(begun);
    }
}

/// Writes a number in as many bytes as it needs, seven bits each.
pub fn put_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

/// Writes bytes behind their length.
pub fn put_bytes(bytes: &mut Vec<u8>, text: &[u8]) {
    put_varint(bytes, u64::try_from(text.len()).unwrap_or(u64::MAX));
    bytes.extend_from_slice(text);
}

/// Reads what [`put_varint`] wrote.
#[inline]
pub fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    match rest.split_first() {
        Some((byte, after)) if *byte < 0x80 => {
            *rest = after;
            Some(u64::from(*byte))
        }
        _ => take_long_varint(rest),
    }
}

fn take_long_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Reads what [`put_bytes`] wrote.
#[inline]
pub fn take_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take_varint(rest)?).ok()?;
    take(rest, length)
}

#[inline]
fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

fn take_array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}

#[inline]
fn container<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_le_bytes(take_array(rest)?);
    take(rest, usize::try_from(length).ok()?)
}

/// As `cmp`, byte by byte: names of members mostly differ in the first one, and are too short for anything cleverer.
#[inline]
fn order(left: &[u8], right: &[u8]) -> std::cmp::Ordering {
    left.iter().cmp(right)
}

#[inline]
fn text<'a>(rest: &mut &'a [u8]) -> Option<Text<'a>> {
    take_bytes(rest).map(Text)
}

#[inline]
fn read<'a>(rest: &mut &'a [u8]) -> Option<Value<'a>> {
    let (tag, after) = rest.split_first()?;
    *rest = after;
    Some(match *tag {
        tag::NULL => Value::Null,
        tag::FALSE => Value::Bool(false),
        tag::TRUE => Value::Bool(true),
        tag::INT => {
            let zigzag = take_varint(rest)?;
            Value::Int((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
        }
        tag::DOUBLE => Value::Double(f64::from_le_bytes(take_array(rest)?)),
        tag::TEXT => Value::Text(text(rest)?),
        tag::LIST => Value::List(List(container(rest)?)),
        tag::MAP => Value::Map(Map(container(rest)?)),
        _ => return None,
    })
}

/// Steps over one value.
#[inline]
pub fn step_over(rest: &mut &[u8]) -> Option<()> {
    let (tag, after) = rest.split_first()?;
    *rest = after;
    match *tag {
        tag::INT => drop(take_varint(rest)?),
        tag::DOUBLE => drop(take(rest, 8)?),
        tag::TEXT => drop(take_bytes(rest)?),
        tag::LIST | tag::MAP => drop(container(rest)?),
        _ => {}
    }
    Some(())
}

fn check_value(rest: &mut &[u8], depth: usize) -> Option<()> {
    if depth > MAX_DEPTH {
        return None;
    }
    match read(rest)? {
        Value::Text(text) => std::str::from_utf8(text.0).map(drop).ok(),
        Value::List(List(mut elements)) => {
            while !elements.is_empty() {
                check_value(&mut elements, depth + 1)?;
            }
            Some(())
        }
        Value::Map(Map(mut members)) => {
            let mut last: Option<&[u8]> = None;
            while !members.is_empty() {
                let name = take_bytes(&mut members)?;
                std::str::from_utf8(name).ok()?;
                // In order, each once: `get` stops where the name would have stood.
                if last.is_some_and(|last| last >= name) {
                    return None;
                }
                last = Some(name);
                check_value(&mut members, depth + 1)?;
            }
            Some(())
        }
        _ => Some(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn pack(json: &serde_json::Value) -> Vec<u8> {
        let mut packer = Packer::default();
        packer.json(json);
        packer.into_bytes()
    }

    fn unpack(value: Value<'_>) -> serde_json::Value {
        match value {
            Value::Null => json!(null),
            Value::Bool(flag) => json!(flag),
            Value::Int(number) => json!(number),
            Value::Double(number) => json!(number),
            Value::Text(text) => json!(text.as_str()),
            Value::List(list) => list.iter().map(unpack).collect(),
            Value::Map(map) => {
                map.iter().map(|(name, value)| (name.as_str().to_owned(), unpack(value))).collect()
            }
        }
    }

    #[test]
    fn whole_numbers_are_ints_and_others_doubles() {
        for (number, expected) in [
            (1.0, Value::Int(1)),
            (-0.0, Value::Int(0)),
            (-5.0, Value::Int(-5)),
            (9_007_199_254_740_992.0, Value::Int(9_007_199_254_740_992)),
            (1.5, Value::Double(1.5)),
            (1e21, Value::Double(1e21)),
            (-9_223_372_036_854_775_808.0, Value::Int(i64::MIN)),
            (9_223_372_036_854_775_808.0, Value::Double(9_223_372_036_854_775_808.0)),
        ] {
            let mut packer = Packer::default();
            packer.number(number);
            assert_eq!(value(&packer.into_bytes()), expected, "{number}");
        }
    }

    #[test]
    fn members_are_found_by_name_and_by_path() {
        let packed = pack(&json!({"b": {"c": 7}, "a": [1, "x"], "aa": null, "": true}));
        let map = Map::of(&packed);
        assert_eq!(map.get(b"aa"), Some(Value::Null));
        assert_eq!(map.get(b""), Some(Value::Bool(true)));
        assert_eq!(map.get(b"ab"), None);
        assert_eq!(map.at([b"b".as_slice(), b"c"]), Some(Value::Int(7)));
        assert_eq!(map.at([b"a".as_slice(), b"c"]), None);
    }

    #[test]
    fn bytes_from_outside_are_checked() {
        let packed = pack(&json!({"a": [1, 2.5, "x", {"b": null}], "b": true}));
        assert!(check(&packed));
        for end in 0..packed.len() {
            assert!(!check(&packed[..end]), "cut after {end}");
        }
        assert!(!check(&[&packed[..], &[0]].concat()), "something behind it");
        let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
        assert!(!check(&pack(&deep)), "too deep");
        // Names out of order.
        let mut packer = Packer::default();
        let begun = packer.begin_map();
        for name in ["b", "a"] {
            packer.name(name);
            packer.null();
        }
        packer.end(begun);
        assert!(!check(&packer.into_bytes()));
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let scalar = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(|flag| json!(flag)),
            any::<i32>().prop_map(|number| json!(number)),
            ".{0,8}".prop_map(|text| json!(text)),
        ];
        scalar.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
                proptest::collection::btree_map("[a-c]{0,2}", inner, 0..5)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_out(json in any_json()) {
            let packed = pack(&json);
            prop_assert!(check(&packed));
            prop_assert_eq!(unpack(value(&packed)), json);
        }

        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            check(&bytes);
            unpack(value(&bytes));
        }
    }
}
