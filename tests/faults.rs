//! What happens at night: the store is away, hangs, comes back; the service is told to stop under load.

use std::{
    collections::BTreeMap,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use socketpass::grpc::{convert::reason_name, pb::authorization_service_client::AuthorizationServiceClient};
use sqlx::{AssertSqlSafe, Executor as _};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    task::JoinSet,
};
use tonic::Code;

use crate::{
    support::{
        ANA, ANA_ID, PATIENCE, cookie,
        mariadb::MariaDb,
        ports::lasting_port,
        postgres::Postgres,
        proxy::Proxy,
        redis::Redis,
        service::{Client, Service, ServiceProcess, authorize, command, explain, request, with_cookie},
        until,
    },
    telemetry::scrape,
};

async fn reason(client: &mut Client) -> String {
    reason_name(authorize(client, with_cookie(&cookie(ANA_ID))).await.reason()).into_owned()
}

#[tokio::test]
async fn an_unreachable_redis_at_the_start_is_no_fault() {
    let port = lasting_port();
    let service = ServiceProcess::start(&[("SESSION_STORE", &format!("redis://127.0.0.1:{port}"))]).await;
    let mut client = service.client().await;
    assert_eq!(reason(&mut client).await, "STORE_UNAVAILABLE");
    let log = service.process.output().line("does not answer").await;
    assert!(log.contains("Connection refused"), "{log}");
    let redis = Redis::start_on(port, &[]).await;
    redis.put(ANA_ID, ANA.as_bytes()).await;
    until("it recovers by itself", || async { reason(&mut client.clone()).await == "AUTHORIZED" }).await;
    service.process.output().line("the session store answers").await;
}

#[tokio::test]
async fn a_redis_that_hangs_is_bounded_and_recovers() {
    let redis = Redis::start().await;
    redis.put(ANA_ID, ANA.as_bytes()).await;
    let service =
        ServiceProcess::start(&[("SESSION_STORE", &redis.url()), ("SESSION_STORE_TIMEOUT", "300ms")]).await;
    let mut client = service.client().await;
    assert_eq!(reason(&mut client).await, "AUTHORIZED");
    redis.process().signal("STOP");
    for _ in 0..5 {
        let started = Instant::now();
        let answer = authorize(&mut client, with_cookie(&cookie(ANA_ID))).await;
        assert_eq!(reason_name(answer.reason()), "STORE_UNAVAILABLE");
        assert_eq!(answer.message, "Error in session store:\nthe session store does not answer");
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    }
    redis.process().signal("CONT");
    until("it recovers by itself", || async { reason(&mut client.clone()).await == "AUTHORIZED" }).await;
}

#[tokio::test]
async fn a_database_that_is_locked_or_away_is_bounded_counted_and_explained() {
    let (postgres, maria) = (Postgres::create().await, MariaDb::create().await);
    let mut connection = maria.connection().await;
    let create = format!(
        "CREATE TABLE session (sid varchar PRIMARY KEY, sess json, expire timestamp);
         INSERT INTO session VALUES ('{ANA_ID}', '{ANA}', 'infinity')"
    );
    postgres.client.batch_execute(&create).await.unwrap();
    for statement in [
        "CREATE TABLE sessions (session_id varchar(128) PRIMARY KEY, expires int unsigned, data text)"
            .to_owned(),
        format!("INSERT INTO sessions VALUES ('{ANA_ID}', 4000000000, '{ANA}')"),
    ] {
        connection.execute(AssertSqlSafe(statement)).await.unwrap();
    }
    for (url, port) in [(postgres.url(), postgres.port), (maria.url(), maria.port)] {
        let proxy = Proxy::to(port).await;
        let url = url.replace(&format!(":{port}"), &format!(":{}", proxy.port));
        let service = Service::start(&[("SESSION_STORE", &url), ("SESSION_STORE_TIMEOUT", "300ms")]).await;
        let client = service.client().await;
        let answers = || async { reason(&mut client.clone()).await == "AUTHORIZED" };
        until("it answers", answers).await;
        let fails = || async {
            let mut client = client.clone();
            let started = Instant::now();
            let answer = authorize(&mut client, with_cookie(&cookie(ANA_ID))).await;
            assert_eq!(
                (reason_name(answer.reason()).as_ref(), answer.accepted),
                ("STORE_UNAVAILABLE", false)
            );
            assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
            let explained = explain(&mut client, with_cookie(&cookie(ANA_ID))).await;
            let step = explained.steps.into_iter().find(|step| step.name == "store").unwrap();
            assert_eq!(step.found, "the session store does not answer");
            assert!(step.hint.contains("the service's log has the cause"), "{}", step.hint);
        };
        let is_up = || async { scrape(&service.http).await["socketpass_session_store_up"] == 1.0 };

        postgres.client.batch_execute("BEGIN; LOCK TABLE session IN ACCESS EXCLUSIVE MODE").await.unwrap();
        connection.execute("LOCK TABLES sessions WRITE").await.unwrap();
        fails().await;
        until("it is counted", || async { !is_up().await }).await;
        fails().await;
        postgres.client.batch_execute("COMMIT").await.unwrap();
        connection.execute("UNLOCK TABLES").await.unwrap();
        until("it answers again", answers).await;

        proxy.cut();
        until("it is noticed", || async { !answers().await && !is_up().await }).await;
        fails().await;
        proxy.mend();
        until("it is found again", answers).await;
        let failed = "socketpass_session_store_duration_seconds_count{outcome=\"failed\"}";
        assert!(scrape(&service.http).await[failed] >= 6.0);
        service.stop().await;
    }
}

/// What callers saw: answers by reason, and the longest that one took.
#[derive(Debug, Default)]
struct Seen {
    reasons: BTreeMap<String, usize>,
    errors: Vec<String>,
    longest: Duration,
}

/// Asks over and over until told to stop.
async fn callers(url: &str, stop: Arc<AtomicBool>) -> JoinSet<Seen> {
    let mut callers = JoinSet::new();
    for _ in 0..16 {
        let mut client = crate::support::service::client(url).await;
        let stop = Arc::clone(&stop);
        callers.spawn(async move {
            let mut seen = Seen::default();
            while !stop.load(Ordering::Relaxed) {
                let started = Instant::now();
                let answer = client.authorize(request(with_cookie(&cookie(ANA_ID))));
                match tokio::time::timeout(PATIENCE, answer).await.expect("an answer or an error") {
                    Ok(answer) => {
                        let reason = reason_name(answer.get_ref().reason()).into_owned();
                        assert_eq!(answer.get_ref().accepted, reason == "AUTHORIZED");
                        *seen.reasons.entry(reason).or_default() += 1;
                    }
                    Err(status) => {
                        seen.errors.push(socketpass::telemetry::causes(&status));
                        break;
                    }
                }
                seen.longest = seen.longest.max(started.elapsed());
            }
            seen
        });
    }
    callers
}

async fn sum(callers: JoinSet<Seen>) -> Seen {
    let mut all = Seen::default();
    for seen in callers.join_all().await {
        for (reason, count) in seen.reasons {
            *all.reasons.entry(reason).or_default() += count;
        }
        all.errors.extend(seen.errors);
        all.longest = all.longest.max(seen.longest);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_killed_and_restarted_under_load() {
    let mut redis = Redis::start().await;
    redis.put(ANA_ID, ANA.as_bytes()).await;
    let service = ServiceProcess::start(&[("SESSION_STORE", &redis.url())]).await;
    let mut client = service.client().await;
    let stop = Arc::new(AtomicBool::new(false));
    let callers = callers(&service.grpc, Arc::clone(&stop)).await;
    until("answers", || async { reason(&mut client.clone()).await == "AUTHORIZED" }).await;
    redis.kill().await;
    until("it is noticed", || async { reason(&mut client.clone()).await == "STORE_UNAVAILABLE" }).await;
    for _ in 0..100 {
        assert_eq!(reason(&mut client).await, "STORE_UNAVAILABLE");
    }
    // It comes back empty: the session is gone, and nobody is let in for old times' sake.
    redis.restart().await;
    until("it is back", || async { reason(&mut client.clone()).await == "SESSION_NOT_FOUND" }).await;
    redis.put(ANA_ID, ANA.as_bytes()).await;
    assert_eq!(reason(&mut client).await, "AUTHORIZED");
    stop.store(true, Ordering::Relaxed);
    let seen = sum(callers).await;
    assert!(seen.errors.is_empty(), "{seen:?}");
    assert!(seen.longest < Duration::from_secs(3), "{seen:?}");
    let reasons: Vec<_> = seen.reasons.keys().map(String::as_str).collect();
    assert_eq!(reasons, ["AUTHORIZED", "SESSION_NOT_FOUND", "STORE_UNAVAILABLE"], "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_loses_no_request() {
    let redis = Redis::start().await;
    redis.put(ANA_ID, ANA.as_bytes()).await;
    // Not a port of those that a client is given: coming back to one that is free again it could meet itself.
    let addr = format!("127.0.0.1:{}", lasting_port());
    let mut service = ServiceProcess::start(&[("SESSION_STORE", &redis.url()), ("GRPC_ADDR", &addr)]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let callers = callers(&service.grpc, Arc::clone(&stop)).await;
    let mut client = service.client().await;
    for _ in 0..200 {
        assert_eq!(reason(&mut client).await, "AUTHORIZED");
    }
    service.process.signal("TERM");
    assert_eq!(service.process.exit_code().await, Some(0));
    stop.store(true, Ordering::Relaxed);
    let seen = sum(callers).await;
    // Whoever still calls when the door is closed finds nobody there, or has not sent yet; no call that was taken is cut
    // off, which would be "transport error" or a reset.
    let never_taken = |error: &&String| {
        ["tcp connect error", "operation was canceled", "not a result of an error"]
            .iter()
            .any(|words| error.contains(words))
    };
    let cut_off: Vec<_> = seen.errors.iter().filter(|error| !never_taken(error)).collect();
    assert!(cut_off.is_empty(), "{cut_off:?}");
    assert_eq!(seen.reasons.keys().collect::<Vec<_>>(), ["AUTHORIZED"], "{seen:?}");
    service.process.output().line("\"stopped\"").await;
}

#[tokio::test]
async fn a_request_in_flight_at_sigterm_is_finished() {
    let redis = Redis::start().await;
    redis.put(ANA_ID, ANA.as_bytes()).await;
    let mut service =
        ServiceProcess::start(&[("SESSION_STORE", &redis.url()), ("SESSION_STORE_TIMEOUT", "10s")]).await;
    let mut client = service.client().await;
    assert_eq!(reason(&mut client).await, "AUTHORIZED");
    redis.process().signal("STOP");
    let in_flight = tokio::spawn(async move { reason(&mut client).await });
    until("the read waits in Redis' socket", || async {
        let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let port = format!("0100007F:{:04X}", redis.port);
        // Local address, remote address, state, transmit queue:receive queue.
        sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).any(|fields| {
            fields.get(1) == Some(&port.as_str())
                && fields.get(4).is_some_and(|queues| !queues.ends_with(":00000000"))
        })
    })
    .await;
    service.process.signal("TERM");
    service.process.output().line("draining").await;
    redis.process().signal("CONT");
    assert_eq!(in_flight.await.unwrap(), "AUTHORIZED");
    assert_eq!(service.process.exit_code().await, Some(0));
}

#[tokio::test]
async fn what_runs_too_long_at_sigterm_is_cut_off() {
    let redis = Redis::start().await;
    let settings = [
        ("SESSION_STORE", &*redis.url()),
        ("SESSION_STORE_TIMEOUT", "60s"),
        ("LIMITS_DRAIN_TIMEOUT", "200ms"),
    ];
    let mut service = ServiceProcess::start(&settings).await;
    let mut client = service.client().await;
    assert_eq!(reason(&mut client).await, "SESSION_NOT_FOUND");
    redis.process().signal("STOP");
    let in_flight =
        tokio::spawn(async move { client.authorize(request(with_cookie(&cookie(ANA_ID)))).await });
    tokio::task::yield_now().await;
    service.process.signal("TERM");
    assert_eq!(service.process.exit_code().await, Some(0));
    assert!(in_flight.await.unwrap().is_err());
}

#[tokio::test]
async fn the_callers_deadline_is_kept_and_named() {
    let redis = Redis::start().await;
    redis.put(ANA_ID, ANA.as_bytes()).await;
    let service =
        ServiceProcess::start(&[("SESSION_STORE", &redis.url()), ("SESSION_STORE_TIMEOUT", "10s")]).await;
    let mut client = service.client().await;
    assert_eq!(reason(&mut client).await, "AUTHORIZED");
    redis.process().signal("STOP");
    // tonic's own client would keep the time itself; this one knows nothing of gRPC, so that it is the service that answers.
    let connector = hyper_util::client::legacy::connect::HttpConnector::new();
    let http = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .http2_only(true)
        .build(connector);
    let mut client = AuthorizationServiceClient::with_origin(http, service.grpc.parse().unwrap());
    let mut asked = tonic::Request::new(request(with_cookie(&cookie(ANA_ID))));
    asked.metadata_mut().insert("grpc-timeout", "200m".parse().unwrap());
    let status = client.authorize(asked).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
}

#[tokio::test]
async fn a_log_that_nobody_reads_holds_up_nothing() {
    let mut command = command(&[]);
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let grpc = loop {
        let line = log.next_line().await.unwrap().unwrap();
        if line.contains("\"serving\"") {
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            break format!("http://{}", line["grpc_addr"].as_str().unwrap());
        }
    };
    // From here on nobody reads, and each refusal is a line: some times more than a pipe holds.
    let mut client = crate::support::service::client(&grpc).await;
    for _ in 0..2_000 {
        assert_eq!(reason(&mut client).await, "SESSION_NOT_FOUND");
    }
    let sent = std::process::Command::new("kill").arg(child.id().unwrap().to_string()).status();
    assert!(sent.unwrap().success());
    let ended = tokio::time::timeout(PATIENCE, child.wait()).await;
    assert_eq!(ended.expect("it ends").unwrap().code(), Some(0));
}
