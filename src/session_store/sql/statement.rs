//! The statement that finds a session and the one that destroys it, for each layout and dialect.

use std::{fmt::Write as _, sync::Arc};

use crate::config::{
    layout::{Expiry, Layout, Moment},
    sql_url::Dialect,
};

/// What a placeholder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// The session's id.
    Id,
    /// How many bytes of the session are read.
    Length,
    /// Now, in milliseconds since 1970.
    Now,
}

/// What a database is asked.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) text: Arc<str>,
    /// What its placeholders stand for, in order.
    pub(super) bound: Vec<Bound>,
}

/// Finds a session.
pub(super) fn find(layout: &Layout, dialect: Dialect) -> Statement {
    let mut writer = Writer { dialect, bound: Vec::new() };
    let mut statement = String::from("SELECT ");
    statement += &writer.session(&layout.session);
    // Writing to a string does not fail.
    if let Some(expiry) = &layout.expiry {
        let _ = write!(statement, ", {}", writer.end(expiry));
    }
    let _ = write!(statement, " FROM {}", writer.table(layout));
    let _ = write!(statement, " WHERE {}", writer.same_id(&layout.id));
    if let Some(expiry) = &layout.expiry {
        let _ = write!(statement, " AND {}", writer.lives(expiry));
    }
    if let Some(destroyed) = layout.destroyed {
        let _ = write!(statement, " AND {} IS NULL", writer.quoted(destroyed));
    }
    statement += " LIMIT 1";
    writer.statement(&statement)
}

/// Destroys a session, as the package does. Of one that is destroyed already nothing changes.
pub(super) fn destroy(layout: &Layout, dialect: Dialect) -> Statement {
    let mut writer = Writer { dialect, bound: Vec::new() };
    let (table, same_id) = (writer.table(layout), writer.same_id(&layout.id));
    let statement = match layout.destroyed.map(|column| writer.quoted(column)) {
        None => format!("DELETE FROM {table} WHERE {same_id}"),
        Some(column) => {
            format!("UPDATE {table} SET {column} = CURRENT_TIMESTAMP WHERE {same_id} AND {column} IS NULL")
        }
    };
    writer.statement(&statement)
}

struct Writer {
    dialect: Dialect,
    bound: Vec<Bound>,
}

impl Writer {
    fn statement(self, text: &str) -> Statement {
        Statement { text: text.into(), bound: self.bound }
    }

    fn placeholder(&mut self, bound: Bound) -> String {
        self.bound.push(bound);
        match self.dialect {
            Dialect::Postgres => format!("${}", self.bound.len()),
            Dialect::MySql | Dialect::Sqlite => "?".to_owned(),
        }
    }

    fn quoted(&self, name: &str) -> String {
        let quote = if self.dialect == Dialect::MySql { "`" } else { "\"" };
        format!("{quote}{}{quote}", name.replace(quote, &quote.repeat(2)))
    }

    fn table(&self, layout: &Layout) -> String {
        let table = self.quoted(&layout.table.name);
        match &layout.table.schema {
            Some(schema) => format!("{}.{table}", self.quoted(schema)),
            None => table,
        }
    }

    /// The session's text as UTF-8, and no more of it than is taken.
    fn session(&mut self, column: &str) -> String {
        let column = self.quoted(column);
        let length = self.placeholder(Bound::Length);
        match self.dialect {
            Dialect::Postgres => {
                format!("substring(convert_to({column}::text, 'UTF8') from 1 for {length}::bigint::int)")
            }
            Dialect::MySql => format!("LEFT(CAST(CONVERT({column} USING utf8mb4) AS BINARY), {length})"),
            Dialect::Sqlite => format!("substr(CAST({column} AS BLOB), 1, {length})"),
        }
    }

    /// The first half finds the row by its index. The second takes a row only if it is that very id: a collation may take
    /// other letters, or a space at the end, for the same, and then one id would open another's session.
    fn same_id(&mut self, column: &str) -> String {
        let column = self.quoted(column);
        let (first, second) = (self.placeholder(Bound::Id), self.placeholder(Bound::Id));
        match self.dialect {
            Dialect::Postgres => {
                format!("{column} = {first} AND {column}::text COLLATE \"C\" = {second}::text COLLATE \"C\"")
            }
            Dialect::MySql => {
                format!(
                    "{column} = {first} AND CAST(CONVERT({column} USING utf8mb4) AS BINARY) = CAST({second} AS BINARY)"
                )
            }
            Dialect::Sqlite => {
                format!("{column} = {first} AND CAST({column} AS BLOB) = CAST({second} AS BLOB)")
            }
        }
    }

    /// When the session ends: milliseconds since 1970, as text, so that it does not matter what number they are.
    fn end(&self, expiry: &Expiry) -> String {
        let column = self.quoted(&expiry.column);
        match self.dialect {
            Dialect::Postgres => {
                format!("convert_to(({})::text, 'UTF8')", milliseconds_in_postgres(expiry.kept, &column))
            }
            Dialect::MySql => format!("CAST({} AS CHAR)", milliseconds_in_mysql(expiry.kept, column)),
            Dialect::Sqlite => format!("CAST({} AS TEXT)", milliseconds_in_sqlite(expiry.kept, column)),
        }
    }

    /// As the npm package asks it.
    fn lives(&mut self, expiry: &Expiry) -> String {
        let Expiry { column, kept, inclusive, null_is_forever } = expiry;
        let column = self.quoted(column);
        let now = self.placeholder(Bound::Now);
        let (end, now) = match self.dialect {
            Dialect::Postgres => (column.clone(), now_in_postgres(*kept, &format!("{now}::bigint"))),
            Dialect::MySql => (column.clone(), now_in_mysql(*kept, now)),
            Dialect::Sqlite => end_and_now_in_sqlite(*kept, &column, now),
        };
        let lives = format!("{end} {} {now}", if *inclusive { ">=" } else { ">" });
        if *null_is_forever { format!("({column} IS NULL OR {lives})") } else { lives }
    }
}

/// Now as a moment is kept, made of milliseconds since 1970.
fn now_in_postgres(kept: Moment, now: &str) -> String {
    match kept {
        // Compared with a `timestamp`, it is turned into the connection's time zone, which is the server's.
        Moment::LocalSeconds => format!("to_timestamp(ceil({now} / 1000.0))"),
        Moment::Instant | Moment::IsoSeconds | Moment::Date => format!("to_timestamp({now} / 1000.0)"),
        Moment::Utc => format!("to_timestamp({now} / 1000.0) AT TIME ZONE 'UTC'"),
        Moment::UtcSeconds => format!("to_timestamp({now} / 1000) AT TIME ZONE 'UTC'"),
        Moment::Seconds => format!("round({now} / 1000.0)"),
        Moment::Milliseconds => now.to_owned(),
    }
}

/// A moment as it is kept, in milliseconds since 1970.
fn milliseconds_in_postgres(kept: Moment, moment: &str) -> String {
    match kept {
        // A `timestamp` is in the connection's time zone here.
        Moment::LocalSeconds | Moment::Instant | Moment::IsoSeconds | Moment::Date => {
            format!("extract(epoch FROM {moment}::timestamptz) * 1000")
        }
        Moment::Utc | Moment::UtcSeconds => format!("extract(epoch FROM {moment}) * 1000"),
        // A whole number of seconds would not hold them.
        Moment::Seconds => format!("{moment} * 1000.0"),
        Moment::Milliseconds => moment.to_owned(),
    }
}

/// The connection's time zone is UTC.
fn milliseconds_in_mysql(kept: Moment, moment: String) -> String {
    match kept {
        Moment::Seconds | Moment::LocalSeconds => format!("{moment} * 1000"),
        Moment::Milliseconds => moment,
        Moment::UtcSeconds | Moment::IsoSeconds | Moment::Utc | Moment::Instant | Moment::Date => {
            // UNIX_TIMESTAMP ends in 2038.
            format!("TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {moment}) / 1000")
        }
    }
}

/// The connection's time zone is UTC.
fn now_in_mysql(kept: Moment, now: String) -> String {
    match kept {
        Moment::Seconds | Moment::LocalSeconds => format!("ROUND({now} / 1000)"),
        Moment::Milliseconds => now,
        Moment::UtcSeconds | Moment::IsoSeconds => format!("FROM_UNIXTIME({now} DIV 1000)"),
        Moment::Utc | Moment::Instant | Moment::Date => format!("FROM_UNIXTIME({now} / 1000)"),
    }
}

/// SQLite has no type for a moment, so the one that is kept is brought into a form that can be compared.
fn end_and_now_in_sqlite(kept: Moment, end: &str, now: String) -> (String, String) {
    match kept {
        Moment::Seconds | Moment::LocalSeconds => (end.to_owned(), format!("{now} / 1000")),
        Moment::Milliseconds => (end.to_owned(), now),
        Moment::IsoSeconds | Moment::UtcSeconds => {
            (format!("datetime({end})"), format!("datetime({now} / 1000, 'unixepoch')"))
        }
        Moment::Utc | Moment::Instant | Moment::Date => (milliseconds_in_sqlite(kept, end.to_owned()), now),
    }
}

/// A moment as it is kept, in milliseconds since 1970.
fn milliseconds_in_sqlite(kept: Moment, moment: String) -> String {
    let of_iso = || format!("CAST(round((julianday({moment}) - 2440587.5) * 86400000) AS INTEGER)");
    match kept {
        Moment::Seconds | Moment::LocalSeconds => format!("{moment} * 1000"),
        Moment::Milliseconds => moment,
        Moment::IsoSeconds | Moment::UtcSeconds => of_iso(),
        Moment::Utc | Moment::Instant | Moment::Date => {
            format!("CASE typeof({moment}) WHEN 'text' THEN {} ELSE {moment} END", of_iso())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::layout::Place;

    fn layout(dialect: Dialect, package: &str) -> Layout {
        Layout::of(Place::Sql(dialect), Some(package)).expect(package)
    }

    fn finds(dialect: Dialect, package: &str) -> Arc<str> {
        find(&layout(dialect, package), dialect).text
    }

    fn destroys(dialect: Dialect, package: &str) -> Arc<str> {
        destroy(&layout(dialect, package), dialect).text
    }

    #[test]
    fn a_statement_is_what_the_package_asks_for_the_very_id_and_no_more_than_is_taken() {
        assert_eq!(
            &*finds(Dialect::Postgres, "connect-pg-simple"),
            "SELECT substring(convert_to(\"sess\"::text, 'UTF8') from 1 for $1::bigint::int), \
             convert_to((extract(epoch FROM \"expire\"::timestamptz) * 1000)::text, 'UTF8') FROM \"session\" \
             WHERE \"sid\" = $2 AND \"sid\"::text COLLATE \"C\" = $3::text COLLATE \"C\" \
             AND \"expire\" >= to_timestamp(ceil($4::bigint / 1000.0)) LIMIT 1"
        );
        assert_eq!(
            &*finds(Dialect::MySql, "express-mysql-session"),
            "SELECT LEFT(CAST(CONVERT(`data` USING utf8mb4) AS BINARY), ?), CAST(`expires` * 1000 AS CHAR) FROM `sessions` \
             WHERE `session_id` = ? AND CAST(CONVERT(`session_id` USING utf8mb4) AS BINARY) = CAST(? AS BINARY) \
             AND `expires` >= ROUND(? / 1000) LIMIT 1"
        );
        assert_eq!(
            &*finds(Dialect::Sqlite, "connect-typeorm"),
            "SELECT substr(CAST(\"json\" AS BLOB), 1, ?), CAST(\"expiredAt\" AS TEXT) FROM \"session\" \
             WHERE \"id\" = ? AND CAST(\"id\" AS BLOB) = CAST(? AS BLOB) \
             AND \"expiredAt\" > ? AND \"destroyedAt\" IS NULL LIMIT 1"
        );
    }

    #[test]
    fn what_destroys_does_what_the_package_does_to_the_very_id() {
        assert_eq!(
            &*destroys(Dialect::Postgres, "connect-pg-simple"),
            "DELETE FROM \"session\" WHERE \"sid\" = $1 AND \"sid\"::text COLLATE \"C\" = $2::text COLLATE \"C\""
        );
        assert_eq!(
            &*destroys(Dialect::Sqlite, "connect-typeorm"),
            "UPDATE \"session\" SET \"destroyedAt\" = CURRENT_TIMESTAMP WHERE \"id\" = ? \
             AND CAST(\"id\" AS BLOB) = CAST(? AS BLOB) AND \"destroyedAt\" IS NULL"
        );
    }
}
