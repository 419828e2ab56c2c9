//! Whatever is asked and reported: a clear status, and the stream lives on where it can.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use socketpass::grpc::{
    convert::structs,
    pb::{
        Batch, Close, CommandResult, DisconnectSocketsRequest, ExplainFilterRequest, FilterSocketsRequest,
        GatewayState, Goodbye, Hello, ReportRequest, SendToSocketsRequest, Socket, report_request,
    },
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use crate::support::{
    PATIENCE,
    callers::{Caller, asked, params},
    gateway::{Gateway, closed, hello, opened, registry, socket},
    service::Service,
};

async fn start() -> (Service, Caller) {
    let service = Service::start(&[]).await;
    let caller = Caller::of(&service.grpc).await;
    (service, caller)
}

/// Every method that takes a filter answers with this status.
async fn is_refused_everywhere(caller: &mut Caller, filter: &str, part: &str) {
    let registry = &mut caller.0;
    let explain = ExplainFilterRequest { filter: filter.to_owned(), params: None };
    let disconnect = DisconnectSocketsRequest { filter: filter.to_owned(), ..Default::default() };
    let send =
        SendToSocketsRequest { filter: filter.to_owned(), event: "x".to_owned(), ..Default::default() };
    let refusals = [
        registry.explain_filter(explain).await.err(),
        registry.disconnect_sockets(disconnect).await.err(),
        registry.send_to_sockets(send).await.err(),
        registry.filter_sockets(asked(filter)).await.err(),
        caller.count(filter, "").await.err(),
        caller.try_watch(filter, "").await.err(),
    ];
    let shown: String = filter.chars().take(60).collect();
    for refusal in refusals {
        let refusal = refusal.unwrap_or_else(|| panic!("{shown}: taken"));
        assert_eq!(refusal.code(), Code::InvalidArgument, "{shown}: {refusal:?}");
        let message = refusal.message();
        assert!(message.starts_with("filter: ") && message.contains(part), "{shown}: {message}");
        // It repeats no megabyte.
        assert!(message.len() < 1_000, "{shown}: {} bytes", message.len());
    }
}

#[tokio::test]
async fn filters_that_cannot_be() {
    let (_service, mut caller) = start().await;
    let deep = |inner: &str| format!("{}true{}", "(".repeat(101), inner.replace('x', &")".repeat(101)));
    let chain = vec!["true"; 120].join(" && ");
    let literals = format!("user.id in [{}]", vec!["1"; 20_000].join(","));
    let megabyte = format!("user.name == '{}'", "x".repeat(1 << 20));
    for (filter, part) in [
        ("", "empty"),
        ("   ", ""),
        ("user.team ==", ""),
        ("socket.nothing == 1", "nothing"),
        ("gateway.sockets == 1", "sockets"),
        ("nobody.id == 1", "nobody"),
        ("exec('x')", "exec"),
        (&"x".repeat(16_000), "there is no"),
        ("'a text'", ""),
        ("1 + 1", ""),
        ("socket.session_id.startsWith('a')", "session_id"),
        ("socket.session_id < 'a'", "session_id"),
        ("{socket.session_id: 1} == {}", "session_id"),
        ("[socket.session_id].exists(id, id.contains('a'))", "session_id"),
        ("(user.id == 1 ? socket.session_id : 'a') == 'a'", "session_id"),
        ("user.name.matches('(')", ""),
        ("user.name.matches('((a{100}){100}){100}')", ""),
        ("[1].all(a, [1].all(b, [1].all(c, true)))", "2"),
        (&deep("x"), "100"),
        (&chain, "100"),
        (&literals, "16"),
        (&megabyte, "16"),
        ("user.name == '\u{0}", ""),
    ] {
        let refused = timeout(PATIENCE, is_refused_everywhere(&mut caller, filter, part)).await;
        assert!(refused.is_ok(), "{part}: it takes its time");
    }
}

#[tokio::test]
async fn a_wrong_type_is_no_match() {
    let (service, mut caller) = start().await;
    let listed = vec![socket("s1", json!({"id": 1, "name": "Ana", "tags": ["a"]}))];
    let _gateway = Gateway::list(&service.grpc, hello("g", "one"), listed).await;
    for filter in [
        "user.name < 1",
        "user.name + 1 == 2",
        "user.id.startsWith('1')",
        "user.tags",
        "user.nothing == 1",
        "user.name.x.y == 1",
        "user.tags[5] == 'a'",
        "1 / (user.id - 1) == 0",
        "user.id == params.absent",
        "!(user.nothing == 1)",
        "9223372036854775807 + user.id > 0",
    ] {
        assert_eq!(caller.ids(filter).await, [""; 0], "{filter}");
    }
    assert_eq!(caller.ids("user.id == 1.0 && user.name == 'Ana'").await, ["g/s1"]);
}

#[tokio::test]
async fn work_is_bounded() {
    let (service, mut caller) = start().await;
    let many: Vec<u32> = (0..2_000).collect();
    let listed: Vec<_> = (0..100)
        .map(|number| socket(&format!("s{number}"), json!({"list": many, "text": "a".repeat(10_000)})))
        .collect();
    let mut gateway = Gateway::open(&service.grpc, hello("g", "one")).await;
    for sockets in listed.chunks(20) {
        gateway.opens(sockets.to_vec()).await;
    }
    gateway.report(Vec::new(), true).await.unwrap();
    // More than 10,000 steps: an error, which is no match; and it does not take its time.
    let begun = Instant::now();
    assert_eq!(caller.total("user.list.all(a, user.list.all(b, a + b >= 0))").await, 0);
    assert_eq!(
        caller.total("user.text.matches('(a|aa|aaa)*(b|bb)*c$') || user.list.size() == 2000").await,
        100
    );
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn params_are_bounded() {
    let (_service, mut caller) = start().await;
    let mut deep = json!(1);
    for _ in 0..28 {
        deep = json!({"deeper": deep});
    }
    let request = FilterSocketsRequest { params: params(json!({"deep": deep})), ..asked("true") };
    let status = caller.messages(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(status.message().starts_with("params: "), "{status:?}");
    let large: Vec<String> = (0..50_000).map(|number| format!("{number:0100}")).collect();
    let request = FilterSocketsRequest { params: params(json!({"ids": large})), ..asked("true") };
    let status = caller.messages(request).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert_eq!(caller.total("true").await, 0);
}

#[tokio::test]
async fn closes_and_events_are_checked() {
    let (_service, mut caller) = start().await;
    for (code, reason) in [(1000, ""), (3999, ""), (5000, ""), (4000, "é"), (4000, "a\nb"), (0, "x")]
        .into_iter()
        .map(|(code, reason)| (code, reason.to_owned()))
        .chain([(4000, "x".repeat(33))])
    {
        let request = DisconnectSocketsRequest {
            filter: "true".to_owned(),
            close: Some(Close { code, reason }),
            ..Default::default()
        };
        let status = caller.0.disconnect_sockets(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert!(status.message().starts_with("close."), "{status:?}");
    }
    let send = |event: &str, args: Vec<Value>| SendToSocketsRequest {
        filter: "true".to_owned(),
        params: None,
        event: event.to_owned(),
        args: args.into_iter().map(structs::value).collect(),
    };
    let mut deep = json!(1);
    for _ in 0..40 {
        deep = json!([deep]);
    }
    for (request, field) in [
        (send("", vec![]), "event: "),
        (send(&"e".repeat(257), vec![]), "event: "),
        (send("e", vec![deep]), "args: "),
        (send("e", vec![json!("x".repeat(300_000))]), "args: "),
    ] {
        let status = caller.0.send_to_sockets(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert!(status.message().starts_with(field), "{status:?}");
    }
}

#[tokio::test]
async fn revisions_that_are_none() {
    let (_service, mut caller) = start().await;
    for revision in ["x", "AQ", "from elsewhere", &"A".repeat(1 << 20)] {
        let status = match caller.try_watch("true", revision).await {
            Ok(mut watcher) => watcher.end().await,
            Err(status) => status,
        };
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert!(status.message().starts_with("from_revision: "), "{status:?}");
    }
}

#[tokio::test]
async fn hellos_that_cannot_be() {
    let (service, _caller) = start().await;
    let labels =
        |labels: Vec<(String, String)>| Hello { labels: labels.into_iter().collect(), ..hello("g", "one") };
    for (hello, field) in [
        (hello("", "one"), "hello.gateway_id"),
        (hello(&"g".repeat(10_000), "one"), "hello.gateway_id"),
        (hello("a\nb", "one"), "hello.gateway_id"),
        (hello("g", ""), "hello.incarnation"),
        (hello("g", &"i".repeat(65)), "hello.incarnation"),
        (labels((0..33).map(|n| (n.to_string(), String::new())).collect()), "hello.labels"),
        (labels(vec![("n".repeat(64), String::new())]), "hello.labels"),
        (labels(vec![("n".to_owned(), "v".repeat(257))]), "hello.labels"),
    ] {
        let status = Gateway::try_open(&service.grpc, hello).await.err().unwrap();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert!(status.message().starts_with(field), "{status:?}");
        assert!(status.message().len() < 200, "{status:?}");
    }
}

#[tokio::test]
async fn what_comes_before_hello() {
    let (service, mut caller) = start().await;
    let batch = Batch { sequence: 1, events: vec![opened(socket("s1", json!({})))], complete: true };
    for message in [
        Some(report_request::Message::Batch(batch)),
        Some(report_request::Message::CommandResult(CommandResult::default())),
        Some(report_request::Message::Goodbye(Goodbye {})),
        None,
    ] {
        let (sender, receiver) = mpsc::channel(1);
        let mut answers =
            registry(&service.grpc).await.report(ReceiverStream::new(receiver)).await.unwrap().into_inner();
        sender.send(ReportRequest { message }).await.unwrap();
        let status = answers.message().await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert!(status.message().contains("hello"), "{status:?}");
    }
    assert_eq!(caller.gateways().await, []);
}

#[tokio::test]
async fn a_stream_that_says_nothing_is_ended() {
    let (service, _caller) = start().await;
    let mut silent = Gateway::connect(&service.grpc).await;
    let status = silent.end().await;
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert!(status.message().contains("hello"), "{status:?}");
}

#[tokio::test]
async fn streams_that_break_the_rules_end_and_their_sockets_stay() {
    let (service, mut caller) = start().await;
    let batch =
        |sequence, events, complete| report_request::Message::Batch(Batch { sequence, events, complete });
    let many = (0..1_001).map(|_| closed("x")).collect();
    for (message, field) in [
        (batch(3, vec![], false), "batch.sequence"),
        (batch(1, vec![], false), "batch.sequence"),
        (batch(0, vec![], false), "batch.sequence"),
        (batch(u64::MAX, vec![], false), "batch.sequence"),
        (batch(2, vec![], true), "batch.complete"),
        (batch(2, many, false), "batch.events"),
        (report_request::Message::Hello(hello("g", "one")), "hello"),
    ] {
        let mut gateway =
            Gateway::list(&service.grpc, hello("g", "one"), vec![socket("s1", json!({}))]).await;
        gateway.say(message).await;
        let status = gateway.end().await;
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert!(status.message().starts_with(field), "{status:?}");
        assert_eq!(caller.ids("true").await, ["g/s1"]);
        caller.is("g", Some(GatewayState::Late)).await;
    }
    // Too large a message is said to be that.
    let mut gateway = Gateway::list(&service.grpc, hello("g", "one"), vec![]).await;
    let large: Vec<_> = (0..100)
        .map(|number| opened(socket(&format!("s{number}"), json!({"text": "x".repeat(60_000)}))))
        .collect();
    gateway.send(large, false).await;
    let status = gateway.end().await;
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert!(status.message().contains("limits.max_message_bytes"), "{status:?}");
}

#[tokio::test]
async fn results_of_no_command_are_passed_over() {
    let (service, mut caller) = start().await;
    let mut gateway = Gateway::list(&service.grpc, hello("g", "one"), vec![socket("s1", json!({}))]).await;
    for (command_id, done) in
        [("", vec![]), ("nobody's", vec!["s1"]), (&"x".repeat(100_000), vec!["s1", "s1"])]
    {
        let done = done.into_iter().map(ToOwned::to_owned).collect();
        let result = CommandResult { command_id: command_id.to_owned(), done };
        gateway.say(report_request::Message::CommandResult(result)).await;
    }
    gateway.report(Vec::new(), false).await.unwrap();
    assert_eq!(caller.ids("true").await, ["g/s1"]);
}

#[tokio::test]
async fn a_listing_that_never_completes_is_named_for_as_long_as_it_lasts() {
    let service = Service::start(&[("REGISTRY_LEASE", "2s")]).await;
    let mut caller = Caller::of(&service.grpc).await;
    let mut gateway = Gateway::open(&service.grpc, hello("g", "one")).await;
    let begun = Instant::now();
    // Its signs of life keep it, for longer than two leases; answers say that it is not whole.
    while begun.elapsed() < Duration::from_millis(4_500) {
        gateway.opens(vec![socket("s1", json!({}))]).await;
        assert_eq!(caller.view().await.incomplete_gateways, ["g"]);
        assert_eq!(caller.ids("true").await, ["g/s1"]);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    drop(gateway);
    caller.is("g", None).await;
    assert_eq!(caller.total("true").await, 0);
}

#[tokio::test]
async fn a_user_with_odd_numbers_and_names() {
    let (service, mut caller) = start().await;
    let odd = socket("s1", json!({"__proto__": {"admin": true}, "": 1, "a.b": 2, "ü": 3}));
    let with = |numbers: &[(&str, f64)]| {
        let mut user = odd.user.clone().unwrap();
        for (name, number) in numbers {
            let kind = Some(prost_types::value::Kind::NumberValue(*number));
            user.fields.insert((*name).to_owned(), prost_types::Value { kind });
        }
        user.fields.insert("nothing".to_owned(), prost_types::Value { kind: None });
        Some(user)
    };
    let unheard = Socket { user: with(&[("nan", f64::NAN)]), ..socket("s2", json!({})) };
    let odd = Socket { user: with(&[("large", 1e300), ("zero", -0.0)]), ..odd.clone() };
    let mut gateway = Gateway::open(&service.grpc, hello("g", "one")).await;
    let ack = gateway.report(vec![opened(odd), opened(unheard)], true).await.unwrap();
    // JSON has no such number.
    assert_eq!(ack.rejected.len(), 1);
    assert_eq!((&*ack.rejected[0].socket_id, &*ack.rejected[0].field), ("s2", "user"));
    for filter in
        ["user.large > 1e299", "user.zero == 0", "user['a.b'] == 2", "user['ü'] == 3", "user.nothing == null"]
    {
        assert_eq!(caller.ids(filter).await, ["g/s1"], "{filter}");
    }
    assert_eq!(caller.ids("!has(user.large)").await, ["g/s2"]);
}
