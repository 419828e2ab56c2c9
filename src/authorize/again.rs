//! The decision asked again, from the session on, behind sockets that are open.

use std::time::Duration;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::{Authorizer, Sessions, User, cap, explain::Silent, policy::Socket, standing::Standing};
use crate::{expression::packed::Packer, reason::Reason, session_store::SessionId, user_source::id};

/// Who somebody is, as far as comparing goes: by the field that `user.id_field` names; without it by `passport.user`. It
/// tells nothing of either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity(pub [u8; 16]);

/// Who stands behind a session now.
#[derive(Debug)]
pub struct Again {
    standing: Standing,
    identity: Option<Identity>,
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
    pub fn identity(&self) -> Option<Identity> {
        self.identity
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
        let loaded = store.load_with_end(id, self.rules.max_session_bytes).await;
        let ends_in = loaded.as_ref().ok().and_then(|loaded| loaded.as_ref()?.ends_in);
        let loaded = loaded.map(|loaded| loaded.map(|lasting| lasting.session));
        let session = self.loaded(loaded, id, store, &mut Silent);
        let again = match session.and_then(|session| self.passport_user(session, &mut Silent)) {
            Ok(passport_user) => {
                let by_passport = of_passport(&passport_user);
                let standing = self.resolve(passport_user, Some(id), &mut Silent).await;
                let identity = standing
                    .user
                    .logged_in()
                    .then(|| of_user(standing.user.fields(), &self.rules.id_field).unwrap_or(by_passport));
                Again { standing, identity, ends_in }
            }
            Err(standing) => Again { standing, identity: None, ends_in },
        };
        Some(again)
    }

    /// What the sockets of this person are counted by; `None`: nobody counts them.
    pub fn counted_by<'a>(&self, again: &'a Again) -> Option<&'a Value> {
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

fn of_passport(passport_user: &Value) -> Identity {
    let mut packer = Packer::onto(b"passport".to_vec());
    packer.json(passport_user);
    hash(&packer.into_bytes())
}

fn of_user(fields: &Map<String, Value>, id_field: &[Box<str>]) -> Option<Identity> {
    let (first, names) = id_field.split_first()?;
    let id = names.iter().try_fold(fields.get(&**first)?, |value, name| value.get(&**name))?;
    let id = id::of(id, &[]).filter(|id| !id.is_empty())?;
    Some(hash(format!("user{id}").as_bytes()))
}

fn hash(bytes: &[u8]) -> Identity {
    Identity(Sha256::digest(bytes).first_chunk().copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_it_is_is_the_field_that_names_them_however_it_is_written() {
        let identity = |user: Value| {
            let Value::Object(fields) = user else { panic!("an object") };
            of_user(&fields, &["account".into(), "id".into()])
        };
        let seven = identity(json!({"account": {"id": 7}, "role": "a"}));
        assert!(seven.is_some());
        assert_eq!(seven, identity(json!({"account": {"id": "7"}, "role": "b"})));
        assert_ne!(seven, identity(json!({"account": {"id": 8}})));
        for nameless in
            [json!({}), json!({"id": 7}), json!({"account": {"id": null}}), json!({"account": {"id": ""}})]
        {
            assert_eq!(identity(nameless), None);
        }
    }

    #[test]
    fn without_it_they_are_who_passport_says() {
        assert_eq!(of_passport(&json!({"a": 1, "b": 2})), of_passport(&json!({"b": 2, "a": 1})));
        assert_ne!(of_passport(&json!(7)), of_passport(&json!("7")));
    }
}
