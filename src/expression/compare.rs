//! Equality and order, across the types of numbers.

use std::cmp::Ordering;

use super::{
    constant::{Constant, Key},
    error::Fault,
    expr::{Operator, Type},
    meter::Meter,
    number,
    packed::Text,
    value::Value,
};

/// Whether two values compare as the operator says.
#[inline]
pub(super) fn compare<'v>(
    operator: Operator,
    left: &Value<'v>,
    right: &Value<'v>,
    meter: &mut Meter,
) -> Result<bool, Fault<'v>> {
    match operator {
        Operator::Eq => equal(left, right, meter),
        Operator::Ne => equal(left, right, meter).map(|equal| !equal),
        _ => Ok(order(operator, left, right, meter)?.is_some_and(|order| operator.holds(order))),
    }
}

/// Values of different types are not equal, but numbers are by what they count.
pub(super) fn equal<'v>(left: &Value<'v>, right: &Value<'v>, meter: &mut Meter) -> Result<bool, Fault<'v>> {
    Ok(match (left, right) {
        (Value::Text(left), Value::Text(right)) => {
            meter.bytes(left.len().min(right.len()))?;
            left == right
        }
        (Value::Int(left), Value::Int(right)) => left == right,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Null, Value::Null) => true,
        (Value::Timestamp(left), Value::Timestamp(right)) => left == right,
        (Value::Duration(left), Value::Duration(right)) => left == right,
        (Value::Type(left), Value::Type(right)) => left == right,
        _ => match (left.kind(), right.kind()) {
            (Type::Text, Type::Text) => left.text() == right.text(),
            (Type::List, Type::List) => equal_lists(left, right, meter)?,
            (Type::Map, Type::Map) => equal_maps(left, right, meter)?,
            _ => order_numbers(left, right).flatten() == Some(Ordering::Equal),
        },
    })
}

fn equal_lists<'v>(left: &Value<'v>, right: &Value<'v>, meter: &mut Meter) -> Result<bool, Fault<'v>> {
    let (Some(mut left), Some(mut right)) = (left.elements(), right.elements()) else { return Ok(false) };
    loop {
        meter.take(1)?;
        match (left.next(), right.next()) {
            (None, None) => return Ok(true),
            (Some(left), Some(right)) if equal(&left, &right, meter)? => {}
            _ => return Ok(false),
        }
    }
}

fn equal_maps<'v>(left: &Value<'v>, right: &Value<'v>, meter: &mut Meter) -> Result<bool, Fault<'v>> {
    let (Some(keys), Some(others)) = (left.elements(), right.elements()) else { return Ok(false) };
    let mut count = 0_usize;
    for key in keys {
        meter.take(1)?;
        let (Some(mine), Some(other)) = (member(left, &key, meter)?, member(right, &key, meter)?) else {
            return Ok(false);
        };
        if !equal(&mine, &other, meter)? {
            return Ok(false);
        }
        count += 1;
    }
    let others = others.count();
    meter.many(others)?;
    Ok(count == others)
}

/// The value under this key of a map.
pub(super) fn member<'v>(
    map: &Value<'v>,
    key: &Value<'v>,
    meter: &mut Meter,
) -> Result<Option<Value<'v>>, Fault<'v>> {
    Ok(match map {
        Value::Map(map) => {
            let Some(name) = key.text() else { return Ok(None) };
            meter.map_bytes(map.as_bytes().len())?;
            map.get(name).map(Value::from)
        }
        Value::ConstantMap(map) => Key::of(key).and_then(|key| map.get(&key)).map(Constant::value),
        Value::MadeMap(members) => {
            meter.many(members.len())?;
            let key = Key::of(key);
            members.iter().find(|(found, _)| Key::of(found) == key).map(|(_, value)| value.clone())
        }
        _ => None,
    })
}

/// Whether a list has the element, or a map the key.
pub(super) fn contains<'v>(
    container: &Value<'v>,
    element: &Value<'v>,
    meter: &mut Meter,
) -> Result<bool, Fault<'v>> {
    match container {
        Value::ConstantList(list) => {
            meter.bytes(element.text().map_or(0, <[u8]>::len))?;
            match list.lookup(element) {
                Ok(found) => Ok(found),
                Err(others) => any_equal(others.iter().map(Constant::value), element, meter),
            }
        }
        Value::Map(map) if element.text().is_some() => {
            meter.map_bytes(map.as_bytes().len())?;
            Ok(element.text().is_some_and(|name| map.get(name).is_some()))
        }
        Value::Map(_) | Value::ConstantMap(_) | Value::MadeMap(_) => {
            Ok(member(container, element, meter)?.is_some())
        }
        list => match list.elements() {
            Some(elements) => any_equal(elements, element, meter),
            None => Err(Fault::Type("in", list.kind())),
        },
    }
}

fn any_equal<'v>(
    elements: impl Iterator<Item = Value<'v>>,
    wanted: &Value<'v>,
    meter: &mut Meter,
) -> Result<bool, Fault<'v>> {
    for element in elements {
        meter.take(1)?;
        if equal(&element, wanted, meter)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// None where there is no order: a NaN.
fn order<'v>(
    operator: Operator,
    left: &Value<'v>,
    right: &Value<'v>,
    meter: &mut Meter,
) -> Result<Option<Ordering>, Fault<'v>> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => return Ok(Some(left.cmp(right))),
        (Value::Bool(left), Value::Bool(right)) => return Ok(Some(left.cmp(right))),
        (Value::Timestamp(left), Value::Timestamp(right)) => return Ok(Some(left.cmp(right))),
        (Value::Duration(left), Value::Duration(right)) => return Ok(Some(left.cmp(right))),
        _ => {}
    }
    if let (Some(left), Some(right)) = (left.text(), right.text()) {
        meter.bytes(left.len().min(right.len()))?;
        return Ok(Some(left.cmp(right)));
    }
    let numeric = |value: &Value<'_>| matches!(value.kind(), Type::Int | Type::Uint | Type::Double);
    order_numbers(left, right).ok_or_else(|| {
        let odd = if numeric(left) || left.text().is_some() { right } else { left };
        Fault::Type(operator.name(), odd.kind())
    })
}

/// None if they are not both numbers; Some(None) with a NaN.
fn order_numbers(left: &Value<'_>, right: &Value<'_>) -> Option<Option<Ordering>> {
    let reversed = |ordering: Option<Ordering>| ordering.map(Ordering::reverse);
    Some(match (left, right) {
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        (Value::Uint(left), Value::Uint(right)) => Some(left.cmp(right)),
        (Value::Double(left), Value::Double(right)) => left.partial_cmp(right),
        (Value::Int(left), Value::Uint(right)) => Some(number::compare_mixed(*left, *right)),
        (Value::Uint(left), Value::Int(right)) => reversed(Some(number::compare_mixed(*right, *left))),
        (Value::Int(left), Value::Double(right)) => number::compare_int(*left, *right),
        (Value::Double(left), Value::Int(right)) => reversed(number::compare_int(*right, *left)),
        (Value::Uint(left), Value::Double(right)) => number::compare_uint(*left, *right),
        (Value::Double(left), Value::Uint(right)) => reversed(number::compare_uint(*right, *left)),
        _ => return None,
    })
}

/// The member of this name, of anything.
pub(super) fn field<'v>(
    value: &Value<'v>,
    name: &'v str,
    meter: &mut Meter,
) -> Result<Option<Value<'v>>, Fault<'v>> {
    if value.kind() != Type::Map {
        return Err(Fault::Type("select", value.kind()));
    }
    member(value, &Value::Text(Text::from(name).as_bytes()), meter)
}
