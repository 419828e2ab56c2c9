//! What a token has to say to be taken: OpenID Connect Back-Channel Logout 1.0, 2.4 and 2.6; RFC 8417, 2.2; CAEP 1.0.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::{Claims, Kind, Refusal};
use crate::json;

/// The event of a logout token.
const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// CAEP's event that a session was revoked.
const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

/// By how many seconds the issuer's clock may be wrong, and ours.
const LEEWAY: f64 = 60.0;

/// How many seconds after it was issued a token is taken at the latest. A sender that could not reach us tries again for some
/// time; what is older would end a session that began since.
const OLDEST: f64 = 3600.0;

/// No id of a token is longer, in bytes.
const MAX_ID: usize = 256;

/// Whose tokens are taken.
pub struct Expected {
    /// Who makes them.
    pub issuer: String,
    /// For whom: one of these.
    pub audience: Vec<String>,
}

/// What is to be known of a token whose claims are as they should be.
#[derive(Debug, PartialEq, Eq)]
pub struct Verified {
    /// Its own id.
    pub id: String,
    /// What it says.
    pub says: Says,
    /// When it could not be taken again any more, in seconds since 1970.
    pub forget_at: u64,
}

/// What a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// Sessions end.
    Logout,
    /// What ends no sessions.
    SomethingElse,
}

/// Seconds since 1970.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// A JSON object in UTF-8, of no more levels than a user may have.
pub fn object(raw: &[u8]) -> Option<Claims> {
    std::str::from_utf8(raw).ok()?;
    match json::value(raw) {
        Ok(value) if json::depth(&value) > json::MAX_STRUCT_DEPTH => None,
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

/// What a token says.
pub fn read(payload: &[u8]) -> Result<Claims, Refusal> {
    object(payload).ok_or(Refusal::NO_CLAIMS)
}

impl Expected {
    /// Whether a token of this type may be taken at this time, in seconds since 1970.
    pub fn check(
        &self,
        kind: Kind,
        typ: Option<&str>,
        claims: &Claims,
        now: f64,
    ) -> Result<Verified, Refusal> {
        check_type(kind, typ)?;
        if claims.get("iss").and_then(Value::as_str) != Some(&self.issuer) {
            return Err(Refusal::ISSUER);
        }
        self.check_audience(kind, claims)?;
        let ends = check_times(kind, claims, now)?;
        let id = claims.get("jti").and_then(Value::as_str).filter(|id| (1..=MAX_ID).contains(&id.len()));
        let id = id.ok_or(Refusal::ID)?.to_owned();
        if claims.contains_key("nonce") {
            return Err(Refusal::NONCE);
        }
        Ok(Verified { id, says: says(kind, claims)?, forget_at: whole_seconds(ends) })
    }

    /// A logout token is for us alone, as an ID token is (OpenID Connect Core, 3.1.3.7); an event may be for several.
    fn check_audience(&self, kind: Kind, claims: &Claims) -> Result<(), Refusal> {
        let is_ours =
            |name: &Value| name.as_str().is_some_and(|name| self.audience.iter().any(|ours| ours == name));
        let is_for_us = match (claims.get("aud"), kind) {
            (Some(Value::Array(names)), Kind::BackChannel) => !names.is_empty() && names.iter().all(is_ours),
            (Some(Value::Array(names)), Kind::Caep) => names.iter().any(is_ours),
            (Some(name), _) => is_ours(name),
            (None, _) => false,
        };
        if is_for_us { Ok(()) } else { Err(Refusal::AUDIENCE) }
    }
}

/// So that no token of one kind passes for one of another (RFC 8725, 3.11). Issuers of logout tokens came before their type,
/// and some leave it out or have `JWT`; nothing else of theirs has the event.
fn check_type(kind: Kind, typ: Option<&str>) -> Result<(), Refusal> {
    let typ = typ.map(str::to_ascii_lowercase);
    // RFC 7515, 4.1.9: it may be left out.
    let typ = typ.as_deref().map(|typ| typ.strip_prefix("application/").unwrap_or(typ));
    match (kind, typ) {
        (Kind::BackChannel, None | Some("logout+jwt" | "jwt")) | (Kind::Caep, Some("secevent+jwt")) => Ok(()),
        (Kind::BackChannel, _) => Err(Refusal::LOGOUT_TYPE),
        (Kind::Caep, _) => Err(Refusal::EVENT_TYPE),
    }
}

/// Checks when it was issued and when it expires, which an event need not; when it can be taken at the latest.
fn check_times(kind: Kind, claims: &Claims, now: f64) -> Result<f64, Refusal> {
    let time = |name: &str, wrong| match claims.get(name) {
        None => Ok(None),
        Some(time) => time.as_f64().map(Some).ok_or(wrong),
    };
    let issued = time("iat", Refusal::ISSUED)?.ok_or(Refusal::ISSUED)?;
    if issued > now + LEEWAY {
        return Err(Refusal::EARLY);
    }
    let expires = time("exp", Refusal::EXPIRES)?;
    if expires.is_none() && kind == Kind::BackChannel {
        return Err(Refusal::EXPIRES);
    }
    if expires.is_some_and(|expires| now >= expires + LEEWAY) {
        return Err(Refusal::EXPIRED);
    }
    let oldest = issued + OLDEST;
    if now >= oldest + LEEWAY {
        return Err(Refusal::OLD);
    }
    Ok(expires.map_or(oldest, |expires| expires.min(oldest)) + LEEWAY)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it lies within an hour and some minutes of now, and a cast of a float stops at the ends"
)]
fn whole_seconds(time: f64) -> u64 {
    time.ceil() as u64
}

fn says(kind: Kind, claims: &Claims) -> Result<Says, Refusal> {
    let events = claims.get("events").and_then(Value::as_object).ok_or(Refusal::EVENTS)?;
    if events.is_empty() || !events.values().all(Value::is_object) {
        return Err(Refusal::EVENTS);
    }
    let has_text = |name| claims.get(name).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    let has_subject = match kind {
        Kind::BackChannel if !events.contains_key(LOGOUT) => return Err(Refusal::EVENTS),
        Kind::BackChannel => has_text("sub") || has_text("sid"),
        Kind::Caep => {
            let Some(event) = events.get(SESSION_REVOKED) else { return Ok(Says::SomethingElse) };
            // RFC 9493's `sub_id`; earlier drafts had the subject in the event.
            has_text("sub") || is_subject(claims.get("sub_id")) || is_subject(event.get("subject"))
        }
    };
    if has_subject { Ok(Says::Logout) } else { Err(Refusal::SUBJECT) }
}

fn is_subject(value: Option<&Value>) -> bool {
    value.and_then(Value::as_object).is_some_and(|subject| !subject.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: f64 = 1_800_000_000.0;

    /// What takes a claim away.
    const GONE: Value = Value::Null;

    fn expected() -> Expected {
        Expected {
            issuer: "https://id.example".to_owned(),
            audience: vec!["app".to_owned(), "feed".to_owned()],
        }
    }

    fn logout() -> Value {
        json!({
            "iss": "https://id.example", "aud": "app", "iat": NOW, "exp": NOW + 120.0, "jti": "1", "sub": "ana",
            "events": {LOGOUT: {}},
        })
    }

    fn revoked() -> Value {
        json!({
            "iss": "https://id.example", "aud": ["app", "others"], "iat": NOW, "jti": "1",
            "sub_id": {"format": "email", "email": "ana@example.com"},
            "events": {SESSION_REVOKED: {"event_timestamp": NOW}},
        })
    }

    fn check(kind: Kind, claims: &Value) -> Result<Says, Refusal> {
        let typ = match kind {
            Kind::BackChannel => "logout+jwt",
            Kind::Caep => "secevent+jwt",
        };
        expected().check(kind, Some(typ), claims.as_object().unwrap(), NOW).map(|verified| verified.says)
    }

    /// The claims with some others.
    fn with(mut claims: Value, others: &[(&str, Value)]) -> Value {
        for (name, value) in others {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(*name)),
                value => claims[*name] = value.clone(),
            }
        }
        claims
    }

    #[test]
    fn what_a_logout_token_has_to_say() {
        for (others, outcome) in [
            (vec![], Ok(())),
            (vec![("aud", json!(["app"]))], Ok(())),
            (vec![("aud", json!(["app", "feed"]))], Ok(())),
            (vec![("sub", GONE), ("sid", json!("s"))], Ok(())),
            (vec![("iat", json!(NOW + 59.0))], Ok(())),
            (vec![("exp", json!(NOW - 59.0))], Ok(())),
            (vec![("iat", json!(NOW - 3659.0)), ("exp", json!(NOW + 1e9))], Ok(())),
            (vec![("events", json!({LOGOUT: {"x": 1}, "urn:other": {}}))], Ok(())),
            (vec![("iss", GONE)], Err(Refusal::ISSUER)),
            (vec![("iss", json!("https://id.example/"))], Err(Refusal::ISSUER)),
            (vec![("iss", json!(["https://id.example"]))], Err(Refusal::ISSUER)),
            (vec![("aud", GONE)], Err(Refusal::AUDIENCE)),
            (vec![("aud", json!("App"))], Err(Refusal::AUDIENCE)),
            (vec![("aud", json!([]))], Err(Refusal::AUDIENCE)),
            (vec![("aud", json!(["app", "others"]))], Err(Refusal::AUDIENCE)),
            (vec![("aud", json!({"app": 1}))], Err(Refusal::AUDIENCE)),
            (vec![("iat", GONE)], Err(Refusal::ISSUED)),
            (vec![("iat", json!("1800000000"))], Err(Refusal::ISSUED)),
            (vec![("iat", json!(NOW + 61.0))], Err(Refusal::EARLY)),
            (vec![("iat", json!(NOW - 3661.0)), ("exp", json!(NOW + 1e9))], Err(Refusal::OLD)),
            (vec![("exp", GONE)], Err(Refusal::EXPIRES)),
            (vec![("exp", json!(true))], Err(Refusal::EXPIRES)),
            (vec![("exp", json!(NOW - 61.0))], Err(Refusal::EXPIRED)),
            (vec![("jti", GONE)], Err(Refusal::ID)),
            (vec![("jti", json!(""))], Err(Refusal::ID)),
            (vec![("jti", json!(1))], Err(Refusal::ID)),
            (vec![("jti", json!("j".repeat(257)))], Err(Refusal::ID)),
            (vec![("nonce", json!("n"))], Err(Refusal::NONCE)),
            (vec![("events", GONE)], Err(Refusal::EVENTS)),
            (vec![("events", json!([LOGOUT]))], Err(Refusal::EVENTS)),
            (vec![("events", json!({}))], Err(Refusal::EVENTS)),
            (vec![("events", json!({LOGOUT: true}))], Err(Refusal::EVENTS)),
            (vec![("events", json!({SESSION_REVOKED: {}}))], Err(Refusal::EVENTS)),
            (vec![("sub", GONE)], Err(Refusal::SUBJECT)),
            (vec![("sub", json!(""))], Err(Refusal::SUBJECT)),
            (vec![("sub", json!({"id": 1}))], Err(Refusal::SUBJECT)),
        ] {
            let claims = with(logout(), &others);
            assert_eq!(check(Kind::BackChannel, &claims), outcome.map(|()| Says::Logout), "{others:?}");
        }
    }

    #[test]
    fn what_an_event_has_to_say() {
        for (others, outcome) in [
            (vec![], Ok(Says::Logout)),
            (vec![("sub_id", GONE), ("sub", json!("ana"))], Ok(Says::Logout)),
            (
                vec![
                    ("sub_id", GONE),
                    ("events", json!({SESSION_REVOKED: {"subject": {"format": "opaque"}}})),
                ],
                Ok(Says::Logout),
            ),
            (vec![("events", json!({"urn:other": {}}))], Ok(Says::SomethingElse)),
            (vec![("events", json!({SESSION_REVOKED: []}))], Err(Refusal::EVENTS)),
            (vec![("sub_id", GONE)], Err(Refusal::SUBJECT)),
            (vec![("sub_id", json!("ana"))], Err(Refusal::SUBJECT)),
            (vec![("sub_id", json!({}))], Err(Refusal::SUBJECT)),
            (vec![("aud", json!(["others"]))], Err(Refusal::AUDIENCE)),
            (vec![("iat", GONE)], Err(Refusal::ISSUED)),
            (vec![("iat", json!(NOW - 3661.0))], Err(Refusal::OLD)),
            (vec![("exp", json!(NOW - 61.0))], Err(Refusal::EXPIRED)),
            (vec![("exp", json!("soon"))], Err(Refusal::EXPIRES)),
            (vec![("jti", GONE)], Err(Refusal::ID)),
            (vec![("nonce", json!("n"))], Err(Refusal::NONCE)),
        ] {
            let claims = with(revoked(), &others);
            assert_eq!(check(Kind::Caep, &claims), outcome, "{others:?}");
        }
    }

    #[test]
    fn no_token_passes_for_one_of_another_kind() {
        let typed = |kind, typ, claims: &Value| {
            expected().check(kind, typ, claims.as_object().unwrap(), NOW).map(|verified| verified.says)
        };
        for typ in [None, Some("logout+jwt"), Some("application/Logout+JWT"), Some("JWT")] {
            assert_eq!(typed(Kind::BackChannel, typ, &logout()), Ok(Says::Logout), "{typ:?}");
            assert_eq!(typed(Kind::Caep, typ, &revoked()), Err(Refusal::EVENT_TYPE), "{typ:?}");
        }
        for typ in [Some("secevent+jwt"), Some("application/secevent+jwt")] {
            assert_eq!(typed(Kind::Caep, typ, &revoked()), Ok(Says::Logout), "{typ:?}");
            assert_eq!(typed(Kind::BackChannel, typ, &logout()), Err(Refusal::LOGOUT_TYPE), "{typ:?}");
        }
        for typ in [Some("at+jwt"), Some("")] {
            assert_eq!(typed(Kind::BackChannel, typ, &logout()), Err(Refusal::LOGOUT_TYPE), "{typ:?}");
        }
    }

    #[test]
    fn it_is_remembered_as_long_as_it_could_come_again() {
        let forget_at = |others: &[(&str, Value)]| {
            let claims = with(logout(), others);
            let verified = expected().check(Kind::BackChannel, None, claims.as_object().unwrap(), NOW);
            verified.unwrap().forget_at
        };
        assert_eq!(forget_at(&[]), 1_800_000_180);
        assert_eq!(forget_at(&[("exp", json!(NOW + 1e9))]), 1_800_003_660);
        assert_eq!(forget_at(&[("exp", json!(NOW - 0.5))]), 1_800_000_060);
    }

    #[test]
    fn claims_are_an_object_in_utf8_that_is_not_too_deep() {
        let nested = |levels: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
        assert!(read(nested(23).as_bytes()).is_ok());
        for payload in
            [nested(24), nested(100_000), "[]".to_owned(), String::new(), r#"{"a":1}{}"#.to_owned()]
        {
            assert_eq!(read(payload.as_bytes()), Err(Refusal::NO_CLAIMS));
        }
        assert_eq!(read(b"{\"a\":\"\xff\"}"), Err(Refusal::NO_CLAIMS));
    }

    proptest! {
        /// Whatever one claim is made to be, the token is taken only if it still says all that it has to.
        #[test]
        fn a_claim_that_is_anything_else_is_refused(
            name in prop::sample::select(vec!["iss", "aud", "jti", "events", "iat", "exp"]),
            value in prop_oneof![
                Just(Value::Null),
                any::<bool>().prop_map(Value::from),
                Just(json!([])),
                Just(json!({})),
                Just(json!([[]])),
                Just(json!(-1)),
                Just(json!(1e300)),
            ],
        ) {
            let fine = name == "exp" && value == json!(1e300);
            let mut claims = logout();
            claims[name] = value;
            prop_assert_eq!(check(Kind::BackChannel, &claims).is_ok(), fine);
        }
    }
}
