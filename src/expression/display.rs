//! Writes expressions as CEL, with no more parentheses than are needed.

use std::fmt::{self, Display, Formatter, Write};

use super::{
    call::double,
    constant::Constant,
    expr::{Expr, LoopKind},
    functions::{Function, Style},
    pattern::State,
    token::Level,
};

/// Elements of a list or map that are shown; of more, how many they are.
const SHOWN: usize = 20;

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_expr(f, self, Level::Conditional)
    }
}

impl Display for Constant {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(flag) => flag.fmt(f),
            Self::Int(number) => number.fmt(f),
            Self::Uint(number) => write!(f, "{number}u"),
            Self::Double(number) if number.is_finite() => {
                let text = double(*number);
                let whole = !text.contains(['.', 'e']);
                write!(f, "{text}{}", if whole { ".0" } else { "" })
            }
            Self::Double(number) => write!(f, "double(\"{}\")", double(*number)),
            Self::Text(text) => write_text(f, text),
            Self::List(list) => {
                f.write_char('[')?;
                separated(f, list.elements(), |f, element| element.fmt(f))?;
                f.write_char(']')
            }
            Self::Map(map) => {
                f.write_char('{')?;
                separated(f, map.members(), |f, (key, value)| write!(f, "{key}: {value}"))?;
                f.write_char('}')
            }
            Self::Timestamp(timestamp) => write!(f, "timestamp(\"{timestamp}\")"),
            Self::Duration(duration) => write!(f, "duration(\"{duration}\")"),
            Self::Type(kind) => kind.fmt(f),
        }
    }
}

/// How tightly an expression holds together as it is written.
fn level(expr: &Expr) -> Level {
    match expr {
        Expr::Conditional(_) => Level::Conditional,
        // One term stands for itself.
        Expr::Or(terms) if terms.len() > 1 => Level::Or,
        Expr::And(terms) if terms.len() > 1 => Level::And,
        Expr::Or(terms) | Expr::And(terms) => terms.first().map_or(Level::Member, level),
        Expr::Compare(..) | Expr::In(..) => Level::Relation,
        Expr::Call(Function::Add | Function::Subtract, _) => Level::Sum,
        Expr::Call(Function::Multiply | Function::Divide | Function::Remainder, _) => Level::Product,
        Expr::Not(_) | Expr::Call(Function::Negate, _) => Level::Unary,
        Expr::Constant(Constant::Int(number)) if *number < 0 => Level::Unary,
        Expr::Constant(Constant::Double(number)) if number.is_sign_negative() => Level::Unary,
        _ => Level::Member,
    }
}

fn write_expr(f: &mut Formatter<'_>, expr: &Expr, least: Level) -> fmt::Result {
    if level(expr) < least {
        f.write_char('(')?;
        write_bare(f, expr)?;
        return f.write_char(')');
    }
    write_bare(f, expr)
}

fn write_bare(f: &mut Formatter<'_>, expr: &Expr) -> fmt::Result {
    match expr {
        Expr::Constant(constant) => constant.fmt(f),
        // No text means a failure; this one says why.
        Expr::Fails(message) => write!(f, "error({message:?})"),
        Expr::Select(path) => path.fmt(f),
        Expr::Has(path) => write!(f, "has({path})"),
        Expr::And(terms) => write_terms(f, terms, " && ", Level::Relation),
        Expr::Or(terms) => write_terms(f, terms, " || ", Level::And),
        Expr::Not(term) => {
            f.write_char('!')?;
            write_expr(f, term, Level::Member)
        }
        Expr::Compare(operator, left, right) => {
            write_infix(f, operator.name(), left, right, Level::Relation, Level::Sum)
        }
        Expr::In(element, container) => write_infix(f, "in", element, container, Level::Relation, Level::Sum),
        Expr::StartsWith(text, prefix) => {
            write_expr(f, text, Level::Member)?;
            write!(f, ".startsWith({prefix})")
        }
        Expr::Matches(text, pattern) => {
            write_expr(f, text, Level::Member)?;
            f.write_str(".matches(")?;
            match &pattern.0 {
                State::Compiled { text, .. } => write_text(f, text)?,
                State::Unbound(unbound) => unbound.fmt(f)?,
            }
            f.write_char(')')
        }
        Expr::Conditional(parts) => {
            let [condition, then, otherwise] = &**parts;
            write_expr(f, condition, Level::Or)?;
            f.write_str(" ? ")?;
            write_expr(f, then, Level::Or)?;
            f.write_str(" : ")?;
            write_expr(f, otherwise, Level::Conditional)
        }
        Expr::Call(function, operands) => write_call(f, *function, operands),
        Expr::Field(operand, name) => {
            write_expr(f, operand, Level::Member)?;
            write_member(f, name)
        }
        Expr::HasField(operand, name) => {
            f.write_str("has(")?;
            write_expr(f, operand, Level::Member)?;
            write!(f, ".{name})")
        }
        Expr::Index(operand, index) => {
            write_expr(f, operand, Level::Member)?;
            write!(f, "[{index}]")
        }
        Expr::List(elements) => {
            f.write_char('[')?;
            separated(f, elements, |f, element| element.fmt(f))?;
            f.write_char(']')
        }
        Expr::Map(members) => {
            f.write_char('{')?;
            separated(f, members, |f, (key, value)| write!(f, "{key}: {value}"))?;
            f.write_char('}')
        }
        Expr::Loop(found) => {
            write_expr(f, &found.range, Level::Member)?;
            write!(f, ".{}({}, ", found.kind.name(), found.variable.name)?;
            if let LoopKind::Map(Some(condition)) = &found.kind {
                write!(f, "{condition}, ")?;
            }
            write!(f, "{})", found.body)
        }
        Expr::Variable(variable) => f.write_str(&variable.name),
        Expr::Params(name) => f.write_str(name),
    }
}

fn write_terms(f: &mut Formatter<'_>, terms: &[Expr], between: &str, least: Level) -> fmt::Result {
    for (index, term) in terms.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        let least = if terms.len() == 1 { Level::Conditional } else { least };
        write_expr(f, term, least)?;
    }
    Ok(())
}

fn write_infix(
    f: &mut Formatter<'_>,
    sign: &str,
    left: &Expr,
    right: &Expr,
    left_least: Level,
    right_least: Level,
) -> fmt::Result {
    write_expr(f, left, left_least)?;
    write!(f, " {sign} ")?;
    write_expr(f, right, right_least)
}

fn write_call(f: &mut Formatter<'_>, function: Function, operands: &[Expr]) -> fmt::Result {
    match (function.style(), operands) {
        (Style::Infix, [left, right]) => {
            let (own, next) = match function {
                Function::Add | Function::Subtract => (Level::Sum, Level::Product),
                _ => (Level::Product, Level::Unary),
            };
            write_infix(f, function.name(), left, right, own, next)
        }
        (Style::Prefix, [operand]) => {
            f.write_char('-')?;
            // A number would take the sign for its own.
            let number = matches!(operand, Expr::Constant(_));
            if number { write!(f, "({operand})") } else { write_expr(f, operand, Level::Member) }
        }
        (Style::Method, [target, arguments @ ..]) => {
            write_expr(f, target, Level::Member)?;
            write!(f, ".{}(", function.name())?;
            separated(f, arguments, |f, argument| argument.fmt(f))?;
            f.write_char(')')
        }
        _ => {
            write!(f, "{}(", function.name())?;
            separated(f, operands, |f, operand| operand.fmt(f))?;
            f.write_char(')')
        }
    }
}

fn separated<T>(
    f: &mut Formatter<'_>,
    items: &[T],
    mut write_item: impl FnMut(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (index, item) in items.iter().take(SHOWN).enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        write_item(f, item)?;
    }
    match items.len().checked_sub(SHOWN) {
        Some(more @ 1..) => write!(f, ", … {more} more"),
        _ => Ok(()),
    }
}

/// `.name`, or `["a name"]` where a name could not be written so.
pub(super) fn write_member(f: &mut Formatter<'_>, name: &str) -> fmt::Result {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !matches!(name, "" | "in" | "true" | "false" | "null");
    if plain {
        return write!(f, ".{name}");
    }
    f.write_char('[')?;
    write_text(f, name)?;
    f.write_char(']')
}

fn write_text(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}
