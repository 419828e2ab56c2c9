//! `[callers]`: who may call, and as what.

use std::{collections::BTreeMap, fmt, str::FromStr};

use regex::Regex;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{
    doors::{GRPC_ADDR, Grpc},
    reader::Reader,
    setting::{Kind, Setting},
    tls::CLIENT_CA_FILE,
};

/// `[callers]`.
#[derive(Clone, Debug, Default)]
pub struct Callers {
    /// Whether anybody who reaches `grpc.addr` may call.
    pub allow_anonymous: bool,
    /// Those who say who they are with a bearer token.
    pub tokens: Vec<Token>,
    /// Those who say who they are with a client certificate.
    pub certificates: Vec<Certificate>,
}

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// What a socket server needs.
    Gateway,
    /// Everything.
    Admin,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gateway => "gateway",
            Self::Admin => "admin",
        })
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "gateway" => Ok(Self::Gateway),
            "admin" => Ok(Self::Admin),
            _ => Err("its role is neither `gateway` nor `admin`".to_owned()),
        }
    }
}

/// A token, known by its hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// For people: in the log and in refusals.
    pub name: String,
    /// SHA-256 of the token's bytes.
    pub digest: [u8; 32],
    /// What its bearer may do.
    pub role: Role,
    /// Whom its bearer may report for.
    pub gateway_ids: GatewayIds,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

/// Certificates that go by a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// One of the certificate's DNS names or URIs has to match it.
    pub name: Glob,
    /// What its owner may do.
    pub role: Role,
    /// Whom its owner may report for.
    pub gateway_ids: GatewayIds,
}

/// Gateway ids that a caller is bound to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayIds(Option<Vec<Glob>>);

impl GatewayIds {
    /// Whether the caller may report for this gateway.
    pub fn allow(&self, gateway_id: &str) -> bool {
        self.0.as_ref().is_none_or(|globs| globs.iter().any(|glob| glob.matches(gateway_id)))
    }
}

/// A pattern in which `*` stands for any text.
#[derive(Clone)]
pub struct Glob {
    text: String,
    regex: Regex,
}

impl Glob {
    fn new(text: &str) -> Result<Self, String> {
        let pattern = format!("(?s)^{}$", regex::escape(text).replace(r"\*", ".*"));
        let regex = regex::RegexBuilder::new(&pattern).size_limit(1 << 20).build();
        let regex = regex.map_err(|_| format!("`{text}` is too long a pattern"))?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// Whether all of the text matches.
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Glob {}

/// One of `callers.tokens` as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenToken {
    name: String,
    hash: String,
    role: String,
    gateway_ids: Option<Vec<String>>,
}

/// One of `callers.certificates` as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCertificate {
    name: String,
    role: String,
    gateway_ids: Option<Vec<String>>,
}

impl TryFrom<WrittenToken> for Token {
    type Error = String;

    fn try_from(WrittenToken { name, hash, role, gateway_ids }: WrittenToken) -> Result<Self, String> {
        named(&name)?;
        let digest = digest(&hash).ok_or_else(|| {
            "its hash is not `sha256:` with the 64 hexadecimal digits of the token's SHA-256; `socketpass token` makes \
             both"
                .to_owned()
        })?;
        Ok(Self { role: role.parse()?, name, digest, gateway_ids: globs(gateway_ids)? })
    }
}

impl TryFrom<WrittenCertificate> for Certificate {
    type Error = String;

    fn try_from(WrittenCertificate { name, role, gateway_ids }: WrittenCertificate) -> Result<Self, String> {
        named(&name)?;
        Ok(Self { name: Glob::new(&name)?, role: role.parse()?, gateway_ids: globs(gateway_ids)? })
    }
}

/// Whether a caller can have this name.
pub fn named(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > 256 || name.chars().any(char::is_control) {
        return Err("it needs a name of 1 to 256 bytes without control characters".to_owned());
    }
    Ok(())
}

fn globs(texts: Option<Vec<String>>) -> Result<GatewayIds, String> {
    let globs = texts.map(|texts| texts.iter().map(|text| Glob::new(text)).collect()).transpose()?;
    Ok(GatewayIds(globs))
}

/// As `hash` is written.
pub fn hash_of(token: &str) -> String {
    Sha256::digest(token).iter().fold("sha256:".to_owned(), |hash, byte| format!("{hash}{byte:02x}"))
}

fn digest(hash: &str) -> Option<[u8; 32]> {
    let digits = hash.strip_prefix("sha256:")?.as_bytes();
    let mut digest = [0; 32];
    if digits.len() != 2 * digest.len() {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| !pair.starts_with('+'))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(digest)
}

const ALLOW_ANONYMOUS: Setting = Setting {
    name: "callers.allow_anonymous",
    kind: Kind::Flag,
    default: Some("false"),
    about: "Whether anybody who reaches `grpc.addr` may call every method. Without it, and without `callers.tokens` and \
            `callers.certificates`, the service listens on loopback only.",
};

const TOKENS: Setting = Setting {
    name: "callers.tokens",
    kind: Kind::Tables("name, hash, role, gateway_ids"),
    default: None,
    about: "Who may call with a bearer token (`authorization: Bearer …`). Each has a `name` for the log; `hash`, which is \
            `sha256:` and the token's SHA-256 in hexadecimal; the `role` `gateway` (what a socket server needs) or `admin` \
            (everything); and, to bind the caller to gateway ids, `gateway_ids`, a list of patterns in which `*` stands for \
            any text. `socketpass token` makes a token and these lines. Several may have one name, so a token can be \
            exchanged while the old one still counts.",
};

const CERTIFICATES: Setting = Setting {
    name: "callers.certificates",
    kind: Kind::Tables("name, role, gateway_ids"),
    default: None,
    about: "Who may call with a client certificate that `tls.client_ca_file` signed. `name` is a pattern for one of its DNS \
            names or URIs (`*` stands for any text); `role` and `gateway_ids` are as in `callers.tokens`. The first that \
            matches counts; a bearer token, if one comes with the call, counts instead.",
};

impl Callers {
    pub(super) const SETTINGS: &[&Setting] = &[&ALLOW_ANONYMOUS, &TOKENS, &CERTIFICATES];

    pub(super) fn read(reader: &mut Reader<'_>, grpc: &Grpc) -> Self {
        let callers = Self {
            allow_anonymous: reader.flag(&ALLOW_ANONYMOUS),
            tokens: reader.tables::<WrittenToken, _>(&TOKENS),
            certificates: reader.tables::<WrittenCertificate, _>(&CERTIFICATES),
        };
        for (setting, is_empty) in
            [(&TOKENS, callers.tokens.is_empty()), (&CERTIFICATES, callers.certificates.is_empty())]
        {
            // An emptied file must not let everybody in.
            if is_empty && !reader.is_absent(setting) && !reader.has_fault(setting) {
                reader.fault(setting, "it is empty, so nobody could call: leave it out, or name somebody");
            }
        }
        let mut names = BTreeMap::new();
        for Token { name, digest, .. } in &callers.tokens {
            if let Some(other) = names.insert(digest, name) {
                reader.fault(
                    &TOKENS,
                    format!("`{other}` and `{name}` have the same hash: each needs a token of its own"),
                );
            }
        }
        let is_faulty = reader.has_fault(&TOKENS) || reader.has_fault(&CERTIFICATES);
        if callers.allow_anonymous && !callers.is_empty() {
            let problem = "with it every call is an admin's, whatever callers.tokens and callers.certificates say: \
                           leave it out, or them";
            reader.fault(&ALLOW_ANONYMOUS, problem);
        }
        if callers.is_empty() && !is_faulty && !callers.allow_anonymous && !grpc.is_of_this_machine() {
            let problem = format!(
                "{} is reachable from other machines, and anybody there could ask who a session belongs to: listen on \
                 loopback, name those who may call in callers.tokens (see `socketpass token`) or callers.certificates, or \
                 set callers.allow_anonymous = true if the network lets only gateways in",
                grpc.addr
            );
            reader.fault(&GRPC_ADDR, problem);
        }
        if !callers.certificates.is_empty() && reader.is_absent(&CLIENT_CA_FILE) {
            let problem =
                "nobody checks certificates: set tls.cert_file, tls.key_file and tls.client_ca_file too";
            reader.fault(&CERTIFICATES, problem);
        }
        callers
    }

    /// Whether nobody is named, so that every call is an admin's.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty() && self.certificates.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text_and_all_else_for_itself() {
        for (glob, text, matches) in [
            ("chat-*", "chat-1", true),
            ("chat-*", "xchat-1", false),
            ("chat-*", "chat-a\nb", true),
            ("*", "", true),
            ("*.svc", "a.b.svc", true),
            ("*.svc", "absvc", false),
            ("a", "a", true),
            ("a", "aa", false),
            ("a", "a\n", false),
            ("[a]", "a", false),
            ("", "a", false),
        ] {
            assert_eq!(Glob::new(glob).unwrap().matches(text), matches, "{glob} {text}");
        }
    }

    #[test]
    fn hashes() {
        assert_eq!(digest(&hash_of("a token")), Some(Sha256::digest("a token").into()));
        let digits = "ab".repeat(32);
        assert_eq!(digest(&format!("sha256:{digits}")), Some([0xab; 32]));
        for hash in [digits.as_str(), "sha256:", "sha256:zz", &format!("sha256:{}", "+a".repeat(32))] {
            assert_eq!(digest(hash), None, "{hash}");
        }
    }

    #[test]
    fn who_is_bound_reports_for_nobody_else() {
        assert!(GatewayIds(None).allow("any"));
        assert!(!GatewayIds(Some(vec![])).allow("any"));
        assert!(globs(Some(vec!["a-*".into(), "b".into()])).unwrap().allow("b"));
    }
}
