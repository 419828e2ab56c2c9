//! Several replicas, of which some go and come back.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use axum::Router;
use http::Request;
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{body::Body, service::Routes, transport::Server};
use tower_service::Service as _;

use super::{Replicas, Target};
use crate::token::Token;

/// A replica that counts its calls. Killed with its connections when dropped.
struct Counts {
    address: SocketAddr,
    calls: Arc<AtomicUsize>,
    runtime: Option<Runtime>,
}

impl Drop for Counts {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

impl Counts {
    async fn start(at: &str, status: &'static str) -> Self {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let answers = Router::new().fallback(move || {
            counted.fetch_add(1, Relaxed);
            async move { [("content-type", "application/grpc"), ("grpc-status", status)] }
        });
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let at = at.to_owned();
        let listener = runtime.spawn(async { TcpListener::bind(at).await.unwrap() }).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::builder().add_routes(Routes::from(answers));
        runtime.spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Self { address, calls, runtime: Some(runtime) }
    }

    fn take(&self) -> usize {
        self.calls.swap(0, Relaxed)
    }
}

fn replicas(found: &[&Counts]) -> Replicas {
    let replicas = Replicas::new(Target {
        name: "http://socketpass:50051".parse().unwrap(),
        tls: None,
        token: Token::None,
    });
    replicas.found(&addresses(found));
    replicas
}

fn addresses(found: &[&Counts]) -> HashSet<SocketAddr> {
    found.iter().map(|replica| replica.address).collect()
}

/// How many of so many calls failed.
async fn call(replicas: &Replicas, times: usize) -> usize {
    let mut failed = 0;
    for _ in 0..times {
        let request = Request::post("http://x/socketpass.v1.Any/Thing").body(Body::empty()).unwrap();
        failed += usize::from(replicas.clone().call(request).await.is_err());
    }
    failed
}

#[tokio::test]
async fn calls_go_round() {
    let (a, b, c) = (
        Counts::start("127.0.0.1:0", "0").await,
        Counts::start("127.0.0.1:0", "0").await,
        Counts::start("127.0.0.1:0", "0").await,
    );
    let replicas = replicas(&[&a, &b, &c]);
    assert_eq!(call(&replicas, 300).await, 0);
    assert_eq!([a.take(), b.take(), c.take()], [100, 100, 100]);
    // A replica that DNS does not know any more is not called.
    replicas.found(&addresses(&[&a, &b]));
    assert_eq!(call(&replicas, 100).await, 0);
    assert_eq!([a.take(), b.take(), c.take()], [50, 50, 0]);
}

#[tokio::test]
async fn a_replica_that_goes_costs_one_call_until_it_is_back() {
    let (a, b) = (Counts::start("127.0.0.1:0", "0").await, Counts::start("127.0.0.1:0", "0").await);
    let replicas = replicas(&[&a, &b]);
    assert_eq!(call(&replicas, 10).await, 0);
    let at = b.address.to_string();
    drop(b);
    assert!(call(&replicas, 100).await <= 1);
    replicas.revive().await;
    assert_eq!(call(&replicas, 100).await, 0);
    let b = Counts::start(&at, "0").await;
    replicas.revive().await;
    a.take();
    assert_eq!(call(&replicas, 100).await, 0);
    assert_eq!([a.take(), b.take()], [50, 50]);
}

#[tokio::test]
async fn one_that_says_it_is_unavailable_is_passed_over() {
    let (a, b) = (Counts::start("127.0.0.1:0", "0").await, Counts::start("127.0.0.1:0", "14").await);
    let replicas = replicas(&[&a, &b]);
    assert_eq!(call(&replicas, 100).await, 0);
    assert_eq!(b.take(), 1);
    assert_eq!(a.take(), 99);
}

#[tokio::test]
async fn the_last_one_is_called_whatever_became_of_it() {
    let a = Counts::start("127.0.0.1:0", "14").await;
    let replicas = replicas(&[&a]);
    assert_eq!(call(&replicas, 10).await, 0);
    assert_eq!(a.take(), 10);
}
