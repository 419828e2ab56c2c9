//! The packages of the examples and of the tests' own apps that run on Node.

use std::path::{Path, PathBuf};

use tokio::{process::Command, sync::Mutex};

/// Where an example is, its packages installed by npm if they are not.
pub async fn installed(example: &str) -> PathBuf {
    installed_in(&format!("examples/{example}"), &[]).await
}

/// A folder, its packages installed by npm if they are not; none needs a script of its own to be installed but those that
/// are named, which have parts in C.
pub async fn installed_in(folder: &str, built: &[&str]) -> PathBuf {
    /// Several tests may need the same one.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
    let _turn = ONE_AT_A_TIME.lock().await;
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    // What was begun and not ended is begun again.
    let ready = directory.join("node_modules/.ready");
    if !ready.exists() {
        npm(&directory, &["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).await;
        for package in built {
            // Node's own headers are beside it, where they were installed with it; else npm looks for them.
            let headers = if Path::new("/usr/include/node/node.h").exists() {
                "--nodedir=/usr"
            } else {
                "--foreground-scripts"
            };
            npm(&directory, &["rebuild", package, headers]).await;
        }
        std::fs::write(ready, "").unwrap();
    }
    directory
}

async fn npm(directory: &Path, arguments: &[&str]) {
    let done = Command::new("npm").args(arguments).current_dir(directory).status().await.unwrap();
    assert!(done.success(), "npm {arguments:?} in {}", directory.display());
}
