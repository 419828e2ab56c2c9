//! Values while an expression is evaluated: borrowed from the scope or the expression wherever that can be.

use std::rc::Rc;

use super::{
    constant::{Constant, List, Map},
    expr::Type,
    packed,
    time::{Duration, Timestamp},
};

/// A value. What evaluation itself makes is behind an [`Rc`].
#[derive(Clone, Debug)]
pub(super) enum Value<'v> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(&'v [u8]),
    List(packed::List<'v>),
    Map(packed::Map<'v>),
    Timestamp(Timestamp),
    Duration(Duration),
    Type(Type),
    ConstantList(&'v List),
    ConstantMap(&'v Map),
    MadeText(Rc<[u8]>),
    MadeList(Rc<[Value<'v>]>),
    MadeMap(Rc<[(Value<'v>, Value<'v>)]>),
}

impl<'v> From<packed::Value<'v>> for Value<'v> {
    fn from(value: packed::Value<'v>) -> Self {
        match value {
            packed::Value::Null => Self::Null,
            packed::Value::Bool(flag) => Self::Bool(flag),
            packed::Value::Int(number) => Self::Int(number),
            packed::Value::Double(number) => Self::Double(number),
            packed::Value::Text(text) => Self::Text(text.as_bytes()),
            packed::Value::List(list) => Self::List(list),
            packed::Value::Map(map) => Self::Map(map),
        }
    }
}

impl<'v> Value<'v> {
    pub(super) fn kind(&self) -> Type {
        match self {
            Self::Null => Type::Null,
            Self::Bool(_) => Type::Bool,
            Self::Int(_) => Type::Int,
            Self::Uint(_) => Type::Uint,
            Self::Double(_) => Type::Double,
            Self::Text(_) | Self::MadeText(_) => Type::Text,
            Self::List(_) | Self::ConstantList(_) | Self::MadeList(_) => Type::List,
            Self::Map(_) | Self::ConstantMap(_) | Self::MadeMap(_) => Type::Map,
            Self::Timestamp(_) => Type::Timestamp,
            Self::Duration(_) => Type::Duration,
            Self::Type(_) => Type::Type,
        }
    }

    pub(super) fn text(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text),
            Self::MadeText(text) => Some(text),
            _ => None,
        }
    }

    /// The text, if it is one. What is packed was checked to be UTF-8, and texts are only ever joined whole.
    pub(super) fn str(&self) -> Option<&str> {
        self.text().map(|text| std::str::from_utf8(text).unwrap_or_default())
    }

    /// The elements of a list, or the keys of a map.
    pub(super) fn elements(&self) -> Option<Elements<'v>> {
        Some(match self {
            Self::List(list) => Elements::Packed(list.iter()),
            Self::ConstantList(list) => Elements::Constant(list.elements().iter()),
            Self::MadeList(list) => Elements::Made(Rc::clone(list), 0),
            Self::Map(map) => Elements::PackedKeys(map.iter()),
            Self::ConstantMap(map) => Elements::ConstantKeys(map.members().iter()),
            Self::MadeMap(map) => Elements::MadeKeys(Rc::clone(map), 0),
            _ => return None,
        })
    }
}

/// The elements of a list, or the keys of a map.
pub(super) enum Elements<'v> {
    Packed(packed::Elements<'v>),
    PackedKeys(packed::Members<'v>),
    Constant(std::slice::Iter<'v, Constant>),
    ConstantKeys(std::slice::Iter<'v, (Constant, Constant)>),
    Made(Rc<[Value<'v>]>, usize),
    MadeKeys(Rc<[(Value<'v>, Value<'v>)]>, usize),
}

impl<'v> Iterator for Elements<'v> {
    type Item = Value<'v>;

    fn next(&mut self) -> Option<Value<'v>> {
        match self {
            Self::Packed(elements) => elements.next().map(Value::from),
            Self::PackedKeys(members) => members.next().map(|(name, _)| Value::Text(name.as_bytes())),
            Self::Constant(elements) => elements.next().map(Constant::value),
            Self::ConstantKeys(members) => members.next().map(|(key, _)| key.value()),
            Self::Made(elements, at) => {
                let element = elements.get(*at).cloned();
                *at += 1;
                element
            }
            Self::MadeKeys(members, at) => {
                let key = members.get(*at).map(|(key, _)| key.clone());
                *at += 1;
                key
            }
        }
    }
}
