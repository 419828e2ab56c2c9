//! Calls one method over and over and measures how long each call takes.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::task::JoinSet;
use tonic::{
    Code,
    transport::{Channel, Endpoint},
};

use crate::grpc::{
    convert,
    pb::{AuthorizeRequest, authorization_service_client::AuthorizationServiceClient},
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
    let mut channels = Vec::new();
    for _ in 0..load.connections.max(1) {
        let endpoint =
            Endpoint::from_shared(load.url.clone()).map_err(|error| error.to_string())?.tcp_nodelay(true);
        channels.push(
            endpoint.connect().await.map_err(|error| format!("nothing answers at {} ({error})", load.url))?,
        );
    }
    let mut callers = JoinSet::new();
    for channel in channels.iter().cycle().take(load.concurrency.max(1)) {
        callers.spawn(call(channel.clone(), load.request.clone(), Arc::clone(&progress), histogram()?));
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
            let reason = crate::grpc::pb::Reason::try_from(reason).unwrap_or_default();
            *measured.reasons.entry(convert::reason_name(reason).into_owned()).or_default() += count;
        }
        for (code, count) in errors {
            *measured.errors.entry(format!("{:?}", Code::from(code))).or_default() += count;
        }
    }
    Ok(measured)
}

type Counts = BTreeMap<i32, u64>;

async fn call(
    channel: Channel,
    request: AuthorizeRequest,
    progress: Arc<Progress>,
    mut latency: Histogram<u64>,
) -> (Histogram<u64>, Counts, Counts) {
    let mut client = AuthorizationServiceClient::new(channel).max_decoding_message_size(usize::MAX);
    let (mut reasons, mut errors) = (Counts::new(), Counts::new());
    while !progress.stop.load(Ordering::Relaxed) {
        let started = Instant::now();
        let answer = client.authorize(request.clone()).await;
        if !progress.counting.load(Ordering::Relaxed) {
            continue;
        }
        match answer {
            Ok(answer) => {
                latency.saturating_record(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX));
                *reasons.entry(answer.get_ref().reason).or_default() += 1;
                progress.answers.fetch_add(1, Ordering::Relaxed);
            }
            Err(status) => *errors.entry(status.code().into()).or_default() += 1,
        }
    }
    (latency, reasons, errors)
}
