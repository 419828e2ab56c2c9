//! The end: sockets are told, the service hears a goodbye.

use std::time::{Duration, Instant};

use serde_json::json;
use socketpass_client::{SocketPass, proto::report_request::Message as Said};

use crate::support::{
    browser::{Browser, SocketIo},
    peer::Peer,
    servers::{socket_io, websockets},
};

async fn goodbye(stream: &mut crate::support::peer::ReportStream) {
    loop {
        match stream.hears().await {
            Some(Said::Batch(_)) => {}
            Some(Said::Goodbye(_)) => return assert!(stream.hears().await.is_none()),
            said => panic!("a goodbye, not {said:?}"),
        }
    }
}

#[tokio::test]
async fn sockets_are_told_and_the_service_hears_it() {
    let peer = Peer::start().await;
    let pass = SocketPass::builder().address(peer.address.to_string()).connect().await.unwrap();
    let (web, io) = (websockets(pass.layer()).await, socket_io(&pass).await);
    let mut stream = peer.welcomed(0).await;
    let mut browser = Browser::connect(web, "/").await.unwrap();
    browser.hears().await;
    let mut socket = SocketIo::connect(io, "/chat", json!({})).await.unwrap();
    socket.hears().await;
    let end = {
        let pass = pass.clone();
        tokio::spawn(async move { pass.close().await })
    };
    assert_eq!(browser.closed().await, (4001, "gateway_draining".into()));
    assert_eq!(
        socket.hears().await,
        json!(["socketpass:close", {"code": 4001, "reason": "gateway_draining"}])
    );
    socket.is_disconnected().await;
    goodbye(&mut stream).await;
    // It waits for the stream to end.
    assert!(!end.is_finished());
    drop(stream);
    end.await.unwrap();
    // Whoever still comes is turned away.
    let late = Browser::connect(web, "/").await.err().unwrap();
    assert_eq!(late.status, 503);
    assert_eq!(
        late.body,
        json!({"code": 4001, "reason": "gateway_draining", "message": "Gateway is shutting down"})
    );
    pass.close().await;
}

#[tokio::test]
async fn a_service_that_hangs_is_not_waited_for() {
    let peer = Peer::start().await;
    let pass = SocketPass::builder().address(peer.address.to_string()).connect().await.unwrap();
    let mut stream = peer.welcomed(0).await;
    let began = Instant::now();
    pass.close().await;
    assert!((4..8).contains(&began.elapsed().as_secs()));
    goodbye(&mut stream).await;
}

#[tokio::test]
async fn a_service_that_is_away_is_not_waited_for() {
    let pass = SocketPass::builder().address("127.0.0.1:1").connect().await.unwrap();
    let began = Instant::now();
    pass.close().await;
    assert!(began.elapsed() < Duration::from_secs(1));
}
