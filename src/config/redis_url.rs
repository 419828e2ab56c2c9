//! The URLs that name a Redis: one server, a primary that Sentinels know, or a cluster.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

use super::plaintext::is_this_machine;
use super::server_address::{ServerAddress, decode, host_and_port};

/// Where a Redis is and how to log in there. Prints without the password.
#[derive(Clone)]
pub struct RedisUrl {
    /// One server, Sentinels or a cluster.
    pub topology: Topology,
    /// Host and port of the server, of each Sentinel, or of some of the cluster's nodes.
    pub nodes: Vec<(String, u16)>,
    /// `rediss`: TLS to all of them, checked against the system's certificates (`SSL_CERT_FILE`).
    pub tls: bool,
    /// ACL user.
    pub username: Option<String>,
    /// Its password, or that of `requirepass`.
    pub password: Option<SecretString>,
    /// Database number.
    pub database: i64,
}

/// How the servers belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topology {
    /// One server.
    Single,
    /// Sentinels, asked for the primary of this name.
    Sentinel(String),
    /// A cluster.
    Cluster,
}

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

impl RedisUrl {
    /// Whether the scheme is one of ours.
    pub fn is_redis(url: &str) -> bool {
        url.starts_with("redis:")
            || url.starts_with("rediss:")
            || url.starts_with("redis+")
            || url.starts_with("rediss+")
    }

    /// How to encrypt what is said, if it can be read on the way there.
    pub(super) fn plaintext_way_out(&self) -> Option<&'static str> {
        let is_elsewhere = self.nodes.iter().any(|(host, _)| !is_this_machine(host));
        (!self.tls && is_elsewhere).then_some("TLS, as in rediss://,")
    }

    /// Reads `redis://user:password@host:port/0`, `redis+sentinel://h1,h2/primary/0` and `redis+cluster://h1,h2`, and
    /// the same with `rediss`. The error repeats nothing of the URL but its scheme.
    pub fn parse(url: &str) -> Result<Self, String> {
        let ServerAddress { scheme, username, password, hosts, path, parameters } =
            ServerAddress::parse(url)?;
        if parameters.is_some() {
            return Err("it takes no `?`; in a user or password write it as %3F".to_owned());
        }
        let (transport, topology) = scheme.split_once('+').unwrap_or((scheme, ""));
        let tls = transport == "rediss";
        if username.is_some() && password.is_none() {
            // Printed as a user it would be a password for all to see.
            return Err(
                "it has a user without a password; a password alone is written redis://:password@host"
                    .to_owned(),
            );
        }
        let (topology, database, port) = match topology {
            "" => (Topology::Single, path, REDIS_PORT),
            "sentinel" => {
                let (primary, database) = path.split_once('/').unwrap_or((path, ""));
                if primary.is_empty() {
                    return Err(
                        "it lacks the primary's name: redis+sentinel://host1,host2/primary/0".to_owned()
                    );
                }
                (Topology::Sentinel(decode(primary)?), database, SENTINEL_PORT)
            }
            "cluster" if path.is_empty() => (Topology::Cluster, path, REDIS_PORT),
            "cluster" => {
                return Err("a cluster has no database numbers: redis+cluster://host1,host2".to_owned());
            }
            _ => {
                return Err(
                    "there is no such scheme; there are redis, redis+sentinel, redis+cluster and rediss for each".to_owned(),
                );
            }
        };
        let nodes = hosts.split(',').map(|host| host_and_port(host, port)).collect::<Result<Vec<_>, _>>()?;
        if topology == Topology::Single && nodes.len() > 1 {
            return Err(
                "it names several hosts, which takes redis+sentinel:// or redis+cluster://".to_owned()
            );
        }
        let database = match database {
            "" => 0,
            number => number
                .parse()
                .ok()
                .filter(|number| *number >= 0)
                .ok_or("what follows the last `/` is no database number")?,
        };
        Ok(Self { topology, nodes, tls, username, password, database })
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topology = match self.topology {
            Topology::Single => "",
            Topology::Sentinel(_) => "+sentinel",
            Topology::Cluster => "+cluster",
        };
        write!(f, "redis{}{topology}://", if self.tls { "s" } else { "" })?;
        if self.username.is_some() || self.password.is_some() {
            let password = if self.password.is_some() { ":<hidden>" } else { "" };
            write!(f, "{}{password}@", self.username.as_deref().unwrap_or(""))?;
        }
        for (index, (host, port)) in self.nodes.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
            write!(f, "{separator}{open}{host}{close}:{port}")?;
        }
        match &self.topology {
            Topology::Single => write!(f, "/{}", self.database),
            Topology::Sentinel(primary) => write!(f, "/{primary}/{}", self.database),
            Topology::Cluster => Ok(()),
        }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

impl PartialEq for RedisUrl {
    fn eq(&self, other: &Self) -> bool {
        let Self { topology, nodes, tls, username, password, database } = self;
        let same_password = password.as_ref().map(|password| password.expose_secret())
            == other.password.as_ref().map(|password| password.expose_secret());
        same_password
            && (topology, nodes, tls, username, database)
                == (&other.topology, &other.nodes, &other.tls, &other.username, &other.database)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> Result<String, String> {
        RedisUrl::parse(url).map(|url| url.to_string())
    }

    #[test]
    fn every_form_and_no_password_in_print() {
        for (url, expected) in [
            ("redis://localhost", "redis://localhost:6379/0"),
            ("rediss://[::1]:7000/2", "rediss://[::1]:7000/2"),
            ("redis://ana:p%40ss@h", "redis://ana:<hidden>@h:6379/0"),
            ("redis://:secret@h/1", "redis://:<hidden>@h:6379/1"),
            ("redis+sentinel://a,b:1/primary/3", "redis+sentinel://a:26379,b:1/primary/3"),
            ("rediss+cluster://:x@a,b", "rediss+cluster://:<hidden>@a:6379,b:6379"),
        ] {
            assert_eq!(shown(url).as_deref(), Ok(expected), "{url}");
        }
        let url = RedisUrl::parse("redis://ana:p%40ss@h").expect("a URL");
        assert_eq!(url.password.as_ref().map(|password| password.expose_secret()), Some("p@ss"));
        assert!(!format!("{url:?}").contains("p@ss"));
    }

    #[test]
    fn what_is_wrong_is_said_without_repeating_it() {
        for url in [
            "redis:localhost",
            "redis://",
            "redis://a,b",
            "redis://h/x",
            "redis://[::1]7000",
            "redis://h/-1",
            "redis://u:hunter2@h:99999",
            "redis://u:hunter2@h?x",
            "redis+sentinel://a,b",
            "redis+cluster://a/1",
            "redis+other://a",
            "redis://hunter2@h",
            "redis+x:hunter2@h://",
            "redis+sentinel://12:34/hunter2@h/primary",
        ] {
            let problem = shown(url).expect_err(url);
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }
}
