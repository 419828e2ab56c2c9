//! The HTTP door: probes, metrics and tokens that end sessions, in plaintext, over HTTP/1 and h2c.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{self, HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::sync::watch;
use tonic::body::Body;
use tower::ServiceExt;

use crate::{config::operation::Limits, door::connections::Answering, telemetry::metrics::Metrics};

mod logout;

pub use self::logout::Logouts;

/// Where the process stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not everything is up yet.
    Starting,
    /// Calls are taken.
    Serving,
    /// Calls that run are finished, new ones should go elsewhere.
    Draining,
}

#[derive(Clone)]
struct Door {
    phase: watch::Receiver<Phase>,
    metrics: Arc<Metrics>,
}

/// What gRPC answers to a method it does not know is HTTP's 200, which to a probe with a mistyped path is health.
async fn unknown_path(request: Request) -> Response {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    if content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc")) {
        return tonic::Status::unimplemented("there is only grpc.health.v1.Health here").into_http();
    }
    (StatusCode::NOT_FOUND, "there is only /livez, /readyz and /metrics here\n").into_response()
}

/// What the door answers; `health` answers `grpc.health.v1` for probes that speak gRPC without TLS, `logouts` tokens that end
/// sessions, if any are taken.
pub fn service(
    health: impl Answering,
    phase: watch::Receiver<Phase>,
    metrics: Arc<Metrics>,
    logouts: Option<Logouts>,
) -> impl Answering {
    let health = health.map_request(|request: Request| request.map(Body::new));
    let router = Router::new()
        .route("/livez", get(probe))
        .route("/readyz", get(probe))
        .route("/metrics", get(exposition))
        .with_state(Door { phase, metrics })
        .route_service("/grpc.health.v1.Health/{method}", health)
        .merge(logouts.map(Logouts::routes).unwrap_or_default())
        .fallback(unknown_path);
    ServiceExt::<http::Request<Body>>::map_response(router, |response: Response| response.map(Body::new))
}

/// How much this door takes: a few probes, somebody who scrapes, and an identity provider that logs people out.
pub fn limits(limits: &Limits) -> Limits {
    const CONNECTIONS: usize = 256;
    const CONNECTION_CALLS: usize = 16;
    const CALLS: usize = 256;
    Limits {
        max_connections: limits.max_connections.min(CONNECTIONS),
        max_connection_calls: limits.max_connection_calls.min(CONNECTION_CALLS),
        max_calls: limits.max_calls.min(CALLS),
        ..limits.clone()
    }
}

/// Both probes go by the phase: no store that is away makes this replica unready, since it answers that honestly.
async fn probe(State(door): State<Door>) -> (StatusCode, &'static str) {
    match *door.phase.borrow() {
        Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Phase::Serving => (StatusCode::OK, "ok\n"),
        Phase::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    }
}

/// Whoever does not ask for the newer format may not know it.
async fn exposition(State(door): State<Door>, headers: HeaderMap) -> impl IntoResponse {
    const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    let (content_type, text) =
        if accepted.into_iter().any(|accept| accept.contains("application/openmetrics-text")) {
            (OPENMETRICS, door.metrics.exposition())
        } else {
            (CLASSIC, door.metrics.classic_exposition())
        };
    ([(header::CONTENT_TYPE, content_type)], text)
}
