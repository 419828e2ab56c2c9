//! Signed values as npm `cookie-signature` 1.0.6 makes them: `value.BASE64(HMAC-SHA256(value))`, without padding.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// 32 bytes of HMAC-SHA256 in base64 without padding.
const SIGNATURE_LENGTH: usize = 43;

/// The secrets of `session.secrets`, ready to verify with. The first also signs.
pub struct Keys(Vec<Hmac<Sha256>>);

/// A secret was empty, or there was none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("every signature would be one that anybody can make")]
pub struct EmptySecret;

impl Keys {
    /// The padded keys are hashed here, once: what is left for each signature is the value itself.
    pub fn new(secrets: &[SecretString]) -> Result<Self, EmptySecret> {
        if secrets.is_empty() {
            return Err(EmptySecret);
        }
        secrets
            .iter()
            .map(|secret| match secret.expose_secret() {
                "" => Err(EmptySecret),
                secret => Hmac::new_from_slice(secret.as_bytes()).map_err(|_any_length_fits| EmptySecret),
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// How many secrets there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The value without its signature, if one of the secrets made it. `signed` comes without the `s:` before it.
    ///
    /// The signature is all that follows the last dot, and only the one spelling that `cookie-signature` writes will do.
    pub fn unsign<'a>(&self, signed: &'a str) -> Option<&'a str> {
        let (value, signature) = signed.rsplit_once('.')?;
        let signature: &[u8; SIGNATURE_LENGTH] = signature.as_bytes().try_into().ok()?;
        self.0.iter().any(|key| bool::from(sign_with(key, value).ct_eq(signature))).then_some(value)
    }

    /// `value.signature` by the first secret: what the web app would write after `s:`.
    pub fn sign(&self, value: &str) -> Option<String> {
        let signature = sign_with(self.0.first()?, value);
        Some(format!("{value}.{}", String::from_utf8_lossy(&signature)))
    }
}

fn sign_with(key: &Hmac<Sha256>, value: &str) -> [u8; SIGNATURE_LENGTH] {
    let mut mac = key.clone();
    mac.update(value.as_bytes());
    let mut text = [0; SIGNATURE_LENGTH];
    // 32 bytes always fill 43 characters. Were it otherwise, the zeros left over are no base64 and match nothing.
    let _ = STANDARD_NO_PAD.encode_slice(mac.finalize().into_bytes(), &mut text);
    text
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keys").field(&self.count()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(secrets: &[&str]) -> Keys {
        let secrets: Vec<SecretString> = secrets.iter().map(|secret| SecretString::from(*secret)).collect();
        Keys::new(&secrets).expect("usable secrets")
    }

    /// From the README of `cookie-signature`.
    #[test]
    fn agrees_with_cookie_signature() {
        let signed = "hello.DGDUkGlIkCzPz+C0B064FNgHdEjox7ch8tOBGslZ5QI";
        assert_eq!(keys(&["tobiiscool"]).sign("hello").as_deref(), Some(signed));
        assert_eq!(keys(&["other", "tobiiscool"]).unsign(signed), Some("hello"));
        assert_eq!(keys(&["luna"]).unsign(signed), None);
    }

    #[test]
    fn one_spelling_only() {
        let keys = keys(&["tobiiscool"]);
        for signed in [
            "hello.DGDUkGlIkCzPz+C0B064FNgHdEjox7ch8tOBGslZ5QI=",
            "hello.DGDUkGlIkCzPz-C0B064FNgHdEjox7ch8tOBGslZ5QI",
            "hello.DGDUkGlIkCzPz C0B064FNgHdEjox7ch8tOBGslZ5QI",
            "hello.",
            "hello",
            "",
        ] {
            assert_eq!(keys.unsign(signed), None, "{signed}");
        }
    }

    #[test]
    fn empty_secrets_are_refused() {
        assert_eq!(Keys::new(&[]).err(), Some(EmptySecret));
        assert_eq!(Keys::new(&[SecretString::from("a"), SecretString::from("")]).err(), Some(EmptySecret));
    }
}
