//! The URLs that name a MongoDB: one server, a replica set, or a name in the DNS that lists them.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

use super::redis_url::{decode, user_and_password};

/// A MongoDB, in the words of its own drivers. Prints without the password.
#[derive(Clone)]
pub struct MongoUrl {
    /// The URL as it was written.
    pub url: SecretString,
    /// The password alone, so that it can be kept out of what the driver says.
    pub password: Option<SecretString>,
    /// The database; that of the drivers if none is named.
    pub database: String,
    shown: String,
}

/// The npm driver's, and so that of the stores on it.
const USUAL_DATABASE: &str = "test";

/// What turns off checking who answers.
const UNCHECKED: [&str; 4] =
    ["tlsinsecure", "tlsallowinvalidcertificates", "tlsallowinvalidhostnames", "sslverifycertificate"];

impl MongoUrl {
    /// Whether the scheme is one of ours.
    pub(super) fn is_mongo(url: &str) -> bool {
        url.starts_with("mongodb:") || url.starts_with("mongodb+srv:")
    }

    /// Reads one. The error repeats nothing of a user, a password or a host.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").ok_or("it has no `://` after its scheme")?;
        if rest.contains('#') {
            return Err("it takes no `#`; in a user or password write it as %23".to_owned());
        }
        let (address, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = address.split_once('/').unwrap_or((address, ""));
        let (credentials, hosts) = match authority.rsplit_once('@') {
            Some((credentials, hosts)) => (Some(credentials), hosts),
            None => (None, authority),
        };
        let (username, password) = credentials.map_or(Ok((None, None)), user_and_password)?;
        if hosts.split(',').any(str::is_empty) {
            return Err("one of its hosts is empty".to_owned());
        }
        for (name, _) in form_urlencoded::parse(parameters.as_bytes()) {
            if UNCHECKED.contains(&name.to_ascii_lowercase().as_str()) {
                return Err(
                    "it has a parameter that turns off checking the server's certificate; `tlsCAFile` names those that \
                     are to be trusted"
                        .to_owned(),
                );
            }
        }
        let database = decode(database)?;
        let credentials = match (&username, &password) {
            (None, None) => String::new(),
            (username, None) => format!("{}@", username.as_deref().unwrap_or_default()),
            (username, Some(_)) => format!("{}:<hidden>@", username.as_deref().unwrap_or_default()),
        };
        let path = if database.is_empty() { String::new() } else { format!("/{database}") };
        Ok(Self {
            url: SecretString::from(url),
            password,
            database: if database.is_empty() { USUAL_DATABASE.to_owned() } else { database },
            shown: format!("{scheme}://{credentials}{hosts}{path}"),
        })
    }
}

impl fmt::Display for MongoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for MongoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MongoUrl({self})")
    }
}

impl PartialEq for MongoUrl {
    fn eq(&self, other: &Self) -> bool {
        self.url.expose_secret() == other.url.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_and_no_password_in_print() {
        for (url, shown, database) in [
            ("mongodb://h", "mongodb://h", "test"),
            ("mongodb://u:p%40ss@a:1,b/app?replicaSet=x", "mongodb://u:<hidden>@a:1,b/app", "app"),
            (
                "mongodb+srv://u:p%40ss@cluster.example/app",
                "mongodb+srv://u:<hidden>@cluster.example/app",
                "app",
            ),
        ] {
            let url = MongoUrl::parse(url).expect(url);
            assert_eq!((url.to_string().as_str(), url.database.as_str()), (shown, database));
            assert!(!format!("{url:?}").contains("p%40ss"));
        }
        for url in [
            "mongodb:h",
            "mongodb://u:hunter2@",
            "mongodb://u:hunter2@h?tlsInsecure=true",
            "mongodb://u:hunter2@a,",
        ] {
            let problem = MongoUrl::parse(url).expect_err(url);
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }
}
