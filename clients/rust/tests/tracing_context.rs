//! The OpenTelemetry context that is current goes along.

use std::collections::HashMap;

use opentelemetry::{Context, context::FutureExt as _, global, propagation::TextMapPropagator as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use socketpass_client::{Handshake, SocketPass};

use crate::support::peer::Peer;

#[tokio::test]
async fn it_is_metadata_of_the_call() {
    let peer = Peer::start().await;
    let pass = SocketPass::builder().address(peer.address.to_string()).connect().await.unwrap();
    pass.authorize(Handshake::default()).await.unwrap();
    assert!(peer.asked().await.metadata.get("traceparent").is_none());

    global::set_text_map_propagator(TraceContextPropagator::new());
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let carrier: HashMap<String, String> =
        [("traceparent".into(), traceparent.into()), ("tracestate".into(), "vendor=value".into())].into();
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    pass.authorize(Handshake::default()).with_context(context).await.unwrap();
    let metadata = peer.asked().await.metadata;
    assert_eq!(metadata.get("traceparent").unwrap(), traceparent);
    assert_eq!(metadata.get("tracestate").unwrap(), "vendor=value");
}
