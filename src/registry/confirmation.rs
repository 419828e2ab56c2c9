//! What the service has found out about who is behind a socket, by asking its session.

use std::fmt;

use sha2::{Digest as _, Sha256};

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

/// How many bytes [`Who`] has.
pub const WHO_BYTES: usize = 16;

/// Who somebody is, as far as comparing goes: equal for the same person, and different for others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Who(pub [u8; WHO_BYTES]);

impl Who {
    /// Nobody is logged in.
    pub const NOBODY: Self = Self([0; WHO_BYTES]);
}

impl fmt::Debug for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::NOBODY { "nobody" } else { "somebody" })
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
    /// The session with this mark belongs to this person; `user`, an object packed, counts over what is reported.
    pub fn new(mark: Mark, who: Who, user: Option<&[u8]>) -> Self {
        Self { mark, bytes: [&who.0, user.unwrap_or_default()].concat().into() }
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
        let has_user = self.bytes.len() > WHO_BYTES;
        f.debug_struct("Confirmation").field("has_user", &has_user).finish_non_exhaustive()
    }
}
