//! `[user]` and `[policy]`: who people are, and who of them may come in.

use super::{
    reader::Reader,
    setting::{Kind, Setting},
};
use crate::expression::{
    self,
    path::{Path, Root},
};

/// `user.source` that takes the stored value for the user.
pub const SESSION: &str = "session";
/// `policy.accept` that lets in whoever is logged in.
pub const LOGGED_IN: &str = "user.logged_in";
/// `policy.accept` that lets everybody in.
pub const EVERYBODY: &str = "true";

/// `[user]`.
#[derive(Clone, Debug)]
pub struct User {
    /// What turns `passport.user` into the user.
    pub source: UserSource,
    /// Where in a user stands who it is.
    pub identity: Path,
}

/// `user.source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserSource {
    /// The stored value is the user.
    Session,
}

const SOURCE: Setting = Setting {
    name: "user.source",
    kind: Kind::Choice(&[SESSION]),
    default: Some(SESSION),
    about: "What turns the session's `passport.user` into the user, as the app's `deserializeUser` does. `session`: an \
            object is the user itself, a text or number is its `id`.",
};

const ID_FIELD: Setting = Setting {
    name: "user.id_field",
    kind: Kind::Text,
    default: Some("id"),
    about: "Where in a user stands who it is: a field, or a path such as `account.id`. The registry is indexed by it.",
};

impl User {
    pub(super) const SETTINGS: &[&Setting] = &[&SOURCE, &ID_FIELD];

    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let source = reader.choice(&SOURCE, &[(SESSION, UserSource::Session)]);
        let identity = reader.parse(&ID_FIELD, |field| {
            expression::path(&format!("user.{field}"))
                .map_err(|problem| format!("it is no path within a user: {problem}"))
        });
        Self {
            source: source.unwrap_or(UserSource::Session),
            identity: identity.unwrap_or_else(|| Path { root: Root::User, names: Vec::new() }),
        }
    }
}

/// `[policy]`.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Who may come in.
    pub accept: Accept,
    /// What those are told whom it denies.
    pub message: String,
}

/// `policy.accept`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    /// `user.logged_in`
    LoggedIn,
    /// `true`
    Everybody,
}

const ACCEPT: Setting = Setting {
    name: "policy.accept",
    kind: Kind::Choice(&[LOGGED_IN, EVERYBODY]),
    default: Some(LOGGED_IN),
    about: "Who may come in. `user.logged_in`: whoever is logged in. `true`: everybody, anonymous sockets too, which is \
            passport.socketio's `accept(null, !error)`; faults and origins that are not allowed reject all the same.",
};

const MESSAGE: Setting = Setting {
    name: "policy.message",
    kind: Kind::Text,
    default: Some("Denied by policy"),
    about: "What a logged-in user is told whom the policy denies. Neither of today's two policies denies one.",
};

impl Policy {
    pub(super) const SETTINGS: &[&Setting] = &[&ACCEPT, &MESSAGE];

    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let accept = reader.choice(&ACCEPT, &[(LOGGED_IN, Accept::LoggedIn), (EVERYBODY, Accept::Everybody)]);
        Self { accept: accept.unwrap_or(Accept::LoggedIn), message: reader.text(&MESSAGE) }
    }
}
