//! Connections of one's own, beside the one that a store keeps.

use std::time::Duration;

use redis::{Cmd, Value, cmd};
use socketpass::{
    config::redis_url::RedisUrl,
    redis_connection::{Connection, Connector},
};

use crate::support::{
    PATIENCE, ports::lasting_port, redis::Redis, redis_cluster, redis_cluster::RedisCluster,
};

fn connector(url: &str) -> Connector {
    Connector::new(RedisUrl::parse(url).unwrap(), PATIENCE, PATIENCE)
}

/// Which of these servers a connection goes to, by their ports.
async fn port_of(connection: &mut Connection) -> String {
    let Value::Array(answer) = connection.ask(cmd("CONFIG").arg("GET").arg("port")).await.unwrap() else {
        panic!("CONFIG GET gives name and value");
    };
    redis::from_redis_value(answer[1].clone()).unwrap()
}

#[tokio::test]
async fn in_a_cluster_it_goes_to_the_node_that_has_the_key() {
    let cluster = RedisCluster::start(&[]).await;
    let one = cluster.addresses().pop().unwrap();
    let behind_a_dead_one = format!("redis+cluster://127.0.0.1:{},{one}", lasting_port());
    for url in [cluster.url(), behind_a_dead_one] {
        for number in 0..20 {
            let key = format!("{{{number}}}stream");
            let owner = &cluster.nodes[cluster.put(&key, b"").await];
            let mut connection = connector(&url).connect_to_owner(&key).await.unwrap();
            assert_eq!(port_of(&mut connection).await, owner.port.to_string(), "{key}");
        }
    }

    // Once the key has moved the connection says so, and the next one goes to its new node.
    let mut connection = connector(&cluster.url()).connect_to_owner("key").await.unwrap();
    let slot: u16 =
        redis_cluster::ask(&cluster.nodes[0], cmd("CLUSTER").arg("KEYSLOT").arg("key")).await.unwrap();
    let before = port_of(&mut connection).await;
    let to = cluster.nodes.iter().find(|node| node.port.to_string() != before).unwrap();
    let id: String = redis_cluster::ask(to, cmd("CLUSTER").arg("MYID")).await.unwrap();
    for node in &cluster.nodes {
        let mut command = cmd("CLUSTER");
        command.arg("SETSLOT").arg(slot).arg("NODE").arg(&id);
        let () = redis_cluster::ask(node, &command).await.unwrap();
    }
    let error = connection.ask(&Cmd::get("key")).await.unwrap_err();
    assert_eq!(error.code(), Some("MOVED"), "{error}");
    let mut connection = connector(&cluster.url()).connect_to_owner("key").await.unwrap();
    assert_eq!(port_of(&mut connection).await, to.port.to_string());
}

#[tokio::test]
async fn a_node_that_hangs_does_not_keep_it_from_the_others() {
    let cluster = RedisCluster::start(&["--cluster-require-full-coverage", "no"]).await;
    let owner = cluster.put("key", b"").await;
    let hanging = (owner + 1) % 3;
    cluster.nodes[hanging].process().signal("STOP");
    let mut nodes = cluster.addresses();
    nodes.swap(0, hanging);
    let connector = Connector::new(
        RedisUrl::parse(&format!("redis+cluster://{}", nodes.join(","))).unwrap(),
        Duration::from_secs(4),
        PATIENCE,
    );
    let mut connection = connector.connect_to_owner("key").await.unwrap();
    assert_eq!(port_of(&mut connection).await, cluster.nodes[owner].port.to_string());
}

#[tokio::test]
async fn without_a_cluster_it_goes_where_all_keys_are() {
    let redis = Redis::start().await;
    let mut connection = connector(&redis.url()).connect_to_owner("key").await.unwrap();
    assert_eq!(port_of(&mut connection).await, redis.port.to_string());

    let cause = connector(&format!("redis://127.0.0.1:{}", lasting_port())).connect_to_owner("key").await;
    assert!(cause.unwrap_err().contains("refused"));
}
