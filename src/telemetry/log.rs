//! The log, on standard error, written by a thread of its own: whoever reads it slowly, or not at all, does not hold up the
//! service. Lines beyond what waits for the reader are dropped.

use std::io::{IsTerminal as _, stderr};

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::operation::{Log, LogFormat};

/// Lines that may wait for the reader: some megabytes at most.
const LINES: usize = 8192;

/// Keeps the log going; what still waits is written when it is dropped, if the reader takes it within a second.
#[must_use = "the log ends with it"]
#[derive(Debug)]
pub struct Logging(#[expect(dead_code, reason = "held, not read")] WorkerGuard);

/// Starts logging. The filter was checked with the settings.
pub fn start(settings: &Log) -> Logging {
    let Log { format, filter } = settings;
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let text = match format {
        LogFormat::Auto => stderr().is_terminal(),
        LogFormat::Json => false,
        LogFormat::Text => true,
    };
    let (writer, guard) =
        NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES).finish(stderr());
    let builder = fmt().with_env_filter(filter).with_writer(writer).with_target(true);
    // A second start, as in a test that starts several services, leaves the first in force.
    let _ = if text {
        builder.with_ansi(stderr().is_terminal()).try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    };
    Logging(guard)
}
