//! The layer around all others: gives each call its context, and tells of it when it has ended, also if it was turned away
//! before a service heard of it: in the metrics, the caller's trace, the log and the audit log.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};
use tracing::{Instrument as _, Span};

use super::{
    callers::{
        Caller,
        methods::{Kind, METHODS, Method},
    },
    context::CallContext,
    retry,
};
use crate::{
    seldom::Seldom,
    telemetry::{
        audit::Audit,
        metrics::{CallFigures, Metrics, door::Refusal},
        traces,
    },
};

/// The layer.
#[derive(Clone)]
pub struct Observed(Arc<Observer>);

struct Observer {
    metrics: Arc<Metrics>,
    audit: Arc<Audit>,
    /// Of each method in the table, in its order.
    figures: [Arc<CallFigures>; METHODS.len()],
    unknown: Arc<CallFigures>,
    turned_away: Seldom,
    strangers: Seldom,
}

impl Observed {
    /// Tells these.
    pub fn new(metrics: Arc<Metrics>, audit: Arc<Audit>) -> Self {
        let figures = METHODS.each_ref().map(|method| Arc::new(metrics.calls_of(method.label())));
        let unknown = Arc::new(metrics.calls_of("unknown"));
        Self(Arc::new(Observer {
            metrics,
            audit,
            figures,
            unknown,
            turned_away: Seldom::default(),
            strangers: Seldom::default(),
        }))
    }
}

impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed").finish_non_exhaustive()
    }
}

impl Observer {
    fn begin(self: &Arc<Self>, request: &Request<Body>) -> InFlight {
        let (method, figures) = match Method::place(request.uri().path()) {
            Some(place) => (METHODS.get(place), self.figures.get(place)),
            None => (None, None),
        };
        let figures = figures.unwrap_or(&self.unknown);
        figures.begun();
        let span = traces::call(request.headers(), path_of(method));
        let call = CallContext::begin(request, method, &self.audit);
        if let Some(span) = &span {
            traces::call_is(span, call.request_id());
        }
        InFlight {
            observer: Arc::clone(self),
            figures: Arc::clone(figures),
            span,
            call,
            code: Code::Cancelled,
        }
    }

    /// A line for each call that failed, but not for each that is turned away, nor for each of somebody who is not known:
    /// there would be as many as he likes.
    fn log(&self, call: &CallContext, status: &Status) {
        let request_id = call.request_id();
        let method = path_of(call.method());
        let caller = call.caller().map(Caller::name);
        let address = call.peer().ok().map(|peer| tracing::field::display(peer.address()));
        let (code, cause) = (status.code(), status.message());
        if retry::is_shed(status) {
            if let Some(calls) = self.turned_away.again() {
                tracing::warn!(calls, method, caller, address, cause, "calls are turned away");
            }
        } else if caller.is_some() {
            tracing::info!(request_id, method, caller, address, ?code, cause, "a call failed");
        } else if let Some(calls) = self.strangers.again() {
            tracing::info!(
                request_id,
                calls,
                method,
                address,
                ?code,
                cause,
                "calls failed of whom is not known"
            );
        }
    }
}

/// What is not in the table is told by no name of the caller's.
fn path_of(method: Option<&Method>) -> &'static str {
    method.map_or("unknown", |method| method.path)
}

/// A call until it is dropped; one whose status nobody has heard by then was given up by its caller.
struct InFlight {
    observer: Arc<Observer>,
    figures: Arc<CallFigures>,
    span: Option<Span>,
    call: CallContext,
    code: Code,
}

impl InFlight {
    fn heard(&mut self, status: &Status) {
        self.code = status.code();
        if self.code == Code::PermissionDenied {
            self.observer.metrics.door().refused(Refusal::Role);
        }
        if self.code != Code::Ok {
            self.observer.log(&self.call, status);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let code = i32::from(self.code);
        self.figures.ended(code);
        self.call.ended(code);
        if let Some(span) = &self.span {
            traces::call_ended(span, code);
        }
    }
}

impl<S> Layer<S> for Observed {
    type Service = ObservedService<S>;

    fn layer(&self, inner: S) -> ObservedService<S> {
        ObservedService { inner, observer: Arc::clone(&self.0) }
    }
}

/// A service with the layer around it.
#[derive(Clone)]
pub struct ObservedService<S> {
    inner: S,
    observer: Arc<Observer>,
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

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let mut in_flight = self.observer.begin(&request);
        let span = in_flight.span.clone();
        request.extensions_mut().insert(in_flight.call.clone());
        let answer = self.inner.call(request);
        let answer = async move {
            let mut response = answer.await?;
            in_flight.call.echo(response.headers_mut());
            // An answer that is only a status has it in its headers.
            if let Some(status) = Status::from_header_map(response.headers()) {
                in_flight.heard(&status);
            } else if in_flight.call.method().is_none_or(|method| method.kind == Kind::Unary) {
                // Its only answer is whole by now.
                in_flight.heard(&Status::ok(""));
            } else {
                return Ok(response.map(|body| Body::new(Answers { body, in_flight })));
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
            self.in_flight.heard(&status);
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
