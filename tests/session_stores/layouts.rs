//! Every npm package in every database that it can be in, and its table there: as the package makes it, but the contract
//! stores more than JSON and more than some types hold, and ids that only a byte-wise comparison tells apart.

use socketpass::config::{
    SETTINGS,
    layout::{Layout, Place},
    setting::Kind,
    sql_url::Dialect,
};

/// The packages that `session.layout` takes for a kind of database.
pub fn packages(place: Place) -> Vec<&'static str> {
    let setting = SETTINGS.iter().find(|setting| setting.name == "session.layout").unwrap();
    let Kind::Choice(packages) = setting.kind else { panic!("{setting:?}") };
    packages.iter().filter(|package| Layout::of(place, Some(package)).is_ok()).copied().collect()
}

/// A table.
pub struct Table {
    pub package: &'static str,
    pub dialect: Dialect,
    pub name: &'static str,
    pub columns: &'static [Column],
}

/// A column's name, its type, and what is put there: `{id}` before `{session}`, and `{seconds}` from now is the end.
pub type Column = (&'static str, &'static str, &'static str);

impl Table {
    pub fn of(dialect: Dialect, package: &str) -> &'static Self {
        let found = TABLES.iter().find(|table| table.dialect == dialect && table.package == package);
        found.unwrap_or_else(|| panic!("no table of {package} in {dialect:?}"))
    }

    pub fn create(&self) -> String {
        let columns: Vec<_> =
            self.columns.iter().map(|(name, kind, _)| format!("{} {kind}", self.quoted(name))).collect();
        format!("CREATE TABLE {} ({})", self.quoted(self.name), columns.join(", "))
    }

    /// Puts a session that ends so many seconds from now in place of the one that is there.
    pub fn put(&self, seconds: i32) -> String {
        let names: Vec<_> = self.columns.iter().map(|(name, ..)| self.quoted(name)).collect();
        let values: Vec<_> = self.columns.iter().map(|(.., value)| *value).collect();
        let (id, session) = match self.dialect {
            Dialect::Postgres => ("$1", "$2"),
            Dialect::MySql | Dialect::Sqlite => ("?", "?"),
        };
        let values = values.join(", ").replace("{id}", id).replace("{session}", session);
        let values = values.replace("{seconds}", &seconds.to_string());
        let rest = format!("INTO {} ({}) VALUES ({values})", self.quoted(self.name), names.join(", "));
        match self.dialect {
            Dialect::Postgres => {
                let replaced: Vec<_> = names.iter().map(|name| format!("{name} = excluded.{name}")).collect();
                let id = self.quoted(self.id());
                format!("INSERT {rest} ON CONFLICT ({id}) DO UPDATE SET {}", replaced.join(", "))
            }
            Dialect::MySql | Dialect::Sqlite => format!("REPLACE {rest}"),
        }
    }

    /// Removes the session of an id.
    pub fn remove(&self) -> String {
        let place = if self.dialect == Dialect::Postgres { "$1" } else { "?" };
        format!("DELETE FROM {} WHERE {} = {place}", self.quoted(self.name), self.quoted(self.id()))
    }

    /// What its user needs beside reading to destroy a session, as it is granted and as the log names it.
    pub fn right(&self) -> (String, &'static str) {
        match self.columns.iter().find(|(name, ..)| *name == "destroyedAt") {
            Some((name, ..)) => {
                (format!("UPDATE ({})", self.quoted(name)), "the right to UPDATE `destroyedAt`")
            }
            None => ("DELETE".to_owned(), "the right to DELETE"),
        }
    }

    fn id(&self) -> &'static str {
        self.columns.iter().find(|(.., value)| *value == "{id}").unwrap().0
    }

    fn quoted(&self, name: &str) -> String {
        let quote = if self.dialect == Dialect::MySql { '`' } else { '"' };
        format!("{quote}{name}{quote}")
    }
}

mod postgres {
    pub const INSTANT: &str = "now() + interval '{seconds} seconds'";
    pub const MILLISECONDS: &str = "(extract(epoch FROM now()) + {seconds}) * 1000";
    pub const UTC: &str = "now() AT TIME ZONE 'UTC' + interval '{seconds} seconds'";
}

mod mysql {
    pub const SECONDS: &str = "UNIX_TIMESTAMP() + {seconds}";
    pub const MILLISECONDS: &str = "(UNIX_TIMESTAMP() + {seconds}) * 1000";
    pub const UTC: &str = "UTC_TIMESTAMP() + INTERVAL {seconds} SECOND";
}

mod sqlite {
    pub const MILLISECONDS: &str = "CAST((unixepoch('subsec') + {seconds}) * 1000 AS INTEGER)";
    pub const ISO: &str = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '{seconds} seconds')";
}

pub const TABLES: &[Table] = &[
    Table {
        package: "connect-pg-simple",
        dialect: Dialect::Postgres,
        name: "session",
        columns: &[
            ("sid", "varchar PRIMARY KEY", "{id}"),
            ("sess", "text NOT NULL", "{session}"),
            ("expire", "timestamp(6) NOT NULL", postgres::INSTANT),
        ],
    },
    Table {
        package: "connect-session-knex",
        dialect: Dialect::Postgres,
        name: "sessions",
        columns: &[
            ("sid", "varchar(255) PRIMARY KEY", "{id}"),
            ("sess", "text NOT NULL", "{session}"),
            ("expired", "timestamptz NOT NULL", postgres::INSTANT),
        ],
    },
    Table {
        package: "connect-session-sequelize",
        dialect: Dialect::Postgres,
        name: "Sessions",
        columns: &[
            ("sid", "varchar(36) PRIMARY KEY", "{id}"),
            ("expires", "timestamptz", postgres::INSTANT),
            ("data", "text", "{session}"),
            ("createdAt", "timestamptz NOT NULL", "now()"),
            ("updatedAt", "timestamptz NOT NULL", "now()"),
        ],
    },
    Table {
        package: "connect-typeorm",
        dialect: Dialect::Postgres,
        name: "session",
        columns: &[
            ("id", "varchar(255) PRIMARY KEY", "{id}"),
            ("expiredAt", "bigint NOT NULL", postgres::MILLISECONDS),
            ("json", "text NOT NULL", "{session}"),
            ("destroyedAt", "timestamp", "NULL"),
        ],
    },
    Table {
        package: "prisma-session-store",
        dialect: Dialect::Postgres,
        name: "Session",
        columns: &[
            ("id", "text PRIMARY KEY", "gen_random_uuid()"),
            ("sid", "text NOT NULL UNIQUE", "{id}"),
            ("data", "text NOT NULL", "{session}"),
            ("expiresAt", "timestamp(3) NOT NULL", postgres::UTC),
        ],
    },
    Table {
        package: "express-mysql-session",
        dialect: Dialect::MySql,
        name: "sessions",
        columns: &[
            ("session_id", "varchar(128) COLLATE utf8mb4_bin PRIMARY KEY", "{id}"),
            ("expires", "int(11) unsigned NOT NULL", mysql::SECONDS),
            ("data", "mediumtext COLLATE utf8mb4_bin", "{session}"),
        ],
    },
    Table {
        package: "connect-session-knex",
        dialect: Dialect::MySql,
        name: "sessions",
        columns: &[
            ("sid", "varchar(255) COLLATE utf8mb4_bin PRIMARY KEY", "{id}"),
            ("sess", "longtext NOT NULL", "{session}"),
            ("expired", "datetime NOT NULL", mysql::UTC),
        ],
    },
    Table {
        package: "connect-session-sequelize",
        dialect: Dialect::MySql,
        name: "Sessions",
        columns: &[
            ("sid", "varchar(36) COLLATE utf8mb4_bin PRIMARY KEY", "{id}"),
            ("expires", "datetime", mysql::UTC),
            ("data", "longtext", "{session}"),
            ("createdAt", "datetime NOT NULL", "UTC_TIMESTAMP()"),
            ("updatedAt", "datetime NOT NULL", "UTC_TIMESTAMP()"),
        ],
    },
    Table {
        package: "connect-typeorm",
        dialect: Dialect::MySql,
        name: "session",
        columns: &[
            ("id", "varchar(255) COLLATE utf8mb4_bin PRIMARY KEY", "{id}"),
            ("expiredAt", "bigint NOT NULL", mysql::MILLISECONDS),
            ("json", "longtext NOT NULL", "{session}"),
            ("destroyedAt", "datetime(6)", "NULL"),
        ],
    },
    Table {
        package: "prisma-session-store",
        dialect: Dialect::MySql,
        name: "Session",
        columns: &[
            ("id", "varchar(191) PRIMARY KEY", "UUID()"),
            ("sid", "varchar(191) COLLATE utf8mb4_bin NOT NULL UNIQUE", "{id}"),
            ("data", "mediumtext NOT NULL", "{session}"),
            ("expiresAt", "datetime(3) NOT NULL", mysql::UTC),
        ],
    },
    Table {
        package: "connect-sqlite3",
        dialect: Dialect::Sqlite,
        name: "sessions",
        columns: &[
            ("sid", "PRIMARY KEY", "{id}"),
            ("expired", "", sqlite::MILLISECONDS),
            ("sess", "", "{session}"),
        ],
    },
    Table {
        package: "better-sqlite3-session-store",
        dialect: Dialect::Sqlite,
        name: "sessions",
        columns: &[
            ("sid", "TEXT NOT NULL PRIMARY KEY", "{id}"),
            ("sess", "TEXT NOT NULL", "{session}"),
            ("expire", "TEXT NOT NULL", sqlite::ISO),
        ],
    },
    Table {
        package: "connect-session-knex",
        dialect: Dialect::Sqlite,
        name: "sessions",
        columns: &[
            ("sid", "varchar(255) PRIMARY KEY", "{id}"),
            ("sess", "text NOT NULL", "{session}"),
            ("expired", "datetime NOT NULL", sqlite::ISO),
        ],
    },
    Table {
        package: "connect-session-sequelize",
        dialect: Dialect::Sqlite,
        name: "Sessions",
        columns: &[
            ("sid", "VARCHAR(36) PRIMARY KEY", "{id}"),
            ("expires", "DATETIME", sqlite::ISO),
            ("data", "TEXT", "{session}"),
            ("createdAt", "DATETIME NOT NULL", "datetime()"),
            ("updatedAt", "DATETIME NOT NULL", "datetime()"),
        ],
    },
    Table {
        package: "connect-typeorm",
        dialect: Dialect::Sqlite,
        name: "session",
        columns: &[
            ("id", "varchar(255) PRIMARY KEY", "{id}"),
            ("expiredAt", "bigint NOT NULL", sqlite::MILLISECONDS),
            ("json", "text NOT NULL", "{session}"),
            ("destroyedAt", "datetime", "NULL"),
        ],
    },
    Table {
        package: "prisma-session-store",
        dialect: Dialect::Sqlite,
        name: "Session",
        columns: &[
            ("id", "TEXT NOT NULL PRIMARY KEY", "hex(randomblob(16))"),
            ("sid", "TEXT NOT NULL UNIQUE", "{id}"),
            ("data", "TEXT NOT NULL", "{session}"),
            ("expiresAt", "DATETIME NOT NULL", sqlite::MILLISECONDS),
        ],
    },
];
