//! The log, on standard error.

use std::io::{IsTerminal as _, stderr};

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::operation::{Log, LogFormat};

/// Starts logging. The filter was checked with the settings.
pub fn start(settings: &Log) {
    let Log { format, filter } = settings;
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let text = match format {
        LogFormat::Auto => stderr().is_terminal(),
        LogFormat::Json => false,
        LogFormat::Text => true,
    };
    let builder = fmt().with_env_filter(filter).with_writer(stderr).with_target(true);
    // A second start, as in a test that starts several services, leaves the first in force.
    let _ = if text {
        builder.with_ansi(stderr().is_terminal()).try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    };
}
