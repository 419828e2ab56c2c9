//! Who stands behind a socket.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

/// The user, as the web app's session names them. Cheap to clone.
///
/// It is kept as JSON text, since every open socket has one, and read when it is asked: [`User::parse`] makes a type of the
/// application's own of it, [`User::get`] gives one field, [`User::fields`] all of them.
#[derive(Clone, PartialEq, Eq)]
pub struct User(Arc<str>);

impl User {
    /// The user of a socket whose user is not known: `{"logged_in": false}`.
    pub fn anonymous() -> Self {
        Self::from(Map::from_iter([("logged_in".to_owned(), Value::Bool(false))]))
    }

    /// Whether somebody is logged in.
    pub fn logged_in(&self) -> bool {
        self.get("logged_in").and_then(|value| value.as_bool()).unwrap_or(false)
    }

    /// A field of the user.
    pub fn get(&self, name: &str) -> Option<Value> {
        self.fields().remove(name)
    }

    /// All fields.
    pub fn fields(&self) -> Map<String, Value> {
        self.parse().unwrap_or_default()
    }

    /// The user as a type of the application's own.
    ///
    /// # Errors
    ///
    /// When a field is missing or of another type.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }
}

impl From<Map<String, Value>> for User {
    fn from(fields: Map<String, Value>) -> Self {
        Self(Value::Object(fields).to_string().into())
    }
}

impl Serialize for User {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.fields().serialize(serializer)
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn user(value: Value) -> User {
        let Value::Object(fields) = value else { panic!("an object") };
        User::from(fields)
    }

    #[test]
    fn gives_its_fields_and_becomes_a_type() {
        #[derive(Deserialize)]
        struct Member {
            id: u64,
            name: String,
        }
        let user = user(json!({"logged_in": true, "id": 7, "name": "Ada"}));
        assert!(user.logged_in());
        assert_eq!(user.get("name"), Some(json!("Ada")));
        assert_eq!(user.get("team"), None);
        let member: Member = user.parse().unwrap();
        assert_eq!((member.id, member.name.as_str()), (7, "Ada"));
        assert!(user.parse::<Vec<String>>().is_err());
        assert!(!User::anonymous().logged_in());
    }
}
