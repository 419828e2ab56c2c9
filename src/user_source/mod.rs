//! What turns `session.passport.user` into the user: the app's `deserializeUser`, outside the app.

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::health::Health;

mod session;

pub use self::session::SessionUser;

/// The source could not say who the user is. The text is for the log and for `Explain`: it names no content of a session
/// and no driver's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(String);

impl Fault {
    /// A fault with its cause.
    pub fn new(cause: impl Into<String>) -> Self {
        Self(cause.into())
    }
}

/// Finds the user behind `passport.user`.
#[async_trait]
pub trait UserSource: std::fmt::Debug + Send + Sync + 'static {
    /// The user's fields; `None` when there is no such user any more.
    async fn resolve(&self, passport_user: Value) -> Result<Option<Map<String, Value>>, Fault>;

    /// How `user.source` names it.
    fn name(&self) -> &'static str;

    /// Whether it answers. One that is part of this process always does.
    fn health(&self) -> Health {
        Health::Up
    }
}
