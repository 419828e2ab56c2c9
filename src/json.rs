//! JSON as `JSON.parse` reads it, for sessions and users alike, as far as JSON can say it: bounded in depth, numbers as doubles, lone surrogates and
//! broken UTF-8 as U+FFFD, the last of a repeated key.

use std::{borrow::Cow, cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

pub mod size;

/// How deep a session may nest, the session object being the first level.
pub const MAX_SESSION_DEPTH: usize = 128;

/// How deep a user, and a gateway's `auth` and `data`, may nest, the object itself being the first level: each level is
/// four messages of a `google.protobuf.Struct`, and protobuf decoders stop at 100.
pub const MAX_STRUCT_DEPTH: usize = 24;

/// How large a user may be as its source has it, in bytes.
pub const MAX_USER_BYTES: usize = 1 << 20;

/// How large a user may be as a `google.protobuf.Struct`, in bytes: it goes into every answer about its sockets, and clients of
/// gRPC take messages of 4 MiB. A text takes hardly more than as JSON, a number up to six times as much.
pub const MAX_STRUCT_BYTES: usize = 3 << 20;

/// Why a text is not the JSON that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not JSON, or a number beyond a double.
    #[error("it is not valid JSON")]
    Invalid,
    /// Nested deeper than [`MAX_SESSION_DEPTH`].
    #[error("it is nested deeper than 128 levels")]
    TooDeep,
}

/// Reads one JSON text with the visitor's eyes.
pub(crate) fn read<'a, R: Read<'a>>(text: &'a str, reader: R) -> Result<R::Value, Unreadable> {
    let too_deep = Cell::new(false);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    // The depth is counted by the seeds below: serde_json's own count ends one level too early.
    deserializer.disable_recursion_limit();
    let value = Level { reader, depth: 0, too_deep: &too_deep }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|_wording| if too_deep.get() { Unreadable::TooDeep } else { Unreadable::Invalid })
}

/// Reads one JSON text and keeps all of it.
pub fn value(raw: &[u8]) -> Result<Value, Unreadable> {
    read(&to_text(raw), Keep)
}

/// Redis and files hold bytes, Node reads them as text: what is no UTF-8 becomes U+FFFD, and so do escapes that are half
/// of a character.
pub(crate) fn to_text(raw: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(raw) {
        Ok(text) => mend_surrogates(text),
        Err(_) => Cow::Owned(mend_surrogates(&String::from_utf8_lossy(raw)).into_owned()),
    }
}

/// Makes of each part of a JSON value what the reader is after. Each method has an answer for what it is not after.
pub(crate) trait Read<'a>: Sized {
    /// What comes of it.
    type Value;

    /// `null`, `true` or `false`.
    fn literal(self, literal: Option<bool>) -> Self::Value;
    /// A number, as the double it is in JavaScript.
    fn number(self, number: f64) -> Self::Value;
    /// A string.
    fn string(self, string: &str) -> Self::Value;
    /// `[…]`.
    fn array<A: SeqAccess<'a>>(self, level: Inside<'_>, array: A) -> Result<Self::Value, A::Error>;
    /// `{…}`.
    fn object<A: MapAccess<'a>>(self, level: Inside<'_>, object: A) -> Result<Self::Value, A::Error>;
}

/// Inside a container: reads what it holds, one level deeper.
#[derive(Clone, Copy)]
pub(crate) struct Inside<'c> {
    depth: usize,
    too_deep: &'c Cell<bool>,
}

impl<'c> Inside<'c> {
    /// A seed that reads the next element or member with `reader`.
    pub(crate) fn next<R>(self, reader: R) -> Level<'c, R> {
        Level { reader, depth: self.depth, too_deep: self.too_deep }
    }
}

/// A reader together with how deep it stands.
pub(crate) struct Level<'c, R> {
    reader: R,
    depth: usize,
    too_deep: &'c Cell<bool>,
}

impl<'c, R> Level<'c, R> {
    fn enter<E: serde::de::Error>(&self) -> Result<Inside<'c>, E> {
        if self.depth == MAX_SESSION_DEPTH {
            self.too_deep.set(true);
            return Err(E::custom(Unreadable::TooDeep));
        }
        Ok(Inside { depth: self.depth + 1, too_deep: self.too_deep })
    }
}

impl<'a, R: Read<'a>> DeserializeSeed<'a> for Level<'_, R> {
    type Value = R::Value;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<R::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a, R: Read<'a>> Visitor<'a> for Level<'_, R> {
    type Value = R::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<R::Value, E> {
        Ok(self.reader.literal(None))
    }

    fn visit_bool<E>(self, value: bool) -> Result<R::Value, E> {
        Ok(self.reader.literal(Some(value)))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "JavaScript rounds an integer to the nearest double, as this does"
    )]
    fn visit_u64<E>(self, value: u64) -> Result<R::Value, E> {
        Ok(self.reader.number(value as f64))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "JavaScript rounds an integer to the nearest double, as this does"
    )]
    fn visit_i64<E>(self, value: i64) -> Result<R::Value, E> {
        Ok(self.reader.number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<R::Value, E> {
        Ok(self.reader.number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<R::Value, E> {
        Ok(self.reader.string(value))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, array: A) -> Result<R::Value, A::Error> {
        let level = self.enter()?;
        self.reader.array(level, array)
    }

    fn visit_map<A: MapAccess<'a>>(self, object: A) -> Result<R::Value, A::Error> {
        let level = self.enter()?;
        self.reader.object(level, object)
    }
}

/// Keeps the value.
pub(crate) struct Keep;

impl<'a> Read<'a> for Keep {
    type Value = Value;

    fn literal(self, literal: Option<bool>) -> Value {
        literal.map_or(Value::Null, Value::Bool)
    }

    fn number(self, number: f64) -> Value {
        // serde_json refuses what is beyond a double before it comes here, and JSON cannot say NaN.
        Number::from_f64(number).map_or(Value::Null, Value::Number)
    }

    fn string(self, string: &str) -> Value {
        Value::String(string.to_owned())
    }

    fn array<A: SeqAccess<'a>>(self, level: Inside<'_>, mut array: A) -> Result<Value, A::Error> {
        let mut kept = Vec::new();
        while let Some(element) = array.next_element_seed(level.next(Self))? {
            kept.push(element);
        }
        Ok(Value::Array(kept))
    }

    fn object<A: MapAccess<'a>>(self, level: Inside<'_>, mut object: A) -> Result<Value, A::Error> {
        let mut kept = Map::new();
        while let Some(name) = object.next_key::<String>()? {
            kept.insert(name, object.next_value_seed(level.next(Self))?);
        }
        Ok(Value::Object(kept))
    }
}

/// Checks the value and keeps nothing. Unlike serde's `IgnoredAny` it sees numbers beyond a double and counts levels.
pub(crate) struct Skip;

impl<'a> Read<'a> for Skip {
    type Value = ();

    fn literal(self, _: Option<bool>) {}

    fn number(self, _: f64) {}

    fn string(self, _: &str) {}

    fn array<A: SeqAccess<'a>>(self, level: Inside<'_>, mut array: A) -> Result<(), A::Error> {
        while array.next_element_seed(level.next(Self))?.is_some() {}
        Ok(())
    }

    fn object<A: MapAccess<'a>>(self, level: Inside<'_>, mut object: A) -> Result<(), A::Error> {
        while object.next_key_seed(NameIs(""))?.is_some() {
            object.next_value_seed(level.next(Self))?;
        }
        Ok(())
    }
}

/// Whether a member's name is this one; asked without keeping the name.
pub(crate) struct NameIs<'n>(pub(crate) &'n str);

impl<'a> DeserializeSeed<'a> for NameIs<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameIs<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

/// What JavaScript's `if` makes of a number.
pub(crate) fn number_is_truthy(number: f64) -> bool {
    number != 0.0 && !number.is_nan()
}

/// How many levels of objects and arrays a value has; 0 for a scalar.
pub fn depth(value: &Value) -> usize {
    match value {
        Value::Object(object) => 1 + object.values().map(depth).max().unwrap_or(0),
        Value::Array(array) => 1 + array.iter().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// JSON may name half of a surrogate pair, `"\ud800"`, which JavaScript keeps and UTF-8 cannot say.
fn mend_surrogates(text: &str) -> Cow<'_, str> {
    const REPLACEMENT: &str = "\\ufffd";
    if !text.as_bytes().contains(&b'\\') {
        return Cow::Borrowed(text);
    }
    let mut mended = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        mended.push_str(before);
        let escape = match (unit(after), after.get(5..).and_then(|next| unit(next.strip_prefix('\\')?))) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 11,
            (Some(0xD800..=0xDFFF), _) => {
                mended.push_str(REPLACEMENT);
                rest = after.get(5..).unwrap_or("");
                continue;
            }
            (Some(_), _) => 5,
            // `\\` and `\"` are stepped over whole, so that what follows is not taken for an escape.
            (None, _) => after.chars().next().map_or(0, char::len_utf8),
        };
        let (escape, next) = after.split_at(escape);
        mended.push('\\');
        mended.push_str(escape);
        rest = next;
    }
    mended.push_str(rest);
    Cow::Owned(mended)
}

/// The UTF-16 unit that an escape such as `ud83d` names.
fn unit(escape: &str) -> Option<u16> {
    let digits = escape.strip_prefix('u')?.get(..4)?;
    // from_str_radix would take a sign.
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Value, Unreadable> {
        value(text.as_bytes())
    }

    #[test]
    fn half_a_surrogate_pair_is_one_replacement_character() {
        for (text, expected) in [
            (r#""\ud83d\ude00""#, "😀"),
            (r#""\ud83d""#, "\u{fffd}"),
            (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
            (r#""\\ud83d""#, r"\ud83d"),
            (r#""\uD83Dx""#, "\u{fffd}x"),
        ] {
            assert_eq!(parse(text), Ok(Value::from(expected)), "{text}");
        }
        for text in [r#""\ud8""#, r#""\ud+12""#, r#""\ud83d\"#, r#""\ud83dé"#] {
            assert_eq!(parse(text), Err(Unreadable::Invalid), "{text}");
        }
    }

    #[test]
    fn depth_is_counted_from_the_outermost_container() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(parse(&nested(128)).map(|value| depth(&value)), Ok(128));
        assert_eq!(parse(&nested(129)), Err(Unreadable::TooDeep));
        assert_eq!(parse(&nested(100_000)), Err(Unreadable::TooDeep));
        assert_eq!(read(&nested(129), Skip), Err(Unreadable::TooDeep));
    }

    #[test]
    fn numbers_are_doubles() {
        assert_eq!(parse("9007199254740993"), Ok(Value::from(9_007_199_254_740_992.0)));
        assert_eq!(parse("1e400"), Err(Unreadable::Invalid));
        assert_eq!(read("[1e400]", Skip), Err(Unreadable::Invalid));
    }

    #[test]
    fn the_last_of_a_repeated_key_counts() {
        assert_eq!(parse(r#"{"a":1,"a":2}"#), parse(r#"{"a":2}"#));
    }

    proptest! {
        /// `Skip` and `Keep` agree on what is JSON, and both with serde_json on what it can say.
        #[test]
        fn agrees_with_serde_json(text in r#"[\[\]{}:,"\\/ \t0-9eE.+a-z\-]{0,40}"#) {
            let ours = parse(&text);
            prop_assert_eq!(ours.is_ok(), read(&to_text(text.as_bytes()), Skip).is_ok());
            if let Ok(theirs) = serde_json::from_str::<Value>(&text) {
                prop_assert_eq!(ours.map(|value| value.to_string().replace(".0", "")), Ok(theirs.to_string().replace(".0", "")));
            }
        }
    }
}
