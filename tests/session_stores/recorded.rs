//! The records of other session stores among the vectors: each is put back into a real server as its package left it, and
//! Authorize is asked what passport.socketio was asked over that package.

use std::{collections::BTreeSet, fs};

use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use regex::{Captures, Regex};
use serde_json::{Map, Value, json};
use socketpass::{
    config::{
        layout::{Layout, Place},
        sql_url::Dialect,
    },
    grpc::{convert::json_object, pb::Handshake},
};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, SqliteConnection};
use tempfile::TempDir;

use crate::support::{
    cookie,
    memcached::Memcached,
    postgres::Postgres,
    service::{Client, Service, authorize, with_cookie},
};

const RECORDS: &str = include_str!("../vectors/data/stores_raw.json");

/// The day on which they were written.
const RECORDED: Date = jiff::civil::date(2026, 11, 22);

/// One day more than each session was to live.
const LIFE_AND_A_DAY: i64 = 15;

/// Where a record goes.
#[derive(Clone, Copy)]
enum Home {
    Table(Dialect),
    Memcached,
    Folder,
    /// No record but a story, which has a test of its own here.
    Told,
    /// Nowhere, and why.
    None(&'static str),
}

const HOMES: [(&str, Home); 12] = [
    ("session-file-store@1.5.0", Home::Folder),
    ("session-file-store@1.5.0 path traversal through query.session_id", Home::Told),
    (
        "memorystore@1.6.8",
        Home::None("it is in the memory of the web app's own process: nobody else can read it"),
    ),
    (
        "connect-loki@1.2.0",
        Home::None(
            "its file is the dump of a database in the web app's memory, written now and then: no store of ours",
        ),
    ),
    ("connect-memcached@3.0.0", Home::Memcached),
    ("connect-pg-simple@10.0.0", Home::Table(Dialect::Postgres)),
    ("connect-session-knex@5.0.0 (postgres)", Home::Table(Dialect::Postgres)),
    ("connect-session-knex@5.0.0 (better-sqlite3)", Home::Table(Dialect::Sqlite)),
    ("connect-session-sequelize@8.0.6 (postgres)", Home::Table(Dialect::Postgres)),
    ("better-sqlite3-session-store@0.1.0", Home::Table(Dialect::Sqlite)),
    ("connect-sqlite3@0.9.18 (over a better-sqlite3 adapter)", Home::Table(Dialect::Sqlite)),
    ("connect-typeorm@2.0.0 (postgres, README entity)", Home::Table(Dialect::Postgres)),
];

fn records() -> Vec<Value> {
    serde_json::from_str(RECORDS).unwrap()
}

fn text<'a>(record: &'a Value, member: &str) -> &'a str {
    record[member].as_str().unwrap_or_else(|| panic!("no {member}: {record}"))
}

#[tokio::test]
async fn every_record_is_answered_as_the_original_answered_it() {
    let homes: BTreeSet<_> = HOMES.iter().map(|(store, _)| *store).collect();
    let records = records();
    assert_eq!(records.iter().map(|record| text(record, "store")).collect::<BTreeSet<_>>(), homes);
    for (store, home) in HOMES {
        let record = records.iter().find(|record| record["store"] == store).unwrap();
        match home {
            Home::None(why) => println!("{store}: not asked, {why}"),
            Home::Told => {}
            home => ask(record, &Server::of(record, home).await).await,
        }
    }
}

/// Asks all that was asked of the original.
async fn ask(record: &Value, server: &Server) {
    let (store, id) = (text(record, "store"), text(record, "sid"));
    assert_eq!(text(record, "login"), id);
    server.put(&Stored::of(record, 0)).await;
    let mut settings = vec![("SESSION_STORE", server.url()), ("SESSION_STORE_TIMEOUT", "10s".to_owned())];
    if let Server { table: Some(table), .. } = server {
        settings.push(("SESSION_LAYOUT", table.layout.package.to_owned()));
    }
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let service = Service::start(&settings).await;
    let mut client = service.client().await;
    for (question, recorded) in record.as_object().unwrap() {
        let mut stored = Stored::of(record, 0);
        let asked_for = match question.as_str() {
            "store" | "sid" | "login" | "raw" | "crashes" => continue,
            "authorize" => id,
            "missing" => "nosuchsession",
            "empty_sid" => "",
            "expired" => {
                stored = Stored::of(record, LIFE_AND_A_DAY);
                id
            }
            // After a malformed one the original's package had removed it.
            "malformed" | "malformed_flags_2" | "after_malformed" => {
                stored.set_session("{malformed");
                id
            }
            "json_as_plain_text_flags_0" => {
                stored.flags = 0;
                id
            }
            "no_lastAccess" => {
                stored.set_session(&json!({"passport": {"user": {"id": 1}}}).to_string());
                id
            }
            "destroyed" => {
                stored.row["destroyedAt"] = json!("2026-11-22T20:13:10.490Z");
                id
            }
            question => panic!("{store}: nobody knows how to ask {question}"),
        };
        server.put(&stored).await;
        let expected = expected(question, recorded.as_str().unwrap());
        assert_eq!(said(&mut client, with_cookie(&cookie(asked_for))).await, expected, "{store}: {question}");
    }
    service.stop().await;
}

/// The user, or the message's first line, as the rest is each side's own, and whether it is an error.
type Said = Result<Value, (String, bool)>;

async fn said(client: &mut Client, handshake: Handshake) -> Said {
    let answer = authorize(client, handshake).await;
    if answer.accepted {
        Ok(json_object(answer.user.as_ref().unwrap()))
    } else {
        Err((first_line(&answer.message), answer.error))
    }
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}

fn expected(question: &str, recorded: &str) -> Said {
    let no_session = || Err(("No session found".to_owned(), false));
    let malformed = || Err(("Error in session store:".to_owned(), true));
    match question {
        // It is never looked up, whatever a package does with it.
        "empty_sid" => return no_session(),
        // session-file-store tells of a file that is not there by an error, which is none here.
        "missing" => return no_session(),
        // Nothing is removed here, so what could not be read still cannot be read.
        "after_malformed" => return malformed(),
        _ => {}
    }
    if let Some(user) = recorded.strip_prefix("ACCEPT ") {
        return Ok(serde_json::from_str(user).unwrap());
    }
    match recorded.strip_prefix("REJECT ").and_then(|rejected| rejected.rsplit_once(" critical=")) {
        Some((message, critical)) => {
            let message: String = serde_json::from_str(message).unwrap();
            Err((first_line(&message), critical == "true"))
        }
        // The original's process ended.
        None => {
            assert!(recorded.starts_with("UNCAUGHT ") || recorded.starts_with("SYNC THROW "), "{recorded}");
            malformed()
        }
    }
}

/// What a package wrote.
struct Stored {
    id: String,
    /// A table's row; else the session alone.
    row: Map<String, Value>,
    /// The column of the session.
    session: String,
    /// memcached's.
    flags: u32,
}

impl Stored {
    /// As it would be if it had been written so many days ago.
    fn of(record: &Value, days_ago: i64) -> Self {
        let raw = moved(text(record, "raw"), days_ago);
        let id = text(record, "sid").to_owned();
        if let Some((value, session)) = raw.split_once("\r\n").filter(|(value, _)| value.starts_with("VALUE"))
        {
            let flags = value.split(' ').nth(2).unwrap().parse().unwrap();
            return Self::bare(id, session.strip_suffix("\r\nEND\r\n").unwrap(), flags);
        }
        let Some(table) = Table::of(record) else { return Self::bare(id, &raw, 0) };
        let row = match serde_json::from_str(&raw).unwrap() {
            Value::Array(mut parts) => parts.pop().unwrap(),
            row => row,
        };
        let Value::Object(mut row) = row else { panic!("no row: {row}") };
        for described in ["t", "te"] {
            row.remove(described);
        }
        Self { id, row, session: table.layout.session, flags: 0 }
    }

    fn bare(id: String, session: &str, flags: u32) -> Self {
        Self {
            id,
            row: Map::from_iter([("session".to_owned(), json!(session))]),
            session: "session".to_owned(),
            flags,
        }
    }

    fn set_session(&mut self, session: &str) {
        self.row[&self.session] = json!(session);
    }

    fn session(&self) -> &str {
        self.row[&self.session].as_str().unwrap()
    }
}

/// Moves every moment of a record by whole days, to so many days ago, or it would have ended when the tests run.
fn moved(raw: &str, days_ago: i64) -> String {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let days = (today - RECORDED).get_days() as i64 - days_ago;
    let day = Regex::new(r"\d{4}-\d\d-\d\d").unwrap();
    let moved = day.replace_all(raw, |found: &Captures<'_>| {
        (found[0].parse::<Date>().unwrap() + days.days()).to_string()
    });
    let milliseconds = Regex::new(r"\b179\d{10}\b").unwrap();
    let moved = milliseconds.replace_all(&moved, |found: &Captures<'_>| {
        (found[0].parse::<i64>().unwrap() + days * 86_400_000).to_string()
    });
    moved.into_owned()
}

/// A table as a record describes it.
struct Table {
    layout: Layout,
    create: String,
}

impl Table {
    fn of(record: &Value) -> Option<Self> {
        let store = text(record, "store");
        let Some((_, Home::Table(dialect))) = HOMES.iter().find(|(known, _)| *known == store) else {
            return None;
        };
        let package = store.split('@').next();
        let layout = Layout::of(Place::Sql(*dialect), package).unwrap();
        let raw: Value = serde_json::from_str(text(record, "raw")).unwrap();
        let create = create(&raw, &layout);
        Some(Self { layout, create })
    }
}

/// SQLite's own words; columns, each with its name and type, in two forms; or the types alone. What is not recorded is text.
fn create(raw: &Value, layout: &Layout) -> String {
    let described = raw.get(0).unwrap_or(raw);
    if let Some(sql) = described.pointer("/sql").or(described.pointer("/0/sql")) {
        return sql.as_str().unwrap().to_owned();
    }
    let column = |name: &str, kind: &str| format!("\"{name}\" {kind}");
    let columns: Vec<_> = match described.as_array() {
        Some(columns) => columns
            .iter()
            .map(|described| match described.as_str().and_then(|column| column.split_once(' ')) {
                Some((name, kind)) => column(name, kind),
                None => column(text(described, "column_name"), text(described, "data_type")),
            })
            .collect(),
        None => {
            let kind = |recorded: &str| raw[recorded].as_str().unwrap_or("text").to_owned();
            let expiry = layout.expiry.as_ref().unwrap();
            vec![
                column(&layout.id, "text"),
                column(&layout.session, &kind("t")),
                column(&expiry.column, &kind("te")),
            ]
        }
    };
    format!("CREATE TABLE \"{}\" ({})", layout.table.name, columns.join(", "))
}

/// A server, and the table in it if it has tables.
struct Server {
    table: Option<Table>,
    running: Running,
}

enum Running {
    Postgres(Postgres),
    Sqlite(TempDir),
    Memcached(Memcached),
    Folder(TempDir),
}

impl Server {
    async fn of(record: &Value, home: Home) -> Self {
        let running = match home {
            Home::Table(Dialect::Postgres) => Running::Postgres(Postgres::create().await),
            Home::Table(Dialect::Sqlite) => Running::Sqlite(TempDir::new().unwrap()),
            Home::Memcached => Running::Memcached(Memcached::start().await),
            Home::Folder => Running::Folder(TempDir::new().unwrap()),
            Home::Table(Dialect::MySql) | Home::Told | Home::None(_) => {
                unreachable!("no record is put there")
            }
        };
        let server = Self { table: Table::of(record), running };
        if let Some(table) = &server.table {
            server.execute(&table.create).await;
        }
        server
    }

    fn url(&self) -> String {
        match &self.running {
            Running::Postgres(database) => database.url(),
            Running::Sqlite(folder) => format!("sqlite:{}/sessions", folder.path().display()),
            Running::Memcached(memcached) => memcached.url(),
            Running::Folder(folder) => format!("file:{}", folder.path().display()),
        }
    }

    /// It, and nothing else.
    async fn put(&self, stored: &Stored) {
        let Stored { id, row, flags, .. } = stored;
        match &self.running {
            Running::Postgres(_) | Running::Sqlite(_) => self.insert(row).await,
            Running::Memcached(memcached) => memcached.set(id, *flags, stored.session().as_bytes()).await,
            Running::Folder(folder) => {
                fs::write(folder.path().join(format!("{id}.json")), stored.session()).unwrap();
            }
        }
    }

    async fn insert(&self, row: &Map<String, Value>) {
        let Table { layout, create } = self.table.as_ref().unwrap();
        let table = &layout.table.name;
        let names: Vec<_> = row.keys().map(|name| format!("\"{name}\"")).collect();
        let literal = |(name, value): (&String, &Value)| match value.as_str() {
            None => value.to_string(),
            Some(text) => {
                // It was read out as a moment, whatever the time zone in which it is kept.
                let is_moment = create.contains(&format!("\"{name}\" timestamp"));
                format!("'{}'{}", text.replace('\'', "''"), if is_moment { "::timestamptz" } else { "" })
            }
        };
        let values: Vec<_> = row.iter().map(literal).collect();
        let (names, values) = (names.join(", "), values.join(", "));
        self.execute(&format!(
            "DELETE FROM \"{table}\"; INSERT INTO \"{table}\" ({names}) VALUES ({values})"
        ))
        .await;
    }

    async fn execute(&self, statements: &str) {
        match &self.running {
            Running::Postgres(database) => database.client.batch_execute(statements).await.unwrap(),
            Running::Sqlite(_) => {
                let url = format!("{}?mode=rwc", self.url());
                let mut connection = SqliteConnection::connect(&url).await.unwrap();
                connection.execute(AssertSqlSafe(statements)).await.unwrap();
            }
            Running::Memcached(_) | Running::Folder(_) => unreachable!("it has no tables"),
        }
    }
}

#[tokio::test]
async fn a_path_in_an_id_reads_and_removes_nothing() {
    let records = records();
    let told = records.iter().find(|record| record["victim_still_there"] == false).unwrap();
    let admin = text(told, "read").strip_prefix("ACCEPT ").unwrap();
    let outside = TempDir::new().unwrap();
    let sessions = outside.path().join("sessions");
    fs::create_dir(&sessions).unwrap();
    let settings = [
        ("SESSION_STORE", &*format!("file:{}", sessions.display())),
        ("SESSION_ID_OUTSIDE_COOKIE", "unsigned"),
    ];
    let service = Service::start(&settings).await;
    let mut client = service.client().await;
    let victim = outside.path().join("victim.json");
    for content in [&format!("{{\"passport\":{{\"user\":{admin}}}}}"), "not json, a secret"] {
        fs::write(&victim, content).unwrap();
        let handshake = Handshake { url: "/?session_id=../victim".to_owned(), ..Handshake::default() };
        let answer = said(&mut client, handshake).await;
        assert_eq!(answer, Err(("No session found".to_owned(), false)), "{content}");
        assert_eq!(fs::read_to_string(&victim).unwrap(), content);
    }
}
