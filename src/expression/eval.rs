//! Evaluates an expression for one socket, within a number of steps.

use std::{marker::PhantomData, rc::Rc};

use super::{
    call, compare,
    constant::{Constant, Key},
    error::Fault,
    expr::{Expr, Loop, LoopKind, Type},
    functions::Function,
    limits::{ELEMENTS_A_STEP, SEARCHED_BYTES_A_STEP},
    meter::Meter,
    number,
    packed::{self, Map},
    path::Path,
    pattern::{Pattern, State},
    scope::{GatewayField, Scope, SocketField},
    value::Value,
};

pub(super) type Outcome<'v, T> = Result<T, Fault<'v>>;

/// One evaluation. What lives for `'v` is borrowed from the expression, the scope, or params.
pub(super) struct Evaluator<'v, 'a, S> {
    pub(super) scope: &'v S,
    /// `params`, while constants are folded.
    params: Map<'v>,
    pub(super) meter: Meter,
    /// The elements that loops are at, the outermost first.
    variables: Vec<Value<'v>>,
    lives: PhantomData<&'a ()>,
}

impl<'v, 'a: 'v, S: Scope<'a>> Evaluator<'v, 'a, S> {
    pub(super) fn new(scope: &'v S, params: Map<'v>) -> Self {
        Self { scope, params, meter: Meter::default(), variables: vec![], lives: PhantomData }
    }

    /// Whether an expression is true; anything but true and false is a fault.
    pub(super) fn test(&mut self, expr: &'v Expr) -> Outcome<'v, bool> {
        self.meter.take(1)?;
        self.tested(expr)
    }

    fn tested(&mut self, expr: &'v Expr) -> Outcome<'v, bool> {
        match expr {
            Expr::And(terms) => self.all_of(terms, true, "&&"),
            Expr::Or(terms) => self.all_of(terms, false, "||"),
            Expr::Not(term) => match self.operand(term)? {
                Value::Bool(flag) => Ok(!flag),
                other => Err(Fault::Type("!", other.kind())),
            },
            Expr::Compare(operator, left, right) => {
                if let (Expr::Select(path), Expr::Constant(constant)) = (&**left, &**right) {
                    return self.compare_constant(*operator, path, constant);
                }
                let left = self.operand(left)?;
                let right = self.operand(right)?;
                compare::compare(*operator, &left, &right, &mut self.meter)
            }
            Expr::In(element, container) => {
                if let (Expr::Select(path), Expr::Constant(Constant::List(list))) = (&**element, &**container)
                {
                    return self.in_constant(path, list);
                }
                let element = self.operand(element)?;
                let container = self.operand(container)?;
                compare::contains(&container, &element, &mut self.meter)
            }
            Expr::Has(path) => self.has(path),
            Expr::HasField(operand, name) => {
                let operand = self.operand(operand)?;
                Ok(compare::field(&operand, name, &mut self.meter)?.is_some())
            }
            Expr::StartsWith(text, prefix) => {
                let text = self.text(text, "startsWith")?;
                let prefix = self.text(prefix, "startsWith")?;
                self.meter.bytes(prefix.len())?;
                Ok(text.starts_with(&prefix))
            }
            Expr::Call(function @ (Function::Contains | Function::EndsWith), operands) => {
                let [text, part] = &**operands else { return Err(Fault::NoElement) };
                let text = self.text(text, function.name())?;
                let part = self.text(part, function.name())?;
                call::text_test(*function, &text, &part, &mut self.meter)
            }
            Expr::Matches(text, pattern) => self.matches(text, pattern),
            Expr::Select(path) => match self.select(path)? {
                Value::Bool(flag) => Ok(flag),
                other => Err(Fault::Type("true or false", other.kind())),
            },
            Expr::Constant(_)
            | Expr::Fails(_)
            | Expr::Conditional(_)
            | Expr::Call(..)
            | Expr::Field(..)
            | Expr::Index(..)
            | Expr::List(_)
            | Expr::Map(_)
            | Expr::Loop(_)
            | Expr::Variable(_)
            | Expr::Params(_) => match self.value(expr)? {
                Value::Bool(flag) => Ok(flag),
                other => Err(Fault::Type("true or false", other.kind())),
            },
        }
    }

    /// What an expression amounts to.
    pub(super) fn value(&mut self, expr: &'v Expr) -> Outcome<'v, Value<'v>> {
        self.meter.take(1)?;
        match expr {
            Expr::Constant(constant) => Ok(constant.value()),
            Expr::Fails(message) => Err(Fault::Known(message)),
            Expr::Select(path) => self.select(path),
            Expr::Variable(variable) => self.variables.get(variable.slot).cloned().ok_or(Fault::NoElement),
            Expr::Params(_) => Ok(Value::Map(self.params)),
            Expr::Conditional(parts) => {
                let [condition, then, otherwise] = &**parts;
                match self.operand(condition)? {
                    Value::Bool(true) => self.value(then),
                    Value::Bool(false) => self.value(otherwise),
                    other => Err(Fault::Type("? :", other.kind())),
                }
            }
            Expr::Call(function, operands) => self.call(*function, operands),
            Expr::Field(operand, name) => {
                let operand = self.value(operand)?;
                compare::field(&operand, name, &mut self.meter)?.ok_or(Fault::NoField(name))
            }
            Expr::Index(operand, index) => self.index(operand, index),
            Expr::List(elements) => self.list(elements),
            Expr::Map(members) => self.map(members),
            Expr::Loop(found) => self.go_through(found),
            Expr::And(_)
            | Expr::Or(_)
            | Expr::Not(_)
            | Expr::Compare(..)
            | Expr::In(..)
            | Expr::Has(_)
            | Expr::HasField(..)
            | Expr::StartsWith(..)
            | Expr::Matches(..) => self.tested(expr).map(Value::Bool),
        }
    }

    /// And and or: a term that is not `neutral` decides, whatever faults there are.
    fn all_of(&mut self, terms: &'v [Expr], neutral: bool, name: &'static str) -> Outcome<'v, bool> {
        let mut fault = None;
        for term in terms {
            match self.term(term, name) {
                Ok(flag) if flag == neutral => {}
                Ok(flag) => return Ok(flag),
                Err(Fault::Steps) => return Err(Fault::Steps),
                Err(found) => fault = fault.or(Some(found)),
            }
        }
        fault.map_or(Ok(neutral), Err)
    }

    fn term(&mut self, term: &'v Expr, name: &'static str) -> Outcome<'v, bool> {
        match term {
            Expr::Select(_) | Expr::Variable(_) => match self.operand(term)? {
                Value::Bool(flag) => Ok(flag),
                other => Err(Fault::Type(name, other.kind())),
            },
            _ => self.test(term),
        }
    }

    fn has(&mut self, path: &'v Path) -> Outcome<'v, bool> {
        let Some(last) = path.names.last() else {
            return Ok(match path.get(self.scope) {
                Some(packed::Value::Text(text)) => !text.as_bytes().is_empty(),
                Some(packed::Value::Map(map)) => !map.as_bytes().is_empty(),
                found => found.is_some(),
            });
        };
        let mut bytes = 0;
        let parent = path.parent(self.scope, &mut bytes);
        self.meter.map_bytes(bytes)?;
        match parent {
            Some(Ok(map)) => Ok(map.get(last.as_bytes()).is_some()),
            Some(Err(other)) => Err(Fault::Type("has", Value::from(other).kind())),
            None => Err(Fault::Absent(path)),
        }
    }

    fn matches(&mut self, text: &'v Expr, pattern: &'v Pattern) -> Outcome<'v, bool> {
        let text = self.text(text, "matches")?;
        match &pattern.0 {
            State::Compiled { regex, weight, .. } => {
                self.meter.many(text.len().saturating_mul(*weight) / SEARCHED_BYTES_A_STEP)?;
                Ok(regex.is_match(&text))
            }
            State::Unbound(_) => Err(Fault::NoElement),
        }
    }

    #[inline(never)]
    fn call(&mut self, function: Function, operands: &'v [Expr]) -> Outcome<'v, Value<'v>> {
        let mut operands = operands.iter();
        let first = match operands.next() {
            Some(first) => self.value(first)?,
            None => return Err(Fault::NoElement),
        };
        let second = operands.next().map(|second| self.value(second)).transpose()?;
        call::call(function, first, second, &mut self.meter)
    }

    #[inline(never)]
    fn index(&mut self, operand: &'v Expr, index: &'v Expr) -> Outcome<'v, Value<'v>> {
        let operand = self.value(operand)?;
        let index = self.value(index)?;
        match operand.kind() {
            Type::Map => compare::member(&operand, &index, &mut self.meter)?.ok_or(Fault::NoElement),
            Type::List => {
                let at = match index {
                    Value::Int(at) => Some(at),
                    Value::Uint(at) => i64::try_from(at).ok(),
                    Value::Double(at) => number::int(at),
                    other => return Err(Fault::Type("[]", other.kind())),
                };
                let at = at.and_then(|at| usize::try_from(at).ok()).ok_or(Fault::NoElement)?;
                let element = match &operand {
                    Value::ConstantList(list) => list.elements().get(at).map(Constant::value),
                    Value::MadeList(list) => list.get(at).cloned(),
                    Value::List(list) => {
                        // Each takes a byte at least: beyond the last one nothing is gone through.
                        self.meter.many(at.min(list.as_bytes().len()) / ELEMENTS_A_STEP)?;
                        list.iter().nth(at).map(Value::from)
                    }
                    _ => None,
                };
                element.ok_or(Fault::NoElement)
            }
            other => Err(Fault::Type("[]", other)),
        }
    }

    #[inline(never)]
    fn list(&mut self, elements: &'v [Expr]) -> Outcome<'v, Value<'v>> {
        let elements: Rc<[_]> =
            elements.iter().map(|element| self.value(element)).collect::<Result<_, _>>()?;
        Ok(Value::MadeList(elements))
    }

    #[inline(never)]
    fn map(&mut self, members: &'v [(Expr, Expr)]) -> Outcome<'v, Value<'v>> {
        let mut made: Vec<(Value<'v>, Value<'v>)> = vec![];
        for (key, value) in members {
            let key = self.value(key)?;
            let Some(found) = Key::of(&key) else { return Err(Fault::Type("a key of a map", key.kind())) };
            self.meter.many(made.len())?;
            if made.iter().any(|(other, _)| Key::of(other) == Some(found)) {
                return Err(Fault::RepeatedKey);
            }
            let value = self.value(value)?;
            made.push((key, value));
        }
        Ok(Value::MadeMap(made.into()))
    }

    #[inline(never)]
    fn go_through(&mut self, found: &'v Loop) -> Outcome<'v, Value<'v>> {
        let range = self.value(&found.range)?;
        let Some(elements) = range.elements() else {
            return Err(Fault::Type(found.kind.name(), range.kind()));
        };
        let slot = found.variable.slot;
        if self.variables.len() <= slot {
            // Also those of the loops around it, which are not there when it is folded by itself.
            self.variables.resize(slot + 1, Value::Null);
        }
        let mut fault = None;
        let mut holds = 0_u32;
        let mut made = vec![];
        for element in elements {
            self.meter.take(1)?;
            if let Some(place) = self.variables.get_mut(slot) {
                *place = element;
            }
            match &found.kind {
                LoopKind::All | LoopKind::Exists => match self.test(&found.body) {
                    Ok(flag) if flag == (found.kind == LoopKind::Exists) => return Ok(Value::Bool(flag)),
                    Ok(_) => {}
                    Err(Fault::Steps) => return Err(Fault::Steps),
                    Err(other) => fault = fault.or(Some(other)),
                },
                LoopKind::ExistsOne => holds += u32::from(self.test(&found.body)?),
                LoopKind::Filter => {
                    if self.test(&found.body)? {
                        made.extend(self.variables.get(slot).cloned());
                    }
                }
                LoopKind::Map(condition) => {
                    let wanted = match condition {
                        Some(condition) => self.test(condition)?,
                        None => true,
                    };
                    if wanted {
                        made.push(self.value(&found.body)?);
                    }
                }
            }
        }
        if let Some(fault) = fault {
            return Err(fault);
        }
        Ok(match found.kind {
            LoopKind::All => Value::Bool(true),
            LoopKind::Exists => Value::Bool(false),
            LoopKind::ExistsOne => Value::Bool(holds == 1),
            LoopKind::Filter | LoopKind::Map(_) => Value::MadeList(made.into()),
        })
    }
}

/// Nothing to look at: what constants are folded with.
pub(super) struct Nowhere;

impl<'a> Scope<'a> for Nowhere {
    fn user(&self) -> Map<'a> {
        Map::default()
    }

    fn socket(&self, _: SocketField) -> packed::Value<'a> {
        packed::Value::Null
    }

    fn gateway(&self, _: GatewayField) -> packed::Value<'a> {
        packed::Value::Null
    }
}
