//! The decision asked again, from the session on, behind sockets that are open.

use std::time::Duration;

use super::{Authorizer, Sessions, User, cap, explain::Silent, policy::Socket, standing::Standing};
use crate::{identity::Person, reason::Reason, session_store::SessionId};

/// Who stands behind a session now.
#[derive(Debug)]
pub struct Again {
    standing: Standing,
    person: Option<Person>,
    ends_in: Option<Duration>,
}

/// What is so now of one of its sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StillAccepted {
    /// A handshake would be accepted.
    pub accepted: bool,
    /// Why, as in a decision.
    pub reason: Reason,
}

impl Again {
    /// The user; nobody when nobody is logged in.
    pub fn user(&self) -> &User {
        &self.standing.user
    }

    /// Who it is; `None`: nobody is logged in, or nobody knows.
    pub fn person(&self) -> Option<&Person> {
        self.person.as_ref()
    }

    /// Why somebody stands behind it, or nobody does.
    pub fn reason(&self) -> Reason {
        self.standing.reason
    }

    /// How long the session lives if nobody touches it; `None`: nobody knows.
    pub fn ends_in(&self) -> Option<Duration> {
        self.ends_in
    }
}

impl Authorizer {
    /// Asks who stands behind a session now; `None`: sessions are in their cookies, which nobody has but the client.
    pub async fn ask_again(&self, id: &SessionId) -> Option<Again> {
        let Sessions::InStore(store, _) = &self.sessions else { return None };
        let mut silent = Silent;
        let loaded = store.load_with_end(id, self.rules.max_session_bytes).await;
        let ends_in = loaded.as_ref().ok().and_then(|loaded| loaded.as_ref()?.ends_in);
        let loaded = loaded.map(|loaded| loaded.map(|lasting| lasting.session));
        let session = self.loaded(loaded, id, store, &mut silent);
        let id_field = &self.rules.id_field;
        let mut person = None;
        let is_about = |passport_user: &_| person = Some(Person::of_passport(passport_user, id_field));
        let standing = self.of_session(session, Some(id), is_about, &mut silent).await;
        let user = &standing.user;
        let person = person.filter(|_| user.logged_in()).map(|it| it.with_user(user.fields(), id_field));
        Some(Again { standing, person, ends_in })
    }

    /// What the sockets of this person are counted by; `None`: nobody counts them.
    pub fn counted_by(&self, again: &Again) -> Option<String> {
        cap::id_of(&again.standing.user, &self.rules.id_field)
    }

    /// What is so now of a socket that was opened with this session.
    pub fn still_accepts(&self, again: &Again, socket: Socket<'_>) -> StillAccepted {
        let Standing { reason, user, words: _ } = &again.standing;
        if reason.is_fault() {
            return StillAccepted { accepted: false, reason: *reason };
        }
        let accepted = self.policy_holds(user, socket).unwrap_or(false);
        let reason = if accepted || !user.logged_in() { *reason } else { Reason::DeniedByPolicy };
        StillAccepted { accepted, reason }
    }
}
