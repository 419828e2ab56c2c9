//! The decision path: a handshake goes in, a decision comes out.
//!
//! Origin, session id, store, passport, user, policy, in this order. The path knows no transport: doors make the
//! [`Handshake`] and carry the [`Decision`] away.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;

use crate::{
    config::session::OutsideCookie,
    session_store::{Fault as StoreFault, SessionId, SessionStore},
    user_source::{Fault as SourceFault, UserSource},
};

pub mod cookie;
pub mod explain;
pub mod handshake;
pub mod json;
pub mod policy;
mod reason;
pub mod session;
mod session_id;
pub mod signature;
mod user;

use self::{
    explain::{Step, StepName, Trace, quote},
    policy::Policy,
    session::Session,
    signature::Keys,
};
pub use self::{
    handshake::Handshake,
    reason::{Close, Reason},
    user::User,
};

/// The answer to a handshake.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Let them in.
    pub accepted: bool,
    /// Why; when accepted, anything but [`Reason::Authorized`] says why nobody is logged in.
    pub reason: Reason,
    /// Why rejected, for people; empty when accepted.
    pub message: String,
    /// Who it is.
    pub user: User,
    /// The id that was looked up; `None` when none was.
    pub session_id: Option<SessionId>,
}

impl Decision {
    /// passport.socketio's error flag; false when accepted.
    pub fn error(&self) -> bool {
        !self.accepted && self.reason.error()
    }

    /// How to close the socket; `None` when accepted.
    pub fn close(&self) -> Option<Close> {
        (!self.accepted).then(|| self.reason.close())
    }
}

/// What the path goes by: the settings that a decision hangs on.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The session cookie's name.
    pub cookie: String,
    /// The member of the session that Passport uses.
    pub passport_key: String,
    /// Whether ids outside the cookie are taken.
    pub outside_cookie: OutsideCookie,
    /// Origins that may ask; `None`: not checked.
    pub allowed_origins: Option<Vec<String>>,
    /// What those are told whom the policy denies.
    pub denied_message: String,
    /// A larger session is malformed, in bytes.
    pub max_session_bytes: usize,
}

/// Decides about handshakes.
pub struct Authorizer {
    rules: Rules,
    /// Exchanged while running when the secrets' file changes.
    keys: ArcSwap<Keys>,
    /// Exchanged while running when the file with the store's URL changes.
    store: ArcSwap<Arc<dyn SessionStore>>,
    users: Arc<dyn UserSource>,
    policy: Arc<dyn Policy>,
}

/// Who stands behind a session, or why nobody does.
struct Standing {
    reason: Reason,
    user: User,
    /// Words of ours that follow the message of a store's fault.
    words: Option<&'static str>,
}

impl Standing {
    fn nobody(reason: Reason) -> Self {
        Self { reason, user: User::nobody(), words: None }
    }

    fn fault(reason: Reason, words: &'static str) -> Self {
        Self { words: Some(words), ..Self::nobody(reason) }
    }
}

impl Authorizer {
    /// Puts the path together.
    pub fn new(
        rules: Rules,
        keys: Keys,
        store: Arc<dyn SessionStore>,
        users: Arc<dyn UserSource>,
        policy: Arc<dyn Policy>,
    ) -> Self {
        Self { rules, keys: ArcSwap::from_pointee(keys), store: ArcSwap::from_pointee(store), users, policy }
    }

    /// From now on these secrets count.
    pub fn replace_keys(&self, keys: Keys) {
        self.keys.store(Arc::new(keys));
    }

    /// From now on this store is asked.
    pub fn replace_store(&self, store: Arc<dyn SessionStore>) {
        self.store.store(Arc::new(store));
    }

    /// Decides. `trace` hears of each step.
    pub async fn decide<T: Trace + Send>(&self, handshake: &Handshake, trace: &mut T) -> Decision {
        if !self.origin_is_allowed(handshake, trace) {
            return self.reject(handshake, Standing::nobody(Reason::OriginNotAllowed), None);
        }
        let session_id = self.session_id(handshake, trace);
        let (standing, session_id) = match session_id {
            Ok(id) => (self.standing(&id, trace).await, Some(id)),
            Err(reason) => (Standing::nobody(reason), None),
        };
        if standing.reason.is_fault() {
            return self.reject(handshake, standing, session_id);
        }
        self.ask_policy(handshake, standing, session_id, trace)
    }

    fn origin_is_allowed<T: Trace>(&self, handshake: &Handshake, trace: &mut T) -> bool {
        // A client that is no browser sends no Origin and could send any: the check is for browsers (RFC 6455, 10.2).
        let (Some(allowed), Some(origin)) = (&self.rules.allowed_origins, handshake.headers.get("origin"))
        else {
            trace.step(|| {
                let found = if self.rules.allowed_origins.is_some() {
                    "there is none, so it passes"
                } else {
                    "not checked: session.allowed_origins is not set"
                };
                Step::passed(StepName::Origin, "the Origin header", found)
            });
            return true;
        };
        let ok = allowed.iter().any(|allowed| allowed == origin);
        trace.step(|| {
            let found = quote(origin);
            if ok {
                return Step::passed(StepName::Origin, "the Origin header", found);
            }
            Step::failed(StepName::Origin, "the Origin header", found)
                .hint("session.allowed_origins does not list it; scheme, host and port must be the same to the letter")
        });
        ok
    }

    fn session_id<T: Trace>(&self, handshake: &Handshake, trace: &mut T) -> Result<SessionId, Reason> {
        let Rules { cookie, outside_cookie, .. } = &self.rules;
        session_id::find(handshake, cookie, *outside_cookie, &self.keys.load(), trace).inspect_err(|_reason| {
            if handshake.xdomain {
                trace.step(|| {
                    Step::failed(StepName::Xdomain, "the gateway's `xdomain`", "the handshake is cross-domain")
                        .hint("a browser sends no cookie then: let the client send the signed session id in `auth`")
                });
            }
        })
    }

    /// From the session on: what is asked again while the socket is open.
    async fn standing<T: Trace + Send>(&self, id: &SessionId, trace: &mut T) -> Standing {
        let store = Arc::clone(&self.store.load());
        let key = store.key(id.shortened().as_str());
        let raw = match store.load(id).await {
            Ok(Some(raw)) => raw,
            Ok(None) => {
                trace.step(|| {
                    Step::failed(StepName::Store, format!("key `{key}`"), format!("no key `{key}`")).hint(
                        "is session.prefix right, and session.store the store of the web app? Otherwise the session \
                         has expired or was logged out",
                    )
                });
                return Standing::nobody(Reason::SessionNotFound);
            }
            Err(fault) => return store_fault(&fault, &key, id, trace),
        };
        let read = if raw.len() > self.rules.max_session_bytes {
            Err("it is larger than limits.max_session_bytes allows")
        } else {
            Session::read(&raw, &self.rules.passport_key).map_err(|unreadable| match unreadable {
                json::Unreadable::Invalid => "it is not valid JSON",
                json::Unreadable::TooDeep => "it is nested deeper than 128 levels",
            })
        };
        match read {
            Ok(session) => {
                trace.step(|| {
                    Step::passed(StepName::Store, format!("key `{key}`"), format!("{} bytes", raw.len()))
                });
                self.logged_in_user(session, id, trace).await
            }
            Err(words) => {
                tracing::warn!(session_id = ?id, bytes = raw.len(), problem = words, "the stored session cannot be read");
                trace.step(|| {
                    Step::failed(
                        StepName::Store,
                        format!("key `{key}`"),
                        format!("{} bytes; {words}", raw.len()),
                    )
                    .hint("is it a session of express-session, and does session.prefix lead to it?")
                });
                Standing::fault(Reason::SessionMalformed, words)
            }
        }
    }

    async fn logged_in_user<T: Trace + Send>(
        &self,
        session: Session,
        id: &SessionId,
        trace: &mut T,
    ) -> Standing {
        let key = &self.rules.passport_key;
        let input = || format!("`{key}` in the session");
        let passport_user = match session {
            Session::Empty => {
                trace.step(|| {
                    Step::failed(StepName::Passport, "the session", "it is empty, which is no session")
                });
                return Standing::nobody(Reason::SessionNotFound);
            }
            Session::NotInitialized => {
                trace.step(|| {
                    Step::failed(StepName::Passport, input(), format!("the session has no `{key}`")).hint(
                        "nobody has logged in with this session; if somebody has, is session.passport_key right, and \
                         does the app call passport.session() after its session middleware?",
                    )
                });
                return Standing::nobody(Reason::PassportNotInitialized);
            }
            Session::NotLoggedIn => {
                trace.step(|| {
                    Step::failed(StepName::Passport, input(), format!("`{key}` has no `user`"))
                        .hint("somebody logged out, or has not logged in yet")
                });
                return Standing::nobody(Reason::NotLoggedIn);
            }
            Session::LoggedIn(passport_user) => passport_user,
        };
        trace.step(|| {
            Step::passed(StepName::Passport, input(), format!("`{key}.user`, {}", kind(&passport_user)))
        });
        self.resolve(passport_user, id, trace).await
    }

    async fn resolve<T: Trace + Send>(
        &self,
        passport_user: serde_json::Value,
        id: &SessionId,
        trace: &mut T,
    ) -> Standing {
        let input = format!("the user source `{}`", self.users.name());
        let resolved = self.users.resolve(passport_user).await.and_then(|user| match user {
            // The user object is the first level, and its fields are what is below it.
            Some(fields) if fields.values().map(json::depth).max().unwrap_or(0) >= json::MAX_STRUCT_DEPTH => {
                Err(SourceFault::new(
                    "the user is nested deeper than 24 levels, more than a gRPC message carries",
                ))
            }
            user => Ok(user),
        });
        match resolved {
            Ok(Some(fields)) => {
                trace.step(|| {
                    Step::passed(StepName::User, input, format!("a user with {} fields", fields.len()))
                });
                Standing { reason: Reason::Authorized, user: User::somebody(fields), words: None }
            }
            Ok(None) => {
                trace.step(|| {
                    Step::failed(StepName::User, input, "no such user")
                        .hint("the session is of somebody who has been removed since")
                });
                Standing::nobody(Reason::UserNotFound)
            }
            Err(fault) => {
                tracing::warn!(session_id = ?id, cause = %fault, "the user source failed");
                trace.step(|| Step::failed(StepName::User, input, "it failed").hint(fault.to_string()));
                Standing::nobody(Reason::UserSourceFailed)
            }
        }
    }

    fn ask_policy<T: Trace>(
        &self,
        handshake: &Handshake,
        standing: Standing,
        session_id: Option<SessionId>,
        trace: &mut T,
    ) -> Decision {
        let holds = self.policy.accepts(&standing.user, handshake.into()).unwrap_or_else(|failed| {
            tracing::warn!(cause = %failed, "the policy failed, which denies");
            false
        });
        trace.step(|| {
            let input = format!("policy.accept, `{}`", self.policy.text());
            match (holds, standing.reason) {
                (true, _) => Step::passed(StepName::Policy, input, "it holds"),
                (false, Reason::Authorized) => {
                    Step::failed(StepName::Policy, input, "it does not hold for this user")
                }
                (false, Reason::NotLoggedIn | Reason::PassportNotInitialized) => {
                    Step::failed(StepName::Policy, input, "it does not hold: nobody is logged in")
                        .hint("to let anonymous sockets in, set policy.accept = \"true\"")
                }
                (false, _) => Step::failed(StepName::Policy, input, "it does not hold: nobody is logged in"),
            }
        });
        if holds {
            let Standing { reason, user, words: _ } = standing;
            return Decision { accepted: true, reason, message: String::new(), user, session_id };
        }
        let denied = match standing.user.logged_in() {
            true => Standing::nobody(Reason::DeniedByPolicy),
            false => standing,
        };
        self.reject(handshake, denied, session_id)
    }

    fn reject(&self, handshake: &Handshake, standing: Standing, session_id: Option<SessionId>) -> Decision {
        let Standing { reason, user, words } = standing;
        let message = match reason {
            Reason::DeniedByPolicy => self.rules.denied_message.clone(),
            reason => format!("{}{}", reason.message(handshake.xdomain), words.unwrap_or("")),
        };
        Decision { accepted: false, reason, message, user, session_id }
    }
}

/// A store's fault, told to the log with its cause and to the caller without.
fn store_fault<T: Trace>(fault: &StoreFault, key: &str, id: &SessionId, trace: &mut T) -> Standing {
    let (reason, words, hint) = match fault {
        StoreFault::Unavailable(_) => (
            Reason::StoreUnavailable,
            "the session store does not answer",
            "the service's log has the cause; is session.store right, and is that store up and reachable from here?",
        ),
        StoreFault::NotASession(_) => (
            Reason::SessionMalformed,
            "what is stored is not a session",
            "the key holds another type than connect-redis writes; does session.prefix lead to the sessions?",
        ),
    };
    // A store that is away is logged by the store itself, once and not for each handshake.
    tracing::debug!(session_id = ?id, cause = %fault, "the session store failed");
    if let StoreFault::NotASession(cause) = fault {
        tracing::warn!(session_id = ?id, %cause, "what is stored is not a session");
    }
    trace.step(|| Step::failed(StepName::Store, format!("key `{key}`"), words).hint(hint));
    Standing::fault(reason, words)
}

/// What a value is, for people; never the value itself.
fn kind(value: &serde_json::Value) -> &'static str {
    match value {
        serde_json::Value::Null => "null",
        serde_json::Value::Bool(_) => "a boolean",
        serde_json::Value::Number(_) => "a number",
        serde_json::Value::String(_) => "a string",
        serde_json::Value::Array(_) => "an array",
        serde_json::Value::Object(_) => "an object",
    }
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorizer").field("rules", &self.rules).finish_non_exhaustive()
    }
}
