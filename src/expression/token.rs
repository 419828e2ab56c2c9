//! Cuts a text into CEL's tokens. It refuses some texts that the parser's own lexer would cut differently (a quote that
//! is never closed), and otherwise cuts as that one does: what is counted here is what is parsed.

use super::error::CompileError;

/// A token, as far as counting needs to tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A name or a literal.
    Operand,
    Dot,
    Comma,
    Question,
    Colon,
    /// `(`, `[` or `{`
    Open(char),
    /// `)`, `]` or `}`
    Close(char),
    /// `!`
    Not,
    /// `-`, between operands or in front of one.
    Minus,
    /// Any other operator between two operands, and how tightly it binds.
    Binary(Level),
}

/// How tightly operators bind, loosest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Conditional,
    Or,
    And,
    Relation,
    Sum,
    Product,
    Unary,
    Member,
}

/// Each token with the byte it begins at.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = Result<(usize, Token), CompileError>> {
    let mut lexer = Lexer { text, offset: 0 };
    std::iter::from_fn(move || lexer.next().transpose())
}

struct Lexer<'t> {
    text: &'t str,
    offset: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.offset..).unwrap_or_default()
    }

    fn next(&mut self) -> Result<Option<(usize, Token)>, CompileError> {
        self.skip_space();
        let start = self.offset;
        let rest = self.rest();
        let mut characters = rest.chars();
        let Some(first) = characters.next() else { return Ok(None) };
        let second = characters.next();
        let (token, length) = match (first, second) {
            ('0'..='9', _) | ('.', Some('0'..='9')) => (Token::Operand, number(rest)),
            ('A'..='Z' | 'a'..='z' | '_' | '"' | '\'', _) => match quoted(rest) {
                Some(Ok(length)) => (Token::Operand, length),
                Some(Err(message)) => return Err(CompileError::at(self.text, start, message)),
                None => name(rest),
            },
            ('&', Some('&')) => (Token::Binary(Level::And), 2),
            ('|', Some('|')) => (Token::Binary(Level::Or), 2),
            ('=' | '!' | '<' | '>', Some('=')) => (Token::Binary(Level::Relation), 2),
            ('<' | '>', _) => (Token::Binary(Level::Relation), 1),
            ('+', _) => (Token::Binary(Level::Sum), 1),
            ('*' | '/' | '%', _) => (Token::Binary(Level::Product), 1),
            ('-', _) => (Token::Minus, 1),
            ('!', _) => (Token::Not, 1),
            ('.', _) => (Token::Dot, 1),
            (',', _) => (Token::Comma, 1),
            ('?', _) => (Token::Question, 1),
            (':', _) => (Token::Colon, 1),
            ('(' | '[' | '{', _) => (Token::Open(first), 1),
            (')' | ']' | '}', _) => (Token::Close(first), 1),
            _ => {
                let hint = match first {
                    '=' => ": equality is `==`",
                    '&' => ": the logical and is `&&`",
                    '|' => ": the logical or is `||`",
                    '`' => ": write such a name as an index, `user[\"a b\"]`",
                    _ => "",
                };
                return Err(CompileError::at(
                    self.text,
                    start,
                    format!("unexpected `{}`{hint}", first.escape_debug()),
                ));
            }
        };
        self.offset += length;
        Ok(Some((start, token)))
    }

    fn skip_space(&mut self) {
        loop {
            let rest = self.rest();
            let space = rest.len() - rest.trim_start_matches(['\t', ' ', '\r', '\n', '\u{c}']).len();
            let comment = if rest.starts_with("//") { rest.find('\n').unwrap_or(rest.len()) } else { 0 };
            if space + comment == 0 {
                return;
            }
            self.offset += space.max(comment);
        }
    }
}

fn count(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.len() - text.trim_start_matches(belongs).len()
}

fn name(text: &str) -> (Token, usize) {
    let length = count(text, |c| c.is_ascii_alphanumeric() || c == '_');
    match text.get(..length) {
        Some("in") => (Token::Binary(Level::Relation), length),
        _ => (Token::Operand, length),
    }
}

/// The length of the number at the beginning.
fn number(text: &str) -> usize {
    let digits = |from: usize| count(text.get(from..).unwrap_or_default(), |c| c.is_ascii_digit());
    let at = |index: usize| text.as_bytes().get(index).copied();
    let unsigned = |end: usize| end + usize::from(matches!(at(end), Some(b'u' | b'U')));
    if text.starts_with("0x") {
        let hexadecimal = count(text.get(2..).unwrap_or_default(), |c| c.is_ascii_hexdigit());
        if hexadecimal > 0 {
            return unsigned(2 + hexadecimal);
        }
    }
    let mut end = digits(0);
    let mut whole = true;
    if at(end) == Some(b'.') && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
        whole = false;
    }
    if matches!(at(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(at(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            end += 1 + sign + exponent;
            whole = false;
        }
    }
    if whole { unsigned(end) } else { end }
}

/// The length of the quoted text at the beginning, if there is one.
fn quoted(text: &str) -> Option<Result<usize, &'static str>> {
    let prefix = count(text, |c| matches!(c, 'b' | 'B' | 'r' | 'R'));
    let raw = match text.get(..prefix)? {
        "" | "b" | "B" => false,
        "r" | "R" | "br" | "bR" | "Br" | "BR" => true,
        _ => return None,
    };
    let body = text.get(prefix..)?;
    let quote = match body.chars().next()? {
        quote @ ('"' | '\'') => quote,
        _ => return None,
    };
    let (end, several_lines) = match (quote, body) {
        ('"', body) if body.starts_with("\"\"\"") => ("\"\"\"", true),
        ('\'', body) if body.starts_with("'''") => ("'''", true),
        ('"', _) => ("\"", false),
        _ => ("'", false),
    };
    let mut offset = end.len();
    loop {
        let rest = body.get(offset..)?;
        if rest.starts_with(end) {
            return Some(Ok(prefix + offset + end.len()));
        }
        offset += match rest.chars().next() {
            None => return Some(Err("this text is never closed")),
            Some('\n' | '\r') if !several_lines => {
                return Some(Err("this text is not closed in its line; a line break in it is `\\n`"));
            }
            Some('\\') if !raw => match escape(rest) {
                Some(length) => length,
                None => {
                    return Some(Err(
                        "a backslash in this text begins no escape; a backslash itself is `\\\\`",
                    ));
                }
            },
            Some(c) => c.len_utf8(),
        };
    }
}

/// The length of the escape at the beginning, which is a backslash.
fn escape(text: &str) -> Option<usize> {
    let mut characters = text.chars().skip(1);
    let digits = |from: usize, length: usize, radix: u32| {
        let digits = text.get(from..from + length)?;
        digits.chars().all(|c| c.is_digit(radix)).then_some(from + length)
    };
    match characters.next()? {
        'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '"' | '\'' | '\\' | '?' | '`' => Some(2),
        'x' | 'X' => digits(2, 2, 16),
        'u' => digits(2, 4, 16),
        'U' => digits(2, 8, 16),
        '0'..='3' => digits(1, 3, 8),
        _ => None,
    }
}
