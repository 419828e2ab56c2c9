//! The log, on standard error, written by a thread of its own: whoever reads it slowly, or not at all, does not hold up the
//! service. Lines beyond what waits for the reader are dropped, and counted.

use std::{
    backtrace::Backtrace,
    io::{IsTerminal as _, stderr},
    panic,
    sync::OnceLock,
};

use tracing::{Level, Metadata, Subscriber, subscriber::Interest};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    EnvFilter,
    filter::LevelFilter,
    fmt,
    layer::{self, Filter, Layer},
    registry::LookupSpan,
    reload,
};

use crate::config::operation::{Log, LogFormat};

/// Lines that may wait for the reader: some megabytes at most.
const LINES: usize = 8192;

/// There is one log in a process.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// Exchanges its filter.
static FILTER: OnceLock<Box<dyn Fn(EnvFilter) + Send + Sync>> = OnceLock::new();

/// Puts another `log.filter` in force.
pub fn refilter(settings: &Log) {
    if let Some(exchange) = FILTER.get() {
        exchange(filter(settings));
    }
}

/// It was checked with the settings.
fn filter(settings: &Log) -> EnvFilter {
    EnvFilter::try_new(&settings.filter).unwrap_or_else(|_| EnvFilter::new("info"))
}

/// Lines that were lost.
pub(super) fn lost() -> u64 {
    let dropped = DROPPED.get().map_or(0, ErrorCounter::dropped_lines);
    u64::try_from(dropped).unwrap_or(u64::MAX)
}

/// The layer that writes the log, and what keeps it going.
pub(super) fn layer<S>(settings: &Log) -> (Box<dyn Layer<S> + Send + Sync>, WorkerGuard)
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    let (lines, handle) = reload::Layer::new(Lines(filter(settings)));
    let _ = FILTER.set(Box::new(move |filter| {
        // Without the log there is nothing to filter.
        let _ = handle.modify(|lines| lines.0 = filter);
    }));
    let text = match settings.format {
        LogFormat::Auto => stderr().is_terminal(),
        LogFormat::Json => false,
        LogFormat::Text => true,
    };
    let (writer, guard) =
        NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES).finish(stderr());
    let _ = DROPPED.set(writer.error_counter());
    let layer = fmt::layer().with_writer(writer).with_target(true);
    let layer: Box<dyn Layer<S> + Send + Sync> = if text {
        layer.with_ansi(stderr().is_terminal()).with_filter(lines).boxed()
    } else {
        layer
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_filter(lines)
            .boxed()
    };
    (layer, guard)
}

/// A driver that tells from `debug` on what it was asked, and so session ids whole.
const TELLS_TOO_MUCH: &str = "tokio_postgres";

/// Events, as `log.filter` has it. Spans are for traces: the log would only pay for them.
struct Lines(EnvFilter);

/// Whether everybody who reads the log may see it.
fn may_be_seen(metadata: &Metadata<'_>) -> bool {
    metadata.is_event() && !(metadata.target().starts_with(TELLS_TOO_MUCH) && *metadata.level() > Level::INFO)
}

impl<S> Filter<S> for Lines
where
    EnvFilter: Filter<S>,
{
    fn enabled(&self, metadata: &Metadata<'_>, context: &layer::Context<'_, S>) -> bool {
        may_be_seen(metadata) && Filter::enabled(&self.0, metadata, context)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if may_be_seen(metadata) {
            Filter::<S>::callsite_enabled(&self.0, metadata)
        } else {
            Interest::never()
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Filter::<S>::max_level_hint(&self.0)
    }
}

/// A fault of this program goes where everything else goes, as a line among lines. Its own words may hold what nobody may
/// see, so only where it happened is told.
pub(super) fn panics() {
    panic::set_hook(Box::new(|fault| {
        let place = fault.location().map(ToString::to_string);
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == std::backtrace::BacktraceStatus::Captured)
            .then(|| tracing::field::display(backtrace));
        tracing::error!(place, backtrace, "a fault of this program: please report it");
    }));
}
