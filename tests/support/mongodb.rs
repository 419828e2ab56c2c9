//! FerretDB in MongoDB's place, which Debian does not have: built once, a server for each test.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::{net::TcpStream, process::Command, sync::Mutex};

use super::{ports::lasting_port, process::Process, until};

pub struct MongoDb {
    pub port: u16,
    _folder: TempDir,
    _process: Process,
}

impl MongoDb {
    pub async fn start() -> Self {
        let program = built().await;
        let (port, folder) = (lasting_port(), TempDir::new().unwrap());
        let mut command = Command::new(program);
        command.arg(format!("127.0.0.1:{port}")).arg(folder.path());
        let process = Process::start(&mut command);
        until("FerretDB listens", || async move { TcpStream::connect(("127.0.0.1", port)).await.is_ok() })
            .await;
        Self { port, _folder: folder, _process: process }
    }

    pub fn url(&self) -> String {
        format!("mongodb://127.0.0.1:{}/app", self.port)
    }
}

async fn built() -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
    let _turn = ONE_AT_A_TIME.lock().await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = root.join("target/tools/bin/ferretdb");
    if !program.exists() {
        let mut build = Command::new("go");
        build
            .args(["build", "-o"])
            .arg(&program)
            .arg(".")
            .current_dir(root.join("tests/session_stores/mongodb"));
        let built =
            build.status().await.expect("Go 1.24 or newer is needed to build FerretDB: https://go.dev/dl");
        assert!(built.success(), "go build of FerretDB");
    }
    program
}
