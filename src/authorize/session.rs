//! What a stored session says of who is logged in: express-session's JSON with Passport's `passport.user` in it.

use serde::de::{MapAccess, SeqAccess};
use serde_json::Value;

use crate::json::{self, Inside, Keep, NameIs, Read, Skip, Unreadable};

/// What stands in the store under a session id.
#[derive(Clone, Debug, PartialEq)]
pub enum Session {
    /// Nothing that JavaScript would call a session: an empty text, `null`, `false`, `0` or `""`.
    Empty,
    /// A session without Passport's part.
    NotInitialized,
    /// Passport's part is there and names no user.
    NotLoggedIn,
    /// `passport.user` as the app's `serializeUser` made it; may be `null`.
    LoggedIn(Value),
}

impl Session {
    /// Reads the stored bytes; `passport_key` is the member that Passport uses, `passport` unless the app says otherwise.
    pub fn read(raw: &[u8], passport_key: &str) -> Result<Self, Unreadable> {
        if raw.is_empty() {
            return Ok(Self::Empty);
        }
        json::read(&json::to_text(raw), Outer { passport_key })
    }
}

/// The session object.
struct Outer<'k> {
    passport_key: &'k str,
}

impl<'a> Read<'a> for Outer<'_> {
    type Value = Session;

    fn literal(self, literal: Option<bool>) -> Session {
        scalar(literal == Some(true))
    }

    fn number(self, number: f64) -> Session {
        scalar(json::number_is_truthy(number))
    }

    fn string(self, string: &str) -> Session {
        scalar(!string.is_empty())
    }

    fn array<A: SeqAccess<'a>>(self, level: Inside<'_>, array: A) -> Result<Session, A::Error> {
        Skip.array(level, array)?;
        Ok(Session::NotInitialized)
    }

    fn object<A: MapAccess<'a>>(self, level: Inside<'_>, mut object: A) -> Result<Session, A::Error> {
        let mut session = Session::NotInitialized;
        while let Some(is_passport) = object.next_key_seed(NameIs(self.passport_key))? {
            if is_passport {
                session = object.next_value_seed(level.next(Passport))?;
            } else {
                object.next_value_seed(level.next(Skip))?;
            }
        }
        Ok(session)
    }
}

/// A session that is no object: `session[passportKey]` is undefined of any of them, and `!session` of some.
fn scalar(truthy: bool) -> Session {
    if truthy { Session::NotInitialized } else { Session::Empty }
}

/// Passport's part of the session.
struct Passport;

impl Passport {
    /// `passport.user` of anything but an object is undefined; of what JavaScript calls false it is not even asked.
    fn scalar(truthy: bool) -> Session {
        if truthy { Session::NotLoggedIn } else { Session::NotInitialized }
    }
}

impl<'a> Read<'a> for Passport {
    type Value = Session;

    fn literal(self, literal: Option<bool>) -> Session {
        Self::scalar(literal == Some(true))
    }

    fn number(self, number: f64) -> Session {
        Self::scalar(json::number_is_truthy(number))
    }

    fn string(self, string: &str) -> Session {
        Self::scalar(!string.is_empty())
    }

    fn array<A: SeqAccess<'a>>(self, level: Inside<'_>, array: A) -> Result<Session, A::Error> {
        Skip.array(level, array)?;
        Ok(Session::NotLoggedIn)
    }

    fn object<A: MapAccess<'a>>(self, level: Inside<'_>, mut object: A) -> Result<Session, A::Error> {
        let mut session = Session::NotLoggedIn;
        while let Some(is_user) = object.next_key_seed(NameIs("user"))? {
            if is_user {
                session = Session::LoggedIn(object.next_value_seed(level.next(Keep))?);
            } else {
                object.next_value_seed(level.next(Skip))?;
            }
        }
        Ok(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Session, Unreadable> {
        Session::read(text.as_bytes(), "passport")
    }

    #[test]
    fn what_javascript_calls_false_is_no_session() {
        for text in ["", "null", "false", "0", "-0", "\"\""] {
            assert_eq!(read(text), Ok(Session::Empty), "{text}");
        }
    }

    #[test]
    fn without_passport_nobody_is_logged_in() {
        for text in [
            "{}",
            "[]",
            "true",
            "1",
            "\"x\"",
            r#"{"passport":null}"#,
            r#"{"passport":0}"#,
            r#"{"passport":""}"#,
        ] {
            assert_eq!(read(text), Ok(Session::NotInitialized), "{text}");
        }
        for text in [
            r#"{"passport":{}}"#,
            r#"{"passport":1}"#,
            r#"{"passport":[{"user":1}]}"#,
            r#"{"passport":"user"}"#,
        ] {
            assert_eq!(read(text), Ok(Session::NotLoggedIn), "{text}");
        }
    }

    #[test]
    fn the_user_is_what_serialize_user_made() {
        assert_eq!(read(r#"{"passport":{"user":null}}"#), Ok(Session::LoggedIn(Value::Null)));
        assert_eq!(read(r#"{"pass\u0070ort":{"user":"7"}}"#), Ok(Session::LoggedIn(Value::from("7"))));
        assert_eq!(read(r#"{"passport":{"user":1},"passport":{}}"#), Ok(Session::NotLoggedIn));
        assert_eq!(
            Session::read(br#"{"passport":{"user":1},"auth":{"user":2}}"#, "auth"),
            Ok(Session::LoggedIn(Value::from(2.0)))
        );
    }
}
