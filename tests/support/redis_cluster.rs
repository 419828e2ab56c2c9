//! A Redis Cluster of three nodes.

use redis::{Cmd, FromRedisValue, RedisResult, cmd};
use tokio::process::Command;

use super::{ports::lasting_port, redis::Redis, store::connect, tls::Authority, until};

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
            nodes.push(start_node(port, arguments).await);
        }
        Self::create(nodes, &ports, &[]).await
    }

    /// The nodes speak TLS among each other, and with clients on the ports that it gives.
    pub async fn start_with_tls(authority: &Authority, hosts: &[&str]) -> (Self, [u16; 3]) {
        let ports = [(); 3].map(|()| lasting_port());
        let mut nodes = Vec::new();
        for port in ports {
            let arguments = authority.redis_arguments(port, hosts);
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            nodes.push(
                start_node(lasting_port(), &[&arguments[..], &["--tls-cluster", "yes"]].concat()).await,
            );
        }
        let authority = authority.file();
        let this = Self::create(nodes, &ports, &["--tls", "--cacert", authority.to_str().unwrap()]).await;
        (this, ports)
    }

    async fn create(nodes: Vec<Redis>, ports: &[u16], arguments: &[&str]) -> Self {
        let addresses = ports.iter().map(|port| format!("127.0.0.1:{port}"));
        let mut command = Command::new("redis-cli");
        command.args(arguments).args(["--cluster", "create"]).args(addresses);
        run(command.args(["--cluster-replicas", "0", "--cluster-yes"])).await;
        let this = Self { nodes };
        this.is_well().await;
        this
    }

    /// A fourth node, which follows one of the three.
    pub async fn add_replica_of(&self, number: usize) -> Redis {
        let replica = start_node(lasting_port(), &["--repl-diskless-sync-delay", "0"]).await;
        let primary: String = ask(&self.nodes[number], cmd("CLUSTER").arg("MYID")).await.unwrap();
        let mut command = Command::new("redis-cli");
        command.args(["--cluster", "add-node", &format!("127.0.0.1:{}", replica.port), &self.addresses()[0]]);
        run(command.args(["--cluster-slave", "--cluster-master-id", &primary])).await;
        until("the replica follows", || async {
            let state: String = ask(&replica, cmd("INFO").arg("replication")).await.unwrap();
            state.contains("master_link_status:up")
        })
        .await;
        replica
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
                let nodes: String = ask(node, cmd("CLUSTER").arg("NODES")).await.unwrap();
                state.contains("cluster_state:ok") && !nodes.contains("fail") && nodes.lines().count() == 3
            })
            .await;
        }
    }

    pub async fn kill(&mut self) {
        for node in &mut self.nodes {
            node.kill().await;
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

async fn start_node(port: u16, arguments: &[&str]) -> Redis {
    let bus = lasting_port().to_string();
    let cluster = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", "3000"];
    Redis::start_on(port, &[&cluster[..], arguments].concat()).await
}

async fn run(command: &mut Command) {
    let output = command.kill_on_drop(true).output().await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&text));
}

/// Asks one node, which may say that it is another's to answer.
pub async fn ask<T: FromRedisValue>(node: &Redis, command: &Cmd) -> RedisResult<T> {
    command.query_async(&mut connect(&node.url()).await?).await
}
