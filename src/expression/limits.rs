//! What an expression may cost. All of it is checked before the parser sees the text: the parser recurses without bound.

use super::{
    error::CompileError,
    token::{Level, Token, tokens},
};

/// Bytes of text.
const TEXT_BYTES: usize = 16 << 10;

/// How deep parentheses, brackets and operators may be nested, where each operator of a chain is one deeper than the one
/// before: the parser nests `1 + 1 + 1` so.
pub(super) const DEPTH: usize = 100;

/// Names, values and operators. The parser takes about 10 us and 5 KB for each.
const PARTS: usize = 2_000;

/// Elements of a list or map that is written out.
const LITERAL_ELEMENTS: usize = 1_000;

/// Elements of a list or map that comes with params.
pub(super) const PARAMS_ELEMENTS: usize = 10_000;

/// How deep `all`, `exists`, `map` and so on may stand inside one another: the cost is a power of it.
pub(super) const NESTED_LOOPS: usize = 2;

/// Bytes of a regular expression.
pub(super) const PATTERN_BYTES: usize = 4 << 10;

/// Calls of `matches`: each keeps a compiled pattern.
pub(super) const PATTERNS: usize = 20;

/// Memory of a compiled pattern that takes the least steps, in bytes. Most take less.
pub(super) const SMALL_PATTERN_BYTES: usize = 4 << 10;

/// Memory of all compiled patterns of an expression together, in [`SMALL_PATTERN_BYTES`]: a thousand watches may be open, each
/// with patterns of its own. `[ab]{2000}` fits, ten of it do not.
pub(super) const PATTERNS_WEIGHT: usize = 64;

/// Memory of what a pattern remembers from search to search, in bytes, in each thread that uses it.
pub(super) const PATTERN_CACHE_BYTES: usize = 64 << 10;

/// Bytes of text that a small pattern searches in one step; a larger one in proportion fewer.
pub(super) const SEARCHED_BYTES_A_STEP: usize = 16;

/// Steps of one evaluation: each part that is looked at, each element of a loop, and long texts by their length.
pub(super) const STEPS: u32 = 10_000;

/// Bytes of text that are searched or compared in one step.
pub(super) const BYTES_A_STEP: usize = 64;

/// Elements of a list that are stepped over in one step, on the way to one of them.
pub(super) const ELEMENTS_A_STEP: usize = 8;

/// Bytes of a map that are looked through for a name in one step: values are stepped over.
pub(super) const MAP_BYTES_A_STEP: usize = 1 << 10;

/// Checks everything that can be told from the text alone.
pub(super) fn check(text: &str) -> Result<(), CompileError> {
    if text.len() > TEXT_BYTES {
        return Err(CompileError::whole(format!(
            "the expression has {} bytes, and at most {TEXT_BYTES} (16 KiB) are allowed: values that are many go into params",
            text.len()
        )));
    }
    let mut nesting = Nesting::default();
    let mut parts = 0;
    for token in tokens(text) {
        let (offset, token) = token?;
        parts += usize::from(!matches!(token, Token::Comma | Token::Colon | Token::Close(_) | Token::Dot));
        if parts > PARTS {
            return Err(CompileError::at(
                text,
                offset,
                format!(
                    "at most {PARTS} names, values and operators are allowed: values that are many go into params"
                ),
            ));
        }
        nesting.take(token, offset).map_err(|message| CompileError::at(text, offset, message))?;
    }
    if parts == 0 {
        return Err(CompileError::whole("the expression is empty; one that holds for everybody is `true`"));
    }
    nesting.end(text.len()).map_err(|(offset, message)| CompileError::at(text, offset, message))
}

/// How deep the tree of a text becomes, found with a stack of what is still open: each entry will stand above what
/// follows, and `operand` is the depth of the operand that ends here. So a text that is too deep is found out at the very
/// token, whatever comes after it.
#[derive(Default)]
struct Nesting {
    open: Vec<Entry>,
    operand: usize,
    /// The deepest place so far.
    deepest: usize,
    /// Whether an operand ends here, so that `-` or `(` goes on from it.
    after_operand: bool,
    after_dot: bool,
}

struct Entry {
    kind: Kind,
    /// How deep what stands left of it is.
    left: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Operator(Level),
    /// From `?` to `:`.
    Condition,
    Bracket {
        bracket: char,
        offset: usize,
        of_operand: bool,
        elements: usize,
        deepest: usize,
    },
}

impl Nesting {
    fn take(&mut self, token: Token, offset: usize) -> Result<(), String> {
        match token {
            Token::Operand => {
                if !std::mem::take(&mut self.after_dot) {
                    self.operand = 0;
                }
                self.after_operand = true;
            }
            Token::Dot => {
                if self.after_operand {
                    self.operand += 1;
                    self.after_dot = true;
                }
                self.after_operand = false;
            }
            Token::Open(bracket) => {
                let of_operand = self.after_operand;
                // The dot of `x.f(…)` was counted already.
                let left = match (of_operand, bracket) {
                    (false, _) => 0,
                    (true, '(') => self.operand.saturating_sub(1),
                    (true, _) => self.operand,
                };
                self.push(Kind::Bracket { bracket, offset, of_operand, elements: 0, deepest: 0 }, left);
            }
            Token::Close(bracket) => self.close(bracket)?,
            Token::Comma => self.separate()?,
            Token::Colon => {
                self.fold(Level::Or);
                match self.open.last_mut() {
                    Some(entry) if entry.kind == Kind::Condition => {
                        entry.kind = Kind::Operator(Level::Conditional);
                        entry.left = entry.left.max(self.operand);
                        self.begin_operand();
                    }
                    // Between a key and its value.
                    _ => self.end_element(),
                }
            }
            Token::Question => {
                self.fold(Level::Or);
                self.push(Kind::Condition, self.operand);
            }
            Token::Minus if self.after_operand => self.binary(Level::Sum),
            Token::Minus | Token::Not => self.push(Kind::Operator(Level::Unary), 0),
            Token::Binary(level) => self.binary(level),
        }
        self.check()
    }

    fn check(&mut self) -> Result<(), String> {
        self.note();
        if self.deepest <= DEPTH {
            return Ok(());
        }
        Err(format!(
            "the expression is too deep: at most {DEPTH} parentheses, brackets and operators inside one another, and each operator of a chain is one deeper"
        ))
    }

    fn note(&mut self) {
        self.deepest = self.deepest.max(self.open.len() + self.operand);
    }

    fn end(mut self, length: usize) -> Result<(), (usize, String)> {
        match self.bracket() {
            Some(Kind::Bracket { bracket, offset, .. }) => {
                Err((offset, format!("`{bracket}` is never closed")))
            }
            _ => self.check().map_err(|message| (length, message)),
        }
    }

    /// Opens something that stands above what follows, and above `left` too.
    fn push(&mut self, kind: Kind, left: usize) {
        self.open.push(Entry { kind, left });
        self.deepest = self.deepest.max(self.open.len() + left);
        self.begin_operand();
    }

    fn begin_operand(&mut self) {
        self.operand = 0;
        self.after_operand = false;
        self.after_dot = false;
    }

    fn binary(&mut self, level: Level) {
        self.fold(level);
        self.push(Kind::Operator(level), self.operand);
    }

    /// Ends the operators that bind at least as tightly.
    fn fold(&mut self, level: Level) {
        while let Some(Entry { kind: Kind::Operator(of), left }) = self.open.last() {
            if *of < level {
                break;
            }
            self.operand = self.operand.max(*left) + 1;
            self.open.pop();
            self.note();
        }
    }

    /// Ends everything within the innermost bracket.
    fn bracket(&mut self) -> Option<Kind> {
        while let Some(Entry { kind, left }) = self.open.last() {
            if matches!(kind, Kind::Bracket { .. }) {
                return Some(*kind);
            }
            self.operand = self.operand.max(*left) + 1;
            self.open.pop();
            self.note();
        }
        None
    }

    fn end_element(&mut self) {
        self.bracket();
        let operand = self.operand;
        if let Some(Entry { kind: Kind::Bracket { deepest, .. }, .. }) = self.open.last_mut() {
            *deepest = operand.max(*deepest);
        }
        self.begin_operand();
    }

    fn separate(&mut self) -> Result<(), String> {
        self.end_element();
        if let Some(Entry { kind: Kind::Bracket { elements, .. }, .. }) = self.open.last_mut() {
            *elements += 1;
            if *elements >= LITERAL_ELEMENTS {
                return Err(format!(
                    "at most {LITERAL_ELEMENTS} elements may be written out: values that are many go into params"
                ));
            }
        }
        Ok(())
    }

    fn close(&mut self, bracket: char) -> Result<(), String> {
        self.end_element();
        let Some(Entry { kind: Kind::Bracket { bracket: opened, of_operand, deepest, .. }, left }) =
            self.open.pop()
        else {
            return Err(format!("`{bracket}` closes nothing"));
        };
        if !matches!((opened, bracket), ('(', ')') | ('[', ']') | ('{', '}')) {
            return Err(format!("`{bracket}` cannot close `{opened}`"));
        }
        self.operand = (deepest + 1).max(left + usize::from(of_operand));
        self.after_operand = true;
        Ok(())
    }
}
