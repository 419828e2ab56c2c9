//! Users in SQL databases: what the query finds, and as which types.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, sqlite::SqliteConnectOptions,
};
use tempfile::TempDir;

use super::Asked;
use crate::support::{mariadb::MariaDb, postgres::Postgres, service::config, until};

const QUERY: &str = "SELECT * FROM people WHERE id = {id}";
const IN_TIME: Duration = Duration::from_secs(4);

/// A database, and its URL.
enum Database {
    Postgres(Postgres),
    MariaDb(MariaDb),
    Sqlite(TempDir),
}

impl Database {
    async fn every() -> [Self; 3] {
        let folder = TempDir::new().unwrap();
        let every = [
            Self::Postgres(Postgres::create().await),
            Self::MariaDb(MariaDb::create().await),
            Self::Sqlite(folder),
        ];
        for database in &every {
            database
                .run("CREATE TABLE people (id INTEGER PRIMARY KEY, name VARCHAR(100), is_admin BOOLEAN)")
                .await;
            database
                .run("INSERT INTO people VALUES (7, 'Ana', true), (8, 'José', false), (0, NULL, NULL)")
                .await;
        }
        every
    }

    fn url(&self) -> String {
        match self {
            Self::Postgres(database) => database.url(),
            Self::MariaDb(database) => database.url(),
            Self::Sqlite(folder) => format!("sqlite:{}", folder.path().join("app.sqlite").display()),
        }
    }

    async fn run(&self, statement: &str) {
        match self {
            Self::Postgres(database) => database.client.batch_execute(statement).await.unwrap(),
            Self::MariaDb(database) => {
                database.connection().await.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
            }
            Self::Sqlite(folder) => {
                let options = SqliteConnectOptions::new()
                    .filename(folder.path().join("app.sqlite"))
                    .create_if_missing(true);
                let mut connection = options.connect().await.unwrap();
                connection.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
                connection.close().await.unwrap();
            }
        }
    }

    async fn asked(&self, query: &str, passport_user: &Value) -> Asked {
        let settings = [("USER_LOOKUP", query), ("USER_CACHE_TTL", "0s"), ("USER_TIMEOUT", "2s")];
        Asked::of(&self.url(), &settings, passport_user).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_is_a_user() {
    for database in Database::every().await {
        let asked = database.asked(QUERY, &json!(7)).await;
        assert_eq!(asked.user().await, json!({"id": 7, "name": "Ana", "is_admin": true, "logged_in": true}));
        assert_eq!(asked.step().await.1, "a user with 3 fields, as it said just now");
        for passport_user in [json!("8"), json!({"id": 8}), json!({"id": "8"})] {
            asked.log_in(&passport_user).await;
            let jose = json!({"id": 8, "name": "José", "is_admin": false, "logged_in": true});
            assert_eq!(asked.user().await, jose);
        }
        asked.log_in(&json!(0)).await;
        assert_eq!(asked.user().await, json!({"id": 0, "name": null, "is_admin": null, "logged_in": true}));
        asked.log_in(&json!(9)).await;
        assert_eq!(asked.reason().await, "USER_NOT_FOUND");
        assert!(asked.step().await.2.contains("is user.lookup right?"));
        database.run("DELETE FROM people WHERE id = 7").await;
        asked.log_in(&json!(7)).await;
        assert_eq!(asked.reason().await, "USER_NOT_FOUND");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_bound_and_never_part_of_the_query() {
    for database in Database::every().await {
        database.run("CREATE TABLE accounts (login VARCHAR(100), name VARCHAR(100))").await;
        database.run("INSERT INTO accounts VALUES ('o''brien', 'O'), ('', 'nobody'), ('ż', 'Ż')").await;
        let query =
            "WITH a AS (SELECT * FROM accounts) SELECT name, {id} AS asked FROM a WHERE login = {id} -- {id}";
        // What PostgreSQL cannot infer a type of is a text.
        let query = if matches!(database, Database::Postgres(_)) {
            "WITH a AS (SELECT * FROM accounts) SELECT name, {id}::text AS asked FROM a WHERE login = {id} -- {id}"
        } else {
            query.strip_suffix(" -- {id}").unwrap()
        };
        let asked = database.asked(query, &json!("o'brien")).await;
        assert_eq!(asked.user().await, json!({"name": "O", "asked": "o'brien", "logged_in": true}));
        for (id, expected) in [("ż", "AUTHORIZED"), ("", "AUTHORIZED")] {
            asked.log_in(&json!(id)).await;
            assert_eq!(asked.reason().await, expected, "{id}");
        }
        for id in ["x' OR 'a' = 'a", "x\" OR 1 = 1 --", "\\' OR 1 = 1 #", "%", "o'brien\0"] {
            asked.log_in(&json!(id)).await;
            assert_eq!(asked.reason().await, "USER_NOT_FOUND", "{id}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_have_the_types_that_json_has() {
    let [postgres, maria, sqlite] = Database::every().await;
    postgres
        .run(
            "CREATE TABLE typed (id uuid, small smallint, big bigint, precise numeric(10, 2), real real, tags text[], \
             extra jsonb, at timestamptz, day date, nothing text)",
        )
        .await;
    postgres
        .run(
            "INSERT INTO typed VALUES ('9c5b94b1-35ad-49bb-b118-8e8fc24abf80', 3, 9007199254740993, 1.10, 0.5, '{a,b}', \
             '{\"roles\": [\"admin\"]}', '2026-11-26T06:00:00Z', '2026-11-26', NULL)",
        )
        .await;
    let asked = postgres
        .asked(
            "SELECT id, small, big, precise, real, tags, extra, at AT TIME ZONE 'UTC' AS at, day, nothing FROM typed \
             WHERE id = {id}",
            &json!("9c5b94b1-35ad-49bb-b118-8e8fc24abf80"),
        )
        .await;
    assert_eq!(
        asked.user().await,
        json!({
            "id": "9c5b94b1-35ad-49bb-b118-8e8fc24abf80", "small": 3, "big": "9007199254740993", "precise": 1.1, "real": 0.5,
            "tags": ["a", "b"], "extra": {"roles": ["admin"]}, "at": "2026-11-26T06:00:00", "day": "2026-11-26",
            "nothing": null, "logged_in": true
        })
    );

    maria
        .run(
            "CREATE TABLE typed (id BIGINT UNSIGNED, small TINYINT, flag TINYINT(1), precise DECIMAL(10, 2), real_ FLOAT, double_ \
             DOUBLE, kind ENUM('a', 'b'), words TEXT, at TIMESTAMP(3) NULL, since DATETIME, day DATE, nothing INT)",
        )
        .await;
    maria
        .run(
            "SET time_zone = '+00:00'; INSERT INTO typed VALUES (18446744073709551615, -3, 1, 1.10, 0.5, 0.1, 'b', 'long', \
             '2026-11-26 06:00:00.250', '2026-11-26 06:00:00', '2026-11-26', NULL)",
        )
        .await;
    let asked = maria.asked("SELECT * FROM typed WHERE id = {id}", &json!("18446744073709551615")).await;
    assert_eq!(
        asked.user().await,
        json!({
            "id": "18446744073709551615", "small": -3, "flag": true, "precise": "1.10", "real_": 0.5, "double_": 0.1, "kind": "b",
            "words": "long", "at": "2026-11-26T06:00:00.250Z", "since": "2026-11-26T06:00:00.000", "day": "2026-11-26",
            "nothing": null, "logged_in": true
        })
    );

    sqlite.run("CREATE TABLE typed (id TEXT, big INTEGER, flag BOOLEAN, number REAL, any_)").await;
    sqlite.run("INSERT INTO typed VALUES ('a', -9007199254740993, 1, 0.5, 'x'), ('b', 1, 0, 2.0, 7)").await;
    let asked = sqlite.asked("SELECT *, 1 + 1 AS two FROM typed WHERE id = {id};", &json!("a")).await;
    let a = json!({"id": "a", "big": "-9007199254740993", "flag": true, "number": 0.5, "any_": "x", "two": 2, "logged_in": true});
    assert_eq!(asked.user().await, a);
    asked.log_in(&json!("b")).await;
    let b = json!({"id": "b", "big": 1, "flag": false, "number": 2, "any_": 7, "two": 2, "logged_in": true});
    assert_eq!(asked.user().await, b);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_mysql_the_query_says_how_strictly_ids_are_compared() {
    let [_, maria, _] = Database::every().await;
    for (query, expected) in [
        (QUERY, "AUTHORIZED"),
        ("SELECT * FROM people WHERE CAST(id AS CHAR) = BINARY {id}", "USER_NOT_FOUND"),
    ] {
        let asked = maria.asked(query, &json!("7abc")).await;
        assert_eq!(asked.reason().await, expected, "{query}");
        asked.log_in(&json!(7)).await;
        assert_eq!(asked.reason().await, "AUTHORIZED", "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_cannot_be_answered_is_a_fault() {
    for database in Database::every().await {
        for query in [
            "SELECT * FROM nowhere WHERE id = {id}",
            "SELECT nothing FROM people WHERE id = {id}",
            "SELECT {id",
            "SELECT * FROM people WHERE id = {id} AND",
        ] {
            if query.contains("{id}") {
                let asked = database.asked(query, &json!(7)).await;
                let said = asked.fails(IN_TIME).await;
                assert!(said.contains("the service's log has the cause"), "{query}: {said}");
            }
        }
    }
    let [postgres, maria, sqlite] = Database::every().await;
    // An id of another kind than the column.
    assert!(
        postgres.asked(QUERY, &json!("ana")).await.fails(IN_TIME).await.contains("for an id of this kind")
    );
    for (database, blob) in [(&maria, "UNHEX('00FF')"), (&sqlite, "x'00FF'")] {
        let query = format!("SELECT id, {blob} AS picture FROM people WHERE id = {{id}}");
        database.asked(&query, &json!(7)).await.fails(IN_TIME).await;
    }
    for database in [&postgres, &maria] {
        let query = "SELECT id, REPEAT('x', 2000000) AS a FROM people WHERE id = {id}";
        assert!(database.asked(query, &json!(7)).await.fails(IN_TIME).await.contains("larger than 1 MiB"));
    }
    let query = "SELECT id, hex(zeroblob(1000000)) AS a FROM people WHERE id = {id}";
    assert!(sqlite.asked(query, &json!(7)).await.fails(IN_TIME).await.contains("larger than 1 MiB"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_rows_the_first_counts_in_the_querys_own_order() {
    for database in Database::every().await {
        for (order, expected) in [("ASC", "Ana"), ("DESC", "José")] {
            let query = format!("SELECT name FROM people WHERE id > 0 AND 'x' <> {{id}} ORDER BY id {order}");
            let query = if matches!(database, Database::Postgres(_)) {
                query.replace("{id}", "{id}::text")
            } else {
                query
            };
            let asked = database.asked(&query, &json!("7")).await;
            assert_eq!(asked.user().await, json!({"name": expected, "logged_in": true}), "{query}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_takes_too_long_is_given_up() {
    let [postgres, maria, _] = Database::every().await;
    for (database, query) in [
        (&postgres, "SELECT id, pg_sleep(20)::text FROM people WHERE id = {id}"),
        (&maria, "SELECT id, SLEEP(20) FROM people WHERE id = {id}"),
    ] {
        let asked = database.asked(query, &json!(7)).await;
        asked.fails(IN_TIME).await;
        // Others are answered as before.
        asked.log_in(&json!(9)).await;
        until("it goes on", || async { asked.reason().await == "USER_NOT_FOUND" }).await;
    }
}

#[test]
fn a_lookup_is_one_query_with_an_id() {
    for (query, expected) in [
        (None, "user.lookup: it is required"),
        (Some("user:{id}"), "it begins with neither SELECT nor WITH"),
        (Some("DELETE FROM people WHERE id = {id}"), "it begins with neither SELECT nor WITH"),
        (Some("SELECT * FROM people"), "it has no `{id}`"),
        (Some("SELECT * FROM people WHERE id = '{id}'"), "`{id}` stands in quotes"),
    ] {
        let mut settings = vec![("USER_SOURCE", "postgres://h/app")];
        settings.extend(query.map(|query| ("USER_LOOKUP", query)));
        let faults = config(&settings).unwrap_err().to_string();
        assert!(faults.contains(expected), "{query:?}: {faults}");
    }
}
