//! The regular expressions of `matches`, in RE2's syntax: a search takes time in proportion to text and pattern, and no
//! more.

use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};

use super::{expr::Expr, limits};

/// A pattern. Compiled once, when it is known.
#[derive(Clone, Debug)]
pub struct Pattern(pub(super) State);

#[derive(Clone, Debug)]
pub(super) enum State {
    Compiled {
        regex: Arc<Regex>,
        /// How large it is compiled, in [`limits::SMALL_PATTERN_BYTES`].
        weight: usize,
        /// As it was written.
        text: Arc<str>,
    },
    /// It comes with params.
    Unbound(Box<Expr>),
}

impl Pattern {
    /// What it will come from with params.
    pub(super) fn unbound(&self) -> Option<&Expr> {
        match &self.0 {
            State::Compiled { .. } => None,
            State::Unbound(expr) => Some(expr),
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (State::Compiled { text: left, .. }, State::Compiled { text: right, .. }) => left == right,
            (State::Unbound(left), State::Unbound(right)) => left == right,
            _ => false,
        }
    }
}

/// The memory that an expression's patterns may still take, in [`limits::SMALL_PATTERN_BYTES`].
#[derive(Debug)]
pub(super) struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(limits::PATTERNS_WEIGHT)
    }
}

impl Room {
    /// Takes what a pattern takes that was compiled before.
    pub(super) fn take(&mut self, pattern: &Pattern) -> Result<(), String> {
        if let State::Compiled { weight, .. } = pattern.0 {
            self.0 = self.0.checked_sub(weight).ok_or_else(too_complex)?;
        }
        Ok(())
    }
}

fn too_complex() -> String {
    format!(
        "the patterns of `matches` are too complex: compiled they exceed {} bytes",
        limits::PATTERNS_WEIGHT * limits::SMALL_PATTERN_BYTES
    )
}

/// Compiles a pattern, or says what is wrong with it.
pub(super) fn compile(text: &str, room: &mut Room) -> Result<Pattern, String> {
    if text.len() > limits::PATTERN_BYTES {
        return Err(format!(
            "the pattern of `matches` has {} bytes, and at most {} are allowed",
            text.len(),
            limits::PATTERN_BYTES
        ));
    }
    let pattern = ascii_classes(text);
    let mut weight = 1;
    loop {
        weight = weight.min(room.0);
        let size = limits::SMALL_PATTERN_BYTES.saturating_mul(weight);
        let built =
            RegexBuilder::new(&pattern).size_limit(size).dfa_size_limit(limits::PATTERN_CACHE_BYTES).build();
        match built {
            Ok(regex) => {
                room.0 = room.0.saturating_sub(weight);
                return Ok(Pattern(State::Compiled { regex: Arc::new(regex), weight, text: text.into() }));
            }
            Err(regex::Error::CompiledTooBig(_)) if weight < room.0 => weight *= 4,
            Err(regex::Error::CompiledTooBig(_)) => return Err(too_complex()),
            Err(error) => {
                // The whole message draws the pattern over several lines; its last line says what is wrong.
                let message = error.to_string();
                let last = message.lines().last().unwrap_or_default();
                return Err(format!(
                    "the pattern of `matches` is wrong: {}",
                    last.trim_start_matches("error: ")
                ));
            }
        }
    }
}

/// `\w`, `\d`, `\s` and `\b` mean ASCII in RE2, and all of Unicode to the crate, at a hundred times the size.
fn ascii_classes(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        if c != '\\' {
            pattern.push(c);
            continue;
        }
        match characters.next() {
            Some('w') => pattern.push_str("[0-9A-Za-z_]"),
            Some('W') => pattern.push_str("[^0-9A-Za-z_]"),
            Some('d') => pattern.push_str("[0-9]"),
            Some('D') => pattern.push_str("[^0-9]"),
            Some('s') => pattern.push_str("[\\t\\n\\f\\r ]"),
            Some('S') => pattern.push_str("[^\\t\\n\\f\\r ]"),
            Some('b') => pattern.push_str("(?-u:\\b)"),
            Some('B') => pattern.push_str("(?-u:\\B)"),
            other => {
                pattern.push(c);
                pattern.extend(other);
            }
        }
    }
    pattern
}
