//! A memcached of the test's own.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::Command,
};

use super::{ports::lasting_port, process::Process, shared_server::is_root, until};

pub struct Memcached {
    pub port: u16,
    process: Option<Process>,
}

impl Memcached {
    pub async fn start() -> Self {
        let mut memcached = Self { port: lasting_port(), process: None };
        memcached.restart().await;
        memcached
    }

    /// Starts on the same port, empty.
    pub async fn restart(&mut self) {
        let port = self.port.to_string();
        let mut command = Command::new("memcached");
        command.args(["-l", "127.0.0.1", "-p", &port, "-U", "0", "-I", "4m"]);
        if is_root() {
            command.args(["-u", "root"]);
        }
        self.process = Some(Process::start(&mut command));
        let port = self.port;
        until("memcached listens", || async move { TcpStream::connect(("127.0.0.1", port)).await.is_ok() })
            .await;
    }

    pub async fn kill(&mut self) {
        self.process.take().expect("it runs").kill().await;
    }

    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("it runs")
    }

    pub fn url(&self) -> String {
        format!("memcache://127.0.0.1:{}", self.port)
    }

    /// Sends a command, and gives the first line of the answer.
    pub async fn tell(&self, command: &[u8]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.write_all(command).await.unwrap();
        let mut line = vec![];
        while !line.ends_with(b"\r\n") {
            line.push(stream.read_u8().await.unwrap());
        }
        String::from_utf8(line).unwrap().trim_end().to_owned()
    }

    pub async fn set(&self, key: &str, flags: u32, value: &[u8]) {
        let mut command = format!("set {key} {flags} 0 {}\r\n", value.len()).into_bytes();
        command.extend([value, b"\r\n"].concat());
        assert_eq!(self.tell(&command).await, "STORED");
    }
}
