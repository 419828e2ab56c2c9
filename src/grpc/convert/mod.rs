//! Between messages and the domain's types. The only place that knows both.

use std::borrow::Cow;

use prost_types::{Struct, value::Kind};
use tonic::Status;

use super::pb;

pub mod commands;
pub mod sockets;
pub mod structs;

use self::structs::struct_depth;
pub use self::structs::{json, json_object, object, value};
use crate::{
    authorize::{Decision, Handshake, explain::Step, handshake::Headers},
    json::MAX_STRUCT_DEPTH,
    reason::{Close, Reason},
};

/// A longer gateway id is refused: it goes into every line of the log.
pub(super) const GATEWAY_ID_BYTES: usize = 256;

/// A field of a request that cannot be.
pub(super) fn invalid(field: &str, problem: impl std::fmt::Display) -> Status {
    Status::invalid_argument(format!("{field}: {problem}"))
}

/// Checks and takes apart what Authorize and Explain are asked.
pub fn handshake(handshake: Option<pb::Handshake>, gateway_id: &str) -> Result<Handshake, Status> {
    if gateway_id.len() > GATEWAY_ID_BYTES {
        return Err(invalid("gateway_id", "it is longer than 256 bytes"));
    }
    let pb::Handshake { headers, url, auth, remote_address, xdomain, namespace } =
        handshake.ok_or_else(|| invalid("handshake", "it is required"))?;
    Ok(Handshake {
        headers: Headers::new(headers).map_err(|duplicate| invalid("handshake.headers", duplicate))?,
        url,
        auth_session_id: auth.map(auth_session_id).transpose()?.flatten(),
        remote_address,
        xdomain,
        namespace,
    })
}

fn auth_session_id(mut auth: Struct) -> Result<Option<String>, Status> {
    if struct_depth(&auth) > MAX_STRUCT_DEPTH {
        return Err(invalid("handshake.auth", format!("it is nested deeper than {MAX_STRUCT_DEPTH} levels")));
    }
    match auth.fields.remove("session_id").and_then(|value| value.kind) {
        Some(Kind::StringValue(id)) => Ok(Some(id)),
        _ => Ok(None),
    }
}

/// The decision as a message.
pub fn decision(decision: Decision) -> pb::AuthorizeResponse {
    let (error, close) = (decision.error(), decision.close());
    let Decision { accepted, reason: why, message, user, session_id } = decision;
    pb::AuthorizeResponse {
        accepted,
        reason: reason(why).into(),
        message,
        error,
        user: Some(object(user.into_fields())),
        session_id: session_id.map(|id| id.into_exposed()).unwrap_or_default(),
        close: close.map(|Close { code, reason }| pb::Close { code: code.into(), reason: reason.to_owned() }),
    }
}

/// The decision for people: its session id shortened.
pub fn explained(mut explained: Decision, steps: Vec<Step>) -> pb::ExplainResponse {
    let session_id = explained.session_id.take().map(|id| id.shortened()).unwrap_or_default();
    let decision = pb::AuthorizeResponse { session_id, ..decision(explained) };
    pb::ExplainResponse { decision: Some(decision), steps: steps.into_iter().map(step).collect() }
}

fn step(step: Step) -> pb::ExplainStep {
    let Step { name, input, found, ok, hint } = step;
    pb::ExplainStep { name: name.as_str().to_owned(), input, found, ok, hint }
}

/// The reason's place in the API.
pub fn reason(reason: Reason) -> pb::Reason {
    match reason {
        Reason::Authorized => pb::Reason::Authorized,
        Reason::NoSessionId => pb::Reason::NoSessionId,
        Reason::BadSignature => pb::Reason::BadSignature,
        Reason::SessionNotFound => pb::Reason::SessionNotFound,
        Reason::SessionMalformed => pb::Reason::SessionMalformed,
        Reason::PassportNotInitialized => pb::Reason::PassportNotInitialized,
        Reason::NotLoggedIn => pb::Reason::NotLoggedIn,
        Reason::UserNotFound => pb::Reason::UserNotFound,
        Reason::UserSourceFailed => pb::Reason::UserSourceFailed,
        Reason::StoreUnavailable => pb::Reason::StoreUnavailable,
        Reason::OriginNotAllowed => pb::Reason::OriginNotAllowed,
        Reason::DeniedByPolicy => pb::Reason::DeniedByPolicy,
        Reason::TooManySockets => pb::Reason::TooManySockets,
        Reason::AnotherUser => pb::Reason::AnotherUser,
        Reason::Disconnected => pb::Reason::Disconnected,
        Reason::Evicted => pb::Reason::Evicted,
        Reason::GatewayDraining => pb::Reason::GatewayDraining,
        Reason::Closed => pb::Reason::Closed,
        Reason::GatewayGone => pb::Reason::GatewayGone,
        Reason::LeftFilter => pb::Reason::LeftFilter,
    }
}

/// The name of a reason without its enum's prefix: `SESSION_NOT_FOUND`.
pub fn reason_name(reason: pb::Reason) -> Cow<'static, str> {
    let name = reason.as_str_name();
    Cow::Borrowed(name.strip_prefix("REASON_").unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_the_same_names_on_both_sides() {
        for reason in Reason::ALL {
            assert_eq!(reason_name(super::reason(reason)).to_ascii_lowercase(), reason.name());
        }
    }
}
