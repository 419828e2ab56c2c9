//! The examples of `UserSourceService`, as they stand, asked by the service.

use std::path::{Path, PathBuf};

use serde_json::json;
use tokio::process::Command;

use super::Asked;
use crate::support::{npm, process::Process, until};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

async fn says_who_people_are(mut example: Command) {
    const AUTHORIZATION: &str = "Bearer of-the-example";
    example.env("PORT", "0").env("AUTHORIZATION", AUTHORIZATION);
    let mut process = Process::start(&mut example);
    let line = process.output().line("listening on ").await;
    let url = format!("grpc://{}", line.trim().strip_prefix("listening on ").unwrap());
    let asked = Asked::of(&url, &[("USER_AUTHORIZATION", AUTHORIZATION)], &json!(1)).await;
    let ana = json!({"id": 1, "name": "Ana", "role": "admin", "teams": ["payments"], "logged_in": true});
    assert_eq!(asked.user().await, ana);
    asked.log_in(&json!({"id": "2"})).await;
    assert_eq!(asked.user().await["name"], "José");
    asked.log_in(&json!("somebody who was removed")).await;
    assert_eq!(asked.reason().await, "USER_NOT_FOUND");
    let asked = Asked::of(&url, &[("USER_AUTHORIZATION", "Bearer of-somebody-else")], &json!(1)).await;
    assert_eq!(asked.reason().await, "USER_SOURCE_FAILED");
    until("explain says what to look into", || async { asked.step().await.2.contains("user.authorization") })
        .await;
    asked.service.stop().await;
    process.signal("TERM");
    assert_eq!(process.exit_code().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_node() {
    let mut node = Command::new("node");
    node.arg("server.js").current_dir(npm::installed("user-source-node").await);
    says_who_people_are(node).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it needs Python with venv: make examples"]
async fn in_python() {
    let mut python = Command::new(folder("target/examples/python/bin/python"));
    python.arg("server.py").current_dir(folder("examples/user-source-python"));
    says_who_people_are(python).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it needs Go: make examples"]
async fn in_go() {
    says_who_people_are(Command::new(folder("target/examples/user-source-go"))).await;
}
