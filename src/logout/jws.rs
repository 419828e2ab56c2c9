//! A JSON Web Signature in its compact form (RFC 7515): what it says of itself, what was signed, and the signature.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{Refusal, claims};

/// How it is signed. There is no `none`, and nothing that whoever checks a signature could make one with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA with PKCS #1 v1.5 and SHA-256.
    Rs256,
    /// RSA with PSS and SHA-256.
    Ps256,
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "PS256" => Self::Ps256,
            "ES256" => Self::Es256,
            // RFC 9864 gave what everybody had meant by it a name of its own.
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }
}

/// A token, taken apart. Nothing of it is verified.
pub struct Jws<'t> {
    /// How it claims to be signed.
    pub algorithm: Algorithm,
    /// The key that it claims to be signed with.
    pub key_id: Option<String>,
    typ: Option<String>,
    /// Header and payload, as they are signed.
    pub signed: &'t [u8],
    payload: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
}

impl<'t> Jws<'t> {
    /// Takes a token apart.
    pub fn parse(token: &'t str) -> Result<Self, Refusal> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::NO_JWS)?;
        let (header, payload) = signed.split_once('.').ok_or(Refusal::NO_JWS)?;
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::NO_JWS);
        let (header, payload, signature) = (decoded(header)?, decoded(payload)?, decoded(signature)?);
        let header = claims::object(&header).ok_or(Refusal::NO_HEADER)?;
        // What it says has to be understood (RFC 7515, 4.1.11), and nothing is.
        if header.contains_key("crit") {
            return Err(Refusal::NO_HEADER);
        }
        let text = |name: &str| match header.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(Refusal::NO_HEADER),
        };
        let algorithm = text("alg")?.ok_or(Refusal::NO_HEADER)?;
        Ok(Self {
            algorithm: Algorithm::named(&algorithm).ok_or(Refusal::ALGORITHM)?,
            key_id: text("kid")?,
            typ: text("typ")?,
            signed: signed.as_bytes(),
            payload,
            signature,
        })
    }

    /// What is signed.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// What kind of token it claims to be.
    pub fn typ(&self) -> Option<&str> {
        self.typ.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str) -> String {
        format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(header))
    }

    fn refused(token: &str) -> Option<Refusal> {
        Jws::parse(token).err()
    }

    #[test]
    fn only_asymmetric_algorithms_are_known() {
        for name in ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"] {
            assert_eq!(refused(&token(&format!(r#"{{"alg":"{name}"}}"#))), None, "{name}");
        }
        for name in ["none", "None", "HS256", "HS512", "RS1", "rs256", "ES256K", "dir", ""] {
            assert_eq!(
                refused(&token(&format!(r#"{{"alg":"{name}"}}"#))),
                Some(Refusal::ALGORITHM),
                "{name}"
            );
        }
    }

    #[test]
    fn a_header_is_an_object_with_an_algorithm_and_nothing_that_must_be_understood() {
        let deep = format!(r#"{{"alg":"RS256","x":{}1{}}}"#, "[".repeat(30), "]".repeat(30));
        for header in [
            "{}",
            "[]",
            "",
            r#"{"alg":1}"#,
            r#"{"alg":"RS256","kid":7}"#,
            r#"{"alg":"RS256","typ":[]}"#,
            r#"{"alg":"RS256","crit":["b64"],"b64":false}"#,
            r#"{"alg":"RS256"} "#.trim_end().trim_end_matches('}'),
            &deep,
        ] {
            assert_eq!(refused(&token(header)), Some(Refusal::NO_HEADER), "{header}");
        }
    }

    #[test]
    fn it_has_three_parts_in_base64url_without_padding() {
        let good = token(r#"{"alg":"RS256"}"#);
        assert_eq!(refused(&good), None);
        for bad in [
            "",
            ".",
            "..",
            "a.b",
            &good.replace(".e30.", ".e30=."),
            &good.replace(".e30.", ".e31."),
            &good.replace(".e30.", ".e3 0."),
            &good.replace(".e30.", ".e+0."),
            &format!("{good}.AA"),
            &format!("{good}.AA.AA"),
            &format!("{good}\n"),
        ] {
            assert!(matches!(refused(bad), Some(Refusal::NO_JWS | Refusal::NO_HEADER)), "{bad}");
        }
    }
}
