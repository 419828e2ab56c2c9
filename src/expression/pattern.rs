//! The regular expressions of `matches`, in RE2's syntax: they run in time linear to the text, whatever they are.

use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};

use super::{expr::Expr, limits};

/// A pattern. Compiled once, when it is known.
#[derive(Clone, Debug)]
pub struct Pattern(pub(super) State);

#[derive(Clone, Debug)]
pub(super) enum State {
    Compiled(Arc<Regex>),
    /// It comes with params.
    Unbound(Box<Expr>),
}

impl Pattern {
    /// What it will come from with params.
    pub(super) fn unbound(&self) -> Option<&Expr> {
        match &self.0 {
            State::Compiled(_) => None,
            State::Unbound(expr) => Some(expr),
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (State::Compiled(left), State::Compiled(right)) => left.as_str() == right.as_str(),
            (State::Unbound(left), State::Unbound(right)) => left == right,
            _ => false,
        }
    }
}

/// Compiles a pattern, or says what is wrong with it.
pub(super) fn compile(text: &str) -> Result<Pattern, String> {
    if text.len() > limits::PATTERN_BYTES {
        return Err(format!(
            "the pattern of `matches` has {} bytes, and at most {} are allowed",
            text.len(),
            limits::PATTERN_BYTES
        ));
    }
    let regex = RegexBuilder::new(text)
        .size_limit(limits::COMPILED_PATTERN_BYTES)
        .dfa_size_limit(limits::COMPILED_PATTERN_BYTES)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(limit) => {
                format!("the pattern of `matches` is too complex: compiled it exceeds {limit} bytes")
            }
            other => {
                // The whole message draws the pattern over several lines; its last line says what is wrong.
                let message = other.to_string();
                let last = message.lines().last().unwrap_or_default();
                format!("the pattern of `matches` is wrong: {}", last.trim_start_matches("error: "))
            }
        })?;
    Ok(Pattern(State::Compiled(Arc::new(regex))))
}
