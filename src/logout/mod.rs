//! Tokens from an identity provider that end sessions: OpenID Connect Back-Channel Logout 1.0, and Security Event Tokens
//! (RFC 8417) with CAEP's `session-revoked`.
//!
//! A token is taken apart (`jws`), its signature checked with the issuer's keys (`jwk`, `keys`), then what it says (`claims`)
//! and that it was not taken before (`seen`). Then the sessions end that `logout.match` names; whoever fills [`EndSessions`]
//! knows where they are. Nothing of a token is in what is said of it: [`Refusal`] has words of ours alone.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};

use self::{
    claims::{Expected, Says, Verified, now},
    jws::Jws,
    keys::Keys,
    seen::{Place, Seen},
};
use crate::config::logout::Logout as Settings;

mod claims;
mod jwk;
mod jws;
mod keys;
mod refusal;
mod seen;

pub use self::refusal::{Code, Refusal};

/// What a token says.
pub type Claims = Map<String, Value>;

/// Ends sessions.
#[async_trait]
pub trait EndSessions: Send + Sync + 'static {
    /// Destroys the sessions that a token with these claims ends; how many open sockets stand on them. When it has answered
    /// they are destroyed.
    async fn end_sessions(&self, claims: &Claims) -> Result<u64, Unavailable>;
}

/// It cannot be done now, and can be asked for again. Why, for the log: without anything that a token says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// What kind of token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A logout token of OpenID Connect Back-Channel Logout.
    BackChannel,
    /// A Security Event Token with an event of CAEP.
    Caep,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::BackChannel, Self::Caep];

    /// As labels and lines have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BackChannel => "backchannel",
            Self::Caep => "caep",
        }
    }
}

/// What became of a token that is what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The sessions it ends are destroyed; so many open sockets stood on them.
    Ended(u64),
    /// No open socket is of whom it is about, so that nothing was there to be destroyed.
    Nobody,
    /// It ends none: none of its events is `session-revoked`.
    Ignored,
    /// It was taken before, and its sender had not heard so.
    Repeated,
}

impl Taken {
    /// How many open sockets it was about.
    pub const fn sockets(self) -> u64 {
        match self {
            Self::Ended(sockets) => sockets,
            Self::Nobody | Self::Ignored | Self::Repeated => 0,
        }
    }
}

/// What became of a token, for those who count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// [`Taken::Ended`]
    Ended,
    /// [`Taken::Nobody`]
    Nobody,
    /// [`Taken::Ignored`]
    Ignored,
    /// [`Taken::Repeated`]
    Repeated,
    /// [`NotTaken::Refused`]
    Refused,
    /// The same, after too many from its sender.
    Limited,
    /// [`NotTaken::Unavailable`]
    Unavailable,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 7] = [
        Self::Ended,
        Self::Nobody,
        Self::Ignored,
        Self::Repeated,
        Self::Refused,
        Self::Limited,
        Self::Unavailable,
    ];

    /// As labels and lines have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Nobody => "nobody",
            Self::Ignored => "ignored",
            Self::Repeated => "repeated",
            Self::Refused => "refused",
            Self::Limited => "limited",
            Self::Unavailable => "unavailable",
        }
    }
}

impl From<Taken> for Outcome {
    fn from(taken: Taken) -> Self {
        match taken {
            Taken::Ended(_) => Self::Ended,
            Taken::Nobody => Self::Nobody,
            Taken::Ignored => Self::Ignored,
            Taken::Repeated => Self::Repeated,
        }
    }
}

/// Why a token was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// It is not what it should be, now or later.
    Refused(Refusal),
    /// Later it may be taken.
    Unavailable(Unavailable),
}

impl From<Refusal> for NotTaken {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Unavailable> for NotTaken {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

/// Takes tokens of one issuer.
pub struct Receiver {
    expected: Expected,
    keys: Keys,
    seen: Arc<Seen>,
    ender: Arc<dyn EndSessions>,
}

impl Receiver {
    /// As the settings say. Begins to fetch the issuer's keys and does not wait for them. Needs a runtime.
    pub fn open(settings: &Settings, ender: Arc<dyn EndSessions>) -> Self {
        // Whose sessions end is the ender's to ask.
        let Settings { issuer, audience, jwks_url, tls, matching: _ } = settings;
        Self {
            expected: Expected { issuer: issuer.clone(), audience: audience.clone() },
            keys: Keys::of(jwks_url.clone(), tls),
            seen: Arc::default(),
            ender,
        }
    }

    /// Takes a token. It may be asked for again when this was given up.
    pub async fn take(&self, kind: Kind, token: &str) -> Result<Taken, NotTaken> {
        let jws = Jws::parse(token)?;
        self.keys.verify(&jws).await?;
        let claims = claims::read(jws.payload())?;
        let Verified { id, says, forget_at } = self.expected.check(kind, jws.typ(), &claims, now())?;
        let place = match (self.seen.place(&id, forget_at, now()), kind) {
            (Place::Free(place), _) => place,
            (Place::UnderWay, _) => {
                return Err(Unavailable("the same token is being taken already".to_owned()).into());
            }
            // RFC 8935, 2: it is acknowledged as if it came for the first time.
            (Place::Taken, Kind::Caep) => return Ok(Taken::Repeated),
            (Place::Taken, Kind::BackChannel) => return Err(Refusal::REPEATED.into()),
        };
        let taken = match says {
            Says::Logout => match self.ender.end_sessions(&claims).await? {
                0 => Taken::Nobody,
                sockets => Taken::Ended(sockets),
            },
            Says::SomethingElse => Taken::Ignored,
        };
        place.done();
        Ok(taken)
    }
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
