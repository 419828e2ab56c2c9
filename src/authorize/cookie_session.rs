//! The session that is in the cookie itself, as npm cookie-session 2.1 keeps it: base64 of JSON, and beside it, in a
//! cookie whose name ends in `.sig`, Keygrip's signature of `name=value`.

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::{
    Rules,
    explain::{Step, StepName, Trace},
    handshake::Handshake,
    keygrip::Keygrip,
    session::Session,
    session_id,
    standing::Standing,
};
use crate::{json::Unreadable, reason::Reason};

const PLACE: &str = "the Cookie header";

/// The session in a handshake's cookie; or why there is none.
pub(super) fn find<T: Trace>(
    handshake: &Handshake,
    rules: &Rules,
    keys: &Keygrip,
    trace: &mut T,
) -> Result<Session, Standing> {
    let name = &rules.cookie;
    let value = signed_value(handshake.headers.get("cookie"), name, keys, trace).map_err(Standing::nobody)?;
    let raw = decode_base64(value);
    let read = if raw.len() > rules.max_session_bytes {
        Err("it is larger than limits.max_session_bytes allows")
    } else {
        match Session::read(&raw, &rules.passport_key) {
            Err(Unreadable::TooDeep) => Err("it is nested deeper than 128 levels"),
            // Where the package fails to read it, it begins a new session.
            Err(Unreadable::Invalid) => Ok(None),
            Ok(Session::Empty) if raw.is_empty() => Ok(None),
            // Whatever else is no object becomes one without members.
            Ok(Session::Empty) => Ok(Some(Session::NotInitialized)),
            Ok(session) => Ok(Some(session)),
        }
    };
    let bytes = raw.len();
    let place = || format!("cookie `{name}`");
    match read {
        Ok(Some(session)) => {
            trace.step(|| {
                Step::passed(StepName::Store, place(), format!("the session itself, {bytes} bytes"))
            });
            Ok(session)
        }
        Ok(None) => {
            trace.step(|| {
                Step::failed(StepName::Store, place(), "it is no JSON in base64, which is no session")
                    .hint("does the app sign another cookie of this name with the same keys?")
            });
            Err(Standing::nobody(Reason::SessionNotFound))
        }
        Err(words) => {
            tracing::warn!(bytes, problem = words, "the session in the cookie cannot be read");
            trace.step(|| Step::failed(StepName::Store, place(), format!("{bytes} bytes; {words}")));
            Err(Standing::fault(Reason::SessionMalformed, words))
        }
    }
}

/// The cookie's value, if one of the keys signed it.
fn signed_value<'h, T: Trace>(
    header: Option<&'h str>,
    name: &str,
    keys: &Keygrip,
    trace: &mut T,
) -> Result<&'h str, Reason> {
    let Some((header, value)) = header.and_then(|header| Some((header, get(header, name)?))) else {
        trace.step(|| {
            let step = session_id::absent(header, name);
            if name == "session" { step } else { step.hint("cookie-session's own name for it is `session`") }
        });
        return Err(Reason::NoSessionId);
    };
    if value.is_empty() {
        trace.step(|| {
            Step::failed(StepName::SessionId, PLACE, format!("cookie `{name}` is empty"))
                .hint("the app ended the session")
        });
        return Err(Reason::NoSessionId);
    }
    trace.step(|| {
        Step::passed(StepName::SessionId, PLACE, format!("cookie `{name}`, which holds the session itself"))
    });
    let signature_name = format!("{name}.sig");
    let signature = get(header, &signature_name).filter(|signature| !signature.is_empty());
    let key = signature.and_then(|signature| keys.index(&format!("{name}={value}"), signature));
    trace.step(|| match (signature, key) {
        (_, Some(_)) => {
            Step::passed(StepName::Signature, PLACE, format!("cookie `{signature_name}`, a good signature"))
        }
        (None, _) => absent_signature(value, &signature_name),
        (Some(signature), None) => wrong_signature(signature, &signature_name, keys),
    });
    if key.is_some() { Ok(value) } else { Err(Reason::BadSignature) }
}

fn absent_signature(value: &str, name: &str) -> Step {
    let step = Step::failed(StepName::Signature, PLACE, format!("cookie `{name}` is absent"));
    if value.starts_with("s:") || value.starts_with("s%3A") {
        return step.hint(
            "the session's cookie is one of express-session, which keeps sessions in a store: is session.store right?",
        );
    }
    step.hint(
        "it comes with the session's cookie wherever that goes, unless the app has switched signing off (`signed: \
         false`)",
    )
}

fn wrong_signature(signature: &str, name: &str, keys: &Keygrip) -> Step {
    let found = match keys.count() {
        1 => format!("cookie `{name}` does not match the key"),
        count => format!("cookie `{name}` matches none of the {count} keys"),
    };
    let step = Step::failed(StepName::Signature, PLACE, found);
    if signature.len() == keys.algorithm().signature_length() {
        return step.hint(
            "do session.secrets hold the keys that the web app gives to cookie-session, and is session.cookie its `name`?",
        );
    }
    step.hint(format!(
        "it is not as long as one of {}: is session.keygrip_algorithm that of the app's Keygrip?",
        keys.algorithm().name()
    ))
}

/// A cookie's value as npm `cookies` 0.9 finds it: the first of its name, only spaces passed over in front of it, none
/// behind it, nothing decoded. Of what begins with a quote the first and the last character are dropped.
fn get<'h>(header: &'h str, name: &str) -> Option<&'h str> {
    let value = header
        .split(';')
        .find_map(|pair| pair.trim_start_matches(' ').strip_prefix(name)?.strip_prefix('='))?;
    let Some(quoted) = value.strip_prefix('"') else { return Some(value) };
    let end = quoted.char_indices().next_back().map_or(0, |(last, _)| last);
    quoted.get(..end)
}

/// As Node's `Buffer.from(text, 'base64')` does: both alphabets, up to the first `=`, whatever else is in it passed over.
fn decode_base64(text: &str) -> Vec<u8> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::RequireNone)
            .with_decode_allow_trailing_bits(true),
    );
    let in_alphabet = text.bytes().take_while(|byte| *byte != b'=').filter_map(|byte| match byte {
        b'-' => Some(b'+'),
        b'_' => Some(b'/'),
        b'+' | b'/' => Some(byte),
        byte => byte.is_ascii_alphanumeric().then_some(byte),
    });
    let mut digits: Vec<u8> = in_alphabet.collect();
    // One digit more than whole groups is not a byte.
    if digits.len() % 4 == 1 {
        digits.pop();
    }
    LENIENT.decode(digits).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_node_reads_it() {
        for (text, decoded) in [
            ("YWJj", &b"abc"[..]),
            ("YQ==YQ==", b"a"),
            ("YWJj=ZGVm", b"abc"),
            ("YWJj ZGVm", b"abcdef"),
            ("YWJj!Z", b"abc"),
            ("YWJjéĀZGVm", b"abcdef"),
            ("YWJj-_", b"abc\xfb"),
            ("YWJj+/", b"abc\xfb"),
            ("abc", b"i\xb7"),
            ("ab", b"i"),
            ("a", b""),
            ("=abc", b""),
            ("é", b""),
            ("", b""),
        ] {
            assert_eq!(decode_base64(text), decoded, "{text}");
        }
    }

    #[test]
    fn cookies_as_npm_cookies_finds_them() {
        for (header, value) in [
            ("a=1; session=x; session=y", Some("x")),
            ("  session=x", Some("x")),
            ("a;session=x", Some("x")),
            ("session=x =y ; a=b", Some("x =y ")),
            ("session=\"x y\"", Some("x y")),
            ("session=\"xé", Some("x")),
            ("session=\"x", Some("")),
            ("session=\"", Some("")),
            ("session=%22x%22", Some("%22x%22")),
            ("session=", Some("")),
            ("\tsession=x", None),
            ("session =x", None),
            ("xsession=x; Session=x; session.sig=x; session", None),
            ("", None),
        ] {
            assert_eq!(get(header, "session"), value, "{header}");
        }
    }
}
