//! Tokens that end sessions, at the real door: from a real OpenID provider, and signed by npm's `jose` in every way that they
//! should not be.

mod door;
mod events;
mod issuer;
mod keys;
mod known;
mod limits;
mod mangled;
mod provider;
mod refusals;
mod settings;

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";
const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// What a logout token says.
fn logout(issuer: &str, jti: &str) -> Value {
    json!({
        "iss": issuer, "aud": "app", "iat": now(), "exp": now() + 120, "jti": jti, "sub": "ana", "sid": "s1",
        "events": {LOGOUT: {}},
    })
}

/// What an event says.
fn revoked(issuer: &str, jti: &str) -> Value {
    json!({
        "iss": issuer, "aud": ["app", "others"], "iat": now(), "jti": jti,
        "sub_id": {"format": "email", "email": "ana@example.com"},
        "events": {SESSION_REVOKED: {"event_timestamp": now()}},
    })
}

/// The value with some of its members exchanged; `null` takes one away.
fn with(mut value: Value, others: &Value) -> Value {
    for (name, other) in others.as_object().unwrap() {
        match other {
            Value::Null => drop(value.as_object_mut().unwrap().remove(name)),
            other => value[name] = other.clone(),
        }
    }
    value
}
