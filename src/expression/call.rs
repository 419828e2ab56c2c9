//! What functions and operators do with their operands.

use std::rc::Rc;

use jiff::tz::Offset;

use super::{
    error::Fault,
    expr::Type,
    functions::{Function, Part},
    meter::Meter,
    number,
    time::{self, Duration, Timestamp},
    value::Value,
};

/// Calls a function with one operand or two.
pub(super) fn call<'v>(
    function: Function,
    first: Value<'v>,
    second: Option<Value<'v>>,
    meter: &mut Meter,
) -> Result<Value<'v>, Fault<'v>> {
    match (function, second) {
        (Function::Add, Some(second)) => add(&first, &second, meter),
        (Function::Subtract | Function::Multiply | Function::Divide | Function::Remainder, Some(second)) => {
            arithmetic(function, &first, &second)
        }
        (Function::Contains | Function::EndsWith, Some(second)) => {
            let name = function.name();
            let text = first.text().ok_or(Fault::Type(name, first.kind()))?;
            let part = second.text().ok_or(Fault::Type(name, second.kind()))?;
            text_test(function, text, part, meter).map(Value::Bool)
        }
        (Function::Get(part), zone) => get(part, &first, zone.as_ref()).map(Value::Int),
        (Function::Negate, _) => negate(&first),
        (Function::Size, _) => size(&first, meter).map(Value::Int),
        (Function::Type, _) => Ok(Value::Type(first.kind())),
        (Function::Dyn, _) => Ok(first),
        (function, _) => convert(function, &first, meter),
    }
}

/// `contains` and `endsWith`.
pub(super) fn text_test<'v>(
    function: Function,
    text: &[u8],
    part: &[u8],
    meter: &mut Meter,
) -> Result<bool, Fault<'v>> {
    if function == Function::EndsWith {
        meter.bytes(part.len())?;
        return Ok(text.ends_with(part));
    }
    meter.bytes(text.len())?;
    Ok(contains(text, part))
}

/// Whether a text is found in another.
fn contains(text: &[u8], part: &[u8]) -> bool {
    /// Up to here, comparing at each place where the first byte fits costs a small multiple of the text's length; what is
    /// longer is left to an algorithm that is linear whatever the texts are.
    const SHORT: usize = 16;
    let Some((first, rest)) = part.split_first() else { return true };
    if part.len() > SHORT {
        let (Ok(text), Ok(part)) = (std::str::from_utf8(text), std::str::from_utf8(part)) else {
            return false;
        };
        return text.contains(part);
    }
    let Some(places) = (text.len() + 1).checked_sub(part.len()).and_then(|end| text.get(..end)) else {
        return false;
    };
    let fits = |at: usize| {
        text.get(at + 1..).is_some_and(|text| text.iter().zip(rest).all(|(one, other)| one == other))
    };
    places.iter().enumerate().any(|(at, byte)| byte == first && fits(at))
}

fn add<'v>(first: &Value<'v>, second: &Value<'v>, meter: &mut Meter) -> Result<Value<'v>, Fault<'v>> {
    if let (Some(left), Some(right)) = (first.text(), second.text()) {
        meter.bytes(left.len() + right.len())?;
        return Ok(Value::MadeText([left, right].concat().into()));
    }
    match (first, second) {
        (Value::Timestamp(timestamp), Value::Duration(duration))
        | (Value::Duration(duration), Value::Timestamp(timestamp)) => {
            timestamp.plus(*duration).map(Value::Timestamp).ok_or(Fault::Overflow("+"))
        }
        (Value::Duration(left), Value::Duration(right)) => {
            left.0.checked_add(right.0).map(|sum| Value::Duration(Duration(sum))).ok_or(Fault::Overflow("+"))
        }
        _ if first.kind() == Type::List && second.kind() == Type::List => {
            let (Some(left), Some(right)) = (first.elements(), second.elements()) else {
                return Err(Fault::Type("+", first.kind()));
            };
            let mut elements = vec![];
            for element in left.chain(right) {
                meter.take(1)?;
                elements.push(element);
            }
            Ok(Value::MadeList(Rc::from(elements)))
        }
        _ => arithmetic(Function::Add, first, second),
    }
}

fn arithmetic<'v>(function: Function, first: &Value<'v>, second: &Value<'v>) -> Result<Value<'v>, Fault<'v>> {
    let sign = function.name();
    let result = match (first, second) {
        (Value::Int(left), Value::Int(right)) => match function {
            Function::Add => left.checked_add(*right),
            Function::Subtract => left.checked_sub(*right),
            Function::Multiply => left.checked_mul(*right),
            _ if *right == 0 => return Err(Fault::Zero),
            Function::Divide => left.checked_div(*right),
            _ => left.checked_rem(*right),
        }
        .map(Value::Int),
        (Value::Uint(left), Value::Uint(right)) => match function {
            Function::Add => left.checked_add(*right),
            Function::Subtract => left.checked_sub(*right),
            Function::Multiply => left.checked_mul(*right),
            _ if *right == 0 => return Err(Fault::Zero),
            Function::Divide => left.checked_div(*right),
            _ => left.checked_rem(*right),
        }
        .map(Value::Uint),
        (Value::Double(left), Value::Double(right)) => Some(Value::Double(match function {
            Function::Add => left + right,
            Function::Subtract => left - right,
            Function::Multiply => left * right,
            Function::Divide => left / right,
            _ => return Err(Fault::Type(sign, Type::Double)),
        })),
        (Value::Timestamp(left), Value::Timestamp(right)) if function == Function::Subtract => {
            left.since(*right).map(Value::Duration)
        }
        (Value::Timestamp(left), Value::Duration(right)) if function == Function::Subtract => {
            left.minus(*right).map(Value::Timestamp)
        }
        (Value::Duration(left), Value::Duration(right)) if function == Function::Subtract => {
            left.0.checked_sub(right.0).map(|difference| Value::Duration(Duration(difference)))
        }
        // One of a number and another: name the one that is no number, or the second of two kinds of numbers.
        (Value::Int(_) | Value::Uint(_) | Value::Double(_), other) | (other, _) => {
            return Err(Fault::Type(sign, other.kind()));
        }
    };
    result.ok_or(Fault::Overflow(sign))
}

fn negate<'v>(value: &Value<'v>) -> Result<Value<'v>, Fault<'v>> {
    match value {
        Value::Int(number) => number.checked_neg().map(Value::Int).ok_or(Fault::Overflow("-")),
        Value::Double(number) => Ok(Value::Double(-number)),
        Value::Duration(duration) => {
            duration.0.checked_neg().map(|n| Value::Duration(Duration(n))).ok_or(Fault::Overflow("-"))
        }
        other => Err(Fault::Type("-", other.kind())),
    }
}

fn size<'v>(value: &Value<'v>, meter: &mut Meter) -> Result<i64, Fault<'v>> {
    let size = match value {
        Value::ConstantList(list) => list.elements().len(),
        Value::ConstantMap(map) => map.members().len(),
        Value::MadeList(list) => list.len(),
        Value::MadeMap(map) => map.len(),
        other => match (other.text(), other.elements()) {
            (Some(text), _) => {
                meter.bytes(text.len())?;
                // Every character has one byte that does not go on from another.
                text.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
            }
            (None, Some(elements)) => {
                let count = elements.count();
                meter.many(count)?;
                count
            }
            (None, None) => return Err(Fault::Type("size", other.kind())),
        },
    };
    i64::try_from(size).map_err(|_| Fault::Overflow("size"))
}

fn get<'v>(part: Part, value: &Value<'v>, zone: Option<&Value<'v>>) -> Result<i64, Fault<'v>> {
    let name = Function::Get(part).name();
    match value {
        Value::Timestamp(timestamp) => {
            let offset = match zone {
                None => Offset::UTC,
                Some(zone) => {
                    let text = zone.str().ok_or(Fault::Type(name, zone.kind()))?;
                    time::offset(text).ok_or(Fault::Conversion(Type::Timestamp))?
                }
            };
            let local = timestamp.local(offset).ok_or(Fault::Overflow(name))?;
            Ok(match part {
                Part::FullYear => i64::from(local.year()),
                Part::Month => i64::from(local.month()) - 1,
                Part::Date => i64::from(local.day()),
                Part::DayOfMonth => i64::from(local.day()) - 1,
                Part::DayOfWeek => i64::from(local.weekday().to_sunday_zero_offset()),
                Part::DayOfYear => i64::from(local.date().day_of_year()) - 1,
                Part::Hours => i64::from(local.hour()),
                Part::Minutes => i64::from(local.minute()),
                Part::Seconds => i64::from(local.second()),
                Part::Milliseconds => timestamp.milliseconds(),
            })
        }
        Value::Duration(Duration(nanoseconds)) if zone.is_none() => {
            let seconds = nanoseconds / 1_000_000_000;
            match part {
                Part::Hours => Ok(seconds / 3_600),
                Part::Minutes => Ok(seconds / 60),
                Part::Seconds => Ok(seconds),
                Part::Milliseconds => Ok(nanoseconds % 1_000_000_000 / 1_000_000),
                _ => Err(Fault::Type(name, Type::Duration)),
            }
        }
        other => Err(Fault::Type(name, other.kind())),
    }
}

/// `int`, `string` and the like.
fn convert<'v>(function: Function, value: &Value<'v>, meter: &mut Meter) -> Result<Value<'v>, Fault<'v>> {
    meter.bytes(value.text().map_or(0, <[u8]>::len))?;
    let undefined = Fault::Type(function.name(), value.kind());
    let text = value.str();
    let (wanted, converted) = match function {
        Function::Int => (
            Type::Int,
            match value {
                Value::Int(number) => Some(*number),
                Value::Uint(number) => i64::try_from(*number).ok(),
                Value::Double(number) => number::truncated_int(*number),
                Value::Timestamp(timestamp) => Some(timestamp.seconds()),
                _ => text.ok_or(undefined)?.parse().ok(),
            }
            .map(Value::Int),
        ),
        Function::Uint => (
            Type::Uint,
            match value {
                Value::Int(number) => u64::try_from(*number).ok(),
                Value::Uint(number) => Some(*number),
                Value::Double(number) => number::truncated_uint(*number),
                _ => text.ok_or(undefined)?.parse().ok(),
            }
            .map(Value::Uint),
        ),
        Function::Double => (
            Type::Double,
            match value {
                #[expect(clippy::cast_precision_loss, reason = "the nearest double is what is asked for")]
                Value::Int(number) => Some(*number as f64),
                #[expect(clippy::cast_precision_loss, reason = "the nearest double is what is asked for")]
                Value::Uint(number) => Some(*number as f64),
                Value::Double(number) => Some(*number),
                _ => text.ok_or(undefined)?.parse().ok(),
            }
            .map(Value::Double),
        ),
        Function::Bool => (
            Type::Bool,
            match value {
                Value::Bool(flag) => Some(*flag),
                _ => match text.ok_or(undefined)? {
                    "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
                    "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
                    _ => None,
                },
            }
            .map(Value::Bool),
        ),
        Function::Timestamp => (
            Type::Timestamp,
            match value {
                Value::Timestamp(timestamp) => Some(*timestamp),
                Value::Int(seconds) => Timestamp::from_seconds(*seconds),
                _ => Timestamp::parse(text.ok_or(undefined)?),
            }
            .map(Value::Timestamp),
        ),
        Function::Duration => (
            Type::Duration,
            match value {
                Value::Duration(duration) => Some(*duration),
                _ => Duration::parse(text.ok_or(undefined)?),
            }
            .map(Value::Duration),
        ),
        _ => {
            let made = match value {
                Value::Text(_) | Value::MadeText(_) => return Ok(value.clone()),
                Value::Bool(flag) => flag.to_string(),
                Value::Int(number) => number.to_string(),
                Value::Uint(number) => number.to_string(),
                Value::Double(number) => double(*number),
                Value::Timestamp(timestamp) => timestamp.to_string(),
                Value::Duration(duration) => duration.to_string(),
                _ => return Err(undefined),
            };
            (Type::Text, Some(Value::MadeText(made.into_bytes().into())))
        }
    };
    converted.ok_or(Fault::Conversion(wanted))
}

/// A double in the fewest digits, with an exponent where it is very large or very small.
pub(super) fn double(number: f64) -> String {
    let size = number.abs();
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else if size != 0.0 && !(1e-4..1e21).contains(&size) {
        format!("{number:e}")
    } else {
        number.to_string()
    }
}
