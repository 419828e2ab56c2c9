//! SQL databases.

use std::sync::Arc;

use async_trait::async_trait;
use socketpass::session_store::SessionStore;
use sqlx::{ConnectOptions as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use super::contract::{Backend, contract};
use crate::support::{
    ANA, ANA_ID,
    mariadb::MariaDb,
    postgres::Postgres,
    store::{Answer, finds_ana, found, load, open},
    until,
};

fn is_text(session: &[u8]) -> bool {
    std::str::from_utf8(session).is_ok()
}

mod on_postgres {
    use super::*;

    struct OnPostgres {
        database: Postgres,
        reader: String,
    }

    impl OnPostgres {
        async fn create() -> Self {
            let database = Postgres::create().await;
            // connect-pg-simple's, but for the type of `sess`: the contract stores more than JSON.
            database
                .client
                .batch_execute(
                    r#"CREATE TABLE "session" ("sid" varchar NOT NULL PRIMARY KEY, "sess" text NOT NULL,
                       "expire" timestamp(6) NOT NULL)"#,
                )
                .await
                .unwrap();
            let reader = database.reader("session").await;
            Self { database, reader }
        }
    }

    #[async_trait]
    impl Backend for OnPostgres {
        fn store(&self) -> Arc<dyn SessionStore> {
            open(&self.reader, &[])
        }

        async fn put(&self, id: &str, session: &[u8]) {
            let insert = "INSERT INTO session VALUES ($1, $2, now() + interval '1 hour')
                          ON CONFLICT (sid) DO UPDATE SET sess = excluded.sess, expire = excluded.expire";
            let session = std::str::from_utf8(session).unwrap();
            self.database.client.execute(insert, &[&id, &session]).await.unwrap();
        }

        async fn remove(&self, id: &str) {
            let removed = self.database.client.execute("DELETE FROM session WHERE sid = $1", &[&id]).await;
            assert_eq!(removed.unwrap(), 1);
        }

        fn place(&self, id: &str) -> String {
            format!("row `{id}` of table `session`")
        }

        // An index takes no longer ones.
        fn takes_id(&self, id: &str) -> bool {
            !id.contains('\0') && id.len() < 2_000
        }

        fn takes(&self, session: &[u8]) -> bool {
            is_text(session) && !session.contains(&0)
        }
    }

    contract!(OnPostgres::create().await);

    #[tokio::test]
    async fn a_session_ends_by_the_clock_of_the_server_whatever_its_time_zone() {
        let backend = OnPostgres::create().await;
        let store = backend.store();
        let client = &backend.database.client;
        for (end, lives) in [("1 hour", true), ("5 seconds", true), ("-5 seconds", false), ("-1 hour", false)]
        {
            backend.put(ANA_ID, ANA.as_bytes()).await;
            let end = format!("UPDATE session SET expire = now() + interval '{end}'");
            client.batch_execute(&end).await.unwrap();
            let expected: Answer = if lives { found(ANA) } else { Ok(None) };
            assert_eq!(load(&*store, ANA_ID).await, expected, "{end}");
        }
    }

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
        assert_eq!(load(&*store, "abc").await, Ok(None));
        assert_eq!(load(&*store, "ABC").await, Ok(None));
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
    use sqlx::{AssertSqlSafe, Executor as _};

    use super::*;

    struct OnMariaDb {
        database: MariaDb,
        reader: String,
    }

    impl OnMariaDb {
        async fn create() -> Self {
            let database = MariaDb::create().await;
            // express-mysql-session's own.
            database
                .connection()
                .await
                .execute(
                    "CREATE TABLE `sessions` (`session_id` varchar(128) COLLATE utf8mb4_bin NOT NULL,
                     `expires` int(11) unsigned NOT NULL, `data` mediumtext COLLATE utf8mb4_bin,
                     PRIMARY KEY (`session_id`)) ENGINE=InnoDB",
                )
                .await
                .unwrap();
            let reader = database.reader("sessions").await;
            Self { database, reader }
        }
    }

    #[async_trait]
    impl Backend for OnMariaDb {
        fn store(&self) -> Arc<dyn SessionStore> {
            open(&self.reader, &[])
        }

        async fn put(&self, id: &str, session: &[u8]) {
            let session = std::str::from_utf8(session).unwrap();
            sqlx::query("REPLACE INTO sessions VALUES (?, UNIX_TIMESTAMP() + 3600, ?)")
                .bind(id)
                .bind(session)
                .execute(&mut self.database.connection().await)
                .await
                .unwrap();
        }

        async fn remove(&self, id: &str) {
            let mut connection = self.database.connection().await;
            let removed = sqlx::query("DELETE FROM sessions WHERE session_id = ?")
                .bind(id)
                .execute(&mut connection)
                .await;
            assert_eq!(removed.unwrap().rows_affected(), 1);
        }

        fn place(&self, id: &str) -> String {
            format!("row `{id}` of table `sessions`")
        }

        // Spaces at the end count for nothing in the index, so that `plain ` and `plain` cannot both be there.
        fn takes_id(&self, id: &str) -> bool {
            id.chars().count() <= 128 && !id.ends_with(' ')
        }

        fn takes(&self, session: &[u8]) -> bool {
            is_text(session)
        }
    }

    contract!(OnMariaDb::create().await);

    #[tokio::test]
    async fn a_session_ends_at_its_second() {
        let backend = OnMariaDb::create().await;
        let store = backend.store();
        for (end, lives) in [("3600", true), ("5", true), ("-5", false), ("-3600", false)] {
            backend.put(ANA_ID, ANA.as_bytes()).await;
            let update = format!("UPDATE sessions SET expires = UNIX_TIMESTAMP() + {end}");
            backend.database.connection().await.execute(AssertSqlSafe(update)).await.unwrap();
            let expected: Answer = if lives { found(ANA) } else { Ok(None) };
            assert_eq!(load(&*store, ANA_ID).await, expected, "{end}");
        }
    }

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
            }
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
            }
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
    }

    impl OnSqlite {
        async fn create() -> Self {
            let backend = Self { folder: TempDir::new().unwrap() };
            // connect-sqlite3's own.
            backend.execute("CREATE TABLE sessions (sid PRIMARY KEY, expired, sess)").await;
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
    impl Backend for OnSqlite {
        fn store(&self) -> Arc<dyn SessionStore> {
            open(&self.url(), &[])
        }

        async fn put(&self, id: &str, session: &[u8]) {
            sqlx::query("INSERT OR REPLACE INTO sessions VALUES (?, 4000000000000, ?)")
                .bind(id)
                .bind(std::str::from_utf8(session).unwrap())
                .execute(&mut self.connection().await)
                .await
                .unwrap();
        }

        async fn remove(&self, id: &str) {
            let mut connection = self.connection().await;
            let removed =
                sqlx::query("DELETE FROM sessions WHERE sid = ?").bind(id).execute(&mut connection).await;
            assert_eq!(removed.unwrap().rows_affected(), 1);
        }

        fn place(&self, id: &str) -> String {
            format!("row `{id}` of table `sessions`")
        }

        fn takes(&self, session: &[u8]) -> bool {
            is_text(session)
        }
    }

    contract!(OnSqlite::create().await);

    #[tokio::test]
    async fn a_session_ends_at_its_millisecond() {
        let backend = OnSqlite::create().await;
        let store = backend.store();
        for (end, lives) in [(3_600_000, true), (5_000, true), (-5_000, false), (-3_600_000, false)] {
            backend.put(ANA_ID, ANA.as_bytes()).await;
            let end =
                format!("UPDATE sessions SET expired = CAST(unixepoch('subsec') * 1000 AS INTEGER) + {end}");
            backend.execute(&end).await;
            let expected: Answer = if lives { found(ANA) } else { Ok(None) };
            assert_eq!(load(&*store, ANA_ID).await, expected, "{end}");
        }
    }

    #[tokio::test]
    async fn a_collation_that_takes_other_ids_for_the_same_opens_nobodys_session() {
        for collation in ["NOCASE", "RTRIM"] {
            let backend = OnSqlite { folder: TempDir::new().unwrap() };
            let create =
                format!("CREATE TABLE sessions (sid TEXT COLLATE {collation} PRIMARY KEY, expired, sess)");
            backend.execute(&create).await;
            backend.put("AbC", b"1").await;
            let store = backend.store();
            assert_eq!(load(&*store, "AbC").await, found("1"));
            for other in ["abc", "ABC", "AbC "] {
                assert_eq!(load(&*store, other).await, Ok(None), "{collation} {other:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_file_that_is_replaced_shows_as_it_is_now() {
        let backend = OnSqlite::create().await;
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
        let backend = OnSqlite::create().await;
        backend.put(ANA_ID, ANA.as_bytes()).await;
        let store = backend.store();
        finds_ana(&*store).await;
        let mut writer = backend.connection().await;
        writer.execute("BEGIN EXCLUSIVE").await.unwrap();
        let answer = load(&*store, ANA_ID).await;
        assert!(format!("{answer:?}").contains("locked"), "{answer:?}");
        writer.execute("COMMIT").await.unwrap();
        finds_ana(&*store).await;
    }

    #[tokio::test]
    async fn a_log_that_is_written_ahead_is_read() {
        let backend = OnSqlite::create().await;
        let mut writer = backend.connection().await;
        writer.execute("PRAGMA journal_mode = wal").await.unwrap();
        backend.put(ANA_ID, ANA.as_bytes()).await;
        let store = backend.store();
        finds_ana(&*store).await;
        writer.execute("BEGIN IMMEDIATE; DELETE FROM sessions").await.unwrap();
        assert_eq!(load(&*store, ANA_ID).await, found(ANA));
        writer.execute("COMMIT").await.unwrap();
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
