//! The URLs that name an SQL database.

use std::{fmt, path::PathBuf};

use super::server_address::decode;
#[cfg(any(feature = "mysql", feature = "postgres"))]
use super::server_url::{Parameters, ServerUrl};

/// Whose SQL it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    MySql,
    /// SQLite.
    Sqlite,
}

/// An SQL database. Prints without the password.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlUrl {
    /// `postgres://`
    #[cfg(feature = "postgres")]
    Postgres(ServerUrl),
    /// `mysql://`, MariaDB too.
    #[cfg(feature = "mysql")]
    MySql(ServerUrl),
    /// `sqlite:`, a file.
    #[cfg(feature = "sqlite")]
    Sqlite(PathBuf),
}

/// What is said of a database whose driver was left out.
pub(super) const LEFT_OUT: &str =
    "this program was built without that kind of store; its cargo features have it";

/// As `pg` and libpq name them. `prefer` is not there: it takes what is not encrypted for good enough.
#[cfg(feature = "postgres")]
const POSTGRES: Parameters = Parameters {
    scheme: "postgres",
    port: 5432,
    mode: "sslmode",
    off: &["disable"],
    on: &["require", "verify-ca", "verify-full"],
    authority: "sslrootcert",
};

/// As MySQL's own clients name them.
#[cfg(feature = "mysql")]
const MYSQL: Parameters = Parameters {
    scheme: "mysql",
    port: 3306,
    mode: "ssl-mode",
    off: &["disabled"],
    on: &["required", "verify_ca", "verify_identity"],
    authority: "ssl-ca",
};

impl SqlUrl {
    /// Whether the scheme is one of ours.
    pub fn is_sql(url: &str) -> bool {
        ["postgres:", "postgresql:", "mysql:", "mariadb:", "sqlite:"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
    }

    /// Reads one. The error repeats nothing of a user, a password or a host.
    pub fn parse(url: &str) -> Result<Self, String> {
        match url.split(':').next() {
            #[cfg(feature = "postgres")]
            Some("postgres" | "postgresql") => {
                with_database(ServerUrl::parse(url, &POSTGRES)?).map(Self::Postgres)
            }
            #[cfg(feature = "mysql")]
            Some("mysql" | "mariadb") => with_database(ServerUrl::parse(url, &MYSQL)?).map(Self::MySql),
            #[cfg(feature = "sqlite")]
            Some("sqlite") => file(url.trim_start_matches("sqlite:")).map(Self::Sqlite),
            _ => Err(LEFT_OUT.to_owned()),
        }
    }

    /// How to encrypt what is said, if it can be read on the way there.
    pub(super) fn plaintext_way_out(&self) -> Option<&'static str> {
        match *self {
            #[cfg(feature = "postgres")]
            Self::Postgres(ref url) => url.is_in_plaintext().then_some("TLS, as with ?sslmode=verify-full,"),
            #[cfg(feature = "mysql")]
            Self::MySql(ref url) => {
                url.is_in_plaintext().then_some("TLS, as with ?ssl-mode=verify_identity,")
            }
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => None,
        }
    }

    /// Whose SQL it is.
    pub fn dialect(&self) -> Dialect {
        match *self {
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => Dialect::Postgres,
            #[cfg(feature = "mysql")]
            Self::MySql(_) => Dialect::MySql,
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => Dialect::Sqlite,
        }
    }
}

/// Where none is named, a server takes one of its own choice, which is seldom that of the sessions.
#[cfg(any(feature = "mysql", feature = "postgres"))]
fn with_database(url: ServerUrl) -> Result<ServerUrl, String> {
    if url.database.is_empty() {
        Err("it names no database; that follows the host, as in postgres://host/database".to_owned())
    } else {
        Ok(url)
    }
}

/// The path of a file: `sqlite:/path`, `sqlite:///path`, `sqlite:path`.
pub(super) fn file(rest: &str) -> Result<PathBuf, String> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.contains(['?', '#']) {
        return Err("it takes no `?` and no `#`; in a path write them as %3F and %23".to_owned());
    }
    let path = decode(path)?;
    if path.is_empty() || path.contains('\0') {
        return Err("it lacks the path of a file, as in sqlite:/var/lib/app/sessions.sqlite".to_owned());
    }
    Ok(PathBuf::from(path))
}

impl fmt::Display for SqlUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            #[cfg(feature = "postgres")]
            Self::Postgres(ref url) => url.fmt(f),
            #[cfg(feature = "mysql")]
            Self::MySql(ref url) => url.fmt(f),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(ref path) => write!(f, "sqlite:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> Result<String, String> {
        SqlUrl::parse(url).map(|url| url.to_string())
    }

    #[test]
    fn every_form_and_no_password_in_print() {
        for (url, expected) in [
            ("postgres://ana:p%40ss@h/app", "postgres://ana:<hidden>@h:5432/app"),
            ("postgresql://h:1/app?sslmode=verify-full", "postgres://h:1/app"),
            (
                "mysql://ana:x@[::1]/app?ssl-mode=REQUIRED&ssl-ca=/ca.pem",
                "mysql://ana:<hidden>@[::1]:3306/app",
            ),
            ("sqlite:/var/sessions.sqlite", "sqlite:/var/sessions.sqlite"),
            ("sqlite:///var/a%20b", "sqlite:/var/a b"),
            ("sqlite:sessions", "sqlite:sessions"),
        ] {
            assert_eq!(shown(url).as_deref(), Ok(expected), "{url}");
            let debug = format!("{:?}", SqlUrl::parse(url));
            assert!(!debug.contains("p@ss") && !debug.contains("p%40ss"), "{debug}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_repeating_it() {
        for url in [
            "postgres:h",
            "postgres://u:hunter2@h",
            "postgres://u:hunter2@h:99999/app",
            "postgres://u:hunter2@h/app?sslmode=prefer",
            "postgres://u:hunter2@h/app?sslmode=disable&sslrootcert=x",
            "postgres://u:hunter2@h/app?x=hunter2",
            "mysql://u:hunter2@h/app#x",
            "postgres://12:34/hunter2@h/app",
            "mysql://u:hun/ter2@h/app",
            "postgres://u:hunter2",
            "mysql://u:hunter2@/app",
            "sqlite:",
            "sqlite:/a?mode=hunter2",
        ] {
            let problem = shown(url).expect_err(url);
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }
}
