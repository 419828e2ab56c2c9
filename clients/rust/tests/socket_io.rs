//! Sockets of socketioxide.

use serde_json::json;
use socketpass_client::{
    Builder, Reason, SocketPass,
    proto::{AuthorizeResponse, Disconnect, Send, UserChanged, command::Command},
};

use crate::support::{
    browser::SocketIo,
    peer::{Peer, accepted, fields, proto_value, rejected},
    servers::socket_io,
};

fn settings(peer: &Peer) -> Builder {
    SocketPass::builder().address(peer.address.to_string())
}

#[tokio::test]
async fn a_socket_is_asked_about_and_listed() {
    let peer = Peer::start().await;
    let pass = settings(&peer).connect().await.unwrap();
    let server = socket_io(&pass).await;
    let mut stream = peer.welcomed(0).await;
    let mut root = SocketIo::connect(server, "/", json!({"token": "x", "n": 1.5})).await.unwrap();
    assert_eq!(root.hears().await, json!(["you", {"id": 7, "logged_in": true, "name": "Ada"}]));
    let asked = peer.asked().await.request.handshake.unwrap();
    assert_eq!(asked.namespace, "/");
    assert_eq!(asked.url, "/socket.io/?EIO=4&transport=websocket");
    assert_eq!(asked.auth, Some(fields(json!({"token": "x", "n": 1.5}))));
    assert!(asked.remote_address.starts_with("127.0.0.1:"));
    let socket = stream.opened().await;
    assert_eq!((socket.socket_id.as_str(), socket.namespace.as_str()), (root.id.as_str(), "/"));
    assert_eq!(socket.session_id, "a-session");

    let chat = SocketIo::connect(server, "/chat", json!({})).await.unwrap();
    let socket = stream.opened().await;
    assert_eq!((socket.socket_id, socket.namespace.as_str()), (format!("/chat#{}", chat.id), "/chat"));

    // One goes with a word, the other without.
    root.disconnect().await;
    assert_eq!(stream.closed().await, root.id);
    let id = format!("/chat#{}", chat.id);
    chat.leave();
    assert_eq!(stream.closed().await, id);
}

#[tokio::test]
async fn who_is_rejected_hears_why() {
    let peer = Peer::start().await;
    let pass = settings(&peer).connect().await.unwrap();
    let server = socket_io(&pass).await;
    peer.answer(|_| Ok(rejected(Reason::NotLoggedIn, "Nobody", 4501)));
    for namespace in ["/", "/chat"] {
        let error = SocketIo::connect(server, namespace, json!({})).await.err().unwrap();
        assert_eq!(error, json!({"message": "Nobody"}));
    }
    assert!(pass.sockets().is_empty());
}

#[tokio::test]
async fn a_middleware_comes_after_the_authorization() {
    let peer = Peer::start().await;
    let pass = settings(&peer).connect().await.unwrap();
    let server = socket_io(&pass).await;
    let error = SocketIo::connect(server, "/staff", json!({})).await.err().unwrap();
    assert_eq!(error, json!({"message": "Staff only"}));
    assert!(pass.sockets().is_empty());
    // Whom the service turns away does not get as far as the middleware.
    peer.answer(|_| Ok(rejected(Reason::NotLoggedIn, "Nobody", 4501)));
    let error = SocketIo::connect(server, "/staff", json!({})).await.err().unwrap();
    assert_eq!(error, json!({"message": "Nobody"}));
    let user = json!({"logged_in": true, "role": "staff"});
    peer.answer(move |_| Ok(AuthorizeResponse { user: Some(fields(user.clone())), ..accepted() }));
    SocketIo::connect(server, "/staff", json!({})).await.unwrap();
}

#[tokio::test]
async fn commands_are_carried_out() {
    let peer = Peer::start().await;
    let pass = settings(&peer).connect().await.unwrap();
    let server = socket_io(&pass).await;
    let mut stream = peer.welcomed(0).await;
    for namespace in ["/", "/chat"] {
        let mut socket = SocketIo::connect(server, namespace, json!({})).await.unwrap();
        socket.hears().await;
        let id = stream.opened().await.socket_id;

        for args in [json!(["x", {"deep": [1, null]}, []]), json!([[1, 2]]), json!([])] {
            let list = args.as_array().unwrap().iter().cloned().map(proto_value).collect();
            let send = Send { socket_ids: vec![id.clone(), "gone".into()], event: "news".into(), args: list };
            assert_eq!(stream.command(Some(Command::Send(send))).await, [id.as_str()]);
            let mut event = vec![json!("news")];
            event.extend(args.as_array().unwrap().clone());
            assert_eq!(socket.hears().await, json!(event));
        }

        let user = json!({"logged_in": true, "id": 8});
        let changed = UserChanged { socket_ids: vec![id.clone()], user: Some(fields(user.clone())) };
        assert_eq!(stream.command(Some(Command::UserChanged(changed))).await, [id.as_str()]);
        socket.emit("whoami").await;
        assert_eq!(socket.hears().await, json!(["you", user]));

        let close = socketpass_client::proto::Close { code: 4505, reason: "disconnected".into() };
        let disconnect = Disconnect { socket_ids: vec![id.clone()], close: Some(close) };
        assert_eq!(stream.command(Some(Command::Disconnect(disconnect))).await, [id.as_str()]);
        assert_eq!(
            socket.hears().await,
            json!(["socketpass:close", {"code": 4505, "reason": "disconnected"}])
        );
        socket.is_disconnected().await;
        assert_eq!(stream.closed().await, id);
    }
}
