//! What operators see of the service: logs, traces, metrics and the audit log.

use std::error::Error;

use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::{layer::SubscriberExt as _, util::SubscriberInitExt as _};

use self::metrics::Told;
use crate::config::{operation::Log, telemetry::Telemetry};

pub mod audit;
pub mod log;
pub mod metrics;
pub mod observed;
pub mod traces;

/// Traces cannot be started, which is a matter of settings.
#[derive(Debug, thiserror::Error)]
#[error("telemetry.otlp_endpoint: traces cannot be sent there: {0}")]
pub struct TracesFailed(String);

/// Keeps log and traces going; what still waits is written and sent when it is dropped, if whoever takes it does so soon.
#[must_use = "log and traces end with it"]
#[derive(Debug)]
pub struct Telling {
    // Before the log, which hears how that went.
    _traces: Option<traces::Tracing>,
    _log: WorkerGuard,
}

/// Starts the log, and traces if they have somewhere to go. Needs a runtime.
pub fn start(log: &Log, telemetry: &Telemetry) -> Result<Telling, TracesFailed> {
    let (lines, guard) = log::layer(log);
    let traces = traces::start(telemetry).map_err(|error| TracesFailed(causes(&error)))?;
    let (spans, tracing) = traces.unzip();
    // A second start in one process leaves the first in force.
    let _ = tracing_subscriber::registry().with(lines).with(spans).try_init();
    log::panics();
    Ok(Telling { _traces: tracing, _log: guard })
}

/// Starts the log alone, for commands that are over soon.
pub fn start_log(log: &Log) -> Telling {
    let (lines, guard) = log::layer(log);
    let _ = tracing_subscriber::registry().with(lines).try_init();
    Telling { _traces: None, _log: guard }
}

/// What was told in this process, and what was lost of it; and of this audit log.
pub fn told(audit: &audit::Audit) -> Told {
    let (spans_exported, spans_lost) = traces::counts();
    let (audit, audit_lost) = audit.counts();
    Told { log_lost: log::lost(), audit, audit_lost, spans_exported, spans_lost }
}

/// An error with all its causes: many say of themselves no more than "transport error".
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
