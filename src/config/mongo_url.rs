//! The URLs that name a MongoDB: one server, a replica set, or a name in the DNS that lists them.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

use super::plaintext::is_this_machine;
use super::server_address::{ServerAddress, decode, host_and_port};

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
    is_in_plaintext: bool,
}

/// The npm driver's, and so that of the stores on it.
const USUAL_DATABASE: &str = "test";

const USUAL_PORT: u16 = 27017;

/// What turns off checking who answers.
const UNCHECKED: [&str; 4] =
    ["tlsinsecure", "tlsallowinvalidcertificates", "tlsallowinvalidhostnames", "sslverifycertificate"];

impl MongoUrl {
    /// Whether the scheme is one of ours.
    pub(super) fn is_mongo(url: &str) -> bool {
        url.starts_with("mongodb:") || url.starts_with("mongodb+srv:")
    }

    /// How to encrypt what is said, if it can be read on the way there.
    pub(super) fn plaintext_way_out(&self) -> Option<&'static str> {
        self.is_in_plaintext.then_some("TLS, as with ?tls=true,")
    }

    /// Reads one. The error repeats nothing of a user, a password or a host.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let ServerAddress { scheme, username, password, hosts, path, parameters } =
            ServerAddress::parse(url)?;
        let mut is_elsewhere = false;
        for host in hosts.split(',') {
            let (host, _) = host_and_port(host, USUAL_PORT)?;
            is_elsewhere |= !is_this_machine(&host);
        }
        // The driver's own default.
        let mut tls = scheme == "mongodb+srv";
        for (name, value) in form_urlencoded::parse(parameters.unwrap_or("").as_bytes()) {
            let name = name.to_ascii_lowercase();
            if matches!(name.as_str(), "tls" | "ssl") {
                tls = value == "true";
            }
            if UNCHECKED.contains(&name.as_str()) {
                return Err(
                    "it has a parameter that turns off checking the server's certificate; `tlsCAFile` names those that \
                     are to be trusted"
                        .to_owned(),
                );
            }
        }
        let database = decode(path)?;
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
            is_in_plaintext: is_elsewhere && !tls,
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
            "mongodb://u:hunter2",
            "mongodb://u:hun/ter2@h/app",
            "mongodb://12:34/hunter2@h/app",
            "mongodb://12:34?hunter2@h/app",
            "mongodb:hunter2@h://h/app",
        ] {
            let problem = MongoUrl::parse(url).expect_err(url);
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }
}
