//! Folds what is the same for every socket into constants: at compile time what is written, with params the rest.

use std::{collections::HashMap, sync::Arc};

use super::{
    constant::{Constant, Map},
    error::{CompileError, Fault},
    eval::{Evaluator, Nowhere},
    expr::{Expr, Loop, LoopKind},
    limits,
    meter::Meter,
    packed,
    pattern::{self, Pattern, Room, State},
    value::Value,
};

/// Folds an expression. Without params, what depends on them stays as it is.
pub(super) fn fold(expr: &Expr, params: Option<packed::Map<'_>>) -> Result<Expr, CompileError> {
    Folder { params, meter: Meter::default(), room: Room::default(), copied: HashMap::new() }.fold(expr)
}

/// Whether an expression has the same value for every socket once params are known.
pub(super) fn is_constant(expr: &Expr) -> bool {
    is_closed(expr, true, &[])
}

struct Folder<'p> {
    params: Option<packed::Map<'p>>,
    /// Shared by all parts that are folded, as one evaluation would share it.
    meter: Meter,
    room: Room,
    /// What lists and objects of params have become, by where they are packed and how long they are: one that is named
    /// again is not copied again.
    copied: HashMap<(usize, usize), Constant>,
}

impl<'p> Folder<'p> {
    fn fold(&mut self, expr: &Expr) -> Result<Expr, CompileError> {
        if let Expr::Constant(_) | Expr::Fails(_) | Expr::Select(_) | Expr::Has(_) | Expr::Variable(_) = expr
        {
            return Ok(expr.clone());
        }
        let params = self.params.is_some();
        if is_closed(expr, params, &[]) {
            return self.evaluate(expr);
        }
        let folded = self.fold_parts(expr)?;
        if !matches!(folded, Expr::Constant(_) | Expr::Fails(_)) && is_closed(&folded, params, &[]) {
            return self.evaluate(&folded);
        }
        Ok(folded)
    }

    /// Evaluates what needs neither a socket nor an element.
    fn evaluate(&mut self, expr: &Expr) -> Result<Expr, CompileError> {
        let params = self.params.unwrap_or_default();
        let mut evaluator = Evaluator::new(&Nowhere, params);
        std::mem::swap(&mut evaluator.meter, &mut self.meter);
        let outcome = evaluator.value(expr);
        std::mem::swap(&mut evaluator.meter, &mut self.meter);
        match outcome {
            Ok(value) => self.constant(&value).map(Expr::Constant),
            Err(Fault::Steps) => Err(CompileError::whole(Fault::Steps.to_string())),
            Err(fault) => Ok(Expr::Fails(fault.to_string().into())),
        }
    }

    fn boxed(&mut self, expr: &Expr) -> Result<Box<Expr>, CompileError> {
        self.fold(expr).map(Box::new)
    }

    fn several(&mut self, exprs: &[Expr]) -> Result<Vec<Expr>, CompileError> {
        exprs.iter().map(|expr| self.fold(expr)).collect()
    }

    fn fold_parts(&mut self, expr: &Expr) -> Result<Expr, CompileError> {
        let folded = match expr {
            Expr::And(terms) => return Ok(junction(self.several(terms)?, true)),
            Expr::Or(terms) => return Ok(junction(self.several(terms)?, false)),
            Expr::Not(term) => Expr::Not(self.boxed(term)?),
            Expr::Compare(operator, left, right) => {
                let (left, right) = (self.boxed(left)?, self.boxed(right)?);
                match (&*left, &*right) {
                    (Expr::Constant(_), right_side) if !matches!(right_side, Expr::Constant(_)) => {
                        Expr::Compare(operator.mirrored(), right, left)
                    }
                    _ => Expr::Compare(*operator, left, right),
                }
            }
            Expr::In(element, container) => Expr::In(self.boxed(element)?, self.boxed(container)?),
            Expr::StartsWith(text, prefix) => Expr::StartsWith(self.boxed(text)?, self.boxed(prefix)?),
            Expr::Matches(text, pattern) => return self.matches(text, pattern),
            Expr::Conditional(parts) => {
                let [condition, then, otherwise] = &**parts;
                return match self.fold(condition)? {
                    Expr::Constant(Constant::Bool(true)) => self.fold(then),
                    Expr::Constant(Constant::Bool(false)) => self.fold(otherwise),
                    condition => {
                        Ok(Expr::Conditional(Box::new([condition, self.fold(then)?, self.fold(otherwise)?])))
                    }
                };
            }
            Expr::Call(function, operands) => Expr::Call(*function, self.several(operands)?),
            Expr::Field(operand, name) => Expr::Field(self.boxed(operand)?, Arc::clone(name)),
            Expr::HasField(operand, name) => Expr::HasField(self.boxed(operand)?, Arc::clone(name)),
            Expr::Index(operand, index) => match (self.fold(operand)?, self.fold(index)?) {
                (Expr::Select(path), Expr::Constant(Constant::Text(name))) => Expr::Select(path.then(&name)),
                (operand, index) => Expr::Index(Box::new(operand), Box::new(index)),
            },
            Expr::List(elements) => Expr::List(self.several(elements)?),
            Expr::Map(members) => {
                let fold = |(key, value): &(Expr, Expr)| Ok((self.fold(key)?, self.fold(value)?));
                Expr::Map(members.iter().map(fold).collect::<Result<_, CompileError>>()?)
            }
            Expr::Loop(found) => {
                let kind = match &found.kind {
                    LoopKind::Map(Some(condition)) => LoopKind::Map(Some(self.fold(condition)?)),
                    kind => kind.clone(),
                };
                let (range, body) = (self.fold(&found.range)?, self.fold(&found.body)?);
                Expr::Loop(Box::new(Loop { kind, range, variable: found.variable.clone(), body }))
            }
            other => other.clone(),
        };
        Ok(failure(&folded).map_or(folded, Expr::Fails))
    }

    fn matches(&mut self, text: &Expr, pattern: &Pattern) -> Result<Expr, CompileError> {
        let text = self.boxed(text)?;
        let State::Unbound(unbound) = &pattern.0 else {
            self.room.take(pattern).map_err(CompileError::whole)?;
            return Ok(Expr::Matches(text, pattern.clone()));
        };
        Ok(match self.fold(unbound)? {
            Expr::Constant(Constant::Text(found)) => {
                Expr::Matches(text, pattern::compile(&found, &mut self.room).map_err(CompileError::whole)?)
            }
            Expr::Constant(other) => Expr::Fails(Fault::Type("matches", other.kind()).to_string().into()),
            Expr::Fails(message) => Expr::Fails(message),
            unbound => Expr::Matches(text, Pattern(State::Unbound(Box::new(unbound)))),
        })
    }

    fn constant(&mut self, value: &Value<'_>) -> Result<Constant, CompileError> {
        Ok(match value {
            Value::Null => Constant::Null,
            Value::Bool(flag) => Constant::Bool(*flag),
            Value::Int(number) => Constant::Int(*number),
            Value::Uint(number) => Constant::Uint(*number),
            Value::Double(number) => Constant::Double(*number),
            Value::Timestamp(timestamp) => Constant::Timestamp(*timestamp),
            Value::Duration(duration) => Constant::Duration(*duration),
            Value::Type(kind) => Constant::Type(*kind),
            Value::Text(_) | Value::MadeText(_) => Constant::Text(value.str().unwrap_or_default().into()),
            Value::List(list) => self.copy(list.as_bytes(), value)?,
            Value::Map(map) => self.copy(map.as_bytes(), value)?,
            Value::ConstantList(_) | Value::MadeList(_) => {
                let mut elements = vec![];
                for element in value.elements().into_iter().flatten() {
                    elements.push(self.constant(&element)?);
                }
                Constant::List(Arc::new(elements.into()))
            }
            Value::ConstantMap(map) => Constant::Map(Arc::new(Map::new(map.members().to_vec()))),
            Value::MadeMap(members) => {
                let copy =
                    |(key, value): &(Value<'_>, Value<'_>)| Ok((self.constant(key)?, self.constant(value)?));
                Constant::Map(Arc::new(Map::new(
                    members.iter().map(copy).collect::<Result<_, CompileError>>()?,
                )))
            }
        })
    }

    /// A list or an object of params.
    fn copy(&mut self, packed: &[u8], value: &Value<'_>) -> Result<Constant, CompileError> {
        let place = (packed.as_ptr().addr(), packed.len());
        if let Some(copied) = self.copied.get(&place) {
            return Ok(copied.clone());
        }
        let mut elements = vec![];
        let mut members = vec![];
        match value {
            Value::Map(map) => {
                for (name, value) in map.iter() {
                    few(members.len() + 1)?;
                    members.push((Constant::Text(name.as_str().into()), self.constant(&value.into())?));
                }
            }
            list => {
                for element in list.elements().into_iter().flatten() {
                    few(elements.len() + 1)?;
                    elements.push(self.constant(&element)?);
                }
            }
        }
        let copied = match value {
            Value::Map(_) => Constant::Map(Arc::new(Map::new(members))),
            _ => Constant::List(Arc::new(elements.into())),
        };
        self.copied.insert(place, copied.clone());
        Ok(copied)
    }
}

fn few(elements: usize) -> Result<(), CompileError> {
    if elements > limits::PARAMS_ELEMENTS {
        return Err(CompileError::whole(format!(
            "a list or an object of params has more than {} elements",
            limits::PARAMS_ELEMENTS
        )));
    }
    Ok(())
}

/// And (`neutral` is true) or or, without terms that change nothing.
pub(super) fn junction(terms: Vec<Expr>, neutral: bool) -> Expr {
    let mut kept = vec![];
    for term in terms {
        match term {
            Expr::Constant(Constant::Bool(flag)) if flag == neutral => {}
            Expr::Constant(Constant::Bool(flag)) => return Expr::Constant(Constant::Bool(flag)),
            Expr::And(inner) if neutral => kept.extend(inner),
            Expr::Or(inner) if !neutral => kept.extend(inner),
            other => kept.push(other),
        }
    }
    match (kept.len(), neutral) {
        (0, _) => Expr::Constant(Constant::Bool(neutral)),
        // A term that may be something else than true or false has to be found out.
        (1, _) if kept.first().and_then(Expr::certain_type) == Some(super::expr::Type::Bool) => {
            kept.pop().unwrap_or(Expr::Constant(Constant::Bool(neutral)))
        }
        (_, true) => Expr::And(kept),
        (_, false) => Expr::Or(kept),
    }
}

/// Why an expression fails whatever its other parts amount to.
fn failure(expr: &Expr) -> Option<Arc<str>> {
    let why = |part: &Expr| match part {
        Expr::Fails(message) => Some(Arc::clone(message)),
        _ => None,
    };
    match expr {
        Expr::Not(part) | Expr::Field(part, _) | Expr::HasField(part, _) => why(part),
        Expr::Compare(_, left, right)
        | Expr::In(left, right)
        | Expr::StartsWith(left, right)
        | Expr::Index(left, right) => why(left).or_else(|| why(right)),
        Expr::Call(_, parts) | Expr::List(parts) => parts.iter().find_map(why),
        Expr::Map(members) => members.iter().find_map(|(key, value)| why(key).or_else(|| why(value))),
        Expr::Loop(found) => why(&found.range),
        _ => None,
    }
}

/// Whether an expression can be evaluated without a socket. `inner`: the slots of the loops around it that belong to it.
fn is_closed(expr: &Expr, params: bool, inner: &[usize]) -> bool {
    match expr {
        Expr::Select(_) | Expr::Has(_) | Expr::Matches(_, Pattern(State::Unbound(_))) => false,
        Expr::Params(_) => params,
        Expr::Variable(variable) => inner.contains(&variable.slot),
        Expr::Loop(found) => {
            let within: Vec<_> = inner.iter().copied().chain([found.variable.slot]).collect();
            is_closed(&found.range, params, inner)
                && is_closed(&found.body, params, &within)
                && match &found.kind {
                    LoopKind::Map(Some(condition)) => is_closed(condition, params, &within),
                    _ => true,
                }
        }
        other => other.parts().into_iter().all(|part| is_closed(part, params, inner)),
    }
}
