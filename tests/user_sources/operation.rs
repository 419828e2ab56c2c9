//! What operators see and set: settings, secrets, TLS, health.

use std::fs;

use serde_json::json;
use tonic::transport::Identity;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::Asked;
use crate::{
    support::{
        ANA_ID, cookie,
        postgres::Postgres,
        proxy::Proxy,
        redis::Redis,
        service::{ServiceProcess, authorize, channel, command, config, explain, with_cookie},
        tls::{Authority, acceptor},
        until,
        users::{Gate, GrpcServer, Sources, Table, over_http},
    },
    telemetry::scrape,
};

fn faults(settings: &[(&str, &str)]) -> String {
    config(settings).err().map(|faults| faults.to_string()).unwrap_or_default()
}

#[test]
fn settings_that_do_not_go_together_are_told_at_the_start() {
    for (settings, expected) in [
        (&[("USER_SOURCE", "https://app.example/users")][..], "user.source: it has no `{id}`"),
        (&[("USER_SOURCE", "https://ana:pw@app.example/{id}")], "credentials go into user.authorization"),
        (
            &[("USER_SOURCE", "app.example/{id}")],
            "user.source: it is no user source; there are session, redis://",
        ),
        (&[("USER_SOURCE", "grpc://app.example")], "it is written grpc://host:port"),
        (&[("USER_SOURCE", "redis://h"), ("USER_LOOKUP", "users")], "user.lookup: it has no `{id}`"),
        (
            &[("USER_SOURCE", "http://app/{id}"), ("USER_AUTHORIZATION", "")],
            "user.authorization: it is empty",
        ),
        (
            &[("USER_SOURCE", "http://app/{id}"), ("USER_AUTHORIZATION", "a\nb")],
            "user.authorization: it is empty, or has",
        ),
        (&[("USER_SOURCE", "http://app/{id}"), ("USER_CA_FILE", "/etc/passwd")], "user.ca_file"),
        (&[("USER_MAX_REQUESTS", "0")], "user.max_requests: it is not a whole number of at least 1"),
        (
            &[("USER_CACHE_TTL", "5")],
            "user.cache_ttl: it is not a duration; for example 15s, or 0s for not at all",
        ),
        (&[("USER_TIMEOUT", "0s")], "user.timeout: it must be at least 1ms"),
    ] {
        let told = faults(settings);
        assert!(told.contains(expected), "{settings:?}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_of_ones_own() {
    let redis = Redis::start().await;
    let () = redis::cmd("SET")
        .arg("app:7:profile:7")
        .arg(r#"{"account":{"id":"7"}}"#)
        .query_async(&mut redis.connection().await)
        .await
        .unwrap();
    let settings = [("USER_LOOKUP", "app:{id}:profile:{id}"), ("USER_ID_FIELD", "account.id")];
    let asked = Asked::of(&redis.url(), &settings, &json!({"account": {"id": 7}})).await;
    assert_eq!(asked.user().await, json!({"account": {"id": "7"}, "logged_in": true}));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_has_the_cause_of_a_fault_seldom_and_without_what_it_is_about() {
    const VALUE: &str = "content-of-the-session";
    let (sessions, postgres) = (Redis::start().await, Postgres::create().await);
    postgres.client.batch_execute("CREATE TABLE people (id INTEGER PRIMARY KEY)").await.unwrap();
    sessions.put(ANA_ID, super::session(&json!(VALUE)).as_bytes()).await;
    sessions.put("unreadable", b"{").await;
    let service = ServiceProcess::start(&[
        ("SESSION_STORE", &sessions.url()),
        ("USER_SOURCE", &postgres.url()),
        ("USER_LOOKUP", "SELECT * FROM people WHERE id = {id}"),
        ("USER_TIMEOUT", "10s"),
    ])
    .await;
    let mut client = service.client().await;
    for (id, problem, cause) in [
        (ANA_ID, "the user source failed", "SQLSTATE 22P02"),
        ("unreadable", "the stored session cannot be read", "it is not valid JSON"),
    ] {
        let lines = || service.process.output().text().lines().filter(|line| line.contains(problem)).count();
        for _ in 0..10 {
            assert!(!authorize(&mut client, with_cookie(&cookie(id))).await.accepted);
        }
        let line = service.process.output().line(problem).await;
        assert!(line.contains("WARN") && line.contains(cause), "{line}");
        assert_eq!(lines(), 1);
        // Whoever looks into one finds its cause.
        explain(&mut client, with_cookie(&cookie(id))).await;
        until("it is told again", || async { lines() == 2 }).await;
    }
    let log = service.process.output().text();
    assert!(!log.contains(VALUE), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authorization_is_sent_and_exchanged_and_never_shown() {
    const SECRET_TOKEN: &str = "Bearer hunter2-token";
    let sources = Sources::start().await;
    let sessions = Redis::start().await;
    sessions.put(ANA_ID, super::session(&json!("content-of-the-session")).as_bytes()).await;
    for url in [format!("{}?key=hunter2-query", sources.http()), sources.grpc()] {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), SECRET_TOKEN).unwrap();
        let mut command = command(&[
            ("SESSION_STORE", &sessions.url()),
            ("USER_SOURCE", &url.replace("?key=hunter2-query", "")),
            ("USER_AUTHORIZATION_FILE", file.path().to_str().unwrap()),
            ("USER_CACHE_TTL", "0s"),
            ("LOG_FILTER", "trace"),
        ]);
        let service = ServiceProcess::run(&mut command).await;
        let mut client = service.client().await;
        authorize(&mut client, with_cookie(&cookie(ANA_ID))).await;
        assert_eq!(sources.table.authorization().as_deref(), Some(SECRET_TOKEN));
        explain(&mut client, with_cookie(&cookie(ANA_ID))).await;
        fs::write(file.path(), "Bearer another-token").unwrap();
        service.process.signal("HUP");
        until("the file is read again", || async {
            authorize(&mut client.clone(), with_cookie(&cookie(ANA_ID))).await;
            sources.table.authorization().as_deref() == Some("Bearer another-token")
        })
        .await;
        let output = service.process.output().text();
        for secret in ["hunter2", "another-token", "content-of-the-session"] {
            assert!(!output.contains(secret), "{secret} is in the log");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_a_certificate_is_checked() {
    let (ours, others) = (Authority::new(), Authority::new());
    let (certificate, key) = ours.issue(&["localhost"]);
    let table = Table::default();
    table.has("7", json!({"id": 7}));
    let http = over_http(table.clone(), Gate::open(), Some(acceptor(&certificate, &key))).await;
    let grpc =
        GrpcServer::start(table.clone(), Gate::open(), Some(Identity::from_pem(&certificate, &key))).await;
    let urls = |host: &str| {
        [format!("https://{host}:{}/users/{{id}}", http.port), format!("grpcs://{host}:{}", grpc.port)]
    };
    let ask = |url: String, authority: &Authority| {
        let file = authority.file().display().to_string();
        async move {
            Asked::of(&url, &[("USER_CA_FILE", &file), ("USER_CACHE_TTL", "0s")], &json!(7))
                .await
                .reason()
                .await
        }
    };
    for url in urls("localhost") {
        assert_eq!(ask(url.clone(), &ours).await, "AUTHORIZED", "{url}");
        assert_eq!(ask(url.clone(), &others).await, "USER_SOURCE_FAILED", "{url}");
        // The system's authorities have not signed it.
        let asked = Asked::of(&url, &[], &json!(7)).await;
        assert_eq!(asked.reason().await, "USER_SOURCE_FAILED", "{url}");
    }
    for url in urls("127.0.0.1") {
        assert_eq!(ask(url.clone(), &ours).await, "USER_SOURCE_FAILED", "{url}: another name");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_follows_whether_the_source_answers() {
    let sources = Sources::start().await;
    sources.table.has("7", json!({"id": 7}));
    let redis = Redis::start().await;
    for url in [sources.http(), sources.grpc(), redis.url()] {
        let port = url.rsplit(':').next().unwrap().split('/').next().unwrap();
        let proxy = Proxy::to(port.parse().unwrap()).await;
        let asked = Asked::of(
            &url.replace(&format!(":{port}"), &format!(":{}", proxy.port)),
            &[("USER_CACHE_TTL", "0s")],
            &json!(7),
        )
        .await;
        let serves = || async {
            let request = HealthCheckRequest { service: "socketpass.v1.AuthorizationService".to_owned() };
            let health = HealthClient::new(channel(&asked.service.grpc).await).check(request).await.unwrap();
            let is_up = scrape(&asked.service.http).await["socketpass_user_source_up"] == 1.0;
            let serves = health.into_inner().status() == ServingStatus::Serving;
            (is_up == serves).then_some(serves)
        };
        // Before anybody has asked for a user.
        until("it is there", || async { serves().await == Some(true) }).await;
        proxy.cut();
        until("it is not", || async {
            asked.authorize().await;
            serves().await == Some(false)
        })
        .await;
        proxy.mend();
        until("it is there again", || async {
            asked.authorize().await;
            serves().await == Some(true)
        })
        .await;
    }
}
