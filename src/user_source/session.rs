//! The stored value is the user.

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::{Fault, UserSource};
use crate::config::decisions::SESSION;

/// `user.source = "session"`: for apps whose `serializeUser` keeps the user itself, or all of it that sockets need.
///
/// An object is the user; a scalar that JavaScript calls true becomes `{"id": scalar}`; `false` and null are Passport's
/// ways to say that the user is gone; `0`, `""` and arrays are what its `deserializeUser` fails on.
#[derive(Debug)]
pub struct SessionUser;

#[async_trait]
impl UserSource for SessionUser {
    async fn resolve(&self, passport_user: Value) -> Result<Option<Map<String, Value>>, Fault> {
        match passport_user {
            Value::Object(fields) => Ok(Some(fields)),
            Value::Null | Value::Bool(false) => Ok(None),
            Value::Array(_) => Err(Fault::new("passport.user is an array, which is no user")),
            Value::String(id) if id.is_empty() => {
                Err(Fault::new("passport.user is an empty string, which is no user"))
            }
            Value::Number(id) if id.as_f64() == Some(0.0) => {
                Err(Fault::new("passport.user is 0, which Passport takes for no user at all"))
            }
            scalar @ (Value::Bool(true) | Value::Number(_) | Value::String(_)) => {
                Ok(Some(Map::from_iter([("id".to_owned(), scalar)])))
            }
        }
    }

    fn name(&self) -> &'static str {
        SESSION
    }
}
