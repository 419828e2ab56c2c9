//! The one statement that finds a session, for each layout and dialect.

use std::fmt::Write as _;

use crate::config::{
    layout::{Expiry, Kept, Layout},
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

/// The statement, and what is bound to its placeholders in order.
pub(super) fn of(layout: &Layout, dialect: Dialect) -> (String, Vec<Bound>) {
    let mut writer = Writer { dialect, bound: Vec::new() };
    let mut statement = String::from("SELECT ");
    statement += &writer.session(&layout.session);
    // Writing to a string does not fail.
    let _ = write!(statement, " FROM {}", writer.table(layout));
    let _ = write!(statement, " WHERE {}", writer.same_id(&layout.id));
    if let Some(expiry) = &layout.expiry {
        let _ = write!(statement, " AND {}", writer.lives(expiry));
    }
    if let Some(destroyed) = layout.destroyed {
        let _ = write!(statement, " AND {} IS NULL", writer.quoted(destroyed));
    }
    statement += " LIMIT 1";
    (statement, writer.bound)
}

struct Writer {
    dialect: Dialect,
    bound: Vec<Bound>,
}

impl Writer {
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

    /// As the npm package asks it.
    fn lives(&mut self, expiry: &Expiry) -> String {
        let Expiry { column, kept, inclusive, null_is_forever } = expiry;
        let column = self.quoted(column);
        let now = self.placeholder(Bound::Now);
        let (end, now) = match (self.dialect, kept) {
            (Dialect::Postgres, kept) => {
                let now = format!("{now}::bigint");
                let moment = match kept {
                    Kept::LocalSeconds => format!("to_timestamp(ceil({now} / 1000.0))"),
                    Kept::Utc => format!("to_timestamp({now} / 1000.0) AT TIME ZONE 'UTC'"),
                    Kept::UtcSeconds => format!("to_timestamp({now} / 1000) AT TIME ZONE 'UTC'"),
                    Kept::Seconds => format!("round({now} / 1000.0)"),
                    Kept::Milliseconds => now,
                    Kept::Instant | Kept::IsoSeconds | Kept::Date => format!("to_timestamp({now} / 1000.0)"),
                };
                (column.clone(), moment)
            }
            // The connection's time zone is UTC.
            (Dialect::MySql, kept) => {
                let moment = match kept {
                    Kept::Seconds | Kept::LocalSeconds => format!("ROUND({now} / 1000)"),
                    Kept::Milliseconds => now,
                    Kept::UtcSeconds | Kept::IsoSeconds => format!("FROM_UNIXTIME({now} DIV 1000)"),
                    Kept::Utc | Kept::Instant | Kept::Date => format!("FROM_UNIXTIME({now} / 1000)"),
                };
                (column.clone(), moment)
            }
            (Dialect::Sqlite, kept) => match kept {
                Kept::Seconds | Kept::LocalSeconds => (column.clone(), format!("{now} / 1000")),
                Kept::Milliseconds => (column.clone(), now),
                Kept::IsoSeconds | Kept::UtcSeconds => {
                    (format!("datetime({column})"), format!("datetime({now} / 1000, 'unixepoch')"))
                }
                Kept::Utc | Kept::Instant | Kept::Date => {
                    let iso = format!("CAST(round((julianday({column}) - 2440587.5) * 86400000) AS INTEGER)");
                    (format!("CASE typeof({column}) WHEN 'text' THEN {iso} ELSE {column} END"), now)
                }
            },
        };
        let lives = format!("{end} {} {now}", if *inclusive { ">=" } else { ">" });
        if *null_is_forever { format!("({column} IS NULL OR {lives})") } else { lives }
    }
}
