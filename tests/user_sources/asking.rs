//! How often a source is asked, and what is remembered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::task::JoinSet;

use super::{Asked, session};
use crate::{
    support::{
        ANA_ID, cookie,
        http::get,
        proxy::Proxy,
        redis::Redis,
        service::{authorize, with_cookie},
        until,
        users::{Entry, HttpServer, Reply, Sources},
    },
    telemetry::scrape,
};

/// So many handshakes at once, over a few connections.
async fn handshakes(asked: &Asked, count: usize) -> JoinSet<bool> {
    let mut clients = vec![];
    for _ in 0..8 {
        clients.push(asked.service.client().await);
    }
    let mut handshakes = JoinSet::new();
    for number in 0..count {
        let mut client = clients[number % clients.len()].clone();
        handshakes.spawn(async move { authorize(&mut client, with_cookie(&cookie(ANA_ID))).await.accepted });
    }
    handshakes
}

/// How many handshakes have come as far as the user.
async fn sessions_found(asked: &Asked) -> f64 {
    scrape(&asked.service.http).await["socketpass_session_store_duration_seconds_count{outcome=\"found\"}"]
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_handshakes_of_one_user_make_one_request() {
    for over in [Sources::http, Sources::grpc] {
        let sources = Sources::start().await;
        sources.table.has("7", json!({"id": 7}));
        // So many at once take the store of a busy machine longer than anybody would wait for one.
        let settings = [
            ("LIMITS_MAX_CALLS", "30000"),
            ("SESSION_STORE_TIMEOUT", "30s"),
            ("LIMITS_CALL_TIMEOUT", "60s"),
            ("USER_CACHE_TTL", "10m"),
        ];
        let asked = Asked::of(&over(&sources), &settings, &json!(7)).await;
        let accepted = handshakes(&asked, 10_000).await.join_all().await;
        assert_eq!(accepted.into_iter().filter(|accepted| *accepted).count(), 10_000);
        assert_eq!(sources.table.asked(), ["7"]);
        let counted = scrape(&asked.service.http).await;
        let by = |how: &str| counted[&format!("socketpass_user_source_answers_total{{how=\"{how}\"}}")];
        assert_eq!((by("asked"), by("shared") + by("cached")), (1.0, 9_999.0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_cache_handshakes_that_wait_share_a_question() {
    let sources = Sources::start().await;
    sources.table.has("7", json!({"id": 7}));
    let settings = [("USER_CACHE_TTL", "0s"), ("USER_TIMEOUT", "20s"), ("LIMITS_CALL_TIMEOUT", "30s")];
    let asked = Asked::of(&sources.http(), &settings, &json!(7)).await;
    sources.gate.close();
    let waiting = handshakes(&asked, 500).await;
    until("all have their session, and wait", || async { sessions_found(&asked).await == 500.0 }).await;
    until("and one asks", || async { !sources.table.asked().is_empty() }).await;
    sources.gate.reopen();
    assert!(waiting.join_all().await.into_iter().all(|accepted| accepted));
    assert_eq!(sources.table.asked(), ["7"]);
    // The answer was for them alone.
    assert!(asked.authorize().await.accepted);
    assert_eq!(sources.table.asked().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_whose_asker_leaves_is_answered_to_those_who_wait() {
    let sources = Sources::start().await;
    sources.table.has("7", json!({"id": 7}));
    let settings = [("USER_TIMEOUT", "20s"), ("USER_CACHE_TTL", "10m")];
    let asked = Asked::of(&sources.grpc(), &settings, &json!(7)).await;
    sources.gate.close();
    let mut first = handshakes(&asked, 1).await;
    until("it asks", || async { sources.table.asked().len() == 1 }).await;
    let second = handshakes(&asked, 1).await;
    until("both have their session, and wait", || async { sessions_found(&asked).await == 2.0 }).await;
    first.shutdown().await;
    until("the first has gone", || async {
        scrape(&asked.service.http).await["socketpass_calls_in_flight{method=\"Authorize\"}"] == 1.0
    })
    .await;
    sources.gate.reopen();
    assert_eq!(second.join_all().await, [true]);
    assert_eq!(sources.table.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_questions_are_asked_at_once() {
    let sources = Sources::start().await;
    let settings = [("USER_MAX_REQUESTS", "2"), ("USER_TIMEOUT", "20s"), ("LIMITS_CALL_TIMEOUT", "30s")];
    let asked = Asked::of(&sources.grpc(), &settings, &json!(0)).await;
    sources.gate.close();
    let mut waiting = JoinSet::new();
    for id in 0..6 {
        sources.table.has(&id.to_string(), json!({ "id": id }));
        asked.sessions.put(&format!("session-{id}"), session(&json!(id)).as_bytes()).await;
        let mut client = asked.client.clone();
        waiting.spawn(async move {
            authorize(&mut client, with_cookie(&cookie(&format!("session-{id}")))).await.accepted
        });
    }
    until("all have their session, and wait", || async { sessions_found(&asked).await == 6.0 }).await;
    until("two ask", || async { sources.table.asked().len() == 2 }).await;
    sources.gate.reopen();
    assert!(waiting.join_all().await.into_iter().all(|accepted| accepted));
    assert_eq!(sources.table.asked().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_wait_for_a_source_that_hangs_are_told_in_time() {
    let sources = Sources::start().await;
    let settings = [("USER_MAX_REQUESTS", "1"), ("USER_TIMEOUT", "500ms")];
    let asked = Asked::of(&sources.grpc(), &settings, &json!(0)).await;
    sources.gate.close();
    let mut waiting = JoinSet::new();
    for id in 0..20 {
        asked.sessions.put(&format!("session-{id}"), session(&json!(id)).as_bytes()).await;
        let mut client = asked.client.clone();
        waiting.spawn(async move {
            authorize(&mut client, with_cookie(&cookie(&format!("session-{id}")))).await.message
        });
    }
    assert_eq!(waiting.join_all().await, ["Failed to deserialize user out of session"; 20]);
    let counted = scrape(&asked.service.http).await;
    let faults = |fault: &str| counted[&format!("socketpass_user_source_faults_total{{fault=\"{fault}\"}}")];
    assert_eq!(faults("timeout") + faults("busy"), 20.0);
    sources.gate.reopen();
    sources.table.has("0", json!({"id": 0}));
    assert_eq!(asked.reason().await, "AUTHORIZED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_remembered_for_a_while_and_nobody_is_not() {
    let sources = Sources::start().await;
    let asked = Asked::of(&sources.http(), &[("USER_CACHE_TTL", "700ms")], &json!("7")).await;
    assert_eq!(asked.reason().await, "USER_NOT_FOUND");
    sources.table.has("7", json!({"id": 7}));
    let known = Instant::now();
    assert_eq!(asked.reason().await, "AUTHORIZED");
    // Banned: known for as long as user.cache_ttl, and no longer.
    sources.table.remove("7");
    assert_eq!(asked.reason().await, "AUTHORIZED");
    until("forgotten", || async { asked.reason().await == "USER_NOT_FOUND" }).await;
    let elapsed = known.elapsed();
    assert!((Duration::from_millis(600)..Duration::from_secs(3)).contains(&elapsed), "{elapsed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_users_are_remembered() {
    let sources = Sources::start().await;
    let asked =
        Asked::of(&sources.http(), &[("USER_CACHE_TTL", "10m"), ("USER_CACHE_SIZE", "2")], &json!(0)).await;
    for id in ["1", "2", "3", "3", "2", "1"] {
        sources.table.has(id, json!({ "id": id }));
        asked.log_in(&json!(id)).await;
        assert_eq!(asked.reason().await, "AUTHORIZED");
    }
    assert_eq!(sources.table.asked(), ["1", "2", "3", "1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_remembered_counts_while_the_source_is_down_if_the_settings_say_so() {
    for (stale_for, expected) in [("0s", "USER_SOURCE_FAILED"), ("10m", "AUTHORIZED")] {
        let sources = Sources::start().await;
        sources.table.has("7", json!({"id": 7}));
        let settings = [("USER_CACHE_TTL", "1ms"), ("USER_STALE_FOR", stale_for), ("USER_TIMEOUT", "1s")];
        let asked = Asked::of(&sources.http(), &settings, &json!("7")).await;
        assert_eq!(asked.reason().await, "AUTHORIZED");
        sources.gate.close();
        assert_eq!(asked.reason().await, expected);
        if stale_for == "10m" {
            let (_, found, hint) = asked.step().await;
            assert!(
                found.ends_with(" ago (user.stale_for)") && hint.contains("does not answer"),
                "{found} {hint}"
            );
            // Who was never found is not let in for that.
            asked.log_in(&json!("8")).await;
            assert_eq!(asked.reason().await, "USER_SOURCE_FAILED");
            asked.log_in(&json!("7")).await;
        }
        sources.gate.reopen();
        // What it says counts as soon as it speaks, also a refusal,
        sources.table.put("7", Entry::Fails);
        until("it refuses", || async { asked.reason().await == "USER_SOURCE_FAILED" }).await;
        // and that somebody is gone, also once it is down again.
        sources.table.remove("7");
        until("it answers", || async { asked.reason().await == "USER_NOT_FOUND" }).await;
        sources.table.put("7", Entry::Fails);
        assert_eq!(asked.reason().await, "USER_SOURCE_FAILED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_died_is_tried_again_once() {
    // The first request of each connection is answered; it is cut in the middle of the second.
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&requests);
    let server = HttpServer::start(move |_, _| match seen.fetch_add(1, SeqCst) {
        0 | 2 => Reply::status(200, "", r#"{"id":7}"#),
        1 => Reply::Close(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{\"id".to_vec()),
        _ => Reply::Close(vec![]),
    })
    .await;
    let asked = Asked::of(&server.url("/users/{id}"), &[("USER_CACHE_TTL", "0s")], &json!(7)).await;
    assert_eq!(asked.reason().await, "AUTHORIZED");
    assert_eq!(asked.reason().await, "AUTHORIZED");
    assert_eq!(requests.load(SeqCst), 3);
    // From now on every connection dies: once more, and no more.
    assert_eq!(asked.reason().await, "USER_SOURCE_FAILED");
    assert_eq!(requests.load(SeqCst), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_is_replaced() {
    let sources = Sources::start().await;
    sources.table.has("7", json!({"id": 7}));
    let redis = Redis::start().await;
    let () = redis::cmd("SET")
        .arg("user:7")
        .arg(r#"{"id":7}"#)
        .query_async(&mut redis.connection().await)
        .await
        .unwrap();
    for url in [sources.http(), sources.grpc(), redis.url()] {
        let port = url.rsplit(':').next().unwrap().split('/').next().unwrap();
        let proxy = Proxy::to(port.parse().unwrap()).await;
        let asked = Asked::of(
            &url.replace(&format!(":{port}"), &format!(":{}", proxy.port)),
            &[("USER_CACHE_TTL", "0s"), ("USER_TIMEOUT", "5s")],
            &json!(7),
        )
        .await;
        for _ in 0..5 {
            assert_eq!(asked.reason().await, "AUTHORIZED", "{url}");
            proxy.cut();
            proxy.mend();
        }
        proxy.cut();
        assert_eq!(asked.reason().await, "USER_SOURCE_FAILED", "{url}");
        assert!(get(&asked.service.http, "/readyz").await.body.contains("ok"));
        proxy.mend();
        until("it comes back", || async { asked.reason().await == "AUTHORIZED" }).await;
    }
}
