//! MySQL and MariaDB.

use async_trait::async_trait;
use secrecy::ExposeSecret as _;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Error, MySqlConnection, Row as _,
    mysql::{MySqlConnectOptions, MySqlSslMode},
};

use super::{Answer, Argument, Query};
use crate::{
    config::server_url::{ServerUrl, Tls},
    remote::{Failure, Remote},
};

/// A database of MySQL or MariaDB. The connection's time zone is UTC, which the driver sets.
#[derive(Debug)]
pub struct MySql {
    url: ServerUrl,
}

impl MySql {
    pub(super) fn new(url: ServerUrl) -> Self {
        Self { url }
    }
}

#[async_trait]
impl Remote for MySql {
    type Connection = MySqlConnection;
    type Question = Query;
    type Answer = Answer;

    async fn connect(&self) -> Result<MySqlConnection, String> {
        let ServerUrl { host, port, username, password, database, tls, .. } = &self.url;
        let mut login = MySqlConnectOptions::new()
            .host(host)
            .port(*port)
            .database(database)
            // It only reads, and other servers than MySQL's do not take these.
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .ssl_mode(if *tls == Tls::Off { MySqlSslMode::Disabled } else { MySqlSslMode::VerifyIdentity })
            .disable_statement_logging();
        if let Tls::File(path) = tls {
            login = login.ssl_ca(path);
        }
        if let Some(username) = username {
            login = login.username(username);
        }
        if let Some(password) = password {
            login = login.password(password.expose_secret());
        }
        login.connect().await.map_err(|error| error.to_string())
    }

    async fn ask(&self, connection: &mut MySqlConnection, query: &Query) -> Result<Answer, Failure> {
        let mut prepared = sqlx::query(AssertSqlSafe(&*query.statement));
        for argument in &query.arguments {
            prepared = match argument {
                Argument::Text(text) => prepared.bind(text),
                Argument::Integer(number) => prepared.bind(number),
            };
        }
        let row = prepared.fetch_optional(connection).await.map_err(|error| failure(&error))?;
        row.map_or(Ok(None), |row| row.try_get_unchecked(0)).map_err(|error| failure(&error))
    }
}

fn failure(error: &Error) -> Failure {
    match error {
        Error::Database(server) => Failure::Refused(server.to_string()),
        other => Failure::Broken(other.to_string()),
    }
}
