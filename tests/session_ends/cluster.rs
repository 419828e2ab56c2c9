//! Sessions in a cluster, whose primaries each tell of their own.

use std::time::{Duration, Instant};

use redis::cmd;
use serde_json::json;
use socketpass::registry::change::Shard;
use tokio::time::{sleep, timeout};

use super::{
    SOON, are_asked, delete, gateway, is_told_nothing, is_told_that_it_ended, session_of, socket_of, start,
};
use crate::support::{
    callers::Caller,
    http,
    redis::Redis,
    redis_cluster::{RedisCluster, ask},
    service::Service,
    store::connect,
    until,
};

const FAILED: usize = 0;

#[tokio::test]
async fn a_replica_that_takes_over_tells_too_also_where_the_url_knows_its_primary_alone() {
    let mut cluster = RedisCluster::start(&[]).await;
    let replica = cluster.add_replica_of(FAILED).await;
    let ana = json!({"id": 1});
    let mut there = Vec::new();
    for number in 0.. {
        let session = format!("{number}");
        if cluster.put(&format!("sess:{session}"), &session_of(&ana)).await == FAILED {
            there.push(session);
        }
        if there.len() == 2 {
            break;
        }
    }
    let size = async |node: &Redis| ask::<u32>(node, &cmd("DBSIZE")).await.unwrap();
    until("the replica has all", || async { size(&replica).await == size(&cluster.nodes[FAILED]).await })
        .await;
    let url = format!("redis+cluster://127.0.0.1:{}", cluster.nodes[FAILED].port);
    let service = Service::start(&[("SESSION_STORE", &url), ("REVALIDATE_INTERVAL", "1h")]).await;
    let sockets = vec![socket_of("a", &there[0], &ana), socket_of("b", &there[1], &ana)];
    let mut chat = gateway(&service, "chat", sockets).await;
    are_asked(&service, 2).await;
    until("it tells", || is_listened_to(&cluster.nodes[FAILED])).await;
    no_connection_is_made_to(&cluster.nodes[FAILED]).await;
    cluster.nodes[FAILED].kill().await;
    cluster.take_for_dead(FAILED).await;
    until("the replica tells", || is_listened_to(&replica)).await;
    let begun = Instant::now();
    let _: () = ask(&replica, cmd("DEL").arg(format!("sess:{}", there[0]))).await.unwrap();
    is_told_that_it_ended(&mut chat, "a").await;
    // Another primary is not believed the first time.
    let took = begun.elapsed();
    assert!((Duration::from_millis(1_500)..Duration::from_secs(6)).contains(&took), "{took:?}");
    is_told_nothing(&mut chat, Duration::from_secs(3)).await;
    service.stop().await;
}

#[tokio::test]
async fn sockets_are_watched_over_while_a_node_of_the_registry_is_away() {
    const AWAY: usize = 1;
    let redis = Redis::start().await;
    let mut cluster = RedisCluster::start(&["--cluster-require-full-coverage", "no"]).await;
    let mut there = String::new();
    for number in 0.. {
        there = format!("chat-{number}");
        let shard = Shard::of(&there).number();
        if cluster.put(&format!("{{socketpass:{shard}}}:"), b"").await != AWAY {
            break;
        }
    }
    let ana = json!({"id": 1});
    for session in ["before", "after", "at once"] {
        redis.put(session, &session_of(&ana)).await;
    }
    let url = cluster.url();
    let service = start(&redis, &[("REGISTRY_STORE", &url), ("REVALIDATE_INTERVAL", "1h")]).await;
    // A replica that finds sockets when it reads the registry first believes no absence at once.
    Caller::of(&service.grpc).await.watch("true").await.told().await;
    let mut chat = gateway(&service, &there, vec![socket_of("a", "before", &ana)]).await;
    are_asked(&service, 1).await;
    cluster.nodes[AWAY].kill().await;
    until("what the node has is old", || async {
        let metrics = http::get(&service.http, "/metrics").await.body;
        let age = metrics.lines().find_map(|line| line.strip_prefix("socketpass_registry_age_seconds "));
        age.is_some_and(|age| age.parse::<f64>().unwrap() > 1.0)
    })
    .await;
    chat.opens(vec![socket_of("b", "after", &ana)]).await;
    are_asked(&service, 2).await;
    chat.opens(vec![socket_of("c", "at once", &ana)]).await;
    for (session, socket) in [("before", "a"), ("after", "b"), ("at once", "c")] {
        delete(&redis, session).await;
        timeout(SOON, is_told_that_it_ended(&mut chat, socket)).await.expect("told soon");
    }
    service.stop().await;
}

async fn is_listened_to(node: &Redis) -> bool {
    let clients: String = ask(node, cmd("INFO").arg("clients")).await.unwrap();
    clients.contains("tracking_clients:1")
}

/// For a while, though the cluster is asked for its primaries.
async fn no_connection_is_made_to(node: &Redis) {
    let mut connection = connect(&node.url()).await.unwrap();
    let mut made = async || {
        let stats: String = cmd("INFO").arg("stats").query_async(&mut connection).await.unwrap();
        stats.lines().find(|line| line.starts_with("total_connections_received")).unwrap().to_owned()
    };
    let before = made().await;
    sleep(Duration::from_secs(3)).await;
    assert_eq!(made().await, before);
}
