//! passport.socketio's side: one Node process that holds the sockets.

use std::process::Stdio;

use hdrhistogram::Histogram;
use serde_json::{Value, json};
use socketpass::{
    cli::bench::gateways::FleetOptions,
    grpc::{convert, pb::Socket},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, BufWriter, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::{PAGE, PART, TEAM, peer};

pub struct Figures {
    /// Nanoseconds an answer took, within the process.
    pub page: Histogram<u64>,
    pub count: Histogram<u64>,
    pub contains: Histogram<u64>,
    pub bytes_a_socket: f64,
    pub matched: u64,
    pub matched_unindexed: u64,
}

struct Node {
    input: BufWriter<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Node {
    async fn start() -> Self {
        let mut command = Command::new("node");
        // A million sockets do not fit into the heap that Node takes by itself.
        command.args(["--expose-gc", "--max-old-space-size=8192", "filter.js"]);
        command.current_dir(peer::node_directory().await).env("NODE_ENV", "production");
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        Self {
            input: BufWriter::new(process.stdin.take().unwrap()),
            output: BufReader::new(process.stdout.take().unwrap()).lines(),
            _process: process,
        }
    }

    async fn say(&mut self, message: &Value) {
        self.input.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    /// The answer, and how many nanoseconds it took.
    async fn ask(&mut self, question: Value) -> (u64, u64) {
        self.say(&question).await;
        self.input.flush().await.unwrap();
        let line = self.output.next_line().await.unwrap().expect("Node lives");
        let answer: Value = serde_json::from_str(&line).unwrap();
        (answer["answer"].as_u64().unwrap(), answer["nanoseconds"].as_u64().unwrap())
    }

    /// Asked as often as makes a second or two.
    async fn times(&mut self, question: Value, often: u32) -> (u64, Histogram<u64>) {
        let mut times = Histogram::new(3).unwrap();
        // The first are for the compiler.
        for _ in 0..3 {
            self.ask(question.clone()).await;
        }
        let mut last = 0;
        for _ in 0..often {
            let (answer, nanoseconds) = self.ask(question.clone()).await;
            times.record(nanoseconds).unwrap();
            last = answer;
        }
        (last, times)
    }
}

pub async fn measure(fleet: &FleetOptions) -> Figures {
    let mut node = Node::start().await;
    let (empty, _) = node.ask(json!({"ask": "memory"})).await;
    for socket in fleet.listing() {
        node.say(&as_json(&socket)).await;
    }
    let (full, _) = node.ask(json!({"ask": "memory"})).await;
    let often = (10_000_000 / fleet.sockets).clamp(10, 200);
    let (_, page) = node.times(json!({"ask": "page", "team": TEAM, "limit": PAGE}), often).await;
    let (matched, count) = node.times(json!({"ask": "count", "team": TEAM}), often).await;
    let (matched_unindexed, contains) = node.times(json!({"ask": "contains", "part": PART}), often).await;
    let bytes_a_socket = (full as f64 - empty as f64) / f64::from(fleet.sockets);
    Figures { page, count, contains, bytes_a_socket, matched, matched_unindexed }
}

fn as_json(socket: &Socket) -> Value {
    json!({
        "socket_id": socket.socket_id,
        "namespace": socket.namespace,
        "session_id": socket.session_id,
        "remote_address": socket.remote_address,
        "origin": socket.origin,
        "connected_at": socket.connected_at.as_ref().map(ToString::to_string),
        "user": socket.user.as_ref().map(convert::json_object),
    })
}
