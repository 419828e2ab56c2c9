//! Between protobuf's values and JSON's.

use prost_types::{ListValue, Struct, Value as ProtoValue, value::Kind};
use serde_json::{Map, Number, Value};

/// The service reads Structs of so many levels, the Struct being the first.
pub(crate) const STRUCT_LEVELS: usize = 24;

/// The largest whole number up to which a double has every one of them.
const WHOLE: f64 = 9_007_199_254_740_992.0;

pub(crate) fn to_struct(fields: &Map<String, Value>) -> Struct {
    Struct { fields: fields.iter().map(|(name, value)| (name.clone(), to_value(value))).collect() }
}

pub(crate) fn to_value(value: &Value) -> ProtoValue {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        // A number that no double can carry cannot be written in JSON either.
        Value::Number(value) => Kind::NumberValue(value.as_f64().unwrap_or_default()),
        Value::String(value) => Kind::StringValue(value.clone()),
        Value::Array(values) => Kind::ListValue(ListValue { values: values.iter().map(to_value).collect() }),
        Value::Object(fields) => Kind::StructValue(to_struct(fields)),
    };
    ProtoValue { kind: Some(kind) }
}

pub(crate) fn from_struct(fields: Struct) -> Map<String, Value> {
    fields.fields.into_iter().map(|(name, value)| (name, from_value(value))).collect()
}

pub(crate) fn from_value(value: ProtoValue) -> Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        Some(Kind::NumberValue(value)) => from_number(value),
        Some(Kind::StringValue(value)) => Value::String(value),
        Some(Kind::ListValue(list)) => Value::Array(list.values.into_iter().map(from_value).collect()),
        Some(Kind::StructValue(fields)) => Value::Object(from_struct(fields)),
    }
}

/// Protobuf knows doubles alone. A whole number becomes one of JSON's, so that it fits an integer of the application.
#[allow(clippy::cast_possible_truncation, reason = "it is whole, and small enough to be exact")]
fn from_number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() <= WHOLE {
        Value::from(value as i64)
    } else {
        Number::from_f64(value).map_or(Value::Null, Value::Number)
    }
}

/// How many objects and arrays are inside one another, counted no further than `most`.
pub(crate) fn deeper_than(value: &Value, most: usize) -> bool {
    match value {
        Value::Array(values) => most == 0 || values.iter().any(|value| deeper_than(value, most - 1)),
        Value::Object(fields) => most == 0 || fields.values().any(|value| deeper_than(value, most - 1)),
        _ => false,
    }
}

/// Whether it takes more than so many bytes as protobuf, of which each value takes at least two. Stops as soon as it does.
pub(crate) fn larger_than(fields: &Map<String, Value>, bytes: usize) -> bool {
    fn take(fields: &Map<String, Value>, left: &mut usize) -> bool {
        fields.iter().all(|(name, value)| spend(name.len(), left) && take_value(value, left))
    }
    fn take_value(value: &Value, left: &mut usize) -> bool {
        let own = match value {
            Value::String(text) => text.len(),
            Value::Number(_) => 8,
            _ => 0,
        };
        spend(2 + own, left)
            && match value {
                Value::Array(values) => values.iter().all(|value| take_value(value, left)),
                Value::Object(fields) => take(fields, left),
                _ => true,
            }
    }
    fn spend(bytes: usize, left: &mut usize) -> bool {
        left.checked_sub(bytes).inspect(|rest| *left = *rest).is_some()
    }
    !take(fields, &mut { bytes })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_survive_the_way_there_and_back() {
        let value = json!({"a": [1, 2.5, -3, null, true, "x", {"b": []}], "big": 9_007_199_254_740_991_i64, "c": 1e300});
        assert_eq!(from_value(to_value(&value)), value);
        assert_eq!(from_number(4711.0), json!(4711));
        assert!(from_number(4711.0).is_i64());
        assert_eq!(from_number(f64::NAN), Value::Null);
    }

    #[test]
    fn depth_is_counted_in_objects_and_arrays() {
        assert!(!deeper_than(&json!(1), 0));
        assert!(deeper_than(&json!([]), 0));
        assert!(!deeper_than(&json!({"a": [1]}), 2));
        assert!(deeper_than(&json!({"a": [[]]}), 2));
    }
}
