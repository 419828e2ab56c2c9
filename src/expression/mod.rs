//! CEL over users, sockets and gateways: compiled once, within limits, evaluated on values as the registry keeps them.
//!
//! A text is measured (`token`, `limits`), parsed by the crate `cel` (`parse`), lowered into a tree of ours (`lower`), and
//! what is constant in it is folded (`bind`), with params once more. What is left is planned by the registry and evaluated
//! (`eval`) socket by socket.

mod bind;
mod call;
mod compare;
pub mod constant;
mod display;
mod error;
mod eval;
pub mod expr;
pub mod functions;
mod limits;
mod lower;
mod macros;
mod meter;
mod number;
pub mod packed;
mod parse;
pub mod path;
mod pattern;
pub mod scope;
mod shortcut;
mod time;
mod token;
mod value;
mod variables;

use std::sync::Arc;

pub use self::{
    constant::Constant,
    error::{CompileError, EvaluationError},
    expr::{Expr, Operator},
    meter::Steps,
    path::Path,
    pattern::Pattern,
    time::{Duration, Timestamp},
    variables::Variables,
};
use self::{eval::Evaluator, expr::Type, packed::Map, scope::Scope};

/// A compiled expression that is true or false.
#[derive(Debug)]
pub struct Program {
    text: Box<str>,
    bound: Bound,
    /// Whether params are to be put in.
    open: bool,
}

/// An expression that waits for nothing but a socket. Clones share it.
#[derive(Clone, Debug)]
pub struct Bound(Arc<Expr>);

impl Program {
    /// Compiles a text.
    ///
    /// # Errors
    ///
    /// If it is no expression, names what is not there, breaks a limit, or is certain to be neither true nor false.
    pub fn compile(text: &str, variables: Variables) -> Result<Self, CompileError> {
        let expr = lower::lower(&parse::parse(text)?, variables)?;
        let expr = bind::fold(&expr, None)?;
        let open = expr.any(&|part| matches!(part, Expr::Params(_)));
        match expr.certain_type() {
            None | Some(Type::Bool) => Ok(Self { text: text.into(), bound: Bound::from(expr), open }),
            Some(other) => Err(CompileError::whole(format!(
                "the expression has type {other}, and must be true or false"
            ))),
        }
    }

    /// The text it was compiled from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it looks at what is put in when it is bound.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Whether it looks at a socket, its user or its gateway. One that does not has the same value for all of them.
    pub fn looks_at_sockets(&self) -> bool {
        self.bound.expr().any(&|part| matches!(part, Expr::Select(_) | Expr::Has(_)))
    }

    /// Whether params bring patterns, which take a while to compile.
    pub fn has_open_patterns(&self) -> bool {
        self.bound
            .expr()
            .any(&|part| matches!(part, Expr::Matches(_, pattern) if pattern.unbound().is_some()))
    }

    /// Puts in params: a packed object, checked, or nothing.
    ///
    /// # Errors
    ///
    /// If a pattern that comes with them cannot be compiled, or they break a limit.
    pub fn bind(&self, params: &[u8]) -> Result<Bound, CompileError> {
        if !self.open {
            return Ok(self.bound.clone());
        }
        bind::fold(self.bound.expr(), Some(Map::of(params))).map(Bound::from)
    }
}

impl From<Expr> for Bound {
    /// Of a part of a bound expression, or several put together anew.
    fn from(expr: Expr) -> Self {
        Self(Arc::new(expr))
    }
}

impl Bound {
    /// What is evaluated.
    pub fn expr(&self) -> &Expr {
        &self.0
    }

    /// Whether it is true. What fails, or is anything else than true, does not match.
    pub fn matches<'a, S: Scope<'a>>(&self, scope: &S) -> bool {
        Evaluator::new(scope, Map::default()).test(&self.0) == Ok(true)
    }

    /// As [`Bound::matches`], and takes the steps of it, one at least, from those of many evaluations together.
    pub fn matches_within<'a, S: Scope<'a>>(&self, scope: &S, steps: &mut Steps) -> bool {
        let mut evaluator = Evaluator::new(scope, Map::default());
        let matches = evaluator.test(&self.0) == Ok(true);
        steps.take(evaluator.meter.taken().into());
        matches
    }

    /// Whether it is true or false.
    ///
    /// # Errors
    ///
    /// If it is neither: why.
    pub fn evaluate<'a, S: Scope<'a>>(&self, scope: &S) -> Result<bool, EvaluationError> {
        Evaluator::new(scope, Map::default()).test(&self.0).map_err(EvaluationError::from)
    }
}

/// Reads a path: `user.address.city`, `user["a b"]`, `socket.namespace`, `gateway.labels.zone`.
///
/// # Errors
///
/// If it is none.
pub fn path(text: &str) -> Result<Path, CompileError> {
    match lower::lower(&parse::parse(text)?, Variables::PATH)? {
        Expr::Select(path) => Ok(path),
        _ => Err(CompileError::whole("it is no path; one is `user.id` or `socket.namespace`")),
    }
}

#[cfg(test)]
mod tests;
