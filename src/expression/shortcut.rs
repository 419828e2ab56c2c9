//! The ways that most evaluations take: a value out of a user beside a constant. They borrow both as they are.

use std::{ops::Deref, rc::Rc};

use super::{
    compare,
    constant::{Constant, List},
    error::Fault,
    eval::{Evaluator, Outcome},
    expr::{Expr, Operator},
    packed,
    path::{Path, Root},
    scope::{Scope, SocketField},
    time::Timestamp,
    value::Value,
};

/// Where an int is a time.
const CONNECTED_AT: Root = Root::Socket(SocketField::ConnectedAt);

/// The bytes of a text.
pub(super) enum Bytes<'v> {
    Borrowed(&'v [u8]),
    Made(Rc<[u8]>),
}

impl Deref for Bytes<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Borrowed(text) => text,
            Self::Made(text) => text,
        }
    }
}

impl<'v, 'a: 'v, S: Scope<'a>> Evaluator<'v, 'a, S> {
    /// What stands at a path, as it is packed.
    #[inline]
    fn find(&mut self, path: &Path) -> Outcome<'v, Option<packed::Value<'v>>> {
        let mut bytes = 0;
        let found = path.find(self.scope, &mut bytes);
        self.meter.map_bytes(bytes)?;
        Ok(found)
    }

    /// What stands at a path.
    #[inline]
    pub(super) fn select(&mut self, path: &'v Path) -> Outcome<'v, Value<'v>> {
        match (self.find(path)?, path.root) {
            (Some(packed::Value::Int(time)), CONNECTED_AT) => {
                Ok(Value::Timestamp(Timestamp::from_microseconds(time)))
            }
            (Some(value), _) => Ok(value.into()),
            (None, _) => Err(Fault::Absent(path)),
        }
    }

    /// What an expression amounts to.
    #[inline]
    pub(super) fn operand(&mut self, expr: &'v Expr) -> Outcome<'v, Value<'v>> {
        match expr {
            Expr::Select(path) => {
                self.meter.take(1)?;
                self.select(path)
            }
            Expr::Constant(constant) => {
                self.meter.take(1)?;
                Ok(constant.value())
            }
            _ => self.value(expr),
        }
    }

    /// The text that an expression amounts to.
    #[inline]
    pub(super) fn text(&mut self, expr: &'v Expr, operation: &'static str) -> Outcome<'v, Bytes<'v>> {
        match expr {
            Expr::Constant(Constant::Text(text)) => {
                self.meter.take(1)?;
                return Ok(Bytes::Borrowed(text.as_bytes()));
            }
            Expr::Select(path) => {
                if let Some(packed::Value::Text(text)) = self.find(path)? {
                    self.meter.take(1)?;
                    return Ok(Bytes::Borrowed(text.as_bytes()));
                }
            }
            _ => {}
        }
        match self.value(expr)? {
            Value::Text(text) => Ok(Bytes::Borrowed(text)),
            Value::MadeText(text) => Ok(Bytes::Made(text)),
            other => Err(Fault::Type(operation, other.kind())),
        }
    }

    /// What stands at a path, compared with a constant.
    #[inline]
    pub(super) fn compare_constant(
        &mut self,
        operator: Operator,
        path: &'v Path,
        constant: &'v Constant,
    ) -> Outcome<'v, bool> {
        self.meter.take(2)?;
        let equality = matches!(operator, Operator::Eq | Operator::Ne);
        match (self.find(path)?, constant) {
            (None, _) => Err(Fault::Absent(path)),
            (Some(packed::Value::Text(text)), Constant::Text(constant)) if equality => {
                self.meter.bytes(constant.len())?;
                Ok((text.as_bytes() == constant.as_bytes()) == (operator == Operator::Eq))
            }
            (Some(packed::Value::Bool(flag)), Constant::Bool(constant)) => {
                Ok(operator.holds(flag.cmp(constant)))
            }
            (Some(packed::Value::Int(number)), Constant::Int(constant)) if path.root != CONNECTED_AT => {
                Ok(operator.holds(number.cmp(constant)))
            }
            _ => {
                let left = self.select(path)?;
                compare::compare(operator, &left, &constant.value(), &mut self.meter)
            }
        }
    }

    /// Whether what stands at a path is among constants.
    #[inline]
    pub(super) fn in_constant(&mut self, path: &'v Path, list: &'v List) -> Outcome<'v, bool> {
        self.meter.take(2)?;
        match self.find(path)? {
            Some(packed::Value::Text(text)) => {
                self.meter.bytes(text.as_bytes().len())?;
                Ok(list.contains_text(text.as_bytes()))
            }
            _ => {
                let element = self.select(path)?;
                compare::contains(&Value::ConstantList(list), &element, &mut self.meter)
            }
        }
    }
}
