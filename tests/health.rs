//! Health on both doors, metrics, and the order of a shutdown.

use std::sync::Arc;

use socketpass::session_store::MemoryStore;
use tokio_stream::StreamExt as _;
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::support::{
    cookie,
    http::get,
    redis::Redis,
    service::{Service, ServiceProcess, authorize, channel, with_cookie},
    until,
};

const AUTHORIZATION: &str = "socketpass.v1.AuthorizationService";

async fn status(url: &str, service: &str) -> ServingStatus {
    let request = HealthCheckRequest { service: service.to_owned() };
    HealthClient::new(channel(url).await).check(request).await.unwrap().into_inner().status()
}

#[tokio::test]
async fn both_doors_answer_for_every_name() {
    let service = Service::start_on(&[], Arc::new(MemoryStore::new())).await;
    for url in [&service.grpc, &service.http] {
        for name in ["", "liveness", "readiness", AUTHORIZATION] {
            until("serving", || async { status(url, name).await == ServingStatus::Serving }).await;
        }
        let request = HealthCheckRequest { service: "unknown".to_owned() };
        let unknown = HealthClient::new(channel(url).await).check(request).await.unwrap_err();
        assert_eq!(unknown.code(), Code::NotFound);
    }
    for path in ["/livez", "/readyz"] {
        let answer = get(&service.http, path).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
    }
}

#[tokio::test]
async fn a_path_that_is_not_there_is_404() {
    let service = Service::start_on(&[], Arc::new(MemoryStore::new())).await;
    for path in ["/", "/healthz", "/ready", "/livez/"] {
        assert_eq!(get(&service.http, path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_store_that_answers_and_refuses_reads_is_down() {
    let redis = Redis::start().await;
    let mut connection = redis.connection().await;
    let mut user = redis::cmd("ACL");
    user.arg("SETUSER").arg("weak").arg("on").arg(">pw").arg("~other:*").arg("+getrange").arg("+ping");
    let () = user.query_async(&mut connection).await.unwrap();
    let url = format!("redis://weak:pw@127.0.0.1:{}", redis.port);
    let service = Service::start(&[("SESSION_STORE", &url)]).await;
    until("serving", || async { status(&service.grpc, AUTHORIZATION).await == ServingStatus::Serving }).await;
    authorize(&mut service.client().await, with_cookie(&cookie("anybody"))).await;
    until("not serving", || async {
        status(&service.grpc, AUTHORIZATION).await == ServingStatus::NotServing
    })
    .await;
    let mut user = redis::cmd("ACL");
    let () = user.arg("SETUSER").arg("weak").arg("~sess:*").query_async(&mut connection).await.unwrap();
    until("serving again", || async { status(&service.grpc, AUTHORIZATION).await == ServingStatus::Serving })
        .await;
}

#[tokio::test]
async fn a_silent_connection_does_not_hold_up_the_drain() {
    let service = Service::start_on(&[], Arc::new(MemoryStore::new())).await;
    let _silent = tokio::net::TcpStream::connect(service.grpc.trim_start_matches("http://")).await.unwrap();
    authorize(&mut service.client().await, with_cookie("a=b")).await;
    tokio::time::timeout(std::time::Duration::from_secs(10), service.stop())
        .await
        .expect("well before drain_timeout");
}

#[tokio::test]
async fn the_services_health_follows_the_store_and_readiness_does_not() {
    let mut redis = Redis::start().await;
    let service = Service::start(&[("SESSION_STORE", &redis.url())]).await;
    until("serving", || async { status(&service.grpc, AUTHORIZATION).await == ServingStatus::Serving }).await;
    redis.kill().await;
    for url in [&service.grpc, &service.http] {
        until("not serving", || async { status(url, AUTHORIZATION).await == ServingStatus::NotServing })
            .await;
        for name in ["", "liveness", "readiness"] {
            assert_eq!(status(url, name).await, ServingStatus::Serving, "{name}");
        }
    }
    assert!(get(&service.http, "/metrics").await.body.contains("socketpass_session_store_up 0"));
    redis.restart().await;
    until("serving again", || async { status(&service.http, AUTHORIZATION).await == ServingStatus::Serving })
        .await;
    assert!(get(&service.http, "/metrics").await.body.contains("socketpass_session_store_up 1"));
}

#[tokio::test]
async fn watches_see_the_drain_and_end() {
    let service = Service::start_on(&[], Arc::new(MemoryStore::new())).await;
    let request = HealthCheckRequest { service: "readiness".to_owned() };
    let mut watch = HealthClient::new(service.channel().await).watch(request).await.unwrap().into_inner();
    let mut seen = vec![];
    while seen.last() != Some(&ServingStatus::Serving) {
        seen.push(watch.next().await.unwrap().unwrap().status());
    }
    // A stream that is open does not hold up the end.
    let stopped = tokio::spawn(service.stop());
    assert_eq!(watch.next().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    while let Some(Ok(_)) = watch.next().await {}
    stopped.await.unwrap();
}

#[tokio::test]
async fn decisions_are_counted_by_reason() {
    let service = Service::start_on(&[], Arc::new(MemoryStore::new())).await;
    let mut client = service.client().await;
    for _ in 0..3 {
        authorize(&mut client, with_cookie(&cookie("nobody"))).await;
    }
    let metrics = get(&service.http, "/metrics").await.body;
    assert!(
        metrics.contains(r#"socketpass_decisions_total{reason="session_not_found",accepted="false"} 3"#),
        "{metrics}"
    );
    assert!(metrics.contains("socketpass_authorize_duration_seconds_count 3"), "{metrics}");
}

#[tokio::test]
async fn a_probe_over_http_2_without_tls_is_answered_too() {
    // The kubelet's gRPC probe speaks h2c to `http.addr`.
    let service = ServiceProcess::start(&[]).await;
    until("serving", || async { status(&service.http, "readiness").await == ServingStatus::Serving }).await;
    until("serving", || async { status(&service.http, "liveness").await == ServingStatus::Serving }).await;
}
