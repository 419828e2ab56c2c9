//! A gateway: a socket server of axum with the Rust client, as applications are.

use std::env;

use axum::{Router, extract::WebSocketUpgrade, response::Response, routing::any};
use socketpass_client::{Admission, SocketPass};
use tokio::net::TcpListener;

/// Of each socket. By default it is so much that the sockets of the benchmark would not fit into the machine.
const READ_BUFFER: usize = 1024;

/// Serves for as long as it is let live.
pub async fn serve() {
    let setting = |name| env::var(name).expect(name);
    let pass = SocketPass::builder()
        .address(setting("SOCKETPASS_ADDR"))
        .gateway_id(setting("GATEWAY_ID"))
        .connect()
        .await
        .unwrap();
    let router = Router::new().route("/", any(enter)).layer(pass.layer());
    let listener = TcpListener::bind(setting("LISTEN")).await.unwrap();
    println!("listening");
    axum::serve(listener, router).await.unwrap();
}

async fn enter(upgrade: WebSocketUpgrade, admission: Admission) -> Response {
    upgrade.read_buffer_size(READ_BUFFER).on_upgrade(|socket| async move {
        let mut socket = admission.track(socket);
        while let Some(Ok(_)) = socket.recv().await {}
    })
}
