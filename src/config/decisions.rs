//! `[policy]`: who may come in.

use super::{
    reader::Reader,
    setting::{Kind, Setting},
};
use crate::expression::{Bound, CompileError, Constant, Expr, Program, Variables};

/// `[policy]`.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Who may come in.
    pub accept: Accept,
    /// What those are told whom it denies.
    pub message: String,
}

/// `policy.accept`: a CEL expression over `user` and `socket`, compiled.
#[derive(Clone, Debug)]
pub struct Accept {
    /// As it was written.
    pub text: String,
    /// What is evaluated.
    pub expression: Bound,
}

impl Accept {
    /// Compiles it.
    ///
    /// # Errors
    ///
    /// If it is no expression over what a handshake says: what is wrong, and where.
    pub fn compile(text: &str) -> Result<Self, CompileError> {
        let expression = Program::compile(text, Variables::POLICY)?.bind(&[])?;
        Ok(Self { text: text.to_owned(), expression })
    }

    /// Lets nobody in.
    fn nobody() -> Self {
        let never = Expr::Constant(Constant::Bool(false));
        Self { text: never.to_string(), expression: Bound::from(never) }
    }
}

const ACCEPT: Setting = Setting {
    name: "policy.accept",
    kind: Kind::Expression,
    default: Some("user.logged_in"),
    about: "Who may come in: a CEL expression over `user` and `socket`. Of the socket it sees `namespace`, \
            `remote_address` and `origin`: `user.logged_in && (socket.namespace == \"/chat\" || user.role == \"admin\")`. \
            `user.logged_in`: whoever is logged in. `true`: everybody, anonymous sockets too, which is \
            passport.socketio's `accept(null, !error)`. Faults and origins that are not allowed reject whatever it says. \
            docs/policies.md explains it, and `socketpass policy test` tests it.",
};

const MESSAGE: Setting = Setting {
    name: "policy.message",
    kind: Kind::Text,
    default: Some("Denied by policy"),
    about: "What a logged-in user is told whom the policy denies.",
};

impl Policy {
    pub(super) const SETTINGS: &[&Setting] = &[&ACCEPT, &MESSAGE];

    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let accept = reader.expression(&ACCEPT, Accept::compile);
        Self { accept: accept.unwrap_or_else(Accept::nobody), message: reader.text(&MESSAGE) }
    }
}
