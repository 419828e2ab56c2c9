//! The real npm packages at work: a web app on each of them writes sessions, and the service says who stands behind them.

use serde_json::json;
use socketpass::{
    config::{layout::Place, sql_url::Dialect},
    grpc::{
        convert::{json_object, reason_name},
        pb::{AuthorizeResponse, Socket},
    },
};
use tempfile::TempDir;
use tokio::process::Command;

use super::layouts::packages;
use crate::session_ends::{gateway, is_told_that_it_ended};
use crate::support::{
    SECRET,
    callers::Caller,
    http::{Response, post, send},
    mariadb::MariaDb,
    memcached::Memcached,
    mongodb::MongoDb,
    npm,
    postgres::Postgres,
    process::Process,
    service::{Client, Service, authorize, with_cookie},
    until,
};

/// Many apps and servers run at once here, on however small a machine.
const PATIENT: (&str, &str) = ("SESSION_STORE_TIMEOUT", "10s");

/// A web app on a store.
struct App {
    url: String,
    _process: Process,
}

impl App {
    async fn start(layout: &str, url: &str, options: &str) -> Self {
        let directory = npm::installed_in("tests/session_stores/app", &["better-sqlite3"]).await;
        let mut command = Command::new("node");
        command.arg("app.js").current_dir(directory);
        // Where its author's machine is says nothing about where the server is.
        command.env("TZ", "America/St_Johns");
        command.envs([("LAYOUT", layout), ("URL", url), ("OPTIONS", options), ("SESSION_SECRET", SECRET)]);
        let process = Process::start(&mut command);
        let line = process.output().line("listening on ").await;
        let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self { url, _process: process }
    }

    async fn log_in(&self, query: &str) -> String {
        cookie_of(&post(&self.url, &format!("/login{query}"), &[], "").await)
    }
}

fn cookie_of(response: &Response) -> String {
    let set_cookie = response.headers("set-cookie").next();
    let set_cookie = set_cookie.unwrap_or_else(|| panic!("no cookie is set: {}", response.body));
    set_cookie.split(';').next().unwrap().to_owned()
}

async fn reason(client: &mut Client, cookie: &str) -> (bool, String) {
    let answer = authorize(client, with_cookie(cookie)).await;
    (answer.accepted, reason_name(answer.reason()).into_owned())
}

/// Logs in and out, and lets a session expire.
async fn follows_its_app(layout: &str, url: &str, options: &str, settings: &[(&str, &str)]) {
    let app = App::start(layout, url, options).await;
    let settings: Vec<_> = [("SESSION_STORE", url), PATIENT].iter().chain(settings).copied().collect();
    let service = Service::start(&settings).await;
    let mut client = service.client().await;

    let visitor = cookie_of(&send(&app.url, "GET", "/visit", &[], "").await);
    let nobody = (false, "PASSPORT_NOT_INITIALIZED".to_owned());
    // The app may have made the table only now, and the store was looked at before.
    until("the table is found", || async { reason(&mut client.clone(), &visitor).await == nobody }).await;

    let cookie = app.log_in("").await;
    let answer = authorize(&mut client, with_cookie(&cookie)).await;
    assert!(answer.accepted, "{layout}: {answer:?}");
    let user = json!({"id": "u1", "name": "Ana Ünal 漢", "logged_in": true});
    assert_eq!(json_object(answer.user.as_ref().unwrap()), user, "{layout}");

    // Somebody whose session lives for half a day, and one whose session lives for a moment. The app itself is asked when
    // that one has ended.
    let lasting = app.log_in("?max_age=43200000").await;
    assert!(reason(&mut client, &lasting).await.0, "{layout}");
    let passing = app.log_in("?max_age=2500").await;
    assert!(reason(&mut client, &passing).await.0, "{layout}");
    let not_found = (false, "SESSION_NOT_FOUND".to_owned());
    if layout != "connect-session-sequelize" {
        let ended = || {
            let (mut client, passing, not_found) = (client.clone(), &passing, &not_found);
            async move { reason(&mut client, passing).await == *not_found }
        };
        until("the session expires", ended).await;
    }
    let seen = send(&app.url, "GET", "/visit", &[("Cookie", &passing)], "").await;
    let is_known = seen.body.contains("u1");
    assert_eq!(is_known, reason(&mut client, &passing).await.0, "{layout}: {}", seen.body);
    assert!(reason(&mut client, &lasting).await.0, "{layout}");

    assert_eq!(post(&app.url, "/logout", &[("Cookie", &cookie)], "").await.status, 200, "{layout}");
    assert_eq!(reason(&mut client, &cookie).await, not_found, "{layout}");
    assert!(reason(&mut client, &lasting).await.0, "{layout}");

    // From outside.
    let AuthorizeResponse { session_id, user, .. } = authorize(&mut client, with_cookie(&lasting)).await;
    let socket = Socket { socket_id: "a".to_owned(), session_id, user, ..Socket::default() };
    let mut chat = gateway(&service, "chat", vec![socket]).await;
    let mut admin = Caller::of(&service.grpc).await;
    assert_eq!(admin.end_sessions("user.id == 'u1'").await.unwrap(), 1, "{layout}");
    is_told_that_it_ended(&mut chat, "a").await;
    let seen = send(&app.url, "GET", "/visit", &[("Cookie", &lasting)], "").await;
    assert!(seen.body.contains(r#""user":null"#), "{layout}: {}", seen.body);
    service.stop().await;
}

/// A test for each package of a kind of database.
macro_rules! on {
    ($place:ident, $create:expr, $($test:ident: $layout:literal),+ $(,)?) => {
        mod $place {
            use super::*;

            pub const PACKAGES: &[&str] = &[$($layout),+];

            $(
                #[tokio::test]
                async fn $test() {
                    let database = $create;
                    follows_its_app($layout, &database.url(), "{}", &[("SESSION_LAYOUT", $layout)]).await;
                }
            )+
        }
    };
}

on!(
    on_postgres,
    Postgres::create().await,
    connect_pg_simple: "connect-pg-simple",
    connect_session_knex: "connect-session-knex",
    connect_session_sequelize: "connect-session-sequelize",
    connect_typeorm: "connect-typeorm",
    prisma_session_store: "prisma-session-store",
);

on!(
    on_mariadb,
    MariaDb::create().await,
    express_mysql_session: "express-mysql-session",
    connect_session_knex: "connect-session-knex",
    connect_session_sequelize: "connect-session-sequelize",
    connect_typeorm: "connect-typeorm",
    prisma_session_store: "prisma-session-store",
);

on!(
    on_sqlite,
    File::create(),
    connect_sqlite3: "connect-sqlite3",
    better_sqlite3_session_store: "better-sqlite3-session-store",
    connect_session_knex: "connect-session-knex",
    connect_session_sequelize: "connect-session-sequelize",
    connect_typeorm: "connect-typeorm",
    prisma_session_store: "prisma-session-store",
);

on!(
    on_mongodb,
    MongoDb::start().await,
    connect_mongo: "connect-mongo",
    connect_mongodb_session: "connect-mongodb-session",
);

#[test]
fn every_package_is_at_work_on_every_database_that_it_writes_to() {
    for (place, at_work) in [
        (Place::Sql(Dialect::Postgres), on_postgres::PACKAGES),
        (Place::Sql(Dialect::MySql), on_mariadb::PACKAGES),
        (Place::Sql(Dialect::Sqlite), on_sqlite::PACKAGES),
        (Place::Mongo, on_mongodb::PACKAGES),
    ] {
        assert_eq!(packages(place), at_work, "{place:?}");
    }
}

#[tokio::test]
async fn connect_mongo_that_keeps_documents() {
    let database = MongoDb::start().await;
    let options = r#"{"stringify": false, "collectionName": "own"}"#;
    follows_its_app("connect-mongo", &database.url(), options, &[("SESSION_TABLE", "own")]).await;
}

struct File(TempDir);

impl File {
    fn create() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn url(&self) -> String {
        format!("sqlite:{}/sessions.sqlite", self.0.path().display())
    }
}

#[tokio::test]
async fn each_database_has_its_usual_package() {
    let (postgres, mariadb, file) = (Postgres::create().await, MariaDb::create().await, File::create());
    for (layout, url) in [
        ("connect-pg-simple", postgres.url()),
        ("express-mysql-session", mariadb.url()),
        ("connect-sqlite3", file.url()),
    ] {
        let app = App::start(layout, &url, "{}").await;
        let service = Service::start(&[("SESSION_STORE", &url), PATIENT]).await;
        let cookie = app.log_in("").await;
        assert!(reason(&mut service.client().await, &cookie).await.0, "{layout}");
    }
}

#[tokio::test]
async fn tables_and_columns_are_the_apps_where_the_package_lets_it() {
    let (postgres, mariadb, file) = (Postgres::create().await, MariaDb::create().await, File::create());
    postgres.client.batch_execute("CREATE SCHEMA web").await.unwrap();
    let mysql = r#"{"schema": {"tableName": "own", "columnNames": {"session_id": "i", "expires": "e", "data": "d"}}}"#;
    let columns = r#"["session_id=i", "expires=e", "data=d"]"#;
    for (layout, url, options, settings) in [
        (
            "connect-pg-simple",
            postgres.url(),
            r#"{"schemaName": "web", "tableName": "own sessions"}"#,
            vec![("SESSION_TABLE", "web.own sessions")],
        ),
        (
            "express-mysql-session",
            mariadb.url(),
            mysql,
            vec![("SESSION_TABLE", "own"), ("SESSION_COLUMNS", columns)],
        ),
        ("connect-sqlite3", file.url(), r#"{"table": "own"}"#, vec![("SESSION_TABLE", "own")]),
        (
            "connect-session-knex",
            postgres.url(),
            r#"{"tableName": "own", "sidFieldName": "own_id"}"#,
            vec![
                ("SESSION_LAYOUT", "connect-session-knex"),
                ("SESSION_TABLE", "own"),
                ("SESSION_COLUMNS", "sid=own_id"),
            ],
        ),
        (
            "connect-session-sequelize",
            mariadb.url(),
            r#"{"tableName": "own2"}"#,
            vec![("SESSION_LAYOUT", "connect-session-sequelize"), ("SESSION_TABLE", "own2")],
        ),
    ] {
        follows_its_app(layout, &url, options, &settings).await;
    }
}

#[tokio::test]
async fn connect_memcached() {
    let memcached = Memcached::start().await;
    follows_its_app("connect-memcached", &memcached.url(), "{}", &[]).await;
    follows_its_app(
        "connect-memcached",
        &memcached.url(),
        r#"{"prefix": "app:"}"#,
        &[("SESSION_PREFIX", "app:")],
    )
    .await;
}

#[tokio::test]
async fn session_file_store() {
    let folder = TempDir::new().unwrap();
    let url = format!("file:{}", folder.path().display());
    follows_its_app("session-file-store", &url, "{}", &[]).await;
}

#[tokio::test]
async fn session_file_store_with_a_time_to_live_of_its_own() {
    let folder = TempDir::new().unwrap();
    let url = format!("file:{}", folder.path().display());
    let app = App::start("session-file-store", &url, r#"{"ttl": 2}"#).await;
    let service = Service::start(&[("SESSION_STORE", &format!("{url}?ttl=2")), PATIENT]).await;
    let mut client = service.client().await;
    let cookie = app.log_in("").await;
    assert!(reason(&mut client, &cookie).await.0);
    until("the session expires", || {
        let (mut client, cookie) = (client.clone(), &cookie);
        async move { reason(&mut client, cookie).await == (false, "SESSION_NOT_FOUND".to_owned()) }
    })
    .await;
}
