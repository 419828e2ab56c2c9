//! `DisconnectSockets` and `SendToSockets`: what gateways are told, and what callers hear of it.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use serde_json::json;
use socketpass::grpc::{
    convert::structs,
    pb::{
        Close, DisconnectSocketsRequest, DisconnectSocketsResponse, SendToSocketsRequest,
        SendToSocketsResponse, Socket, command,
    },
};
use tokio::task::JoinHandle;
use tonic::{Code, Status};

use crate::support::{
    callers::{Caller, params},
    gateway::{Gateway, closed, hello, opened, socket},
    redis::Redis,
    service::Service,
    until,
};

/// matched, done, failed, unreachable
type Figures = (u64, u64, u64, u64);

fn disconnect(filter: &str) -> DisconnectSocketsRequest {
    DisconnectSocketsRequest { filter: filter.to_owned(), ..DisconnectSocketsRequest::default() }
}

fn emit(filter: &str, event: &str) -> SendToSocketsRequest {
    SendToSocketsRequest {
        filter: filter.to_owned(),
        event: event.to_owned(),
        ..SendToSocketsRequest::default()
    }
}

fn figures(answer: &DisconnectSocketsResponse) -> Figures {
    (answer.matched, answer.done, answer.failed, answer.unreachable)
}

/// What the caller hears, all of it.
fn disconnects(
    caller: &Caller,
    request: DisconnectSocketsRequest,
) -> JoinHandle<Result<Vec<Figures>, Status>> {
    let mut registry = caller.0.clone();
    tokio::spawn(async move {
        let mut answers = registry.disconnect_sockets(request).await?.into_inner();
        let mut heard = Vec::new();
        while let Some(answer) = answers.message().await? {
            assert!(answer.view.is_some());
            heard.push(figures(&answer));
        }
        Ok(heard)
    })
}

fn sends(caller: &Caller, request: SendToSocketsRequest) -> JoinHandle<Result<Figures, Status>> {
    let mut registry = caller.0.clone();
    tokio::spawn(async move {
        let mut answers = registry.send_to_sockets(request).await?.into_inner();
        let mut last = SendToSocketsResponse::default();
        while let Some(answer) = answers.message().await? {
            last = answer;
        }
        Ok((last.matched, last.done, last.failed, last.unreachable))
    })
}

async fn last(heard: JoinHandle<Result<Vec<Figures>, Status>>) -> Figures {
    *heard.await.unwrap().unwrap().last().unwrap()
}

fn sockets(ids: &[&str]) -> Vec<Socket> {
    ids.iter().map(|id| socket(id, json!({"id": 1}))).collect()
}

async fn start() -> (Service, Caller, Gateway) {
    let service = Service::start(&[]).await;
    let caller = Caller::of(&service.grpc).await;
    let gateway = Gateway::list(&service.grpc, hello("g", "one"), sockets(&["a", "b", "c"])).await;
    (service, caller, gateway)
}

#[tokio::test]
async fn the_gateway_disconnects_and_watchers_are_told_once() {
    let (service, mut caller, mut gateway) = start().await;
    let mut watcher = caller.watch("true").await;
    watcher.told().await;
    let request = DisconnectSocketsRequest {
        params: params(json!({"ids": ["a", "b"]})),
        close: Some(Close { code: 4001, reason: "bye".to_owned() }),
        ..disconnect("socket.socket_id in params.ids")
    };
    let heard = disconnects(&caller, request);
    let told = gateway.command().await;
    let Some(command::Command::Disconnect(asked)) = &told.command else { panic!("{told:?}") };
    assert_eq!(asked.socket_ids, ["a", "b"]);
    assert_eq!(asked.close, Some(Close { code: 4001, reason: "bye".to_owned() }));
    // It may say so itself before it answers, after it, or not at all.
    gateway.closes("a").await;
    gateway.done(&told, &["a", "b"]).await;
    assert_eq!(last(heard).await, (2, 2, 0, 0));
    watcher.tells(&["- g/a DISCONNECTED", "- g/b DISCONNECTED"]).await;
    gateway.report(vec![closed("b")], false).await.unwrap();
    assert_eq!(watcher.told_until_now(&service.grpc).await, [""; 0]);
    assert_eq!(caller.ids("true").await, ["g/c"]);
}

#[tokio::test]
async fn without_a_close_it_is_disconnected() {
    let (_service, caller, mut gateway) = start().await;
    let heard = disconnects(&caller, disconnect("socket.socket_id == 'a'"));
    let told = gateway.command().await;
    let Some(command::Command::Disconnect(asked)) = &told.command else { panic!("{told:?}") };
    assert_eq!(asked.close, Some(Close { code: 4505, reason: "disconnected".to_owned() }));
    gateway.done(&told, &["a"]).await;
    assert_eq!(last(heard).await, (1, 1, 0, 0));
}

#[tokio::test]
async fn what_a_gateway_could_not_do_has_failed() {
    let (_service, mut caller, mut gateway) = start().await;
    let heard = disconnects(&caller, disconnect("true"));
    let told = gateway.command().await;
    // What it was not asked for does not count, and a socket it does not name is as it was.
    gateway.done(&told, &["b", "b", "nobody's"]).await;
    assert_eq!(last(heard).await, (3, 1, 2, 0));
    assert_eq!(caller.ids("true").await, ["g/a", "g/c"]);
}

#[tokio::test]
async fn a_result_of_somebody_elses_command_counts_for_nothing() {
    let (service, caller, mut gateway) = start().await;
    let mut other = Gateway::list(&service.grpc, hello("h", "one"), sockets(&["a"])).await;
    let heard = disconnects(&caller, disconnect("socket.gateway_id == 'g'"));
    let told = gateway.command().await;
    other.done(&told, &["a", "b", "c"]).await;
    other.report(Vec::new(), false).await.unwrap();
    gateway.done(&told, &[]).await;
    assert_eq!(last(heard).await, (3, 0, 3, 0));
}

#[tokio::test]
async fn nobody_matches() {
    let (_service, caller, _gateway) = start().await;
    let heard = disconnects(&caller, disconnect("user.id == 'nobody'")).await.unwrap().unwrap();
    assert_eq!(heard.last(), Some(&(0, 0, 0, 0)));
}

#[tokio::test]
async fn a_gateway_that_does_not_answer_is_unreachable_and_holds_up_nobody() {
    let (service, caller, mut gateway) = start().await;
    let mut quick = Gateway::list(&service.grpc, hello("h", "one"), sockets(&["x"])).await;
    let heard = disconnects(&caller, disconnect("true"));
    let told = quick.command().await;
    quick.done(&told, &["x"]).await;
    let mut caller = caller;
    caller.counts("socket.gateway_id == 'h'", 0).await;
    // It comes again, in case it did not arrive.
    let first = gateway.command().await;
    let second = gateway.command().await;
    assert_eq!(first.command, second.command);
    assert_eq!(last(heard).await, (4, 1, 0, 3));
    // An answer that is too late changes what is listed, and nothing else.
    gateway.done(&second, &["a"]).await;
    caller.counts("socket.gateway_id == 'g'", 2).await;
}

#[tokio::test]
async fn a_gateway_that_does_not_read_holds_up_nobody() {
    let (service, caller, stuck) = start().await;
    let mut quick = Gateway::list(&service.grpc, hello("h", "one"), sockets(&["x"])).await;
    // More than its connection and its outbox hold.
    let args = vec![structs::value(json!("x".repeat(200_000)))];
    let mut waiting = Vec::new();
    for _ in 0..100 {
        let request =
            SendToSocketsRequest { args: args.clone(), ..emit("socket.gateway_id == 'g'", "large") };
        waiting.push(sends(&caller, request));
    }
    // Whatever takes longer than the patience for an answer is unreachable.
    for _ in 0..20 {
        let heard = sends(&caller, emit("socket.gateway_id == 'h'", "small"));
        let told = quick.command().await;
        quick.done(&told, &["x"]).await;
        assert_eq!(heard.await.unwrap().unwrap(), (1, 1, 0, 0));
    }
    for heard in waiting {
        assert_eq!(heard.await.unwrap().unwrap(), (3, 0, 0, 3));
    }
    drop(stuck);
}

#[tokio::test]
async fn many_commands_at_once_are_all_answered_for() {
    let (service, _caller, mut gateway) = start().await;
    let mut waiting = Vec::new();
    let mut open = VecDeque::new();
    // No more at a time than its outbox holds, nor over one connection than that has streams; in all more than its outbox
    // holds have no answer yet.
    for _ in 0..10 {
        let caller = Caller::of(&service.grpc).await;
        waiting.extend((0..40).map(|_| sends(&caller, emit("socket.socket_id == 'a'", "news"))));
        for _ in 0..40 {
            open.push_back(gateway.command().await);
        }
        while open.len() > 80 {
            gateway.done(&open.pop_front().unwrap(), &["a"]).await;
        }
    }
    for command in open {
        gateway.done(&command, &["a"]).await;
    }
    for heard in waiting {
        assert_eq!(heard.await.unwrap().unwrap(), (1, 1, 0, 0));
    }
}

#[tokio::test]
async fn a_pace_is_kept_and_progress_is_told() {
    let service = Service::start(&[]).await;
    let caller = Caller::of(&service.grpc).await;
    let ids: Vec<String> = (0..60).map(|number| format!("s{number:02}")).collect();
    let listed = ids.iter().map(|id| socket(id, json!({"id": 1}))).collect();
    let mut gateway = Gateway::list(&service.grpc, hello("g", "one"), listed).await;
    let begun = Instant::now();
    let heard = disconnects(&caller, DisconnectSocketsRequest { max_per_second: 40, ..disconnect("true") });
    let mut done = 0;
    while done < 60 {
        let told = gateway.command().await;
        let Some(command::Command::Disconnect(asked)) = &told.command else { panic!("{told:?}") };
        assert!(asked.socket_ids.len() <= 4, "{}", asked.socket_ids.len());
        done += asked.socket_ids.len();
        let ids: Vec<&str> = asked.socket_ids.iter().map(String::as_str).collect();
        gateway.done(&told, &ids).await;
    }
    let heard = heard.await.unwrap().unwrap();
    // 60 at 40 a second: the last ones' turn is after 1.4 s.
    assert!(begun.elapsed() > Duration::from_millis(1_300), "{:?}", begun.elapsed());
    assert_eq!(heard.first(), Some(&(60, 0, 0, 0)));
    assert_eq!(heard.last(), Some(&(60, 60, 0, 0)));
    assert!(heard.len() > 5 && heard.is_sorted(), "{heard:?}");
}

#[tokio::test]
async fn an_event_is_sent_as_it_was_said() {
    let (_service, caller, mut gateway) = start().await;
    let args = [json!({"text": "hi", "n": [1, null, 2.5]}), json!(null), json!("x")];
    let args: Vec<_> = args.into_iter().map(structs::value).collect();
    let heard = sends(&caller, SendToSocketsRequest { args: args.clone(), ..emit("true", "news") });
    let told = gateway.command().await;
    let Some(command::Command::Send(asked)) = &told.command else { panic!("{told:?}") };
    assert_eq!((&*asked.event, &asked.args), ("news", &args));
    assert_eq!(asked.socket_ids, ["a", "b", "c"]);
    gateway.done(&told, &["a", "c"]).await;
    assert_eq!(heard.await.unwrap().unwrap(), (3, 2, 1, 0));
}

#[tokio::test]
async fn an_event_comes_once_or_never() {
    let (_service, caller, mut gateway) = start().await;
    let heard = sends(&caller, emit("true", "news"));
    gateway.command().await;
    assert_eq!(heard.await.unwrap().unwrap(), (3, 0, 0, 3));
    // Nothing more has come: the next command is another.
    let heard = disconnects(&caller, disconnect("socket.socket_id == 'a'"));
    let told = gateway.command().await;
    assert!(matches!(told.command, Some(command::Command::Disconnect(_))), "{told:?}");
    gateway.done(&told, &["a"]).await;
    assert_eq!(last(heard).await, (1, 1, 0, 0));
}

#[tokio::test]
async fn commands_find_gateways_at_other_replicas() {
    let redis = Redis::start().await;
    let store = ("REGISTRY_STORE", &*redis.url());
    let (here, there) = (Service::start(&[store]).await, Service::start(&[store]).await);
    let mut caller = Caller::of(&there.grpc).await;
    let mut gateway = Gateway::list(&here.grpc, hello("g", "one"), sockets(&["a", "b"])).await;
    caller.counts("true", 2).await;
    let mut watcher = caller.watch("true").await;
    watcher.told().await;
    let heard = sends(&caller, emit("socket.socket_id == 'b'", "news"));
    let told = gateway.command().await;
    gateway.done(&told, &["b"]).await;
    assert_eq!(heard.await.unwrap().unwrap(), (1, 1, 0, 0));
    let heard = disconnects(&caller, disconnect("socket.socket_id == 'a'"));
    let told = gateway.command().await;
    gateway.done(&told, &["a"]).await;
    assert_eq!(last(heard).await, (1, 1, 0, 0));
    watcher.tells(&["- g/a DISCONNECTED"]).await;

    // Moved to the other replica, between a command and the next.
    let mut moved = Gateway::list(&there.grpc, hello("g", "one"), sockets(&["b"])).await;
    assert_eq!(gateway.end().await.code(), Code::Aborted);
    let mut first = Caller::of(&here.grpc).await;
    until("it is seen there", async || {
        first.clone().view().await.incomplete_gateways.is_empty() && first.clone().total("true").await == 1
    })
    .await;
    let heard = disconnects(&first, disconnect("true"));
    let told = moved.command().await;
    moved.done(&told, &["b"]).await;
    assert_eq!(last(heard).await, (1, 1, 0, 0));
    first.counts("true", 0).await;
    drop((watcher, moved));
    here.stop().await;
    there.stop().await;
}

#[tokio::test]
async fn a_gateway_that_ends_meanwhile() {
    // It says goodbye: its sockets are closed, which is what was wanted.
    let (_service, mut caller, mut gateway) = start().await;
    let heard = disconnects(&caller, disconnect("true"));
    gateway.command().await;
    gateway.goodbye().await;
    assert_eq!(last(heard).await, (3, 3, 0, 0));
    assert_eq!(caller.total("true").await, 0);
}

#[tokio::test]
async fn a_socket_that_was_closed_longer_ago_than_the_history_reaches_is_closed() {
    let service = Service::start(&[("REGISTRY_HISTORY_BYTES", "64KiB")]).await;
    let caller = Caller::of(&service.grpc).await;
    let mut gateway = Gateway::list(&service.grpc, hello("g", "one"), sockets(&["a", "b"])).await;
    let heard = disconnects(&caller, disconnect("true"));
    let told = gateway.command().await;
    gateway.closes("a").await;
    for number in 0..20 {
        gateway.opens(vec![socket("c", json!({"id": number, "padding": "x".repeat(1_000)}))]).await;
    }
    gateway.done(&told, &["b"]).await;
    assert_eq!(last(heard).await, (2, 2, 0, 0));
}

#[tokio::test]
async fn a_gateway_whose_lease_ends_has_done_nothing() {
    let service = Service::start(&[("REGISTRY_LEASE", "2s")]).await;
    let mut caller = Caller::of(&service.grpc).await;
    let ids: Vec<String> = (0..1_200).map(|number| format!("s{number:04}")).collect();
    let listed: Vec<_> = ids.iter().map(|id| socket(id, json!({"id": 1}))).collect();
    let mut gateway = Gateway::open(&service.grpc, hello("g", "one")).await;
    for (number, batch) in listed.chunks(600).enumerate() {
        let events = batch.iter().cloned().map(opened).collect();
        gateway.report(events, number == 1).await.unwrap();
    }
    let begun = Instant::now();
    let heard = disconnects(&caller, disconnect("true"));
    // It hears of some of them, and then nothing more comes from it.
    gateway.command().await;
    caller.is("g", None).await;
    assert_eq!(last(heard).await, (1_200, 0, 0, 1_200));
    // Not once for each of its commands.
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_caller_that_leaves_stops_what_it_began() {
    let service = Service::start(&[]).await;
    let caller = Caller::of(&service.grpc).await;
    let ids: Vec<String> = (0..100).map(|number| format!("s{number:02}")).collect();
    let listed = ids.iter().map(|id| socket(id, json!({"id": 1}))).collect();
    let mut gateway = Gateway::list(&service.grpc, hello("g", "one"), listed).await;
    let heard = disconnects(&caller, DisconnectSocketsRequest { max_per_second: 10, ..disconnect("true") });
    gateway.command().await;
    heard.abort();
    // Whatever is on its way comes before the ack of what is sent later; after that nothing more does.
    let begun = Instant::now();
    let mut commands = 0;
    while begun.elapsed() < Duration::from_secs(2) {
        gateway.report(Vec::new(), false).await.unwrap();
        commands += gateway.waiting_commands();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(commands <= 2, "{commands} commands came after the caller had left");
}
