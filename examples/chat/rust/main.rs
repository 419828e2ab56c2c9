//! The Rust room: WebSockets of axum.

use std::{env, error::Error};

use axum::{
    Router,
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    response::Response,
    routing::any,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use socketpass_client::{Admission, SocketPass, User};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tonic::Status;

const ROOM: &str = "rust";

/// What the page says. What it hears looks the same.
#[derive(Deserialize)]
struct Heard {
    event: String,
    args: [String; 1],
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt::init();
    let mut terminate = signal(SignalKind::terminate())?;

    let setting = |name, default: &str| env::var(name).unwrap_or(default.into());
    let pass = SocketPass::builder()
        .address(setting("SOCKETPASS_ADDR", "127.0.0.1:50051"))
        .token(env::var("SOCKETPASS_TOKEN")?)
        .gateway_id(ROOM)
        .connect()
        .await?;

    // A browser sees the close code of a socket, but no HTTP status.
    let router = Router::new()
        .route("/", any(enter))
        .layer(pass.layer().reject_after_upgrade())
        .with_state(pass.clone());
    let listener =
        TcpListener::bind(format!("{}:{}", setting("HOST", "127.0.0.1"), setting("PORT", "3005"))).await?;
    tracing::info!("listening on ws://{}", listener.local_addr()?);
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            terminate.recv().await;
            pass.close().await;
        })
        .await?;
    Ok(())
}

/// Called for those alone whom socketpass lets in.
async fn enter(State(pass): State<SocketPass>, upgrade: WebSocketUpgrade, admission: Admission) -> Response {
    upgrade.on_upgrade(move |socket| chat(pass, socket, admission))
}

async fn chat(pass: SocketPass, socket: WebSocket, admission: Admission) {
    let mut socket = admission.track(socket);
    while let Some(Ok(message)) = socket.recv().await {
        let Message::Text(text) = message else { continue };
        let Ok(Heard { event, args: [value] }) = serde_json::from_str(&text) else { return };
        let answer = match event.as_str() {
            "say" => say(&pass, &socket.user(), &value).await.map(|()| None),
            "who" => who(&pass, &value).await.map(Some),
            _ => Ok(None),
        };
        let answer = answer
            .unwrap_or_else(|problem| Some(json!({"event": "problem", "args": [event, problem.message()]})));
        if let Some(answer) = answer
            && socket.send(Message::text(answer.to_string())).await.is_err()
        {
            return;
        }
    }
}

async fn say(pass: &SocketPass, user: &User, text: &str) -> Result<(), Status> {
    let params = Map::from_iter([("room".to_owned(), json!(ROOM))]);
    let message = json!({"room": ROOM, "from": user.get("name"), "text": text});
    pass.send_to_sockets("gateway.gateway_id == params.room", &params, "said", &[message]).await?;
    Ok(())
}

async fn who(pass: &SocketPass, filter: &str) -> Result<Value, Status> {
    let found = pass.filter_sockets(filter, &Map::new()).await?;
    let online: Vec<Value> = found
        .sockets
        .iter()
        .map(|socket| {
            let field = |name| socket.user.get(name);
            json!({"room": socket.gateway_id, "id": field("id"), "name": field("name"), "role": field("role")})
        })
        .collect();
    Ok(json!({"event": "online", "args": [online]}))
}
