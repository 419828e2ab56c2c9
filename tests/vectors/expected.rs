//! What the service answers to a case: what the original answered, but for the quirks of `data/README.md`.

use serde_json::{Map, Value, json};
use socketpass::{
    authorize::session::Session,
    json::{MAX_SESSION_DEPTH, MAX_STRUCT_DEPTH, depth},
};

use super::{
    case::{Case, Mode},
    deserializer::Deserialized,
    same,
};
use crate::support::keys;

pub enum Expected {
    Answer(Answer),
    /// The service does not start, and names `session.secrets`.
    ConfigurationFault,
    /// No gRPC message can carry what the case is about.
    Skipped,
}

#[derive(Clone, Debug)]
pub enum Answer {
    InvalidArgument,
    Decision { accepted: bool, reason: String, message: String, error: bool, session_id: String, user: Value },
}

/// Quirks that are JavaScript values no message can carry.
const JAVASCRIPT_ONLY: [&str; 11] = [
    "xdomain-type",
    "query-type",
    "query-array",
    "query-object",
    "config-type",
    "header-type",
    "header-array",
    "js-prototype",
    "error-not-Error",
    "sync-throw",
    "id-coercion",
];

const NO_SESSION: &str = "No session found";
const STORE_ERROR: &str = "Error in session store:\n";

pub fn expected(case: &Case, mode: Mode) -> Expected {
    let quirk = case.quirk().unwrap_or("");
    if JAVASCRIPT_ONLY.contains(&quirk) {
        return Expected::Skipped;
    }
    if case.secrets().is_none() {
        return Expected::ConfigurationFault;
    }
    Expected::Answer(match quirk {
        "header-case" => header_case(case),
        "empty-sid-lookup" => no_session(case, "NO_SESSION_ID or BAD_SIGNATURE"),
        "query-unsigned" | "query-signed-not-unsigned" | "url-not-parsed" => outside_cookie(case, mode),
        // The original does not know the auth payload, which the service looks into as it does into the query.
        _ if case.outside_id().is_some() => outside_cookie(case, mode),
        // The original asked the store for the empty id, and the store's answer was an error.
        _ if case.expect("session_id") == "" && original_message(case).starts_with(STORE_ERROR) => {
            no_session(case, "NO_SESSION_ID or BAD_SIGNATURE")
        }
        "jcookie" if !case.expect("session_id_json").is_null() || case.expect("session_id") == "Infinity" => {
            no_session(case, "NO_SESSION_ID")
        }
        "depth" | "non-object-user" | "source-error-text" => {
            from_store(case, case.expect("session_id").as_str().unwrap())
        }
        _ => as_the_original(case),
    })
}

fn original_message(case: &Case) -> &str {
    case.expect("message").as_str().unwrap_or("")
}

fn as_the_original(case: &Case) -> Answer {
    let session_id = case.expect("session_id").as_str().unwrap().to_owned();
    if case.expect("accepted") == true {
        // Some users are given as text or as a digest, because JSON cannot say them or they are large; some are scalars.
        if !case.expect("user").is_object() {
            return from_store(case, &session_id);
        }
        return accepted(session_id, case.expect("user").clone());
    }
    let message = original_message(case);
    let reason = match message.split('\n').next().unwrap_or("") {
        "No session found" if session_id.is_empty() => "NO_SESSION_ID or BAD_SIGNATURE",
        "No session found" => "SESSION_NOT_FOUND",
        "Error in session store:" => "SESSION_MALFORMED or STORE_UNAVAILABLE",
        "Passport was not initialized" => "PASSPORT_NOT_INITIALIZED",
        "User not authorized through passport. (User Property not found)" => "NOT_LOGGED_IN",
        "User not found" => "USER_NOT_FOUND",
        "Failed to deserialize user out of session" => "USER_SOURCE_FAILED",
        _ if message.starts_with("Can not read cookies") => "NO_SESSION_ID or BAD_SIGNATURE",
        other => panic!("{}: the original says {other:?}", case.id()),
    };
    rejected(reason, message, case.expect("error") == true, session_id)
}

pub fn accepted(session_id: String, user: Value) -> Answer {
    Answer::Decision {
        accepted: true,
        reason: "AUTHORIZED".to_owned(),
        message: String::new(),
        error: false,
        session_id,
        user,
    }
}

pub fn rejected(reason: &str, message: &str, error: bool, session_id: String) -> Answer {
    let user = json!({"logged_in": false});
    Answer::Decision {
        accepted: false,
        reason: reason.to_owned(),
        message: message.to_owned(),
        error,
        session_id,
        user,
    }
}

fn no_session(case: &Case, reason: &str) -> Answer {
    let message = match case.handshake().xdomain {
        true => "Can not read cookies from CORS-Requests. See CORS-Workaround in the readme.",
        false => NO_SESSION,
    };
    rejected(reason, message, false, String::new())
}

/// Two names that differ only in case are refused; one in any case is read.
fn header_case(case: &Case) -> Answer {
    let names: Vec<_> = case.handshake().headers.keys().map(|name| name.to_ascii_lowercase()).collect();
    if names.len() > 1 {
        return Answer::InvalidArgument;
    }
    let handshake = case.handshake();
    let (_, header) = handshake.headers.iter().next().unwrap();
    let signed = header.strip_prefix("connect.sid=s%3A").unwrap().replace("%2B", "+").replace("%2F", "/");
    let secrets = case.secrets().unwrap();
    let id = keys(secrets[0]).unsign(&signed).unwrap().to_owned();
    from_store(case, &id)
}

/// A value in the query or the auth payload: with `s:` it is verified in both modes, bare it is taken in one.
fn outside_cookie(case: &Case, mode: Mode) -> Answer {
    let Some(value) = case.outside_id() else { return as_the_original(case) };
    let verified = value.strip_prefix("s:").map(|signed| {
        case.secrets().unwrap().iter().find_map(|secret| keys(secret).unsign(signed).map(str::to_owned))
    });
    match (verified, mode) {
        (Some(Some(id)), _) => from_store(case, &id),
        (Some(None), _) | (None, Mode::Signed) => no_session(case, "BAD_SIGNATURE"),
        // What the original was asked it was asked with the same id.
        (None, Mode::Unsigned) if case.expect("session_id") == value.as_str() => as_the_original(case),
        (None, Mode::Unsigned) => from_store(case, &value),
    }
}

/// What the rules of `data/README.md` make of the stored session: for cases where the original's answer is another.
fn from_store(case: &Case, id: &str) -> Answer {
    let Some(raw) = case.sessions().remove(id) else {
        return rejected("SESSION_NOT_FOUND", NO_SESSION, false, id.to_owned());
    };
    // Deeper than any JSON library reads by itself, so its brackets are counted.
    let brackets = raw.iter().scan(0_usize, |open, byte| {
        match byte {
            b'{' | b'[' => *open += 1,
            b'}' | b']' => *open -= 1,
            _ => {}
        }
        Some(*open)
    });
    if brackets.max().unwrap_or(0) > MAX_SESSION_DEPTH {
        return rejected("SESSION_MALFORMED", STORE_ERROR, true, id.to_owned());
    }
    let source_failed =
        || rejected("USER_SOURCE_FAILED", "Failed to deserialize user out of session", true, id.to_owned());
    let nobody = || rejected("USER_NOT_FOUND", "User not found", false, id.to_owned());
    let somebody = |mut user: Map<String, Value>| {
        user.insert("logged_in".to_owned(), Value::Bool(true));
        accepted(id.to_owned(), Value::Object(user))
    };
    let session = Session::read(&raw, "passport");
    if let (true, Ok(Session::LoggedIn(passport_user))) = (case.needs_user_source(), &session) {
        return match case.deserialize(passport_user) {
            Deserialized::Found(Value::Object(user)) => somebody(user),
            Deserialized::Nobody => nobody(),
            Deserialized::Found(_) | Deserialized::Failed | Deserialized::Pass => source_failed(),
        };
    }
    match session {
        Ok(Session::LoggedIn(user)) if depth(&user) > MAX_STRUCT_DEPTH => source_failed(),
        Ok(Session::LoggedIn(Value::Object(user))) => somebody(user),
        Ok(Session::LoggedIn(user)) if user == "" || user == 0.0 || user.is_array() => source_failed(),
        Ok(Session::LoggedIn(user)) if user.is_null() || user == false => nobody(),
        Ok(Session::LoggedIn(scalar)) => accepted(id.to_owned(), json!({"id": scalar, "logged_in": true})),
        other => panic!("{}: no rule for {other:?}", case.id()),
    }
}

impl Answer {
    /// Where the actual answer differs from this one.
    pub fn difference(&self, actual: &Self) -> Option<String> {
        let (
            Self::Decision { accepted, reason, message, error, session_id, user },
            Self::Decision {
                accepted: actual_accepted,
                reason: actual_reason,
                message: actual_message,
                error: actual_error,
                session_id: actual_session_id,
                user: actual_user,
            },
        ) = (self, actual)
        else {
            let same = matches!((self, actual), (Self::InvalidArgument, Self::InvalidArgument));
            return (!same).then(|| format!("expected {self:?}, got {actual:?}"));
        };
        // The words that follow a store error are each side's own.
        let same_message = match message.starts_with(STORE_ERROR) {
            true => actual_message.starts_with(STORE_ERROR) && actual_message.len() > STORE_ERROR.len(),
            false => message == actual_message,
        };
        let same = accepted == actual_accepted
            && reason.split(" or ").any(|reason| reason == actual_reason)
            && same_message
            && error == actual_error
            && session_id == actual_session_id
            && same(user, actual_user);
        (!same).then(|| format!("expected {self:?}, got {actual:?}").chars().take(1000).collect())
    }
}
