//! Traces, over OTLP/gRPC. The only room that knows OpenTelemetry: the rest speaks of `tracing`'s spans.
//!
//! Without an endpoint no span is ever made: [`are_on`] is one look at a flag. With one, spans wait in a queue of fixed
//! length for a thread that sends them in batches; a collector that is away or slow costs spans, which are counted, and
//! nothing else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::HeaderMap;
use opentelemetry::{
    Context,
    propagation::{Extractor, TextMapPropagator as _},
    trace::{TraceContextExt as _, TracerProvider as _},
};
use opentelemetry_otlp::{
    ExporterBuildError, SpanExporter, WithExportConfig as _, WithTonicConfig as _,
    tonic_types::transport::ClientTlsConfig,
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    propagation::TraceContextPropagator,
    trace::{
        BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, Span as SdkSpan,
        SpanData, SpanExporter as Export, SpanProcessor,
    },
};
use tracing::{Metadata, Span, Subscriber, field::Empty, subscriber::Interest};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt as _};
use tracing_subscriber::{
    filter::LevelFilter,
    layer::{self, Filter, Layer},
    registry::LookupSpan,
};

use super::causes;
use crate::config::telemetry::Telemetry;

/// Spans that may wait for the collector: two seconds of a thousand calls a second, some megabytes.
const QUEUE: usize = 8_192;

/// Spans that are sent at once, and how long the first of them waits for others.
const BATCH: usize = 512;
const SEND_EVERY: Duration = Duration::from_secs(1);

/// How long the collector may take for a batch.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the end of the process waits for the last spans.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What our spans, and no others, have for a target.
const TARGET: &str = "socketpass::trace";

static ON: AtomicBool = AtomicBool::new(false);
static EXPORTED: AtomicU64 = AtomicU64::new(0);
static LOST: AtomicU64 = AtomicU64::new(0);

/// Whether anything is traced in this process.
pub fn are_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Spans that the collector has taken, and spans that were lost.
pub(super) fn counts() -> (u64, u64) {
    (EXPORTED.load(Ordering::Relaxed), LOST.load(Ordering::Relaxed))
}

/// The span of a call that goes on its caller's trace; `None` while nothing is traced.
pub fn call(headers: &HeaderMap, path: &str) -> Option<Span> {
    if !are_on() {
        return None;
    }
    let (service, method) = path.trim_start_matches('/').split_once('/').unwrap_or((path, ""));
    let span = tracing::info_span!(
        target: TARGET,
        "call",
        otel.name = format!("{service}/{method}"),
        otel.kind = "server",
        otel.status_code = Empty,
        rpc.system = "grpc",
        rpc.service = service,
        rpc.method = method,
        rpc.grpc.status_code = Empty,
        socketpass.request_id = Empty,
        socketpass.gateway_id = Empty,
        socketpass.accepted = Empty,
        socketpass.reason = Empty,
    );
    let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
    if parent.span().span_context().is_valid() {
        // It fails where there is no layer of ours, and then there is no trace either.
        let _ = span.set_parent(parent);
    }
    Some(span)
}

/// A call has ended with this status.
pub fn call_ended(span: &Span, code: i32) {
    span.record("rpc.grpc.status_code", code);
    // What OpenTelemetry's conventions call a server's error: the caller's mistakes are none.
    const SERVERS_FAULT: [i32; 6] = [2, 4, 12, 13, 14, 15];
    if SERVERS_FAULT.contains(&code) {
        span.record("otel.status_code", "ERROR");
    }
}

/// Which call it is that is under way, for whoever looks for it in the log.
pub fn call_is(span: &Span, request_id: &str) {
    span.record("socketpass.request_id", request_id);
}

/// What was decided, on the span of the call that is under way.
pub fn decided(gateway_id: &str, accepted: bool, reason: &str) {
    if are_on() {
        let span = Span::current();
        span.record("socketpass.gateway_id", gateway_id);
        span.record("socketpass.accepted", accepted);
        span.record("socketpass.reason", reason);
    }
}

/// The span of a question to the session store; `None` while nothing is traced.
pub(super) fn session_store() -> Option<Span> {
    are_on().then(|| {
        tracing::info_span!(
            target: TARGET, "session_store.load", otel.kind = "client", otel.status_code = Empty, socketpass.outcome = Empty
        )
    })
}

/// The span of a question to the user source; `None` while nothing is traced.
pub(super) fn user_source(name: &str) -> Option<Span> {
    are_on().then(|| {
        tracing::info_span!(
            target: TARGET,
            "user_source.resolve",
            otel.status_code = Empty,
            socketpass.user_source = name,
            socketpass.how = Empty,
            socketpass.outcome = Empty
        )
    })
}

/// The span of a question to the policy; `None` while nothing is traced.
pub(super) fn policy() -> Option<Span> {
    are_on().then(|| {
        tracing::info_span!(
            target: TARGET, "policy.accepts", otel.status_code = Empty, socketpass.accepted = Empty
        )
    })
}

/// What came of it.
pub(super) fn outcome(span: &Span, outcome: &'static str, is_fault: bool) {
    span.record("socketpass.outcome", outcome);
    if is_fault {
        span.record("otel.status_code", "ERROR");
    }
}

/// How it was found out who a user is.
pub(super) fn user_was(span: &Span, how: &'static str) {
    span.record("socketpass.how", how);
}

/// What the policy said; `None`: it failed.
pub(super) fn policy_said(span: &Span, accepted: Option<bool>) {
    match accepted {
        Some(accepted) => span.record("socketpass.accepted", accepted),
        None => span.record("otel.status_code", "ERROR"),
    };
}

struct Headers<'h>(&'h HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// Keeps traces going; what waits is sent when it is dropped, if the collector takes it soon.
#[derive(Debug)]
pub(super) struct Tracing(SdkTracerProvider);

impl Drop for Tracing {
    fn drop(&mut self) {
        ON.store(false, Ordering::Relaxed);
        if let Err(error) = self.0.shutdown_with_timeout(LAST_WORDS) {
            tracing::debug!(%error, "the last spans were not sent");
        }
    }
}

/// The layer that makes traces of spans; `None`: there is no endpoint. Needs a runtime, on which the connection lives.
pub(super) fn start<S>(
    settings: &Telemetry,
) -> Result<Option<(impl Layer<S> + Send + Sync + use<S>, Tracing)>, ExporterBuildError>
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    let Telemetry { otlp_endpoint, traces_sample_ratio } = settings;
    let Some(endpoint) = otlp_endpoint else { return Ok(None) };
    let mut builder =
        SpanExporter::builder().with_tonic().with_endpoint(endpoint.as_str()).with_timeout(EXPORT_TIMEOUT);
    if endpoint.scheme() == "https" {
        builder = builder.with_tls_config(ClientTlsConfig::new().with_native_roots());
    }
    let waiting = Arc::new(AtomicUsize::new(0));
    let exporter = Counted {
        inner: builder.build()?,
        waiting: Arc::clone(&waiting),
        endpoint: endpoint.to_string(),
        is_away: AtomicBool::new(false),
    };
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE)
        .with_max_export_batch_size(BATCH)
        .with_scheduled_delay(SEND_EVERY)
        .build();
    let batches = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
    let instance =
        opentelemetry::KeyValue::new("service.instance.id", format!("{:016x}", rand::random::<u64>()));
    let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource =
        Resource::builder().with_service_name("socketpass").with_attributes([instance, version]).build();
    let provider = SdkTracerProvider::builder()
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(*traces_sample_ratio))))
        .with_resource(resource)
        .with_span_processor(Bounded { inner: batches, waiting })
        .build();
    let tracer = provider.tracer("socketpass");
    ON.store(true, Ordering::Relaxed);
    Ok(Some((our_spans(tracer), Tracing(provider))))
}

fn our_spans<S>(tracer: SdkTracer) -> impl Layer<S> + Send + Sync + use<S>
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    OpenTelemetryLayer::new(tracer)
        .with_location(false)
        .with_threads(false)
        .with_level(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false)
        .with_filter(OurSpans)
}

/// Spans of ours and nothing else: no events, which the log has, and none of the libraries' spans.
struct OurSpans;

impl OurSpans {
    fn takes(metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target() == TARGET
    }
}

impl<S> Filter<S> for OurSpans {
    fn enabled(&self, metadata: &Metadata<'_>, _: &layer::Context<'_, S>) -> bool {
        Self::takes(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if Self::takes(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }
}

/// Lets no more spans wait than may, and counts the others: the queue behind it would lose them unseen.
#[derive(Debug)]
struct Bounded {
    inner: BatchSpanProcessor,
    waiting: Arc<AtomicUsize>,
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut SdkSpan, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= QUEUE {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            LOST.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.inner.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Counts what the collector took and what it did not, and says once that it is away.
#[derive(Debug)]
struct Counted {
    inner: SpanExporter,
    waiting: Arc<AtomicUsize>,
    endpoint: String,
    is_away: AtomicBool,
}

impl Export for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let exported = self.inner.export(batch).await;
        self.waiting.fetch_sub(count, Ordering::Relaxed);
        let counter = if exported.is_ok() { &EXPORTED } else { &LOST };
        counter.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
        let was_away = self.is_away.swap(exported.is_err(), Ordering::Relaxed);
        match &exported {
            Err(error) if !was_away => {
                let cause = causes(error);
                tracing::warn!(
                    endpoint = self.endpoint,
                    cause,
                    "the collector does not take traces: they are lost"
                );
            }
            Ok(()) if was_away => {
                tracing::info!(endpoint = self.endpoint, "the collector takes traces again");
            }
            _ => {}
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        Export::shutdown_with_timeout(&self.inner, timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        Export::force_flush(&self.inner)
    }

    fn set_resource(&mut self, resource: &Resource) {
        Export::set_resource(&mut self.inner, resource);
    }
}
