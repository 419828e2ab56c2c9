//! Who stands behind a handshake: the path from its session, in the store or in the cookie, to the user.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Authorizer, Handshake, Rules, Sessions, User, cookie_session,
    explain::{Step, StepName, Trace, quote},
    session::Session,
    session_id,
};
use crate::{
    config::user::SESSION,
    json::{self, MAX_STRUCT_BYTES, MAX_STRUCT_DEPTH, Unreadable},
    reason::Reason,
    session_store::{Fault as StoreFault, SessionId, SessionStore},
    user_source::{Fault as SourceFault, Fields, How, Resolved},
};

/// Who stands behind a session, or why nobody does.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) reason: Reason,
    pub(super) user: User,
    /// Words of ours that follow the message of a store's fault.
    pub(super) words: Option<&'static str>,
}

impl Standing {
    pub(super) fn nobody(reason: Reason) -> Self {
        Self { reason, user: User::nobody(), words: None }
    }

    pub(super) fn fault(reason: Reason, words: &'static str) -> Self {
        Self { words: Some(words), ..Self::nobody(reason) }
    }
}

impl Authorizer {
    /// Who stands behind this handshake now, and the id that was looked up for it.
    pub(super) async fn standing<T: Trace + Send>(
        &self,
        handshake: &Handshake,
        trace: &mut T,
    ) -> (Standing, Option<SessionId>) {
        match &self.sessions {
            Sessions::InStore(store, keys) => {
                let Rules { cookie, outside_cookie, .. } = &self.rules;
                match session_id::find(handshake, cookie, *outside_cookie, keys, trace) {
                    Ok(id) => {
                        let session = self.stored(&id, store, trace).await;
                        (self.of_session(session, Some(&id), |_| {}, trace).await, Some(id))
                    }
                    Err(reason) => (Standing::nobody(reason), None),
                }
            }
            Sessions::InCookie(keys) => {
                let session = cookie_session::find(handshake, &self.rules, keys, trace);
                (self.of_session(session, None, |_| {}, trace).await, None)
            }
        }
    }

    /// The session under this id.
    pub(super) async fn stored<T: Trace + Send>(
        &self,
        id: &SessionId,
        store: &Arc<dyn SessionStore>,
        trace: &mut T,
    ) -> Result<Session, Standing> {
        let loaded = store.load(id, self.rules.max_session_bytes).await;
        self.loaded(loaded, id, store, trace)
    }

    /// What a store's answer means.
    pub(super) fn loaded<T: Trace + Send>(
        &self,
        loaded: Result<Option<Vec<u8>>, StoreFault>,
        id: &SessionId,
        store: &Arc<dyn SessionStore>,
        trace: &mut T,
    ) -> Result<Session, Standing> {
        match loaded {
            Ok(Some(raw)) => self.read_session(&raw, id, &**store, trace),
            Ok(None) => {
                trace.step(|| {
                    let place = place(&**store, id);
                    Step::failed(StepName::Store, &place, format!("no {place}")).hint(format!(
                        "{} Otherwise the session has expired or was logged out",
                        store.question()
                    ))
                });
                Err(Standing::nobody(Reason::SessionNotFound))
            }
            Err(fault) => {
                self.complaints.store_failed::<T>(&fault, id, &**store);
                Err(store_fault(&fault, id, &**store, trace))
            }
        }
    }

    /// Who stands behind a session, wherever it was; `is_about` hears of its `passport.user`.
    pub(super) async fn of_session<T: Trace + Send>(
        &self,
        session: Result<Session, Standing>,
        id: Option<&SessionId>,
        is_about: impl FnOnce(&Value) + Send,
        trace: &mut T,
    ) -> Standing {
        match session.and_then(|session| self.passport_user(session, trace)) {
            Ok(passport_user) => {
                is_about(&passport_user);
                self.resolve(passport_user, id, trace).await
            }
            Err(standing) => standing,
        }
    }

    fn read_session<T: Trace>(
        &self,
        raw: &[u8],
        id: &SessionId,
        store: &dyn SessionStore,
        trace: &mut T,
    ) -> Result<Session, Standing> {
        let read = if raw.len() > self.rules.max_session_bytes {
            Err("it is larger than limits.max_session_bytes allows")
        } else {
            Session::read(raw, &self.rules.passport_key).map_err(|unreadable| match unreadable {
                Unreadable::Invalid => "it is not valid JSON",
                Unreadable::TooDeep => "it is nested deeper than 128 levels",
            })
        };
        let bytes = raw.len();
        read.inspect(|session| {
            trace.step(|| match session {
                Session::Empty => {
                    Step::failed(StepName::Store, place(store, id), "it is empty, which is no session")
                }
                _ => Step::passed(StepName::Store, place(store, id), format!("{bytes} bytes")),
            });
        })
        .map_err(|words| {
            self.complaints.session_unreadable::<T>(words, id, bytes);
            trace.step(|| {
                Step::failed(StepName::Store, place(store, id), format!("{bytes} bytes; {words}"))
                    .hint(format!("is it a session of express-session? {}", store.question()))
            });
            Standing::fault(Reason::SessionMalformed, words)
        })
    }

    fn passport_user<T: Trace>(&self, session: Session, trace: &mut T) -> Result<Value, Standing> {
        let key = &self.rules.passport_key;
        let input = || format!("`{key}` in the session");
        match session {
            Session::LoggedIn(passport_user) => {
                trace.step(|| {
                    Step::passed(
                        StepName::Passport,
                        input(),
                        format!("`{key}.user`, {}", kind(&passport_user)),
                    )
                });
                Ok(passport_user)
            }
            Session::NotLoggedIn => {
                trace.step(|| {
                    Step::failed(StepName::Passport, input(), format!("`{key}` has no `user`"))
                        .hint("somebody logged out, or has not logged in yet")
                });
                Err(Standing::nobody(Reason::NotLoggedIn))
            }
            Session::NotInitialized => {
                trace.step(|| {
                    Step::failed(StepName::Passport, input(), format!("the session has no `{key}`")).hint(
                        "nobody has logged in with this session; if somebody has, is session.passport_key right, and \
                         does the app call passport.session() after its session middleware?",
                    )
                });
                Err(Standing::nobody(Reason::PassportNotInitialized))
            }
            Session::Empty => Err(Standing::nobody(Reason::SessionNotFound)),
        }
    }

    async fn resolve<T: Trace + Send>(
        &self,
        passport_user: Value,
        id: Option<&SessionId>,
        trace: &mut T,
    ) -> Standing {
        let source = &self.users;
        // What it was asked for is gone by the time it has answered.
        let place = T::LISTENS.then(|| source.place(&passport_user)).flatten();
        let input = || match &place {
            Some(place) => format!("the user source `{}`: {}", source.name(), quote(place)),
            None => format!("the user source `{}`", source.name()),
        };
        let resolved = source.resolve(passport_user).await.and_then(|resolved| {
            resolved.user.as_ref().map_or(Ok(()), fits_a_message)?;
            Ok(resolved)
        });
        match resolved {
            Ok(Resolved { user: Some(fields), how }) => {
                trace.step(|| {
                    let found = format!("a user with {} fields{}", fields.len(), in_words(how));
                    let step = Step::passed(StepName::User, input(), found);
                    match how {
                        How::Stale(_) => step.hint(
                            "the source does not answer now, and the service's log says why; user.stale_for lets \
                             them in all the same",
                        ),
                        _ => step,
                    }
                });
                Standing { reason: Reason::Authorized, user: User::somebody(fields), words: None }
            }
            Ok(Resolved { user: None, how }) => {
                trace.step(|| {
                    let (found, hint) = match (&place, how) {
                        (None, How::Unasked) if source.name() != SESSION => (
                            "nobody: `passport.user` is neither a text nor a number",
                            "of an object it is the field that user.id_field names",
                        ),
                        _ => ("no such user", source.when_missing()),
                    };
                    Step::failed(StepName::User, input(), format!("{found}{}", in_words(how))).hint(hint)
                });
                Standing::nobody(Reason::UserNotFound)
            }
            Err(fault) => {
                self.complaints.source_failed::<T>(&fault, id, &**source);
                trace.step(|| Step::failed(StepName::User, input(), "it failed").hint(fault.words));
                Standing::nobody(Reason::UserSourceFailed)
            }
        }
    }
}

/// Whether a gRPC message carries the user. That it does not is a fault of this one, and none of the call.
fn fits_a_message(fields: &Fields) -> Result<(), SourceFault> {
    // The user object is the first level, and its fields are what is below it.
    if fields.values().map(json::depth).max().unwrap_or(0) >= MAX_STRUCT_DEPTH {
        return Err(SourceFault::unusable(
            "the user is nested deeper than 24 levels, more than a gRPC message carries",
        ));
    }
    if json::size::as_struct(fields) > MAX_STRUCT_BYTES {
        return Err(SourceFault::unusable(
            "the user is larger than 3 MiB as a google.protobuf.Struct, more than sockets can be told of; a number takes 11 \
             bytes there",
        ));
    }
    Ok(())
}

/// How it was found out who it is, after what was found.
fn in_words(how: How) -> String {
    match how {
        How::Unasked => String::new(),
        How::Asked => ", as it said just now".to_owned(),
        How::Shared => ", as it said just now, asked for another handshake of theirs".to_owned(),
        How::Cached(age) => format!(", as it said {age:.1?} ago (user.cache_ttl)"),
        How::Stale(age) => format!(", as it said {age:.1?} ago (user.stale_for)"),
    }
}

/// A store's fault, told to the caller without its cause.
fn store_fault<T: Trace>(
    fault: &StoreFault,
    id: &SessionId,
    store: &dyn SessionStore,
    trace: &mut T,
) -> Standing {
    let (reason, words, hint) = match fault {
        StoreFault::Unavailable(_) | StoreFault::Refused(_) => (
            Reason::StoreUnavailable,
            "the session store does not answer",
            "the service's log has the cause; is session.store right, and is that store up and reachable from here?"
                .to_owned(),
        ),
        StoreFault::NotASession(_) => (
            Reason::SessionMalformed,
            "what is stored is not a session",
            format!("it is of another kind than the web app's session store writes; {}", store.question()),
        ),
    };
    trace.step(|| Step::failed(StepName::Store, place(store, id), words).hint(hint));
    Standing::fault(reason, words)
}

/// Where the session is, for people.
fn place(store: &dyn SessionStore, id: &SessionId) -> String {
    store.place(&id.shortened())
}

/// What a value is, for people; never the value itself.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
