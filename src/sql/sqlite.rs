//! SQLite.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::Value;
use sqlx::{
    Column as _, ConnectOptions as _, Error, Row as _, SqliteConnection, TypeInfo as _, ValueRef as _,
    sqlite::{Sqlite as Driver, SqliteColumn, SqliteConnectOptions, SqliteRow},
};
use tokio::runtime::Handle;

use super::{
    Answer, Query,
    over_sqlx::{self, Columns, double},
};
use crate::remote::{Failure, Readers, Remote};

/// A database of SQLite, a file that others write. It is only read.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    /// How long to wait for one who writes.
    lock_patience: Duration,
    readers: Readers,
}

/// A connection, and which file it is to. Whoever asks has it meanwhile: a file that hangs keeps it, and its thread.
pub struct Connection(Option<(SqliteConnection, File)>);

/// Device and inode.
type File = (u64, u64);

impl Sqlite {
    pub(super) fn new(path: PathBuf, lock_patience: Duration) -> Self {
        Self { path, lock_patience, readers: Readers::default() }
    }
}

/// The file that is there now.
fn file(path: &Path) -> Result<File, Failure> {
    let metadata = fs::metadata(path).map_err(|error| broken(path, error))?;
    // To open a pipe is to wait for one who writes to it.
    if metadata.is_file() {
        Ok((metadata.dev(), metadata.ino()))
    } else {
        Err(broken(path, io::Error::other("it is no file")))
    }
}

fn broken(path: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::Broken(format!("{}: {error}", path.display()))
}

#[async_trait]
impl Remote for Sqlite {
    type Connection = Connection;
    type Question = Query;
    type Answer = Answer;

    async fn connect(&self) -> Result<Connection, String> {
        let (path, runtime) = (self.path.clone(), Handle::current());
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .read_only(true)
            .busy_timeout(self.lock_patience)
            .disable_statement_logging();
        let connecting = self.readers.read(move || {
            let file = file(&path)?;
            let sqlite = runtime.block_on(options.connect()).map_err(|error| broken(&path, error))?;
            Ok(Connection(Some((sqlite, file))))
        });
        connecting.await.map_err(|failure| failure.to_string())
    }

    async fn ask(&self, connection: &mut Connection, query: &Query) -> Result<Answer, Failure> {
        let Some((mut sqlite, opened)) = connection.0.take() else {
            return Err(Failure::Broken("somebody asks over it".to_owned()));
        };
        let (path, query, runtime) = (self.path.clone(), query.clone(), Handle::current());
        let asking = self.readers.read(move || {
            // A file that was removed or replaced would show in its old self for good, with sessions that have ended.
            if file(&path)? != opened {
                return Err(broken(&path, "another file took its place"));
            }
            let answer = runtime.block_on(over_sqlx::ask::<Driver>(&mut sqlite, &query));
            Ok((sqlite, answer))
        });
        let (sqlite, answer) = asking.await?;
        connection.0 = Some((sqlite, opened));
        answer
    }
}

impl Columns for Driver {
    fn length(row: &SqliteRow, column: &SqliteColumn) -> Result<usize, Error> {
        let at = column.ordinal();
        Ok(match row.try_get_raw(at)?.type_info().name() {
            "TEXT" | "BLOB" => row.try_get_unchecked::<Option<&[u8]>, _>(at)?.map_or(0, <[u8]>::len),
            _ => size_of::<f64>(),
        })
    }

    /// The type is one of its own in each row.
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
            "REAL" => double(row.try_get_unchecked(at)?),
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
}
