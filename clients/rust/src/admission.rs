//! A handshake that was let in.

use std::{fmt, sync::Arc};

use crate::{
    client::SocketPass,
    connection::Connection,
    decision::{Decision, SessionId},
    handshake::Facts,
    sockets::{Opening, Tracked},
    user::User,
};

/// A handshake that was let in: who it is, and what the registry is to know of the socket that it opens. Cheap to clone.
#[derive(Clone)]
pub struct Admission(Arc<Admitted>);

struct Admitted {
    pass: SocketPass,
    decision: Decision,
    user: User,
    facts: Facts,
}

impl Admission {
    pub(crate) fn new(pass: SocketPass, decision: Decision, user: User, facts: Facts) -> Self {
        Self(Arc::new(Admitted { pass, decision, user, facts }))
    }

    /// Who comes in; `{"logged_in": false}` for whoever is let in against the decision.
    pub fn user(&self) -> &User {
        &self.0.user
    }

    /// What the service decided. It may have been a no that the application, or `on_unavailable`, overruled.
    pub fn decision(&self) -> &Decision {
        &self.0.decision
    }

    /// Lists the socket until what is returned is dropped, and carries out on `connection` what the fleet commands.
    /// `id` is the socket's name within this process, 1 to 256 bytes.
    pub fn open(&self, id: impl Into<String>, connection: impl Connection) -> Tracked {
        self.0.pass.tracked().open(Opening {
            id: id.into(),
            facts: self.0.facts.clone(),
            session_id: self.session_id(),
            user: self.0.user.clone(),
            connection: Box::new(connection),
        })
    }

    /// The service would end a socket whose session says no, so one that was let in against the decision has none.
    fn session_id(&self) -> SessionId {
        if self.0.decision.accepted { self.0.decision.session_id.clone() } else { SessionId::default() }
    }

    #[cfg(feature = "axum")]
    pub(crate) fn pass(&self) -> &SocketPass {
        &self.0.pass
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").field("decision", &self.0.decision).finish_non_exhaustive()
    }
}

/// A name for a socket whose library has none.
pub(crate) fn random_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}
