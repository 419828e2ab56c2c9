//! Authorize beside two others in one run: a bare tonic service that only does the same Redis read, and the same method
//! as a Node service on passport.socketio. `docs/benchmarks.md` has the figures and says how to read them.
//!
//! `cargo bench --bench authorize`, with `-- --seconds 10 --rounds 5` for longer ones.
#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement that fails says where"
)]

mod bare;
#[path = "../support/peer.rs"]
mod peer;

use std::{sync::Arc, time::Duration};

use socketpass::{
    authorize::signature::Keys,
    cli::bench::load::{self, Load, Measured, Progress},
    grpc::pb::{AuthorizeRequest, Handshake},
};

use tokio::process::Command;

use self::peer::{Peer, Redis, SECRET, node_directory};

/// The same as the service's, so that the bare one has no worse.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const SESSION_ID: &str = "Zk3q9vWmT1n8yLxR4sPb7uCdEfGhJkMa";
/// A session as a small Express app writes it, with a user of six fields.
const SESSION: &str = r#"{"cookie":{"originalMaxAge":86400000,"expires":"2099-12-31T23:59:59.000Z","httpOnly":true,"path":"/","sameSite":"lax"},"flash":{},"passport":{"user":{"id":4711,"name":"Ana Kowalska","email":"ana@app.example","role":"admin","team":"payments","gender":"female"}}}"#;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(position) = arguments.iter().position(|argument| argument == "--bare") {
        return bare::serve(arguments.get(position + 1).expect("a Redis URL")).await;
    }
    let number = |name: &str, default: u64| {
        let position = arguments.iter().position(|argument| argument == name);
        position.map_or(default, |position| {
            arguments.get(position + 1).and_then(|text| text.parse().ok()).expect(name)
        })
    };
    let (seconds, rounds) = (number("--seconds", 4), number("--rounds", 3));

    let redis = Redis::start().await;
    redis.put(&format!("sess:{SESSION_ID}"), SESSION).await;
    let peers = [
        bare(&redis.url).await,
        Peer::socketpass(&[("SESSION_STORE", &redis.url)]).await,
        node(&redis.url).await,
    ];
    println!(
        "idle memory of socketpass {:.1} MB, ready {:?} after its start",
        peers[1].resident_bytes() / 1e6,
        peers[1].ready_after
    );

    let mut figures: [Vec<Figures>; 3] = Default::default();
    for _ in 0..rounds {
        for (peer, figures) in peers.iter().zip(&mut figures) {
            figures.push(measure(peer, Duration::from_secs(seconds)).await);
        }
    }
    println!("\n{rounds} rounds of {seconds} s each, in turn, 4 connections, 256 calls at a time; medians\n");
    println!("| | answers/s | server CPU an answer | p50 | p99 |");
    println!("|---|---|---|---|---|");
    let medians = figures.map(|figures| Figures::median(&figures));
    for (peer, figures) in peers.iter().zip(&medians) {
        let Figures { throughput, cpu_microseconds, p50_milliseconds, p99_milliseconds } = figures;
        println!(
            "| {} | {throughput:.0} | {cpu_microseconds:.1} us | {p50_milliseconds:.2} ms | {p99_milliseconds:.2} ms |",
            peer.name
        );
    }
    let [bare, socketpass, node] = medians;
    println!(
        "\nserver CPU: {:.2} x of bare tonic (aim: at most 1.25)",
        socketpass.cpu_microseconds / bare.cpu_microseconds
    );
    println!(
        "throughput: {:.2} x of bare tonic (aim: at least 0.85)",
        socketpass.throughput / bare.throughput
    );
    println!(
        "throughput: {:.1} x of the Node service (aim: at least 5)",
        socketpass.throughput / node.throughput
    );
}

async fn bare(redis: &str) -> Peer {
    let mut command = Command::new(std::env::current_exe().unwrap());
    Peer::start("bare tonic + one GET", command.args(["--bare", redis])).await
}

async fn node(redis: &str) -> Peer {
    let mut command = Command::new("node");
    command.arg("server.js").current_dir(node_directory().await);
    command.envs([
        ("PORT", "0"),
        ("REDIS_URL", redis),
        ("SESSION_SECRET", SECRET),
        ("NODE_ENV", "production"),
    ]);
    Peer::start("Node: grpc-js, passport.socketio", &mut command).await
}

struct Figures {
    throughput: f64,
    cpu_microseconds: f64,
    p50_milliseconds: f64,
    p99_milliseconds: f64,
}

impl Figures {
    fn median(all: &[Self]) -> Self {
        let median = |figure: fn(&Self) -> f64| {
            let mut figures: Vec<f64> = all.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
        };
        Self {
            throughput: median(|figures| figures.throughput),
            cpu_microseconds: median(|figures| figures.cpu_microseconds),
            p50_milliseconds: median(|figures| figures.p50_milliseconds),
            p99_milliseconds: median(|figures| figures.p99_milliseconds),
        }
    }
}

async fn measure(peer: &Peer, duration: Duration) -> Figures {
    // Warmed up apart, so that the CPU time is that of the answers that are counted.
    ask(peer, Duration::from_secs(1)).await;
    let before = peer.cpu_time();
    let measured = ask(peer, duration).await;
    let cpu = peer.cpu_time() - before;
    let milliseconds = |quantile| measured.latency.value_at_quantile(quantile) as f64 / 1e3;
    Figures {
        throughput: measured.throughput(),
        cpu_microseconds: cpu.as_secs_f64() * 1e6 / measured.latency.len() as f64,
        p50_milliseconds: milliseconds(0.5),
        p99_milliseconds: milliseconds(0.99),
    }
}

async fn ask(peer: &Peer, duration: Duration) -> Measured {
    let load = Load {
        url: peer.url.clone(),
        connections: 4,
        concurrency: 256,
        warmup: Duration::ZERO,
        duration,
        authorization: None,
        request: request(),
    };
    let measured = load::run(&load, Arc::new(Progress::default())).await.unwrap();
    let authorized = measured.reasons.get("AUTHORIZED").copied().unwrap_or(0);
    assert_eq!(
        authorized,
        measured.latency.len(),
        "{}: {:?} {:?}",
        peer.name,
        measured.reasons,
        measured.errors
    );
    assert!(measured.errors.is_empty(), "{}: {:?}", peer.name, measured.errors);
    measured
}

/// A handshake with the headers that a browser sends.
fn request() -> AuthorizeRequest {
    let signed = Keys::new(&[SECRET.into()]).unwrap().sign(SESSION_ID).unwrap();
    let cookie = format!(
        "_ga=GA1.2.1234567890.1700000000; theme=dark; connect.sid=s%3A{}",
        signed.replace('+', "%2B").replace('/', "%2F")
    );
    let headers = [
        ("host", "app.example"),
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("origin", "https://app.example"),
        (
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36",
        ),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("accept-language", "en-US,en;q=0.9"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("cookie", cookie.as_str()),
    ];
    let handshake = Handshake {
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        url: "/socket.io/?EIO=4&transport=websocket".to_owned(),
        remote_address: "203.0.113.7:51234".to_owned(),
        namespace: "/".to_owned(),
        ..Handshake::default()
    };
    AuthorizeRequest { handshake: Some(handshake), gateway_id: "gateway-1".to_owned() }
}
