//! Hands a text to the parser of the crate `cel`, after everything that could overwhelm it was refused.

use cel::{
    common::ast::{IdedExpr, SourceInfo},
    parser::Parser,
};

use super::{error::CompileError, limits};

/// What the parser made of a text.
pub(super) struct Parsed<'t> {
    pub(super) root: IdedExpr,
    text: &'t str,
    source: SourceInfo,
}

impl Parsed<'_> {
    /// An error at a part of the expression.
    pub(super) fn error(&self, part: &IdedExpr, message: impl Into<String>) -> CompileError {
        match self.source.offset_for(part.id) {
            Some((start, _)) => {
                // Counted in bytes.
                let offset = usize::try_from(start).unwrap_or(usize::MAX);
                CompileError::at(self.text, offset, message)
            }
            None => CompileError::whole(message),
        }
    }
}

/// Parses a text that [`limits::check`] has let through.
pub(super) fn parse(text: &str) -> Result<Parsed<'_>, CompileError> {
    limits::check(text)?;
    let depth = u16::try_from(limits::DEPTH * 2).unwrap_or(u16::MAX);
    match Parser::new().max_recursion_depth(depth).parse_with_source_info(text) {
        Ok((root, source)) => Ok(Parsed { root, text, source }),
        Err(errors) => Err(match errors.errors.first() {
            Some(first) => {
                let place = |number: isize| usize::try_from(number).unwrap_or(1).max(1);
                CompileError::in_line(text, place(first.pos.0), place(first.pos.1), told(&first.msg))
            }
            None => CompileError::whole("it cannot be parsed"),
        }),
    }
}

/// The parser's message without the list of all tokens that could have stood there, which helps nobody.
fn told(message: &str) -> String {
    /// The parser repeats pieces of the text.
    const LENGTH: usize = 120;
    let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
    let message = message.split(" expecting {").next().unwrap_or(message);
    let cut = message.char_indices().nth(LENGTH).map(|(end, _)| end);
    match cut.and_then(|end| message.get(..end)) {
        Some(cut) => format!("syntax: {cut}…"),
        None => format!("syntax: {}", message.replace("'<EOF>'", "the end")),
    }
}
