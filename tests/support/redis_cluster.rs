//! A Redis Cluster of three nodes.

use redis::{Cmd, FromRedisValue, RedisResult, cmd};
use tokio::process::Command;

use super::{ports::lasting_port, redis::Redis, until};

pub struct RedisCluster {
    pub nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Three nodes that share the slots, with more arguments for each.
    pub async fn start(arguments: &[&str]) -> Self {
        Self::start_on([(); 3].map(|()| lasting_port()), arguments).await
    }

    pub async fn start_on(ports: [u16; 3], arguments: &[&str]) -> Self {
        let mut nodes = Vec::new();
        for port in ports {
            let bus = lasting_port().to_string();
            let arguments = [
                &[
                    "--cluster-enabled",
                    "yes",
                    "--cluster-config-file",
                    "nodes.conf",
                    "--cluster-node-timeout",
                    "1000",
                    "--cluster-port",
                    &bus,
                ],
                arguments,
            ]
            .concat();
            nodes.push(Redis::start_on(port, &arguments).await);
        }
        let this = Self { nodes };
        let created = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(this.addresses())
            .args(["--cluster-replicas", "0", "--cluster-yes"])
            .output()
            .await
            .unwrap();
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stdout));
        this.is_well().await;
        this
    }

    pub fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect()
    }

    pub fn url(&self) -> String {
        format!("redis+cluster://{}", self.addresses().join(","))
    }

    /// Waits until every node says so.
    pub async fn is_well(&self) {
        for node in &self.nodes {
            until("the cluster is well", || async {
                let state: String = ask(node, cmd("CLUSTER").arg("INFO")).await.unwrap();
                state.contains("cluster_state:ok") && state.contains("cluster_known_nodes:3")
            })
            .await;
        }
    }

    /// Stores under a key, and tells which node has it.
    pub async fn put(&self, key: &str, value: &[u8]) -> usize {
        for (number, node) in self.nodes.iter().enumerate() {
            match ask::<()>(node, cmd("SET").arg(key).arg(value)).await {
                Ok(()) => return number,
                Err(error) => assert_eq!(error.code(), Some("MOVED"), "{error}"),
            }
        }
        panic!("no node takes {key}");
    }
}

/// Asks one node, which may say that it is another's to answer.
pub async fn ask<T: FromRedisValue>(node: &Redis, command: &Cmd) -> RedisResult<T> {
    command.query_async(&mut node.connection().await).await
}
