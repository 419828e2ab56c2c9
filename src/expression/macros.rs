//! Recognizes `all`, `exists` and their kin in the general loops that the parser has written them out into.

use cel::common::ast::{ComprehensionExpr, Expr as Ast, IdedExpr, LiteralValue, operators};

use super::expr::LoopKind;

/// A macro as it was written.
pub(super) struct Macro<'e> {
    pub(super) kind: MacroKind<'e>,
    pub(super) range: &'e IdedExpr,
    pub(super) variable: &'e str,
    pub(super) body: &'e IdedExpr,
}

/// Which macro.
#[derive(Clone, Copy)]
pub(super) enum MacroKind<'e> {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map(Option<&'e IdedExpr>),
}

impl<'e> MacroKind<'e> {
    pub(super) fn lower<E>(
        self,
        lower: impl FnOnce(&'e IdedExpr) -> Result<super::Expr, E>,
    ) -> Result<LoopKind, E> {
        Ok(match self {
            Self::All => LoopKind::All,
            Self::Exists => LoopKind::Exists,
            Self::ExistsOne => LoopKind::ExistsOne,
            Self::Filter => LoopKind::Filter,
            Self::Map(condition) => LoopKind::Map(condition.map(lower).transpose()?),
        })
    }
}

/// The macro that a loop was written out from.
pub(super) fn recognize(part: &IdedExpr) -> Option<Macro<'_>> {
    let Ast::Comprehension(found) = &part.expr else { return None };
    let (kind, body) = kind(found)?;
    Some(Macro { kind, range: &found.iter_range, variable: &found.iter_var, body })
}

fn kind(found: &ComprehensionExpr) -> Option<(MacroKind<'_>, &IdedExpr)> {
    match &found.accu_init.expr {
        Ast::Literal(LiteralValue::Boolean(flag)) => {
            let (name, kind) = match flag.inner() {
                true => (operators::LOGICAL_AND, MacroKind::All),
                false => (operators::LOGICAL_OR, MacroKind::Exists),
            };
            let [_, condition] = call(&found.loop_step, name)? else { return None };
            Some((kind, condition))
        }
        Ast::Literal(LiteralValue::Int(_)) => {
            let [condition, ..] = call(&found.loop_step, operators::CONDITIONAL)? else { return None };
            Some((MacroKind::ExistsOne, condition))
        }
        Ast::List(_) => match call(&found.loop_step, operators::CONDITIONAL) {
            Some([condition, step, _]) => {
                let value = appended(step)?;
                Some(match &value.expr {
                    Ast::Ident(name) if *name == found.iter_var => (MacroKind::Filter, condition),
                    _ => (MacroKind::Map(Some(condition)), value),
                })
            }
            _ => Some((MacroKind::Map(None), appended(&found.loop_step)?)),
        },
        _ => None,
    }
}

fn call<'e>(part: &'e IdedExpr, name: &str) -> Option<&'e [IdedExpr]> {
    match &part.expr {
        Ast::Call(call) if call.func_name == name => Some(&call.args),
        _ => None,
    }
}

/// The value in `result + [value]`.
fn appended(step: &IdedExpr) -> Option<&IdedExpr> {
    let [_, list] = call(step, operators::ADD)? else { return None };
    match &list.expr {
        Ast::List(list) => list.elements.first(),
        _ => None,
    }
}
