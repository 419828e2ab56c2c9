//! What the service has found out about who is behind a socket, by asking its session.
//!
//! In a record it is bytes: the hash of [`Who`], and one packed value behind it if there is more to say: the user; or, of
//! somebody who has an id, a list of the user or null, what is kept of `passport.user`, the names of the id's path, and since
//! when. Who wrote before there was such a list reads the hash, and no user in it.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::{
    expression::packed::{self, Map, Packer, Value},
    identity::{Hash, Named, Who},
};

/// Which session a socket was opened with, as far as comparing goes: equal for the same session, and nothing that could be
/// used as its id. All zeros: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mark(pub [u8; 8]);

impl Mark {
    /// Of the session with this id.
    pub fn of(session_id: &str) -> Self {
        if session_id.is_empty() {
            return Self::default();
        }
        Self(Sha256::digest(session_id).first_chunk().copied().unwrap_or_default())
    }
}

/// What was found out about one socket: the mark of the session that was asked, who it is, and, where that is not what the
/// gateway reports, the user.
#[derive(Clone, PartialEq, Eq)]
pub struct Confirmation {
    mark: Mark,
    /// Who, and the packed user if there is one.
    bytes: Box<[u8]>,
}

impl Confirmation {
    /// The session with this mark belongs to this person, as is known since then, in microseconds since 1970; `user`
    /// counts over what is reported.
    pub fn new(mark: Mark, who: &Who<'_>, since: i64, user: Option<Map<'_>>) -> Self {
        let Who { hash, named } = who;
        let mut packer = Packer::onto(hash.to_vec());
        let user = user.map(Value::Map);
        match (named, user) {
            (None, None) => {}
            (None, Some(user)) => packer.value(user),
            (Some(Named { field, passport }), user) => {
                let begun = packer.begin_list();
                packer.value(user.unwrap_or(Value::Null));
                packer.int(*passport);
                packer.value(Value::List(*field));
                packer.int(since);
                packer.end(begun);
            }
        }
        Self { mark, bytes: packer.into_bytes().into() }
    }

    /// Which session it is about.
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// As a record holds it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Confirmation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Confirmation").field("has_user", &user(&self.bytes).is_some()).finish_non_exhaustive()
    }
}

/// Whether a record may hold these bytes.
pub(super) fn check(confirmed: &[u8]) -> bool {
    let more = confirmed.get(size_of::<Hash>()..).unwrap_or_default();
    more.is_empty() || packed::check(more)
}

/// Who it was confirmed to be; `None`: nobody has asked yet.
pub(super) fn who(confirmed: &[u8]) -> Option<Who<'_>> {
    let (hash, more) = confirmed.split_first_chunk()?;
    let named = match packed::value(more) {
        Value::List(list) => {
            let mut parts = list.iter().skip(1);
            match (parts.next(), parts.next()) {
                (Some(Value::Int(passport)), Some(Value::List(field))) => Some(Named { field, passport }),
                _ => None,
            }
        }
        _ => None,
    };
    Some(Who { hash: *hash, named })
}

/// Since when that is known of somebody who has an id.
pub(super) fn since(confirmed: &[u8]) -> Option<i64> {
    match packed::value(confirmed.get(size_of::<Hash>()..)?) {
        Value::List(list) => match list.iter().nth(3)? {
            Value::Int(since) => Some(since),
            _ => None,
        },
        _ => None,
    }
}

/// The user that was confirmed, if it is another than the one that is reported.
pub(super) fn user(confirmed: &[u8]) -> Option<Map<'_>> {
    let user = match packed::value(confirmed.get(size_of::<Hash>()..)?) {
        Value::List(list) => list.iter().next()?,
        user => user,
    };
    match user {
        Value::Map(user) => Some(user),
        _ => None,
    }
}
