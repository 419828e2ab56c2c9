//! The README's example runs as it is written.

use std::{env, fs, path::PathBuf, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

use crate::support::{browser::Browser, peer::Peer, soon};

/// The fenced block of Rust that has a `main`.
fn example() -> String {
    let readme = fs::read_to_string("README.md").unwrap();
    let blocks = readme.split("```rust").skip(1).map(|block| block.split_once('\n').unwrap().1);
    let whole =
        blocks.map(|block| block.split("```").next().unwrap()).find(|block| block.contains("async fn main"));
    whole.expect("an example").to_owned()
}

#[test]
fn the_example_is_the_one_that_is_compiled() {
    assert_eq!(example(), fs::read_to_string("examples/chat.rs").unwrap());
}

#[tokio::test]
async fn the_example_serves_and_ends() {
    let peer = Peer::start().await;
    let program: PathBuf =
        env::current_exe().unwrap().parent().unwrap().with_file_name("examples").join("chat");
    let mut chat = Command::new(program)
        .env("SOCKETPASS_ADDR", peer.address.to_string())
        .env("LISTEN", "127.0.0.1:0")
        .env("POD_NAME", "chat-1")
        .env("NO_COLOR", "1")
        // Where others in the same build take the filter from the environment.
        .env("RUST_LOG", "info")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut said = BufReader::new(chat.stdout.take().unwrap()).lines();
    let server = loop {
        let line = soon("it listens", said.next_line()).await.unwrap().unwrap();
        if let Some((_, address)) = line.split_once("listening on ") {
            break address.parse().unwrap();
        }
    };
    let mut stream = peer.welcomed(0).await;
    assert_eq!(stream.hello.gateway_id, "chat-1");
    let mut browser = Browser::connect(server, "/chat").await.unwrap();
    browser.say("hello").await;
    assert_eq!(browser.hears().await, "Ada: hello");
    assert_eq!(stream.opened().await.namespace, "/chat");

    let terminate = Command::new("kill").arg(chat.id().unwrap().to_string()).status();
    assert!(terminate.await.unwrap().success());
    assert_eq!(browser.closed().await, (4001, "gateway_draining".into()));
    drop(stream);
    drop(browser);
    assert!(soon("it ends", chat.wait()).await.unwrap().success());
}
