//! What socketpass decided, and what the application may say to it.

use std::{error::Error, fmt};

use serde::Serialize;

use crate::{
    handshake::Handshake,
    proto::{self, Reason},
    user::User,
    values::from_struct,
};

/// How a socket is closed: a WebSocket close code (4000-4499: the client may come back; 4500-4999: it need not) and the
/// reason in words for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Close {
    /// WebSocket close code, 4000-4999.
    pub code: u16,
    /// The reason's name in lower case, `session_not_found`.
    pub reason: String,
}

impl Close {
    pub(crate) fn service_unavailable() -> Self {
        Self { code: 4000, reason: "service_unavailable".into() }
    }

    pub(crate) fn gateway_draining() -> Self {
        Self { code: 4001, reason: "gateway_draining".into() }
    }

    pub(crate) fn denied_by_policy() -> Self {
        Self { code: 4504, reason: "denied_by_policy".into() }
    }

    pub(crate) fn disconnected() -> Self {
        Self { code: 4505, reason: "disconnected".into() }
    }
}

impl TryFrom<proto::Close> for Close {
    type Error = std::num::TryFromIntError;

    fn try_from(close: proto::Close) -> Result<Self, Self::Error> {
        Ok(Self { code: close.code.try_into()?, reason: close.reason })
    }
}

impl From<&Close> for proto::Close {
    fn from(close: &Close) -> Self {
        Self { code: close.code.into(), reason: close.reason.clone() }
    }
}

/// Whether a handshake may come in, and who it is.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Whether they may come in.
    pub accepted: bool,
    /// Why. Of an accepted handshake anything but `Authorized` says why nobody is logged in; `Unspecified` says that the
    /// service could not be asked.
    pub reason: Reason,
    /// Why not, for people. Empty when accepted.
    pub message: String,
    /// passport.socketio's `critical`: an error rather than a plain no.
    pub error: bool,
    /// Who it is; `{"logged_in": false}` when nobody is logged in.
    pub user: User,
    /// What to tell the client. None when accepted.
    pub close: Option<Close>,
    pub(crate) session_id: SessionId,
}

/// As good as a login, so it is never printed.
#[derive(Clone, Default)]
pub(crate) struct SessionId(pub(crate) String);

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "…" })
    }
}

pub(crate) const UNAVAILABLE: &str = "Authorization service unavailable";

impl Decision {
    /// What there is to say when the service could not be asked.
    pub(crate) fn none() -> Self {
        Self {
            accepted: false,
            reason: Reason::Unspecified,
            message: UNAVAILABLE.into(),
            error: true,
            user: User::anonymous(),
            close: Some(Close::service_unavailable()),
            session_id: SessionId::default(),
        }
    }

    /// Whether the service answered that it could not decide.
    pub fn is_fault(&self) -> bool {
        matches!(self.reason, Reason::SessionMalformed | Reason::UserSourceFailed | Reason::StoreUnavailable)
    }
}

impl From<proto::AuthorizeResponse> for Decision {
    fn from(response: proto::AuthorizeResponse) -> Self {
        let reason = response.reason();
        Self {
            // A reason that is not known here comes from a newer service, and might be any.
            accepted: response.accepted && reason != Reason::Unspecified,
            reason,
            message: response.message,
            error: response.error,
            user: response.user.map_or_else(User::anonymous, |user| User::from(from_struct(user))),
            close: response.close.and_then(|close| close.try_into().ok()),
            session_id: SessionId(response.session_id),
        }
    }
}

/// A handshake and what was decided about it, for the hooks `success` and `fail`.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// What was decided.
    pub decision: Decision,
    /// What the client sent.
    pub handshake: Handshake,
}

/// What a hook says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The decision stands.
    Stands,
    /// Let them in. Against the decision they come in as nobody.
    Accept,
    /// Turn them away with this message.
    Reject(String),
}

/// A hook's verdict, or its failure, which rejects: of a `success` with `{4000, "service_unavailable"}`, of a `fail` as it was
/// decided.
pub type HookResult = Result<Verdict, Box<dyn Error + Send + Sync>>;

/// A handshake that was turned away.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Rejection {
    /// The HTTP status that says so before an upgrade: 401, 403, 429 or 503.
    pub status: http::StatusCode,
    /// Why, for people.
    pub message: String,
    /// What to tell the client.
    pub close: Close,
}

impl Rejection {
    pub(crate) fn by_decision(decision: Decision) -> Self {
        Self {
            status: status(&decision),
            message: if decision.message.is_empty() { UNAVAILABLE.into() } else { decision.message },
            close: decision.close.unwrap_or_else(Close::service_unavailable),
        }
    }

    /// Whoever comes while the client closes.
    pub(crate) fn while_closing() -> Self {
        Self {
            status: http::StatusCode::SERVICE_UNAVAILABLE,
            message: "Gateway is shutting down".into(),
            close: Close::gateway_draining(),
        }
    }

    /// The application turned away whom the service let in.
    pub(crate) fn by_application(message: String) -> Self {
        Self { status: http::StatusCode::FORBIDDEN, message, close: Close::denied_by_policy() }
    }

    /// What a client hears over HTTP: `{"code", "reason", "message"}`.
    pub fn body(&self) -> String {
        serde_json::json!({"code": self.close.code, "reason": self.close.reason, "message": self.message})
            .to_string()
    }

    /// The answer to the handshake, in place of an upgrade.
    pub fn to_response<B: From<String>>(&self) -> http::Response<B> {
        let mut response = http::Response::new(B::from(self.body()));
        *response.status_mut() = self.status;
        response
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        response
    }
}

fn status(decision: &Decision) -> http::StatusCode {
    match decision.reason {
        // The service has one that is not known here.
        Reason::Unspecified if !decision.error => {
            if decision.user.logged_in() {
                http::StatusCode::FORBIDDEN
            } else {
                http::StatusCode::UNAUTHORIZED
            }
        }
        Reason::NoSessionId
        | Reason::BadSignature
        | Reason::SessionNotFound
        | Reason::PassportNotInitialized
        | Reason::NotLoggedIn
        | Reason::UserNotFound => http::StatusCode::UNAUTHORIZED,
        Reason::OriginNotAllowed | Reason::DeniedByPolicy => http::StatusCode::FORBIDDEN,
        Reason::TooManySockets => http::StatusCode::TOO_MANY_REQUESTS,
        _ => http::StatusCode::SERVICE_UNAVAILABLE,
    }
}
