//! The tree an expression becomes: what is evaluated, planned and shown.

use std::{cmp::Ordering, fmt, sync::Arc};

use super::{constant::Constant, functions::Function, path::Path, pattern::Pattern};

/// An expression, lowered. `Display` writes it as CEL.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A value that is the same for every socket.
    Constant(Constant),
    /// Constant too, and bound to fail: why.
    Fails(Arc<str>),
    /// The value at a path; an error if there is none.
    Select(Path),
    /// `has(…)`: whether something is at the path. Whether a field of `socket` or `gateway` is not empty.
    Has(Path),
    /// All of them, in any order: one that is false outweighs errors. At least one.
    And(Vec<Expr>),
    /// One of them, in any order: one that is true outweighs errors. At least one.
    Or(Vec<Expr>),
    /// `!`
    Not(Box<Expr>),
    /// Two values compared. Where one of them is constant, it stands on the right.
    Compare(Operator, Box<Expr>, Box<Expr>),
    /// An element among those of a list, or a key among those of a map.
    In(Box<Expr>, Box<Expr>),
    /// A text and what it begins with.
    StartsWith(Box<Expr>, Box<Expr>),
    /// A text and the pattern that is found in it.
    Matches(Box<Expr>, Pattern),
    /// Condition, then, otherwise.
    Conditional(Box<[Expr; 3]>),
    /// Any other function or operator.
    Call(Function, Vec<Expr>),
    /// A member of a map that no path leads to.
    Field(Box<Expr>, Arc<str>),
    /// Whether a map that no path leads to has a member.
    HasField(Box<Expr>, Arc<str>),
    /// An element of a list by index, or of a map by key.
    Index(Box<Expr>, Box<Expr>),
    /// A list that is made anew for each socket.
    List(Vec<Expr>),
    /// A map that is made anew for each socket.
    Map(Vec<(Expr, Expr)>),
    /// `all`, `exists` and their kin.
    Loop(Box<Loop>),
    /// The element that a loop is at.
    Variable(Variable),
    /// What is put in when it is bound, by its name: `params`, of a logout's `claims`. Only before that.
    Params(&'static str),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

impl Operator {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }

    /// Whether it is so between values in this order.
    pub(super) const fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
            Self::Lt => order.is_lt(),
            Self::Le => order.is_le(),
            Self::Gt => order.is_gt(),
            Self::Ge => order.is_ge(),
        }
    }

    /// The same with both sides exchanged.
    pub(super) const fn mirrored(self) -> Self {
        match self {
            Self::Eq => Self::Eq,
            Self::Ne => Self::Ne,
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
        }
    }
}

/// A macro over the elements of a list or the keys of a map.
#[derive(Clone, Debug, PartialEq)]
pub struct Loop {
    /// What it is asked for.
    pub kind: LoopKind,
    /// What it goes through.
    pub range: Expr,
    /// The element it is at.
    pub variable: Variable,
    /// The condition; of `map`, what becomes of each element.
    pub body: Expr,
}

/// What a loop is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum LoopKind {
    /// Whether the condition holds for all elements.
    All,
    /// Whether it holds for one.
    Exists,
    /// Whether it holds for exactly one.
    ExistsOne,
    /// The elements for which it holds.
    Filter,
    /// What becomes of the elements, or of those for which this condition holds.
    Map(Option<Expr>),
}

impl LoopKind {
    /// As it is written.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Exists => "exists",
            Self::ExistsOne => "exists_one",
            Self::Filter => "filter",
            Self::Map(_) => "map",
        }
    }
}

/// A loop's variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: Arc<str>,
    /// How many loops are around its own.
    pub(super) slot: usize,
}

/// A value's type, as `type()` answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `null_type`
    Null,
    /// `bool`
    Bool,
    /// `int`
    Int,
    /// `uint`
    Uint,
    /// `double`
    Double,
    /// `string`
    Text,
    /// `bytes`: no value has it.
    Bytes,
    /// `list`
    List,
    /// `map`
    Map,
    /// `google.protobuf.Timestamp`
    Timestamp,
    /// `google.protobuf.Duration`
    Duration,
    /// `type`
    Type,
}

impl Type {
    /// All of them.
    pub(super) const ALL: [Self; 12] = [
        Self::Null,
        Self::Bool,
        Self::Int,
        Self::Uint,
        Self::Double,
        Self::Text,
        Self::Bytes,
        Self::List,
        Self::Map,
        Self::Timestamp,
        Self::Duration,
        Self::Type,
    ];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::Text => "string",
            Self::Bytes => "bytes",
            Self::List => "list",
            Self::Map => "map",
            Self::Timestamp => "google.protobuf.Timestamp",
            Self::Duration => "google.protobuf.Duration",
            Self::Type => "type",
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Expr {
    /// What it is directly made of.
    pub fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Constant(_)
            | Self::Fails(_)
            | Self::Select(_)
            | Self::Has(_)
            | Self::Variable(_)
            | Self::Params(_) => vec![],
            Self::And(parts) | Self::Or(parts) | Self::Call(_, parts) | Self::List(parts) => {
                parts.iter().collect()
            }
            Self::Not(part) | Self::Field(part, _) | Self::HasField(part, _) => vec![part],
            Self::Compare(_, left, right)
            | Self::In(left, right)
            | Self::StartsWith(left, right)
            | Self::Index(left, right) => vec![left, right],
            Self::Matches(text, pattern) => std::iter::once(&**text).chain(pattern.unbound()).collect(),
            Self::Conditional(parts) => parts.iter().collect(),
            Self::Map(members) => members.iter().flat_map(|(key, value)| [key, value]).collect(),
            Self::Loop(found) => {
                let condition = match &found.kind {
                    LoopKind::Map(condition) => condition.as_ref(),
                    _ => None,
                };
                [&found.range, &found.body].into_iter().chain(condition).collect()
            }
        }
    }

    /// Whether this holds for it or anything that it is made of.
    pub fn any(&self, holds: &impl Fn(&Self) -> bool) -> bool {
        holds(self) || self.parts().into_iter().any(|part| part.any(holds))
    }

    /// The type of its value, where it is certain that it has a value of one type or none.
    pub(super) fn certain_type(&self) -> Option<Type> {
        match self {
            Self::Constant(constant) => Some(constant.kind()),
            Self::Has(_)
            | Self::HasField(..)
            | Self::And(_)
            | Self::Or(_)
            | Self::Not(_)
            | Self::Compare(..)
            | Self::In(..)
            | Self::StartsWith(..)
            | Self::Matches(..) => Some(Type::Bool),
            Self::Conditional(parts) => {
                let [_, then, otherwise] = &**parts;
                then.certain_type().filter(|kind| otherwise.certain_type() == Some(*kind))
            }
            Self::Call(function, operands) => {
                function.certain_type(operands.first().and_then(Self::certain_type))
            }
            Self::List(_) => Some(Type::List),
            Self::Map(_) | Self::Params(_) => Some(Type::Map),
            Self::Loop(found) => Some(match found.kind {
                LoopKind::All | LoopKind::Exists | LoopKind::ExistsOne => Type::Bool,
                LoopKind::Filter | LoopKind::Map(_) => Type::List,
            }),
            Self::Select(path) => path.certain_type(),
            Self::Fails(_) | Self::Field(..) | Self::Index(..) | Self::Variable(_) => None,
        }
    }
}
