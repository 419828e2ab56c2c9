//! What every call gets: a request id that it is known by on both sides, the deadline that its caller asked for, a place in
//! the count of calls under way, and a line in the log when it fails.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};

use crate::telemetry::audit::Call;

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
}

impl Origin {
    pub(super) fn of<T>(request: &tonic::Request<T>) -> Self {
        Self { request_id: request.extensions().get::<RequestId>().cloned() }
    }

    pub(super) fn request_id(&self) -> Option<&str> {
        self.request_id.as_ref().map(RequestId::as_str)
    }

    /// Callers have no names yet; what authenticates them puts one beside the request's id.
    pub(super) fn call(&self) -> Call<'_> {
        Call { request_id: self.request_id(), caller: None }
    }
}

/// The id that an answer carries.
pub(super) fn request_id_of(answer: &HeaderMap) -> &str {
    answer.get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default()
}

/// The layer. Its clones count the same calls.
#[derive(Clone, Debug)]
pub struct Calls {
    under_way: Arc<AtomicUsize>,
    timeout: Duration,
}

impl Calls {
    /// Calls that may take this long, the time for their message to arrive included.
    pub fn new(timeout: Duration) -> Self {
        Self { under_way: Arc::default(), timeout }
    }

    /// How many calls have no answer yet.
    pub fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Relaxed)
    }
}

impl<S> Layer<S> for Calls {
    type Service = CallService<S>;

    fn layer(&self, inner: S) -> CallService<S> {
        CallService { inner, calls: self.clone() }
    }
}

/// A service with the layer around it.
#[derive(Clone, Debug)]
pub struct CallService<S> {
    inner: S,
    calls: Calls,
}

/// Counts a call until it is dropped: answered, or given up by its caller.
struct UnderWay(Arc<AtomicUsize>);

impl UnderWay {
    fn count(calls: &Calls) -> Self {
        calls.under_way.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&calls.under_way))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
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
        let deadline =
            timeout_of(request.headers()).map_or(self.calls.timeout, |theirs| theirs.min(self.calls.timeout));
        let uri = request.uri().clone();
        request.extensions_mut().insert(id.clone());
        let under_way = UnderWay::count(&self.calls);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let mut response = match tokio::time::timeout(deadline, answer).await {
                Ok(response) => response?,
                Err(_elapsed) => Status::deadline_exceeded(
                    "no answer within the caller's grpc-timeout, or within limits.call_timeout",
                )
                .into_http(),
            };
            drop(under_way);
            // An answer that is only a status has it in its headers.
            if let Some(status) =
                Status::from_header_map(response.headers()).filter(|status| status.code() != Code::Ok)
            {
                let status = in_grpcs_words(status);
                tracing::info!(request_id = id.as_str(), method = uri.path(), code = ?status.code(), "a call failed");
                response = status.into_http();
            }
            let mut id = id.0;
            // No two answers have the same: remembering it for HPACK would push out what can be said in short.
            id.set_sensitive(true);
            response.headers_mut().insert(REQUEST_ID, id);
            Ok(response)
        })
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

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_not_answered_ends_in_time_and_is_not_counted_any_more() {
        let calls = Calls::new(Duration::from_secs(10));
        let never = tower::service_fn(|_: Request<Body>| {
            std::future::pending::<Result<Response<Body>, Infallible>>()
        });
        let mut service = calls.layer(never);
        let answer = service.call(Request::new(Body::empty()));
        assert_eq!(calls.under_way(), 1);
        let response = answer.await.expect("infallible");
        let status = Status::from_header_map(response.headers()).expect("a status");
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert_eq!(calls.under_way(), 0);
    }
}
