//! The servers that the subject can be.

use axum::{
    Router,
    extract::{Request, WebSocketUpgrade, ws::Message},
    http::{HeaderMap, StatusCode},
    middleware::{Next, from_fn},
    response::Response,
    routing::any,
};
use opentelemetry::{context::FutureExt as _, global, propagation::Extractor};
use serde_json::{Value, json};
use socketioxide::{
    SocketIo,
    extract::{Extension, SocketRef},
};
use socketpass_client::{Admission, Socket, SocketPass, User};

use crate::says::say;

/// WebSockets at every path but `/off`.
pub fn web_sockets(pass: &SocketPass, reject_after_upgrade: bool) -> Router {
    let layer = if reject_after_upgrade { pass.layer().reject_after_upgrade() } else { pass.layer() };
    let sockets = Router::new().fallback(any(web_socket)).layer(layer);
    Router::new()
        .route("/off", any(async || StatusCode::NOT_FOUND))
        .fallback_service(sockets)
        .layer(from_fn(traced))
}

async fn web_socket(upgrade: WebSocketUpgrade, admission: Admission) -> Response {
    let you = |user: User| Message::text(json!({"event": "you", "args": [user]}).to_string());
    upgrade.on_upgrade(async move |socket| {
        let mut socket = admission.track(socket);
        let id = socket.socket().id().to_owned();
        say(&json!({"event": "opened", "socket_id": id}));
        let first = you(socket.user());
        let mut sent = socket.send(first).await;
        while sent.is_ok()
            && let Some(Ok(message)) = socket.recv().await
        {
            let asks = message.to_text().ok().and_then(|text| serde_json::from_str::<Value>(text).ok());
            if asks.is_some_and(|asks| asks.get("event").is_some_and(|event| event == "whoami")) {
                let again = you(socket.user());
                sent = socket.send(again).await;
            }
        }
        drop(socket);
        say(&json!({"event": "closed", "socket_id": id}));
    })
}

/// The same that lets everybody in and asks nobody.
pub fn bare_web_sockets() -> Router {
    Router::new()
        .route("/off", any(async || StatusCode::NOT_FOUND))
        .fallback(any(bare_web_socket))
        .layer(from_fn(traced))
}

async fn bare_web_socket(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        say(&json!({"event": "opened"}));
        let _ = socket.send(Message::text(r#"{"event":"you","args":[null]}"#)).await;
        while let Some(Ok(_)) = socket.recv().await {}
        say(&json!({"event": "closed"}));
    })
}

/// Socket.IO with the namespaces `/` and `/chat`.
pub fn socket_io(pass: &SocketPass) -> Router {
    let (layer, io) = SocketIo::new_layer();
    io.ns("/", pass.authorized(connected));
    io.ns("/chat", pass.authorized(connected));
    Router::new().layer(layer).layer(from_fn(traced))
}

/// The same that lets everybody in and asks nobody.
pub fn bare_socket_io() -> Router {
    let (layer, io) = SocketIo::new_layer();
    io.ns("/", bare_connected);
    io.ns("/chat", bare_connected);
    Router::new().layer(layer).layer(from_fn(traced))
}

async fn bare_connected(socket: SocketRef) {
    say(&json!({"event": "opened"}));
    socket.on_disconnect(async || say(&json!({"event": "closed"})));
    socket.on("whoami", async |socket: SocketRef| {
        let _ = socket.emit("you", &Value::Null);
    });
    let _ = socket.emit("you", &Value::Null);
}

async fn connected(socket: SocketRef, Extension(user): Extension<User>, Extension(open): Extension<Socket>) {
    say(&json!({"event": "opened", "socket_id": open.id()}));
    socket.on_disconnect(async |Extension(open): Extension<Socket>| {
        say(&json!({"event": "closed", "socket_id": open.id()}));
    });
    socket.on("whoami", async |socket: SocketRef, Extension(user): Extension<User>| {
        let _ = socket.emit("you", &user);
    });
    let _ = socket.emit("you", &user);
}

/// Takes the trace from the request's headers, as a server's instrumentation would.
async fn traced(mut request: Request, next: Next) -> Response {
    let context =
        global::get_text_map_propagator(|propagator| propagator.extract(&Headers(request.headers())));
    // For sockets of Socket.IO, as the client's README says.
    request.extensions_mut().insert(context.clone());
    next.run(request).with_context(context).await
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|name| name.as_str()).collect()
    }
}
