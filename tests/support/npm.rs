//! The packages of the examples that run on Node.

use std::path::{Path, PathBuf};

use tokio::{process::Command, sync::Mutex};

/// Where an example is, its packages installed by npm if they are not.
pub async fn installed(example: &str) -> PathBuf {
    /// Several tests may need the same one.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
    let _turn = ONE_AT_A_TIME.lock().await;
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example);
    if !directory.join("node_modules").exists() {
        let mut npm = Command::new("npm");
        // None of the packages needs a script of its own to be installed.
        npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(&directory);
        assert!(npm.status().await.unwrap().success(), "npm ci in {}", directory.display());
    }
    directory
}
