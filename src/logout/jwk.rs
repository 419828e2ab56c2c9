//! An issuer's public keys (RFC 7517), as far as tokens can be signed with them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::Value;

use super::{
    Claims, Refusal,
    claims::object,
    jws::{Algorithm, Jws},
};

/// Keys of an issuer; more are not looked at. Issuers have a handful.
const MOST: usize = 100;

/// The keys of an issuer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct KeySet(Vec<Key>);

#[derive(Debug, PartialEq, Eq)]
struct Key {
    id: Option<String>,
    /// The only one that it is for.
    algorithm: Option<Algorithm>,
    public: Public,
}

#[derive(Debug, PartialEq, Eq)]
enum Public {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// A point of P-256, not compressed.
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl KeySet {
    /// Reads a set. Keys that no token can be signed with are left out: sets hold such for other purposes. `None`: it is no
    /// set.
    pub fn parse(raw: &[u8]) -> Option<Self> {
        let set = object(raw)?;
        let keys = set.get("keys")?.as_array()?;
        Some(Self(keys.iter().filter_map(|key| Key::of(key.as_object()?)).take(MOST).collect()))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether one of them has signed this token. `None`: there is none that could have.
    pub fn verify(&self, jws: &Jws<'_>) -> Option<Result<(), Refusal>> {
        let mut fitting: Vec<_> = self.0.iter().filter(|key| key.is_for(jws.algorithm)).collect();
        match &jws.key_id {
            Some(id) => fitting.retain(|key| key.id.as_ref() == Some(id)),
            // OpenID Connect Core, 10.1: where there are several, a token names one.
            None if fitting.len() > 1 => return None,
            None => {}
        }
        if fitting.is_empty() {
            return None;
        }
        let signed = fitting.iter().any(|key| key.has_signed(jws));
        Some(if signed { Ok(()) } else { Err(Refusal::SIGNATURE) })
    }
}

impl Key {
    fn of(jwk: &Claims) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let bytes = |name: &str| text(name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let signs = jwk.get("use").is_none_or(|purpose| purpose == "sig");
        let verifies = jwk.get("key_ops").is_none_or(|operations| {
            operations.as_array().is_some_and(|operations| operations.iter().any(|name| name == "verify"))
        });
        if !signs || !verifies {
            return None;
        }
        let algorithm = match jwk.get("alg") {
            None => None,
            Some(name) => Some(Algorithm::named(name.as_str()?)?),
        };
        let public = match (text("kty")?, text("crv")) {
            ("RSA", _) => Public::Rsa { modulus: bytes("n")?, exponent: bytes("e")? },
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes("x")?, bytes("y")?);
                if x.len() != 32 || y.len() != 32 {
                    return None;
                }
                // SEC 1, 2.3.3: a point that is not compressed begins with 4.
                Public::P256([&[4], &*x, &*y].concat())
            }
            ("OKP", Some("Ed25519")) => Public::Ed25519(bytes("x")?),
            _ => return None,
        };
        let id = text("kid").map(str::to_owned);
        Some(Self { id, algorithm, public })
    }

    fn is_for(&self, algorithm: Algorithm) -> bool {
        let is_of_its_kind = match self.public {
            Public::Rsa { .. } => matches!(algorithm, Algorithm::Rs256 | Algorithm::Ps256),
            Public::P256(_) => algorithm == Algorithm::Es256,
            Public::Ed25519(_) => algorithm == Algorithm::EdDsa,
        };
        is_of_its_kind && self.algorithm.is_none_or(|only| only == algorithm)
    }

    fn has_signed(&self, jws: &Jws<'_>) -> bool {
        let rsa = |parameters: &RsaParameters| match &self.public {
            Public::Rsa { modulus, exponent } => RsaPublicKeyComponents { n: modulus, e: exponent }
                .verify(parameters, jws.signed, &jws.signature)
                .is_ok(),
            Public::P256(_) | Public::Ed25519(_) => false,
        };
        match (jws.algorithm, &self.public) {
            (Algorithm::Rs256, _) => rsa(&RSA_PKCS1_2048_8192_SHA256),
            (Algorithm::Ps256, _) => rsa(&RSA_PSS_2048_8192_SHA256),
            (Algorithm::Es256, Public::P256(point)) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                    .verify(jws.signed, &jws.signature)
                    .is_ok()
            }
            (Algorithm::EdDsa, Public::Ed25519(key)) => {
                UnparsedPublicKey::new(&ED25519, key).verify(jws.signed, &jws.signature).is_ok()
            }
            (Algorithm::Es256 | Algorithm::EdDsa, _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// RFC 7515, A.2: a token of RS256 with its key.
    const RS256: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    const RSA_N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    /// RFC 7515, A.3: of ES256.
    const ES256: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    /// RFC 8037, A.4: of EdDSA.
    const EDDSA: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

    fn rsa() -> Value {
        json!({"kty": "RSA", "n": RSA_N, "e": "AQAB"})
    }

    fn p256() -> Value {
        json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})
    }

    fn ed25519() -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
    }

    fn set(keys: &[Value]) -> KeySet {
        KeySet::parse(json!({"keys": keys}).to_string().as_bytes()).unwrap()
    }

    fn with(mut key: Value, name: &str, value: Value) -> Value {
        key[name] = value;
        key
    }

    fn verified(keys: &[Value], token: &str) -> Option<Result<(), Refusal>> {
        set(keys).verify(&Jws::parse(token).unwrap())
    }

    #[test]
    fn the_examples_of_the_standards_are_verified() {
        let keys = [rsa(), p256(), ed25519()];
        for token in [RS256, ES256, EDDSA] {
            assert_eq!(verified(&keys, token), Some(Ok(())));
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
            for place in 0..bytes.len() {
                bytes[place] ^= 1;
                let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&bytes));
                assert_eq!(verified(&keys, &forged), Some(Err(Refusal::SIGNATURE)));
                bytes[place] ^= 1;
            }
            for length in [0, 1, bytes.len() - 1] {
                let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&bytes[..length]));
                assert_eq!(verified(&keys, &forged), Some(Err(Refusal::SIGNATURE)));
            }
        }
    }

    #[test]
    fn a_key_is_for_what_it_says() {
        assert_eq!(verified(&[with(rsa(), "alg", "RS256".into())], RS256), Some(Ok(())));
        assert_eq!(verified(&[with(rsa(), "use", "sig".into())], RS256), Some(Ok(())));
        assert_eq!(verified(&[with(rsa(), "key_ops", json!(["verify"]))], RS256), Some(Ok(())));
        for other in [
            with(rsa(), "alg", "PS256".into()),
            with(rsa(), "alg", "HS256".into()),
            with(rsa(), "use", "enc".into()),
            with(rsa(), "key_ops", json!(["encrypt"])),
            with(rsa(), "kty", "oct".into()),
            with(rsa(), "n", 7.into()),
            p256(),
            ed25519(),
            json!({"kty": "oct", "k": "AAAA"}),
            json!("key"),
        ] {
            assert_eq!(verified(std::slice::from_ref(&other), RS256), None, "{other}");
        }
    }

    #[test]
    fn a_token_without_a_key_id_needs_a_set_with_one_key_that_fits() {
        let other = with(rsa(), "n", RSA_N.replace('o', "p").into());
        assert_eq!(verified(&[p256(), rsa()], RS256), Some(Ok(())));
        assert_eq!(verified(&[other.clone(), rsa()], RS256), None);
        assert_eq!(verified(&[other], RS256), Some(Err(Refusal::SIGNATURE)));
    }

    #[test]
    fn what_is_no_set_is_none() {
        for raw in ["", "{}", "[]", r#"{"keys":{}}"#, "<html>"] {
            assert_eq!(KeySet::parse(raw.as_bytes()), None, "{raw}");
        }
        assert_eq!(set(&[]).count(), 0);
        assert_eq!(set(&vec![rsa(); 1000]).count(), MOST);
    }
}
