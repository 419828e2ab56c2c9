//! Values that are written in an expression or come with its params: owned, and made for being looked up in.

use std::{
    cmp::Ordering,
    collections::HashSet,
    sync::{Arc, OnceLock},
};

use super::{
    expr::Type,
    number,
    packed::{self, Text},
    time::{Duration, Timestamp},
    value::Value,
};

/// A value that is the same for every socket.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number that was written with `u`.
    Uint(u64),
    /// A number.
    Double(f64),
    /// A text.
    Text(Arc<str>),
    /// A list.
    List(Arc<List>),
    /// A map.
    Map(Arc<Map>),
    /// A point in time.
    Timestamp(Timestamp),
    /// A length of time.
    Duration(Duration),
    /// A type's name.
    Type(Type),
}

impl Constant {
    /// Its type.
    pub fn kind(&self) -> Type {
        self.value().kind()
    }

    /// As users and sockets hold it, if it is no list, no map and nothing that they cannot hold.
    pub fn scalar(&self) -> Option<packed::Value<'_>> {
        Some(match self {
            Self::Null => packed::Value::Null,
            Self::Bool(flag) => packed::Value::Bool(*flag),
            Self::Int(number) => packed::Value::Int(*number),
            Self::Uint(number) => packed::Value::Int(i64::try_from(*number).ok()?),
            Self::Double(number) => packed::Value::Double(*number),
            Self::Text(text) => packed::Value::Text(Text::from(&**text)),
            _ => return None,
        })
    }

    /// Borrowed, for an evaluation.
    pub(super) fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Bool(flag) => Value::Bool(*flag),
            Self::Int(number) => Value::Int(*number),
            Self::Uint(number) => Value::Uint(*number),
            Self::Double(number) => Value::Double(*number),
            Self::Text(text) => Value::Text(text.as_bytes()),
            Self::List(list) => Value::ConstantList(list),
            Self::Map(map) => Value::ConstantMap(map),
            Self::Timestamp(timestamp) => Value::Timestamp(*timestamp),
            Self::Duration(duration) => Value::Duration(*duration),
            Self::Type(kind) => Value::Type(*kind),
        }
    }
}

/// A list. Whether it contains a value is found without going through it.
#[derive(Debug)]
pub struct List {
    elements: Vec<Constant>,
    index: OnceLock<Index>,
}

impl From<Vec<Constant>> for List {
    fn from(elements: Vec<Constant>) -> Self {
        Self { elements, index: OnceLock::new() }
    }
}

impl PartialEq for List {
    fn eq(&self, other: &Self) -> bool {
        self.elements == other.elements
    }
}

/// The elements by value.
#[derive(Debug, Default)]
struct Index {
    texts: HashSet<Arc<[u8]>>,
    scalars: HashSet<Scalar>,
    others: Vec<Constant>,
}

/// What is equal has the same one, also where the types of numbers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    /// Its bits.
    Double(u64),
    /// What equals nothing, not even itself.
    Never,
}

impl Scalar {
    fn of(value: &Value<'_>) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Int(number) => Self::Int(*number),
            Value::Uint(number) => i64::try_from(*number).map_or(Self::Uint(*number), Self::Int),
            Value::Double(number) if number.is_nan() => Self::Never,
            Value::Double(number) => match (number::int(*number), number::uint(*number)) {
                (Some(whole), _) => Self::Int(whole),
                (None, Some(whole)) => Self::Uint(whole),
                (None, None) => Self::Double(number.to_bits()),
            },
            _ => return None,
        })
    }
}

/// Up to here, going through a list is as fast as looking a value up.
const SHORT: usize = 8;

impl List {
    /// One after the other.
    pub fn elements(&self) -> &[Constant] {
        &self.elements
    }

    /// Whether it contains a value, or else the elements that have to be compared with it one by one.
    pub(super) fn lookup(&self, value: &Value<'_>) -> Result<bool, &[Constant]> {
        if self.elements.len() <= SHORT {
            return Err(&self.elements);
        }
        let index = self.index.get_or_init(|| self.make_index());
        match (value.text(), Scalar::of(value)) {
            (Some(text), _) => Ok(index.texts.contains(text)),
            (None, Some(scalar)) => Ok(scalar != Scalar::Never && index.scalars.contains(&scalar)),
            (None, None) => Err(&index.others),
        }
    }

    /// Whether it contains a text.
    pub(super) fn contains_text(&self, text: &[u8]) -> bool {
        if self.elements.len() > SHORT {
            return self.index.get_or_init(|| self.make_index()).texts.contains(text);
        }
        self.elements
            .iter()
            .any(|element| matches!(element, Constant::Text(found) if found.as_bytes() == text))
    }

    fn make_index(&self) -> Index {
        let mut index = Index::default();
        for element in &self.elements {
            match (element, Scalar::of(&element.value())) {
                (Constant::Text(text), _) => drop(index.texts.insert(Arc::from(text.as_bytes()))),
                (_, Some(scalar)) => drop(index.scalars.insert(scalar)),
                (_, None) => index.others.push(element.clone()),
            }
        }
        index
    }
}

/// A map, ordered by key.
#[derive(Debug, PartialEq)]
pub struct Map {
    members: Vec<(Constant, Constant)>,
}

impl Map {
    /// Keys that are no bool, whole number or text are passed over, as is a key that comes again.
    pub(super) fn new(mut members: Vec<(Constant, Constant)>) -> Self {
        members.retain(|(key, _)| Key::of(&key.value()).is_some());
        let order = |left: &Constant, right: &Constant| Key::of(&left.value()).cmp(&Key::of(&right.value()));
        members.sort_by(|(left, _), (right, _)| order(left, right));
        members.dedup_by(|(left, _), (right, _)| order(left, right) == Ordering::Equal);
        Self { members }
    }

    /// Key and value, by key.
    pub fn members(&self) -> &[(Constant, Constant)] {
        &self.members
    }

    /// The value under this key.
    pub(super) fn get(&self, key: &Key<'_>) -> Option<&Constant> {
        let place =
            self.members.binary_search_by(|(found, _)| Key::of(&found.value()).as_ref().cmp(&Some(key)));
        self.members.get(place.ok()?).map(|(_, value)| value)
    }
}

/// What a value is as the key of a map: numbers of equal value are the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key<'v> {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Text(&'v [u8]),
}

impl<'v> Key<'v> {
    pub(super) fn of<'b: 'v>(value: &'v Value<'b>) -> Option<Self> {
        Some(match value {
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Int(number) => Self::Int(*number),
            Value::Uint(number) => i64::try_from(*number).map_or(Self::Uint(*number), Self::Int),
            Value::Double(number) => match number::int(*number) {
                Some(whole) => Self::Int(whole),
                None => Self::Uint(number::uint(*number)?),
            },
            other => Self::Text(other.text()?),
        })
    }
}
