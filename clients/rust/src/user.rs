//! Who stands behind a socket.

use std::{fmt, ops::Deref, sync::Arc};

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

/// The user, as the web app's session names them. Cheap to clone.
///
/// It reads like the JSON object that it is: `user["name"]`, `user.get("team")`. [`User::parse`] makes a type of the
/// application's own of it.
#[derive(Clone, PartialEq)]
pub struct User(Arc<Map<String, Value>>);

impl User {
    /// The user of a socket whose user is not known: `{"logged_in": false}`.
    pub fn anonymous() -> Self {
        Self::from(Map::from_iter([("logged_in".to_owned(), Value::Bool(false))]))
    }

    /// Whether somebody is logged in.
    pub fn logged_in(&self) -> bool {
        self.get("logged_in").and_then(Value::as_bool).unwrap_or(false)
    }

    /// The user as a type of the application's own.
    ///
    /// # Errors
    ///
    /// When a field is missing or of another type.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        T::deserialize(&*self.0)
    }
}

impl From<Map<String, Value>> for User {
    fn from(fields: Map<String, Value>) -> Self {
        Self(Arc::new(fields))
    }
}

impl Deref for User {
    type Target = Map<String, Value>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Serialize for User {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.deref().serialize(serializer)
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter()).finish()
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
    fn reads_like_an_object_and_becomes_a_type() {
        #[derive(Deserialize)]
        struct Member {
            id: u64,
            name: String,
        }
        let user = user(json!({"logged_in": true, "id": 7, "name": "Ada"}));
        assert!(user.logged_in());
        assert_eq!(user["name"], "Ada");
        let member: Member = user.parse().unwrap();
        assert_eq!((member.id, member.name.as_str()), (7, "Ada"));
        assert!(user.parse::<Vec<String>>().is_err());
        assert!(!User::anonymous().logged_in());
    }
}
