//! A Redis server of the test's own.

use std::path::Path;

use redis::aio::MultiplexedConnection;
use tempfile::TempDir;
use tokio::process::Command;

use super::{ports::lasting_port, process::Process, store::connect, until};

pub struct Redis {
    pub port: u16,
    process: Option<Process>,
    directory: TempDir,
    arguments: Vec<String>,
}

impl Redis {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts with more arguments than a test usually needs.
    pub async fn start_with(arguments: &[&str]) -> Self {
        Self::start_on(lasting_port(), arguments).await
    }

    pub async fn start_on(port: u16, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut redis = Self { port, process: None, directory: TempDir::new().unwrap(), arguments };
        redis.launch().await;
        redis
    }

    async fn launch(&mut self) {
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        command.args([
            "--port",
            &port,
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--loglevel",
            "warning",
        ]);
        command.args(&self.arguments).current_dir(self.directory.path());
        self.process = Some(Process::start(&mut command));
        let port = self.port;
        until("redis-server listens", || async move {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        })
        .await;
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("it runs")
    }

    pub async fn kill(&mut self) {
        self.process.take().expect("it runs").kill().await;
    }

    /// Starts again on the same port, empty.
    pub async fn restart(&mut self) {
        self.launch().await;
    }

    pub async fn connection(&self) -> MultiplexedConnection {
        connect(&self.url()).await.unwrap()
    }

    /// Stores a session under connect-redis' default prefix.
    pub async fn put(&self, id: &str, session: &[u8]) {
        let mut connection = self.connection().await;
        let () = redis::cmd("SET")
            .arg(format!("sess:{id}"))
            .arg(session)
            .query_async(&mut connection)
            .await
            .unwrap();
    }
}
