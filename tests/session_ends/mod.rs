//! Sockets end with their sessions: what a change in the store becomes at the gateway.

use std::time::{Duration, Instant};

use redis::AsyncCommands as _;
use serde_json::{Value, json};
use socketpass::grpc::pb::{Close, Socket, command};
use tokio::time::timeout;

use crate::support::{
    gateway::{Gateway, hello, socket},
    redis::Redis,
    service::Service,
};

mod caps;
mod cluster;
mod commands;
mod end_sessions;
mod ends;
mod faults;
mod outside;
mod registry_away;
mod rights;

mod told_once;
mod users;

/// Longer than the store's push takes on a machine that has much to do, and shorter than any regular question.
pub const SOON: Duration = Duration::from_secs(2);

/// A service on this Redis that asks again so seldom that nothing is found by that, and a gateway.
pub async fn start(redis: &Redis, settings: &[(&str, &str)]) -> Service {
    let url = redis.url();
    let settings: Vec<(&str, &str)> = [("SESSION_STORE", url.as_str()), ("REVALIDATE_INTERVAL", "1h")]
        .into_iter()
        .chain(settings.iter().copied())
        .collect();
    Service::start(&settings).await
}

/// A session of this user.
pub fn session_of(user: &Value) -> Vec<u8> {
    json!({"cookie": {"originalMaxAge": null}, "passport": {"user": user}}).to_string().into_bytes()
}

/// A socket as a gateway reports it that was told so by Authorize.
pub fn socket_of(socket_id: &str, session_id: &str, user: &Value) -> Socket {
    let mut user = user.clone();
    user["logged_in"] = json!(true);
    Socket { session_id: session_id.to_owned(), ..socket(socket_id, user) }
}

/// A gateway whose sockets, of one session and user, are listed.
pub async fn gateway(service: &Service, id: &str, sockets: Vec<Socket>) -> Gateway {
    Gateway::list(&service.grpc, hello(id, "one"), sockets).await
}

/// What a gateway is told to disconnect, and how.
pub fn disconnect(command: &socketpass::grpc::pb::Command) -> (Vec<String>, Close) {
    let Some(command::Command::Disconnect(disconnect)) = &command.command else { panic!("{command:?}") };
    (disconnect.socket_ids.clone(), disconnect.close.clone().unwrap())
}

/// The gateway is told soon that these end, and does it.
pub async fn ends(gateway: &mut Gateway, socket_ids: &[&str], code: u32, reason: &str) -> Duration {
    let begun = Instant::now();
    let command = timeout(SOON, gateway.command()).await.expect("told soon");
    let (told, close) = disconnect(&command);
    assert_eq!(told, socket_ids);
    assert_eq!((close.code, close.reason.as_str()), (code, reason));
    gateway.done(&command, socket_ids).await;
    begun.elapsed()
}

/// The gateway is told, whenever that is, that a socket's session is not there any more, and ends it.
pub async fn is_told_that_it_ended(gateway: &mut Gateway, socket_id: &str) {
    let command = gateway.command().await;
    let (told, close) = disconnect(&command);
    assert_eq!(
        (told, close.code, close.reason.as_str()),
        (vec![socket_id.to_owned()], 4500, "session_not_found")
    );
    gateway.done(&command, &[socket_id]).await;
}

/// For a while the gateway is told nothing.
pub async fn is_told_nothing(gateway: &mut Gateway, time: Duration) {
    if let Ok(command) = timeout(time, gateway.command()).await {
        panic!("told {command:?}");
    }
}

/// Waits until all sessions were asked for the first time: what is told after that is news.
pub async fn are_asked(service: &Service, count: u64) {
    crate::support::until("sessions were asked", || async {
        let metrics = crate::support::http::get(&service.http, "/metrics").await;
        let name = "socketpass_session_questions_total{";
        let asked: f64 = metrics
            .body
            .lines()
            .filter(|line| line.starts_with(name))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum();
        asked >= count as f64
    })
    .await;
}

/// Removes a session.
pub async fn delete(redis: &Redis, session_id: &str) {
    let _: () = redis.connection().await.del(format!("sess:{session_id}")).await.unwrap();
}
