//! `[policy]`: who may come in.

use super::{
    reader::Reader,
    setting::{Kind, Setting},
};

/// `policy.accept` that lets in whoever is logged in.
pub const LOGGED_IN: &str = "user.logged_in";
/// `policy.accept` that lets everybody in.
pub const EVERYBODY: &str = "true";

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
