//! `[registry]`: where it is kept which sockets are open, and for how long.

use std::{fmt, time::Duration};

use super::{
    plaintext,
    reader::Reader,
    redis_url::RedisUrl,
    setting::{Kind, Setting},
};
use crate::expression::{
    self,
    path::{Path, Root},
    scope::SocketField,
};

/// `[registry]`.
#[derive(Clone, Debug)]
pub struct Registry {
    /// Where the registry is kept.
    pub store: RegistryUrl,
    /// What all its keys in Redis begin with, without braces.
    pub prefix: String,
    /// How long a gateway's sockets stay listed without a sign of life from it.
    pub lease: Duration,
    /// How long changes are kept.
    pub history: Duration,
    /// How long a connection to Redis may take.
    pub store_connect_timeout: Duration,
    /// How long Redis may take to answer.
    pub store_timeout: Duration,
    /// How much memory the latest changes may take, in bytes.
    pub history_bytes: usize,
    /// Paths that filters find sockets by.
    pub indexes: Vec<Path>,
}

/// `registry.store`. Prints without the password.
#[derive(Clone, Debug, PartialEq)]
pub enum RegistryUrl {
    /// `memory:`
    Memory,
    /// `redis://` and its kin.
    Redis(RedisUrl),
}

impl RegistryUrl {
    fn parse(url: &str) -> Result<Self, String> {
        match url {
            "memory:" => Ok(Self::Memory),
            url if RedisUrl::is_redis(url) => RedisUrl::parse(url).map(Self::Redis),
            _ => Err("it is no registry's URL; there are memory:, redis://, rediss://, redis+sentinel://, \
                      rediss+sentinel://, redis+cluster:// and rediss+cluster://"
                .to_owned()),
        }
    }
}

impl fmt::Display for RegistryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Redis(url) => url.fmt(f),
        }
    }
}

const STORE: Setting = Setting {
    name: "registry.store",
    kind: Kind::Url,
    default: Some("memory:"),
    about: "Where it is kept which sockets are open. `memory:` is one replica's own: with several, each knows only the \
            gateways that report to it. Redis, in the forms of `session.store`, is shared by all replicas, and a \
            replica that ends takes nothing with it. docs/redis.md says what it needs there.",
};

const PREFIX: Setting = Setting {
    name: "registry.prefix",
    kind: Kind::Text,
    default: Some("socketpass:"),
    about: "What all keys of the registry in Redis begin with, after a brace: `{socketpass:0}:feed`. Installations that \
            share a Redis need one each.",
};

const LEASE: Setting = Setting {
    name: "registry.lease",
    kind: Kind::Duration,
    default: Some("15s"),
    about: "How long a gateway's sockets stay listed without a sign of life from it. Gateways give one every third of \
            it. From `200ms` to `1h`, the same in every replica.",
};

const HISTORY: Setting = Setting {
    name: "registry.history",
    kind: Kind::Duration,
    default: Some("10m"),
    about: "How long changes are kept: a watcher or a replica that was away for longer starts afresh. Redis needs the \
            memory for them. From `1s` to `1d`.",
};

const HISTORY_BYTES: Setting = Setting {
    name: "registry.history_bytes",
    kind: Kind::Bytes,
    default: Some("64MiB"),
    about: "How much memory the latest changes may take in each replica: of more than fits, the oldest are dropped before \
            `registry.history` is over.",
};

const STORE_CONNECT_TIMEOUT: Setting = Setting {
    name: "registry.store_connect_timeout",
    kind: Kind::Duration,
    default: Some("2s"),
    about: "How long one attempt to connect to Redis may take, TLS and login included.",
};

const STORE_TIMEOUT: Setting = Setting {
    name: "registry.store_timeout",
    kind: Kind::Duration,
    default: Some("1s"),
    about: "How long Redis may take to answer; what a gateway reports is not acked then, and comes again.",
};

const INDEXES: Setting = Setting {
    name: "registry.indexes",
    kind: Kind::List,
    default: None,
    about: "Paths by which filters find sockets without looking at each, such as `user.team` or `socket.data.room`. The \
            gateway's and the socket's id, the session's id, the namespace and the user's identity are indexed in any \
            case. Each index costs memory.",
};

impl Registry {
    pub(super) const SETTINGS: &[&Setting] = &[
        &STORE,
        &PREFIX,
        &LEASE,
        &HISTORY,
        &HISTORY_BYTES,
        &STORE_CONNECT_TIMEOUT,
        &STORE_TIMEOUT,
        &INDEXES,
    ];

    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let this = Self {
            store: reader
                .parse_and_show(&STORE, |url| {
                    RegistryUrl::parse(url).map(|store| (store.clone(), store.to_string()))
                })
                .unwrap_or(RegistryUrl::Memory),
            prefix: reader
                .parse(&PREFIX, |prefix| check_prefix(prefix).map(str::to_owned))
                .unwrap_or_default(),
            lease: reader.duration(&LEASE),
            history: reader.duration(&HISTORY),
            store_connect_timeout: reader.duration(&STORE_CONNECT_TIMEOUT),
            store_timeout: reader.duration(&STORE_TIMEOUT),
            history_bytes: reader.bytes(&HISTORY_BYTES),
            indexes: indexes(reader),
        };
        match &this.store {
            RegistryUrl::Memory => {
                for setting in [&PREFIX, &STORE_CONNECT_TIMEOUT, &STORE_TIMEOUT] {
                    reader.unused(setting, "registry.store is memory:");
                }
            }
            RegistryUrl::Redis(url) => {
                if let Some(way_out) = url.plaintext_way_out() {
                    reader.warn(
                        &STORE,
                        plaintext::warning("sessions' ids, users and Redis' password go", way_out),
                    );
                }
            }
        }
        if !(Duration::from_millis(200)..=Duration::from_hours(1)).contains(&this.lease)
            && !reader.has_fault(&LEASE)
        {
            reader.fault(
                &LEASE,
                "it must be from 200ms to 1h: a shorter one ends when a gateway is busy for a moment, and a longer one \
                 lists sockets that are long gone",
            );
        }
        if !(Duration::from_secs(1)..=Duration::from_hours(24)).contains(&this.history)
            && !reader.has_fault(&HISTORY)
        {
            reader.fault(
                &HISTORY,
                "it must be from 1s to 1d: with less a replica that is busy for a moment starts afresh, and more fills \
                 Redis",
            );
        }
        this
    }
}

fn indexes(reader: &mut Reader<'_>) -> Vec<Path> {
    let parse = |text: &str| match expression::path(text) {
        Ok(path) if is_of_users(&path) => Ok(path),
        Ok(_) => Err(format!(
            "{text:?} is neither a field of `user` nor of `socket.data`; an example is user.team"
        )),
        Err(problem) => Err(format!("{text:?} is no path: {problem}")),
    };
    reader.list_of(&INDEXES, parse).unwrap_or_default()
}

/// The other fields are indexed in any case, or are the gateway's, which is asked once for all its sockets.
fn is_of_users(path: &Path) -> bool {
    matches!(path.root, Root::User | Root::Socket(SocketField::Data)) && !path.names.is_empty()
}

/// The braces of a key decide which node of a cluster has it, and the first pair is the registry's own.
fn check_prefix(prefix: &str) -> Result<&str, String> {
    if prefix.contains(['{', '}']) || prefix.chars().any(char::is_control) {
        return Err(
            "it must have no braces and no control characters: the registry puts its own braces around it"
                .to_owned(),
        );
    }
    if prefix.len() > 256 { Err("it must be at most 256 bytes".to_owned()) } else { Ok(prefix) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_leaves_the_braces_to_the_registry() {
        for prefix in ["socketpass:", "", "team a/", "ключ:"] {
            assert_eq!(check_prefix(prefix), Ok(prefix));
        }
        for prefix in ["{a}", "a}", "{", "a\n", &"a".repeat(257)] {
            assert!(check_prefix(prefix).is_err(), "{prefix}");
        }
    }
}
