//! What ends a socket, and what does not.

use std::{
    fs,
    time::{Duration, Instant, SystemTime},
};

use redis::AsyncCommands as _;
use serde_json::json;
use socketpass::grpc::pb::{Handshake, Socket};
use tempfile::TempDir;

use super::{
    SOON, are_asked, delete, ends, gateway, is_told_nothing, is_told_that_it_ended, session_of, socket_of,
    start,
};
use crate::support::{
    ANA, ANA_ID,
    callers::Caller,
    cookie,
    gateway::{Gateway, hello, opened},
    redis::Redis,
    service::{Service, ServiceProcess, authorize, with_cookie},
    until,
};

const A_WHILE: Duration = Duration::from_millis(500);

/// However the store tells of changes.
const MEANS: [&[&str]; 2] = [&[], &["--notify-keyspace-events", "Kg$xe"]];

#[tokio::test]
async fn a_session_that_is_destroyed_takes_its_sockets_along_wherever_they_are() {
    for means in MEANS {
        let redis = Redis::start_with(means).await;
        let ana = json!({"id": 1, "name": "Ana"});
        redis.put("one", &session_of(&ana)).await;
        redis.put("two", &session_of(&ana)).await;
        let service = start(&redis, &[]).await;
        let mut caller = Caller::of(&service.grpc).await;
        let mut watcher = caller.watch("socket.gateway_id == 'chat'").await;
        watcher.told().await;
        let of = |id, session| socket_of(id, session, &ana);
        let mut chat = gateway(&service, "chat", vec![of("a", "one"), of("b", "two"), of("c", "one")]).await;
        let mut feed = gateway(&service, "feed", vec![of("d", "one")]).await;
        are_asked(&service, 2).await;
        watcher.tells(&["+ chat/a", "+ chat/b", "+ chat/c"]).await;
        delete(&redis, "one").await;
        ends(&mut chat, &["a", "c"], 4500, "session_not_found").await;
        ends(&mut feed, &["d"], 4500, "session_not_found").await;
        // That somebody has found out who they are is nothing to see.
        watcher.tells(&["- chat/a SESSION_NOT_FOUND", "- chat/c SESSION_NOT_FOUND"]).await;
        assert_eq!(caller.ids("true").await, ["chat/b"]);
        service.stop().await;
    }
}

#[tokio::test]
async fn a_session_that_is_evicted_ends_even_where_notifications_leave_that_out() {
    for flags in ["", "Kg$x", "Kg$xe"] {
        let redis = Redis::start_with(&["--notify-keyspace-events", flags]).await;
        let ana = json!({"id": 1});
        redis.put("one", &session_of(&ana)).await;
        let service = start(&redis, &[]).await;
        let mut chat = gateway(&service, "chat", vec![socket_of("a", "one", &ana)]).await;
        are_asked(&service, 1).await;
        for (name, value) in [("maxmemory-policy", "allkeys-random"), ("maxmemory", "1")] {
            configure(&redis, name, value).await;
        }
        ends(&mut chat, &["a"], 4500, "session_not_found").await;
        service.stop().await;
    }
}

#[tokio::test]
async fn a_store_that_notifies_of_less_than_before_is_heard_by_other_means() {
    for less in ["", "Kg$x"] {
        let redis = Redis::start_with(&["--notify-keyspace-events", "KA"]).await;
        let ana = json!({"id": 1});
        redis.put("one", &session_of(&ana)).await;
        let url = redis.url();
        let settings = [("SESSION_STORE", url.as_str()), ("REVALIDATE_INTERVAL", "1h")];
        let service = ServiceProcess::start(&settings).await;
        let output = service.process.output();
        let mut chat =
            Gateway::list(&service.grpc, hello("chat", "one"), vec![socket_of("a", "one", &ana)]).await;
        until("notifications", || async { output.text().contains("by keyspace notifications") }).await;
        configure(&redis, "notify-keyspace-events", less).await;
        until("invalidations", || async { output.text().contains("by invalidations") }).await;
        assert!(output.text().contains("`notify-keyspace-events` of the server is not"), "{}", output.text());
        delete(&redis, "one").await;
        ends(&mut chat, &["a"], 4500, "session_not_found").await;
    }
}

async fn configure(redis: &Redis, name: &str, value: &str) {
    let mut command = redis::cmd("CONFIG");
    command.arg(&["SET", name, value]);
    let () = command.query_async(&mut redis.connection().await).await.unwrap();
}

#[tokio::test]
async fn logging_out_as_passport_before_0_6_does_ends_too() {
    let redis = Redis::start().await;
    let ana = json!({"id": 1});
    redis.put("one", &session_of(&ana)).await;
    let service = start(&redis, &[]).await;
    let mut chat = gateway(&service, "chat", vec![socket_of("a", "one", &ana)]).await;
    are_asked(&service, 1).await;
    redis.put("one", br#"{"cookie":{},"passport":{}}"#).await;
    ends(&mut chat, &["a"], 4501, "not_logged_in").await;
    service.stop().await;
}

#[tokio::test]
async fn a_session_of_somebody_else_ends_the_sockets_of_who_was_there() {
    let redis = Redis::start().await;
    let (ana, ben) = (json!({"id": 1}), json!({"id": 2}));
    redis.put("one", &session_of(&ana)).await;
    let service = start(&redis, &[]).await;
    let mut chat = gateway(&service, "chat", vec![socket_of("a", "one", &ana)]).await;
    are_asked(&service, 1).await;
    redis.put("one", &session_of(&ben)).await;
    ends(&mut chat, &["a"], 4502, "another_user").await;
    // Who comes as the other one stays.
    chat.opens(vec![socket_of("b", "one", &ben)]).await;
    is_told_nothing(&mut chat, A_WHILE).await;
    service.stop().await;
}

#[tokio::test]
async fn touching_ends_nothing_and_the_end_of_its_time_does() {
    for means in MEANS {
        let redis = Redis::start_with(means).await;
        let ana = json!({"id": 1});
        redis.put("one", &session_of(&ana)).await;
        let service = start(&redis, &[]).await;
        let mut chat = gateway(&service, "chat", vec![socket_of("a", "one", &ana)]).await;
        are_asked(&service, 1).await;
        let mut connection = redis.connection().await;
        for _ in 0..1_000 {
            let _: () = connection.expire("sess:one", 60).await.unwrap();
        }
        is_told_nothing(&mut chat, A_WHILE).await;
        let _: () = connection.pexpire("sess:one", 1_000).await.unwrap();
        is_told_nothing(&mut chat, Duration::from_millis(900)).await;
        ends(&mut chat, &["a"], 4500, "session_not_found").await;
        service.stop().await;
    }
}

#[tokio::test]
async fn what_the_policy_denies_now_ends() {
    let redis = Redis::start().await;
    let ana = json!({"id": 1, "banned": false});
    redis.put("one", &session_of(&ana)).await;
    let policy = ("POLICY_ACCEPT", "user.logged_in && (!user.banned || socket.namespace == '/help')");
    let service = start(&redis, &[policy]).await;
    let mut help = socket_of("b", "one", &ana);
    help.namespace = "/help".to_owned();
    let mut chat = gateway(&service, "chat", vec![socket_of("a", "one", &ana), help]).await;
    are_asked(&service, 1).await;
    redis.put("one", &session_of(&json!({"id": 1, "banned": true}))).await;
    // One is told that its user has changed, the other one ends, in either order.
    let mut told = [chat.command().await, chat.command().await];
    told.sort_by_key(|command| format!("{command:?}").contains("UserChanged"));
    let (ended, close) = super::disconnect(&told[0]);
    assert_eq!((ended, close.code, close.reason.as_str()), (vec!["a".to_owned()], 4504, "denied_by_policy"));
    service.stop().await;
}

#[tokio::test]
async fn without_pushes_it_is_found_within_the_interval() {
    let redis = Redis::start().await;
    let user: &[&str] = &["ACL", "SETUSER", "reader", "on", ">x", "~sess:*", "+getrange", "+pttl", "+ping"];
    let mut command = redis::cmd(user[0]);
    command.arg(&user[1..]);
    let _: () = command.query_async(&mut redis.connection().await).await.unwrap();
    let ana = json!({"id": 1});
    redis.put("one", &session_of(&ana)).await;
    let url = format!("redis://reader:x@127.0.0.1:{}", redis.port);
    let settings = [("SESSION_STORE", url.as_str()), ("REVALIDATE_INTERVAL", "1s")];
    let service = start(&redis, &settings).await;
    let mut chat = gateway(&service, "chat", vec![socket_of("a", "one", &ana)]).await;
    are_asked(&service, 2).await;
    is_told_nothing(&mut chat, Duration::from_millis(1_500)).await;
    delete(&redis, "one").await;
    let took = ends(&mut chat, &["a"], 4500, "session_not_found").await;
    assert!(took < Duration::from_secs(2), "{took:?}");
    service.stop().await;
}

#[tokio::test]
async fn in_a_store_that_tells_nothing_an_expired_session_ends_with_its_time_and_not_with_the_sweep() {
    const LIVES: Duration = Duration::from_secs(3);
    let folder = TempDir::new().unwrap();
    let ana = json!({"id": 1});
    let put = |lives: Duration| {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
        let session = json!({
            "cookie": {"originalMaxAge": lives.as_secs_f64() * 1000.0},
            "passport": {"user": ana},
            "__lastAccess": now.as_secs_f64() * 1000.0,
        });
        fs::write(folder.path().join("one.json"), session.to_string()).unwrap();
    };
    put(LIVES);
    let url = format!("file:{}", folder.path().display());
    let service = Service::start(&[("SESSION_STORE", &url), ("REVALIDATE_INTERVAL", "1h")]).await;
    let mut chat = gateway(&service, "chat", vec![socket_of("a", "one", &ana)]).await;
    are_asked(&service, 1).await;
    // Its owner is there again in good time.
    put(LIVES);
    let touched = Instant::now();
    is_told_that_it_ended(&mut chat, "a").await;
    let took = touched.elapsed();
    assert!((LIVES - A_WHILE..LIVES + SOON).contains(&took), "{took:?}");
    service.stop().await;
}

#[tokio::test]
async fn what_a_gateway_could_not_end_it_is_told_again() {
    let redis = Redis::start().await;
    let ana = json!({"id": 1});
    redis.put("one", &session_of(&ana)).await;
    let service = start(&redis, &[]).await;
    let mut chat = gateway(&service, "chat", vec![socket_of("a", "one", &ana)]).await;
    are_asked(&service, 1).await;
    delete(&redis, "one").await;
    let first = chat.command().await;
    chat.done(&first, &[]).await;
    ends(&mut chat, &["a"], 4500, "session_not_found").await;
    is_told_nothing(&mut chat, Duration::from_millis(1_500)).await;
    service.stop().await;
}

#[tokio::test]
async fn a_gateway_that_moves_is_asked_about_by_the_replica_it_moves_to() {
    let (redis, ledger) = (Redis::start().await, Redis::start().await);
    let ana = json!({"id": 1});
    redis.put("one", &session_of(&ana)).await;
    let url = ledger.url();
    let here = start(&redis, &[("REGISTRY_STORE", &url)]).await;
    let there = start(&redis, &[("REGISTRY_STORE", &url)]).await;
    let first = gateway(&here, "chat", vec![socket_of("a", "one", &ana)]).await;
    are_asked(&here, 1).await;
    drop(first);
    let mut second = gateway(&there, "chat", vec![socket_of("a", "one", &ana)]).await;
    are_asked(&there, 1).await;
    // The replica's first connection is no older than the sockets that it found.
    delete(&redis, "one").await;
    let command = second.command().await;
    assert_eq!(super::disconnect(&command).0, ["a"]);
    second.done(&command, &["a"]).await;
    here.stop().await;
    there.stop().await;
}

#[tokio::test]
async fn what_is_too_long_to_be_listed_ends_nobody_who_was_let_in() {
    let redis = Redis::start().await;
    redis.put(ANA_ID, ANA.as_bytes()).await;
    let address = |start: &str| format!("{start}{}", "0".repeat(300));
    for (policy, may) in [
        ("socket.remote_address.startsWith('10.')", false),
        ("!socket.remote_address.startsWith('6.')", true),
    ] {
        let service = start(&redis, &[("POLICY_ACCEPT", policy)]).await;
        let handshake = Handshake { remote_address: address("10."), ..with_cookie(&cookie(ANA_ID)) };
        let decision = authorize(&mut service.client().await, handshake).await;
        assert_eq!(decision.accepted, may, "{policy}");
        let mut chat = gateway(&service, "chat", Vec::new()).await;
        if decision.accepted {
            let listed = socket_of("a", ANA_ID, &json!({"id": 1, "name": "Ana"}));
            let listed = Socket { remote_address: address("10."), ..listed };
            let ack = chat.report(vec![opened(listed)], false).await.unwrap();
            assert_eq!(ack.rejected[0].field, "remote_address");
            are_asked(&service, 1).await;
            is_told_nothing(&mut chat, A_WHILE).await;
        }
        service.stop().await;
    }
}

#[tokio::test]
async fn a_socket_that_was_just_opened_ends_as_soon_as_any() {
    /// The aim of ends that are pushed.
    const QUICK: Duration = Duration::from_millis(250);
    let (redis, ledger) = (Redis::start().await, Redis::start().await);
    let url = ledger.url();
    let service = start(&redis, &[("REGISTRY_STORE", &url)]).await;
    let ana = json!({"id": 1});
    redis.put("before", &session_of(&ana)).await;
    let mut chat = gateway(&service, "chat", vec![socket_of("before", "before", &ana)]).await;
    are_asked(&service, 1).await;
    let mut took = Vec::new();
    for number in 0..5 {
        let session = number.to_string();
        redis.put(&session, &session_of(&ana)).await;
        chat.opens(vec![socket_of(&session, &session, &ana)]).await;
        delete(&redis, &session).await;
        took.push(ends(&mut chat, &[&session], 4500, "session_not_found").await);
    }
    // The machine may be busy, though not each time.
    assert!(took.iter().min().is_some_and(|least| *least < QUICK), "{took:?}");
    service.stop().await;
}
