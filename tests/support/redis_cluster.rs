//! A Redis Cluster of three nodes.

use std::time::Duration;

use redis::{Cmd, FromRedisValue, RedisResult, cmd};
use tokio::process::Command;

use super::{PATIENCE, ports::lasting_port, redis::Redis, store::connect, tls::Authority, until};

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
        // They vote for one that they know.
        for node in &self.nodes {
            until("the replica is known", || async {
                let nodes: String = ask(node, cmd("CLUSTER").arg("NODES")).await.unwrap();
                nodes
                    .lines()
                    .any(|line| line.contains(&format!(":{}@", replica.port)) && line.contains(&primary))
            })
            .await;
        }
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

    /// Waits until the others take a node for dead that is, or that hangs.
    ///
    /// Nodes that are quick to do so take those of a busy machine for dead when no test asks for it: they are quick only until
    /// they have.
    pub async fn take_for_dead(&self, number: usize) {
        let others = || self.nodes.iter().enumerate().filter(move |(other, _)| *other != number);
        let address = format!(":{}@", self.nodes[number].port);
        take_for_dead_after(others(), Duration::from_secs(1)).await;
        for (_, node) in others() {
            until("the node is taken for dead", || async {
                let nodes: String = ask(node, cmd("CLUSTER").arg("NODES")).await.unwrap();
                let flags = nodes.lines().find(|line| line.contains(&address)).unwrap().split(' ').nth(2);
                flags.unwrap().split(',').any(|flag| flag == "fail")
            })
            .await;
        }
        take_for_dead_after(others(), PATIENCE).await;
    }

    /// Starts a node again that was taken for dead, and waits until it is not any more.
    pub async fn restart(&mut self, number: usize) {
        self.nodes[number].restart().await;
        // The others take it back when twice the time has passed.
        take_for_dead_after(self.nodes.iter().enumerate(), Duration::from_secs(1)).await;
        self.is_well().await;
        take_for_dead_after(self.nodes.iter().enumerate(), PATIENCE).await;
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

async fn take_for_dead_after(nodes: impl Iterator<Item = (usize, &Redis)>, silence: Duration) {
    let silence = silence.as_millis().to_string();
    for (_, node) in nodes {
        let () = ask(node, cmd("CONFIG").arg(&["SET", "cluster-node-timeout", &silence])).await.unwrap();
    }
}

async fn start_node(port: u16, arguments: &[&str]) -> Redis {
    let bus = lasting_port().to_string();
    let silence = PATIENCE.as_millis().to_string();
    let cluster = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", &silence];
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
