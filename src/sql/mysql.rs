//! MySQL and MariaDB.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions as _, Error, Executor as _, MySqlConnection, Row as _,
    TypeInfo as _, ValueRef as _,
    mysql::{MySql as Driver, MySqlColumn, MySqlConnectOptions, MySqlDatabaseError, MySqlRow, MySqlSslMode},
};

use super::{
    Answer, Query,
    over_sqlx::{self, Columns, double},
};
use crate::{
    config::server_url::{ServerUrl, Tls},
    remote::{Failure, Remote},
};

/// A database of MySQL or MariaDB. The connection's time zone is UTC, which the driver sets.
#[derive(Debug)]
pub struct MySql {
    url: ServerUrl,
    /// When the server gives up a question: one that waits for a lock goes on when the connection is gone, and keeps its
    /// place among those that the server takes.
    gives_up_after: Duration,
}

impl MySql {
    pub(super) fn new(url: ServerUrl, gives_up_after: Duration) -> Self {
        Self { url, gives_up_after }
    }

    /// MySQL and MariaDB each read their own comment of the two. No more than the first row is sent of what a query finds,
    /// and its own order holds. MySQL's limit is for what reads; what writes can only be told how long to wait for a lock,
    /// in whole seconds.
    fn bounds(&self) -> String {
        let after = self.gives_up_after;
        let (milliseconds, seconds) = (after.as_millis(), after.as_secs_f64());
        let whole = seconds.ceil();
        format!(
            "SET sql_select_limit = 1 /*!50708 , max_execution_time = {milliseconds} , \
             lock_wait_timeout = {whole} , innodb_lock_wait_timeout = {whole} */ \
             /*M!100101 , max_statement_time = {seconds} */"
        )
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
            // Nothing that is asked needs these, and other servers than MySQL's do not take them.
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
        let mut connection = login.connect().await.map_err(|error| error.to_string())?;
        match connection.execute(AssertSqlSafe(self.bounds())).await {
            // What speaks this protocol and knows no such bounds is as good as before.
            Ok(_) | Err(Error::Database(_)) => Ok(connection),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn ask(&self, connection: &mut MySqlConnection, query: &Query) -> Result<Answer, Failure> {
        over_sqlx::ask::<Driver>(connection, query).await
    }
}

impl Columns for Driver {
    fn length(row: &MySqlRow, column: &MySqlColumn) -> Result<usize, Error> {
        Ok(row.try_get_unchecked::<Option<&[u8]>, _>(column.ordinal())?.map_or(0, <[u8]>::len))
    }

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
            "FLOAT" => double(row.try_get_unchecked::<f32, _>(at)?.into()),
            "DOUBLE" => double(row.try_get_unchecked(at)?),
            "CHAR" | "VARCHAR" | "TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT" | "ENUM" | "SET" => {
                Some(row.try_get_unchecked::<String, _>(at)?.into())
            }
            // As a text, as npm's mysql2 has it: a double would round it.
            "DECIMAL" => Some(row.try_get_unchecked::<String, _>(at)?.into()),
            "JSON" => serde_json::from_slice(&row.try_get_unchecked::<Vec<u8>, _>(at)?).ok(),
            "DATE" => time(&row.try_get_unchecked::<Vec<u8>, _>(at)?, "")
                .and_then(|time| Some(time.get(..10)?.into())),
            "DATETIME" => time(&row.try_get_unchecked::<Vec<u8>, _>(at)?, "").map(Value::from),
            // The connection's time zone.
            "TIMESTAMP" => time(&row.try_get_unchecked::<Vec<u8>, _>(at)?, "Z").map(Value::from),
            _ => None,
        })
    }

    fn failure(error: &Error) -> Failure {
        match database_error(error) {
            Some(server) if is_denied(server) => Failure::Denied(server.to_string()),
            Some(server) if !ends_connection(server) => Failure::Refused(server.to_string()),
            _ => Failure::Broken(error.to_string()),
        }
    }

    fn is_of_letters(error: &Error) -> bool {
        /// `ER_CANT_AGGREGATE_2COLLATIONS`, and `ER_CANNOT_CONVERT_STRING` of MySQL.
        const OF_LETTERS: [u16; 2] = [1267, 3854];
        database_error(error).is_some_and(|server| OF_LETTERS.contains(&server.number()))
    }
}

fn database_error(error: &Error) -> Option<&MySqlDatabaseError> {
    error.as_database_error().and_then(|error| error.try_downcast_ref())
}

/// Whether it is for want of a right, or that the server only lets read.
fn is_denied(error: &MySqlDatabaseError) -> bool {
    /// `ER_DBACCESS_DENIED_ERROR`, `ER_TABLEACCESS_DENIED_ERROR`, `ER_COLUMNACCESS_DENIED_ERROR`,
    /// `ER_OPTION_PREVENTS_STATEMENT`, `ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION`, `ER_READ_ONLY_MODE`.
    const DENIED: [u16; 6] = [1044, 1142, 1143, 1290, 1792, 1836];
    DENIED.contains(&error.number())
}

/// Whether another connection may do better: the server takes leave.
fn ends_connection(error: &MySqlDatabaseError) -> bool {
    /// `ER_CONNECTION_KILLED` of MariaDB; `ER_SESSION_WAS_KILLED` and `ER_CLIENT_INTERACTION_TIMEOUT` of MySQL.
    const GOODBYE: [u16; 3] = [1927, 3169, 4031];
    GOODBYE.contains(&error.number()) || error.code().is_some_and(|state| state.starts_with("08"))
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
