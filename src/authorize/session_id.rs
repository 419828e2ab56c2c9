//! Which session a handshake is about: the id in the query, the auth payload or the cookie.

use std::borrow::Cow;

use serde_json::Value;

use super::{
    cookie,
    explain::{Step, StepName, Trace, cookie_names},
    handshake::Handshake,
    signature::Keys,
};
use crate::{config::session::OutsideCookie, json, reason::Reason, session_store::SessionId};

/// Finds the session id: of query, auth payload and cookie the first that is not empty decides.
pub(super) fn find<T: Trace>(
    handshake: &Handshake,
    cookie_name: &str,
    outside_cookie: OutsideCookie,
    keys: &Keys,
    trace: &mut T,
) -> Result<SessionId, Reason> {
    let query = handshake.query_session_id().map(|id| ("the url's query", id));
    let auth = handshake.auth_session_id.as_deref().map(|id| ("the auth payload", Cow::Borrowed(id)));
    let outside = query.into_iter().chain(auth).find(|(_place, id)| !id.is_empty());
    match outside {
        Some((place, id)) if outside_cookie != OutsideCookie::Off => {
            trace.step(|| {
                Step::passed(StepName::SessionId, place, "a `session_id`, so the cookie is not looked at")
            });
            from_outside(place, &id, outside_cookie, keys, trace)
        }
        ignored => {
            let ignored = ignored.map(|(place, _id)| place);
            from_cookie(handshake.headers.get("cookie"), cookie_name, ignored, keys, trace)
        }
    }
}

fn from_outside<T: Trace>(
    place: &'static str,
    id: &str,
    outside_cookie: OutsideCookie,
    keys: &Keys,
    trace: &mut T,
) -> Result<SessionId, Reason> {
    match id.strip_prefix("s:") {
        Some(signed) => {
            let id = verify(place, signed, keys, trace)?;
            SessionId::new(id.to_owned()).ok_or_else(|| empty(place, trace))
        }
        None if outside_cookie == OutsideCookie::Unsigned => {
            trace.step(|| {
                Step::passed(
                    StepName::Signature,
                    place,
                    "a bare id, taken because session.id_outside_cookie is unsigned",
                )
            });
            SessionId::new(id.to_owned()).ok_or(Reason::NoSessionId)
        }
        None => {
            trace.step(|| {
                Step::failed(StepName::Signature, place, "a value without a signature").hint(
                    "send the cookie's whole decoded value, `s:` and signature included; bare ids are taken only with \
                     session.id_outside_cookie = \"unsigned\", where whoever learns an id is logged in with it",
                )
            });
            Err(Reason::BadSignature)
        }
    }
}

fn from_cookie<T: Trace>(
    header: Option<&str>,
    name: &str,
    ignored: Option<&'static str>,
    keys: &Keys,
    trace: &mut T,
) -> Result<SessionId, Reason> {
    let place = "the Cookie header";
    let Some(pair) = header.and_then(|header| cookie::find(header, name)) else {
        trace.step(|| {
            let step = absent(header, name);
            match ignored {
                Some(place) => step.hint(format!(
                    "there is a `session_id` in {place}, which session.id_outside_cookie = \"off\" ignores"
                )),
                None => step,
            }
        });
        return Err(Reason::NoSessionId);
    };
    let value = pair.value();
    let Some(signed) = value.strip_prefix("s:") else {
        trace.step(|| {
            let has_keygrips_signature =
                header.is_some_and(|header| cookie::find(header, &format!("{name}.sig")).is_some());
            let (found, hint) = if value.is_empty() {
                (format!("cookie `{name}` is empty"), "of several cookies of one name the first counts")
            } else {
                (
                    format!("cookie `{name}` is not signed"),
                    if has_keygrips_signature {
                        "its signature is in a cookie of its own: is it one of cookie-session, which session.store = \
                         \"cookie-session:\" reads?"
                    } else {
                        "express-session's cookies begin with `s:` (`s%3A` in the header); is it another middleware's \
                         cookie?"
                    },
                )
            };
            Step::failed(StepName::SessionId, place, found).hint(hint)
        });
        return Err(Reason::NoSessionId);
    };
    trace.step(|| Step::passed(StepName::SessionId, place, format!("cookie `{name}`, signed")));
    let text = verify(place, signed, keys, trace)?;
    match unwrap_json_cookie(text) {
        Some(id) => SessionId::new(id.into_owned()).ok_or_else(|| empty(place, trace)),
        None => {
            trace.step(|| {
                Step::failed(StepName::SessionId, place, "a JSON cookie (`j:`) that is no string")
                    .hint("a session id is a string; does the app write another cookie of this name?")
            });
            Err(Reason::NoSessionId)
        }
    }
}

fn verify<'a, T: Trace>(
    place: &'static str,
    signed: &'a str,
    keys: &Keys,
    trace: &mut T,
) -> Result<&'a str, Reason> {
    let Some(value) = keys.unsign(signed) else {
        trace.step(|| {
            let found = match keys.count() {
                1 => "the signature does not match the secret".to_owned(),
                count => format!("the signature matches none of the {count} secrets"),
            };
            let hint = if signed.contains(' ') {
                "there is a space in it, so a `+` was not percent-encoded on its way: write it as %2B"
            } else if signed.contains('%') {
                "there is a `%` in it, so it is percent-encoded twice or cut off"
            } else {
                "do session.secrets hold the secret that the web app signs with now, and those it signed with before?"
            };
            Step::failed(StepName::Signature, place, found).hint(hint)
        });
        return Err(Reason::BadSignature);
    };
    trace.step(|| Step::passed(StepName::Signature, place, "a good signature"));
    Ok(value)
}

fn empty<T: Trace>(place: &'static str, trace: &mut T) -> Reason {
    trace.step(|| {
        Step::failed(StepName::SessionId, place, "a well-signed empty id")
            .hint("an empty id is never looked up")
    });
    Reason::NoSessionId
}

/// cookie-parser reads a signed value that begins with `j:` as JSON and puts the result in its place, unless it is no
/// JSON or one that JavaScript calls false: then the text stays. `None`: the result is no string.
fn unwrap_json_cookie(text: &str) -> Option<Cow<'_, str>> {
    let Some(json) = text.strip_prefix("j:") else { return Some(Cow::Borrowed(text)) };
    match json::read(&json::to_text(json.as_bytes()), json::Keep) {
        Ok(Value::String(id)) if !id.is_empty() => Some(Cow::Owned(id)),
        Ok(Value::Null | Value::Bool(false) | Value::String(_)) => Some(Cow::Borrowed(text)),
        Ok(Value::Number(number)) if number.as_f64() == Some(0.0) => Some(Cow::Borrowed(text)),
        Ok(_) | Err(json::Unreadable::TooDeep) => None,
        // To JavaScript a number beyond a double is Infinity, a number like any other.
        Err(json::Unreadable::Invalid) if is_infinite(json) => None,
        Err(json::Unreadable::Invalid) => Some(Cow::Borrowed(text)),
    }
}

fn is_infinite(json: &str) -> bool {
    json.contains(|c: char| c.is_ascii_digit()) && json.trim().parse().is_ok_and(f64::is_infinite)
}

/// The session's cookie is not there.
pub(super) fn absent(header: Option<&str>, name: &str) -> Step {
    match header {
        None => Step::failed(StepName::SessionId, "the Cookie header", "the handshake has none").hint(
            "does the gateway pass the request's headers on, and does the browser send cookies there (same site, or \
             `withCredentials` and SameSite=None)?",
        ),
        Some(header) => {
            let names = cookie_names(cookie::pairs(header).map(|pair| pair.name));
            let found = format!("cookie `{name}` is absent; the header has {names}");
            Step::failed(StepName::SessionId, "the Cookie header", found).hint("is session.cookie set right?")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_cookies() {
        for (text, expected) in [
            ("abc", Some("abc")),
            ("j:\"abc\"", Some("abc")),
            ("j: \"\\u0041b\" ", Some("Ab")),
            ("j:\"j:\\\"x\\\"\"", Some("j:\"x\"")),
            ("j:0", Some("j:0")),
            ("j:-0", Some("j:-0")),
            ("j:null", Some("j:null")),
            ("j:\"\"", Some("j:\"\"")),
            ("j:{bad", Some("j:{bad")),
            ("j:inf", Some("j:inf")),
            ("J:\"x\"", Some("J:\"x\"")),
            ("j:123", None),
            ("j:1e400", None),
            ("j:-1e400", None),
            ("j:true", None),
            ("j:[]", None),
            ("j:{\"a\":1}", None),
        ] {
            assert_eq!(unwrap_json_cookie(text).as_deref(), expected, "{text}");
        }
    }
}
