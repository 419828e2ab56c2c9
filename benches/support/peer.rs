//! The servers that are measured, each in a process of its own.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpStream,
    process::{Child, ChildStderr, ChildStdout, Command},
};

pub const SECRET: &str = "keyboard cat";

#[allow(dead_code, reason = "not every benchmark shows all of it")]
pub struct Peer {
    pub name: &'static str,
    pub url: String,
    pub ready_after: Duration,
    process: Child,
    _output: Output,
}

/// Kept open, so that the process can go on writing.
enum Output {
    Stdout(#[allow(dead_code, reason = "held, not read")] BufReader<ChildStdout>),
    Stderr(#[allow(dead_code, reason = "held, not read")] BufReader<ChildStderr>),
}

impl Peer {
    /// socketpass as it is deployed, its settings the defaults but for these.
    pub async fn socketpass(settings: &[(&str, &str)]) -> Self {
        let started = Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_socketpass"));
        command.arg("serve").envs([
            ("SOCKETPASS_GRPC_ADDR", "127.0.0.1:0"),
            ("SOCKETPASS_HTTP_ADDR", "127.0.0.1:0"),
            ("SOCKETPASS_SESSION_SECRETS", SECRET),
        ]);
        command.envs(settings.iter().map(|(name, value)| (format!("SOCKETPASS_{name}"), value)));
        let mut process = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut output = BufReader::new(process.stderr.take().unwrap());
        let line: serde_json::Value = loop {
            let mut line = String::new();
            assert_ne!(output.read_line(&mut line).await.unwrap(), 0, "socketpass ended");
            if line.contains("\"serving\"") {
                break serde_json::from_str(&line).unwrap();
            }
        };
        let addr = |name: &str| line[name].as_str().unwrap().to_owned();
        while !is_ready(&addr("http_addr")).await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let ready_after = started.elapsed();
        let url = format!("http://{}", addr("grpc_addr"));
        Self { name: "socketpass", url, ready_after, process, _output: Output::Stderr(output) }
    }

    /// A server that says `listening on ADDRESS:PORT` on standard output.
    #[allow(dead_code, reason = "not every benchmark has another server to compare with")]
    pub async fn start(name: &'static str, command: &mut Command) -> Self {
        let started = Instant::now();
        let mut process = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).await.unwrap();
        let addr = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{name}: {line:?}"));
        Self {
            name,
            url: format!("http://{addr}"),
            ready_after: started.elapsed(),
            process,
            _output: Output::Stdout(output),
        }
    }

    /// User and system time of the process so far, from the kernel's clock ticks of 10 ms.
    pub fn cpu_time(&self) -> Duration {
        let stat = self.proc("stat");
        let after_name = stat.rsplit_once(')').unwrap().1;
        let ticks: u64 =
            after_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }

    pub fn resident_bytes(&self) -> f64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.process.id().unwrap())).unwrap()
    }
}

/// The directory of the Node peers, with what they need in it.
pub async fn node_directory() -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/node");
    if !directory.join("node_modules").exists() {
        let installed = Command::new("npm").args(["ci", "--silent"]).current_dir(&directory).status().await;
        assert!(installed.unwrap().success(), "npm ci in {}", directory.display());
    }
    directory
}

async fn is_ready(addr: &str) -> bool {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let Ok(mut stream) = TcpStream::connect(addr).await else { return false };
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.starts_with("HTTP/1.1 200")
}

pub struct Redis {
    pub url: String,
    _process: Child,
}

impl Redis {
    pub async fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("redis-server");
        command.args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--loglevel",
            "warning",
        ]);
        let process =
            command.stdout(Stdio::null()).kill_on_drop(true).spawn().expect("redis-server is installed");
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Self { url: format!("redis://127.0.0.1:{port}"), _process: process }
    }

    #[allow(dead_code, reason = "not every benchmark has something to store beforehand")]
    pub async fn put(&self, key: &str, value: &str) {
        let mut connection =
            redis::Client::open(self.url.as_str()).unwrap().get_multiplexed_async_connection().await.unwrap();
        let () = redis::cmd("SET").arg(key).arg(value).query_async(&mut connection).await.unwrap();
    }
}
