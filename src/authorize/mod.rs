//! The decision path: a handshake goes in, a decision comes out.
//!
//! Origin, session id, store, passport, user, policy, in this order. The path knows no transport: doors make the
//! [`Handshake`] and carry the [`Decision`] away.

use std::{fmt, sync::Arc};

use crate::{
    config::session::OutsideCookie,
    reason::{Close, Reason},
    session_store::{SessionId, SessionStore},
    user_source::UserSource,
};

pub mod cookie;
pub mod explain;
pub mod handshake;
pub mod policy;
pub mod session;
mod session_id;
pub mod signature;
mod standing;
mod user;

use self::{
    explain::{Step, StepName, Trace, quote},
    policy::Policy,
    signature::Keys,
    standing::Standing,
};
pub use self::{handshake::Handshake, user::User};

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
        (!self.accepted).then(|| self.reason.close()).flatten()
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

/// Decides about handshakes. Where the settings change another takes its place.
pub struct Authorizer {
    rules: Rules,
    keys: Keys,
    store: Arc<dyn SessionStore>,
    users: Arc<dyn UserSource>,
    policy: Arc<dyn Policy>,
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
        Self { rules, keys, store, users, policy }
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
        session_id::find(handshake, cookie, *outside_cookie, &self.keys, trace).inspect_err(|reason| {
            if handshake.xdomain && *reason == Reason::NoSessionId {
                trace.step(|| {
                    Step::failed(
                        StepName::Xdomain,
                        "the gateway's `xdomain`",
                        "the handshake is cross-domain",
                    )
                    .hint(
                        "a browser sends no cookie then: let the client send the signed session id in `auth`",
                    )
                });
            }
        })
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

impl fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorizer").field("rules", &self.rules).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::{
        explain::{Silent, Steps},
        handshake::Headers,
        policy::{PolicyFailed, Socket},
        *,
    };
    use crate::{session_store::MemoryStore, user_source::SessionUser};

    /// Sees a role, or cannot.
    struct Admins {
        fails: bool,
    }

    impl Policy for Admins {
        fn accepts(&self, user: &User, socket: Socket<'_>) -> Result<bool, PolicyFailed> {
            assert_eq!((socket.origin, socket.namespace), ("https://app.example", "/chat"));
            if self.fails {
                Err(PolicyFailed("no such field".to_owned()))
            } else {
                Ok(user.fields()["role"] == "admin")
            }
        }

        fn text(&self) -> &str {
            "user.role == \"admin\""
        }
    }

    async fn decide(role: &str, fails: bool) -> (Decision, Steps) {
        let store = MemoryStore::new();
        store.insert("id", format!(r#"{{"passport":{{"user":{{"role":"{role}"}}}}}}"#));
        let rules = Rules {
            cookie: "sid".to_owned(),
            passport_key: "passport".to_owned(),
            outside_cookie: OutsideCookie::Off,
            allowed_origins: None,
            denied_message: "Admins only".to_owned(),
            max_session_bytes: 1000,
        };
        let keys = Keys::new(&[SecretString::from("secret")]).expect("usable secrets");
        let cookie = format!("sid=s:{}", keys.sign("id").expect("a signature"));
        let headers =
            [("cookie".to_owned(), cookie), ("origin".to_owned(), "https://app.example".to_owned())];
        let handshake = Handshake {
            headers: Headers::new(headers.into()).expect("two headers"),
            namespace: "/chat".to_owned(),
            ..Handshake::default()
        };
        let authorizer =
            Authorizer::new(rules, keys, Arc::new(store), Arc::new(SessionUser), Arc::new(Admins { fails }));
        let mut steps = Steps::default();
        let explained = authorizer.decide(&handshake, &mut steps).await;
        let silent = authorizer.decide(&handshake, &mut Silent).await;
        assert_eq!((explained.accepted, explained.reason), (silent.accepted, silent.reason));
        (silent, steps)
    }

    #[tokio::test]
    async fn a_policy_that_does_not_hold_denies_with_its_own_message() {
        let (decision, steps) = decide("member", false).await;
        assert_eq!((decision.accepted, decision.reason), (false, Reason::DeniedByPolicy));
        assert_eq!((&*decision.message, decision.error()), ("Admins only", false));
        assert_eq!(decision.user, User::nobody());
        assert!(steps.0.last().is_some_and(|step| step.name == StepName::Policy && !step.ok));
        assert!(decide("admin", false).await.0.accepted);
    }

    #[tokio::test]
    async fn a_policy_that_fails_denies() {
        assert_eq!(decide("admin", true).await.0.reason, Reason::DeniedByPolicy);
    }
}
