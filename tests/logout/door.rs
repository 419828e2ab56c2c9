//! The service's HTTP door, with somebody behind it who writes down whose sessions it was to end.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::Value;
use socketpass::{
    config::Config,
    door::{
        capacity::Capacity,
        connections::{Connections, Protocol},
    },
    http::{self, Logouts, Phase},
    logout::{Claims, EndSessions, Receiver, Unavailable},
    telemetry::{
        audit::{Audit, ToTheEnd},
        metrics::Metrics,
    },
};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use super::issuer::Issuer;
use crate::support::{
    PATIENCE,
    http::{Response, post, send},
    service,
};

pub struct Door {
    pub http: String,
    pub ender: Arc<Ender>,
    pub phase: watch::Sender<Phase>,
    directory: TempDir,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

/// Ends nothing, and says what it is told to say.
pub struct Ender {
    asked: watch::Sender<Vec<Value>>,
    pub answer: Mutex<Result<u64, Unavailable>>,
    /// Whether it answers at all.
    pub answers: watch::Sender<bool>,
}

#[async_trait]
impl EndSessions for Ender {
    async fn end_sessions(&self, claims: &Claims) -> Result<u64, Unavailable> {
        self.asked.send_modify(|asked| asked.push(Value::Object(claims.clone())));
        let _ = self.answers.subscribe().wait_for(|answers| *answers).await;
        self.answer.lock().unwrap().clone()
    }
}

impl Ender {
    /// The claims it was asked to end sessions by.
    pub fn asked(&self) -> Vec<Value> {
        self.asked.borrow().clone()
    }

    /// Waits until it was asked so often.
    pub async fn is_asked(&self, times: usize) {
        let mut asked = self.asked.subscribe();
        timeout(PATIENCE, asked.wait_for(|asked| asked.len() >= times)).await.expect("it is asked").unwrap();
    }
}

/// Settings of a service that takes tokens of this issuer.
pub fn config(issuer: &str, jwks_url: &str, settings: &[(&str, &str)]) -> Config {
    let needed = [
        ("LOGOUT_ISSUER", issuer),
        ("LOGOUT_AUDIENCE", r#"["app","RS256","PS256","ES256","EdDSA"]"#),
        ("LOGOUT_JWKS_URL", jwks_url),
        ("LOGOUT_MATCH", "user.sub == claims.sub"),
    ];
    service::config(&[&needed, settings].concat()).unwrap()
}

impl Door {
    pub async fn of(issuer: &Issuer) -> Self {
        Self::with(issuer, &[]).await
    }

    pub async fn with(issuer: &Issuer, settings: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::at(listener, &issuer.url, &issuer.jwks_url(), settings)
    }

    /// As `server.rs` puts it together.
    pub fn at(listener: TcpListener, issuer: &str, jwks_url: &str, settings: &[(&str, &str)]) -> Self {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("audit.jsonl").display().to_string();
        let settings = [settings, &[("AUDIT_SINK", &*file)]].concat();
        let config = config(issuer, jwks_url, &settings);
        let limits = http::limits(&config.limits);
        let metrics = Arc::new(Metrics::new());
        let audit = Arc::new(Audit::open(&config.audit, config.user.identity.clone()).unwrap());
        let capacity = Arc::new(Capacity::new(&limits, Arc::clone(metrics.door())));
        let phase = watch::Sender::new(Phase::Serving);
        let ender = Arc::new(Ender {
            asked: watch::Sender::default(),
            answer: Mutex::new(Ok(3)),
            answers: watch::Sender::new(true),
        });
        let logouts = Logouts::new(
            Receiver::open(config.logout.as_ref().unwrap(), Arc::clone(&ender) as Arc<dyn EndSessions>),
            Arc::clone(&capacity),
            phase.subscribe(),
            limits.call_timeout,
            Arc::clone(&metrics),
            Arc::clone(&audit),
        );
        let service =
            http::service(Routes::default(), phase.subscribe(), Arc::clone(&metrics), Some(logouts));
        let http = format!("http://{}", listener.local_addr().unwrap());
        let connections =
            Connections::new(Protocol::Http, &limits, Arc::default(), capacity, Arc::clone(metrics.door()));
        let stop = CancellationToken::new();
        let serving = connections.serve(listener, service, stop.clone());
        let serving = tokio::spawn(async move {
            let _last_lines = ToTheEnd(audit);
            serving.await;
        });
        Self { http, ender, phase, directory, stop, serving }
    }

    /// Posts a logout token.
    pub async fn logout(&self, token: &str) -> Response {
        post(&self.http, "/logout/backchannel", &[], &format!("logout_token={token}")).await
    }

    /// Posts an event.
    pub async fn revoked(&self, token: &str) -> Response {
        let headers = [("Content-Type", "application/secevent+jwt"), ("Accept", "application/json")];
        send(&self.http, "POST", "/logout/caep", &headers, token).await
    }

    /// Stops, and gives the lines of the audit log.
    pub async fn stop(self) -> Vec<Value> {
        self.stop.cancel();
        self.serving.await.unwrap();
        let text = std::fs::read_to_string(self.directory.path().join("audit.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
