//! The decision path: a handshake goes in, a decision comes out.
//!
//! Origin, session (in a store under its id, or in the cookie), passport, user, policy, in this order. The path knows no
//! transport: doors make the [`Handshake`] and carry the [`Decision`] away.

use std::{fmt, sync::Arc};

use crate::{
    config::{origin::AllowedOrigin, session::OutsideCookie},
    reason::{Close, Reason},
    session_store::{SessionId, SessionStore},
    user_source::UserSource,
};

pub mod again;
mod cap;
mod complaints;
pub mod cookie;
mod cookie_session;
pub mod explain;
pub mod handshake;
pub mod keygrip;
mod origin;
pub mod policy;
pub mod session;
mod session_id;
pub mod signature;
mod standing;
mod user;

pub use self::{
    cap::{Cap, OpenSockets},
    handshake::Handshake,
    user::User,
};
use self::{
    complaints::Complaints,
    explain::{Step, StepName, Trace},
    keygrip::Keygrip,
    policy::Policy,
    signature::Keys,
    standing::Standing,
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
    pub allowed_origins: Option<Vec<AllowedOrigin>>,
    /// What those are told whom the policy denies.
    pub denied_message: String,
    /// A larger session is malformed, in bytes.
    pub max_session_bytes: usize,
    /// The path within a user that says who it is.
    pub id_field: Vec<Box<str>>,
}

/// Where the web app keeps its sessions.
#[derive(Debug)]
pub enum Sessions {
    /// In a store, each under an id, which is in the cookie, signed by one of the keys.
    InStore(Arc<dyn SessionStore>, Keys),
    /// Each in the cookie itself, signed by one of the keys. There is no id, so nothing can be asked again later.
    InCookie(Keygrip),
}

/// Decides about handshakes. Where the settings change another takes its place.
pub struct Authorizer {
    rules: Rules,
    sessions: Sessions,
    users: Arc<dyn UserSource>,
    policy: Arc<dyn Policy>,
    complaints: Complaints,
    cap: Option<Cap>,
}

impl Authorizer {
    /// Puts the path together, without a cap.
    pub fn new(
        rules: Rules,
        sessions: Sessions,
        users: Arc<dyn UserSource>,
        policy: Arc<dyn Policy>,
    ) -> Self {
        Self { rules, sessions, users, policy, complaints: Complaints::default(), cap: None }
    }

    /// The same, where nobody may have more sockets than this.
    pub fn with_cap(self, cap: Option<Cap>) -> Self {
        Self { cap, ..self }
    }

    /// How many sockets one person may have.
    pub fn cap(&self) -> Option<&Cap> {
        self.cap.as_ref()
    }

    /// Whether sessions are in a store: only what is there can be asked again, and ended.
    pub fn keeps_sessions(&self) -> bool {
        matches!(self.sessions, Sessions::InStore(..))
    }

    /// Decides. `trace` hears of each step.
    pub async fn decide<T: Trace + Send>(&self, handshake: &Handshake, trace: &mut T) -> Decision {
        if !origin::is_allowed(handshake, self.rules.allowed_origins.as_deref(), trace) {
            return self.reject(handshake, Standing::nobody(Reason::OriginNotAllowed), None);
        }
        let (standing, session_id) = self.standing(handshake, trace).await;
        if handshake.xdomain && standing.reason == Reason::NoSessionId {
            trace.step(|| self.xdomain_step());
        }
        if standing.reason.is_fault() {
            return self.reject(handshake, standing, session_id);
        }
        self.ask_policy(handshake, standing, session_id, trace)
    }

    fn xdomain_step(&self) -> Step {
        let found = "the handshake is cross-domain";
        Step::failed(StepName::Xdomain, "the gateway's `xdomain`", found).hint(match self.sessions {
            Sessions::InStore(..) => {
                "a browser sends no cookie then: let the client send the signed session id in `auth`"
            }
            Sessions::InCookie(_) => "a browser sends no cookie then, and the session is nowhere else",
        })
    }

    fn ask_policy<T: Trace>(
        &self,
        handshake: &Handshake,
        standing: Standing,
        session_id: Option<SessionId>,
        trace: &mut T,
    ) -> Decision {
        let socket = policy::Socket::from(handshake);
        let (mut asked, mut said) = (socket, self.policy_holds(&standing.user, socket));
        if matches!(said, Ok(true)) && socket.as_listed() != socket {
            asked = socket.as_listed();
            said = self.policy_holds(&standing.user, asked);
        }
        trace.step(|| policy::step(&*self.policy, &said, &standing, socket, asked));
        let holds = said.unwrap_or(false);
        if holds
            && let Some(cap) = &self.cap
            && !cap.allows(&standing.user, &self.rules.id_field, trace)
        {
            return self.reject(handshake, Standing::nobody(Reason::TooManySockets), session_id);
        }
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

    fn policy_holds(&self, user: &User, socket: policy::Socket<'_>) -> Result<bool, policy::PolicyFailed> {
        self.policy.accepts(user, socket).inspect_err(|failed| {
            tracing::warn!(cause = %failed, "the policy failed, which denies");
        })
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
        policy::AcceptPolicy,
        *,
    };
    use crate::{config::decisions::Accept, session_store::MemoryStore, user_source::SessionUser};

    /// What a policy makes of somebody in this role who asks for a socket of `/chat`.
    async fn decide(policy: &str, role: &str) -> (Decision, Steps) {
        decide_at(policy, role, "").await
    }

    /// The same from this address.
    async fn decide_at(policy: &str, role: &str, remote_address: &str) -> (Decision, Steps) {
        let store = MemoryStore::new();
        store.insert("id", format!(r#"{{"passport":{{"user":{{"role":"{role}"}}}}}}"#));
        let rules = Rules {
            cookie: "sid".to_owned(),
            passport_key: "passport".to_owned(),
            outside_cookie: OutsideCookie::Off,
            allowed_origins: None,
            denied_message: "Admins only".to_owned(),
            max_session_bytes: 1000,
            id_field: vec!["id".into()],
        };
        let keys = Keys::new(&[SecretString::from("secret")]).expect("usable secrets");
        let cookie = format!("sid=s:{}", keys.sign("id").expect("a signature"));
        let headers =
            [("cookie".to_owned(), cookie), ("origin".to_owned(), "https://app.example".to_owned())];
        let handshake = Handshake {
            headers: Headers::new(headers.into()).expect("two headers"),
            namespace: "/chat".to_owned(),
            remote_address: remote_address.to_owned(),
            ..Handshake::default()
        };
        let policy = AcceptPolicy::new(Accept::compile(policy).expect("a policy"));
        let sessions = Sessions::InStore(Arc::new(store), keys);
        let authorizer = Authorizer::new(rules, sessions, Arc::new(SessionUser), Arc::new(policy));
        let mut steps = Steps::default();
        let explained = authorizer.decide(&handshake, &mut steps).await;
        let silent = authorizer.decide(&handshake, &mut Silent).await;
        assert_eq!((explained.accepted, explained.reason), (silent.accepted, silent.reason));
        (silent, steps)
    }

    fn policy_step(steps: &Steps) -> (&str, &str) {
        let step = steps.0.last().filter(|step| step.name == StepName::Policy && !step.ok);
        step.map(|step| (&*step.found, &*step.hint)).expect("the policy comes last and does not hold")
    }

    #[tokio::test]
    async fn a_policy_that_does_not_hold_denies_with_its_own_message() {
        let policy =
            "user.role == 'admin' && socket.namespace == '/chat' && socket.origin == 'https://app.example'";
        let (decision, steps) = decide(policy, "member").await;
        assert_eq!((decision.accepted, decision.reason), (false, Reason::DeniedByPolicy));
        assert_eq!((&*decision.message, decision.error()), ("Admins only", false));
        assert_eq!(decision.user, User::nobody());
        assert_eq!(policy_step(&steps), ("it does not hold for this user", ""));
        assert!(decide(policy, "admin").await.0.accepted);
    }

    #[tokio::test]
    async fn a_policy_that_fails_denies_and_says_why() {
        let (decision, steps) = decide("user.team == 'a' || socket.remote_address == 'b'", "admin").await;
        assert_eq!(decision.reason, Reason::DeniedByPolicy);
        let (found, hint) = policy_step(&steps);
        assert_eq!(found, "the policy failed: there is no `user.team`, which denies");
        assert!(
            hint.contains("has(user.field)") && hint.contains("`socket.remote_address` is empty"),
            "{hint}"
        );
    }

    #[tokio::test]
    async fn what_is_too_long_to_be_listed_lets_nobody_in_whom_it_would_end_later() {
        let inside = "socket.remote_address.startsWith('10.')";
        let outside = "!socket.remote_address.startsWith('6.')";
        let address = |start: &str, bytes| format!("{start}{}", "0".repeat(bytes - start.len()));
        for (policy, address, accepted) in [
            (inside, address("10.", 256), true),
            (inside, address("10.", 257), false),
            (outside, address("6.", 257), false),
            (outside, address("10.", 257), true),
            ("user.logged_in", address("6.", 257), true),
        ] {
            let (decision, steps) = decide_at(policy, "member", &address).await;
            assert_eq!(decision.accepted, accepted, "{policy} {}", address.len());
            let has_to = steps.0.last().is_some_and(|step| step.hint.contains("too long to be listed"));
            assert_eq!(has_to, policy == inside && !accepted, "{steps:?}");
        }
    }
}
