//! Traces: they go on their caller's, show what a decision waited for, and cost nothing but themselves.

use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};
use socketpass::grpc::pb::{AuthorizeRequest, Handshake};
use tonic::{Code, Request};

use super::{
    collector::{Collector, attribute},
    scrape,
};
use crate::support::{
    ANA_ID, SECRET, cookie,
    ports::lasting_port,
    redis::Redis,
    service::{ServiceProcess, request, with_cookie},
    signed,
    store::put_ana,
    tls, until,
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const AUTHORIZE: &str = "socketpass.v1.AuthorizationService/Authorize";

/// A service with Ana's session in Redis, and traces that go there.
async fn service(redis: &Redis, endpoint: &str, settings: &[(&str, &str)]) -> ServiceProcess {
    put_ana(redis).await;
    let url = redis.url();
    let needed = [("SESSION_STORE", url.as_str()), ("TELEMETRY_OTLP_ENDPOINT", endpoint)];
    ServiceProcess::start(&[&needed, settings].concat()).await
}

fn traced(handshake: Handshake, flags: &str) -> Request<AuthorizeRequest> {
    let mut request = Request::new(request(handshake));
    request.metadata_mut().insert("traceparent", format!("00-{TRACE}-{CALLER}-{flags}").parse().unwrap());
    request.metadata_mut().insert("x-request-id", "call-7".parse().unwrap());
    request
}

fn named<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name} in {spans:?}"))
}

#[tokio::test]
async fn a_call_goes_on_its_callers_trace_and_shows_what_it_waited_for() {
    let (redis, collector) = (Redis::start().await, Collector::start().await);
    let service = service(&redis, &collector.url(), &[]).await;
    let mut client = service.client().await;
    let answer = client.authorize(traced(with_cookie(&cookie(ANA_ID)), "01")).await.unwrap().into_inner();
    assert!(answer.accepted);
    let spans = collector.spans_with(AUTHORIZE, 1).await;
    assert_eq!(spans.len(), 4, "{spans:?}");
    let call = named(&spans, AUTHORIZE);
    assert_eq!(hex(&call.parent_span_id), CALLER);
    assert_eq!(call.kind, i32::from(SpanKind::Server));
    for (name, value) in [
        ("rpc.system", "grpc"),
        ("rpc.service", "socketpass.v1.AuthorizationService"),
        ("rpc.method", "Authorize"),
        ("rpc.grpc.status_code", "0"),
        ("socketpass.request_id", "call-7"),
        ("socketpass.gateway_id", "test"),
        ("socketpass.accepted", "true"),
        ("socketpass.reason", "authorized"),
    ] {
        assert_eq!(attribute(call, name).as_deref(), Some(value), "{name} in {call:?}");
    }
    for (name, key, value) in [
        ("session_store.load", "socketpass.outcome", "found"),
        ("user_source.resolve", "socketpass.outcome", "found"),
        ("policy.accepts", "socketpass.accepted", "true"),
    ] {
        let part = named(&spans, name);
        assert_eq!(part.parent_span_id, call.span_id, "{part:?}");
        assert_eq!(attribute(part, key).as_deref(), Some(value), "{part:?}");
        assert!(part.start_time_unix_nano >= call.start_time_unix_nano);
        assert!(part.end_time_unix_nano <= call.end_time_unix_nano);
    }
    assert!(spans.iter().all(|span| hex(&span.trace_id) == TRACE));
    // No span is worth a session.
    let everything = format!("{spans:?} {:?}", collector.resources());
    let signature = signed(SECRET, ANA_ID).rsplit_once('.').unwrap().1.to_owned();
    for secret in [ANA_ID, SECRET, &signature, "Ana"] {
        assert!(!everything.contains(secret), "{secret} in {everything}");
    }
    let resource = &collector.resources()[0];
    assert!(format!("{resource:?}").contains("socketpass"), "{resource:?}");
    until("they are counted", || async {
        scrape(&service.http).await["socketpass_trace_spans_exported_total"] >= 4.0
    })
    .await;
}

#[tokio::test]
async fn the_caller_decides_what_is_traced_and_else_the_ratio() {
    let (redis, collector) = (Redis::start().await, Collector::start().await);
    let service = service(&redis, &collector.url(), &[("TELEMETRY_TRACES_SAMPLE_RATIO", "0")]).await;
    let mut client = service.client().await;
    // Not by the ratio, not by the caller, by the caller.
    client.authorize(request(with_cookie(&cookie(ANA_ID)))).await.unwrap();
    client.authorize(traced(with_cookie(&cookie(ANA_ID)), "00")).await.unwrap();
    client.authorize(traced(with_cookie(&cookie("nobody")), "01")).await.unwrap();
    // What is no traceparent is none.
    let mut broken = Request::new(request(with_cookie(&cookie(ANA_ID))));
    broken.metadata_mut().insert("traceparent", "00-nonsense-01".parse().unwrap());
    client.authorize(broken).await.unwrap();
    // Spans are sent in the order in which they end: when the last one has come, no other will.
    client.authorize(traced(with_cookie(&cookie(ANA_ID)), "01")).await.unwrap();
    let spans = collector.spans_with(AUTHORIZE, 2).await;
    let calls = spans.iter().filter(|span| span.name == AUTHORIZE);
    let reasons: Vec<_> = calls.map(|call| attribute(call, "socketpass.reason").unwrap()).collect();
    assert_eq!(reasons, ["session_not_found", "authorized"]);
    assert_eq!(
        attribute(named(&spans, "session_store.load"), "socketpass.outcome").as_deref(),
        Some("missing")
    );
}

#[tokio::test]
async fn faults_are_errors_and_refusals_are_not() {
    let (redis, collector) = (Redis::start().await, Collector::start().await);
    let service = service(&redis, &collector.url(), &[]).await;
    let mut client = service.client().await;
    let refused = client.authorize(AuthorizeRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let spans = collector.spans_with(AUTHORIZE, 1).await;
    let call = named(&spans, AUTHORIZE);
    assert_eq!(attribute(call, "rpc.grpc.status_code").as_deref(), Some("3"));
    assert!(call.status.as_ref().is_none_or(|status| status.code() == StatusCode::Unset), "{call:?}");
    drop(redis);
    service.process.output().line("the session store does not answer").await;
    assert!(!client.authorize(request(with_cookie(&cookie(ANA_ID)))).await.unwrap().into_inner().accepted);
    let spans = collector.spans_with(AUTHORIZE, 2).await;
    let asked = named(&spans, "session_store.load");
    assert_eq!(attribute(asked, "socketpass.outcome").as_deref(), Some("failed"));
    assert_eq!(asked.status.as_ref().unwrap().code(), StatusCode::Error);
}

#[tokio::test]
async fn a_collector_that_is_away_costs_spans_and_nothing_else() {
    let redis = Redis::start().await;
    let port = lasting_port();
    let service = service(&redis, &format!("http://127.0.0.1:{port}"), &[]).await;
    let mut client = service.client().await;
    assert!(client.authorize(request(with_cookie(&cookie(ANA_ID)))).await.unwrap().into_inner().accepted);
    service.process.output().line("the collector does not take traces").await;
    until("what was lost is counted", || async {
        scrape(&service.http).await["socketpass_trace_spans_lost_total"] >= 4.0
    })
    .await;
    let collector = Collector::start_on(port).await;
    until("traces come again", || async {
        client.clone().authorize(request(with_cookie(&cookie(ANA_ID)))).await.unwrap();
        !collector.spans().is_empty()
    })
    .await;
    service.process.output().line("the collector takes traces again").await;
}

#[tokio::test]
async fn a_collector_that_hangs_holds_up_nobody_and_fills_nothing() {
    let (redis, collector) = (Redis::start().await, Collector::start_hanging().await);
    let service = service(&redis, &collector.url(), &[]).await;
    // Four spans a call: more than may wait.
    const CALLS: usize = 2_500;
    const AT_ONCE: usize = 50;
    let client = service.client().await;
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let mut client = client.clone();
        callers.spawn(async move {
            for _ in 0..CALLS / AT_ONCE {
                let handshake = with_cookie(&cookie(ANA_ID));
                assert!(client.authorize(request(handshake)).await.unwrap().into_inner().accepted);
            }
        });
    }
    while let Some(done) = callers.join_next().await {
        done.unwrap();
    }
    let lost = scrape(&service.http).await["socketpass_trace_spans_lost_total"];
    assert!(lost > 0.0, "{lost}");
    // Nor does it hold up the end for long.
    service.process.signal("TERM");
    let mut process = service.process;
    assert_eq!(process.exit_code().await, Some(0));
}

#[tokio::test]
async fn the_last_spans_are_sent_before_the_process_ends() {
    let (redis, collector) = (Redis::start().await, Collector::start().await);
    let service = service(&redis, &collector.url(), &[]).await;
    service.client().await.authorize(request(with_cookie(&cookie(ANA_ID)))).await.unwrap();
    let mut process = service.process;
    process.signal("TERM");
    assert_eq!(process.exit_code().await, Some(0));
    assert_eq!(collector.spans().len(), 4);
}

#[tokio::test]
async fn over_tls_to_a_collector_that_the_systems_roots_know() {
    let authority = tls::Authority::new();
    let (certificate, key) = authority.issue(&["localhost"]);
    let redis = Redis::start().await;
    put_ana(&redis).await;
    let collector = Collector::start_with_tls(&certificate, &key).await;
    let endpoint = format!("https://localhost:{}", collector.addr.port());
    let url = redis.url();
    let settings = [
        ("SESSION_STORE", url.as_str()),
        ("TELEMETRY_OTLP_ENDPOINT", endpoint.as_str()),
        ("LOG_FILTER", "trace"),
    ];
    let mut command = crate::support::service::command(&settings);
    command
        .env("SSL_CERT_FILE", authority.file())
        .env("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=socketpass-7")
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-token=token-of-the-collector");
    let service = ServiceProcess::run(&mut command).await;
    service.client().await.authorize(request(with_cookie(&cookie(ANA_ID)))).await.unwrap();
    assert_eq!(collector.spans_with(AUTHORIZE, 1).await.len(), 4);
    // What OpenTelemetry's own variables add is sent.
    assert!(format!("{:?}", collector.resources()[0]).contains("socketpass-7"));
    assert_eq!(collector.token().as_deref(), Some("token-of-the-collector"));
    assert!(!service.process.output().text().contains("token-of-the-collector"), "not even at this level");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
