//! `[user]`: who people are.

use std::{sync::Arc, time::Duration};

use rustls::ClientConfig;
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    plaintext,
    reader::Reader,
    redis_url::RedisUrl,
    setting::{Kind, Setting},
    sql_url::SqlUrl,
    trust,
    user_url::{GrpcUrl, HttpUrl, Lookup, Template, UserUrl},
};
use crate::expression::{
    self,
    path::{Path, Root},
};

/// `user.source` that takes the stored value for the user.
pub const SESSION: &str = "session";

/// `[user]`.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// What turns `passport.user` into the user.
    pub source: UserSource,
    /// Where in a user stands who it is.
    pub identity: Path,
    /// How users are asked for.
    pub asking: Asking,
}

/// How a source other than the session is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asking {
    /// How long an answer may take.
    pub timeout: Duration,
    /// How many questions may wait for their answer at once.
    pub max_requests: usize,
    /// How long a user is remembered; `None`: not at all.
    pub cache_ttl: Option<Duration>,
    /// How many users are remembered.
    pub cache_size: usize,
    /// How much longer a user counts while the source is down; `None`: not at all.
    pub stale_for: Option<Duration>,
}

/// `user.source`, and what goes with it.
#[derive(Clone, Debug, PartialEq)]
pub enum UserSource {
    /// The stored value is the user.
    Session,
    /// A key for each user.
    Redis {
        /// Where.
        url: RedisUrl,
        /// The key.
        key: Template,
    },
    /// A URL for each user.
    Http(HttpUrl, Credentials),
    /// A `UserSourceService`.
    Grpc(GrpcUrl, Credentials),
    /// A row for each user.
    Sql {
        /// Where.
        url: SqlUrl,
        /// How a row is found.
        lookup: Lookup,
    },
}

/// What a source is shown, and what it has to show.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The `Authorization` header.
    pub authorization: Option<SecretString>,
    /// Whom to trust in place of the system's authorities.
    pub authorities: Option<Authorities>,
    /// What connections over TLS are opened with.
    pub tls: Arc<ClientConfig>,
}

/// Authorities that sign servers' certificates.
#[derive(Clone, Debug)]
pub struct Authorities {
    /// As the file has them.
    pub pem: Vec<u8>,
    roots: trust::Authorities,
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        let of = |credentials: &Self| {
            let Self { authorization, authorities, tls: _ } = credentials;
            let authorization = authorization.as_ref().map(|secret| secret.expose_secret().to_owned());
            (authorization, authorities.as_ref().map(|authorities| authorities.pem.clone()))
        };
        of(self) == of(other)
    }
}

const SOURCE: Setting = Setting {
    name: "user.source",
    kind: Kind::Url,
    default: Some(SESSION),
    about: "What turns the session's `passport.user` into the user, as the app's `deserializeUser` does. `session`: an \
            object is the user itself, a text or number is its `id`. `redis://…` and its kin as in `session.store`: a JSON \
            text or a hash under the key `user.lookup`. `https://app.example/users/{id}`: 200 with the user as a JSON object, \
            404 for none. `grpc://app:50051`, `grpcs://…`: the `UserSourceService` that the app serves. `postgres://…`, \
            `mysql://…`, `sqlite:…`: the row that the query `user.lookup` finds. `{id}` is \
            `passport.user`, of an object its `user.id_field`; what is neither text nor number is USER_NOT_FOUND.",
};

const LOOKUP: Setting = Setting {
    name: "user.lookup",
    kind: Kind::Text,
    default: Some("user:{id}"),
    about: "Where a user is in the source, with `{id}` where the id goes: of Redis the key; of SQL one query, such as `SELECT \
            id, name, role FROM users WHERE id = {id}`, to which the id is bound and whose columns become the user's fields. \
            HTTP has it in the URL, and gRPC needs none.",
};

const ID_FIELD: Setting = Setting {
    name: "user.id_field",
    kind: Kind::Text,
    default: Some("id"),
    about: "Where in a user stands who it is: a field, or a path such as `account.id`. The registry is indexed by it.",
};

const AUTHORIZATION: Setting = Setting {
    name: "user.authorization",
    kind: Kind::Secret,
    default: None,
    about: "What an HTTP or gRPC source is sent as `Authorization`, whole: `Bearer …`. Not set: nothing is sent.",
};

const CA_FILE: Setting = Setting {
    name: "user.ca_file",
    kind: Kind::File,
    default: None,
    about: "File of the authorities that sign the certificate of an `https://` or `grpcs://` source, in PEM. Not set: the \
            system's.",
};

const TIMEOUT: Setting = Setting {
    name: "user.timeout",
    kind: Kind::Duration,
    default: Some("1s"),
    about: "How long the source may take for one user, connecting and a second attempt on a connection that broke included; \
            longer is USER_SOURCE_FAILED.",
};

const MAX_REQUESTS: Setting = Setting {
    name: "user.max_requests",
    kind: Kind::Count,
    default: Some("100"),
    about: "How many users the source may be asked for at once; more wait for their turn, within `user.timeout`. Handshakes \
            of one user share a question.",
};

const CACHE_TTL: Setting = Setting {
    name: "user.cache_ttl",
    kind: Kind::Duration,
    default: Some("5s"),
    about: "How long a user that was found is remembered; `0s`: not at all. Whoever is banned or changed may be let in as \
            before for so long. That there is no such user is never remembered.",
};

const CACHE_SIZE: Setting = Setting {
    name: "user.cache_size",
    kind: Kind::Count,
    default: Some("10000"),
    about: "How many users are remembered at most, the oldest forgotten first. One that takes more than 4 KiB of memory has several places.",
};

const STALE_FOR: Setting = Setting {
    name: "user.stale_for",
    kind: Kind::Duration,
    default: Some("0s"),
    about: "How long after `user.cache_ttl` a remembered user still counts when the source does not answer; `0s`: not at all, \
            and handshakes are rejected with USER_SOURCE_FAILED. Whoever is banned meanwhile is let in for so long.",
};

impl User {
    pub(super) const SETTINGS: &[&Setting] = &[
        &SOURCE,
        &LOOKUP,
        &ID_FIELD,
        &AUTHORIZATION,
        &CA_FILE,
        &TIMEOUT,
        &MAX_REQUESTS,
        &CACHE_TTL,
        &CACHE_SIZE,
        &STALE_FOR,
    ];

    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let url = reader
            .parse_and_show(&SOURCE, |text| UserUrl::parse(text).map(|url| (url.clone(), url.to_string())));
        let authorization = reader.secret(&AUTHORIZATION);
        let authorities = reader.file(&CA_FILE, |pem| {
            let roots = trust::authorities(trust::certificates(pem)?)?;
            Ok(Authorities { pem: pem.to_vec(), roots })
        });
        let url = url.unwrap_or(UserUrl::Session);
        let (key, query) = match &url {
            UserUrl::Sql(_) => (None, lookup(reader)),
            _ => (reader.parse(&LOOKUP, Template::parse), None),
        };
        warn_of_unused(reader, &url);
        if let Some(way_out) = url.plaintext_way_out(authorization.is_some()) {
            let what = "users and what socketpass shows to be let in go";
            reader.warn(&SOURCE, plaintext::warning(what, way_out));
        }
        if authorization.as_ref().is_some_and(|secret| !is_header(secret)) {
            reader.fault(&AUTHORIZATION, "it is empty, or has characters that no header can have");
        }
        let tls = client_tls(reader, &url, authorities.as_ref());
        let credentials = tls.map(|tls| Credentials { authorization, authorities, tls });
        let source = match (url, credentials) {
            (UserUrl::Redis(url), _) => UserSource::Redis { url, key: key.unwrap_or_default() },
            (UserUrl::Http(url), Some(credentials)) => UserSource::Http(url, credentials),
            (UserUrl::Grpc(url), Some(credentials)) => UserSource::Grpc(url, credentials),
            (UserUrl::Sql(url), _) => match query {
                Some(lookup) => UserSource::Sql { url, lookup },
                None => UserSource::Session,
            },
            // Where something is missing a fault was reported.
            (UserUrl::Session, _) | (UserUrl::Http(_) | UserUrl::Grpc(_), None) => UserSource::Session,
        };
        let identity = reader.parse(&ID_FIELD, |field| {
            if field.trim().is_empty() {
                return Err("it is empty, and should be the field of a user that says who it is, such as `id`, or a path to it, \
                            such as `account.id`"
                    .to_owned());
            }
            expression::path(&format!("user.{field}"))
                .map_err(|problem| format!("it is no path within a user: {problem}"))
        });
        Self {
            source,
            identity: identity.unwrap_or_else(|| Path { root: Root::User, names: Vec::new() }),
            asking: Asking {
                timeout: reader.duration(&TIMEOUT),
                max_requests: reader.count(&MAX_REQUESTS),
                cache_ttl: reader.duration_or_off(&CACHE_TTL),
                cache_size: reader.count(&CACHE_SIZE),
                stale_for: reader.duration_or_off(&STALE_FOR),
            },
        }
    }
}

/// Of SQL nobody can guess it.
fn lookup(reader: &mut Reader<'_>) -> Option<Lookup> {
    if reader.is_absent(&LOOKUP) {
        reader.fault(
            &LOOKUP,
            "it is required: SELECT id, name, role FROM users WHERE id = {id}, or what finds a user there",
        );
        return None;
    }
    reader.parse(&LOOKUP, Lookup::parse)
}

/// Authorities that cannot be had are told at the start and not at every handshake.
fn client_tls(
    reader: &mut Reader<'_>,
    url: &UserUrl,
    authorities: Option<&Authorities>,
) -> Option<Arc<ClientConfig>> {
    match trust::to_servers(authorities.map(|authorities| &authorities.roots), url.is_encrypted()) {
        Ok(config) => Some(config),
        Err(problem) => {
            reader.fault(&CA_FILE, format!("it is needed for TLS to user.source: {problem}"));
            None
        }
    }
}

fn warn_of_unused(reader: &mut Reader<'_>, url: &UserUrl) {
    let is_asked = *url != UserUrl::Session;
    let has_lookup = matches!(url, UserUrl::Redis(_) | UserUrl::Sql(_));
    let is_app = matches!(url, UserUrl::Http(_) | UserUrl::Grpc(_));
    let asked = "with user.source = \"session\" nobody is asked";
    for (setting, is_used, because) in [
        (&LOOKUP, has_lookup, "a user.source in Redis or SQL does; of an https:// URL `{id}` is a part"),
        (&AUTHORIZATION, is_app, "an HTTP or gRPC user.source does"),
        (
            &CA_FILE,
            url.is_encrypted(),
            "an https:// or grpcs:// user.source does; of rediss:// it is SSL_CERT_FILE",
        ),
        (&TIMEOUT, is_asked, asked),
        (&MAX_REQUESTS, is_asked, asked),
        (&CACHE_TTL, is_asked, asked),
        (&CACHE_SIZE, is_asked, asked),
        (&STALE_FOR, is_asked, asked),
    ] {
        if !is_used {
            reader.unused(setting, because);
        }
    }
}

fn is_header(secret: &SecretString) -> bool {
    let text = secret.expose_secret();
    !text.is_empty() && http::HeaderValue::from_str(text).is_ok()
}
