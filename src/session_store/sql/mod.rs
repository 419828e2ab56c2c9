//! SQL databases, as the npm packages of `session.layout` write them: one row a session.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use tokio::{sync::watch, time::Instant};

use super::{Fault, Health, Lasting, SessionId, SessionStore, end, not_destroyed, told};
use crate::{
    config::{
        layout::Layout,
        sql_url::{Dialect, SqlUrl},
    },
    remote::Patience,
    sql::{Answer, Argument, Database, Query, Wanted},
};

mod statement;

use self::statement::{Bound, Statement};

/// Reads sessions from an SQL database, and ends them there.
#[derive(Debug)]
pub struct SqlStore {
    dialect: Dialect,
    table: String,
    find: Statement,
    destroy: Statement,
    /// What the user of the database needs to destroy a session.
    right: String,
    database: Database,
    timeout: Duration,
}

impl SqlStore {
    /// Opens the store and starts to connect.
    pub fn open(url: &SqlUrl, layout: &Layout, patience: Patience) -> Self {
        let dialect = url.dialect();
        let (find, destroy) = (statement::find(layout, dialect), statement::destroy(layout, dialect));
        // It needs the same rights and the same columns; nobody has the empty id.
        let probe = query(&find, "", 0, Wanted::Columns);
        let database = Database::open(url, patience, told(url), probe);
        let table = layout.table.name.clone();
        let right = right(layout, dialect);
        Self { dialect, table, find, destroy, right, database, timeout: patience.answer }
    }

    /// Whether a row can be there. PostgreSQL's text has no NUL; asked, it would answer with an error.
    fn can_have(&self, id: &SessionId) -> bool {
        self.dialect != Dialect::Postgres || !id.expose().contains('\0')
    }
}

/// What the user of the database needs to destroy a session.
fn right(layout: &Layout, dialect: Dialect) -> String {
    let table = &layout.table.name;
    match (dialect, layout.destroyed) {
        (Dialect::Sqlite, _) => "to write to the file, its folder, and the files beside it".to_owned(),
        (_, None) => format!("the right to DELETE from table `{table}`"),
        (_, Some(destroyed)) => format!("the right to UPDATE `{destroyed}` of table `{table}`"),
    }
}

fn query(statement: &Statement, id: &str, max_bytes: usize, wanted: Wanted) -> Query {
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
    let arguments = statement.bound.iter().map(argument).collect();
    Query { statement: Arc::clone(&statement.text), arguments, wanted }
}

/// How long until an end that a database gives, in milliseconds since 1970, as text.
fn ends_in(end: &[u8]) -> Option<Duration> {
    let end = str::from_utf8(end).ok()?.parse().ok()?;
    #[expect(clippy::cast_precision_loss, reason = "to the millisecond for a long time to come")]
    end::ends_in(end, now() as f64)
}

/// Milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[async_trait]
impl SessionStore for SqlStore {
    async fn load(&self, id: &SessionId, max_bytes: usize) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.load_with_end(id, max_bytes).await?.map(|lasting| lasting.session))
    }

    async fn load_with_end(&self, id: &SessionId, max_bytes: usize) -> Result<Option<Lasting>, Fault> {
        if !self.can_have(id) {
            return Ok(None);
        }
        let deadline = Instant::now() + self.timeout;
        let query = query(&self.find, id.expose(), max_bytes, Wanted::Columns);
        match self.database.ask_until(deadline, &query).await? {
            Answer::Found(session, end) if !session.is_empty() => {
                Ok(Some(Lasting { session, ends_in: end.and_then(|end| ends_in(&end)) }))
            }
            _ => Ok(None),
        }
    }

    async fn destroy(&self, id: &SessionId) -> Result<(), Fault> {
        if !self.can_have(id) {
            return Ok(());
        }
        let deadline = Instant::now() + self.timeout;
        let query = query(&self.destroy, id.expose(), 0, Wanted::Done);
        let done = self.database.ask_until(deadline, &query).await;
        done.map(drop).map_err(|failure| not_destroyed(&failure, &self.right))
    }

    fn connection(&self) -> u64 {
        self.database.connection()
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
