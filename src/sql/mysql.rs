//! MySQL and MariaDB.

use async_trait::async_trait;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions as _, Error, MySqlConnection, Row as _, TypeInfo as _,
    ValueRef as _,
    mysql::{MySqlColumn, MySqlConnectOptions, MySqlRow, MySqlSslMode},
};

use super::{Answer, Argument, Query, Wanted, row};
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
                Argument::Untyped(text) => prepared.bind(text),
            };
        }
        let row = prepared.fetch_optional(connection).await.map_err(|error| failure(&error))?;
        let Some(row) = row else { return Ok(None) };
        match query.wanted {
            Wanted::Column => row.try_get_unchecked(0).map_err(|error| failure(&error)),
            Wanted::Row { .. } => object(&row).map(Some).map_err(Failure::Refused),
        }
    }
}

fn object(row: &MySqlRow) -> Result<Vec<u8>, String> {
    row::object(row.columns().iter().map(|column| {
        let value = value(row, column).map_err(|error| error.to_string());
        (column.name().to_owned(), value)
    }))
}

/// What a column holds; `None` for types that JSON has nothing for.
fn value(row: &MySqlRow, column: &MySqlColumn) -> Result<Option<Value>, Error> {
    let at = column.ordinal();
    if row.try_get_raw(at)?.is_null() {
        return Ok(Some(Value::Null));
    }
    Ok(match column.type_info().name() {
        "BOOLEAN" => Some(row.try_get_unchecked::<bool, _>(at)?.into()),
        "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" => {
            Some(row.try_get_unchecked::<i64, _>(at)?.into())
        }
        "TINYINT UNSIGNED" | "SMALLINT UNSIGNED" | "MEDIUMINT UNSIGNED" | "INT UNSIGNED"
        | "BIGINT UNSIGNED" | "YEAR" => Some(row.try_get_unchecked::<u64, _>(at)?.into()),
        "FLOAT" => row::double(row.try_get_unchecked::<f32, _>(at)?.into()),
        "DOUBLE" => row::double(row.try_get_unchecked(at)?),
        "CHAR" | "VARCHAR" | "TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT" | "ENUM" | "SET" => {
            Some(row.try_get_unchecked::<String, _>(at)?.into())
        }
        // As a text, as npm's mysql2 has it: a double would round it.
        "DECIMAL" => Some(row.try_get_unchecked::<String, _>(at)?.into()),
        "JSON" => serde_json::from_slice(&row.try_get_unchecked::<Vec<u8>, _>(at)?).ok(),
        "DATE" => {
            time(&row.try_get_unchecked::<Vec<u8>, _>(at)?, "").and_then(|time| Some(time.get(..10)?.into()))
        }
        "DATETIME" => time(&row.try_get_unchecked::<Vec<u8>, _>(at)?, "").map(Value::from),
        // The connection's time zone.
        "TIMESTAMP" => time(&row.try_get_unchecked::<Vec<u8>, _>(at)?, "Z").map(Value::from),
        _ => None,
    })
}

/// A point in time as ISO 8601, from the bytes of the binary protocol: how many there are, then year, month, day, hour,
/// minute, second and microseconds, of which those at the end are left out that are zero.
fn time(bytes: &[u8], zone: &str) -> Option<String> {
    let mut parts = [0; 11];
    let (_count, given) = bytes.split_first()?;
    parts.get_mut(..given.len())?.copy_from_slice(given);
    let [y0, y1, month, day, hour, minute, second, u0, u1, u2, u3] = parts;
    let (year, micros) = (u16::from_le_bytes([y0, y1]), u32::from_le_bytes([u0, u1, u2, u3]));
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}{zone}",
        micros / 1000
    ))
}

fn failure(error: &Error) -> Failure {
    match error {
        Error::Database(server) => Failure::Refused(server.to_string()),
        other => Failure::Broken(other.to_string()),
    }
}
