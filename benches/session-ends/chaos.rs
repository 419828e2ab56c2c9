//! What breaks, one thing after the other, until it is told to stop.

use std::time::Duration;

use redis::{aio::MultiplexedConnection, cmd};
use tokio::time::sleep;

use crate::{
    figures::seconds,
    fleet::{Fleet, REPLICAS},
    told::now,
};

/// What broke.
#[derive(Debug, Default)]
pub struct Broken {
    /// How many connections over which Redis pushes.
    pub pushes: usize,
    /// When replicas were killed.
    pub replicas: Vec<u64>,
    pub gateways: usize,
}

/// Cuts the connections over which Redis pushes; says how many there were.
pub async fn cut_pushes(redis: &mut MultiplexedConnection) -> usize {
    let clients: String = cmd("CLIENT").arg("LIST").query_async(redis).await.unwrap();
    let mut cut = 0;
    for client in clients.lines() {
        let field =
            |name: &str| client.split(' ').find_map(|field| field.strip_prefix(name)).unwrap_or_default();
        // Those that track keys, and subscribers.
        if field("flags=").contains(['t', 'P']) {
            let killed: i64 =
                cmd("CLIENT").arg(&["KILL", "ID", field("id=")]).query_async(redis).await.unwrap();
            cut += usize::try_from(killed).unwrap();
        }
    }
    cut
}

/// Breaks something now and then. One replica lives at any time, and so does the first gateway at all times.
pub async fn reign(
    fleet: &mut Fleet,
    redis: &mut MultiplexedConnection,
    is_over: impl Fn() -> bool,
) -> Broken {
    let mut broken = Broken::default();
    while !is_over() {
        pause(200..800).await;
        match rand::random_range(0..3) {
            0 => {
                told("push connections are cut");
                broken.pushes += cut_pushes(redis).await;
            }
            1 => {
                let replica = rand::random_range(0..REPLICAS);
                told(&format!("replica {replica} is killed"));
                fleet.end_replica(replica, "KILL").await;
                broken.replicas.push(now());
                pause(100..1_500).await;
                fleet.start_replica(replica).await;
                told(&format!("replica {replica} is back"));
            }
            _ => {
                broken.gateways += 1;
                let gateway = rand::random_range(1..fleet.gateways());
                told(&format!("gateway {gateway} is killed"));
                fleet.kill_gateway(gateway).await;
                pause(100..1_500).await;
                fleet.start_gateway(gateway).await;
                told(&format!("gateway {gateway} is back"));
            }
        }
    }
    broken
}

/// For whoever has to find out what went wrong.
fn told(what: &str) {
    eprintln!("{} {what}", seconds(now()));
}

async fn pause(milliseconds: std::ops::Range<u64>) {
    sleep(Duration::from_millis(rand::random_range(milliseconds))).await;
}
