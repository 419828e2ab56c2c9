//! How much is taken: of connections, calls, streams and bytes, and for how long.

use std::time::{Duration, Instant};

use prost::Message;
use serde_json::json;
use socketpass::grpc::pb::{AuthorizeRequest, Batch, ReportRequest, WatchSocketsRequest, report_request};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::Command,
    task::JoinSet,
    time::timeout,
};
use tokio_stream::StreamExt as _;
use tonic::{Code, Request, Status, client::Grpc, codegen::http::uri::PathAndQuery, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt as _;

use super::{count, registry};
use crate::support::{
    ANA, ANA_ID, PATIENCE, cookie,
    gateway::{self, Gateway, hello, opened},
    http::get,
    process::Process,
    redis::Redis,
    service::{Service, ServiceProcess, authorize, channel, request, socketpass, with_cookie, with_headers},
    until,
};

/// It says when to come back.
fn has_retry_info(status: &Status) -> bool {
    let details = status.get_error_details();
    details.retry_info().is_some_and(|retry| retry.retry_delay.is_some_and(|delay| !delay.is_zero()))
}

async fn metric(service: &Service, line: &str) -> bool {
    get(&service.http, "/metrics").await.body.contains(line)
}

fn address(service: &Service) -> &str {
    service.grpc.strip_prefix("http://").unwrap()
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_at_once_and_places_come_back() {
    // Of one address alone half of them.
    let service = Service::start(&[("LIMITS_MAX_CONNECTIONS", "4")]).await;
    let mut kept = service.client().await;
    let second = TcpStream::connect(address(&service)).await.unwrap();
    until("both are counted", || metric(&service, "socketpass_connections 2")).await;
    let mut third = TcpStream::connect(address(&service)).await.unwrap();
    let read = timeout(PATIENCE, third.read(&mut [0; 1])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    assert!(metric(&service, "socketpass_shed_total{limit=\"connections\"} 1").await);
    drop(second);
    until("there is a place again", || metric(&service, "socketpass_connections 1")).await;
    service.client().await;
    authorize(&mut kept, with_cookie("")).await;
    service.stop().await;
}

#[tokio::test]
async fn who_connects_and_says_nothing_is_dropped() {
    let service = Service::start(&[("LIMITS_KEEPALIVE_TIMEOUT", "300ms")]).await;
    for begin in ["", "PRI * HTT"] {
        let mut stream = TcpStream::connect(address(&service)).await.unwrap();
        stream.write_all(begin.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // What comes before is the service's own SETTINGS.
        let ended = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "{begin:?}");
    }
    service.stop().await;
}

#[tokio::test]
async fn a_peer_that_is_gone_without_a_word_is_dropped() {
    let service =
        Service::start(&[("LIMITS_KEEPALIVE_INTERVAL", "200ms"), ("LIMITS_KEEPALIVE_TIMEOUT", "500ms")])
            .await;
    let mut command = socketpass();
    command.args(["bench", "registry", "--hold", "--gateways", "1", "--addr", &service.grpc]);
    let gateway = Process::start(&mut command);
    until("it reports", || metric(&service, "socketpass_registry_gateways{state=\"live\"} 1")).await;
    // It does not answer any more, and its connection stays.
    gateway.signal("STOP");
    until("it is dropped", || metric(&service, "socketpass_connections 0")).await;
    service.stop().await;
}

#[tokio::test]
async fn an_old_connection_is_left_without_a_call_that_fails() {
    let service = Service::start(&[("LIMITS_CONNECTION_AGE", "400ms")]).await;
    let mut client = service.client().await;
    let mut gateway = Gateway::list(&service.grpc, hello("chat-1", "a"), vec![]).await;
    let watch = WatchSocketsRequest { filter: "true".to_owned(), ..WatchSocketsRequest::default() };
    let mut watch = registry(service.channel().await, "").watch_sockets(watch).await.unwrap().into_inner();
    // Calls go on, over a new connection each time one is old.
    let calls = tokio::spawn(async move {
        let until = Instant::now() + Duration::from_secs(2);
        let mut calls = 0;
        while Instant::now() < until {
            authorize(&mut client, with_cookie("")).await;
            calls += 1;
        }
        calls
    });
    let ended = timeout(PATIENCE, gateway.end()).await.unwrap();
    assert_eq!(ended.code(), Code::Unavailable);
    assert!(ended.message().contains("limits.connection_age"), "{ended}");
    let ended = timeout(PATIENCE, async {
        loop {
            if let Err(status) = watch.message().await {
                return status;
            }
        }
    });
    assert_eq!(ended.await.unwrap().code(), Code::Unavailable);
    assert!(calls.await.unwrap() > 10);
    service.stop().await;
}

#[tokio::test]
async fn handshakes_have_no_more_headers_than_the_limit_and_calls_no_more_metadata() {
    let service = Service::start(&[("LIMITS_MAX_HEADERS", "2")]).await;
    let mut client = service.client().await;
    authorize(&mut client, with_headers(&[("a", ""), ("b", "")])).await;
    let refused =
        client.authorize(request(with_headers(&[("a", ""), ("b", ""), ("c", "")]))).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().starts_with("handshake.headers: there are 3"), "{refused}");
    let mut large = Request::new(AuthorizeRequest::default());
    large.metadata_mut().insert("x-large", "x".repeat(20_000).parse().unwrap());
    assert!(client.authorize(large).await.is_err());
    authorize(&mut client, with_headers(&[])).await;
    service.stop().await;
}

#[tokio::test]
async fn streams_beyond_the_limit_are_turned_away() {
    let service = Service::start(&[("LIMITS_MAX_STREAMS", "4")]).await;
    let watch = async || {
        let request = WatchSocketsRequest { filter: "true".to_owned(), ..WatchSocketsRequest::default() };
        registry(service.channel().await, "").watch_sockets(request).await
    };
    let open = [watch().await.unwrap(), watch().await.unwrap()];
    let refused = watch().await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("limits.max_streams") && has_retry_info(&refused), "{refused}");
    // Other calls are no streams.
    count(&mut registry(service.channel().await, "")).await.unwrap();
    drop(open);
    until("places come back", || async { watch().await.is_ok() }).await;
    service.stop().await;
}

/// Redis that does not answer: calls wait.
async fn service_whose_store_hangs(settings: &[(&str, &str)]) -> (Service, Redis) {
    let redis = Redis::start().await;
    let url = redis.url();
    let waits = [("SESSION_STORE", url.as_str()), ("SESSION_STORE_TIMEOUT", "3s")];
    let service = Service::start(&[&waits, settings].concat()).await;
    redis.put(ANA_ID, ANA.as_bytes()).await;
    let mut client = service.client().await;
    assert!(authorize(&mut client, with_cookie(&cookie(ANA_ID))).await.accepted);
    redis.process().signal("STOP");
    (service, redis)
}

#[tokio::test]
async fn calls_beyond_the_limit_are_turned_away_at_once_and_health_still_answers() {
    let (service, redis) = service_whose_store_hangs(&[("LIMITS_MAX_CALLS", "8")]).await;
    let client = service.client().await;
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let mut client = client.clone();
        calls.spawn(async move { client.authorize(request(with_cookie(&cookie(ANA_ID)))).await });
    }
    // One address alone has half of them; those beyond do not wait for the store.
    for _ in 0..16 {
        let refused = timeout(Duration::from_secs(2), calls.join_next()).await.unwrap().unwrap().unwrap();
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert!(refused.message().contains("limits.max_calls") && has_retry_info(&refused), "{refused}");
    }
    let mut health = tonic_health::pb::health_client::HealthClient::new(service.channel().await);
    health.check(tonic_health::pb::HealthCheckRequest::default()).await.unwrap();
    redis.process().signal("CONT");
    while let Some(answer) = calls.join_next().await {
        assert!(answer.unwrap().is_ok());
    }
    assert!(authorize(&mut client.clone(), with_cookie(&cookie(ANA_ID))).await.accepted);
    assert!(metric(&service, "socketpass_shed_total{limit=\"calls\"} 16").await);
    service.stop().await;
}

#[tokio::test]
async fn large_requests_have_room_before_they_arrive_or_are_turned_away() {
    let limits = [("LIMITS_MAX_MESSAGE_BYTES", "1MiB"), ("LIMITS_MAX_INFLIGHT_BYTES", "2MiB")];
    let (service, redis) = service_whose_store_hangs(&limits).await;
    let large = || {
        let mut handshake = with_cookie(&cookie(ANA_ID));
        handshake.url = format!("/?{}", "x".repeat(900 << 10));
        request(handshake)
    };
    let client = service.client().await;
    let mut calls = JoinSet::new();
    for _ in 0..5 {
        let mut client = client.clone();
        calls.spawn(async move { client.authorize(large()).await });
    }
    for _ in 0..3 {
        let refused = timeout(Duration::from_secs(2), calls.join_next()).await.unwrap().unwrap().unwrap();
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
        assert!(
            refused.message().contains("limits.max_inflight_bytes") && has_retry_info(&refused),
            "{refused}"
        );
    }
    redis.process().signal("CONT");
    while let Some(answer) = calls.join_next().await {
        assert!(answer.unwrap().is_ok());
    }
    // What a call held it gives back.
    for _ in 0..5 {
        client.clone().authorize(large()).await.unwrap();
    }
    // A message that is too long is told so, and takes no room.
    let mut longer = large();
    longer.handshake.as_mut().unwrap().url = "x".repeat(3 << 20);
    let refused = client.clone().authorize(longer).await.unwrap_err();
    assert!(refused.message().contains("limits.max_message_bytes"), "{refused}");
    service.stop().await;
}

#[tokio::test]
async fn a_report_waits_for_room_and_goes_on() {
    let limits = [("LIMITS_MAX_MESSAGE_BYTES", "1MiB"), ("LIMITS_MAX_INFLIGHT_BYTES", "1MiB")];
    let service = Service::start(&limits).await;
    let sockets = |gateway: usize| {
        let data = "x".repeat(50_000);
        let socket = |number: usize| {
            gateway::socket(&format!("{gateway}-{number}"), json!({"id": number, "text": data}))
        };
        (0..15).map(socket).map(opened).collect::<Vec<_>>()
    };
    let mut gateways = JoinSet::new();
    for number in 0..8 {
        let channel = service.channel().await;
        let events = sockets(number);
        gateways.spawn(async move {
            let batch = |sequence, complete, events| {
                report_request::Message::Batch(Batch { sequence, events, complete })
            };
            let said = [
                report_request::Message::Hello(hello(&format!("chat-{number}"), "a")),
                batch(1, false, events.clone()),
                batch(2, true, events),
            ];
            let said = said.map(|message| ReportRequest { message: Some(message) });
            let said = tokio_stream::iter(said).chain(tokio_stream::pending());
            let mut answers = registry(channel, "").report(said).await.unwrap().into_inner();
            let mut acks = 0;
            while acks < 2 {
                let answer = timeout(PATIENCE, answers.message()).await.unwrap().unwrap().unwrap();
                acks += usize::from(matches!(
                    answer.message,
                    Some(socketpass::grpc::pb::report_response::Message::Ack(_))
                ));
            }
        });
    }
    while let Some(done) = gateways.join_next().await {
        done.unwrap();
    }
    service.stop().await;
}

#[tokio::test]
async fn an_answer_that_is_read_slowly_is_not_taken_for_whole_when_the_service_stops() {
    let service = ServiceProcess::start(&[]).await;
    let mut gateway = Gateway::open(&service.grpc, hello("chat-1", "a")).await;
    for batch in 0..10 {
        let socket = |number: usize| {
            let user = json!({"id": number, "text": "x".repeat(2_000)});
            opened(gateway::socket(&format!("s{batch}-{number}"), user))
        };
        gateway.report((0..500).map(socket).collect(), batch == 9).await.unwrap();
    }
    let mut client = registry(channel(&service.grpc).await, "").max_decoding_message_size(usize::MAX);
    let request =
        socketpass::grpc::pb::FilterSocketsRequest { filter: "true".to_owned(), ..Default::default() };
    let mut answers = client.filter_sockets(request).await.unwrap().into_inner();
    let mut read = answers.message().await.unwrap().unwrap().sockets.len();
    service.process.signal("TERM");
    service.process.output().line("draining").await;
    let ended = loop {
        match timeout(PATIENCE, answers.message()).await.unwrap() {
            Ok(Some(answer)) => read += answer.sockets.len(),
            Ok(None) => panic!("it ended as if it were whole, with {read} sockets"),
            Err(status) => break status,
        }
    };
    // UNAVAILABLE; or, when this client says something to a connection that has just been closed, what its own end of it
    // comes to: what has arrived and is not read is lost then (RFC 1122, 4.2.2.13).
    assert!(ended.code() == Code::Unavailable || std::error::Error::source(&ended).is_some(), "{ended:?}");
}

/// So many callers ask over and over, for some seconds. How long each answer took, and how many calls were turned away.
async fn load(service: &ServiceProcess, callers: usize) -> (Vec<Duration>, u32) {
    const CONNECTIONS: usize = 10;
    let mut load = JoinSet::new();
    let started = Instant::now();
    for connection in 0..CONNECTIONS {
        let client = service.client().await;
        for _ in (connection..callers).step_by(CONNECTIONS) {
            let mut client = client.clone();
            load.spawn(async move {
                let (mut taken, mut shed) = (Vec::new(), 0);
                while started.elapsed() < Duration::from_secs(3) {
                    let began = Instant::now();
                    match client.authorize(request(with_cookie(&cookie(ANA_ID)))).await {
                        Ok(answer) => {
                            assert!(answer.into_inner().accepted);
                            taken.push(began.elapsed());
                        }
                        Err(status) => {
                            assert!(
                                status.code() == Code::ResourceExhausted && has_retry_info(&status),
                                "{status}"
                            );
                            shed += 1;
                            // Far earlier than it is told to come back.
                            tokio::time::sleep(Duration::from_millis(100)).await;
                        }
                    }
                }
                (taken, shed)
            });
        }
    }
    let (mut taken, mut shed) = (Vec::new(), 0);
    while let Some(caller) = load.join_next().await {
        let (times, count) = caller.unwrap();
        taken.extend(times);
        shed += count;
    }
    taken.sort();
    (taken, shed)
}

/// A service that gets more than it can answer sheds: what it takes it answers about as fast as before, its memory has a
/// bound, and it recovers by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_many_times_its_capacity_a_service_keeps_its_latency_and_its_memory_and_recovers() {
    let redis = Redis::start().await;
    redis.put(ANA_ID, ANA.as_bytes()).await;
    let service = ServiceProcess::start(&[("SESSION_STORE", &redis.url()), ("LIMITS_MAX_CALLS", "64")]).await;
    let median = |times: &[Duration]| times[times.len() / 2];
    // One address has half of the places.
    let (full, none) = load(&service, 32).await;
    assert_eq!(none, 0);
    let memory = resident(&service);
    let (flooded, shed) = load(&service, 640).await;
    println!(
        "32 callers: {} answers, the median after {:?}; 640: {}, {:?}, and {shed} turned away; {} MiB, then {} MiB",
        full.len(),
        median(&full),
        flooded.len(),
        median(&flooded),
        memory >> 20,
        resident(&service) >> 20
    );
    // Twenty times as many that all waited would wait twenty times as long.
    assert!(shed > 0 && median(&flooded) < 12 * median(&full));
    assert!(resident(&service) < memory + (64 << 20));
    let (recovered, none) = load(&service, 32).await;
    assert_eq!(none, 0);
    assert!(median(&recovered) < 4 * median(&full), "{:?}", median(&recovered));
    // Turned away by the thousand, and told in a few lines.
    assert!(service.process.output().text().matches("turned away").count() < 10);
}

/// Bytes of memory that a process holds.
fn resident(service: &ServiceProcess) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.process.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

fn path(path: &'static str) -> PathAndQuery {
    PathAndQuery::from_static(path)
}

/// A call that says what it says, and its answer when it is not OK.
async fn refusal<T: Message + Default + 'static>(
    channel: &Channel,
    method: &'static str,
    messages: Vec<T>,
) -> Option<Status> {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let messages = Request::new(tokio_stream::iter(messages));
    let answer = grpc.client_streaming(messages, path(method), ProstCodec::<T, ()>::default()).await;
    answer.err()
}

#[tokio::test]
async fn what_a_call_says_beyond_its_message_is_not_kept() {
    const AUTHORIZE: &str = "/socketpass.v1.AuthorizationService/Authorize";
    let service = Service::start(&[]).await;
    let channel = service.channel().await;
    assert!(refusal(&channel, AUTHORIZE, vec![request(with_cookie(""))]).await.is_none());
    let twice = vec![request(with_cookie("")), request(with_cookie(""))];
    let refused = refusal(&channel, AUTHORIZE, twice).await.unwrap();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    service.stop().await;
}

#[tokio::test]
async fn who_needs_no_credentials_takes_no_places_of_callers() {
    let limits =
        [("LIMITS_MAX_CALLS", "2"), ("LIMITS_MAX_STREAMS", "2"), ("LIMITS_MAX_INFLIGHT_BYTES", "4MiB")];
    let service = Service::start(&limits).await;
    for channel in [service.channel().await, channel(&service.http).await] {
        let long = HealthCheckRequest { service: "x".repeat(1 << 20) };
        let refused = refusal(&channel, "/grpc.health.v1.Health/Check", vec![long]).await.unwrap();
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
        assert!(refused.message().contains("1 KiB"), "{refused}");
        let mut watches = Vec::new();
        for _ in 0..10 {
            let request = HealthCheckRequest { service: "readiness".to_owned() };
            let mut watch = HealthClient::new(channel.clone()).watch(request).await.unwrap().into_inner();
            watch.message().await.unwrap().unwrap();
            watches.push(watch);
        }
        // Calls that never say what they ask.
        let mut unfinished = JoinSet::new();
        for _ in 0..5 {
            let mut grpc = Grpc::new(channel.clone());
            unfinished.spawn(async move {
                grpc.ready().await.unwrap();
                let silence = Request::new(tokio_stream::pending::<HealthCheckRequest>());
                let method = path("/grpc.health.v1.Health/Check");
                grpc.client_streaming(silence, method, ProstCodec::<_, ()>::default()).await
            });
        }
        authorize(&mut service.client().await, with_cookie("")).await;
        let gateway = Gateway::list(&service.grpc, hello("chat-1", "a"), vec![]).await;
        gateway.goodbye().await;
    }
    service.stop().await;
}

#[tokio::test]
async fn watches_of_health_end_with_their_connection() {
    let service = Service::start(&[("LIMITS_CONNECTION_AGE", "300ms")]).await;
    let request = HealthCheckRequest { service: "readiness".to_owned() };
    let mut watch = HealthClient::new(service.channel().await).watch(request).await.unwrap().into_inner();
    let ended = timeout(PATIENCE, async {
        loop {
            if let Err(status) = watch.message().await {
                return status;
            }
        }
    });
    assert!(ended.await.unwrap().message().contains("limits.connection_age"));
    service.stop().await;
}

#[tokio::test]
async fn probes_have_a_door_with_limits_of_its_own() {
    let limits = [("LIMITS_MAX_CONNECTIONS", "8"), ("LIMITS_KEEPALIVE_TIMEOUT", "300ms")];
    let service = Service::start(&limits).await;
    let address = service.http.strip_prefix("http://").unwrap().to_owned();
    // What says nothing, and what begins and does not go on, is dropped.
    for begin in ["", "GET /livez HTTP/1.1\r\nhost: a\r\n"] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(begin.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        assert!(timeout(PATIENCE, stream.read_to_end(&mut answer)).await.is_ok(), "{begin:?}");
    }
    // One address has half of the connections, and takes none of the other door.
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(TcpStream::connect(&address).await.unwrap());
    }
    let mut dropped = 0;
    for stream in &mut held {
        dropped += usize::from(timeout(Duration::from_millis(100), stream.read(&mut [0; 1])).await.is_ok());
    }
    assert!(dropped >= 4, "{dropped}");
    authorize(&mut service.client().await, with_cookie("")).await;
    drop(held);
    until("probes are answered", || async { get(&service.http, "/livez").await.status == 200 }).await;
    service.stop().await;
}

#[tokio::test]
async fn too_few_file_descriptors_are_told() {
    let mut service = Command::new("sh");
    service.args(["-c", "ulimit -n 1000 && exec \"$0\" serve"]).arg(env!("CARGO_BIN_EXE_socketpass"));
    for (name, value) in
        [("GRPC_ADDR", "127.0.0.1:0"), ("HTTP_ADDR", "127.0.0.1:0"), ("SESSION_SECRETS", "x")]
    {
        service.env(format!("SOCKETPASS_{name}"), value);
    }
    let service = ServiceProcess::run(&mut service).await;
    let told = service.process.output().line("file descriptors").await;
    assert!(told.contains("1000") && told.contains("limits.max_connections"), "{told}");
}
