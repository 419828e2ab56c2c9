//! From an expression to what indexes give and what is left to evaluate.
//!
//! A filter matches where it is true; where it fails it does not. So for each part there is the set for which it is true,
//! and another for which it is false, and the two together are not everything: who has no team is in neither of
//! `user.team == "a"`. A `!` is carried down to the parts and asks for the other set there.

use std::ops::Bound;

use super::set::{Edge, Leaf, Scalar, Set, Test};
use crate::expression::{
    Bound as Filter,
    constant::Constant,
    expr::{Expr, Operator},
    packed::Value,
    path::{Path, Root},
    scope::SocketField,
};

/// What becomes of a filter.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Parts that indexes answer, each with what they give; with a part that they answer only in part, more than that.
    pub indexed: Vec<(Expr, Set)>,
    /// Parts that have to be evaluated beside.
    pub rest: Vec<Expr>,
}

impl Plan {
    /// A plan, where these paths are indexed.
    pub fn of(expr: &Expr, is_indexed: &dyn Fn(&Path) -> bool) -> Self {
        let parts = match expr {
            Expr::And(parts) => parts.as_slice(),
            one => std::slice::from_ref(one),
        };
        let planner = Planner { is_indexed };
        let mut plan = Self { indexed: Vec::new(), rest: Vec::new() };
        for part in parts {
            let set = planner.set(part, true);
            if set.as_ref().is_none_or(|part| !part.exact) {
                plan.rest.push(part.clone());
            }
            if let Some(Part { set, .. }) = set {
                plan.indexed.push((part.clone(), set));
            }
        }
        plan
    }

    /// What indexes give in all.
    pub fn set(&self) -> Set {
        let mut sets: Vec<_> =
            self.indexed.iter().map(|(_, set)| set.clone()).filter(|set| !matches!(set, Set::All)).collect();
        match sets.len() {
            0 => Set::All,
            1 => sets.pop().unwrap_or(Set::All),
            _ => Set::And(sets),
        }
    }

    /// What is left to evaluate, as one filter; `None`: nothing.
    pub fn rest(&self) -> Option<Filter> {
        match self.rest.as_slice() {
            [] => None,
            [one] => Some(Filter::from(one.clone())),
            several => Some(Filter::from(Expr::And(several.to_vec()))),
        }
    }
}

/// The set for which a part holds, or one that has it within.
struct Part {
    set: Set,
    exact: bool,
}

impl Part {
    #[expect(clippy::unnecessary_wraps, reason = "what every rule answers")]
    fn exactly(set: Set) -> Option<Self> {
        Some(Self { set, exact: true })
    }

    fn nothing() -> Option<Self> {
        Self::exactly(Set::Or(Vec::new()))
    }
}

struct Planner<'p> {
    is_indexed: &'p dyn Fn(&Path) -> bool,
}

impl Planner<'_> {
    /// The set for which the expression is `wanted`; `None`: indexes know nothing of it.
    fn set(&self, expr: &Expr, wanted: bool) -> Option<Part> {
        if is_about_the_gateway_alone(expr) {
            let asked = if wanted { expr.clone() } else { Expr::Not(Box::new(expr.clone())) };
            return Part::exactly(Set::Leaf(Leaf::Gateways(Filter::from(asked))));
        }
        match expr {
            Expr::Constant(Constant::Bool(value)) if *value == wanted => Part::exactly(Set::All),
            Expr::Constant(_) | Expr::Fails(_) => Part::nothing(),
            Expr::Not(negated) => self.set(negated, !wanted),
            Expr::And(parts) if wanted => self.all(parts, true),
            Expr::Or(parts) if !wanted => self.all(parts, false),
            Expr::And(parts) => self.any(parts, false),
            Expr::Or(parts) => self.any(parts, true),
            Expr::Select(path) => self.field(path, Test::AnyOf(vec![Scalar::Bool(wanted)])),
            Expr::Has(path) => self.has(path, wanted),
            Expr::Compare(operator, left, right) => match (&**left, &**right) {
                (Expr::Select(path), Expr::Constant(constant)) => self
                    .field(path, comparison(if wanted { *operator } else { opposite(*operator) }, constant)?),
                _ => None,
            },
            Expr::In(element, list) => match (&**element, &**list) {
                (Expr::Select(path), Expr::Constant(Constant::List(list))) => {
                    let scalars = list.elements().iter().map(scalar).collect::<Option<Vec<_>>>()?;
                    let scalars = Scalar::distinct(scalars);
                    self.field(path, if wanted { Test::AnyOf(scalars) } else { Test::NoneOf(scalars) })
                }
                _ => None,
            },
            Expr::StartsWith(text, start) => match (&**text, &**start) {
                (Expr::Select(path), Expr::Constant(Constant::Text(start))) => {
                    let (from, to) = beginning_with(start);
                    self.field(path, if wanted { Test::Texts(from, to) } else { Test::TextsBeside(from, to) })
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// What holds for all parts: those that no index knows are left to be evaluated.
    fn all(&self, parts: &[Expr], wanted: bool) -> Option<Part> {
        let found: Vec<_> = parts.iter().map(|part| self.set(part, wanted)).collect();
        let exact = found.iter().all(|part| part.as_ref().is_some_and(|part| part.exact));
        let sets: Vec<_> = found.into_iter().flatten().map(|part| part.set).collect();
        (!sets.is_empty()).then_some(Part { set: Set::And(sets), exact })
    }

    /// What holds for any part: one that no index knows could hold for every socket.
    fn any(&self, parts: &[Expr], wanted: bool) -> Option<Part> {
        let found = parts.iter().map(|part| self.set(part, wanted)).collect::<Option<Vec<_>>>()?;
        let exact = found.iter().all(|part| part.exact);
        Some(Part { set: Set::Or(found.into_iter().map(|part| part.set).collect()), exact })
    }

    fn field(&self, path: &Path, test: Test) -> Option<Part> {
        if !(self.is_indexed)(path) {
            return None;
        }
        Part::exactly(Set::Leaf(Leaf::Field { path: path.clone(), test }))
    }

    fn has(&self, path: &Path, wanted: bool) -> Option<Part> {
        match path.root {
            Root::User | Root::Socket(SocketField::Data) if wanted => self.field(path, Test::Present),
            // Of a longer path it could be missing where what leads there is no object, which is an error.
            Root::User | Root::Socket(SocketField::Data) if path.names.len() == 1 => {
                self.field(path, Test::Absent)
            }
            Root::User | Root::Socket(SocketField::Data | SocketField::ConnectedAt) => None,
            Root::Socket(_) => {
                let empty = vec![Scalar::Text([].into())];
                self.field(path, if wanted { Test::NoneOf(empty) } else { Test::AnyOf(empty) })
            }
            Root::Gateway(_) => None,
        }
    }
}

fn opposite(operator: Operator) -> Operator {
    match operator {
        Operator::Eq => Operator::Ne,
        Operator::Ne => Operator::Eq,
        Operator::Lt => Operator::Ge,
        Operator::Le => Operator::Gt,
        Operator::Gt => Operator::Le,
        Operator::Ge => Operator::Lt,
    }
}

fn comparison(operator: Operator, constant: &Constant) -> Option<Test> {
    use Bound::{Excluded, Included, Unbounded};
    let scalar = scalar(constant)?;
    Some(match (operator, scalar) {
        (Operator::Eq, scalar) => Test::AnyOf(vec![scalar]),
        (Operator::Ne, scalar) => Test::NoneOf(vec![scalar]),
        (Operator::Lt, Scalar::Number(number)) => Test::Numbers(Unbounded, Excluded(number)),
        (Operator::Le, Scalar::Number(number)) => Test::Numbers(Unbounded, Included(number)),
        (Operator::Gt, Scalar::Number(number)) => Test::Numbers(Excluded(number), Unbounded),
        (Operator::Ge, Scalar::Number(number)) => Test::Numbers(Included(number), Unbounded),
        (Operator::Lt, Scalar::Text(text)) => Test::Texts(Unbounded, Excluded(text)),
        (Operator::Le, Scalar::Text(text)) => Test::Texts(Unbounded, Included(text)),
        (Operator::Gt, Scalar::Text(text)) => Test::Texts(Excluded(text), Unbounded),
        (Operator::Ge, Scalar::Text(text)) => Test::Texts(Included(text), Unbounded),
        (_, Scalar::Null | Scalar::Bool(_)) => return None,
    })
}

/// The constant as an index knows it; `None`: it does not. A whole number that no double is would be taken for its
/// neighbour.
fn scalar(constant: &Constant) -> Option<Scalar> {
    Some(match constant.scalar()? {
        Value::Null => Scalar::Null,
        Value::Bool(flag) => Scalar::Bool(flag),
        Value::Int(number) => {
            const EXACT: u64 = 1 << f64::MANTISSA_DIGITS;
            if number.unsigned_abs() > EXACT {
                return None;
            }
            #[expect(clippy::cast_precision_loss, reason = "small enough to be exact")]
            Scalar::Number(number as f64)
        }
        Value::Double(number) if number.is_nan() => return None,
        Value::Double(number) => Scalar::Number(number),
        Value::Text(text) => Scalar::Text(text.as_bytes().into()),
        Value::List(_) | Value::Map(_) => return None,
    })
}

/// Between which texts those lie that begin with this one.
fn beginning_with(start: &str) -> (Edge, Edge) {
    let mut behind: Box<[u8]> = start.as_bytes().into();
    let to = match behind.last_mut() {
        // No byte of UTF-8 is the last there is.
        Some(last) => {
            *last += 1;
            Bound::Excluded(behind)
        }
        None => Bound::Unbounded,
    };
    (Bound::Included(start.as_bytes().into()), to)
}

/// Whether the expression looks at the gateway and at nothing else, so that it is asked once of each and not of every socket.
fn is_about_the_gateway_alone(expr: &Expr) -> bool {
    let is_gateways =
        |path: &Path| matches!(path.root, Root::Gateway(_) | Root::Socket(SocketField::GatewayId));
    let looks_there = |part: &Expr| matches!(part, Expr::Select(path) | Expr::Has(path) if is_gateways(path));
    let looks_elsewhere = |part: &Expr| match part {
        Expr::Select(path) | Expr::Has(path) => !is_gateways(path),
        Expr::Params(_) => true,
        _ => false,
    };
    expr.any(&looks_there) && !expr.any(&looks_elsewhere)
}
