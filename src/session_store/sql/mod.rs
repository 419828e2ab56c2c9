//! SQL databases, as the npm packages of `session.layout` write them: one row a session.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use tokio::{sync::watch, time::Instant};

use super::{Fault, Health, SessionId, SessionStore, told};
use crate::{
    config::{
        layout::Layout,
        sql_url::{Dialect, SqlUrl},
    },
    remote::Patience,
    sql::{Answer, Argument, Database, Query, Wanted},
};

mod statement;

use self::statement::Bound;

/// Reads sessions from an SQL database.
#[derive(Debug)]
pub struct SqlStore {
    table: String,
    lookup: Lookup,
    database: Database,
    timeout: Duration,
}

/// What is asked for a session.
#[derive(Debug)]
struct Lookup {
    dialect: Dialect,
    statement: Arc<str>,
    /// What its placeholders stand for, in order.
    bound: Vec<Bound>,
}

impl SqlStore {
    /// Opens the store and starts to connect.
    pub fn open(url: &SqlUrl, layout: &Layout, patience: Patience) -> Self {
        let dialect = url.dialect();
        let (statement, bound) = statement::of(layout, dialect);
        let lookup = Lookup { dialect, statement: statement.into(), bound };
        // It needs the same rights and the same columns; nobody has the empty id.
        let probe = lookup.query("", 0);
        let database = Database::open(url, patience, told(url), probe);
        Self { table: layout.table.name.clone(), lookup, database, timeout: patience.answer }
    }
}

impl Lookup {
    fn query(&self, id: &str, max_bytes: usize) -> Query {
        let argument = |bound: &Bound| match bound {
            Bound::Id => Argument::Text(id.to_owned()),
            // One byte more than may be, so that it shows.
            Bound::Length => {
                // Drivers and servers count bytes in 32 bits.
                Argument::Integer(
                    i32::try_from(max_bytes).map_or(i64::from(i32::MAX), |bytes| i64::from(bytes) + 1),
                )
            }
            Bound::Now => Argument::Integer(now()),
        };
        Query {
            statement: Arc::clone(&self.statement),
            arguments: self.bound.iter().map(argument).collect(),
            wanted: Wanted::Column,
        }
    }
}

/// Milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[async_trait]
impl SessionStore for SqlStore {
    async fn load(&self, id: &SessionId, max_bytes: usize) -> Result<Option<Vec<u8>>, Fault> {
        // PostgreSQL's text has no NUL, so nothing can be there; asked, it would answer with an error.
        if self.lookup.dialect == Dialect::Postgres && id.expose().contains('\0') {
            return Ok(None);
        }
        let deadline = Instant::now() + self.timeout;
        match self.database.ask_until(deadline, &self.lookup.query(id.expose(), max_bytes)).await? {
            Answer::Found(session) if !session.is_empty() => Ok(Some(session)),
            _ => Ok(None),
        }
    }

    fn place(&self, id: &str) -> String {
        format!("row `{id}` of table `{}`", self.table)
    }

    fn question(&self) -> &'static str {
        "is session.store the database of the web app, and are session.layout and session.table as the web app has them?"
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.database.health()
    }
}
