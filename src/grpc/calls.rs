//! What every call passes: a request id that it is known by on both sides, who calls and whether they may, a place among the
//! calls under way, room for its message, the deadline that its caller asked for, and a line in the log when it fails.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};

use super::{
    callers::{
        Caller, Callers,
        methods::{Answer, Method},
    },
    capacity::{Call, Capacity, OpenStream},
    connections::Peer,
    intake::{Held, Room},
};
use crate::{
    config::operation::Limits,
    telemetry::{audit, seldom::Seldom},
};

/// The id of a call: the caller's `x-request-id`, or one made up here.
#[derive(Clone, Debug)]
pub struct RequestId(HeaderValue);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A longer one is not echoed: it would be copied into every line of the log.
const REQUEST_ID_LENGTH: usize = 128;

impl RequestId {
    fn of(headers: &HeaderMap) -> Self {
        let theirs = headers.get(REQUEST_ID).filter(|id| {
            (1..=REQUEST_ID_LENGTH).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
        });
        Self(theirs.cloned().unwrap_or_else(Self::random))
    }

    fn random() -> HeaderValue {
        let id = format!("{:016x}", rand::random::<u64>());
        HeaderValue::from_maybe_shared(id).unwrap_or(HeaderValue::from_static("none"))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

/// Where a call comes from, as logs and the audit log have it.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    request_id: Option<RequestId>,
    caller: Option<Caller>,
}

impl Origin {
    pub(super) fn of<T>(request: &tonic::Request<T>) -> Self {
        let extensions = request.extensions();
        Self {
            request_id: extensions.get::<RequestId>().cloned(),
            caller: extensions.get::<Caller>().cloned(),
        }
    }

    pub(super) fn request_id(&self) -> Option<&str> {
        self.request_id.as_ref().map(RequestId::as_str)
    }

    pub(super) fn call(&self) -> audit::Call<'_> {
        audit::Call { request_id: self.request_id(), caller: self.caller.as_ref().map(Caller::name) }
    }
}

/// The id that an answer carries.
pub(super) fn request_id_of(answer: &HeaderMap) -> &str {
    answer.get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default()
}

/// The layer: everything a call passes on its way in.
#[derive(Clone)]
pub struct Calls(Arc<Way>);

struct Way {
    callers: Arc<Callers>,
    capacity: Arc<Capacity>,
    room: Room,
    timeout: Duration,
    turned_away: Seldom,
}

impl Calls {
    /// Calls of these callers, within these limits.
    pub fn new(limits: &Limits, callers: Arc<Callers>, capacity: Arc<Capacity>, room: Room) -> Self {
        Self(Arc::new(Way {
            callers,
            capacity,
            room,
            timeout: limits.call_timeout,
            turned_away: Seldom::default(),
        }))
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
    _call: Call,
    _memory: Held,
    stream: Option<OpenStream>,
}

impl Way {
    /// Takes the call, or says why not.
    fn take(&self, request: &mut Request<Body>) -> Result<Taken, Status> {
        let Some(method) = Method::of(request.uri().path()) else {
            let message = "this version of the service has no such method";
            return Err(Status::unimplemented(message));
        };
        let Some(peer) = request.extensions().get::<Arc<Peer>>().cloned() else {
            return Err(Status::internal("the connection is not known"));
        };
        let call = match self.callers.admit(method, request.headers(), &peer)? {
            None => self.capacity.count(peer.account()),
            Some(caller) => {
                request.extensions_mut().insert(caller);
                self.capacity.call(peer.account())?
            }
        };
        let stream = (method.answer == Answer::Stream).then(|| self.capacity.stream()).transpose()?;
        let (body, memory) = self.room.body(std::mem::take(request.body_mut()), method.answer);
        *request.body_mut() = body;
        Ok(Taken { _call: call, _memory: memory, stream })
    }
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
        let id = RequestId::of(request.headers());
        let most = self.calls.0.timeout;
        let deadline = timeout_of(request.headers()).map_or(most, |theirs| theirs.min(most));
        let uri = request.uri().clone();
        request.extensions_mut().insert(id.clone());
        let way = Arc::clone(&self.calls.0);
        let taken = way.take(&mut request).map(|taken| (taken, self.inner.call(request)));
        Box::pin(async move {
            let (mut response, stream) = match taken {
                Err(status) => (status.into_http(), None),
                Ok((taken, answer)) => match tokio::time::timeout(deadline, answer).await {
                    Ok(response) => (response?, taken.stream),
                    Err(_elapsed) => {
                        let message =
                            "no answer within the caller's grpc-timeout, or within limits.call_timeout";
                        (Status::deadline_exceeded(message).into_http(), None)
                    }
                },
            };
            // An answer that is only a status has it in its headers.
            if let Some(status) =
                Status::from_header_map(response.headers()).filter(|status| status.code() != Code::Ok)
            {
                let status = in_grpcs_words(status);
                log(&way.turned_away, &id, uri.path(), &status);
                response = status.into_http();
            } else if let Some(stream) = stream {
                response = response.map(|body| Body::new(Counted { body, _stream: stream }));
            }
            let mut id = id.0;
            // No two answers have the same: remembering it for HPACK would push out what can be said in short.
            id.set_sensitive(true);
            response.headers_mut().insert(REQUEST_ID, id);
            Ok(response)
        })
    }
}

/// A line for each call that failed, but not for each that is turned away: there would be as many as there is too much.
fn log(turned_away: &Seldom, id: &RequestId, method: &str, status: &Status) {
    if status.code() != Code::ResourceExhausted {
        let code = status.code();
        return tracing::info!(
            request_id = id.as_str(),
            method,
            ?code,
            cause = status.message(),
            "a call failed"
        );
    }
    if let Some(calls) = turned_away.again() {
        tracing::warn!(calls, method, cause = status.message(), "calls are turned away");
    }
}

/// An answer that is a stream, counted until its end.
struct Counted {
    body: Body,
    _stream: OpenStream,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// tonic says OUT_OF_RANGE of a message that is too large, everybody else RESOURCE_EXHAUSTED.
pub(super) fn in_grpcs_words(status: Status) -> Status {
    match status.code() {
        Code::OutOfRange if status.message().contains("message length too large") => {
            Status::resource_exhausted("the message is larger than limits.max_message_bytes allows")
        }
        _ => status,
    }
}

/// tonic keeps to `grpc-timeout` by itself and then answers CANCELLED; by ending a little earlier the answer is the one
/// that gRPC prescribes. tokio's timers tick once a millisecond, so one tick could be the same.
const EARLIER: Duration = Duration::from_millis(2);

/// `grpc-timeout`: at most eight digits and a unit (gRPC over HTTP2, Requests).
fn timeout_of(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let amount: u64 = (digits.len() <= 8).then(|| digits.parse().ok())??;
    let timeout = match unit {
        "H" => Duration::from_secs(amount * 60 * 60),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    };
    Some(timeout.saturating_sub(EARLIER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(
            HeaderName::from_static(name),
            HeaderValue::from_str(value).expect("a value"),
        )])
    }

    #[test]
    fn timeouts() {
        for (text, milliseconds) in
            [("1S", Some(998)), ("100m", Some(98)), ("1u", Some(0)), ("1H", Some(3_599_998))]
        {
            let timeout = timeout_of(&headers("grpc-timeout", text));
            assert_eq!(timeout.map(|timeout| timeout.as_millis()), milliseconds, "{text}");
        }
        for text in ["", "S", "1", "1x", "-1S", "123456789S"] {
            assert_eq!(timeout_of(&headers("grpc-timeout", text)), None, "{text}");
        }
    }

    #[test]
    fn a_request_id_is_echoed_when_it_is_fit_for_a_log() {
        assert_eq!(RequestId::of(&headers("x-request-id", "abc-1")).as_str(), "abc-1");
        for unfit in ["", "a b", "é", &"x".repeat(129)] {
            assert_eq!(RequestId::of(&headers("x-request-id", unfit)).as_str().len(), 16, "{unfit}");
        }
    }
}
