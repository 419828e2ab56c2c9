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
    Column as _, ConnectOptions as _, Connection as _, Error, Row as _, SqliteConnection, TypeInfo as _,
    ValueRef as _,
    error::DatabaseError,
    sqlite::{Sqlite as Driver, SqliteColumn, SqliteConnectOptions, SqliteRow},
};
use tokio::runtime::Handle;

use super::{
    Answer, Query, Wanted,
    over_sqlx::{self, Columns, double},
};
use crate::remote::{Failure, Readers, Remote};

/// A database of SQLite, a file that others write. Connections only read; what writes has one of its own meanwhile.
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

    /// A file that is not there is not made.
    fn options(&self) -> SqliteConnectOptions {
        let options = SqliteConnectOptions::new().filename(&self.path);
        options.busy_timeout(self.lock_patience).disable_statement_logging()
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
        let (path, runtime, options) = (self.path.clone(), Handle::current(), self.options());
        let connecting = self.readers.read(move || {
            let file = file(&path)?;
            let sqlite =
                runtime.block_on(options.read_only(true).connect()).map_err(|error| broken(&path, error))?;
            Ok(Connection(Some((sqlite, file))))
        });
        connecting.await.map_err(|failure| failure.to_string())
    }

    async fn ask(&self, connection: &mut Connection, query: &Query) -> Result<Answer, Failure> {
        let Some((mut sqlite, opened)) = connection.0.take() else {
            return Err(Failure::Broken("somebody asks over it".to_owned()));
        };
        let (path, query, runtime) = (self.path.clone(), query.clone(), Handle::current());
        let options = self.options();
        let asking = self.readers.read(move || {
            // A file that was removed or replaced would show in its old self for good, with sessions that have ended.
            if file(&path)? != opened {
                return Err(broken(&path, "another file took its place"));
            }
            let answer = runtime.block_on(async {
                if query.wanted == Wanted::Done {
                    return write(&options, &query).await;
                }
                over_sqlx::ask::<Driver>(&mut sqlite, &query).await
            });
            Ok((sqlite, answer))
        });
        let (sqlite, answer) = asking.await?;
        connection.0 = Some((sqlite, opened));
        answer
    }
}

/// What may write is open only as long as it writes: a file that is only to be read is never opened for more.
async fn write(options: &SqliteConnectOptions, query: &Query) -> Result<Answer, Failure> {
    let mut sqlite = options.connect().await.map_err(|error| Driver::failure(&error))?;
    let answer = over_sqlx::ask::<Driver>(&mut sqlite, query).await;
    // Closed here, on this thread: dropped, it would be closed some time later.
    let closed = sqlite.close().await.map_err(|error| Driver::failure(&error));
    answer.and_then(|answer| closed.map(|()| answer))
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
            Error::Database(refused) if is_denied(refused.as_ref()) => Failure::Denied(refused.to_string()),
            Error::Database(refused) => Failure::Refused(refused.to_string()),
            other => Failure::Broken(other.to_string()),
        }
    }
}

/// Whether the file, or its folder, may only be read: `SQLITE_PERM`, `SQLITE_READONLY` and `SQLITE_CANTOPEN`, each of which
/// also comes with more about it in the higher bytes.
fn is_denied(error: &dyn DatabaseError) -> bool {
    const DENIED: [i32; 3] = [3, 8, 14];
    error.code().and_then(|code| code.parse::<i32>().ok()).is_some_and(|code| DENIED.contains(&(code & 0xff)))
}
