//! The stored value is the user.

use async_trait::async_trait;
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::{Fault, How, Resolved, UserSource};
use crate::{config::user::SESSION, health::Health};

/// `user.source = "session"`: for apps whose `serializeUser` keeps the user itself, or all of it that sockets need.
///
/// An object is the user; a scalar that JavaScript calls true becomes `{"id": scalar}`; `false` and null are Passport's
/// ways to say that the user is gone; `0`, `""` and arrays are what its `deserializeUser` fails on.
#[derive(Debug)]
pub struct SessionUser;

#[async_trait]
impl UserSource for SessionUser {
    async fn resolve(&self, passport_user: Value) -> Result<Resolved, Fault> {
        let user = match passport_user {
            Value::Object(fields) => Some(fields),
            Value::Null | Value::Bool(false) => None,
            Value::Array(_) => return Err(Fault::unusable("passport.user is an array, which is no user")),
            Value::String(id) if id.is_empty() => {
                return Err(Fault::unusable("passport.user is an empty string, which is no user"));
            }
            Value::Number(id) if id.as_f64() == Some(0.0) => {
                return Err(Fault::unusable("passport.user is 0, which Passport takes for no user at all"));
            }
            scalar @ (Value::Bool(true) | Value::Number(_) | Value::String(_)) => {
                Some(Map::from_iter([("id".to_owned(), scalar)]))
            }
        };
        Ok(Resolved { user, how: How::Unasked })
    }

    fn name(&self) -> &'static str {
        SESSION
    }

    fn place(&self, _: &Value) -> Option<String> {
        None
    }

    fn when_missing(&self) -> &'static str {
        "the session is of somebody who has been removed since"
    }

    fn health(&self) -> watch::Receiver<Health> {
        watch::Sender::new(Health::Up).subscribe()
    }
}
