//! The packages of what runs on Node.

use std::path::{Path, PathBuf};

use tokio::{process::Command, sync::Mutex};

/// Where an example is, its packages installed.
pub async fn installed(example: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example);
    install(&directory).await;
    directory
}

/// Installs the packages of a folder by npm if they are not.
pub async fn install(directory: &Path) {
    /// Several tests may need the same one.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
    let _turn = ONE_AT_A_TIME.lock().await;
    if !directory.join("node_modules").exists() {
        let mut npm = Command::new("npm");
        // None of the packages needs a script of its own to be installed.
        npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(directory);
        assert!(npm.status().await.unwrap().success(), "npm ci in {}", directory.display());
    }
}
