//! A collector: an OTLP receiver as the OpenTelemetry project's own descriptions make it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
    resource::v1::Resource,
    trace::v1::Span,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Request, Response, Status,
    transport::{Identity, Server, ServerTlsConfig},
};

use crate::support::until;

#[derive(Clone, Default)]
struct Receiver {
    received: Arc<Mutex<Vec<(Resource, Span)>>>,
    /// What came with the last batch.
    token: Arc<Mutex<Option<String>>>,
    hangs: bool,
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        let token = request.metadata().get("x-token").map(|token| token.to_str().unwrap().to_owned());
        *self.token.lock().unwrap() = token;
        for spans in request.into_inner().resource_spans {
            let resource = spans.resource.unwrap();
            for span in spans.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                self.received.lock().unwrap().push((resource.clone(), span));
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Dropped: gone, with its connections.
pub struct Collector {
    pub addr: SocketAddr,
    received: Arc<Mutex<Vec<(Resource, Span)>>>,
    token: Arc<Mutex<Option<String>>>,
    serving: JoinHandle<()>,
}

impl Collector {
    pub async fn start() -> Self {
        Self::serve(0, false, None).await
    }

    /// On this port.
    pub async fn start_on(port: u16) -> Self {
        Self::serve(port, false, None).await
    }

    /// One that takes calls and never answers them.
    pub async fn start_hanging() -> Self {
        Self::serve(0, true, None).await
    }

    pub async fn start_with_tls(certificate: &str, key: &str) -> Self {
        let tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
        Self::serve(0, false, Some(tls)).await
    }

    async fn serve(port: u16, hangs: bool, tls: Option<ServerTlsConfig>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let receiver = Receiver { hangs, ..Receiver::default() };
        let (received, token) = (Arc::clone(&receiver.received), Arc::clone(&receiver.token));
        let mut server = Server::builder();
        if let Some(tls) = tls {
            server = server.tls_config(tls).unwrap();
        }
        let server = server.add_service(TraceServiceServer::new(receiver));
        let serving = tokio::spawn(async move {
            server.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
        });
        Self { addr, received, token, serving }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub fn spans(&self) -> Vec<Span> {
        self.received.lock().unwrap().iter().map(|(_, span)| span.clone()).collect()
    }

    pub fn resources(&self) -> Vec<Resource> {
        self.received.lock().unwrap().iter().map(|(resource, _)| resource.clone()).collect()
    }

    pub fn token(&self) -> Option<String> {
        self.token.lock().unwrap().clone()
    }

    /// All spans, when so many of this name have come.
    pub async fn spans_with(&self, name: &str, count: usize) -> Vec<Span> {
        until("spans have come", || async {
            self.spans().iter().filter(|span| span.name == name).count() >= count
        })
        .await;
        // Those of one call end before it and are sent no later.
        self.spans()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The attribute as text.
pub fn attribute(span: &Span, name: &str) -> Option<String> {
    let attribute = span.attributes.iter().find(|attribute| attribute.key == name)?;
    Some(match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => text.clone(),
        Value::BoolValue(flag) => flag.to_string(),
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    })
}
