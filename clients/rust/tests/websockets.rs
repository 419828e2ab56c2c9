//! WebSockets of axum, from the upgrade to the end.

use std::time::Duration;

use axum::{Router, extract::WebSocketUpgrade, routing::any};
use serde_json::json;
use socketpass_client::{
    Admission, Builder, OnUnavailable, Reason, SocketPass,
    proto::{Disconnect, Send, UserChanged, command::Command},
};
use tonic::Status;

use crate::support::{
    browser::Browser,
    peer::{Peer, fields, params, proto_value, rejected},
    servers::{nested_websockets, serve, websockets},
    soon,
};

fn settings(peer: &Peer) -> Builder {
    SocketPass::builder().address(peer.address.to_string())
}

fn disconnect(ids: &[&str]) -> Option<Command> {
    let close = socketpass_client::proto::Close { code: 4505, reason: "disconnected".into() };
    Some(Command::Disconnect(Disconnect {
        socket_ids: ids.iter().map(ToString::to_string).collect(),
        close: Some(close),
    }))
}

#[tokio::test]
async fn a_socket_is_listed_with_all_there_is_to_say() {
    let peer = Peer::start().await;
    let pass = settings(&peer).connect().await.unwrap();
    let server = websockets(pass.layer()).await;
    let mut stream = peer.welcomed(0).await;
    let headers: &[(_, &[u8])] = &[
        ("cookie", b"a=1"),
        ("cookie", b"name=Jos\xe9"),
        ("origin", b"https://app.example"),
        ("x-part", b"one"),
    ];
    let mut browser = Browser::connect_with(server, "/rooms/a%20b?x=1", headers).await.unwrap();
    assert_eq!(browser.hears().await, r#"{"you":{"id":7,"logged_in":true,"name":"Ada"}}"#);

    let asked = peer.asked().await.request.handshake.unwrap();
    assert_eq!((asked.url.as_str(), asked.namespace.as_str()), ("/rooms/a%20b?x=1", "/rooms/a b"));
    assert_eq!(asked.headers["cookie"], "a=1; name=José");
    assert_eq!(asked.headers["x-part"], "one");
    assert!(asked.remote_address.starts_with("127.0.0.1:"), "{}", asked.remote_address);

    let socket = stream.opened().await;
    assert_eq!(socket.namespace, "/rooms/a b");
    assert_eq!(socket.session_id, "a-session");
    assert_eq!(socket.origin, "https://app.example");
    assert_eq!(socket.remote_address, asked.remote_address);
    assert_eq!(socket.user, Some(fields(json!({"id": 7, "logged_in": true, "name": "Ada"}))));
    assert!(socket.connected_at.unwrap().seconds > 1_700_000_000);

    // The application gives data, and sees who is here.
    let here = pass.socket(&socket.socket_id).unwrap();
    here.set_data(params(json!({"rooms": ["a"]}))).unwrap();
    assert_eq!(stream.opened().await.data, Some(fields(json!({"rooms": ["a"]}))));
    assert_eq!(pass.sockets(), std::slice::from_ref(&here));
    assert_eq!((here.namespace(), here.data()), ("/rooms/a b", params(json!({"rooms": ["a"]}))));

    browser.leave();
    assert_eq!(stream.closed().await, socket.socket_id);
    assert!(pass.sockets().is_empty());
}

#[tokio::test]
async fn a_nested_route_is_asked_about_with_its_whole_path() {
    let peer = Peer::start().await;
    let pass = settings(&peer).connect().await.unwrap();
    let server = nested_websockets(pass.layer()).await;
    Browser::connect(server, "/rooms/a?x=1").await.unwrap();
    let asked = peer.asked().await.request.handshake.unwrap();
    assert_eq!((asked.url.as_str(), asked.namespace.as_str()), ("/rooms/a?x=1", "/rooms/a"));
}

#[tokio::test]
async fn who_is_rejected_is_told_before_the_upgrade() {
    let peer = Peer::start().await;
    let pass = settings(&peer).connect().await.unwrap();
    let server = websockets(pass.layer()).await;
    peer.answer(|_| Ok(rejected(Reason::NotLoggedIn, "Nobody", 4501)));
    let refused = Browser::connect(server, "/").await.err().unwrap();
    assert_eq!(refused.status, 401);
    assert_eq!(refused.body, json!({"code": 4501, "reason": "not_logged_in", "message": "Nobody"}));
}

#[tokio::test]
async fn who_is_rejected_may_be_told_after_the_upgrade() {
    let peer = Peer::start().await;
    let pass = settings(&peer).connect().await.unwrap();
    let server = websockets(pass.layer().reject_after_upgrade()).await;
    peer.answer(|_| Ok(rejected(Reason::NotLoggedIn, "Nobody", 4501)));
    let protocols: &[(_, &[u8])] = &[("sec-websocket-protocol", b"chat, other")];
    let mut browser = Browser::connect_with(server, "/", protocols).await.unwrap();
    assert_eq!(browser.closed().await, (4501, "not_logged_in".into()));
    peer.answer(|_| Ok(crate::support::peer::accepted()));
    assert!(Browser::connect(server, "/").await.unwrap().hears().await.contains("Ada"));
}

#[tokio::test]
async fn who_is_let_in_against_the_decision_is_nobody() {
    let peer = Peer::start().await;
    let pass = settings(&peer).on_unavailable(OnUnavailable::Accept).connect().await.unwrap();
    let server = websockets(pass.layer()).await;
    let mut stream = peer.welcomed(0).await;
    peer.answer(|_| Ok(rejected(Reason::StoreUnavailable, "Away", 4000)));
    let mut browser = Browser::connect(server, "/").await.unwrap();
    assert_eq!(browser.hears().await, r#"{"you":{"logged_in":false}}"#);
    let socket = stream.opened().await;
    assert_eq!((socket.session_id.as_str(), socket.user), ("", Some(fields(json!({"logged_in": false})))));
}

#[tokio::test]
async fn disconnect_closes_with_the_code() {
    let peer = Peer::start().await;
    let pass = settings(&peer).connect().await.unwrap();
    let server = websockets(pass.layer()).await;
    let mut stream = peer.welcomed(0).await;
    let mut browser = Browser::connect(server, "/").await.unwrap();
    browser.hears().await;
    let id = stream.opened().await.socket_id;
    assert_eq!(stream.command(disconnect(&[&id, "gone"])).await, [id.as_str(), "gone"]);
    assert_eq!(browser.closed().await, (4505, "disconnected".into()));
    assert!(pass.sockets().is_empty());
    // Again, it changes nothing.
    assert_eq!(stream.command(disconnect(&[&id])).await, [id]);
}

#[tokio::test]
async fn send_is_one_text_message() {
    let peer = Peer::start().await;
    let pass = settings(&peer).connect().await.unwrap();
    let server = websockets(pass.layer()).await;
    let mut stream = peer.welcomed(0).await;
    let mut browser = Browser::connect(server, "/").await.unwrap();
    browser.hears().await;
    let id = stream.opened().await.socket_id;
    for number in 0..3 {
        let args = vec![proto_value(json!("x")), proto_value(json!({"n": number, "f": 1.5, "list": []}))];
        let socket_ids = vec!["gone".into(), id.clone()];
        let send = Send { socket_ids, event: "news".into(), args };
        assert_eq!(stream.command(Some(Command::Send(send))).await, [id.as_str()]);
    }
    for number in 0..3 {
        let heard: serde_json::Value = serde_json::from_str(&browser.hears().await).unwrap();
        assert_eq!(heard, json!({"event": "news", "args": ["x", {"n": number, "f": 1.5, "list": []}]}));
    }
}

#[tokio::test]
async fn events_may_be_written_otherwise() {
    let peer = Peer::start().await;
    let pass =
        settings(&peer).write_event(|event, args| format!("{event}:{}", args.len())).connect().await.unwrap();
    let server = websockets(pass.layer()).await;
    let mut stream = peer.welcomed(0).await;
    let mut browser = Browser::connect(server, "/").await.unwrap();
    browser.hears().await;
    let id = stream.opened().await.socket_id;
    let send = Send { socket_ids: vec![id], event: "news".into(), args: vec![] };
    stream.command(Some(Command::Send(send))).await;
    assert_eq!(browser.hears().await, "news:0");
}

#[tokio::test]
async fn a_changed_user_is_replaced_and_told() {
    let peer = Peer::start().await;
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let pass = settings(&peer)
        .user_changed(move |socket| {
            tell.send((socket.id().to_owned(), socket.user())).unwrap();
            panic!("harms nobody");
        })
        .connect()
        .await
        .unwrap();
    let server = websockets(pass.layer()).await;
    let mut stream = peer.welcomed(0).await;
    let mut browser = Browser::connect(server, "/").await.unwrap();
    browser.hears().await;
    let id = stream.opened().await.socket_id;
    let user = json!({"logged_in": true, "id": 7, "role": "admin"});
    let changed =
        UserChanged { socket_ids: vec![id.clone(), "gone".into()], user: Some(fields(user.clone())) };
    assert_eq!(stream.command(Some(Command::UserChanged(changed))).await, [id.as_str()]);
    let (told_of, new) = soon("the application is told", told.recv()).await.unwrap();
    assert_eq!((told_of, new.get("role")), (id.clone(), Some(json!("admin"))));
    browser.say("whoami").await;
    assert_eq!(browser.hears().await, json!({"you": user}).to_string());
    // The next stream hears of the new user.
    stream.end(Status::unavailable("moving"));
    let mut stream = peer.stream().await;
    stream.welcome(Duration::from_secs(15));
    assert_eq!(stream.opened().await.user, Some(fields(user)));
}

#[tokio::test]
async fn what_is_not_known_is_answered() {
    let peer = Peer::start().await;
    let _pass = settings(&peer).connect().await.unwrap();
    assert!(peer.welcomed(0).await.command(None).await.is_empty());
}

#[tokio::test]
async fn a_client_that_does_not_read_is_disconnected_all_the_same() {
    let peer = Peer::start().await;
    let pass = settings(&peer).connect().await.unwrap();
    let server = websockets(pass.layer()).await;
    let mut stream = peer.welcomed(0).await;
    // It never reads, so its messages pile up, and it never answers the close.
    let _browser = Browser::connect(server, "/").await.unwrap();
    let id = stream.opened().await.socket_id;
    let large = Send {
        socket_ids: vec![id.clone()],
        event: "news".into(),
        args: vec![proto_value(json!("x".repeat(1 << 20)))],
    };
    let mut handed_over = 0;
    while stream.command(Some(Command::Send(large.clone()))).await.len() == 1 {
        handed_over += 1;
        assert!(handed_over < 200, "what waits is bounded");
    }
    assert_eq!(stream.command(disconnect(&[&id])).await, [id.as_str()]);
    // The end does not wait for it for ever.
    soon("the client ends", async {
        let close = tokio::spawn(async move { pass.close().await });
        drop(stream);
        close.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_an_application_brings_may_panic() {
    let peer = Peer::start().await;
    let pass = settings(&peer).write_event(|_, _| panic!("the application's")).connect().await.unwrap();
    let server = websockets(pass.layer()).await;
    let mut stream = peer.welcomed(0).await;
    let mut browser = Browser::connect(server, "/").await.unwrap();
    browser.hears().await;
    let id = stream.opened().await.socket_id;
    let send = Send { socket_ids: vec![id.clone()], event: "news".into(), args: vec![] };
    assert!(stream.command(Some(Command::Send(send))).await.is_empty());
    assert_eq!(stream.command(disconnect(&[&id])).await, [id.as_str()]);
    assert_eq!(browser.closed().await, (4505, "disconnected".into()));
}

#[tokio::test]
async fn the_connection_ends_with_its_handler_whoever_keeps_the_socket() {
    let peer = Peer::start().await;
    let pass = settings(&peer).connect().await.unwrap();
    let (keep, mut kept) = tokio::sync::mpsc::unbounded_channel();
    let server = serve(
        Router::new()
            .fallback(any(move |upgrade: WebSocketUpgrade, admission: Admission| {
                let keep = keep.clone();
                async move {
                    upgrade.on_upgrade(async move |socket| {
                        let tracked = admission.track(socket);
                        keep.send(tracked.socket().clone()).unwrap();
                    })
                }
            }))
            .layer(pass.layer()),
    )
    .await;
    let mut browser = Browser::connect(server, "/").await.unwrap();
    let _kept = kept.recv().await.unwrap();
    browser.ended().await;
    assert!(pass.sockets().is_empty());
}
