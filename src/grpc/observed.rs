//! The layer around all others: counts each call by its method and status, also those that are turned away before a service
//! hears of them, and goes on the caller's trace.

use std::{
    collections::HashMap,
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};
use tracing::{Instrument as _, Span};

use super::{DESCRIPTORS, calls::request_id_of};
use crate::telemetry::{
    metrics::{CallFigures, Metrics},
    traces,
};

/// Services of others that are served here too, and how their calls are counted.
const OTHERS: [(&str, &str); 3] = [
    ("grpc.health.v1.Health", "Health"),
    ("grpc.reflection.v1.ServerReflection", "ServerReflection"),
    ("grpc.reflection.v1alpha.ServerReflection", "ServerReflection"),
];

/// Methods of our own, each with a name of its own, by which calls are counted.
const METHODS: [&str; 10] = [
    "Authorize",
    "Explain",
    "Report",
    "FilterSockets",
    "CountSockets",
    "WatchSockets",
    "DisconnectSockets",
    "SendToSockets",
    "ExplainFilter",
    "ListGateways",
];

/// The layer.
#[derive(Clone, Debug)]
pub struct Observed(Arc<Methods>);

#[derive(Debug)]
struct Methods {
    /// By path: `/socketpass.v1.AuthorizationService/Authorize`.
    ours: HashMap<String, Method>,
    /// By service.
    others: Vec<(&'static str, Method)>,
    unknown: Method,
}

#[derive(Clone, Debug)]
struct Method {
    figures: Arc<CallFigures>,
    /// Its status comes behind the answers, and is worth waiting for.
    streams: bool,
}

impl Observed {
    /// Counts into these metrics.
    pub fn new(metrics: &Metrics) -> Self {
        let method = |name, streams| Method { figures: Arc::new(metrics.calls_of(name)), streams };
        // The set is part of the program: what is wrong with it fails every test.
        let set = FileDescriptorSet::decode(DESCRIPTORS).unwrap_or_default();
        let mut ours = HashMap::new();
        for file in &set.file {
            for service in &file.service {
                for described in &service.method {
                    let Some(name) = METHODS.into_iter().find(|name| *name == described.name()) else {
                        continue;
                    };
                    let path = format!("/{}.{}/{name}", file.package(), service.name());
                    ours.insert(path, method(name, described.server_streaming()));
                }
            }
        }
        let others = OTHERS.into_iter().map(|(service, name)| (service, method(name, true))).collect();
        Self(Arc::new(Methods { ours, others, unknown: method("unknown", false) }))
    }
}

impl Methods {
    fn of(&self, path: &str) -> &Method {
        if let Some(method) = self.ours.get(path) {
            return method;
        }
        let service = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        let other = self.others.iter().find(|(name, _)| *name == service);
        other.map_or(&self.unknown, |(_, method)| method)
    }
}

impl<S> Layer<S> for Observed {
    type Service = ObservedService<S>;

    fn layer(&self, inner: S) -> ObservedService<S> {
        ObservedService { inner, methods: Arc::clone(&self.0) }
    }
}

/// A service with the layer around it.
#[derive(Clone, Debug)]
pub struct ObservedService<S> {
    inner: S,
    methods: Arc<Methods>,
}

/// Counts a call until it is dropped; one whose status nobody has heard by then was given up by its caller.
struct InFlight {
    figures: Arc<CallFigures>,
    span: Option<Span>,
    code: Code,
}

impl InFlight {
    fn begin(figures: Arc<CallFigures>, span: Option<Span>) -> Self {
        figures.begun();
        Self { figures, span, code: Code::Cancelled }
    }

    fn heard(&mut self, code: Code) {
        self.code = code;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let code = i32::from(self.code);
        self.figures.ended(code);
        if let Some(span) = &self.span {
            traces::call_ended(span, code);
        }
    }
}

impl<S> Service<Request<Body>> for ObservedService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path();
        let Method { figures, streams } = self.methods.of(path).clone();
        let (service, method) = path.trim_start_matches('/').split_once('/').unwrap_or((path, ""));
        let span = traces::call(request.headers(), service, method);
        let mut in_flight = InFlight::begin(figures, span.clone());
        let path = if streams { path.to_owned() } else { String::new() };
        let answer = self.inner.call(request);
        let answer = async move {
            let response = answer.await?;
            if let Some(span) = &in_flight.span {
                traces::call_is(span, request_id_of(response.headers()));
            }
            // An answer that is only a status has it in its headers.
            match Status::from_header_map(response.headers()) {
                Some(status) => in_flight.heard(status.code()),
                // The only answer of such a method is whole by now.
                None if !streams => in_flight.heard(Code::Ok),
                None => {
                    let request_id = request_id_of(response.headers()).to_owned();
                    let answers = |body| Answers { body, in_flight, path, request_id };
                    return Ok(response.map(|body| Body::new(answers(body))));
                }
            }
            Ok(response)
        };
        match span {
            None => Box::pin(answer),
            Some(span) => Box::pin(answer.instrument(span)),
        }
    }
}

/// A stream of answers, with the status behind them.
struct Answers {
    body: Body,
    in_flight: InFlight,
    path: String,
    request_id: String,
}

impl HttpBody for Answers {
    type Data = <Body as HttpBody>::Data;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(status) = frame.trailers_ref().and_then(Status::from_header_map)
        {
            self.in_flight.heard(status.code());
            if status.code() != Code::Ok {
                let Self { path: method, request_id, .. } = &*self;
                tracing::info!(request_id, method, code = ?status.code(), "a call failed behind its answers");
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_of_ours_is_counted_under_its_name() {
        let set = FileDescriptorSet::decode(DESCRIPTORS).expect("descriptors");
        let mut described: Vec<_> = set
            .file
            .iter()
            .flat_map(|file| &file.service)
            .flat_map(|service| service.method.iter().map(|method| method.name()))
            .collect();
        let mut counted = METHODS;
        described.sort_unstable();
        counted.sort_unstable();
        assert_eq!(described, counted);
    }
}
