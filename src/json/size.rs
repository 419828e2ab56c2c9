//! How large JSON is elsewhere than in its text: in memory, where `{"":0}` takes a hundred times its seven bytes, and as a
//! `google.protobuf.Struct`, where a digit takes eleven.

use std::mem::size_of;

use serde_json::{Map, Value};

/// What an allocator adds to each piece, in bytes: its own notes, and rounding up.
const PIECE: usize = 16;

/// How many members a node of a `BTreeMap` has room for, and how many it has at least where there are several nodes.
const NODE_ROOM: usize = 11;
const NODE_LEAST: usize = 5;

/// What an object takes in memory, in bytes; rather too much than too little.
pub fn in_memory(object: &Map<String, Value>) -> usize {
    /// Members, a pointer for each and one more, and what the node knows of itself.
    const NODE: usize = NODE_ROOM * (size_of::<String>() + size_of::<Value>())
        + (NODE_ROOM + 1) * size_of::<usize>()
        + 2 * PIECE;
    let nodes = match object.len() {
        0 => 0,
        members if members <= NODE_ROOM => 1,
        members => members / NODE_LEAST + 1,
    };
    let members = object.iter().map(|(name, value)| text_in_memory(name) + value_in_memory(value));
    nodes * NODE + members.sum::<usize>()
}

/// What a value takes besides its place in what holds it.
fn value_in_memory(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text_in_memory(text),
        Value::Array(elements) => {
            let room = elements.capacity() * size_of::<Value>() + PIECE;
            room + elements.iter().map(value_in_memory).sum::<usize>()
        }
        Value::Object(object) => in_memory(object),
    }
}

fn text_in_memory(text: &String) -> usize {
    if text.capacity() == 0 { 0 } else { text.capacity() + PIECE }
}

/// How large an object is as a `google.protobuf.Struct`, in bytes.
pub fn as_struct(object: &Map<String, Value>) -> usize {
    let entry = |(name, value): (&String, &Value)| {
        // A name that is empty is left out, as every field that has its default is.
        let name = if name.is_empty() { 0 } else { delimited(name.len()) };
        delimited(name + delimited(as_value(value)))
    };
    object.iter().map(entry).sum()
}

fn as_value(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 2,
        Value::Number(_) => 9,
        Value::String(text) => delimited(text.len()),
        Value::Array(elements) => {
            delimited(elements.iter().map(|element| delimited(as_value(element))).sum())
        }
        Value::Object(object) => delimited(as_struct(object)),
    }
}

/// A field of so many bytes with its tag and its length, which has seven bits a byte.
fn delimited(length: usize) -> usize {
    let bits = usize::BITS - length.leading_zeros();
    let length_takes = usize::try_from(bits.div_ceil(7).max(1)).unwrap_or(usize::MAX);
    1 + length_takes + length
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn in_memory_of(value: &Value) -> usize {
        in_memory(value.as_object().expect("an object"))
    }

    #[test]
    fn many_small_objects_take_far_more_than_their_text() {
        let objects = vec![json!({"": 0}); 1000];
        let text = serde_json::to_string(&objects).expect("JSON").len();
        assert!(text < 8_100, "{text}");
        let taken = in_memory_of(&json!({ "a": objects }));
        assert!((600_000..1_000_000).contains(&taken), "{taken}");
    }

    #[test]
    fn long_texts_take_little_more_than_they_are_long() {
        let taken = in_memory_of(&json!({"name": "x".repeat(100_000)}));
        assert!((100_000..102_000).contains(&taken), "{taken}");
        assert_eq!(in_memory(&Map::new()), 0);
    }

    #[test]
    fn what_grows_with_many_members_is_counted() {
        let members = (0..10_000).map(|number| (format!("member-{number}"), Value::from(number)));
        let taken = in_memory(&members.collect());
        // At best nodes are full.
        assert!((10_000 * (56 + 11)..10_000 * 300).contains(&taken), "{taken}");
    }
}
