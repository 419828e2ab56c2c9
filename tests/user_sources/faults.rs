//! Sources that are down, slow, or send garbage: bounded, counted, explained, and never accepted.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use serde_json::{Value, json};
use sqlx::Executor as _;
use tokio::{io::AsyncReadExt as _, net::TcpListener};

use super::Asked;
use crate::{
    support::{
        mariadb::MariaDb,
        ports::lasting_port,
        postgres::Postgres,
        proxy::Proxy,
        redis::Redis,
        service::ServiceProcess,
        until,
        users::{Entry, HttpServer, Reply, Sources},
    },
    telemetry::scrape,
};

const SETTINGS: [(&str, &str); 2] = [("USER_CACHE_TTL", "0s"), ("USER_TIMEOUT", "700ms")];
const QUERY: &str = "SELECT * FROM people WHERE id = {id}";
const IN_TIME: Duration = Duration::from_secs(3);

async fn over_http(answer: impl Fn() -> Reply + Send + Sync + 'static) -> (HttpServer, Asked) {
    let server = HttpServer::start(move |_, _| answer()).await;
    let asked = Asked::of(&server.url("/users/{id}"), &SETTINGS, &json!(7)).await;
    (server, asked)
}

async fn counted(asked: &Asked, fault: &str) -> f64 {
    scrape(&asked.service.http).await[&format!("socketpass_user_source_faults_total{{fault=\"{fault}\"}}")]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_answers_neither_a_user_nor_that_there_is_none() {
    for (status, headers, hint) in [
        (201, "", "neither 200 with the user nor 404"),
        (204, "", "neither 200 with the user nor 404"),
        (301, "location: /users/7\r\n", "redirects elsewhere"),
        (302, "location: http://127.0.0.1:1/\r\n", "redirects elsewhere"),
        (400, "", "neither 200 with the user nor 404"),
        (401, "", "user.authorization"),
        (403, "", "user.authorization"),
        (429, "", "neither 200 with the user nor 404"),
        (500, "", "the app's log has the cause"),
        (503, "", "the app's log has the cause"),
    ] {
        let (_server, asked) = over_http(move || Reply::status(status, headers, r#"{"id":7}"#)).await;
        let said = asked.fails(IN_TIME).await;
        assert!(said.contains(hint), "{status}: {said}");
        assert_eq!(counted(&asked, "refused").await, 2.0, "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_sends_garbage() {
    let user = |body: &str| Reply::status(200, "", body);
    let chunked = |bytes: &[u8]| [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", bytes].concat();
    type Answer = Box<dyn Fn() -> Reply + Send + Sync>;
    let answers: Vec<(&str, &str, Answer)> = vec![
        ("unusable", "something else than JSON", Box::new(move || user("<html>"))),
        ("unusable", "something else than JSON", Box::new(move || user(""))),
        ("unusable", "something else than JSON", Box::new(move || user(r#"{"id":7} {"id":8}"#))),
        ("unusable", "something else than JSON", Box::new(move || user(r#"{"id":1e999}"#))),
        ("unusable", "something else than a JSON object", Box::new(move || user(r#"[{"id":7}]"#))),
        ("unusable", "deeper than 24 levels", Box::new(move || user(&"[".repeat(100_000)))),
        (
            "unusable",
            "larger than 1 MiB",
            Box::new(move || user(&format!(r#"{{"a":"{}"}}"#, "x".repeat(2 << 20)))),
        ),
        (
            "unusable",
            "larger than 1 MiB",
            Box::new(move || {
                Reply::Endless(
                    chunked(b""),
                    [b"100000\r\n", vec![b'x'; 1 << 20].as_slice(), b"\r\n"].concat(),
                )
            }),
        ),
        (
            "timeout",
            "within user.timeout",
            Box::new(move || Reply::Endless(chunked(b""), b"1\r\n{\r\n".to_vec())),
        ),
        ("timeout", "within user.timeout", Box::new(move || Reply::Hang(chunked(b"1\r\n{\r\n")))),
        ("timeout", "within user.timeout", Box::new(move || Reply::Hang(b"HTTP/1.1 200".to_vec()))),
        (
            "refused",
            "speaks no HTTP",
            Box::new(move || Reply::Close(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec())),
        ),
        (
            "refused",
            "speaks no HTTP",
            Box::new(move || {
                Reply::Endless(
                    b"HTTP/1.1 200 OK\r\n".to_vec(),
                    [b"x: ".as_slice(), &[b'x'; 65536], b"\r\n"].concat(),
                )
            }),
        ),
        ("unreachable", "cannot be reached", Box::new(move || Reply::Close(vec![]))),
    ];
    for (fault, hint, answer) in answers {
        let (_server, asked) = over_http(answer).await;
        let said = asked.fails(IN_TIME).await;
        assert!(said.contains(hint), "{fault}, {hint}: {said}");
        assert_eq!(counted(&asked, fault).await, 2.0, "{hint}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_404_is_an_answer_whatever_becomes_of_its_page() {
    let head = b"HTTP/1.1 404 x\r\ncontent-length: 100000\r\n\r\n".to_vec();
    let dripping = || {
        Reply::Endless(
            b"HTTP/1.1 404 x\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
            b"1\r\nx\r\n".to_vec(),
        )
    };
    for answer in [
        Box::new(move || Reply::Hang(head.clone())) as Box<dyn Fn() -> Reply + Send + Sync>,
        Box::new(dripping),
        Box::new(|| Reply::Close(b"HTTP/1.1 404 x\r\ncontent-length: 5\r\n\r\nno".to_vec())),
    ] {
        let (_server, asked) = over_http(answer).await;
        assert_eq!(asked.reason().await, "USER_NOT_FOUND");
    }
    // A page that came along with it costs no connection.
    let (server, asked) = over_http(|| Reply::status(404, "", &"no such user ".repeat(100))).await;
    for _ in 0..20 {
        assert_eq!(asked.reason().await, "USER_NOT_FOUND");
    }
    // One looked whether anybody is there.
    assert!(server.connections.load(SeqCst) <= 2, "{:?}", server.connections);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_over_grpc_that_fails() {
    let sources = Sources::start().await;
    let asked = Asked::of(&sources.grpc(), &SETTINGS, &json!(7)).await;
    for fails in [Entry::Fails, Entry::Unavailable] {
        sources.table.put("7", fails);
        assert!(asked.fails(IN_TIME).await.contains("the app's log has the cause"));
    }
    assert_eq!(counted(&asked, "refused").await, 4.0);
    for (user, hint) in [
        (json!(null), "the status NOT_FOUND"),
        (json!({"a": "x".repeat(2 << 20)}), "larger than 1 MiB"),
        ((1..80).fold(json!({}), |inner, _| json!({ "a": inner })), "deeper than 24 levels"),
    ] {
        sources.table.has("7", user);
        let said = asked.fails(IN_TIME).await;
        assert!(said.contains(hint), "{said}");
    }
    assert_eq!(counted(&asked, "unusable").await, 6.0);
    sources.gate.close();
    assert!(asked.fails(IN_TIME).await.contains("within user.timeout"));
    assert_eq!(counted(&asked, "timeout").await, 2.0);
    sources.gate.reopen();
    sources.table.has("7", json!({"id": 7}));
    assert_eq!(asked.reason().await, "AUTHORIZED");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_answers_is_something_else() {
    let service = ServiceProcess::start(&[]).await;
    let grpc = service.grpc.strip_prefix("http://").unwrap();
    let http = service.http.strip_prefix("http://").unwrap();
    let asked = Asked::of(&format!("grpc://{grpc}"), &SETTINGS, &json!(7)).await;
    assert!(asked.fails(IN_TIME).await.contains("does not serve socketpass.v1.UserSourceService"));
    // gRPC's door spoken to in HTTP/1.1, and the door for probes, which has nothing of the kind.
    let asked = Asked::of(&format!("http://{grpc}/users/{{id}}"), &SETTINGS, &json!(7)).await;
    asked.fails(IN_TIME).await;
    let asked = Asked::of(&format!("http://{http}/metrics?{{id}}"), &SETTINGS, &json!(7)).await;
    assert!(asked.fails(IN_TIME).await.contains("something else than JSON"));
    let asked = Asked::of(&format!("redis://{http}"), &SETTINGS, &json!(7)).await;
    asked.fails(IN_TIME).await;
    let redis = Redis::start().await;
    for url in [format!("grpc://127.0.0.1:{}", redis.port), format!("http://127.0.0.1:{}/{{id}}", redis.port)]
    {
        let asked = Asked::of(&url, &SETTINGS, &json!(7)).await;
        asked.fails(IN_TIME).await;
    }
    // Each of what the other databases and Redis are taken for.
    let (postgres, maria) = (Postgres::create().await, MariaDb::create().await);
    for port in [redis.port, postgres.port, maria.port, http.rsplit_once(':').unwrap().1.parse().unwrap()] {
        for (scheme, own) in [("postgres", postgres.port), ("mysql", maria.port)] {
            if port != own {
                let settings = [SETTINGS[0], SETTINGS[1], ("USER_LOOKUP", QUERY)];
                let asked =
                    Asked::of(&format!("{scheme}://u:hunter2@127.0.0.1:{port}/app"), &settings, &json!(7))
                        .await;
                let said = asked.fails(IN_TIME).await;
                assert!(!said.contains("hunter2"), "{said}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_locked_cut_off_and_back() {
    let (postgres, maria) = (Postgres::create().await, MariaDb::create().await);
    let mut connection = maria.connection().await;
    for statement in ["CREATE TABLE people (id INTEGER PRIMARY KEY)", "INSERT INTO people VALUES (7)"] {
        postgres.client.batch_execute(statement).await.unwrap();
        connection.execute(statement).await.unwrap();
    }
    for (url, port) in [(postgres.url(), postgres.port), (maria.url(), maria.port)] {
        let proxy = Proxy::to(port).await;
        let url = url.replace(&format!(":{port}"), &format!(":{}", proxy.port));
        let settings = [SETTINGS[0], SETTINGS[1], ("USER_LOOKUP", QUERY)];
        let asked = Asked::of(&url, &settings, &json!(7)).await;
        assert_eq!(asked.user().await, json!({"id": 7, "logged_in": true}));

        postgres.client.batch_execute("BEGIN; LOCK TABLE people IN ACCESS EXCLUSIVE MODE").await.unwrap();
        connection.execute("LOCK TABLES people WRITE").await.unwrap();
        let said = asked.fails(IN_TIME).await;
        assert!(said.contains("within user.timeout"), "{said}");
        assert_eq!(counted(&asked, "timeout").await, 2.0);
        postgres.client.batch_execute("COMMIT").await.unwrap();
        connection.execute("UNLOCK TABLES").await.unwrap();
        until("it answers again", || async { asked.reason().await == "AUTHORIZED" }).await;

        proxy.cut();
        until("it is noticed", || async {
            asked.reason().await == "USER_SOURCE_FAILED" && counted(&asked, "unreachable").await > 0.0
        })
        .await;
        assert!(asked.fails(IN_TIME).await.contains("cannot be reached"));
        proxy.mend();
        until("it is found again", || async { asked.reason().await == "AUTHORIZED" }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_there_or_says_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    let listening = tokio::spawn(async move {
        loop {
            let (mut stream, _) = silent.accept().await.unwrap();
            tokio::spawn(async move { while stream.read_u8().await.is_ok() {} });
        }
    });
    for (port, is_silent) in [(lasting_port(), false), (silent_port, true)] {
        for (url, lookup) in [
            (format!("redis://127.0.0.1:{port}"), "user:{id}"),
            (format!("http://127.0.0.1:{port}/{{id}}"), ""),
            (format!("https://127.0.0.1:{port}/{{id}}"), ""),
            (format!("grpc://127.0.0.1:{port}"), ""),
            (format!("grpcs://127.0.0.1:{port}"), ""),
            (format!("postgres://127.0.0.1:{port}/app"), QUERY),
            (format!("mysql://127.0.0.1:{port}/app"), QUERY),
        ] {
            let mut settings = SETTINGS.to_vec();
            settings.extend((!lookup.is_empty()).then_some(("USER_LOOKUP", lookup)));
            let asked = Asked::of(&url, &settings, &json!(7)).await;
            let said = asked.fails(IN_TIME).await;
            // Of a Redis it is known before anybody asks.
            let (fault, hint) = if is_silent && !url.starts_with("redis") {
                ("timeout", "within user.timeout")
            } else {
                ("unreachable", "cannot be reached")
            };
            assert!(said.contains(hint), "{url}: {said}");
            assert_eq!(counted(&asked, fault).await, 2.0, "{url}");
        }
    }
    listening.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_has_no_users_where_they_should_be() {
    let redis = Redis::start().await;
    let mut connection = redis.connection().await;
    let asked = Asked::of(&redis.url(), &SETTINGS, &json!(7)).await;
    let nothing: [&str; 0] = [];
    for (command, arguments, hint) in [
        ("RPUSH", [vec!["x".to_owned()], vec![]].concat(), "neither a text nor a hash"),
        ("SET", vec!["PHPSESSID|x".to_owned()], "something else than JSON"),
        ("SET", vec!["7".to_owned()], "something else than a JSON object"),
        ("SET", vec!["[".repeat(100_000)], "deeper than 24 levels"),
        ("SET", vec![format!("{{\"a\":\"{}\"}}", "x".repeat(2 << 20))], "larger than 1 MiB"),
        ("HSET", vec!["a".to_owned(), "x".repeat(2 << 20)], "larger than 1 MiB"),
        ("HSET", (0..4000).map(|number| format!("field-{number}")).collect(), "more than 1,000 fields"),
    ] {
        let () = redis::cmd("DEL").arg("user:7").query_async(&mut connection).await.unwrap();
        let mut put = redis::cmd(command);
        let () =
            put.arg("user:7").arg(arguments).arg(&nothing[..]).query_async(&mut connection).await.unwrap();
        let said = asked.fails(IN_TIME).await;
        assert!(said.contains(hint), "{hint}: {said}");
    }
    assert_eq!(counted(&asked, "unusable").await, 14.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_or_refuses() {
    let mut redis = Redis::start().await;
    let mut connection = redis.connection().await;
    let () = redis::cmd("SET").arg("user:7").arg(r#"{"id":7}"#).query_async(&mut connection).await.unwrap();
    let () = redis::cmd("HSET").arg("user:8").arg("id").arg("8").query_async(&mut connection).await.unwrap();
    let mut user = redis::cmd("ACL");
    user.arg("SETUSER").arg("weak").arg("on").arg(">pw").arg("~*").arg("+getrange").arg("+ping");
    let () = user.query_async(&mut connection).await.unwrap();
    let weak = format!("redis://weak:pw@127.0.0.1:{}", redis.port);
    let asked = Asked::of(&weak, &SETTINGS, &json!(8)).await;
    let said = asked.fails(IN_TIME).await;
    assert!(said.contains("GETRANGE, and for hashes HLEN, MEMORY USAGE and HGETALL"), "{said}");

    let asked = Asked::of(&redis.url(), &SETTINGS, &json!(7)).await;
    assert_eq!(asked.user().await, json!({"id": 7, "logged_in": true}));
    redis.process().signal("STOP");
    asked.fails(IN_TIME).await;
    redis.process().signal("CONT");
    until("it recovers", || async { asked.reason().await == "AUTHORIZED" }).await;
    redis.kill().await;
    assert!(asked.fails(IN_TIME).await.contains("cannot be reached"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_none() {
    let sources = Sources::start().await;
    for id in [".", "..", ""] {
        sources.table.has(id, json!({"id": "somebody else"}));
        let asked = Asked::of(&sources.http(), &SETTINGS, &json!(id)).await;
        assert!(asked.fails(IN_TIME).await.contains("cannot stand in a URL's path"));
    }
    let long = Value::from("x".repeat(1025));
    for url in [sources.http(), sources.grpc()] {
        let asked = Asked::of(&url, &SETTINGS, &long).await;
        assert!(asked.fails(IN_TIME).await.contains("longer than 1,024 bytes"));
    }
    assert!(sources.table.asked().is_empty());
}
