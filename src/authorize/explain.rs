//! How a decision came about, told as it is made: the path reports each step to a [`Trace`]. `Authorize` passes one that
//! is deaf, so a step that nobody asked for costs nothing; `Explain` one that listens.

use std::fmt::Write as _;

/// Hears of each step.
pub trait Trace {
    /// Whether anybody listens.
    const LISTENS: bool;

    /// Builds the step only for those who listen.
    fn step(&mut self, step: impl FnOnce() -> Step);
}

/// Hears nothing.
#[derive(Debug)]
pub struct Silent;

impl Trace for Silent {
    const LISTENS: bool = false;

    #[inline]
    fn step(&mut self, _: impl FnOnce() -> Step) {}
}

/// Keeps every step, in order.
#[derive(Debug, Default)]
pub struct Steps(pub Vec<Step>);

impl Trace for Steps {
    const LISTENS: bool = true;

    fn step(&mut self, step: impl FnOnce() -> Step) {
        self.0.push(step());
    }
}

/// Which step of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepName {
    /// Is the handshake from a site that may ask?
    Origin,
    /// Is there a session id?
    SessionId,
    /// Did one of our secrets sign it?
    Signature,
    /// Did the gateway say that no cookie could come along?
    Xdomain,
    /// Does the store have the session?
    Store,
    /// Does the session say who is logged in?
    Passport,
    /// Who is that?
    User,
    /// May they come in?
    Policy,
    /// Have they a place left?
    Cap,
}

impl StepName {
    /// The name as it stands in the answer.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::SessionId => "session_id",
            Self::Signature => "signature",
            Self::Xdomain => "xdomain",
            Self::Store => "store",
            Self::Passport => "passport",
            Self::User => "user",
            Self::Policy => "policy",
            Self::Cap => "cap",
        }
    }
}

/// One step: what it looked at, what it found, and what a person should look into when it did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which step.
    pub name: StepName,
    /// What it looked at.
    pub input: String,
    /// What it found there.
    pub found: String,
    /// The handshake passed it.
    pub ok: bool,
    /// What to look into.
    pub hint: String,
}

impl Step {
    /// A step that the handshake passed.
    pub fn passed(name: StepName, input: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name, input: input.into(), found: found.into(), ok: true, hint: String::new() }
    }

    /// A step that it did not pass.
    pub fn failed(name: StepName, input: impl Into<String>, found: impl Into<String>) -> Self {
        Self { ok: false, ..Self::passed(name, input, found) }
    }

    /// Adds a hint.
    pub fn hint(mut self, hint: impl AsRef<str>) -> Self {
        if !self.hint.is_empty() {
            self.hint.push_str("; ");
        }
        self.hint.push_str(hint.as_ref());
        self
    }
}

/// How many names of a client's making are repeated to people, and how much of each.
const NAMES_SHOWN: usize = 10;
const NAME_LENGTH_SHOWN: usize = 40;

/// The names of cookies for people to read: quoted, escaped, and not too many.
pub(super) fn cookie_names<'a>(mut names: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for name in names.by_ref().take(NAMES_SHOWN) {
        let separator = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{separator}{}", quote(name));
    }
    match names.count() {
        _ if text.is_empty() => "no cookies at all".to_owned(),
        0 => text,
        more => text + &format!(" and {more} more"),
    }
}

/// Text from outside for people to read: in backticks, without control characters, not too long.
pub(super) fn quote(text: &str) -> String {
    let shown: String = text.chars().take(NAME_LENGTH_SHOWN).flat_map(escape).collect();
    let cut = if text.chars().nth(NAME_LENGTH_SHOWN).is_some() { "…" } else { "" };
    format!("`{shown}{cut}`")
}

/// An expression of the settings for people to read: on one line, not too long.
pub(super) fn quote_expression(text: &str) -> String {
    /// The line of a terminal or two.
    const SHOWN: usize = 160;
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(SHOWN) {
        line.truncate(end);
        line.push('…');
    }
    format!("`{line}`")
}

/// Letters of all scripts stay; what a terminal would obey or a reader cannot see is written as its code.
fn escape(c: char) -> impl Iterator<Item = char> {
    let plain = c == ' ' || c.is_alphanumeric() || c.is_ascii_punctuation();
    let escaped = (!plain).then(|| c.escape_unicode());
    plain.then_some(c).into_iter().chain(escaped.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_outside_are_escaped_and_bounded() {
        assert_eq!(cookie_names(["a", "b\u{1b}[31m"].into_iter()), r"`a`, `b\u{1b}[31m`");
        assert_eq!(
            cookie_names(std::iter::repeat_n("x", 12)),
            format!("{} and 2 more", ["`x`"; 10].join(", "))
        );
        assert_eq!(cookie_names(std::iter::empty()), "no cookies at all");
        assert_eq!(quote(&"é".repeat(41)), format!("`{}…`", "é".repeat(40)));
    }
}
