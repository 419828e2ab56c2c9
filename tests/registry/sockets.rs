//! `FilterSockets`, `CountSockets` and `ExplainFilter`: what matches, in pages, in groups, and how it was found.

use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use socketpass::grpc::{
    convert::structs,
    pb::{ExplainFilterRequest, FilterSocketsRequest, Socket},
};
use tonic::Code;

use crate::support::{
    callers::{Caller, asked, id, params},
    gateway::{Gateway, hello, socket},
    redis::Redis,
    service::Service,
};

/// A service, and gateways that have listed so many sockets each: `gateway-0` to `gateway-3`, `s000` and on.
struct World {
    caller: Caller,
    gateways: Vec<Gateway>,
    _service: Service,
}

impl World {
    async fn start(settings: &[(&str, &str)], each: usize, user: impl Fn(usize) -> Value) -> Self {
        let service = Service::start(settings).await;
        let mut gateways = Vec::new();
        for gateway in 0..4 {
            let mut listing = Gateway::open(&service.grpc, hello(&format!("gateway-{gateway}"), "one")).await;
            // Backwards: the order is the registry's.
            let sockets: Vec<_> = (0..each)
                .rev()
                .map(|number| socket(&format!("s{number:03}"), user(gateway * each + number)))
                .collect();
            for sockets in sockets.chunks(1_000) {
                listing.opens(sockets.to_vec()).await;
            }
            listing.report(Vec::new(), true).await.unwrap();
            gateways.push(listing);
        }
        Self { caller: Caller::of(&service.grpc).await, gateways, _service: service }
    }
}

fn with_team(number: usize) -> Value {
    json!({"id": number, "team": (["a", "b", "c"][number % 3]), "age": number % 50})
}

#[tokio::test]
async fn they_come_in_order_and_in_messages_of_bounded_size() {
    let mut world = World::start(&[], 600, with_team).await;
    let messages = world.caller.messages(asked("true")).await.unwrap();
    assert!(messages.iter().all(|message| message.sockets.len() <= 500 && message.view.is_some()));
    assert!(messages.iter().all(|message| message.next_cursor.is_empty()));
    let ids: Vec<String> = messages.iter().flat_map(|message| &message.sockets).map(id).collect();
    assert_eq!(ids.len(), 2_400);
    assert!(ids.is_sorted());
    assert_eq!((&*ids[0], &*ids[2_399]), ("gateway-0/s000", "gateway-3/s599"));
}

#[tokio::test]
async fn large_sockets_come_in_messages_that_clients_take() {
    let user = |number| json!({"id": number, "padding": "x".repeat(60_000)});
    let world = World::start(&[], 25, user).await;
    // As it is by default: at most 4 MiB a message.
    let channel = crate::support::service::channel(&world._service.grpc).await;
    let registry = socketpass::grpc::pb::registry_service_client::RegistryServiceClient::new(channel);
    let mut caller = Caller(registry);
    assert_eq!(caller.ids("true").await.len(), 100);
}

#[tokio::test]
async fn pages_go_on_where_the_last_one_ended() {
    for settings in [&[][..], &[("REGISTRY_INDEXES", r#"["user.team"]"#)]] {
        let mut world = World::start(settings, 50, with_team).await;
        let filter = "user.team == params.team";
        let page = |cursor: &str| FilterSocketsRequest {
            params: params(json!({"team": "b"})),
            limit: 7,
            cursor: cursor.to_owned(),
            ..asked(filter)
        };
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let messages = world.caller.messages(page(&cursor)).await.unwrap();
            let sockets: Vec<_> = messages.iter().flat_map(|message| &message.sockets).map(id).collect();
            assert!(sockets.len() <= 7);
            cursor = messages.last().unwrap().next_cursor.clone();
            found.extend(sockets);
            if cursor.is_empty() {
                break;
            }
            // What changes in between is neither missed nor doubled: each socket has its place.
            if found.len() == 14 {
                world.gateways[0].closes("s001").await;
                world.gateways[3].opens(vec![socket("s999", json!({"team": "b"}))]).await;
            }
        }
        let unpaged = world
            .caller
            .messages(FilterSocketsRequest { params: params(json!({"team": "b"})), ..asked(filter) })
            .await
            .unwrap();
        let unpaged: Vec<_> = unpaged.iter().flat_map(|message| &message.sockets).map(id).collect();
        found.retain(|id| id != "gateway-0/s001");
        assert_eq!(found, unpaged);
    }
}

#[tokio::test]
async fn a_cursor_is_of_one_filter_and_of_any_replica() {
    let redis = Redis::start().await;
    let store = [("REGISTRY_STORE", &*redis.url())];
    let mut world = World::start(&store, 10, with_team).await;
    let request = |filter: &str, cursor: &str| FilterSocketsRequest {
        limit: 3,
        cursor: cursor.to_owned(),
        ..asked(filter)
    };
    world.caller.counts("true", 40).await;
    let first = world.caller.messages(request("user.age < 40", "")).await.unwrap();
    let cursor = first.last().unwrap().next_cursor.clone();
    let other_service = Service::start(&store).await;
    let mut other = Caller::of(&other_service.grpc).await;
    other.counts("true", 40).await;
    let next = other.messages(request("user.age < 40", &cursor)).await.unwrap();
    assert_eq!(id(&next[0].sockets[0]), "gateway-0/s003");
    let other_params =
        FilterSocketsRequest { params: params(json!({"x": 1})), ..request("user.age < 40", &cursor) };
    for faulty in [
        request("user.age < 41", &cursor),
        other_params,
        request("user.age < 40", "from elsewhere"),
        request("user.age < 40", &cursor[..cursor.len() - 4]),
        request("user.age < 40", &"A".repeat(1 << 20)),
    ] {
        let status = world.caller.messages(faulty).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert!(status.message().starts_with("cursor: "), "{status:?}");
    }
    other_service.stop().await;
}

#[tokio::test]
async fn counts_come_in_groups_the_largest_first() {
    let user = |number| match number % 10 {
        0..5 => json!({"team": "a", "age": 1}),
        5..8 => json!({"team": "b", "age": 1.0}),
        8 => json!({"team": null}),
        _ => json!({"name": "no team"}),
    };
    let mut world = World::start(&[("REGISTRY_INDEXES", r#"["user.age"]"#)], 100, user).await;
    let groups = async |caller: &mut Caller, by: &str| {
        let answer = caller.count("true", by).await.unwrap();
        assert_eq!(answer.total, 400);
        assert_eq!(answer.groups.iter().map(|group| group.count).sum::<u64>(), 400);
        answer
            .groups
            .into_iter()
            .map(|group| (structs::json(&group.key.unwrap()), group.count))
            .collect::<Vec<_>>()
    };
    // Whoever has nothing there is under null, like those who have null there.
    assert_eq!(
        groups(&mut world.caller, "user.team").await,
        [(json!("a"), 200), (json!("b"), 120), (json!(null), 80)]
    );
    // A number is a number, however it was written.
    assert_eq!(groups(&mut world.caller, "user.age").await, [(json!(1), 320), (json!(null), 80)]);
    assert_eq!(groups(&mut world.caller, "socket.gateway_id").await.len(), 4);
    assert_eq!(groups(&mut world.caller, "gateway.labels.zone").await, [(json!(null), 400)]);
    for (path, problem) in [
        ("socket.session_id", "nobody groups by session_id"),
        ("user.", ""),
        ("1 + 1", ""),
        ("user.team == 'a'", ""),
        ("nobody.team", ""),
        ("socket.nothing", ""),
    ] {
        let status = world.caller.count("true", path).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{path}: {status:?}");
        assert!(
            status.message().starts_with("group_by: ") && status.message().contains(problem),
            "{status:?}"
        );
    }
}

#[tokio::test]
async fn too_many_groups_are_refused() {
    let mut world = World::start(&[], 2_501, |number| json!({"id": number})).await;
    let status = world.caller.count("true", "user.id").await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(status.message().contains("10000"), "{status:?}");
    assert_eq!(world.caller.count("user.id < 10000", "user.id").await.unwrap().groups.len(), 10_000);
}

#[tokio::test]
async fn the_plan_is_shown() {
    let mut world =
        World::start(&[("REGISTRY_INDEXES", r#"["user.team", "user.age"]"#)], 30, with_team).await;
    let mut explain = async |filter: &str| {
        let request =
            ExplainFilterRequest { filter: filter.to_owned(), params: params(json!({"ids": [1, 2]})) };
        let answer = world.caller.0.explain_filter(request).await.unwrap().into_inner();
        answer.steps.into_iter().map(|step| (step.index, step.sockets, step.expression)).collect::<Vec<_>>()
    };
    let step = |index: &str, sockets, expression: &str| (index.to_owned(), sockets, expression.to_owned());
    assert_eq!(explain("user.team == 'a'").await, [step("user.team", 40, r#"user.team == "a""#)]);
    assert_eq!(explain("user.id in params.ids").await, [step("user.id", 2, "user.id in [1, 2]")]);
    assert_eq!(
        explain("user.team == 'a' && user.team.size() == 1").await,
        [step("user.team", 40, r#"user.team == "a""#), step("", 40, "size(user.team) == 1")]
    );
    let unindexed = explain("user.name == 'x'").await;
    assert_eq!(unindexed, [step("", 120, r#"user.name == "x""#)]);
    for (filter, index) in [
        ("socket.session_id == ''", "socket.session_id"),
        ("socket.gateway_id == 'gateway-1'", "gateway"),
        ("socket.socket_id == 's001'", "socket.socket_id"),
        ("socket.namespace == '/'", "socket.namespace"),
        ("socket.namespace.startsWith('/')", "socket.namespace"),
        ("has(user.age)", "user.age"),
        ("user.age >= 10", "user.age"),
        ("!(user.age >= 10)", "user.age"),
    ] {
        let steps = explain(filter).await;
        assert_eq!(steps.len(), 1, "{filter}: {steps:?}");
        assert_eq!(steps[0].0, index, "{filter}: {steps:?}");
    }
}

/// A filter of the kinds that indexes answer, and what it is for a user by CEL's rules.
#[derive(Clone, Debug)]
enum Filter {
    Equals(&'static str, Value),
    Differs(&'static str, Value),
    In(&'static str, Vec<Value>),
    Less(&'static str, Value),
    AtLeast(&'static str, Value),
    StartsWith(&'static str, &'static str),
    Has(&'static str),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
}

impl Filter {
    fn text(&self) -> String {
        match self {
            Self::Equals(field, value) => format!("user.{field} == {value}"),
            Self::Differs(field, value) => format!("user.{field} != {value}"),
            Self::In(field, values) => format!("user.{field} in {}", json!(values)),
            Self::Less(field, value) => format!("user.{field} < {value}"),
            Self::AtLeast(field, value) => format!("user.{field} >= {value}"),
            Self::StartsWith(field, start) => format!("user.{field}.startsWith({start:?})"),
            Self::Has(field) => format!("has(user.{field})"),
            Self::And(one, other) => format!("({} && {})", one.text(), other.text()),
            Self::Or(one, other) => format!("({} || {})", one.text(), other.text()),
            Self::Not(one) => format!("!({})", one.text()),
        }
    }

    /// `None`: it fails.
    fn holds(&self, user: &Value) -> Option<bool> {
        match self {
            Self::Equals(field, value) => Some(equal(user.get(field)?, value)),
            Self::Differs(field, value) => Some(!equal(user.get(field)?, value)),
            Self::In(field, values) => {
                let found = user.get(field)?;
                Some(values.iter().any(|value| equal(found, value)))
            }
            Self::Less(field, value) => compare(user.get(field)?, value).map(std::cmp::Ordering::is_lt),
            Self::AtLeast(field, value) => compare(user.get(field)?, value).map(std::cmp::Ordering::is_ge),
            Self::StartsWith(field, start) => Some(user.get(field)?.as_str()?.starts_with(start)),
            Self::Has(field) => Some(user.get(field).is_some()),
            Self::And(one, other) => match (one.holds(user), other.holds(user)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (one, other) => one.and(other),
            },
            Self::Or(one, other) => match (one.holds(user), other.holds(user)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (one, other) => one.and(other),
            },
            Self::Not(one) => one.holds(user).map(|holds| !holds),
        }
    }
}

fn equal(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

fn compare(one: &Value, other: &Value) -> Option<std::cmp::Ordering> {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64()?.partial_cmp(&other.as_f64()?),
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        (Value::Bool(one), Value::Bool(other)) => Some(one.cmp(other)),
        _ => None,
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => prop::sample::select(vec![json!("a"), json!("ab"), json!("b"), json!(""), json!("é")]),
        4 => prop::sample::select(vec![json!(0), json!(1), json!(-3), json!(1.5), json!(2)]),
        1 => prop::sample::select(vec![json!(null), json!(true), json!(false)]),
    ]
}

fn any_field() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["x", "y", "z"])
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let field = any_field;
    let starts = prop::sample::select(vec!["", "a", "ab", "é"]);
    let leaf = prop_oneof![
        (field(), any_value()).prop_map(|(field, value)| Filter::Equals(field, value)),
        (field(), any_value()).prop_map(|(field, value)| Filter::Differs(field, value)),
        (field(), prop::collection::vec(any_value(), 0..4))
            .prop_map(|(field, values)| Filter::In(field, values)),
        (field(), any_value()).prop_map(|(field, value)| Filter::Less(field, value)),
        (field(), any_value()).prop_map(|(field, value)| Filter::AtLeast(field, value)),
        (field(), starts).prop_map(|(field, start)| Filter::StartsWith(field, start)),
        field().prop_map(Filter::Has),
    ];
    leaf.prop_recursive(4, 16, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone())
                .prop_map(|(one, other)| Filter::And(Box::new(one), Box::new(other))),
            (inner.clone(), inner.clone())
                .prop_map(|(one, other)| Filter::Or(Box::new(one), Box::new(other))),
            inner.prop_map(|one| Filter::Not(Box::new(one))),
        ]
    })
}

/// A field may be absent.
fn any_user() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(any_field(), any_value(), 0..=3)
        .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

#[test]
fn an_index_finds_what_looking_at_each_would_find() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 500, failure_persistence: None, ..Config::default() });
    let users: Vec<Value> =
        prop::collection::vec(any_user(), 200).new_tree(&mut TestRunner::deterministic()).unwrap().current();
    let user = |number: usize| users.get(number).cloned().unwrap_or_default();
    let worlds = [&[][..], &[("REGISTRY_INDEXES", r#"["user.x", "user.y"]"#)]]
        .map(|settings| runtime.block_on(World::start(settings, users.len() / 4, user)));
    let outcome = runner.run(&any_filter(), |filter| {
        let text = filter.text();
        let expected: Vec<String> = users
            .iter()
            .enumerate()
            .filter(|(_, user)| filter.holds(user) == Some(true))
            .map(|(number, _)| format!("gateway-{}/s{:03}", number / 50, number % 50))
            .collect();
        for world in &worlds {
            let mut caller = world.caller.clone();
            let (ids, total) =
                runtime.block_on(async { (caller.ids(&text).await, caller.clone().total(&text).await) });
            prop_assert_eq!(&ids, &expected, "{}", &text);
            prop_assert_eq!(usize::try_from(total).unwrap(), expected.len(), "{}", &text);
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[tokio::test]
async fn a_session_id_goes_in_and_never_comes_out() {
    let service = Service::start(&[]).await;
    let secret = "Zk3q9vWmT1n8yLxR4sPb7uCdEfGhJkMa";
    let with_session = Socket { session_id: secret.to_owned(), ..socket("s1", json!({"id": 1})) };
    let _gateway = Gateway::list(&service.grpc, hello("g", "one"), vec![with_session]).await;
    let mut caller = Caller::of(&service.grpc).await;
    let by_session = format!("socket.session_id == {secret:?}");
    let mut answers = format!("{:?}", caller.messages(asked(&by_session)).await.unwrap());
    answers += &format!("{:?}", caller.count(&by_session, "socket.namespace").await.unwrap());
    answers += &format!("{:?}", caller.gateways().await);
    answers += &format!("{:?}", caller.watch(&by_session).await.next().await.unwrap());
    assert_eq!(answers.matches("s1").count(), 2, "{answers}");
    assert!(!answers.contains(secret), "{answers}");
}
