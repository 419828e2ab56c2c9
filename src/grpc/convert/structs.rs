//! Between `google.protobuf.Struct`, JSON, and values as the registry packs them.

use std::collections::BTreeMap;

use prost_types::{ListValue, Struct, Value, value::Kind};
use serde_json::{Map, Value as Json};

use crate::{
    expression::packed::{self, Packer},
    json::MAX_STRUCT_DEPTH,
};

/// Levels of a Struct, itself the first. The decoder's own limit keeps the recursion shallow.
pub(super) fn struct_depth(object: &Struct) -> usize {
    1 + object.fields.values().map(value_depth).max().unwrap_or(0)
}

fn value_depth(value: &Value) -> usize {
    match &value.kind {
        Some(Kind::StructValue(object)) => struct_depth(object),
        Some(Kind::ListValue(list)) => 1 + list.values.iter().map(value_depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Why a value cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::grpc) enum Unfit {
    /// Nested deeper than [`MAX_STRUCT_DEPTH`].
    #[error("it is nested deeper than {MAX_STRUCT_DEPTH} levels")]
    TooDeep,
    /// JSON has neither infinity nor NaN.
    #[error("it has a number that JSON cannot say")]
    NotANumber,
    /// More than so many bytes as protobuf.
    #[error("it is larger than {0} bytes")]
    TooLarge(usize),
}

/// Packs an object.
pub(in crate::grpc) fn pack(object: &Struct, packer: &mut Packer) -> Result<(), Unfit> {
    pack_object(object, packer, 1)
}

fn pack_object(object: &Struct, packer: &mut Packer, depth: usize) -> Result<(), Unfit> {
    if depth > MAX_STRUCT_DEPTH {
        return Err(Unfit::TooDeep);
    }
    let begun = packer.begin_map();
    for (name, member) in &object.fields {
        packer.name(name);
        pack_value(member, packer, depth)?;
    }
    packer.end(begun);
    Ok(())
}

fn pack_value(value: &Value, packer: &mut Packer, depth: usize) -> Result<(), Unfit> {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => packer.null(),
        Some(Kind::BoolValue(flag)) => packer.bool(*flag),
        Some(Kind::NumberValue(number)) if number.is_finite() => packer.number(*number),
        Some(Kind::NumberValue(_)) => return Err(Unfit::NotANumber),
        Some(Kind::StringValue(text)) => packer.text(text),
        Some(Kind::StructValue(object)) => pack_object(object, packer, depth + 1)?,
        Some(Kind::ListValue(list)) => {
            if depth == MAX_STRUCT_DEPTH {
                return Err(Unfit::TooDeep);
            }
            let begun = packer.begin_list();
            for element in &list.values {
                pack_value(element, packer, depth + 1)?;
            }
            packer.end(begun);
        }
    }
    Ok(())
}

/// A packed object as a message.
pub(in crate::grpc) fn unpack(map: packed::Map<'_>) -> Struct {
    Struct {
        fields: map.iter().map(|(name, value)| (name.as_str().to_owned(), unpack_value(value))).collect(),
    }
}

/// A packed value as a message.
pub(in crate::grpc) fn unpack_value(value: packed::Value<'_>) -> Value {
    let kind = match value {
        packed::Value::Null => Kind::NullValue(0),
        packed::Value::Bool(flag) => Kind::BoolValue(flag),
        #[expect(clippy::cast_precision_loss, reason = "it came in as a double")]
        packed::Value::Int(number) => Kind::NumberValue(number as f64),
        packed::Value::Double(number) => Kind::NumberValue(number),
        packed::Value::Text(text) => Kind::StringValue(text.as_str().to_owned()),
        packed::Value::List(list) => {
            Kind::ListValue(ListValue { values: list.iter().map(unpack_value).collect() })
        }
        packed::Value::Map(map) => Kind::StructValue(unpack(map)),
    };
    Value { kind: Some(kind) }
}

/// A JSON object as a message.
pub fn object(object: Map<String, Json>) -> Struct {
    Struct {
        fields: object.into_iter().map(|(name, member)| (name, value(member))).collect::<BTreeMap<_, _>>(),
    }
}

/// A JSON value as a message.
pub fn value(json: Json) -> Value {
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(flag) => Kind::BoolValue(flag),
        // Every number was read as a double.
        Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Json::String(text) => Kind::StringValue(text),
        Json::Array(elements) => {
            Kind::ListValue(ListValue { values: elements.into_iter().map(value).collect() })
        }
        Json::Object(members) => Kind::StructValue(object(members)),
    };
    Value { kind: Some(kind) }
}

/// A message's object as JSON.
pub fn json_object(object: &Struct) -> Json {
    Json::Object(object.fields.iter().map(|(name, member)| (name.clone(), json(member))).collect())
}

/// A message's value as JSON.
pub fn json(value: &Value) -> Json {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(flag)) => Json::Bool(*flag),
        Some(Kind::NumberValue(number)) => number_for_people(*number),
        Some(Kind::StringValue(text)) => Json::String(text.clone()),
        Some(Kind::ListValue(list)) => Json::Array(list.values.iter().map(json).collect()),
        Some(Kind::StructValue(object)) => json_object(object),
    }
}

/// A whole number is printed as one, as JavaScript would.
fn number_for_people(number: f64) -> Json {
    #[expect(clippy::cast_possible_truncation, reason = "compared with the original before it is used")]
    let whole = number as i64;
    #[expect(clippy::cast_precision_loss, reason = "a number that loses here is not printed as whole")]
    let exact = whole as f64 == number && whole.unsigned_abs() < (1 << 53);
    if exact { Json::from(whole) } else { Json::from(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_printed_whole() {
        assert_eq!(number_for_people(1.0).to_string(), "1");
        assert_eq!(number_for_people(1.5).to_string(), "1.5");
        assert_eq!(number_for_people(1e21).to_string(), "1e+21");
    }

    #[test]
    fn what_is_packed_comes_back_and_no_deeper_than_a_struct_goes() {
        let nested = |levels: usize| {
            (1..levels).fold(serde_json::json!({}), |inner, _| serde_json::json!({ "a": inner }))
        };
        let packed = |json: Json| {
            let Json::Object(members) = json else { panic!("an object") };
            let mut packer = Packer::default();
            pack(&object(members), &mut packer).map(|()| packer.into_bytes())
        };
        let json = serde_json::json!({"a": [1, 2.5, "x", null, {"b": true}], "c": -3});
        let bytes = packed(json.clone()).expect("fits");
        assert_eq!(json_object(&unpack(packed::Map::of(&bytes))), json);
        assert!(packed(nested(24)).is_ok());
        assert_eq!(packed(nested(25)), Err(Unfit::TooDeep));
        assert_eq!(packed(serde_json::json!({"a": serde_json::Value::Null})).map(|_| ()), Ok(()));
    }

    #[test]
    fn how_large_a_struct_is_is_known_before_there_is_one() {
        use prost::Message as _;
        for json in [
            serde_json::json!({}),
            serde_json::json!({"": "", "a": null, "b": [true, 0, -1.5, "x", [], {}], "c": {"": {"d": "é"}}}),
            serde_json::json!({"a": "x".repeat(127), "b": "x".repeat(128), "c": vec![0; 3000], "d": "x".repeat(20_000)}),
        ] {
            let Json::Object(members) = json else { panic!("an object") };
            assert_eq!(crate::json::size::as_struct(&members), object(members).encoded_len());
        }
    }

    #[test]
    fn infinity_is_no_number() {
        let fields = [("a".to_owned(), Value { kind: Some(Kind::NumberValue(f64::INFINITY)) })].into();
        assert_eq!(pack(&Struct { fields }, &mut Packer::default()), Err(Unfit::NotANumber));
    }
}
