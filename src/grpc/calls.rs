//! What every call passes on its way in: who calls and whether they may, a place among the calls under way, room for its
//! message, the deadline that its caller asked for; and what ends an answer that would go on.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use super::{
    callers::{
        Callers,
        methods::{Access, Kind},
    },
    context::CallContext,
    intake::{Held, Room},
    retry,
};
use crate::{
    config::operation::Limits,
    door::capacity::{Capacity, Full, Of, Place},
};

/// Ends streams, which would hold up the drain.
#[derive(Clone, Debug, Default)]
pub struct Draining {
    /// Answers end: who asked goes on at another replica.
    pub answers: CancellationToken,
    /// Conversations end that are still there when the gateways have been sent away.
    pub conversations: CancellationToken,
}

const GRPC_STATUS: &str = "grpc-status";

/// The layer: everything a call passes on its way in.
#[derive(Clone)]
pub struct Calls(Arc<Way>);

struct Way {
    callers: Arc<Callers>,
    capacity: Arc<Capacity>,
    room: Room,
    timeout: Duration,
    draining: Draining,
}

impl Calls {
    /// Calls of these callers, within these limits.
    pub fn new(
        limits: &Limits,
        callers: Arc<Callers>,
        capacity: Arc<Capacity>,
        room: Room,
        draining: Draining,
    ) -> Self {
        Self(Arc::new(Way { callers, capacity, room, timeout: limits.call_timeout, draining }))
    }
}

impl<S> Layer<S> for Calls {
    type Service = CallService<S>;

    fn layer(&self, inner: S) -> CallService<S> {
        CallService { inner, calls: self.clone() }
    }
}

/// A service with the layer around it.
#[derive(Clone)]
pub struct CallService<S> {
    inner: S,
    calls: Calls,
}

/// What a call that was taken holds until its answer.
struct Taken {
    _call: Place,
    _memory: Held,
    stream: Option<StreamPlace>,
}

/// What a stream of answers holds until its end, and what ends it before.
struct StreamPlace {
    _open: Place,
    draining: CancellationToken,
    aging: CancellationToken,
}

impl Way {
    /// Takes the call, or says why not.
    fn take(&self, request: &mut Request<Body>) -> Result<Taken, Status> {
        let context = CallContext::in_extensions(request.extensions().get())?;
        let Some(method) = context.method() else {
            let message = "this version of the service has no such method";
            return Err(Status::unimplemented(message));
        };
        let peer = context.peer()?;
        self.callers.admit(method, request.headers(), &context)?;
        let (calls, streams) = match method.access {
            Access::Open => (Of::OpenCalls, Of::OpenStreams),
            Access::Role(_) => (Of::Calls, Of::Streams),
        };
        let call = self.capacity.place(calls, peer.account()).map_err(shed)?;
        let stream = match method.kind {
            Kind::Unary => None,
            kind => Some(StreamPlace {
                _open: self.capacity.place(streams, peer.account()).map_err(shed)?,
                draining: match kind {
                    Kind::Conversation => self.draining.conversations.clone(),
                    _ => self.draining.answers.clone(),
                },
                aging: match kind {
                    // It has an end of its own, which the connection waits for.
                    Kind::Answers => CancellationToken::new(),
                    _ => peer.ending().clone(),
                },
            }),
        };
        let (body, memory) = self.room.body(std::mem::take(request.body_mut()), method);
        *request.body_mut() = body;
        Ok(Taken { _call: call, _memory: memory, stream })
    }
}

fn shed(full: Full) -> Status {
    retry::soon(&full.to_string())
}

impl<S> Service<Request<Body>> for CallService<S>
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
        let most = self.calls.0.timeout;
        let deadline = timeout_of(request.headers()).map_or(most, |theirs| theirs.min(most));
        let taken = self.calls.0.take(&mut request).map(|taken| (taken, self.inner.call(request)));
        Box::pin(async move {
            let (taken, answer) = match taken {
                Ok(taken) => taken,
                Err(status) => return Ok(status.into_http()),
            };
            let Ok(response) = tokio::time::timeout(deadline, answer).await else {
                let message = "no answer within the caller's grpc-timeout, or within limits.call_timeout";
                return Ok(Status::deadline_exceeded(message).into_http());
            };
            let response = response?;
            // An answer that is only a status has it in its headers.
            if response.headers().contains_key(GRPC_STATUS) {
                return Ok(response);
            }
            Ok(match taken.stream {
                None => response,
                Some(place) => response.map(|body| Body::new(OpenAnswers::new(body, place))),
            })
        })
    }
}

/// What waits when a stream is to end is told still, but not without end: so many frames.
const LAST_FRAMES: u8 = 16;

/// A stream of answers, until its end or until the service ends it.
struct OpenAnswers {
    /// `None` when it has been ended.
    body: Option<Body>,
    _open: Place,
    draining: Pin<Box<WaitForCancellationFutureOwned>>,
    aging: Pin<Box<WaitForCancellationFutureOwned>>,
    due: Option<Status>,
    frames_left: u8,
}

impl OpenAnswers {
    fn new(body: Body, place: StreamPlace) -> Self {
        let StreamPlace { _open, draining, aging } = place;
        Self {
            body: Some(body),
            _open,
            draining: Box::pin(draining.cancelled_owned()),
            aging: Box::pin(aging.cancelled_owned()),
            due: None,
            frames_left: LAST_FRAMES,
        }
    }

    fn due(&mut self, context: &mut Context<'_>) -> Option<&Status> {
        if self.due.is_none() {
            if self.draining.as_mut().poll(context).is_ready() {
                self.due = Some(Status::unavailable("this replica is stopping: go on at another"));
            } else if self.aging.as_mut().poll(context).is_ready() {
                let message = "this connection has got old (limits.connection_age): go on over another";
                self.due = Some(Status::unavailable(message));
            }
        }
        self.due.as_ref()
    }
}

impl HttpBody for OpenAnswers {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        if this.frames_left > 0
            && let Poll::Ready(frame) = Pin::new(body).poll_frame(context)
        {
            if this.due.is_some() {
                this.frames_left -= 1;
            }
            return Poll::Ready(frame);
        }
        let Some(status) = this.due(context) else { return Poll::Pending };
        let mut trailers = HeaderMap::new();
        let told = status.add_header(&mut trailers);
        this.body = None;
        Poll::Ready(Some(told.map(|()| Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

/// `grpc-timeout`: at most eight digits and a unit (gRPC over HTTP2, Requests).
fn timeout_of(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let amount: u64 = (digits.len() <= 8).then(|| digits.parse().ok())??;
    Some(match unit {
        "H" => Duration::from_secs(amount * 60 * 60),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn timeouts() {
        let of = |text: &str| {
            let value = HeaderValue::from_str(text).expect("a value");
            timeout_of(&HeaderMap::from_iter([(http::HeaderName::from_static("grpc-timeout"), value)]))
        };
        for (text, microseconds) in
            [("1S", 1_000_000), ("100m", 100_000), ("1u", 1), ("1000n", 1), ("1H", 3_600_000_000)]
        {
            assert_eq!(of(text), Some(Duration::from_micros(microseconds)), "{text}");
        }
        for text in ["", "S", "1", "1x", "-1S", "123456789S"] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
