//! PostgreSQL.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use secrecy::ExposeSecret as _;
use tokio_postgres::{Client, Config, Error, NoTls, Statement, config::SslMode, types::ToSql};
use tokio_util::task::AbortOnDropHandle;

use super::{Answer, Argument, Query, tls};
use crate::{
    config::server_url::{ServerUrl, Tls},
    remote::{Failure, Remote},
    task,
};

/// A database of PostgreSQL. The time zone is the server's own, as the web app's is: some stores keep times in it.
#[derive(Debug)]
pub struct Postgres {
    url: ServerUrl,
}

/// A connection and the task that speaks for it.
pub struct Connection {
    client: Client,
    prepared: HashMap<Arc<str>, Statement>,
    _speaker: AbortOnDropHandle<()>,
}

impl Postgres {
    pub(super) fn new(url: ServerUrl) -> Self {
        Self { url }
    }

    fn login(&self) -> Config {
        let ServerUrl { host, port, username, password, database, tls, .. } = &self.url;
        let mut login = Config::new();
        login.host(host).port(*port).dbname(database).application_name("socketpass");
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
                let statement =
                    connection.client.prepare(&query.statement).await.map_err(|error| failure(&error))?;
                connection.prepared.insert(Arc::clone(&query.statement), statement.clone());
                statement
            }
        };
        let arguments: Vec<&(dyn ToSql + Sync)> = query
            .arguments
            .iter()
            .map(|argument| match argument {
                Argument::Text(text) => text as &(dyn ToSql + Sync),
                Argument::Integer(number) => number,
            })
            .collect();
        let rows = connection.client.query(&statement, &arguments).await.map_err(|error| {
            // Its table may have been made anew under it.
            connection.prepared.clear();
            failure(&error)
        })?;
        rows.first().map_or(Ok(None), |row| row.try_get(0)).map_err(|error| failure(&error))
    }
}

fn failure(error: &Error) -> Failure {
    if error.as_db_error().is_some() && !error.is_closed() {
        Failure::Refused(words(error))
    } else {
        Failure::Broken(words(error))
    }
}

/// The driver's error says little; the server's own words are what it has for a cause.
fn words(error: &Error) -> String {
    match error.as_db_error() {
        Some(server) => format!("{}: {}", server.severity(), server.message()),
        None => match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}
