//! What tests stand on: real servers that end with the test that started them.

pub mod callers;
pub mod gateway;
pub mod http;
pub mod mariadb;
pub mod memcached;
pub mod mongodb;
pub mod npm;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod redis;
pub mod redis_cluster;
pub mod registry;
pub mod sentinel;
pub mod service;
pub mod shared_server;
pub mod store;
pub mod tls;
pub mod users;

use std::{
    future::Future,
    time::{Duration, Instant},
};

/// Far longer than anything here takes: a test that reaches it hangs.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again until the answer is yes.
pub async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Ana's session, as express-session and Passport write it.
pub const ANA: &str = r#"{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"},"passport":{"user":{"id":1,"name":"Ana"}}}"#;
pub const ANA_ID: &str = "Zk3q9vWmT1n8yLxR4sPb7uCdEfGhJkMa";
pub const SECRET: &str = "keyboard cat";

/// The Cookie header for a session id, signed as express-session does.
pub fn cookie(id: &str) -> String {
    format!("connect.sid=s%3A{}", signed(SECRET, id).replace('+', "%2B").replace('/', "%2F"))
}

/// `id.signature`
pub fn signed(secret: &str, id: &str) -> String {
    keys(secret).sign(id).unwrap()
}

pub fn keys(secret: &str) -> socketpass::authorize::signature::Keys {
    socketpass::authorize::signature::Keys::new(&[secret.into()]).unwrap()
}
