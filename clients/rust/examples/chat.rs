//! A chat that says everything back with the sender's name.

use std::{env, error::Error, process::ExitCode};

use axum::{
    Router,
    extract::{WebSocketUpgrade, ws::Message},
    response::Response,
    routing::any,
};
use serde::Deserialize;
use socketpass_client::{Admission, SocketPass};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

#[derive(Deserialize)]
struct Member {
    name: String,
}

/// Called for those alone whom socketpass lets in.
async fn chat(upgrade: WebSocketUpgrade, admission: Admission) -> Response {
    upgrade.on_upgrade(|socket| async move {
        let mut socket = admission.track(socket);
        while let Some(Ok(Message::Text(text))) = socket.recv().await {
            let name = socket.user().parse::<Member>().map_or("somebody".into(), |member| member.name);
            if socket.send(Message::text(format!("{name}: {text}"))).await.is_err() {
                break;
            }
        }
    })
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt::init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);

    let address = env::var("SOCKETPASS_ADDR").unwrap_or("127.0.0.1:50051".into());
    let mut builder = SocketPass::builder().address(address);
    if let Ok(name) = env::var("POD_NAME") {
        builder = builder.gateway_id(name);
    }
    if let Ok(token) = env::var("SOCKETPASS_TOKEN") {
        builder = builder.token(token);
    }
    let pass = builder.connect().await?;

    let router = Router::new().route("/chat", any(chat)).layer(pass.layer());
    let listener = TcpListener::bind(env::var("LISTEN").unwrap_or("127.0.0.1:3000".into())).await?;
    tracing::info!("listening on {}", listener.local_addr()?);
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            pass.close().await;
        })
        .await?;
    Ok(())
}
