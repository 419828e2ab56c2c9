//! The user of a decision.

use std::fmt;

use serde_json::{Map, Value};

/// An object that always has the boolean `logged_in`. Prints no more than that: the rest is the app's own business.
#[derive(Clone, PartialEq)]
pub struct User(Map<String, Value>);

const LOGGED_IN: &str = "logged_in";

impl User {
    /// Nobody: `{"logged_in": false}`.
    pub fn nobody() -> Self {
        Self::new(Map::new(), false)
    }

    /// Somebody who is logged in; a `logged_in` of the app's own is overwritten, as passport.socketio does.
    pub fn somebody(fields: Map<String, Value>) -> Self {
        Self::new(fields, true)
    }

    fn new(mut fields: Map<String, Value>, logged_in: bool) -> Self {
        fields.insert(LOGGED_IN.to_owned(), Value::Bool(logged_in));
        Self(fields)
    }

    /// Whether it is somebody.
    pub fn logged_in(&self) -> bool {
        self.0.get(LOGGED_IN) == Some(&Value::Bool(true))
    }

    /// Its fields, `logged_in` among them.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Its fields, to give away.
    pub fn into_fields(self) -> Map<String, Value> {
        self.0
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field(LOGGED_IN, &self.logged_in()).finish_non_exhaustive()
    }
}
