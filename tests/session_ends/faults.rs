//! What must not end a socket.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;

use super::{
    are_asked, delete, ends, gateway, is_told_nothing, is_told_that_it_ended, session_of, socket_of, start,
};
use crate::support::{memcached::Memcached, proxy::Proxy, redis::Redis, service::Service};

#[tokio::test]
async fn a_store_that_is_away_ends_nothing_and_one_that_comes_back_is_read_twice() {
    let mut redis = Redis::start().await;
    let ana = json!({"id": 1});
    redis.put("one", &session_of(&ana)).await;
    redis.put("two", &session_of(&ana)).await;
    let service = start(&redis, &[("REVALIDATE_INTERVAL", "1s")]).await;
    let sockets = vec![socket_of("a", "one", &ana), socket_of("b", "two", &ana)];
    let mut chat = gateway(&service, "chat", sockets).await;
    are_asked(&service, 2).await;
    redis.kill().await;
    is_told_nothing(&mut chat, Duration::from_secs(2)).await;
    // Empty at first, as a server is that has not loaded yet.
    redis.restart().await;
    redis.put("one", &session_of(&ana)).await;
    let begun = Instant::now();
    let command = chat.command().await;
    assert_eq!(super::disconnect(&command).0, ["b"]);
    assert!(begun.elapsed() > Duration::from_millis(1_500), "{:?}", begun.elapsed());
    chat.done(&command, &["b"]).await;
    is_told_nothing(&mut chat, Duration::from_secs(3)).await;
    delete(&redis, "one").await;
    let command = chat.command().await;
    assert_eq!(super::disconnect(&command).0, ["a"]);
    service.stop().await;
}

#[tokio::test]
async fn a_store_of_another_kind_that_comes_back_is_read_twice_too() {
    /// What the `memcached` package marks JSON with.
    const JSON: u32 = 2;
    let mut memcached = Memcached::start().await;
    let ana = json!({"id": 1});
    memcached.set("one", JSON, &session_of(&ana)).await;
    memcached.set("two", JSON, &session_of(&ana)).await;
    let url = memcached.url();
    let service = Service::start(&[("SESSION_STORE", &url), ("REVALIDATE_INTERVAL", "1s")]).await;
    let sockets = vec![socket_of("a", "one", &ana), socket_of("b", "two", &ana)];
    let mut chat = gateway(&service, "chat", sockets).await;
    are_asked(&service, 2).await;
    memcached.kill().await;
    is_told_nothing(&mut chat, Duration::from_secs(2)).await;
    memcached.restart().await;
    memcached.set("one", JSON, &session_of(&ana)).await;
    let begun = Instant::now();
    is_told_that_it_ended(&mut chat, "b").await;
    assert!(begun.elapsed() > Duration::from_millis(1_500), "{:?}", begun.elapsed());
    is_told_nothing(&mut chat, Duration::from_secs(3)).await;
    service.stop().await;
}

#[tokio::test]
async fn connections_that_do_not_last_hold_up_an_end_so_long_and_no_longer() {
    /// Five reads that are 2 s apart, each of them up to a second late, and what a busy machine takes.
    const BOUND: Duration = Duration::from_secs(4 * 3 + 3);
    let redis = Redis::start().await;
    let proxy = Proxy::to(redis.port).await;
    let ana = json!({"id": 1});
    redis.put("one", &session_of(&ana)).await;
    redis.put("two", &session_of(&ana)).await;
    let url = proxy.url();
    let settings = [("SESSION_STORE", url.as_str()), ("REVALIDATE_INTERVAL", "1s")];
    let service = start(&redis, &settings).await;
    let sockets = vec![socket_of("a", "one", &ana), socket_of("b", "two", &ana)];
    let mut chat = gateway(&service, "chat", sockets).await;
    are_asked(&service, 2).await;
    let cut_again_and_again = async {
        loop {
            proxy.cut();
            proxy.mend();
            sleep(Duration::from_millis(900)).await;
        }
    };
    let log_out = async {
        delete(&redis, "one").await;
        let begun = Instant::now();
        is_told_that_it_ended(&mut chat, "a").await;
        begun.elapsed()
    };
    let took = tokio::select! {
        took = log_out => took,
        () = cut_again_and_again => unreachable!("it goes on"),
    };
    assert!(took < BOUND, "{took:?}");
    is_told_nothing(&mut chat, Duration::from_secs(3)).await;
    service.stop().await;
}

#[tokio::test]
async fn what_is_no_session_ends_nothing() {
    let redis = Redis::start().await;
    let ana = json!({"id": 1});
    redis.put("one", &session_of(&ana)).await;
    let service = start(&redis, &[]).await;
    let mut chat = gateway(&service, "chat", vec![socket_of("a", "one", &ana)]).await;
    are_asked(&service, 1).await;
    redis.put("one", b"{").await;
    is_told_nothing(&mut chat, Duration::from_millis(500)).await;
    redis.put("one", &session_of(&json!([1]))).await;
    is_told_nothing(&mut chat, Duration::from_millis(500)).await;
    delete(&redis, "one").await;
    ends(&mut chat, &["a"], 4500, "session_not_found").await;
    service.stop().await;
}
