//! Calls one method over and over and measures how long each call takes.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::client::SendRequest;
use hdrhistogram::Histogram;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use prost::Message as _;
use tokio::{net::TcpStream, task::JoinSet};
use tokio_util::task::AbortOnDropHandle;
use tonic::Code;

use crate::{
    grpc::{
        convert,
        pb::{AuthorizeRequest, Reason},
    },
    task,
};

/// What load.
#[derive(Clone, Debug)]
pub struct Load {
    /// Whom to call, as a URL.
    pub url: String,
    /// HTTP/2 connections.
    pub connections: usize,
    /// Calls under way at any time, over all connections.
    pub concurrency: usize,
    /// How long to call without counting, first.
    pub warmup: Duration,
    /// How long to count.
    pub duration: Duration,
    /// As whom to call: the `authorization` header's value.
    pub authorization: Option<HeaderValue>,
    /// What to ask.
    pub request: AuthorizeRequest,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Measured {
    /// How long was counted.
    pub elapsed: Duration,
    /// Microseconds a call took.
    pub latency: Histogram<u64>,
    /// Answers by reason.
    pub reasons: BTreeMap<String, u64>,
    /// Calls that got no answer, by status.
    pub errors: BTreeMap<String, u64>,
}

impl Measured {
    /// Answers a second.
    pub fn throughput(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let answers = self.latency.len() as f64;
        answers / self.elapsed.as_secs_f64()
    }
}

/// Seen while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    answers: AtomicU64,
    counting: AtomicBool,
    stop: AtomicBool,
}

impl Progress {
    /// Answers so far, those of the warm-up not counted.
    pub fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }
}

/// Three digits of a latency are as much as such a measurement says; a minute is longer than any call takes.
fn histogram() -> Result<Histogram<u64>, String> {
    const MICROSECONDS_AT_MOST: u64 = 60_000_000;
    Histogram::new_with_max(MICROSECONDS_AT_MOST, 3).map_err(|error| error.to_string())
}

/// Runs the load. The error says what was wrong before the first call.
pub async fn run(load: &Load, progress: Arc<Progress>) -> Result<Measured, String> {
    let call = Call::new(load)?;
    let mut connections = Vec::new();
    for _ in 0..load.connections.max(1) {
        connections.push(
            connect(&load.url).await.map_err(|cause| format!("nothing answers at {} ({cause})", load.url))?,
        );
    }
    let mut callers = JoinSet::new();
    for (connection, _driver) in connections.iter().cycle().take(load.concurrency.max(1)) {
        callers.spawn(call.clone().over_and_over(connection.clone(), Arc::clone(&progress), histogram()?));
    }
    tokio::time::sleep(load.warmup).await;
    progress.counting.store(true, Ordering::Relaxed);
    let started = Instant::now();
    tokio::time::sleep(load.duration).await;
    progress.stop.store(true, Ordering::Relaxed);
    let elapsed = started.elapsed();
    let mut measured =
        Measured { elapsed, latency: histogram()?, reasons: BTreeMap::new(), errors: BTreeMap::new() };
    while let Some(caller) = callers.join_next().await {
        let (latency, reasons, errors) = caller.map_err(|error| error.to_string())?;
        measured.latency.add(latency).map_err(|error| error.to_string())?;
        for (reason, count) in reasons {
            let reason = Reason::try_from(reason).unwrap_or_default();
            *measured.reasons.entry(convert::reason_name(reason).into_owned()).or_default() += count;
        }
        for (error, count) in errors {
            *measured.errors.entry(error).or_default() += count;
        }
    }
    Ok(measured)
}

type Connection = SendRequest<Bytes>;

/// Bytes of answers that may be on their way on one connection: more than any concurrency asks for, so that it is never
/// the load that waits.
const WINDOW: u32 = 16 << 20;

/// One HTTP/2 connection and the task that drives it.
async fn connect(url: &str) -> Result<(Connection, AbortOnDropHandle<()>), String> {
    let uri: Uri = url.parse().map_err(|_| "this is no URL".to_owned())?;
    let (Some("http"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err("only http:// is spoken here".to_owned());
    };
    let stream = TcpStream::connect(authority.as_str()).await.map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let handshake = h2::client::Builder::new().initial_connection_window_size(WINDOW).handshake(stream);
    let (connection, driver) = handshake.await.map_err(|error| error.to_string())?;
    let driver = task::owned(async move {
        // How a connection ends its callers hear from their calls.
        let _ = driver.await;
    });
    Ok((connection, driver))
}

/// The call, made ready once: what is measured is the service, so the load does as little as it can.
#[derive(Clone)]
struct Call {
    request: Request<()>,
    message: Bytes,
}

/// As much of the answer as is counted.
#[derive(prost::Message)]
struct Answer {
    #[prost(int32, tag = "2")]
    reason: i32,
}

/// Compression flag and length before each message (gRPC over HTTP2, Length-Prefixed-Message).
const PREFIX: usize = 5;

type Reasons = BTreeMap<i32, u64>;
type Errors = BTreeMap<String, u64>;

impl Call {
    fn new(load: &Load) -> Result<Self, String> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}/socketpass.v1.AuthorizationService/Authorize", load.url.trim_end_matches('/')))
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(header::TE, "trailers")
            .body(())
            .map_err(|error| format!("{}: {error}", load.url))?;
        if let Some(authorization) = &load.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, authorization.clone());
        }
        let mut message = BytesMut::new();
        message.put_u8(0);
        message.put_u32(u32::try_from(load.request.encoded_len()).map_err(|error| error.to_string())?);
        message.put(load.request.encode_to_vec().as_slice());
        Ok(Self { request, message: message.freeze() })
    }

    async fn over_and_over(
        self,
        connection: Connection,
        progress: Arc<Progress>,
        mut latency: Histogram<u64>,
    ) -> (Histogram<u64>, Reasons, Errors) {
        let (mut reasons, mut errors) = (Reasons::new(), Errors::new());
        while !progress.stop.load(Ordering::Relaxed) {
            let started = Instant::now();
            let answer = self.once(connection.clone()).await;
            if !progress.counting.load(Ordering::Relaxed) {
                continue;
            }
            match answer {
                Ok(reason) => {
                    latency
                        .saturating_record(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX));
                    *reasons.entry(reason).or_default() += 1;
                    progress.answers.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    *errors.entry(error).or_default() += 1;
                    // A service that is gone answers at once: asking on would only keep this machine busy.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
        (latency, reasons, errors)
    }

    /// The answer's reason, or what kept it from coming.
    async fn once(&self, connection: Connection) -> Result<i32, String> {
        let lost = |error: h2::Error| format!("connection: {error}");
        let mut connection = connection.ready().await.map_err(lost)?;
        let (response, mut body) = connection.send_request(self.request.clone(), false).map_err(lost)?;
        body.send_data(self.message.clone(), true).map_err(lost)?;
        let response = response.await.map_err(lost)?;
        check_status(response.headers(), false)?;
        let mut body = response.into_body();
        let mut message = BytesMut::new();
        while let Some(data) = body.data().await {
            let data = data.map_err(lost)?;
            body.flow_control().release_capacity(data.len()).map_err(lost)?;
            message.put(data);
        }
        let trailers = body.trailers().await.map_err(lost)?.unwrap_or_default();
        check_status(&trailers, true)?;
        let answer = message.get(PREFIX..).and_then(|message| Answer::decode(message).ok());
        answer.map(|answer| answer.reason).ok_or_else(|| "an answer that is no AuthorizeResponse".to_owned())
    }
}

/// `grpc-status` stands in the trailers, or in the headers of an answer that has nothing else.
fn check_status(headers: &HeaderMap, required: bool) -> Result<(), String> {
    match headers.get("grpc-status").map(|status| Code::from_bytes(status.as_bytes())) {
        Some(Code::Ok) => Ok(()),
        Some(code) => Err(format!("{code:?}")),
        None if required => Err("an answer without a status".to_owned()),
        None => Ok(()),
    }
}
