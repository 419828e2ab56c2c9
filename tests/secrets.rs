//! Secrets, signatures and whole session ids are nowhere to be seen: not in logs of any level, errors, explanations,
//! printed settings or `Debug` output.

use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use socketpass::{
    config::{Config, reference},
    grpc::pb::Handshake,
    session_store::SessionId,
};

use crate::support::{
    ANA_ID,
    mariadb::{MariaDb, PASSWORD as MARIADB_PASSWORD},
    memcached::Memcached,
    mongodb::MongoDb,
    postgres::{PASSWORD as POSTGRES_PASSWORD, Postgres},
    process::Process,
    redis::Redis,
    service::{
        ServiceProcess, authorize, config, explain, layers, request, socketpass, with_cookie, with_headers,
    },
    signed,
};

const SECRETS: [&str; 2] = ["a-secret-of-ours-1", "a-secret-of-ours-2"];
const PASSWORD: &str = "hunter2-password";
const USER_CONTENT: &str = "content-of-the-session";

/// What nobody may see.
fn forbidden(id: &str) -> Vec<String> {
    let signature = signed(SECRETS[0], id).rsplit_once('.').unwrap().1.to_owned();
    let mut forbidden: Vec<String> = SECRETS.map(str::to_owned).into();
    forbidden.extend([PASSWORD.to_owned(), USER_CONTENT.to_owned(), id.to_owned(), signature]);
    forbidden
}

fn assert_clean(what: &str, text: &str, forbidden: &[String]) {
    for secret in forbidden {
        assert!(!text.contains(secret.as_str()), "{secret} is in {what}:\n{text}");
    }
}

#[tokio::test]
async fn nowhere_in_logs_and_explanations() {
    let redis = Redis::start_with(&["--requirepass", PASSWORD]).await;
    let url = format!("redis://:{PASSWORD}@127.0.0.1:{}", redis.port);
    let mut connection =
        redis::Client::open(url.as_str()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let session = format!(r#"{{"passport":{{"user":{{"id":1,"name":"{USER_CONTENT}"}}}}}}"#);
    for (id, session) in
        [(ANA_ID, session.as_str()), ("malformed-session-of-somebody", "{\"x\":\"content-of-the-session")]
    {
        let () = redis::cmd("SET")
            .arg(format!("sess:{id}"))
            .arg(session)
            .query_async(&mut connection)
            .await
            .unwrap();
    }
    let service = ServiceProcess::start(&[
        ("SESSION_STORE", &url),
        ("SESSION_SECRETS", r#"["a-secret-of-ours-1","a-secret-of-ours-2"]"#),
        ("LOG_FILTER", "trace"),
    ])
    .await;
    let mut client = service.client().await;
    let forbidden = [forbidden(ANA_ID), forbidden("malformed-session-of-somebody")].concat();
    let good = |id: &str| format!("connect.sid=s:{}", signed(SECRETS[0], id));
    for handshake in [
        with_cookie(&good(ANA_ID)),
        with_cookie(&good("malformed-session-of-somebody")),
        with_cookie(&format!("{}x", good(ANA_ID))),
        with_cookie(&format!("connect.sid={ANA_ID}")),
        with_cookie(&format!("other={}", signed(SECRETS[0], ANA_ID))),
        with_headers(&[("cookie", &good(ANA_ID)), ("origin", "https://app.example")]),
        Handshake { url: format!("/?session_id={ANA_ID}"), ..Handshake::default() },
        Handshake { url: format!("/?session_id=s:{}", signed(SECRETS[1], ANA_ID)), ..Handshake::default() },
    ] {
        let answer = authorize(&mut client, handshake.clone()).await;
        assert_clean("a message", &answer.message, &forbidden);
        let mut explained = explain(&mut client, handshake).await;
        // Who it is stands in the decision, and nowhere else.
        explained.decision.as_mut().unwrap().user = None;
        assert_clean("an explanation", &format!("{explained:?}"), &forbidden);
    }
    // Errors, too.
    let duplicate = with_headers(&[("cookie", &good(ANA_ID)), ("Cookie", &good(ANA_ID))]);
    let status = client.authorize(request(duplicate)).await.unwrap_err();
    assert_clean("a status", &format!("{status:?}"), &forbidden);
    // The password is wrong from now on, and the driver says so.
    let () = redis::cmd("CONFIG")
        .arg("SET")
        .arg("requirepass")
        .arg("another")
        .query_async(&mut connection)
        .await
        .unwrap();
    let () = redis::cmd("CLIENT")
        .arg("KILL")
        .arg("TYPE")
        .arg("normal")
        .arg("SKIPME")
        .arg("yes")
        .query_async(&mut connection)
        .await
        .unwrap();
    service.process.output().line("the session store does not answer").await;
    let log = service.process.output().text();
    assert!(log.contains("accepted a handshake") && log.contains("refused a handshake"), "{log}");
    assert_clean("the log", &log, &forbidden);
}

/// Drivers have words of their own at every level.
#[tokio::test]
async fn nowhere_in_what_drivers_of_databases_tell() {
    let session = format!(r#"{{"passport":{{"user":{{"id":1,"name":"{USER_CONTENT}"}}}}}}"#);
    let postgres = Postgres::create().await;
    let create = format!(
        "CREATE TABLE session (sid varchar PRIMARY KEY, sess json, expire timestamp);
         INSERT INTO session VALUES ('{ANA_ID}', '{session}', 'infinity')"
    );
    postgres.client.batch_execute(&create).await.unwrap();
    let mariadb = MariaDb::create().await;
    for statement in [
        "CREATE TABLE sessions (session_id varchar(128) PRIMARY KEY, expires int unsigned, data text)"
            .to_owned(),
        format!("INSERT INTO sessions VALUES ('{ANA_ID}', 4000000000, '{session}')"),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut mariadb.connection().await).await.unwrap();
    }
    let mongodb = MongoDb::start().await;
    let client = mongodb::Client::with_uri_str(mongodb.url()).await.unwrap();
    let sessions = client.default_database().unwrap().collection("sessions");
    sessions.insert_one(mongodb::bson::doc! { "_id": ANA_ID, "session": &session }).await.unwrap();
    let memcached = Memcached::start().await;
    memcached.set(ANA_ID, 2, session.as_bytes()).await;

    let cookie = format!("connect.sid=s:{}", signed(SECRETS[0], ANA_ID));
    let mut forbidden = forbidden(ANA_ID);
    forbidden.extend([POSTGRES_PASSWORD, MARIADB_PASSWORD].map(str::to_owned));
    for url in [postgres.url(), mariadb.url(), mongodb.url(), memcached.url()] {
        let service = ServiceProcess::start(&[
            ("SESSION_STORE", &url),
            ("SESSION_SECRETS", SECRETS[0]),
            ("SESSION_STORE_TIMEOUT", "10s"),
            ("LOG_FILTER", "trace"),
        ])
        .await;
        let mut client = service.client().await;
        let answer = authorize(&mut client, with_cookie(&cookie)).await;
        assert!(answer.accepted, "{url}: {answer:?}");
        service.process.output().line("accepted a handshake").await;
        assert_clean("the log", &service.process.output().text(), &forbidden);
    }
}

#[tokio::test]
async fn nowhere_in_printed_settings_and_faults() {
    let secrets = r#"["a-secret-of-ours-1","a-secret-of-ours-2"]"#;
    let url = format!("redis://:{PASSWORD}@localhost");
    let all = [forbidden(ANA_ID)].concat();
    for arguments in [&["config"][..], &["config", "--json"]] {
        let mut command = socketpass();
        command
            .args(arguments)
            .env("SOCKETPASS_SESSION_SECRETS", secrets)
            .env("SOCKETPASS_SESSION_STORE", &url);
        let mut process = Process::start(&mut command);
        assert_eq!(process.exit_code().await, Some(0));
        let line = process.output().line("hidden").await;
        assert!(line.contains("hidden"), "{line}");
        assert_clean("the settings", &process.output().text(), &all);
    }
    // What is wrong is named, and not repeated.
    for (name, value) in [
        ("SESSION_STORE", format!("redis://:{PASSWORD}@localhost:99999")),
        ("SESSION_STORE", format!("rediss://:{PASSWORD}@localhost/x")),
        ("SESSION_STORE", format!("other://:{PASSWORD}@localhost")),
        ("TELEMETRY_OTLP_ENDPOINT", format!("http://somebody:{PASSWORD}@localhost:4317")),
        ("TELEMETRY_OTLP_ENDPOINT", format!("http://localhost:4317/?token={PASSWORD}")),
        ("SESSION_SECRETS", format!("[\"{PASSWORD}\"")),
        ("SESSION_SECRETS", format!("[\"{PASSWORD}\",\"\"]")),
        ("SESSION_SECRETS", format!("[\"{PASSWORD}\",1]")),
    ] {
        let faults = config(&[(name, &value)]).unwrap_err();
        assert_clean("a fault", &format!("{faults} {faults:?}"), &all);
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    for toml in
        [format!("[session]\nsecrets = [\"{PASSWORD}\", 5]"), format!("[session]\nsecrets = \"{PASSWORD}")]
    {
        std::fs::write(file.path(), toml).unwrap();
        let mut layers = socketpass::config::layers::Layers::default();
        layers.add_file(file.path());
        let faults = socketpass::config::Config::load(&layers).unwrap_err();
        assert_clean("a fault", &format!("{faults}"), &all);
    }
}

type Settings = &'static [(&'static str, &'static str)];

/// Every setting that takes a URL, with what goes with it.
const URLS: [(&str, &str, Settings); 20] = [
    ("SESSION_STORE", "redis://USER:PASSWORD@h:1/0", &[]),
    ("SESSION_STORE", "rediss://:PASSWORD@[::1]", &[]),
    ("SESSION_STORE", "redis+sentinel://USER:PASSWORD@a,b:1/primary/0", &[]),
    ("SESSION_STORE", "redis+sentinel://USER:PASSWORD@a,b:1/primary", &[]),
    ("SESSION_STORE", "redis+cluster://USER:PASSWORD@a,b", &[]),
    ("SESSION_STORE", "postgres://USER:PASSWORD@h/app", &[]),
    ("SESSION_STORE", "postgres://USER:PASSWORD@h:1/app?sslmode=require", &[]),
    ("SESSION_STORE", "mysql://USER:PASSWORD@h/app", &[]),
    ("SESSION_STORE", "mongodb://USER:PASSWORD@h", &[]),
    ("SESSION_STORE", "mongodb://USER:PASSWORD@a,b:1/app?replicaSet=x", &[]),
    ("SESSION_STORE", "mongodb+srv://USER:PASSWORD@h/app", &[]),
    ("SESSION_STORE", "memcache://USER:PASSWORD@h", &[]),
    ("REGISTRY_STORE", "redis://USER:PASSWORD@h", &[]),
    ("USER_SOURCE", "redis://USER:PASSWORD@h", &[]),
    ("USER_SOURCE", "mysql://USER:PASSWORD@h/app", &[("USER_LOOKUP", "SELECT * FROM users WHERE id = {id}")]),
    ("USER_SOURCE", "https://USER:PASSWORD@h/{id}", &[]),
    ("USER_SOURCE", "http://h/{id}?key=PASSWORD", &[]),
    ("USER_SOURCE", "grpcs://USER:PASSWORD@h:1", &[]),
    ("TELEMETRY_OTLP_ENDPOINT", "http://USER:PASSWORD@h:1", &[]),
    ("TELEMETRY_OTLP_ENDPOINT", "http://h:1/?key=PASSWORD", &[]),
];

proptest! {
    /// Whatever is in a password, percent-encoded or, by mistake, not: a `/` or `?` makes a host and a path of its halves.
    #[test]
    fn nowhere_in_what_becomes_of_a_url(
        user in "[a-z0-9]{1,4}",
        before in "([0-9]{1,3}[/?#])?[!-~]{0,4}",
        after in "[!-~]{0,4}",
    ) {
        const MARK: &str = "hunter2";
        let raw = format!("{before}{MARK}{after}");
        let encoded = utf8_percent_encode(&raw, NON_ALPHANUMERIC).to_string();
        for (name, url, with) in URLS {
            for password in [&raw, &encoded] {
                let url = url.replace("USER", &user).replace("PASSWORD", password);
                let settings = [with, &[(name, url.as_str())]].concat();
                let told = match Config::load_and_show(&layers(&settings)) {
                    Ok((config, effective)) => format!("{config:?} {}", reference::in_force(&effective)),
                    Err(faults) => format!("{faults} {faults:?}"),
                };
                prop_assert!(!told.contains(MARK), "{name} {url}: {told}");
            }
        }
    }
}

#[tokio::test]
async fn nowhere_in_debug_output() {
    let config = config(&[
        ("SESSION_SECRETS", SECRETS[0]),
        ("SESSION_STORE", &format!("redis://:{PASSWORD}@127.0.0.1:1")),
    ])
    .unwrap();
    let store = socketpass::session_store::open(&config.session);
    let authorizer = socketpass::server::authorizer(&config, Arc::clone(&store)).unwrap();
    let id = SessionId::new(ANA_ID.to_owned()).unwrap();
    let text = format!("{config:?} {config:#?} {store:?} {authorizer:?} {id:?}");
    assert_clean("Debug output", &text, &forbidden(ANA_ID));
}
