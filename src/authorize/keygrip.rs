//! Signatures as npm Keygrip 1.1 makes them, beside what they sign: base64 for URLs, without padding, of an HMAC.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use secrecy::{ExposeSecret as _, SecretString};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq as _;

use super::signature::EmptySecret;
use crate::config::session::KeygripAlgorithm;

/// The keys of `session.secrets`, ready to verify with. The first also signs.
pub struct Keygrip {
    keys: Vec<Box<dyn Key>>,
    algorithm: KeygripAlgorithm,
}

/// A key of whatever algorithm.
trait Key: Send + Sync {
    fn sign(&self, data: &str) -> String;
}

impl<M: Mac + Clone + Send + Sync> Key for M {
    fn sign(&self, data: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.clone().chain_update(data).finalize().into_bytes())
    }
}

impl Keygrip {
    /// The padded keys are hashed here, once.
    ///
    /// # Errors
    ///
    /// If a secret is empty, or there is none.
    pub fn new(secrets: &[SecretString], algorithm: KeygripAlgorithm) -> Result<Self, EmptySecret> {
        let key = match algorithm {
            KeygripAlgorithm::Sha1 => key::<Hmac<Sha1>>,
            KeygripAlgorithm::Sha256 => key::<Hmac<Sha256>>,
            KeygripAlgorithm::Sha384 => key::<Hmac<Sha384>>,
            KeygripAlgorithm::Sha512 => key::<Hmac<Sha512>>,
            KeygripAlgorithm::Md5 => key::<Hmac<Md5>>,
        };
        let keys: Vec<_> =
            secrets.iter().map(|secret| key(secret.expose_secret())).collect::<Result<_, _>>()?;
        if keys.is_empty() { Err(EmptySecret) } else { Ok(Self { keys, algorithm }) }
    }

    /// How many keys there are.
    pub fn count(&self) -> usize {
        self.keys.len()
    }

    /// What they sign with.
    pub fn algorithm(&self) -> KeygripAlgorithm {
        self.algorithm
    }

    /// The signature by the first key.
    pub fn sign(&self, data: &str) -> Option<String> {
        self.keys.first().map(|key| key.sign(data))
    }

    /// Which key made this signature of the data. Only the one spelling that Keygrip writes will do.
    pub fn index(&self, data: &str, signature: &str) -> Option<usize> {
        self.keys.iter().position(|key| key.sign(data).as_bytes().ct_eq(signature.as_bytes()).into())
    }
}

fn key<M: Mac + KeyInit + Clone + Send + Sync + 'static>(secret: &str) -> Result<Box<dyn Key>, EmptySecret> {
    if secret.is_empty() {
        return Err(EmptySecret);
    }
    let key = <M as KeyInit>::new_from_slice(secret.as_bytes()).map_err(|_any_length_fits| EmptySecret)?;
    Ok(Box::new(key))
}

impl fmt::Debug for Keygrip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keygrip").field(&self.count()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_keygrip_and_refuses_empty_keys() {
        let keys = |secrets: &[&str]| {
            let secrets: Vec<_> = secrets.iter().map(|secret| SecretString::from(*secret)).collect();
            Keygrip::new(&secrets, KeygripAlgorithm::Sha1)
        };
        let grip = keys(&["new", "old"]).expect("usable keys");
        let (by_new, by_old) = ("j5wYV6ywsdmH7ur8eIVSwBZBCZQ", "73-HrbEXxgIjTTjwRaGd6s1EkXs");
        assert_eq!(grip.sign("session=eyJhIjoxfQ==").as_deref(), Some(by_new));
        assert_eq!(grip.index("session=eyJhIjoxfQ==", by_old), Some(1));
        assert_eq!(grip.index("session=eyJhIjoyfQ==", by_old), None);
        assert_eq!(format!("{grip:?}"), "Keygrip(2)");
        assert!(keys(&[]).is_err() && keys(&["a", ""]).is_err());
    }
}
