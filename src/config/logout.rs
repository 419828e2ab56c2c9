//! `[logout]`: whose tokens end sessions, and whose sessions those are.

use std::{fmt, net::IpAddr, sync::Arc};

use http::Uri;
use rustls::ClientConfig;
use serde_json::{Map, Value};
use url::{Host, Url};

use super::{
    reader::Reader,
    setting::{Kind, Setting},
    trust,
};
use crate::expression::{Bound, CompileError, Program, Variables, packed::Packer};

/// `[logout]`, when tokens are taken.
#[derive(Clone, Debug)]
pub struct Logout {
    /// Who makes the tokens.
    pub issuer: String,
    /// For whom they have to be made: one of these.
    pub audience: Vec<String>,
    /// Where the issuer's keys are.
    pub jwks_url: JwksUrl,
    /// What connections over TLS are opened there with.
    pub tls: Arc<ClientConfig>,
    /// Whose sessions end.
    pub matching: Match,
}

/// `logout.match`: a CEL expression over `claims`, `user` and `socket`, compiled. Clones share it.
#[derive(Clone, Debug)]
pub struct Match(Arc<Program>);

impl Match {
    /// Compiles it.
    ///
    /// # Errors
    ///
    /// If it is no such expression, or has the same value for all sockets or all tokens: what is wrong, and where.
    pub fn compile(text: &str) -> Result<Self, CompileError> {
        const EXAMPLE: &str = "compare the two, as user.sub == claims.sub does";
        let program = Program::compile(text, Variables::LOGOUT)?;
        if !program.is_open() {
            return Err(CompileError::whole(format!(
                "it looks at no claim, so that every token would end the same sessions, of whomever it is about; {EXAMPLE}"
            )));
        }
        if !program.looks_at_sockets() {
            return Err(CompileError::whole(format!(
                "it looks at neither user nor socket, so that a token would end everybody's sessions or nobody's; {EXAMPLE}"
            )));
        }
        Ok(Self(Arc::new(program)))
    }

    /// What asks of a socket whether a token with these claims ends its session.
    ///
    /// # Errors
    ///
    /// If with these claims it breaks a limit.
    pub fn of(&self, claims: &Map<String, Value>) -> Result<Bound, CompileError> {
        let mut packer = Packer::default();
        packer.object(claims);
        self.0.bind(&packer.into_bytes())
    }
}

/// Where an issuer's keys are. Prints without its query, which may hold a key of another kind.
#[derive(Clone, PartialEq, Eq)]
pub struct JwksUrl(Uri);

impl JwksUrl {
    /// The error repeats nothing of the URL.
    fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("it is no URL: {error}"))?;
        let is_here = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
            Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical().is_loopback(),
            None => return Err("it names no host".to_owned()),
        };
        match url.scheme() {
            "https" => {}
            "http" if is_here => {}
            "http" => {
                return Err("it is http:// to another machine, and whoever is on the way there could put in keys of their \
                            own; it takes https://"
                    .to_owned());
            }
            _ => return Err("it takes https://, and http:// to this machine".to_owned()),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it has a user or password, which keys that are public do not need".to_owned());
        }
        if url.fragment().is_some() {
            return Err("it has a `#`, and what follows that is never sent".to_owned());
        }
        let uri = text.parse().ok().filter(|_| text.is_ascii());
        uri.map(Self).ok_or_else(|| "it has characters that a URL holds only percent-encoded".to_owned())
    }

    /// What is asked for.
    pub fn uri(&self) -> Uri {
        self.0.clone()
    }

    fn is_encrypted(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }
}

impl fmt::Display for JwksUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        match text.split_once('?') {
            Some((shown, _)) => write!(f, "{shown}?<hidden>"),
            None => f.write_str(&text),
        }
    }
}

impl fmt::Debug for JwksUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JwksUrl({self})")
    }
}

const ISSUER: Setting = Setting {
    name: "logout.issuer",
    kind: Kind::Text,
    default: None,
    about: "Whose tokens end sessions: the `iss` of the identity provider, to the letter. With `logout.audience`, \
            `logout.jwks_url` and `logout.match`, `http.addr` takes OpenID Connect Back-Channel Logout tokens at \
            `POST /logout/backchannel` and CAEP `session-revoked` events at `POST /logout/caep`. Not set: both are 404. \
            docs/logout.md explains it.",
};

const AUDIENCE: Setting = Setting {
    name: "logout.audience",
    kind: Kind::List,
    default: None,
    about: "For whom a token has to be made: the web app's client id at the identity provider, and the receiver's name in its \
            stream of events. A logout token for anybody else too is refused.",
};

const JWKS_URL: Setting = Setting {
    name: "logout.jwks_url",
    kind: Kind::Text,
    default: None,
    about: "Where the issuer's public keys are (`jwks_uri` of its metadata): `https://…`, or `http://…` to this machine. They \
            are fetched at the start and every five minutes, and when a token names one that is not known; those that are known \
            stay while the issuer does not answer.",
};

const CA_FILE: Setting = Setting {
    name: "logout.ca_file",
    kind: Kind::File,
    default: None,
    about: "File of the authorities that sign the certificate of `logout.jwks_url`, in PEM. Not set: the system's.",
};

const MATCH: Setting = Setting {
    name: "logout.match",
    kind: Kind::Expression,
    default: None,
    about: "Whose sessions a token ends: a CEL expression over `claims`, all that the token says, and `user` and `socket` of an \
            open socket, as filters have them: `user.sub == claims.sub`. One that looks at no claim stops the start.",
};

/// What cannot be guessed.
const REQUIRED: [(&Setting, &str); 4] = [
    (&ISSUER, "whose tokens are taken"),
    (&AUDIENCE, "for whom they have to be made"),
    (&JWKS_URL, "with which keys they are signed"),
    (&MATCH, "whose sessions they end, for example user.sub == claims.sub"),
];

impl Logout {
    pub(super) const SETTINGS: &[&Setting] = &[&ISSUER, &AUDIENCE, &JWKS_URL, &CA_FILE, &MATCH];

    /// `has_store`: sessions are where they can be destroyed.
    pub(super) fn read(reader: &mut Reader<'_>, has_store: bool) -> Option<Self> {
        let issuer = reader.parse(&ISSUER, |text| match text {
            "" => Err("it is empty".to_owned()),
            text => Ok(text.to_owned()),
        });
        let audience = reader.list(&AUDIENCE);
        let jwks_url = reader
            .parse_and_show(&JWKS_URL, |text| JwksUrl::parse(text).map(|url| (url.clone(), url.to_string())));
        let authorities = reader.file(&CA_FILE, |pem| trust::authorities(trust::certificates(pem)?));
        let matching = reader.expression(&MATCH, Match::compile);
        if Self::SETTINGS.iter().all(|setting| reader.is_absent(setting)) {
            return None;
        }
        if !has_store {
            reader
                .fault(&MATCH, "with session.store = cookie-session: there is no session that it could end");
        }
        for (setting, says) in REQUIRED {
            if reader.is_absent(setting) {
                reader
                    .fault(setting, format!("it is required where another logout.* is set: it says {says}"));
            }
        }
        if audience.as_ref().is_some_and(|names| names.is_empty() || names.iter().any(String::is_empty)) {
            reader.fault(&AUDIENCE, "it names nobody, or one of its names is empty");
        }
        let jwks_url = jwks_url?;
        if authorities.is_some() && !jwks_url.is_encrypted() {
            reader.fault(&CA_FILE, "nothing uses it: only an https:// logout.jwks_url uses it");
        }
        let tls = match trust::to_servers(authorities.as_ref(), jwks_url.is_encrypted()) {
            Ok(tls) => tls,
            Err(problem) => {
                reader.fault(&CA_FILE, format!("it is needed for TLS to logout.jwks_url: {problem}"));
                return None;
            }
        };
        Some(Self { issuer: issuer?, audience: audience?, jwks_url, tls, matching: matching? })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_come_over_tls_or_from_this_machine() {
        for (text, shown) in [
            ("https://id.example/jwks", Some("https://id.example/jwks")),
            ("https://id.example/jwks?tenant=hunter2", Some("https://id.example/jwks?<hidden>")),
            ("http://127.0.0.1:9000/jwks", Some("http://127.0.0.1:9000/jwks")),
            ("http://[::1]:9000/jwks", Some("http://[::1]:9000/jwks")),
            ("http://localhost/jwks", Some("http://localhost/jwks")),
            ("http://id.hunter2/jwks", None),
            ("http://127.0.0.1.hunter2/jwks", None),
            ("http://localhost.hunter2/jwks", None),
            ("http://10.0.0.1/hunter2", None),
            ("https://ana:hunter2@id.example/jwks", None),
            ("https://id.example/jwks#hunter2", None),
            ("https://id.example/hünter2", None),
            ("ftp://127.0.0.1/hunter2", None),
            ("hunter2", None),
            ("", None),
        ] {
            let url = JwksUrl::parse(text);
            assert_eq!(url.as_ref().ok().map(ToString::to_string).as_deref(), shown, "{text}");
            assert!(!format!("{url:?}").contains("hunter2"), "{url:?}");
        }
    }

    #[test]
    fn an_expression_compares_sockets_with_claims() {
        for (text, wrong) in [
            ("user.sub == claims.sub", None),
            ("has(claims.sid) ? socket.data.sid == claims.sid : user.sub == claims.sub", None),
            ("user.email in claims.emails", None),
            ("string(user.id) == claims.sub", None),
            ("true", Some("no claim")),
            ("user.logged_in", Some("no claim")),
            ("true || user.sub == claims.sub", Some("no claim")),
            ("claims.sub != ''", Some("neither user nor socket")),
            ("user.sub == claims.sub && user.", Some("1:32")),
            ("user.sub == params.sub", Some("`params` is for filters; there is user, socket, claims")),
            ("claims", Some("true or false")),
        ] {
            match (Match::compile(text), wrong) {
                (Ok(_), None) => {}
                (Err(error), Some(wrong)) => assert!(error.to_string().contains(wrong), "{text}: {error}"),
                (compiled, _) => panic!("{text}: {compiled:?}"),
            }
        }
    }

    #[test]
    fn a_claim_that_is_not_there_matches_nobody() {
        let matching = Match::compile("user.sub == claims.sub || user.sid == claims.sid").unwrap();
        let bound = |claims: Value| matching.of(claims.as_object().unwrap()).unwrap().expr().to_string();
        assert_eq!(bound(json!({"sub": "ana", "sid": 7})), r#"user.sub == "ana" || user.sid == 7"#);
        assert!(bound(json!({"sub": "ana"})).starts_with(r#"user.sub == "ana" || error("#));
    }
}
