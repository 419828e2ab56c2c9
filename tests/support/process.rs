//! Child processes that end with the test, and whose output is read line by line.

use std::{
    process::Stdio,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::{Child, Command},
    sync::watch,
};

use super::PATIENCE;

/// A child process. Dropped: killed.
pub struct Process {
    child: Child,
    output: Output,
}

/// Everything that a process has written, to both of its outputs.
#[derive(Clone)]
pub struct Output {
    lines: Arc<Mutex<Vec<String>>>,
    written: watch::Sender<usize>,
}

impl Process {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let output = Output { lines: Arc::default(), written: watch::Sender::new(0) };
        tokio::spawn(output.clone().read(child.stdout.take().unwrap()));
        tokio::spawn(output.clone().read(child.stderr.take().unwrap()));
        Self { child, output }
    }

    pub fn id(&self) -> u32 {
        self.child.id().expect("it still runs")
    }

    pub fn output(&self) -> &Output {
        &self.output
    }

    /// Sends a signal by its number's name: `TERM`, `STOP`.
    pub fn signal(&self, name: &str) {
        let sent =
            std::process::Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status();
        assert!(sent.unwrap().success(), "kill -{name}");
    }

    /// Waits for the end, and gives the exit code.
    pub async fn exit_code(&mut self) -> Option<i32> {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends").unwrap().code()
    }

    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

impl Output {
    async fn read(self, pipe: impl AsyncRead + Unpin) {
        let mut lines = BufReader::new(pipe).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            self.lines.lock().unwrap().push(line);
            self.written.send_modify(|count| *count += 1);
        }
    }

    pub fn text(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    /// The first line that contains the text, when it has come.
    pub async fn line(&self, text: &str) -> String {
        let find = || self.lines.lock().unwrap().iter().find(|line| line.contains(text)).cloned();
        let mut written = self.written.subscribe();
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                written.borrow_and_update();
                match find() {
                    Some(line) => return line,
                    None => written.changed().await.unwrap(),
                }
            }
        });
        waited.await.unwrap_or_else(|_| panic!("no line with {text:?} in:\n{}", self.text()))
    }
}
