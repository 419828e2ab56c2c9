//! What the store's user has to be allowed, as docs/redis.md says it.

use serde_json::json;

use super::{are_asked, delete, ends, gateway, is_told_that_it_ended, session_of, socket_of, start};
use crate::support::{
    gateway::{Gateway, hello},
    redis::Redis,
    service::ServiceProcess,
    until,
};

#[tokio::test]
async fn these_are_enough_to_hear_of_ends() {
    let means: [(&[&str], &[&str]); 2] = [
        (&[], &["+client|tracking"]),
        (&["--notify-keyspace-events", "Kg$xe"], &["+psubscribe", "+config|get", "&__keyspace@0__:sess:*"]),
    ];
    for (server, rights) in means {
        let redis = Redis::start_with(server).await;
        let mut user = redis::cmd("ACL");
        user.arg(&["SETUSER", "reader", "on", ">x", "resetchannels", "~sess:*", "+getrange", "+pttl"]);
        let _: () = user.arg(rights).query_async(&mut redis.connection().await).await.unwrap();
        let ana = json!({"id": 1});
        redis.put("one", &session_of(&ana)).await;
        let url = format!("redis://reader:x@127.0.0.1:{}", redis.port);
        let service = start(&redis, &[("SESSION_STORE", &url)]).await;
        let mut chat = gateway(&service, "chat", vec![socket_of("a", "one", &ana)]).await;
        are_asked(&service, 1).await;
        delete(&redis, "one").await;
        ends(&mut chat, &["a"], 4500, "session_not_found").await;
        service.stop().await;
    }
}

#[tokio::test]
async fn who_may_not_ask_when_a_session_ends_is_told_so_once_and_asks_no_more() {
    let redis = Redis::start().await;
    let mut admin = redis.connection().await;
    let mut user = redis::cmd("ACL");
    user.arg(&["SETUSER", "reader", "on", ">x", "~sess:*", "+getrange", "+ping", "+client|tracking"]);
    let _: () = user.query_async(&mut admin).await.unwrap();
    let ana = json!({"id": 1});
    redis.put("one", &session_of(&ana)).await;
    let url = format!("redis://reader:x@127.0.0.1:{}", redis.port);
    let settings = [("SESSION_STORE", url.as_str()), ("REVALIDATE_INTERVAL", "1s")];
    let service = ServiceProcess::start(&settings).await;
    let mut chat =
        Gateway::list(&service.grpc, hello("chat", "one"), vec![socket_of("a", "one", &ana)]).await;
    for (connections, questions) in [(1, 4), (2, 8)] {
        until("it is asked for often", || async { count(&redis, "getrange", "calls").await >= questions })
            .await;
        assert_eq!(count(&redis, "pttl", "rejected_calls").await, connections);
        let _: () =
            redis::cmd("CLIENT").arg(&["KILL", "USER", "reader"]).query_async(&mut admin).await.unwrap();
    }
    assert_eq!(service.process.output().text().matches("`+pttl`").count(), 1);
    delete(&redis, "one").await;
    is_told_that_it_ended(&mut chat, "a").await;
}

/// What Redis has counted of a command.
async fn count(redis: &Redis, command: &str, what: &str) -> u64 {
    let mut stats = redis::cmd("INFO");
    stats.arg("commandstats");
    let stats: String = stats.query_async(&mut redis.connection().await).await.unwrap();
    let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:")));
    let figures = line.unwrap_or_default().split(',').filter_map(|figure| figure.split_once('='));
    figures.filter(|(name, _)| *name == what).find_map(|(_, figure)| figure.parse().ok()).unwrap_or(0)
}
