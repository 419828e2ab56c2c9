//! Between messages and the domain's types. The only place that knows both.

use std::{borrow::Cow, collections::BTreeMap};

use prost_types::{ListValue, Struct, Value, value::Kind};
use serde_json::{Map, Value as Json};
use tonic::Status;

use super::pb;
use crate::authorize::{
    Close, Decision, Handshake, Reason, explain::Step, handshake::Headers, json::MAX_STRUCT_DEPTH,
};

/// A longer gateway id is refused: it goes into every line of the log.
const GATEWAY_ID_BYTES: usize = 256;

/// A field of a request that cannot be.
fn invalid(field: &str, problem: impl std::fmt::Display) -> Status {
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

/// Levels of a Struct, itself the first. The decoder's own limit keeps the recursion shallow.
fn struct_depth(object: &Struct) -> usize {
    1 + object.fields.values().map(value_depth).max().unwrap_or(0)
}

fn value_depth(value: &Value) -> usize {
    match &value.kind {
        Some(Kind::StructValue(object)) => struct_depth(object),
        Some(Kind::ListValue(list)) => 1 + list.values.iter().map(value_depth).max().unwrap_or(0),
        _ => 0,
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
    }
}

/// A JSON object as a message.
pub fn object(object: Map<String, Json>) -> Struct {
    Struct {
        fields: object.into_iter().map(|(name, member)| (name, value(member))).collect::<BTreeMap<_, _>>(),
    }
}

/// A JSON value as a message. Numbers become doubles: whole ones beyond 2^53 are rounded.
pub fn value(json: Json) -> Value {
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(flag) => Kind::BoolValue(flag),
        Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Json::String(text) => Kind::StringValue(text),
        Json::Array(elements) => {
            Kind::ListValue(ListValue { values: elements.into_iter().map(value).collect() })
        }
        Json::Object(members) => Kind::StructValue(object(members)),
    };
    Value { kind: Some(kind) }
}

/// A message's user as JSON, for the commands that print it.
pub fn json_object(object: &Struct) -> Json {
    Json::Object(object.fields.iter().map(|(name, member)| (name.clone(), json(member))).collect())
}

/// A message's value as JSON.
pub fn json(value: &Value) -> Json {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(flag)) => Json::Bool(*flag),
        Some(Kind::NumberValue(number)) => number_for_people(*number),
        Some(Kind::StringValue(text)) => Json::String(text.clone()),
        Some(Kind::ListValue(list)) => Json::Array(list.values.iter().map(json).collect()),
        Some(Kind::StructValue(object)) => json_object(object),
    }
}

/// A whole number is printed as one, as JavaScript would.
fn number_for_people(number: f64) -> Json {
    #[expect(clippy::cast_possible_truncation, reason = "compared with the original before it is used")]
    let whole = number as i64;
    #[expect(clippy::cast_precision_loss, reason = "a number that loses here is not printed as whole")]
    let exact = whole as f64 == number && whole.unsigned_abs() < (1 << 53);
    if exact { Json::from(whole) } else { Json::from(number) }
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

    #[test]
    fn whole_numbers_are_printed_whole() {
        assert_eq!(number_for_people(1.0).to_string(), "1");
        assert_eq!(number_for_people(1.5).to_string(), "1.5");
        assert_eq!(number_for_people(1e21).to_string(), "1e+21");
    }
}
