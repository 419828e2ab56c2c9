//! A document as the JSON that the web app would make of it.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use mongodb::bson::{RawBsonRef, RawDocument, error::Result};
use serde_json::{Map, Number, Value, json};

/// Deeper than a session may nest, so that it is said there that it does; bounds the stack.
const DEEPEST: usize = 160;

/// The JSON; `None`: it is nested deeper than a session ever is.
pub(super) fn of(document: &RawDocument) -> Result<Option<Vec<u8>>> {
    // Maps with text for keys can always be written.
    Ok(object(document, DEEPEST)?.and_then(|object| serde_json::to_vec(&object).ok()))
}

fn object(document: &RawDocument, depth: usize) -> Result<Option<Value>> {
    let mut members = Map::new();
    for member in document {
        let (name, bson) = member?;
        let Some(value) = value(bson, depth)? else { return Ok(None) };
        members.insert(name.as_str().to_owned(), value);
    }
    Ok(Some(Value::Object(members)))
}

fn value(bson: RawBsonRef<'_>, depth: usize) -> Result<Option<Value>> {
    let Some(deeper) = depth.checked_sub(1) else { return Ok(None) };
    Ok(Some(match bson {
        RawBsonRef::Document(document) => return object(document, deeper),
        RawBsonRef::Array(array) => {
            let mut values = Vec::new();
            for element in array {
                let Some(element) = value(element?, deeper)? else { return Ok(None) };
                values.push(element);
            }
            Value::Array(values)
        }
        RawBsonRef::String(text) | RawBsonRef::Symbol(text) => Value::String(text.to_owned()),
        RawBsonRef::Boolean(flag) => Value::Bool(flag),
        RawBsonRef::Int32(number) => Value::from(number),
        RawBsonRef::Int64(number) => Value::from(number),
        // JSON has neither NaN nor infinities: JavaScript writes null for them.
        RawBsonRef::Double(number) => Number::from_f64(number).map_or(Value::Null, Value::Number),
        RawBsonRef::Null | RawBsonRef::Undefined => Value::Null,
        RawBsonRef::ObjectId(id) => Value::String(id.to_hex()),
        RawBsonRef::DateTime(date) => date.try_to_rfc3339_string().map_or(Value::Null, Value::String),
        RawBsonRef::Binary(binary) => Value::String(BASE64_STANDARD.encode(binary.bytes)),
        RawBsonRef::Decimal128(number) => json!({ "$numberDecimal": number.to_string() }),
        // Nothing that a session can be told by.
        RawBsonRef::RegularExpression(_)
        | RawBsonRef::JavaScriptCode(_)
        | RawBsonRef::JavaScriptCodeWithScope(_)
        | RawBsonRef::Timestamp(_)
        | RawBsonRef::DbPointer(_)
        | RawBsonRef::MinKey
        | RawBsonRef::MaxKey => Value::Object(Map::new()),
    }))
}
