//! The registry's questions, in words of this language.

use serde_json::json;
use socketpass_client::{Close, SocketPass};

use crate::support::peer::{Peer, params};

#[tokio::test]
async fn filter_and_count() {
    let peer = Peer::start().await;
    let pass = SocketPass::builder().address(peer.address.to_string()).connect().await.unwrap();
    let wanted = params(json!({"team": "blue", "ids": [1, 2]}));
    let found = pass.filter_sockets("user.team == params.team", &wanted).await.unwrap();
    assert_eq!(peer.filtered().await, "user.team == params.team");
    let ids: Vec<_> = found.sockets.iter().map(|socket| socket.socket_id.as_str()).collect();
    assert_eq!(ids, ["a", "b"]);
    assert_eq!(found.sockets[0].user.fields(), wanted);
    assert_eq!(found.view.incomplete_gateways, ["chat-2"]);
    assert!(found.view.warming_up);

    let counted = pass.count_sockets("true", &params(json!({})), Some("user.team")).await.unwrap();
    assert_eq!((counted.total, counted.groups), (3, vec![(json!("user.team"), 2)]));
    let error = pass.count_sockets("", &params(json!({})), None).await.unwrap_err();
    assert_eq!(error.message(), "filter: is empty");
}

#[tokio::test]
async fn send_and_disconnect() {
    let peer = Peer::start().await;
    let pass = SocketPass::builder().address(peer.address.to_string()).connect().await.unwrap();
    let sent =
        pass.send_to_sockets("true", &params(json!({})), "news", &[json!("x"), json!(1)]).await.unwrap();
    assert_eq!(peer.filtered().await, "news");
    assert_eq!((sent.matched, sent.done, sent.failed, sent.unreachable), (3, 2, 1, 1));
    let close = Close { code: 4700, reason: "go".into() };
    // The last answer has everything settled.
    let ended = pass.disconnect_sockets("true", &params(json!({})), Some(&close)).await.unwrap();
    assert_eq!((ended.matched, ended.done), (4700, 2));
    assert_eq!(pass.disconnect_sockets("true", &params(json!({})), None).await.unwrap().matched, 0);
    let gateways = pass.registry_stub().list_gateways(socketpass_client::proto::ListGatewaysRequest {}).await;
    assert!(gateways.unwrap().into_inner().gateways.is_empty());
}
