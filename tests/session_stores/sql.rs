//! SQL databases.

use std::sync::Arc;

use async_trait::async_trait;
use socketpass::{
    config::{layout::Place, sql_url::Dialect},
    session_store::{Fault, Health, SessionStore},
};
use sqlx::{ConnectOptions as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use super::{
    contract::{Backend, contract},
    layouts::{self, TABLES, Table},
};
use crate::support::{
    ANA, ANA_ID,
    mariadb::MariaDb,
    postgres::Postgres,
    store::{Answer, becomes, destroy, ends_in, ends_in_seconds, finds_ana, found, load, open},
    until,
};

fn is_text(session: &[u8]) -> bool {
    std::str::from_utf8(session).is_ok()
}

/// A database with the table of a package.
#[async_trait]
trait OfPackage: Backend {
    fn table(&self) -> &'static Table;

    /// Stores a session that ends so many seconds from now.
    async fn put_for(&self, id: &str, session: &str, seconds: i32);
}

const AN_HOUR: i32 = 3600;

async fn a_session_ends_when_its_package_says(backend: &dyn OfPackage) {
    let store = backend.store();
    let package = backend.table().package;
    for seconds in [AN_HOUR, 60, -5, -AN_HOUR] {
        backend.put_for(ANA_ID, ANA, seconds).await;
        let lives = seconds > 0 || package == "connect-session-sequelize";
        let expected: Answer = if lives { found(ANA) } else { Ok(None) };
        assert_eq!(load(&*store, ANA_ID).await, expected, "{package} {seconds}");
        match u64::try_from(seconds) {
            Ok(seconds) if package != "connect-session-sequelize" => {
                ends_in_seconds(&*store, ANA_ID, seconds).await;
            }
            Ok(_) => assert_eq!(ends_in(&*store, ANA_ID).await, None),
            Err(_) => {}
        }
    }
}

async fn who_may_only_read_is_told_what_is_missing(backend: &dyn OfPackage) {
    let store = backend.store();
    backend.put(ANA_ID, ANA.as_bytes()).await;
    finds_ana(&*store).await;
    let Err(Fault::Refused(cause)) = destroy(&*store, ANA_ID).await else { panic!("it may write") };
    let right = backend.table().right().1;
    assert!(cause.contains("denied") && cause.contains(right), "{right}: {cause}");
    // All else goes on.
    assert_eq!(load(&*store, ANA_ID).await, found(ANA));
    becomes(&*store, Health::Up).await;
    backend.lets_end().await;
    assert_eq!(destroy(&*store, ANA_ID).await, Ok(()));
    assert_eq!(load(&*store, ANA_ID).await, Ok(None));
}

/// A module for each package that writes to a kind of database.
macro_rules! each_package {
    ($backend:ident: $($name:ident of $package:literal),+ $(,)?) => {
        pub const PACKAGES: &[&str] = &[$($package),+];

        $(
            mod $name {
                use super::*;

                contract!($backend::of($package).await);

                #[tokio::test]
                async fn a_session_ends_when_its_package_says() {
                    super::a_session_ends_when_its_package_says(&$backend::of($package).await).await;
                }
            }
        )+
    };
}

#[test]
fn every_package_is_held_to_the_contract_in_every_database_that_it_writes_to() {
    for (dialect, held) in [
        (Dialect::Postgres, on_postgres::PACKAGES),
        (Dialect::MySql, on_mariadb::PACKAGES),
        (Dialect::Sqlite, on_sqlite::PACKAGES),
    ] {
        assert_eq!(layouts::packages(Place::Sql(dialect)), held, "{dialect:?}");
        let tables = TABLES.iter().filter(|table| table.dialect == dialect).map(|table| table.package);
        assert_eq!(tables.collect::<Vec<_>>(), held, "{dialect:?}");
    }
}

mod on_postgres {
    use super::*;

    struct OnPostgres {
        database: Postgres,
        reader: String,
        table: &'static Table,
    }

    impl OnPostgres {
        async fn of(package: &str) -> Self {
            let (database, table) = (Postgres::create().await, Table::of(Dialect::Postgres, package));
            database.client.batch_execute(&table.create()).await.unwrap();
            let reader = database.reader(&format!("\"{}\"", table.name)).await;
            Self { database, reader, table }
        }
    }

    #[async_trait]
    impl OfPackage for OnPostgres {
        fn table(&self) -> &'static Table {
            self.table
        }

        async fn put_for(&self, id: &str, session: &str, seconds: i32) {
            self.database.client.execute(&self.table.put(seconds), &[&id, &session]).await.unwrap();
        }
    }

    #[async_trait]
    impl Backend for OnPostgres {
        fn store(&self) -> Arc<dyn SessionStore> {
            open(&self.reader, &[("SESSION_LAYOUT", self.table.package)])
        }

        async fn put(&self, id: &str, session: &[u8]) {
            self.put_for(id, std::str::from_utf8(session).unwrap(), AN_HOUR).await;
        }

        async fn remove(&self, id: &str) {
            let removed = self.database.client.execute(&self.table.remove(), &[&id]).await;
            assert_eq!(removed.unwrap(), 1);
        }

        async fn lets_end(&self) {
            self.database.grant(&self.table.right().0, &format!("\"{}\"", self.table.name)).await;
        }

        fn place(&self, id: &str) -> String {
            format!("row `{id}` of table `{}`", self.table.name)
        }

        // An index takes no longer ones.
        fn takes_id(&self, id: &str) -> bool {
            !id.contains('\0') && id.len() < 2_000
        }

        fn takes(&self, session: &[u8]) -> bool {
            is_text(session) && !session.contains(&0)
        }
    }

    each_package!(
        OnPostgres:
        connect_pg_simple of "connect-pg-simple",
        connect_session_knex of "connect-session-knex",
        connect_session_sequelize of "connect-session-sequelize",
        connect_typeorm of "connect-typeorm",
        prisma_session_store of "prisma-session-store",
    );

    #[tokio::test]
    async fn a_collation_that_takes_other_ids_for_the_same_opens_nobodys_session() {
        let database = Postgres::create().await;
        let client = &database.client;
        client
            .batch_execute(
                r#"CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
                   CREATE TABLE "session" ("sid" varchar COLLATE blind PRIMARY KEY, "sess" json, "expire" timestamptz)"#,
            )
            .await
            .unwrap();
        let insert = r#"INSERT INTO session VALUES ('AbC', '{"a": 1}', now() + interval '1 hour')"#;
        client.batch_execute(insert).await.unwrap();
        let store = open(&database.url(), &[]);
        assert_eq!(load(&*store, "AbC").await, found(r#"{"a": 1}"#));
        for other in ["abc", "ABC"] {
            assert_eq!(load(&*store, other).await, Ok(None));
            assert_eq!(destroy(&*store, other).await, Ok(()));
        }
        assert_eq!(load(&*store, "AbC").await, found(r#"{"a": 1}"#));
        assert_eq!(destroy(&*store, "AbC").await, Ok(()));
        assert_eq!(load(&*store, "AbC").await, Ok(None));
    }

    #[tokio::test]
    async fn who_may_only_read_is_told_what_is_missing() {
        for package in PACKAGES {
            super::who_may_only_read_is_told_what_is_missing(&OnPostgres::of(package).await).await;
        }
    }

    #[tokio::test]
    async fn another_schema_table_and_column() {
        let database = Postgres::create().await;
        let client = &database.client;
        client
            .batch_execute(
                r#"CREATE SCHEMA web;
                   CREATE TABLE web."my ""sessions""" ("id" text PRIMARY KEY, "sess" jsonb, "expire" timestamptz)"#,
            )
            .await
            .unwrap();
        let insert =
            format!(r#"INSERT INTO web."my ""sessions""" VALUES ('{ANA_ID}', '{{"a": 1}}', 'infinity')"#);
        client.batch_execute(&insert).await.unwrap();
        let settings = [("SESSION_TABLE", r#"web.my "sessions""#), ("SESSION_COLUMNS", "sid=id")];
        let store = open(&database.url(), &settings);
        assert_eq!(load(&*store, ANA_ID).await, found(r#"{"a": 1}"#));
    }

    #[tokio::test]
    async fn a_table_that_is_made_later_or_anew_is_found() {
        let database = Postgres::create().await;
        let store = open(&database.url(), &[]);
        let cause = load(&*store, ANA_ID).await;
        assert!(format!("{cause:?}").contains("does not exist"), "{cause:?}");
        for kind in ["json", "text"] {
            let create = format!(
                r#"DROP TABLE IF EXISTS session;
                   CREATE TABLE "session" ("sid" varchar PRIMARY KEY, "sess" {kind}, "expire" timestamp);
                   INSERT INTO session VALUES ('{ANA_ID}', '{ANA}', now() + interval '1 hour')"#
            );
            database.client.batch_execute(&create).await.unwrap();
            finds_ana(&*store).await;
        }
    }
}

mod on_mariadb {
    use sqlx::{AssertSqlSafe, Executor as _, MySqlConnection};
    use tokio::sync::Mutex;

    use super::*;

    struct OnMariaDb {
        database: MariaDb,
        reader: String,
        table: &'static Table,
        administrator: Mutex<MySqlConnection>,
    }

    impl OnMariaDb {
        async fn of(package: &str) -> Self {
            let (database, table) = (MariaDb::create().await, Table::of(Dialect::MySql, package));
            let mut administrator = database.connection().await;
            administrator.execute(AssertSqlSafe(table.create())).await.unwrap();
            let reader = database.reader(table.name).await;
            Self { database, reader, table, administrator: Mutex::new(administrator) }
        }
    }

    #[async_trait]
    impl OfPackage for OnMariaDb {
        fn table(&self) -> &'static Table {
            self.table
        }

        async fn put_for(&self, id: &str, session: &str, seconds: i32) {
            let put = sqlx::query(AssertSqlSafe(self.table.put(seconds))).bind(id).bind(session);
            put.execute(&mut *self.administrator.lock().await).await.unwrap();
        }
    }

    #[async_trait]
    impl Backend for OnMariaDb {
        fn store(&self) -> Arc<dyn SessionStore> {
            open(&self.reader, &[("SESSION_LAYOUT", self.table.package)])
        }

        async fn put(&self, id: &str, session: &[u8]) {
            self.put_for(id, std::str::from_utf8(session).unwrap(), AN_HOUR).await;
        }

        async fn remove(&self, id: &str) {
            let remove = sqlx::query(AssertSqlSafe(self.table.remove())).bind(id);
            let removed = remove.execute(&mut *self.administrator.lock().await).await;
            assert_eq!(removed.unwrap().rows_affected(), 1);
        }

        async fn lets_end(&self) {
            self.database.grant(&self.table.right().0, self.table.name).await;
        }

        fn place(&self, id: &str) -> String {
            format!("row `{id}` of table `{}`", self.table.name)
        }

        // Spaces at the end count for nothing in the index, so that `plain ` and `plain` cannot both be there.
        fn takes_id(&self, id: &str) -> bool {
            id.chars().count() <= 128 && !id.ends_with(' ')
        }

        fn takes(&self, session: &[u8]) -> bool {
            is_text(session)
        }
    }

    each_package!(
        OnMariaDb:
        express_mysql_session of "express-mysql-session",
        connect_session_knex of "connect-session-knex",
        connect_session_sequelize of "connect-session-sequelize",
        connect_typeorm of "connect-typeorm",
        prisma_session_store of "prisma-session-store",
    );

    #[tokio::test]
    async fn a_collation_that_takes_other_ids_for_the_same_opens_nobodys_session() {
        for column in
            ["varchar(128) COLLATE utf8mb4_general_ci", "varchar(128) CHARACTER SET latin1", "char(128)"]
        {
            let database = MariaDb::create().await;
            let mut connection = database.connection().await;
            let create = format!(
                "CREATE TABLE `sessions` (`session_id` {column} PRIMARY KEY, `expires` int unsigned, `data` text)"
            );
            connection.execute(AssertSqlSafe(create)).await.unwrap();
            connection.execute("INSERT INTO sessions VALUES ('AbCé', 4000000000, '1')").await.unwrap();
            let store = open(&database.url(), &[]);
            assert_eq!(load(&*store, "AbCé").await, found("1"), "{column}");
            for other in ["abcé", "ABCé", "AbCe", "AbCé "] {
                assert_eq!(load(&*store, other).await, Ok(None), "{column} {other:?}");
                assert_eq!(destroy(&*store, other).await, Ok(()), "{column} {other:?}");
            }
            assert_eq!(load(&*store, "AbCé").await, found("1"), "{column}");
            assert_eq!(destroy(&*store, "AbCé").await, Ok(()), "{column}");
            assert_eq!(load(&*store, "AbCé").await, Ok(None), "{column}");
        }
    }

    #[tokio::test]
    async fn an_id_with_letters_that_the_table_cannot_hold_is_nobodys() {
        for charset in ["latin1", "ascii", "latin2", "utf8mb3"] {
            let database = MariaDb::create().await;
            let mut connection = database.connection().await;
            let create = format!(
                "CREATE TABLE `sessions` (`session_id` varchar(128) CHARACTER SET {charset} PRIMARY KEY, \
                 `expires` int unsigned, `data` text)"
            );
            connection.execute(AssertSqlSafe(create)).await.unwrap();
            connection.execute("INSERT INTO sessions VALUES ('?', 4000000000, '1')").await.unwrap();
            let store = open(&database.url(), &[]);
            assert_eq!(load(&*store, "?").await, found("1"), "{charset}");
            for other in ["é", "ш", "鍵", "🔑", "?🔑", "\u{fffd}"] {
                assert_eq!(load(&*store, other).await, Ok(None), "{charset} {other:?}");
                assert_eq!(destroy(&*store, other).await, Ok(()), "{charset} {other:?}");
            }
            assert_eq!(load(&*store, "?").await, found("1"), "{charset}");
        }
    }

    #[tokio::test]
    async fn who_may_only_read_is_told_what_is_missing() {
        for package in PACKAGES {
            super::who_may_only_read_is_told_what_is_missing(&OnMariaDb::of(package).await).await;
        }
    }

    #[tokio::test]
    async fn another_table_and_other_columns() {
        let database = MariaDb::create().await;
        let mut connection = database.connection().await;
        connection
            .execute("CREATE TABLE `my ``own` (`i` varchar(99), `e` int unsigned, `d` text)")
            .await
            .unwrap();
        let insert = format!("INSERT INTO `my ``own` VALUES ('{ANA_ID}', 4000000000, '{ANA}')");
        connection.execute(AssertSqlSafe(insert)).await.unwrap();
        let table = format!("{}.my `own", database.name);
        let columns = r#"["session_id=i", "expires=e", "data=d"]"#;
        let store = open(&database.url(), &[("SESSION_TABLE", &table), ("SESSION_COLUMNS", columns)]);
        assert_eq!(load(&*store, ANA_ID).await, found(ANA));
    }
}

mod on_sqlite {
    use sqlx::{AssertSqlSafe, Executor as _};

    use super::*;

    struct OnSqlite {
        folder: TempDir,
        table: &'static Table,
    }

    const USUAL: &str = "connect-sqlite3";

    impl OnSqlite {
        async fn of(package: &str) -> Self {
            let table = Table::of(Dialect::Sqlite, package);
            let backend = Self { folder: TempDir::new().unwrap(), table };
            backend.execute(&table.create()).await;
            backend
        }

        async fn connection(&self) -> SqliteConnection {
            let file = self.folder.path().join("sessions");
            SqliteConnectOptions::new().filename(file).create_if_missing(true).connect().await.unwrap()
        }

        async fn execute(&self, statement: &str) {
            self.connection().await.execute(AssertSqlSafe(statement)).await.unwrap();
        }

        fn url(&self) -> String {
            format!("sqlite:{}/sessions", self.folder.path().display())
        }
    }

    #[async_trait]
    impl OfPackage for OnSqlite {
        fn table(&self) -> &'static Table {
            self.table
        }

        async fn put_for(&self, id: &str, session: &str, seconds: i32) {
            let put = sqlx::query(AssertSqlSafe(self.table.put(seconds))).bind(id).bind(session);
            put.execute(&mut self.connection().await).await.unwrap();
        }
    }

    #[async_trait]
    impl Backend for OnSqlite {
        fn store(&self) -> Arc<dyn SessionStore> {
            open(&self.url(), &[("SESSION_LAYOUT", self.table.package)])
        }

        async fn put(&self, id: &str, session: &[u8]) {
            self.put_for(id, std::str::from_utf8(session).unwrap(), AN_HOUR).await;
        }

        async fn remove(&self, id: &str) {
            let remove = sqlx::query(AssertSqlSafe(self.table.remove())).bind(id);
            let removed = remove.execute(&mut self.connection().await).await;
            assert_eq!(removed.unwrap().rows_affected(), 1);
        }

        fn place(&self, id: &str) -> String {
            format!("row `{id}` of table `{}`", self.table.name)
        }

        fn takes(&self, session: &[u8]) -> bool {
            is_text(session)
        }
    }

    each_package!(
        OnSqlite:
        connect_sqlite3 of "connect-sqlite3",
        better_sqlite3_session_store of "better-sqlite3-session-store",
        connect_session_knex of "connect-session-knex",
        connect_session_sequelize of "connect-session-sequelize",
        connect_typeorm of "connect-typeorm",
        prisma_session_store of "prisma-session-store",
    );

    #[tokio::test]
    async fn a_collation_that_takes_other_ids_for_the_same_opens_nobodys_session() {
        for collation in ["NOCASE", "RTRIM"] {
            let backend =
                OnSqlite { folder: TempDir::new().unwrap(), table: Table::of(Dialect::Sqlite, USUAL) };
            let create =
                format!("CREATE TABLE sessions (sid TEXT COLLATE {collation} PRIMARY KEY, expired, sess)");
            backend.execute(&create).await;
            backend.put("AbC", b"1").await;
            let store = backend.store();
            assert_eq!(load(&*store, "AbC").await, found("1"));
            for other in ["abc", "ABC", "AbC "] {
                assert_eq!(load(&*store, other).await, Ok(None), "{collation} {other:?}");
                assert_eq!(destroy(&*store, other).await, Ok(()), "{collation} {other:?}");
            }
            assert_eq!(load(&*store, "AbC").await, found("1"));
            assert_eq!(destroy(&*store, "AbC").await, Ok(()));
            assert_eq!(load(&*store, "AbC").await, Ok(None));
        }
    }

    #[tokio::test]
    async fn a_file_that_is_replaced_shows_as_it_is_now() {
        let backend = OnSqlite::of(USUAL).await;
        let store = backend.store();
        backend.put(ANA_ID, ANA.as_bytes()).await;
        assert_eq!(load(&*store, ANA_ID).await, found(ANA));
        std::fs::remove_file(backend.folder.path().join("sessions")).unwrap();
        assert!(load(&*store, ANA_ID).await.is_err());
        backend.execute("CREATE TABLE sessions (sid PRIMARY KEY, expired, sess)").await;
        until("the new file is read", || async { load(&*store, ANA_ID).await == Ok(None) }).await;
        backend.put(ANA_ID, ANA.as_bytes()).await;
        finds_ana(&*store).await;
    }

    #[tokio::test]
    async fn one_who_writes_holds_up_nobody_for_long() {
        let backend = OnSqlite::of(USUAL).await;
        backend.put(ANA_ID, ANA.as_bytes()).await;
        let store = backend.store();
        finds_ana(&*store).await;
        let mut writer = backend.connection().await;
        writer.execute("BEGIN EXCLUSIVE").await.unwrap();
        let (answer, destroyed) = tokio::join!(load(&*store, ANA_ID), destroy(&*store, ANA_ID));
        assert!(format!("{answer:?}").contains("locked"), "{answer:?}");
        assert!(format!("{destroyed:?}").contains("locked"), "{destroyed:?}");
        writer.execute("COMMIT").await.unwrap();
        finds_ana(&*store).await;
    }

    #[tokio::test]
    async fn a_log_that_is_written_ahead_is_read() {
        let backend = OnSqlite::of(USUAL).await;
        let mut writer = backend.connection().await;
        writer.execute("PRAGMA journal_mode = wal").await.unwrap();
        backend.put(ANA_ID, ANA.as_bytes()).await;
        let store = backend.store();
        finds_ana(&*store).await;
        writer.execute("BEGIN IMMEDIATE; DELETE FROM sessions").await.unwrap();
        assert_eq!(load(&*store, ANA_ID).await, found(ANA));
        writer.execute("COMMIT").await.unwrap();
        assert_eq!(load(&*store, ANA_ID).await, Ok(None));
        backend.put(ANA_ID, ANA.as_bytes()).await;
        assert_eq!(destroy(&*store, ANA_ID).await, Ok(()));
        assert_eq!(load(&*store, ANA_ID).await, Ok(None));
    }
}

#[tokio::test]
async fn certificates_are_checked() {
    let (postgres, mariadb) = (Postgres::create().await, MariaDb::create().await);
    postgres
        .client
        .batch_execute("CREATE TABLE session (sid varchar PRIMARY KEY, sess json, expire timestamp)")
        .await
        .unwrap();
    let create =
        "CREATE TABLE sessions (session_id varchar(128) PRIMARY KEY, expires int unsigned, data text)";
    sqlx::query(create).execute(&mut mariadb.connection().await).await.unwrap();
    let file = |path: &std::path::Path| path.display().to_string();
    let (pg_ca, my_ca) = (file(postgres.authority()), file(mariadb.authority()));
    let url =
        |url: &str, host: &str, parameters: &str| format!("{}?{parameters}", url.replace("127.0.0.1", host));
    let (pg, my) = (postgres.url(), mariadb.url());
    for (url, is_good) in [
        (url(&pg, "127.0.0.1", &format!("sslmode=verify-full&sslrootcert={pg_ca}")), true),
        (url(&pg, "127.0.0.1", &format!("sslmode=require&sslrootcert={my_ca}")), false),
        (url(&pg, "127.0.0.1", "sslmode=require"), false),
        (url(&pg, "localhost", &format!("sslrootcert={pg_ca}")), false),
        (url(&my, "127.0.0.1", &format!("ssl-mode=REQUIRED&ssl-ca={my_ca}")), true),
        (url(&my, "127.0.0.1", &format!("ssl-ca={pg_ca}")), false),
        (url(&my, "127.0.0.1", "ssl-mode=VERIFY_IDENTITY"), false),
        (url(&my, "localhost", &format!("ssl-ca={my_ca}")), false),
    ] {
        let store = open(&url, &[("SESSION_STORE_TIMEOUT", "10s"), ("SESSION_STORE_CONNECT_TIMEOUT", "10s")]);
        let answer = load(&*store, ANA_ID).await;
        assert_eq!(answer.is_ok(), is_good, "{url}: {answer:?}");
        assert!(is_good || format!("{answer:?}").contains("certificate"), "{url}: {answer:?}");
    }
}
