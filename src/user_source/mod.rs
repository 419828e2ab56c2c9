//! What turns `session.passport.user` into the user: the app's `deserializeUser`, outside the app.
//!
//! The session can hold the user itself (`session.rs`). Every other source is a `Lookup` (`lookup.rs`), one file each, that
//! answers one question: who has this id? Around it `looked_up.rs` does the rest, for all of them alike.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::{
    config::user::{User as Settings, UserSource as Source},
    health::Health,
};

mod cache;
pub mod grpc;
mod http;
pub mod id;
mod looked_up;
mod lookup;
mod presence;
mod redis;
mod session;
mod sql;

pub use self::session::SessionUser;
use self::{
    grpc::GrpcUsers, http::HttpUsers, looked_up::LookedUp, lookup::Lookup, redis::RedisUsers, sql::SqlUsers,
};

/// A user's fields.
pub type Fields = Map<String, Value>;

/// The source could not say who the user is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{words}: {cause}")]
pub struct Fault {
    /// What kind of fault.
    pub kind: FaultKind,
    /// What happened and where to look, for people: it names no content of a session and no driver's words.
    pub words: &'static str,
    /// The cause, for the log: without the content of a session or a user.
    pub cause: String,
}

/// What kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// There is no connection to it, or it broke, twice.
    Unreachable,
    /// It did not answer in time.
    TimedOut,
    /// So many others waited for an answer that its turn did not come in time.
    Busy,
    /// It answered that it does not answer.
    Refused,
    /// What it answered is no user.
    Unusable,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Unreachable, Self::TimedOut, Self::Busy, Self::Refused, Self::Unusable];

    /// As labels have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timeout",
            Self::Busy => "busy",
            Self::Refused => "refused",
            Self::Unusable => "unusable",
        }
    }

    /// Whether the source said nothing at all. Only then what it said before may count (`user.stale_for`): one that refuses,
    /// or that others keep busy, must not let somebody in who has been banned meanwhile.
    pub const fn is_silence(self) -> bool {
        matches!(self, Self::Unreachable | Self::TimedOut)
    }

    /// Whether it is the source that is down, and not this user that is wrong.
    pub const fn is_outage(self) -> bool {
        !matches!(self, Self::Unusable)
    }
}

impl Fault {
    /// What was found is no user.
    pub fn unusable(words: &'static str) -> Self {
        Self { kind: FaultKind::Unusable, words, cause: "see what is stored of this user".to_owned() }
    }
}

/// A user, or that there is none, and how that was found out.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// The user's fields; `None` when there is no such user any more.
    pub user: Option<Fields>,
    /// How it was found out.
    pub how: How,
}

/// How it was found out who a user is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// `passport.user` alone says it.
    Unasked,
    /// The source was asked.
    Asked,
    /// The source was being asked for the same user.
    Shared,
    /// The source said so a moment ago.
    Cached(Duration),
    /// The source said so some time ago, and does not answer now.
    Stale(Duration),
}

impl How {
    /// Every name.
    pub const NAMES: [&str; 5] = ["unasked", "asked", "shared", "cached", "stale"];

    /// As labels have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unasked => "unasked",
            Self::Asked => "asked",
            Self::Shared => "shared",
            Self::Cached(_) => "cached",
            Self::Stale(_) => "stale",
        }
    }
}

/// Finds the user behind `passport.user`.
#[async_trait]
pub trait UserSource: std::fmt::Debug + Send + Sync + 'static {
    /// Who it is.
    async fn resolve(&self, passport_user: Value) -> Result<Resolved, Fault>;

    /// What it is, in a word, for metrics and people.
    fn name(&self) -> &'static str;

    /// Where it looks for this user, for people; `None` where there is nothing to look for.
    fn place(&self, passport_user: &Value) -> Option<String>;

    /// What to look into when there is no such user.
    fn when_missing(&self) -> &'static str;

    /// Follows whether it answers. One that is part of this process always does.
    fn health(&self) -> watch::Receiver<Health>;
}

/// Opens the source that the settings name. Does not wait for it: a source that is away is no reason not to start.
pub fn open(settings: &Settings) -> Arc<dyn UserSource> {
    let lookup: Box<dyn Lookup> = match &settings.source {
        Source::Session => return Arc::new(SessionUser),
        Source::Redis { url, key } => {
            Box::new(RedisUsers::open(url.clone(), key.clone(), settings.asking.timeout))
        }
        Source::Http(url, credentials) => {
            Box::new(HttpUsers::open(url.clone(), credentials, &settings.asking))
        }
        Source::Sql { url, lookup } => Box::new(SqlUsers::open(url, lookup, settings.asking.timeout)),
        Source::Grpc(url, credentials) => {
            Box::new(GrpcUsers::open(url.clone(), credentials, &settings.asking))
        }
    };
    Arc::new(LookedUp::open(lookup, settings.identity.names.clone(), settings.asking.clone()))
}
