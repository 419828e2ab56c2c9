//! SQL databases: one question at a time, each one row, its first columns or all of them, or nothing. The drivers are known
//! here alone.

use std::{fmt, sync::Arc};

use tokio::{sync::watch, time::Instant};

use crate::{
    config::sql_url::SqlUrl,
    health::{Health, Told},
    remote::{Failure, Kept, Patience},
};

#[cfg(feature = "mysql")]
mod mysql;
#[cfg(any(feature = "mysql", feature = "sqlite"))]
mod over_sqlx;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "postgres")]
mod tls;

/// A statement, prepared once a connection, and what is bound to its placeholders in order. It can be asked twice: it reads,
/// or writes what is the same when it is written again.
#[derive(Clone)]
pub struct Query {
    /// With `$1` in PostgreSQL, else `?`.
    pub statement: Arc<str>,
    /// One for each placeholder.
    pub arguments: Vec<Argument>,
    /// What of the first row.
    pub wanted: Wanted,
}

impl Query {
    /// Whether all that is bound is ASCII.
    #[cfg(any(feature = "mysql", feature = "sqlite"))]
    fn is_ascii(&self) -> bool {
        self.arguments.iter().all(|argument| match argument {
            Argument::Text(text) | Argument::Untyped(Some(text)) => text.is_ascii(),
            Argument::Integer(_) | Argument::Untyped(None) => true,
        })
    }
}

/// What of a row is the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Its first column, and the second one if it has one.
    Columns,
    /// All of it, as a JSON object.
    Row {
        /// How large it may be.
        max_bytes: usize,
    },
    /// Nothing: it writes.
    Done,
}

/// What is bound to a placeholder.
#[derive(Clone)]
pub enum Argument {
    /// Text.
    Text(String),
    /// A whole number, in PostgreSQL a `bigint`.
    Integer(i64),
    /// A text that is taken for what the statement compares it with, a number too; `None`: NULL, which is none of them.
    Untyped(Option<String>),
}

/// What is bound may be a session id.
impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Query").field(&self.statement).finish()
    }
}

/// It may be a session id or a user's.
impl fmt::Debug for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Argument")
    }
}

/// What the database has.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// No row, or NULL in its first column; or it is done.
    Nothing,
    /// What was wanted of the first row: the first column, or all of it; and what is not NULL in the second column.
    Found(Vec<u8>, Option<Vec<u8>>),
    /// A row that is larger than it may be.
    TooLarge,
}

/// A database. Ends when it is dropped.
#[derive(Debug)]
pub enum Database {
    /// PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(Kept<postgres::Postgres>),
    /// MySQL and MariaDB.
    #[cfg(feature = "mysql")]
    MySql(Kept<mysql::MySql>),
    /// SQLite.
    #[cfg(feature = "sqlite")]
    Sqlite(Kept<sqlite::Sqlite>),
}

impl Database {
    /// Starts to look after it; `probe` is a query of the kind that will be asked.
    pub fn open(url: &SqlUrl, patience: Patience, told: Told, probe: Query) -> Self {
        match *url {
            #[cfg(feature = "postgres")]
            SqlUrl::Postgres(ref server) => {
                let postgres = postgres::Postgres::new(server.clone(), patience.of_server());
                Self::Postgres(Kept::open(postgres, patience, told, probe))
            }
            #[cfg(feature = "mysql")]
            SqlUrl::MySql(ref server) => {
                let mysql = mysql::MySql::new(server.clone(), patience.of_server());
                Self::MySql(Kept::open(mysql, patience, told, probe))
            }
            #[cfg(feature = "sqlite")]
            SqlUrl::Sqlite(ref path) => {
                // Shorter, so that what is said in the end is that the file is locked.
                let lock_patience = patience.answer * 3 / 4;
                let sqlite = sqlite::Sqlite::new(path.clone(), lock_patience);
                Self::Sqlite(Kept::open(sqlite, patience, told, probe))
            }
        }
    }

    /// The answer, until then.
    pub async fn ask_until(&self, deadline: Instant, query: &Query) -> Result<Answer, Failure> {
        match *self {
            #[cfg(feature = "postgres")]
            Self::Postgres(ref kept) => kept.ask_until(deadline, query).await,
            #[cfg(feature = "mysql")]
            Self::MySql(ref kept) => kept.ask_until(deadline, query).await,
            #[cfg(feature = "sqlite")]
            Self::Sqlite(ref kept) => kept.ask_until(deadline, query).await,
        }
    }

    /// Which connection answers, counted.
    pub fn connection(&self) -> u64 {
        match *self {
            #[cfg(feature = "postgres")]
            Self::Postgres(ref kept) => kept.connection(),
            #[cfg(feature = "mysql")]
            Self::MySql(ref kept) => kept.connection(),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(ref kept) => kept.connection(),
        }
    }

    /// Follows whether it answers.
    pub fn health(&self) -> watch::Receiver<Health> {
        match *self {
            #[cfg(feature = "postgres")]
            Self::Postgres(ref kept) => kept.health(),
            #[cfg(feature = "mysql")]
            Self::MySql(ref kept) => kept.health(),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(ref kept) => kept.health(),
        }
    }
}
