//! Socket servers, as applications build them.

use std::net::SocketAddr;

use axum::{
    Router,
    extract::{WebSocketUpgrade, ws::Message},
    response::Response,
    routing::any,
};
use serde_json::json;
use socketioxide::{
    SocketIo,
    extract::{Extension, SocketRef},
    handler::ConnectHandler as _,
};
use socketpass_client::{Admission, AuthorizeLayer, SocketPass, User};
use tokio::net::TcpListener;

/// Says who they are to whoever comes, and again whenever they say something.
async fn chat(upgrade: WebSocketUpgrade, user: User, admission: Admission) -> Response {
    assert_eq!(&user, admission.user());
    upgrade.on_upgrade(|socket| async move {
        let mut socket = admission.track(socket);
        let you = |user: &User| Message::text(json!({"you": user}).to_string());
        let first = you(&socket.user());
        if socket.send(first).await.is_err() {
            return;
        }
        while let Some(Ok(Message::Text(_))) = socket.recv().await {
            let again = you(&socket.user());
            if socket.send(again).await.is_err() {
                return;
            }
        }
    })
}

pub async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    address
}

/// WebSockets at every path.
pub async fn websockets(layer: AuthorizeLayer) -> SocketAddr {
    serve(Router::new().fallback(any(chat)).layer(layer)).await
}

/// Below a prefix, as nested routers take it away.
pub async fn nested_websockets(layer: AuthorizeLayer) -> SocketAddr {
    serve(Router::new().nest("/rooms", Router::new().route("/{room}", any(chat)).layer(layer))).await
}

/// Socket.IO with the namespaces `/` and `/chat`, and `/staff` with a middleware of the application's own.
pub async fn socket_io(pass: &SocketPass) -> SocketAddr {
    async fn connected(socket: SocketRef, Extension(user): Extension<User>) {
        socket.emit("you", &user).unwrap();
        socket.on("whoami", async |socket: SocketRef, Extension(user): Extension<User>| {
            socket.emit("you", &user).unwrap();
        });
        // The application's own handler takes the place of any other.
        socket.on_disconnect(async || {});
    }
    async fn is_staff(Extension(user): Extension<User>) -> Result<(), &'static str> {
        if user.get("role").is_some_and(|role| role == "staff") { Ok(()) } else { Err("Staff only") }
    }
    let (layer, io) = SocketIo::new_layer();
    io.ns("/", pass.authorized(connected));
    io.ns("/chat", pass.authorized(connected));
    io.ns("/staff", pass.authorized(connected).with(is_staff));
    serve(Router::new().layer(layer)).await
}
