//! `[telemetry]` and `[audit]`: where traces go, and the record of decisions.

use std::path::PathBuf;

use url::Url;

use super::{
    reader::Reader,
    setting::{Kind, Setting},
};

/// `[telemetry]`.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// Where traces are sent; `None`: there are none.
    pub otlp_endpoint: Option<Url>,
    /// The share of calls that are traced when their caller has not decided, 0 to 1.
    pub traces_sample_ratio: f64,
}

const OTLP_ENDPOINT: Setting = Setting {
    name: "telemetry.otlp_endpoint",
    kind: Kind::Text,
    default: None,
    about: "Where traces are sent, over OTLP/gRPC: a collector's URL such as `http://otel-collector:4317`, or `https://…` for \
            TLS with the system's roots. Not set: nothing is traced. Traces are sent in batches behind the calls' backs; when \
            the collector is away they are dropped and counted in `socketpass_trace_spans_lost_total`.",
};

const TRACES_SAMPLE_RATIO: Setting = Setting {
    name: "telemetry.traces_sample_ratio",
    kind: Kind::Ratio,
    default: Some("1"),
    about: "Which share of the calls is traced, 0 to 1. A call with a `traceparent` is traced if its caller's part is.",
};

impl Telemetry {
    pub(super) const SETTINGS: &[&Setting] = &[&OTLP_ENDPOINT, &TRACES_SAMPLE_RATIO];

    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            otlp_endpoint: reader.parse(&OTLP_ENDPOINT, endpoint),
            traces_sample_ratio: reader.ratio(&TRACES_SAMPLE_RATIO),
        }
    }
}

/// What is wrong with it is named and not repeated: somebody may have put a password in.
fn endpoint(text: &str) -> Result<Url, String> {
    const EXAMPLE: &str = "for example http://otel-collector:4317";
    let url = Url::parse(text).map_err(|error| format!("it is not a URL: {error}; {EXAMPLE}"))?;
    let is_plain = url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        Err(format!("it should begin with http:// or https:// and a host; {EXAMPLE}"))
    } else if !is_plain {
        Err(format!("it should be scheme, host and port and nothing else; {EXAMPLE}"))
    } else {
        Ok(url)
    }
}

/// `[audit]`.
#[derive(Clone, Debug)]
pub struct Audit {
    /// Where the lines go.
    pub sink: AuditSink,
}

/// `audit.sink`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditSink {
    /// There is no audit log.
    Off,
    /// Standard output.
    Stdout,
    /// The end of this file.
    File(PathBuf),
}

const SINK: Setting = Setting {
    name: "audit.sink",
    kind: Kind::Text,
    default: Some("off"),
    about: "Where the audit log goes: `off`, `stdout`, or the path of a file. A JSON object a line for each decision, for the \
            sockets of a session that are ended, and for each call that changes what others see or looks at what is not \
            everybody's. Lines name users by their \
            identity alone, shorten session ids and hold no cookies. The file is appended to and made with mode 0600; on SIGHUP \
            it is opened anew, for logrotate. A disk that is too slow loses lines, which \
            `socketpass_audit_lines_lost_total` counts; it does not hold up decisions.",
};

impl Audit {
    pub(super) const SETTINGS: &[&Setting] = &[&SINK];

    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let sink = reader.parse(&SINK, |text| match text {
            "off" => Ok(AuditSink::Off),
            "stdout" => Ok(AuditSink::Stdout),
            // A word that somebody took for a switch must not become a file.
            path if path.contains('/') => Ok(AuditSink::File(path.into())),
            _ => Err("it is neither `off`, `stdout` nor a path with a `/` in it".to_owned()),
        });
        Self { sink: sink.unwrap_or(AuditSink::Off) }
    }
}
