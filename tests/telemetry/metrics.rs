//! Metrics: what is counted, and that real readers understand it.

use std::{collections::BTreeSet, fs, process::Stdio};

use serde_json::{Value, json};
use socketpass::{
    grpc::pb::{AuthorizeRequest, DisconnectSocketsRequest, SendToSocketsRequest, WatchSocketsRequest},
    telemetry::metrics::table::{self, Kind},
};
use tokio::{io::AsyncWriteExt as _, process::Command};
use tonic::Code;

use super::{openmetrics, scrape};
use crate::support::{
    ANA_ID, cookie,
    gateway::{Gateway, hello, registry, socket},
    http::{get, send},
    ports::lasting_port,
    process::Process,
    redis::Redis,
    service::{Service, channel, request, with_cookie},
    store::put_ana,
    until,
};

#[tokio::test]
async fn the_table_says_what_is_exposed() {
    let service = Service::start(&[]).await;
    let text = openmetrics(&service.http).await;
    let lines = |what: &str| -> BTreeSet<String> {
        text.lines().filter_map(|line| line.strip_prefix(what)).map(str::to_owned).collect()
    };
    let kind = |kind| match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
        Kind::Info => "info",
    };
    let types: BTreeSet<_> =
        table::all().map(|metric| format!("{} {}", metric.family(), kind(metric.kind))).collect();
    assert_eq!(lines("# TYPE "), types);
    let help: BTreeSet<_> =
        table::all().map(|metric| format!("{} {}.", metric.family(), metric.about)).collect();
    assert_eq!(lines("# HELP "), help);
    // Every series is there before anything has happened, with the table's labels.
    let exposed = scrape(&service.http).await;
    for metric in table::all() {
        for series in metric.series() {
            let found: Vec<_> =
                exposed.keys().filter(|name| name.split('{').next() == Some(series.as_str())).collect();
            assert!(!found.is_empty(), "{series}");
            for found in found {
                let labels: BTreeSet<_> = found
                    .split_once('{')
                    .into_iter()
                    .flat_map(|(_, labels)| labels.trim_end_matches('}').split("\","))
                    .filter_map(|label| label.split('=').next())
                    .filter(|label| *label != "le")
                    .collect();
                assert_eq!(labels, metric.labels.iter().map(|(name, _)| *name).collect(), "{found}");
            }
        }
    }
    service.stop().await;
}

#[tokio::test]
async fn calls_are_counted_by_method_and_status() {
    let service = Service::start(&[]).await;
    let mut client = service.client().await;
    client.authorize(request(with_cookie(&cookie(ANA_ID)))).await.unwrap();
    assert_eq!(
        client.authorize(AuthorizeRequest::default()).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    let gateway = Gateway::open(&service.grpc, hello("chat-1", "a")).await;
    let mut sockets = registry(&service.grpc).await;
    let watch = |filter: &str| WatchSocketsRequest { filter: filter.to_owned(), ..Default::default() };
    let watching = sockets.watch_sockets(watch("true")).await.unwrap();
    sockets.watch_sockets(watch("(")).await.unwrap_err();
    let asks = tonic_health::pb::HealthCheckRequest { service: String::new() };
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel(&service.grpc).await);
    health.check(asks).await.unwrap();
    // A method that does not exist, with whatever somebody likes for a name.
    let mut unknown = tonic::client::Grpc::new(channel(&service.grpc).await);
    unknown.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static("/socketpass.v1.AuthorizationService/Guess");
    let codec = tonic_prost::ProstCodec::<AuthorizeRequest, AuthorizeRequest>::default();
    unknown.unary(tonic::Request::new(AuthorizeRequest::default()), path, codec).await.unwrap_err();

    let counted = scrape(&service.http).await;
    let calls = |method: &str, code: &str| {
        counted[&format!("socketpass_calls_total{{method=\"{method}\",code=\"{code}\"}}")]
    };
    assert_eq!(calls("Authorize", "ok"), 1.0);
    assert_eq!(calls("Authorize", "invalid_argument"), 1.0);
    assert_eq!(calls("WatchSockets", "invalid_argument"), 1.0);
    assert_eq!(calls("Health", "ok"), 1.0);
    assert_eq!(calls("unknown", "unimplemented"), 1.0);
    assert!(!counted.keys().any(|series| series.contains("Guess")));
    for method in ["Report", "WatchSockets"] {
        assert_eq!(counted[&format!("socketpass_calls_in_flight{{method=\"{method}\"}}")], 1.0, "{method}");
    }
    assert_eq!(counted["socketpass_calls_in_flight{method=\"Authorize\"}"], 0.0);
    // Who leaves has cancelled, and a stream's status comes behind its answers.
    drop(watching);
    gateway.goodbye().await;
    until("both have ended", || async {
        let counted = scrape(&service.http).await;
        counted["socketpass_calls_total{method=\"WatchSockets\",code=\"cancelled\"}"] == 1.0
            && counted["socketpass_calls_total{method=\"Report\",code=\"ok\"}"] == 1.0
            && counted["socketpass_calls_in_flight{method=\"Report\"}"] == 0.0
            && counted["socketpass_calls_in_flight{method=\"WatchSockets\"}"] == 0.0
    })
    .await;
    service.stop().await;
}

#[tokio::test]
async fn store_and_source_are_timed_by_what_they_answered() {
    let mut redis = Redis::start().await;
    put_ana(&redis).await;
    let service = Service::start(&[("SESSION_STORE", &redis.url())]).await;
    until("the store answers", || async {
        scrape(&service.http).await["socketpass_session_store_up"] == 1.0
    })
    .await;
    let mut client = service.client().await;
    for id in [ANA_ID, ANA_ID, "nobody"] {
        client.authorize(request(with_cookie(&cookie(id)))).await.unwrap();
    }
    redis.kill().await;
    until("the store is away", || async {
        scrape(&service.http).await["socketpass_session_store_up"] == 0.0
    })
    .await;
    client.authorize(request(with_cookie(&cookie(ANA_ID)))).await.unwrap();
    let counted = scrape(&service.http).await;
    let count = |part: &str, outcome: &str| {
        counted[&format!("socketpass_{part}_duration_seconds_count{{outcome=\"{outcome}\"}}")]
    };
    assert_eq!(count("session_store", "found"), 2.0);
    assert_eq!(count("session_store", "missing"), 1.0);
    assert_eq!(count("session_store", "failed"), 1.0);
    assert_eq!(count("user_source", "found"), 2.0);
    assert_eq!(counted["socketpass_authorize_duration_seconds_count"], 4.0);
    assert_eq!(counted["socketpass_user_source_up"], 1.0);
    service.stop().await;
}

#[tokio::test]
async fn gateways_sockets_and_commands_are_counted() {
    let service = Service::start(&[("REGISTRY_LEASE", "1s")]).await;
    let listed = vec![socket("s1", json!({"id": 1})), socket("s2", json!({"id": 2}))];
    let mut gateway = Gateway::list(&service.grpc, hello("chat-1", "a"), listed).await;
    let counted = scrape(&service.http).await;
    assert_eq!(counted["socketpass_registry_sockets"], 2.0);
    assert_eq!(counted["socketpass_registry_gateways{state=\"live\"}"], 1.0);
    // One is disconnected; what is sent to the other comes to nothing.
    let mut sockets = registry(&service.grpc).await;
    let disconnect =
        DisconnectSocketsRequest { filter: "user.id == 1".to_owned(), ..DisconnectSocketsRequest::default() };
    let mut answers = sockets.disconnect_sockets(disconnect).await.unwrap().into_inner();
    let command = gateway.command().await;
    gateway.done(&command, &["s1"]).await;
    while answers.message().await.unwrap().is_some() {}
    let emit = SendToSocketsRequest {
        filter: "user.id == 2".to_owned(),
        event: "news".to_owned(),
        ..SendToSocketsRequest::default()
    };
    let mut answers = sockets.send_to_sockets(emit).await.unwrap().into_inner();
    let command = gateway.command().await;
    gateway.done(&command, &[]).await;
    while answers.message().await.unwrap().is_some() {}
    let counted = scrape(&service.http).await;
    for (series, count) in [
        ("commands_total{task=\"disconnect\"}", 1.0),
        ("commands_total{task=\"send\"}", 1.0),
        ("command_sockets_total{task=\"disconnect\",outcome=\"done\"}", 1.0),
        ("command_sockets_total{task=\"send\",outcome=\"failed\"}", 1.0),
        ("command_sockets_total{task=\"send\",outcome=\"unreachable\"}", 0.0),
    ] {
        assert_eq!(counted[&format!("socketpass_registry_{series}")], count, "{series}");
    }
    // Without a word, it is late and then gone.
    drop(gateway);
    until("the gateway is gone", || async {
        scrape(&service.http).await["socketpass_registry_gateways_gone_total"] == 1.0
    })
    .await;
    service.stop().await;
}

#[tokio::test]
async fn promtool_finds_nothing_to_say() {
    let service = Service::start(&[]).await;
    let text = get(&service.http, "/metrics").await.body;
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).await.unwrap();
    let said = promtool.wait_with_output().await.unwrap();
    assert!(said.status.success() && said.stdout.is_empty() && said.stderr.is_empty(), "{said:?}");
    service.stop().await;
}

#[tokio::test]
async fn prometheus_reads_it() {
    let service = Service::start(&[]).await;
    service.client().await.authorize(request(with_cookie(&cookie(ANA_ID)))).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("prometheus.yml");
    let target = service.http.trim_start_matches("http://");
    fs::write(
        &config,
        format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs: [{{job_name: socketpass, static_configs: [{{targets: \
             ['{target}']}}]}}]\n"
        ),
    )
    .unwrap();
    let addr = format!("127.0.0.1:{}", lasting_port());
    let _prometheus = Process::start(
        Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address={addr}")),
    );
    until("prometheus listens", || async { tokio::net::TcpStream::connect(&addr).await.is_ok() }).await;
    let ask = |path: String| {
        let url = format!("http://{addr}");
        async move {
            let answer = send(&url, "GET", &path, &[("Accept", "application/json")], "").await.body;
            serde_json::from_str::<Value>(&answer).unwrap_or_default()
        }
    };
    let ask = &ask;
    let values = |query: &'static str| async move {
        let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let answer = ask(format!("/api/v1/query?query={query}")).await;
        let found = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        found.iter().map(|found| found["value"][1].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let values = &values;
    until("prometheus has read it", || async { values("up == 1").await == ["1"] }).await;
    assert_eq!(
        values("socketpass_decisions_total{reason=\"session_not_found\",accepted=\"false\"}").await,
        ["1"]
    );
    assert_eq!(values("socketpass_build_info").await, ["1"]);
    assert_eq!(
        values("histogram_quantile(0.5, socketpass_authorize_duration_seconds_bucket) > 0").await.len(),
        1
    );
    // It has taken the newer format: no metric is of a kind that it does not know.
    for metric in table::all() {
        let name = match metric.kind {
            Kind::Info | Kind::Counter => metric.family(),
            Kind::Gauge | Kind::Histogram => metric.title(),
        };
        let known = ask(format!("/api/v1/metadata?metric={name}")).await;
        assert!(known["data"][&name].is_array(), "{name}: {known}");
    }
    service.stop().await;
}
