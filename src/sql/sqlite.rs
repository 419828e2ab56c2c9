//! SQLite.

use std::{io, os::unix::fs::MetadataExt as _, path::PathBuf, time::Duration};

use async_trait::async_trait;
use serde_json::Value;
use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions as _, Error, Row as _, SqliteConnection, TypeInfo as _,
    ValueRef as _,
    sqlite::{SqliteColumn, SqliteConnectOptions, SqliteRow},
};

use super::{Answer, Argument, Query, Wanted, row};
use crate::remote::{Failure, Remote};

/// A database of SQLite, a file that others write. It is only read.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    /// How long to wait for one who writes.
    lock_patience: Duration,
}

/// A connection, and which file it is to.
pub struct Connection {
    sqlite: SqliteConnection,
    file: File,
}

/// Device and inode.
type File = (u64, u64);

impl Sqlite {
    pub(super) fn new(path: PathBuf, lock_patience: Duration) -> Self {
        Self { path, lock_patience }
    }

    /// The file that is there now.
    async fn file(&self) -> io::Result<File> {
        let metadata = tokio::fs::metadata(&self.path).await?;
        Ok((metadata.dev(), metadata.ino()))
    }

    fn cause(&self, error: impl std::fmt::Display) -> String {
        format!("{}: {error}", self.path.display())
    }
}

#[async_trait]
impl Remote for Sqlite {
    type Connection = Connection;
    type Question = Query;
    type Answer = Answer;

    async fn connect(&self) -> Result<Connection, String> {
        let file = self.file().await.map_err(|error| self.cause(error))?;
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .read_only(true)
            .busy_timeout(self.lock_patience)
            .disable_statement_logging();
        let sqlite = options.connect().await.map_err(|error| self.cause(error))?;
        Ok(Connection { sqlite, file })
    }

    async fn ask(&self, connection: &mut Connection, query: &Query) -> Result<Answer, Failure> {
        // A file that was removed or replaced would show in its old self for good, with sessions that have ended.
        let file = self.file().await.map_err(|error| Failure::Broken(self.cause(error)))?;
        if file != connection.file {
            return Err(Failure::Broken(self.cause("another file took its place")));
        }
        let mut prepared = sqlx::query(AssertSqlSafe(&*query.statement));
        for argument in &query.arguments {
            prepared = match argument {
                Argument::Text(text) => prepared.bind(text),
                Argument::Integer(number) => prepared.bind(number),
                Argument::Untyped(text) => prepared.bind(text),
            };
        }
        let row = prepared.fetch_optional(&mut connection.sqlite).await.map_err(|error| failure(&error))?;
        let Some(row) = row else { return Ok(None) };
        match query.wanted {
            Wanted::Column => row.try_get_unchecked(0).map_err(|error| failure(&error)),
            Wanted::Row { .. } => object(&row).map(Some).map_err(Failure::Refused),
        }
    }
}

fn object(row: &SqliteRow) -> Result<Vec<u8>, String> {
    row::object(row.columns().iter().map(|column| {
        let value = value(row, column).map_err(|error| error.to_string());
        (column.name().to_owned(), value)
    }))
}

/// What a column holds, which is of a type of its own in each row; `None` for what JSON has nothing for.
fn value(row: &SqliteRow, column: &SqliteColumn) -> Result<Option<Value>, Error> {
    let at = column.ordinal();
    let raw = row.try_get_raw(at)?;
    if raw.is_null() {
        return Ok(Some(Value::Null));
    }
    let is_boolean = column.type_info().name() == "BOOLEAN";
    Ok(match raw.type_info().name() {
        "INTEGER" | "BOOLEAN" if is_boolean => Some(row.try_get_unchecked::<bool, _>(at)?.into()),
        "INTEGER" => Some(row.try_get_unchecked::<i64, _>(at)?.into()),
        "REAL" => row::double(row.try_get_unchecked(at)?),
        "TEXT" => Some(row.try_get_unchecked::<String, _>(at)?.into()),
        _ => None,
    })
}

fn failure(error: &Error) -> Failure {
    match error {
        Error::Database(refused) => Failure::Refused(refused.to_string()),
        other => Failure::Broken(other.to_string()),
    }
}
