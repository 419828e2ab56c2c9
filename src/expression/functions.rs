//! The functions and operators that are called: how each is written, and with how many operands.

use super::expr::Type;

/// A function or an operator without a kind of [`super::Expr`] of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `+` of numbers, texts, lists and times.
    Add,
    /// `-` of numbers and times.
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Remainder,
    /// `-` in front of a number.
    Negate,
    /// `size`: characters of a text, elements of a list, members of a map.
    Size,
    /// `contains`
    Contains,
    /// `endsWith`
    EndsWith,
    /// `type`
    Type,
    /// `dyn`: the value itself.
    Dyn,
    /// `int`
    Int,
    /// `uint`
    Uint,
    /// `double`
    Double,
    /// `string`
    Text,
    /// `bool`
    Bool,
    /// `timestamp`
    Timestamp,
    /// `duration`
    Duration,
    /// A part of a time.
    Get(Part),
}

/// What is asked of a timestamp or a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `getFullYear`
    FullYear,
    /// `getMonth`, from 0
    Month,
    /// `getDate`: the day of the month, from 1
    Date,
    /// `getDayOfMonth`, from 0
    DayOfMonth,
    /// `getDayOfWeek`, Sunday is 0
    DayOfWeek,
    /// `getDayOfYear`, from 0
    DayOfYear,
    /// `getHours`; of a duration, all of it in hours
    Hours,
    /// `getMinutes`; of a duration, all of it in minutes
    Minutes,
    /// `getSeconds`; of a duration, all of it in seconds
    Seconds,
    /// `getMilliseconds`, of the second
    Milliseconds,
}

/// How a function is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `a + b`
    Infix,
    /// `-a`
    Prefix,
    /// `f(a)`
    Global,
    /// `a.f(b)`
    Method,
    /// Either.
    Both,
}

/// A line of the table: name, how it is written, and how many operands it has, the one in front counted.
type Line = (Function, &'static str, Style, std::ops::RangeInclusive<usize>);

const TABLE: [Line; 28] = [
    (Function::Add, "+", Style::Infix, 2..=2),
    (Function::Subtract, "-", Style::Infix, 2..=2),
    (Function::Multiply, "*", Style::Infix, 2..=2),
    (Function::Divide, "/", Style::Infix, 2..=2),
    (Function::Remainder, "%", Style::Infix, 2..=2),
    (Function::Negate, "-", Style::Prefix, 1..=1),
    (Function::Size, "size", Style::Both, 1..=1),
    (Function::Contains, "contains", Style::Method, 2..=2),
    (Function::EndsWith, "endsWith", Style::Method, 2..=2),
    (Function::Type, "type", Style::Global, 1..=1),
    (Function::Dyn, "dyn", Style::Global, 1..=1),
    (Function::Int, "int", Style::Global, 1..=1),
    (Function::Uint, "uint", Style::Global, 1..=1),
    (Function::Double, "double", Style::Global, 1..=1),
    (Function::Text, "string", Style::Global, 1..=1),
    (Function::Bool, "bool", Style::Global, 1..=1),
    (Function::Timestamp, "timestamp", Style::Global, 1..=1),
    (Function::Duration, "duration", Style::Global, 1..=1),
    (Function::Get(Part::FullYear), "getFullYear", Style::Method, 1..=2),
    (Function::Get(Part::Month), "getMonth", Style::Method, 1..=2),
    (Function::Get(Part::Date), "getDate", Style::Method, 1..=2),
    (Function::Get(Part::DayOfMonth), "getDayOfMonth", Style::Method, 1..=2),
    (Function::Get(Part::DayOfWeek), "getDayOfWeek", Style::Method, 1..=2),
    (Function::Get(Part::DayOfYear), "getDayOfYear", Style::Method, 1..=2),
    (Function::Get(Part::Hours), "getHours", Style::Method, 1..=2),
    (Function::Get(Part::Minutes), "getMinutes", Style::Method, 1..=2),
    (Function::Get(Part::Seconds), "getSeconds", Style::Method, 1..=2),
    (Function::Get(Part::Milliseconds), "getMilliseconds", Style::Method, 1..=2),
];

/// Those that have a kind of expression of their own, with how they are written.
pub(super) const OTHERS: [(&str, &str); 9] = [
    ("startsWith", "text.startsWith(prefix)"),
    ("matches", "text.matches(pattern)"),
    ("has", "has(user.name)"),
    ("all", "list.all(name, condition)"),
    ("exists", "list.exists(name, condition)"),
    ("exists_one", "list.exists_one(name, condition)"),
    ("filter", "list.filter(name, condition)"),
    ("map", "list.map(name, value)"),
    ("bytes", ""),
];

impl Function {
    fn line(self) -> Option<&'static Line> {
        const { &TABLE }.iter().find(|(function, ..)| *function == self)
    }

    /// As it is written.
    pub const fn operator(self) -> Option<&'static str> {
        Some(match self {
            Self::Add => "+",
            Self::Subtract | Self::Negate => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            _ => return None,
        })
    }

    /// Its name or sign.
    pub fn name(self) -> &'static str {
        self.line().map_or("?", |(_, name, ..)| name)
    }

    pub(super) fn style(self) -> Style {
        self.line().map_or(Style::Global, |(_, _, style, _)| *style)
    }

    /// The function that is called by this name, with how it is written and how many operands it takes.
    pub(super) fn named(name: &str) -> Option<&'static Line> {
        const { &TABLE }.iter().find(|(function, found, ..)| *found == name && function.operator().is_none())
    }

    /// The names of all functions.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        let called = const { &TABLE }.iter().filter(|(function, ..)| function.operator().is_none());
        called
            .map(|(_, name, ..)| *name)
            .chain(OTHERS.iter().filter(|(_, how)| !how.is_empty()).map(|(name, _)| *name))
    }

    /// The type of its value, where there is only one that it can have, given the certain type of its first operand.
    pub(super) fn certain_type(self, first: Option<Type>) -> Option<Type> {
        match self {
            Self::Add | Self::Subtract | Self::Multiply | Self::Divide | Self::Remainder | Self::Negate => {
                first.filter(|kind| {
                    matches!(kind, Type::Int | Type::Uint | Type::Double | Type::Text | Type::List)
                })
            }
            Self::Dyn => first,
            Self::Size | Self::Int | Self::Get(_) => Some(Type::Int),
            Self::Contains | Self::EndsWith | Self::Bool => Some(Type::Bool),
            Self::Type => Some(Type::Type),
            Self::Uint => Some(Type::Uint),
            Self::Double => Some(Type::Double),
            Self::Text => Some(Type::Text),
            Self::Timestamp => Some(Type::Timestamp),
            Self::Duration => Some(Type::Duration),
        }
    }
}
