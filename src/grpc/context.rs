//! One call, as everybody on its way in knows it.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use http::{HeaderMap, HeaderName, HeaderValue};
use tonic::Status;

use super::callers::{
    Caller,
    methods::{Access, Method},
};
use crate::{
    config::callers::Role,
    door::connections::Peer,
    telemetry::audit::{AdminCall, Audit, Call},
};

/// The id of a call: the caller's `x-request-id`, or one made up here.
#[derive(Clone, Debug)]
pub(super) struct RequestId(HeaderValue);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A longer one is not echoed: it would be copied into every line of the log.
const REQUEST_ID_LENGTH: usize = 128;

impl RequestId {
    fn of(headers: &HeaderMap) -> Self {
        let theirs = headers.get(REQUEST_ID).filter(|id| {
            (1..=REQUEST_ID_LENGTH).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
        });
        Self(theirs.cloned().unwrap_or_else(Self::random))
    }

    fn random() -> HeaderValue {
        let id = format!("{:016x}", rand::random::<u64>());
        HeaderValue::from_maybe_shared(id).unwrap_or(HeaderValue::from_static("none"))
    }

    fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

/// A call that is under way. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct CallContext(Arc<Known>);

#[derive(Debug)]
struct Known {
    id: RequestId,
    /// `None`: the service has no such method.
    method: Option<&'static Method>,
    /// `None`: it came past the door.
    peer: Option<Arc<Peer>>,
    /// Set when it is known.
    caller: OnceLock<Caller>,
    /// Its line in the audit log, if it is for admins alone.
    kept: Mutex<Option<AdminCall>>,
    audit: Arc<Audit>,
}

impl CallContext {
    pub(super) fn begin<B>(
        request: &http::Request<B>,
        method: Option<&'static Method>,
        audit: &Arc<Audit>,
    ) -> Self {
        let context = Self(Arc::new(Known {
            id: RequestId::of(request.headers()),
            method,
            peer: request.extensions().get().cloned(),
            caller: OnceLock::new(),
            kept: Mutex::new(None),
            audit: Arc::clone(audit),
        }));
        if method.is_some_and(|method| method.access == Access::Role(Role::Admin)) {
            context.is_for_admins();
        }
        context
    }

    /// It asks for what is admins' alone, and so has a line in the audit log.
    pub(super) fn is_for_admins(&self) {
        let name = self.0.method.map_or("unknown", Method::name);
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get_or_insert_with(|| AdminCall::begin(Arc::clone(&self.0.audit), name));
    }

    pub(super) fn of<T>(request: &tonic::Request<T>) -> Result<Self, Status> {
        Self::in_extensions(request.extensions().get())
    }

    /// The one that a layer further out has put into a request's extensions.
    pub(super) fn in_extensions(found: Option<&Self>) -> Result<Self, Status> {
        found.cloned().ok_or_else(|| Status::internal("the call came past the way in"))
    }

    pub(super) fn request_id(&self) -> &str {
        self.0.id.as_str()
    }

    /// Has the answer say which call it was.
    pub(super) fn echo(&self, headers: &mut HeaderMap) {
        let mut id = self.0.id.0.clone();
        // No two answers have the same: remembering it for HPACK would push out what can be said in short.
        id.set_sensitive(true);
        headers.insert(REQUEST_ID, id);
    }

    pub(super) fn method(&self) -> Option<&'static Method> {
        self.0.method
    }

    pub(super) fn peer(&self) -> Result<&Arc<Peer>, Status> {
        self.0.peer.as_ref().ok_or_else(|| Status::internal("the connection is not known"))
    }

    /// Who calls; it is said once.
    pub(super) fn is_by(&self, caller: Caller) {
        let _ = self.0.caller.set(caller);
    }

    pub(super) fn caller(&self) -> Option<&Caller> {
        self.0.caller.get()
    }

    /// As the audit log has it.
    pub(super) fn call(&self) -> Call<'_> {
        Call { request_id: self.request_id(), caller: self.caller().map(Caller::name) }
    }

    /// Has the audit log say more about it.
    pub(super) fn keep(&self, say: impl FnOnce(&mut AdminCall)) {
        if let Some(kept) = &mut *self.0.kept.lock().unwrap_or_else(PoisonError::into_inner) {
            say(kept);
        }
    }

    /// It has ended with the status of this number.
    pub(super) fn ended(&self, code: i32) {
        let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(kept) = kept {
            kept.ended(self.call(), code);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_echoed_when_it_is_fit_for_a_log() {
        let of = |id: &str| {
            let value = HeaderValue::from_str(id).expect("a value");
            RequestId::of(&HeaderMap::from_iter([(REQUEST_ID, value)])).as_str().to_owned()
        };
        assert_eq!(of("abc-1"), "abc-1");
        for unfit in ["", "a b", "é", &"x".repeat(129)] {
            assert_eq!(of(unfit).len(), 16, "{unfit}");
        }
    }
}
