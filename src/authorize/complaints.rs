//! What goes wrong with a session or a user, told to the log with its cause: the first at once and then seldom, since it may
//! be so of each handshake.

use super::explain::Trace;
use crate::{
    seldom::Seldom,
    session_store::{Fault as StoreFault, Health, SessionId, SessionStore},
    user_source::{Fault as SourceFault, UserSource},
};

/// How often each kind of thing went wrong since it was told last.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    store: Seldom,
    session: Seldom,
    source: Seldom,
    user: Seldom,
}

impl Complaints {
    /// The store did not answer, or with something else than a session.
    pub(super) fn store_failed<T: Trace>(
        &self,
        fault: &StoreFault,
        id: &SessionId,
        store: &dyn SessionStore,
    ) {
        match fault {
            StoreFault::Unavailable(cause) | StoreFault::Refused(cause) => {
                match self.store.times::<T>(*store.health().borrow()) {
                    Some(times) => {
                        tracing::warn!(times, session_id = ?id, %cause, "the session store failed");
                    }
                    None => tracing::debug!(session_id = ?id, %cause, "the session store failed"),
                }
            }
            StoreFault::NotASession(cause) => match self.session.times::<T>(Health::Up) {
                Some(times) => {
                    tracing::warn!(times, session_id = ?id, %cause, "what is stored is not a session");
                }
                None => tracing::debug!(session_id = ?id, %cause, "what is stored is not a session"),
            },
        }
    }

    /// What the store has is no session that can be read.
    pub(super) fn session_unreadable<T: Trace>(&self, problem: &str, id: &SessionId, bytes: usize) {
        match self.session.times::<T>(Health::Up) {
            Some(times) => {
                tracing::warn!(times, session_id = ?id, bytes, problem, "the stored session cannot be read");
            }
            None => tracing::debug!(session_id = ?id, bytes, problem, "the stored session cannot be read"),
        }
    }

    /// The source did not say who a user is.
    pub(super) fn source_failed<T: Trace>(
        &self,
        fault: &SourceFault,
        id: Option<&SessionId>,
        source: &dyn UserSource,
    ) {
        let SourceFault { kind, words, cause } = fault;
        let session_id = id.map(tracing::field::debug);
        let times = if kind.is_outage() {
            self.source.times::<T>(*source.health().borrow())
        } else {
            self.user.times::<T>(Health::Up)
        };
        match times {
            Some(times) => tracing::warn!(times, session_id, words, %cause, "the user source failed"),
            None => tracing::debug!(session_id, words, %cause, "the user source failed"),
        }
    }
}

impl Seldom {
    /// How often it went wrong, when that is to be told: whoever has it explained looks for the cause in the log, and what is
    /// away has told so itself.
    fn times<T: Trace>(&self, health: Health) -> Option<u64> {
        if T::LISTENS {
            Some(1)
        } else if health == Health::Down {
            None
        } else {
            self.again()
        }
    }
}
