//! URLs of one server, with what its clients usually take: `scheme://user:password@host:port/database?parameters`.

use std::{fmt, path::PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use super::plaintext::is_this_machine;
use super::server_address::{ServerAddress, decode, host_and_port};

/// Where a server is and how to log in there. Prints without the password.
#[derive(Clone)]
pub struct ServerUrl {
    scheme: &'static str,
    /// A name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who logs in.
    pub username: Option<String>,
    /// With which password.
    pub password: Option<SecretString>,
    /// The database; empty: the server's own choice.
    pub database: String,
    /// Whether what is said is encrypted.
    pub tls: Tls,
}

/// Whether there is TLS. Where there is, the certificate is always checked, and that it is for this host: one that is not
/// keeps nobody out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// None.
    Off,
    /// Checked against the system's certificates, or those of the file `SSL_CERT_FILE`.
    System,
    /// Checked against those in this file.
    File(PathBuf),
}

/// What a scheme calls things.
pub(super) struct Parameters {
    /// As it is printed.
    pub(super) scheme: &'static str,
    pub(super) port: u16,
    /// The parameter that asks for TLS.
    pub(super) mode: &'static str,
    /// Its values without TLS, and with.
    pub(super) off: &'static [&'static str],
    pub(super) on: &'static [&'static str],
    /// The parameter that names a file of certificates.
    pub(super) authority: &'static str,
}

impl ServerUrl {
    /// Reads one. The error repeats nothing of the URL.
    pub(super) fn parse(url: &str, known: &Parameters) -> Result<Self, String> {
        let ServerAddress { scheme: _, username, password, hosts, path, parameters } =
            ServerAddress::parse(url)?;
        let (host, port) = host_and_port(hosts, known.port)?;
        let database = decode(path)?;
        let tls = tls(parameters.unwrap_or(""), known)?;
        Ok(Self { scheme: known.scheme, host, port, username, password, database, tls })
    }

    /// Whether what is said can be read on the way there.
    pub(super) fn is_in_plaintext(&self) -> bool {
        self.tls == Tls::Off && !is_this_machine(&self.host)
    }
}

fn tls(parameters: &str, known: &Parameters) -> Result<Tls, String> {
    let Parameters { mode, off, on, authority, .. } = known;
    let mut is_on = None;
    let mut file = None;
    for (name, value) in form_urlencoded::parse(parameters.as_bytes()) {
        let lower = value.to_ascii_lowercase();
        if name == *mode {
            is_on = Some(match lower.as_str() {
                lower if off.contains(&lower) => false,
                lower if on.contains(&lower) => true,
                _ => {
                    return Err(format!(
                        "`{mode}` can only be one of: {}, {}; with TLS the certificate is always checked",
                        off.join(", "),
                        on.join(", ")
                    ));
                }
            });
        } else if name == *authority {
            file = Some(PathBuf::from(value.into_owned()));
        } else {
            // The name may be a part of a password with a `?` in it.
            return Err(format!("it takes no parameters but `{mode}` and `{authority}`"));
        }
    }
    match (is_on, file) {
        (Some(true), None) => Ok(Tls::System),
        (Some(true) | None, Some(file)) => Ok(Tls::File(file)),
        (Some(false), Some(_)) => {
            Err(format!("`{authority}` names certificates, and `{mode}` turns TLS off"))
        }
        (Some(false) | None, None) => Ok(Tls::Off),
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, host, port, username, password, database, tls: _ } = self;
        write!(f, "{scheme}://")?;
        if username.is_some() || password.is_some() {
            let password = if password.is_some() { ":<hidden>" } else { "" };
            write!(f, "{}{password}@", username.as_deref().unwrap_or(""))?;
        }
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{open}{host}{close}:{port}")?;
        if database.is_empty() { Ok(()) } else { write!(f, "/{database}") }
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerUrl({self})")
    }
}

impl PartialEq for ServerUrl {
    fn eq(&self, other: &Self) -> bool {
        let Self { scheme, host, port, username, password, database, tls } = self;
        let same_password = password.as_ref().map(|password| password.expose_secret())
            == other.password.as_ref().map(|password| password.expose_secret());
        same_password
            && (scheme, host, port, username, database, tls)
                == (&other.scheme, &other.host, &other.port, &other.username, &other.database, &other.tls)
    }
}
