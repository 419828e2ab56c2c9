//! A row as a JSON object, its columns typed as JSON can say it: for databases that cannot be asked for one.

use serde_json::{Map, Number, Value};

/// Makes an object of a row's columns, each with its name.
pub(super) fn object(
    columns: impl Iterator<Item = (String, Result<Option<Value>, String>)>,
) -> Result<Vec<u8>, String> {
    let mut object = Map::new();
    for (name, value) in columns {
        let value = value.map_err(|problem| format!("its column `{name}`: {problem}"))?;
        let value = value.ok_or_else(|| {
            format!("its column `{name}` is of a type that no user has: leave it out of user.lookup or convert it there")
        })?;
        object.insert(name, value);
    }
    serde_json::to_vec(&object).map_err(|error| error.to_string())
}

/// `None` for what JSON cannot say.
pub(super) fn double(number: f64) -> Option<Value> {
    Number::from_f64(number).map(Value::Number)
}
