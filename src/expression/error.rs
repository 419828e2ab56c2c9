//! What is wrong with a text, and why an evaluation came to nothing.

use std::fmt;

use unicode_width::UnicodeWidthStr as _;

use super::{expr::Type, path::Path};

/// Why a text is no expression, for whoever wrote it: where, what, and the limit's name if one is broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct CompileError {
    position: Option<Position>,
    message: String,
}

/// A place in a text: line and column in characters, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    line: usize,
    column: usize,
}

impl CompileError {
    /// About the expression as a whole.
    pub fn whole(message: impl Into<String>) -> Self {
        Self { position: None, message: shortened(message.into()) }
    }

    /// About what begins at this byte of the text.
    pub(super) fn at(text: &str, offset: usize, message: impl Into<String>) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { position: Some(Position { line, column }), message: shortened(message.into()) }
    }

    /// About what begins in this line and column of the text, and is no CEL.
    pub(super) fn in_line(text: &str, line: usize, column: usize, message: impl Into<String>) -> Self {
        let hint = text.lines().nth(line.saturating_sub(1)).and_then(|text| other_operator(text, column));
        let message = match hint {
            Some((word, sign)) => format!("{}; `{word}` is written `{sign}`", message.into()),
            None => message.into(),
        };
        Self { position: Some(Position { line, column }), message: shortened(message) }
    }
}

impl CompileError {
    /// The line of the text that it is about, and below it a mark where. `None` when it is about the whole.
    pub fn excerpt(&self, text: &str) -> Option<String> {
        /// Characters of a long line in front of the mark, and as many behind it.
        const AROUND: usize = 50;
        let Position { line, column } = self.position?;
        let line: Vec<char> = text.split('\n').nth(line.checked_sub(1)?)?.trim_end().chars().collect();
        let at = column.saturating_sub(1).min(line.len());
        let start = at.saturating_sub(AROUND);
        let shown = line.iter().skip(start).take(2 * AROUND);
        // What takes no column of a terminal, or two, would push the mark aside.
        let shown: String = shown.map(|c| if c.is_control() { ' ' } else { *c }).collect();
        let before: String = shown.chars().take(at - start).collect();
        Some(format!("{shown}\n{:width$}^", "", width = before.width()))
    }
}

/// The operator of another language that stands in this column of a line, or the word before it.
fn other_operator(line: &str, column: usize) -> Option<(&str, &'static str)> {
    let start = line.char_indices().nth(column.saturating_sub(1)).map_or(line.len(), |(start, _)| start);
    let (before, rest) = line.split_at_checked(start)?;
    let is_word = |sign: char| sign.is_alphanumeric() || sign == '_';
    let here = rest.split(|sign| !is_word(sign)).next();
    let previous = before.trim_end().rsplit(|sign| !is_word(sign)).next();
    here.into_iter().chain(previous).find_map(|word| Some((word, in_cel(word)?)))
}

/// How an operator that other languages write as a word is written in CEL.
pub(super) fn in_cel(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "and" => "&&",
        "or" => "||",
        "not" => "!",
        _ => return None,
    })
}

/// A message may name what stands in the text, and a text has 16 KiB: more than headers have room for.
fn shortened(mut message: String) -> String {
    /// Bytes that every message fits in that repeats nothing long.
    const BYTES: usize = 600;
    if message.len() > BYTES {
        message.truncate(message.floor_char_boundary(BYTES));
        message.push('…');
    }
    message
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Position { line, column }) = self.position {
            write!(f, "{line}:{column}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Why an evaluation has no value. Holds names out of the expression, never what a user or a socket contains.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EvaluationError(String);

impl From<Fault<'_>> for EvaluationError {
    fn from(fault: Fault<'_>) -> Self {
        Self(fault.to_string())
    }
}

/// An evaluation's end without a value. It borrows, because a filter fails for sockets by the thousand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault<'v> {
    /// Something on the path, or its end, is not there.
    Absent(&'v Path),
    /// A map has no such member.
    NoField(&'v str),
    /// A map has no such key, or a list no such index.
    NoElement,
    /// An operation that is not defined for a value of this type.
    Type(&'static str, Type),
    /// A result that its type cannot hold.
    Overflow(&'static str),
    /// Division by zero.
    Zero,
    /// A value that cannot be turned into this type.
    Conversion(Type),
    /// A map that is made with the same key twice.
    RepeatedKey,
    /// Found when constants were folded.
    Known(&'v str),
    /// Too many steps.
    Steps,
}

impl fmt::Display for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(path) => write!(f, "there is no `{path}`"),
            Self::NoField(name) => write!(f, "there is no field `{name}`"),
            Self::NoElement => f.write_str("there is no element under this key or index"),
            Self::Type(operation, found) => write!(f, "`{operation}` is not defined for type {found}"),
            Self::Overflow(operation) => write!(f, "the result of `{operation}` is out of range"),
            Self::Zero => f.write_str("division by zero"),
            Self::Conversion(wanted) => write!(f, "the value cannot be turned into type {wanted}"),
            Self::RepeatedKey => f.write_str("a map has the same key twice"),
            Self::Known(message) => f.write_str(message),
            Self::Steps => write!(f, "an evaluation takes at most {} steps", super::limits::STEPS),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::expression::{Program, Variables};

    #[test]
    fn an_excerpt_marks_the_place() {
        let excerpt = |text: &str| Program::compile(text, Variables::POLICY).unwrap_err().excerpt(text);
        assert_eq!(
            excerpt("user.role == '漢' &&\n\tsocket.data.x").as_deref(),
            Some(" socket.data.x\n       ^")
        );
        let long =
            format!("{} && nobody && {}", vec!["user.a"; 40].join(" || "), vec!["user.b"; 40].join(" || "));
        let marked = excerpt(&long).unwrap();
        let (line, mark) = marked.split_once('\n').unwrap();
        assert_eq!(line.len(), 100);
        assert_eq!(&line[mark.len() - 1..][..6], "nobody");
        assert_eq!(excerpt("1"), None);
    }

    #[test]
    fn a_policy_knows_what_a_handshake_says_and_no_more() {
        for (text, wrong) in [
            (
                "user.logged_in && socket.namespace == '/a' && socket.origin != '' && socket.remote_address != ''",
                None,
            ),
            ("socket.user.id == user.id", None),
            ("gateway.gateway_id == 'a'", Some("1:1: `gateway` is for filters; there is user, socket")),
            ("user.id == params.id", Some("`params` is for filters; there is user, socket")),
            ("data.room == 'a'", Some("there is no `data`; there is user, socket")),
            (
                "socket.data.room == 'a'",
                Some(
                    "`socket.data` is not known before the socket is open; it has user, namespace, remote_address, origin",
                ),
            ),
            ("socket.session_id == 'a'", Some("`socket.session_id` is not known before the socket is open")),
            ("socket.nmespace == 'a'", Some("Did you mean `namespace`?")),
        ] {
            let compiled = Program::compile(text, Variables::POLICY);
            match (compiled, wrong) {
                (Ok(_), None) => {}
                (Err(error), Some(wrong)) => assert!(error.to_string().contains(wrong), "{text}: {error}"),
                (compiled, _) => panic!("{text}: {compiled:?}"),
            }
        }
    }

    #[test]
    fn what_is_put_in_goes_by_its_own_name() {
        for (text, wrong) in [
            ("user.sub == claims.sub && socket.session_id != '' && socket.data.sid == claims['sid']", None),
            ("user.sub == params.sub", Some("`params` is for filters; there is user, socket, claims")),
            ("user.sub == claim.sub", Some("Did you mean `claims`?")),
            (
                "gateway.gateway_id == claims.sub",
                Some("`gateway` is for filters; there is user, socket, claims"),
            ),
            ("user.sub.matches(user.sub)", Some("a text, or out of claims")),
        ] {
            let compiled = Program::compile(text, Variables::LOGOUT);
            match (compiled, wrong) {
                (Ok(program), None) => assert!(program.is_open() && program.looks_at_sockets()),
                (Err(error), Some(wrong)) => assert!(error.to_string().contains(wrong), "{text}: {error}"),
                (compiled, _) => panic!("{text}: {compiled:?}"),
            }
        }
        let shape = |text| {
            let program = Program::compile(text, Variables::LOGOUT).unwrap();
            (program.is_open(), program.looks_at_sockets())
        };
        assert_eq!(shape("claims.sub != ''"), (true, false));
        assert_eq!(shape("user.sub != ''"), (false, true));
        assert_eq!(shape("true || user.sub == claims.sub"), (false, false));
    }

    #[test]
    fn who_writes_operators_as_words_is_told_their_signs() {
        for (text, hint) in [
            ("user.a == 1 and user.b == 2", Some("`and` is written `&&`")),
            ("user.a\n OR user.b", Some("`OR` is written `||`")),
            ("user['näme'] == 'é' or true", Some("`or` is written `||`")),
            ("not user.a", Some("`not` is written `!`")),
            ("user.a && not user.b", Some("`not` is written `!`")),
            ("user.a and not user.b", Some("`and` is written `&&`")),
            ("not(user.a)", Some("`not` is written `!`")),
            ("user.brand user.b", None),
            ("user.a ==", None),
        ] {
            let error = Program::compile(text, Variables::FILTER);
            let error = error.expect_err(text).to_string();
            match hint {
                Some(hint) => assert!(error.ends_with(hint), "{text}: {error}"),
                None => assert!(!error.contains("is written"), "{text}: {error}"),
            }
        }
    }
}
