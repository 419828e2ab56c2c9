//! How the npm session stores that share databases lay out what they write: `session.layout`, with `session.table` and
//! `session.columns` where they leave names to the app.

use super::sql_url::Dialect;

/// The tables or collections that one npm package writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The npm package.
    pub package: &'static str,
    /// Its table or collection, with the schema if one is named.
    pub table: Table,
    /// Where the session's id is.
    pub id: String,
    /// Where the session is.
    pub session: String,
    /// When it ends; `None`: the package does not look when it reads.
    pub expiry: Option<Expiry>,
    /// A column that is NULL as long as the session has not been destroyed.
    pub destroyed: Option<&'static str>,
}

/// A table's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The schema, in MySQL the database; `None`: wherever the server looks.
    pub schema: Option<String>,
    /// The name.
    pub name: String,
}

/// When a session ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// The column.
    pub column: String,
    /// What is in it.
    pub kept: Moment,
    /// Whether a session still lives at that very moment.
    pub inclusive: bool,
    /// Whether one in which that is null lives for good.
    pub null_is_forever: bool,
}

/// How a moment is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// PostgreSQL's `timestamp` in the server's time zone, of whole seconds.
    LocalSeconds,
    /// PostgreSQL's `timestamptz`.
    Instant,
    /// `timestamp` or `DATETIME`, always of UTC; in SQLite milliseconds since 1970 or ISO 8601.
    Utc,
    /// MySQL's `DATETIME` of UTC, in whole seconds.
    UtcSeconds,
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
    /// ISO 8601 in SQLite, of which it compares whole seconds.
    IsoSeconds,
    /// MongoDB's date.
    Date,
}

/// Which database a layout is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// One that speaks SQL.
    Sql(Dialect),
    /// MongoDB.
    Mongo,
}

use Place::{Mongo, Sql};

const POSTGRES: Place = Sql(Dialect::Postgres);
const MYSQL: Place = Sql(Dialect::MySql);
const SQLITE: Place = Sql(Dialect::Sqlite);

/// What the package writes where; the first of a place is its default.
struct Known {
    package: &'static str,
    places: &'static [Place],
    table: &'static str,
    id: &'static str,
    session: &'static str,
    expiry: fn(Place) -> Option<(&'static str, Moment, bool)>,
}

const KNOWN: &[Known] = &[
    Known {
        package: "connect-pg-simple",
        places: &[POSTGRES],
        table: "session",
        id: "sid",
        session: "sess",
        expiry: |_| Some(("expire", Moment::LocalSeconds, true)),
    },
    Known {
        package: "express-mysql-session",
        places: &[MYSQL],
        table: "sessions",
        id: "session_id",
        session: "data",
        expiry: |_| Some(("expires", Moment::Seconds, true)),
    },
    Known {
        package: "connect-sqlite3",
        places: &[SQLITE],
        table: "sessions",
        id: "sid",
        session: "sess",
        expiry: |_| Some(("expired", Moment::Milliseconds, true)),
    },
    Known {
        package: "better-sqlite3-session-store",
        places: &[SQLITE],
        table: "sessions",
        id: "sid",
        session: "sess",
        expiry: |_| Some(("expire", Moment::IsoSeconds, false)),
    },
    Known {
        package: "connect-session-knex",
        places: &[POSTGRES, MYSQL, SQLITE],
        table: "sessions",
        id: "sid",
        session: "sess",
        expiry: |place| {
            let kept = match place {
                MYSQL => Moment::UtcSeconds,
                SQLITE => Moment::IsoSeconds,
                POSTGRES | Mongo => Moment::Instant,
            };
            Some(("expired", kept, true))
        },
    },
    Known {
        package: "connect-session-sequelize",
        places: &[POSTGRES, MYSQL, SQLITE],
        table: "Sessions",
        id: "sid",
        session: "data",
        // It has `expires`, and deletes by it every quarter of an hour; until then it gives the session out.
        expiry: |_| None,
    },
    Known {
        package: TYPEORM,
        places: &[POSTGRES, MYSQL, SQLITE],
        table: "session",
        id: "id",
        session: "json",
        expiry: |_| Some(("expiredAt", Moment::Milliseconds, false)),
    },
    Known {
        package: PRISMA,
        places: &[POSTGRES, MYSQL, SQLITE],
        table: "Session",
        id: "sid",
        session: "data",
        expiry: |_| Some(("expiresAt", Moment::Utc, false)),
    },
    Known {
        package: "connect-mongo",
        places: &[Mongo],
        table: "sessions",
        id: "_id",
        session: "session",
        expiry: |_| Some(("expires", Moment::Date, false)),
    },
    Known {
        package: CONNECT_MONGODB_SESSION,
        places: &[Mongo],
        table: "sessions",
        id: "_id",
        session: "session",
        expiry: |_| Some(("expires", Moment::Date, false)),
    },
];

const TYPEORM: &str = "connect-typeorm";
const PRISMA: &str = "prisma-session-store";
const CONNECT_MONGODB_SESSION: &str = "connect-mongodb-session";

/// The packages, as `session.layout` names them.
pub(super) const PACKAGES: &[&str] = &[
    "connect-pg-simple",
    "express-mysql-session",
    "connect-sqlite3",
    "better-sqlite3-session-store",
    "connect-session-knex",
    "connect-session-sequelize",
    TYPEORM,
    PRISMA,
    "connect-mongo",
    CONNECT_MONGODB_SESSION,
];

impl Layout {
    /// What a package writes there; `None` for the package: the usual one. The error says what there is.
    pub fn of(place: Place, package: Option<&str>) -> Result<Self, String> {
        let there = || KNOWN.iter().filter(|known| known.places.contains(&place));
        let known = match package {
            None => there().next(),
            Some(package) => there().find(|known| known.package == package),
        };
        let known = known.ok_or_else(|| {
            let names: Vec<_> = there().map(|known| known.package).collect();
            format!(
                "that package does not write to the store of session.store; there are {}",
                names.join(", ")
            )
        })?;
        Ok(Self {
            package: known.package,
            table: Table { schema: None, name: known.table.to_owned() },
            id: known.id.to_owned(),
            session: known.session.to_owned(),
            expiry: (known.expiry)(place).map(|(column, kept, inclusive)| Expiry {
                column: column.to_owned(),
                kept,
                inclusive,
                null_is_forever: [PRISMA, CONNECT_MONGODB_SESSION].contains(&known.package),
            }),
            destroyed: (known.package == TYPEORM).then_some("destroyedAt"),
        })
    }

    /// Another table: `table`, or `schema.table` where there are schemas.
    pub(super) fn rename_table(&mut self, place: Place, name: &str) -> Result<(), String> {
        let (schema, name) = match name.split_once('.') {
            Some((schema, name)) if matches!(place, POSTGRES | MYSQL) => (Some(schema), name),
            _ => (None, name),
        };
        check_name(name)?;
        schema.map_or(Ok(()), check_name)?;
        self.table = Table { schema: schema.map(str::to_owned), name: name.to_owned() };
        Ok(())
    }

    /// Another column: `sid=session_id`, the package's own name and the app's.
    pub(super) fn rename_column(&mut self, renaming: &str) -> Result<(), String> {
        let (own, name) = renaming.split_once('=').ok_or_else(|| {
            "each is the package's own name, `=` and the app's, as in `sid=session_id`".to_owned()
        })?;
        check_name(name)?;
        let mut columns = [
            Some(&mut self.id),
            Some(&mut self.session),
            self.expiry.as_mut().map(|expiry| &mut expiry.column),
        ]
        .into_iter()
        .flatten();
        match columns.find(|column| *column == own) {
            Some(column) => {
                name.clone_into(column);
                Ok(())
            }
            None => Err(format!("the package has no column `{}`", own.escape_debug())),
        }
    }
}

/// A name is quoted wherever it is used, so that it can be any; but a NUL ends the statement, and no database takes longer
/// ones than 128 bytes.
fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > 128 || name.contains('\0') {
        Err("it is no name of a table or a column: those have 1 to 128 bytes".to_owned())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_that_can_be_chosen_is_known_and_the_other_way_round() {
        let known: Vec<_> = KNOWN.iter().map(|known| known.package).collect();
        assert_eq!(known, PACKAGES);
    }

    #[test]
    fn a_layout_is_the_usual_one_or_one_of_the_place() {
        let package = |place, package| Layout::of(place, package).map(|layout| layout.package);
        assert_eq!(package(POSTGRES, None), Ok("connect-pg-simple"));
        assert_eq!(package(MYSQL, None), Ok("express-mysql-session"));
        assert_eq!(package(SQLITE, None), Ok("connect-sqlite3"));
        assert_eq!(package(Mongo, None), Ok("connect-mongo"));
        assert_eq!(package(MYSQL, Some("connect-typeorm")), Ok("connect-typeorm"));
        assert!(package(MYSQL, Some("connect-sqlite3")).is_err());
    }

    #[test]
    fn names_are_the_apps() {
        let mut layout = Layout::of(POSTGRES, None).expect("a layout");
        assert_eq!(layout.rename_table(POSTGRES, "web.user \"sessions\""), Ok(()));
        assert_eq!(
            layout.table,
            Table { schema: Some("web".to_owned()), name: "user \"sessions\"".to_owned() }
        );
        assert_eq!(layout.rename_column("sid=session_id"), Ok(()));
        assert_eq!(layout.id, "session_id");
        for wrong in ["sid=again", "sess", "sess=", "sess=\0", "x=y"] {
            assert!(layout.rename_column(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", ".", "a.", ".b", "a\0"] {
            assert!(layout.rename_table(POSTGRES, wrong).is_err(), "{wrong}");
        }
        assert_eq!(layout.rename_table(SQLITE, "a.b"), Ok(()));
        assert_eq!(layout.table, Table { schema: None, name: "a.b".to_owned() });
    }
}
