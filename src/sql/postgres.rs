//! PostgreSQL.

use std::{borrow::Cow, collections::HashMap, error::Error as StdError, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::BytesMut;
use secrecy::ExposeSecret as _;
use tokio_postgres::{
    Client, Config, Error, NoTls, Statement,
    config::SslMode,
    error::{DbError, Severity, SqlState},
    types::{Format, IsNull, ToSql, Type, to_sql_checked},
};
use tokio_util::task::AbortOnDropHandle;

use super::{Answer, Argument, Query, Wanted, tls};
use crate::{
    config::server_url::{ServerUrl, Tls},
    remote::{Failure, Remote},
    task,
};

/// How often the system sees whether a server is still there that says nothing, in place of every two hours.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// A database of PostgreSQL. The time zone is the server's own, as the web app's is: some stores keep times in it.
#[derive(Debug)]
pub struct Postgres {
    url: ServerUrl,
    /// When the server gives up a question: one that waits for a lock goes on when the connection is gone, and keeps its
    /// place among those that the server takes.
    gives_up_after: Duration,
}

/// A connection and the task that speaks for it.
pub struct Connection {
    client: Client,
    prepared: HashMap<Arc<str>, Statement>,
    _speaker: AbortOnDropHandle<()>,
}

impl Postgres {
    pub(super) fn new(url: ServerUrl, gives_up_after: Duration) -> Self {
        Self { url, gives_up_after }
    }

    fn login(&self) -> Config {
        let ServerUrl { host, port, username, password, database, tls, .. } = &self.url;
        let mut login = Config::new();
        login.host(host).port(*port).dbname(database).application_name("socketpass");
        login.options(format!("-c statement_timeout={}", self.gives_up_after.as_millis()));
        login.keepalives_idle(KEEPALIVE).keepalives_interval(KEEPALIVE);
        if let Some(username) = username {
            login.user(username);
        }
        if let Some(password) = password {
            login.password(password.expose_secret());
        }
        login.ssl_mode(if *tls == Tls::Off { SslMode::Disable } else { SslMode::Require });
        login
    }
}

#[async_trait]
impl Remote for Postgres {
    type Connection = Connection;
    type Question = Query;
    type Answer = Answer;

    async fn connect(&self) -> Result<Connection, String> {
        let login = self.login();
        let (client, speaker) = if self.url.tls == Tls::Off {
            let (client, connection) = login.connect(NoTls).await.map_err(|error| words(&error))?;
            (client, task::owned(async move { drop(connection.await) }))
        } else {
            let tls = tls::Connector::new(&self.url.tls)?;
            let (client, connection) = login.connect(tls).await.map_err(|error| words(&error))?;
            (client, task::owned(async move { drop(connection.await) }))
        };
        Ok(Connection { client, prepared: HashMap::new(), _speaker: speaker })
    }

    async fn ask(&self, connection: &mut Connection, query: &Query) -> Result<Answer, Failure> {
        let statement = match connection.prepared.get(&query.statement) {
            Some(statement) => statement.clone(),
            None => {
                let text = match query.wanted {
                    Wanted::Columns | Wanted::Done => Cow::Borrowed(&*query.statement),
                    // No more is sent than a character more than may be. The line ends a comment that may be the last
                    // word.
                    Wanted::Row { max_bytes } => Cow::Owned(format!(
                        "SELECT convert_to(left(to_jsonb(found)::text, {max_bytes} + 1), 'UTF8') FROM ({}\n) AS found LIMIT 1",
                        query.statement
                    )),
                };
                let statement = connection.client.prepare(&text).await.map_err(|error| failure(&error))?;
                connection.prepared.insert(Arc::clone(&query.statement), statement.clone());
                statement
            }
        };
        let arguments: Vec<_> =
            query.arguments.iter().map(|argument| argument as &(dyn ToSql + Sync)).collect();
        let rows = connection.client.query(&statement, &arguments).await.map_err(|error| {
            // Its table may have been made anew under it.
            connection.prepared.clear();
            failure(&error)
        })?;
        let column = |at| -> Result<Option<Vec<u8>>, Failure> {
            let row = rows.first().filter(|row| at < row.len());
            row.map_or(Ok(None), |row| row.try_get(at)).map_err(|error| failure(&error))
        };
        Ok(match (column(0)?, query.wanted) {
            (None, _) => Answer::Nothing,
            (Some(row), Wanted::Row { max_bytes }) if row.len() > max_bytes => Answer::TooLarge,
            (Some(first), _) => Answer::Found(first, column(1)?),
        })
    }
}

impl ToSql for Argument {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Self::Text(text) => text.to_sql_checked(kind, out),
            Self::Integer(number) => number.to_sql_checked(kind, out),
            Self::Untyped(None) => Ok(IsNull::Yes),
            Self::Untyped(Some(text)) => {
                out.extend_from_slice(text.as_bytes());
                Ok(IsNull::No)
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    /// The server reads a text as whatever the statement takes.
    fn encode_format(&self, _: &Type) -> Format {
        if matches!(self, Self::Untyped(_)) { Format::Text } else { Format::Binary }
    }

    to_sql_checked!();
}

fn failure(error: &Error) -> Failure {
    match error.as_db_error() {
        Some(server) if !error.is_closed() && !ends_connection(server) => match *server.code() {
            SqlState::INSUFFICIENT_PRIVILEGE | SqlState::READ_ONLY_SQL_TRANSACTION => {
                Failure::Denied(words(error))
            }
            _ => Failure::Refused(words(error)),
        },
        _ => Failure::Broken(words(error)),
    }
}

/// Whether another connection may do better: the server takes leave, or no longer has what was prepared here.
fn ends_connection(error: &DbError) -> bool {
    let (code, severity) = (error.code(), error.parsed_severity());
    matches!(severity, Some(Severity::Fatal | Severity::Panic))
        || code.code().starts_with("08")
        || code.code().starts_with("57P")
        || *code == SqlState::INVALID_SQL_STATEMENT_NAME
        // `cached plan must not change result type`: the table was altered.
        || (*code == SqlState::FEATURE_NOT_SUPPORTED && error.routine() == Some("RevalidateCachedQuery"))
}

/// The driver's error says little; the server's own words are what it has for a cause.
fn words(error: &Error) -> String {
    match error.as_db_error() {
        // Class 22, data that do not fit, repeats them: they may be an id.
        Some(server) if server.code().code().starts_with("22") => {
            format!("{}: SQLSTATE {}, a value that does not fit", server.severity(), server.code().code())
        }
        Some(server) => format!("{}: {}", server.severity(), server.message()),
        None => match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}
