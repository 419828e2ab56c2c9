//! What a fleet has done so far, counted while it runs.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::sync::watch;
use tonic::{Code, Status};

use crate::telemetry::causes;

/// What a fleet has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events in batches that were acked.
    pub acked_events: u64,
    /// Batches that were acked.
    pub acked_batches: u64,
    /// Fields that the service did not take.
    pub rejected: u64,
    /// Sockets that are open in the fleet's own eyes.
    pub open_sockets: u64,
    /// Commands that were answered.
    pub commands: u64,
    /// Streams that were welcomed after an earlier one of the same gateway.
    pub reopened: u64,
    /// Streams that are open and were welcomed.
    pub streams: u64,
}

#[derive(Debug)]
pub(super) struct Counters {
    pub(super) acked_events: AtomicU64,
    pub(super) acked_batches: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) open_sockets: AtomicU64,
    pub(super) commands: AtomicU64,
    pub(super) reopened: AtomicU64,
    pub(super) streams: AtomicU64,
    /// Gateways whose first listing has been acked.
    pub(super) listed: watch::Sender<usize>,
    /// Why no gateway will ever be welcomed.
    pub(super) hopeless: watch::Sender<Option<String>>,
    /// A gateway id under which another process reports.
    pub(super) taken: watch::Sender<Option<String>>,
    problem: Mutex<Option<String>>,
    latency: Mutex<Histogram<u64>>,
}

/// Three digits of a latency are as much as such a measurement says; what takes longer than a minute counts as that.
fn histogram() -> Result<Histogram<u64>, String> {
    const MICROSECONDS_AT_MOST: u64 = 60_000_000;
    Histogram::new_with_max(MICROSECONDS_AT_MOST, 3).map_err(|error| error.to_string())
}

impl Counters {
    pub(super) fn new(open_sockets: u64) -> Result<Self, String> {
        Ok(Self {
            acked_events: AtomicU64::default(),
            acked_batches: AtomicU64::default(),
            rejected: AtomicU64::default(),
            open_sockets: open_sockets.into(),
            commands: AtomicU64::default(),
            reopened: AtomicU64::default(),
            streams: AtomicU64::default(),
            listed: watch::Sender::default(),
            hopeless: watch::Sender::default(),
            taken: watch::Sender::default(),
            problem: Mutex::default(),
            latency: Mutex::new(histogram()?),
        })
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            acked_events: self.acked_events.load(Relaxed),
            acked_batches: self.acked_batches.load(Relaxed),
            rejected: self.rejected.load(Relaxed),
            open_sockets: self.open_sockets.load(Relaxed),
            commands: self.commands.load(Relaxed),
            reopened: self.reopened.load(Relaxed),
            streams: self.streams.load(Relaxed),
        }
    }

    /// A batch has been acked, so long after it was due to go out.
    pub(super) fn acked(&self, events: u64, latency: Duration) {
        self.acked_batches.fetch_add(1, Relaxed);
        self.acked_events.fetch_add(events, Relaxed);
        let mut histogram = self.latency.lock().unwrap_or_else(PoisonError::into_inner);
        histogram.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    /// The latencies so far in microseconds, which begin anew.
    pub(super) fn take_latency(&self) -> Histogram<u64> {
        let mut latency = self.latency.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = latency.clone();
        latency.reset();
        taken
    }

    /// A stream has ended.
    pub(super) fn ended(&self, status: &Status) {
        let problem = match std::error::Error::source(status) {
            Some(cause) => format!("{:?}: {}", status.code(), causes(cause)),
            None => format!("{:?}: {}", status.code(), status.message()),
        };
        if matches!(
            status.code(),
            Code::Unimplemented | Code::Unauthenticated | Code::PermissionDenied | Code::InvalidArgument
        ) {
            self.hopeless.send_replace(Some(problem.clone()));
        }
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem);
    }

    /// How the last stream ended that did.
    pub(super) fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Counts a stream for as long as it is welcome.
#[derive(Debug)]
pub(super) struct Welcomed<'c>(&'c Counters);

impl<'c> Welcomed<'c> {
    pub(super) fn new(counters: &'c Counters) -> Self {
        counters.streams.fetch_add(1, Relaxed);
        Self(counters)
    }
}

impl Drop for Welcomed<'_> {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Relaxed);
    }
}

/// A batch on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unacked {
    pub(super) sequence: u64,
    pub(super) events: u64,
    /// When it was due to go out, whether it could or not.
    pub(super) due: Instant,
    /// It ended the first listing.
    pub(super) complete: bool,
}
