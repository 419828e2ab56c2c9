//! A real service, which takes no token for good while it does not know all open sockets.

use std::time::Duration;

use serde_json::json;

use super::issuer::Issuer;
use crate::{
    session_ends::{ends, session_of, socket_of},
    support::{
        gateway::{Gateway, hello},
        http::{Response, post},
        redis::Redis,
        service::Service,
        until,
    },
    telemetry::scrape,
};

async fn logout(service: &Service, token: &str) -> Response {
    post(&service.http, "/logout/backchannel", &[], &format!("logout_token={token}")).await
}

fn is_put_off(answer: &Response) {
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert_eq!(answer.headers("retry-after").collect::<Vec<_>>(), ["5"]);
}

/// A service that takes this issuer's tokens.
async fn start(issuer: &Issuer, sessions: &Redis, settings: &[(&str, &str)]) -> Service {
    let (url, jwks) = (sessions.url(), issuer.jwks_url());
    let needed = [
        ("SESSION_STORE", &*url),
        ("REVALIDATE_INTERVAL", "1h"),
        ("REGISTRY_LEASE", "3s"),
        ("LOGOUT_ISSUER", &issuer.url),
        ("LOGOUT_AUDIENCE", "app"),
        ("LOGOUT_JWKS_URL", &jwks),
        ("LOGOUT_MATCH", "user.sub == claims.sub"),
    ];
    Service::start(&[&needed, settings].concat()).await
}

#[tokio::test]
async fn a_token_ends_what_is_known_and_may_come_again_until_everything_is() {
    let issuer = Issuer::start().await;
    let (redis, ana) = (Redis::start().await, json!({"id": 1, "sub": "ana"}));
    for id in ["one", "two"] {
        redis.put(id, &session_of(&ana)).await;
    }
    let service = start(&issuer, &redis, &[]).await;
    let token = issuer.logout("1").await;
    let mut chat =
        Gateway::list(&service.grpc, hello("chat", "one"), vec![socket_of("a", "one", &ana)]).await;
    // A registry that has just begun: gateways may not have listed yet.
    is_put_off(&logout(&service, &token).await);
    ends(&mut chat, &["a"], 4500, "session_not_found").await;
    let alive = chat.live(Duration::from_secs(1));
    until("it has warmed up", || async { logout(&service, &token).await.status == 200 }).await;
    let again = logout(&service, &token).await;
    assert_eq!(again.status, 400, "it was taken: {}", again.body);

    // One that lists just now, and has not come to the socket that the token is about.
    let token = issuer.logout("2").await;
    let mut feed = Gateway::open(&service.grpc, hello("feed", "one")).await;
    is_put_off(&logout(&service, &token).await);
    feed.report(vec![crate::support::gateway::opened(socket_of("b", "two", &ana))], true).await.unwrap();
    assert_eq!(logout(&service, &token).await.status, 200);
    ends(&mut feed, &["b"], 4500, "session_not_found").await;
    alive.abort();
    service.stop().await;
}

#[tokio::test]
async fn while_the_registrys_redis_is_away_a_token_may_come_again() {
    let issuer = Issuer::start().await;
    let (redis, mut ledger) = (Redis::start().await, Redis::start().await);
    let url = ledger.url();
    let service = start(&issuer, &redis, &[("REGISTRY_STORE", &url)]).await;
    let token = issuer.logout("1").await;
    until("it has warmed up", || async { logout(&service, &token).await.status == 200 }).await;
    ledger.kill().await;
    let token = issuer.logout("2").await;
    until("it is known to be away", || async {
        scrape(&service.http).await["socketpass_registry_store_up"] == 0.0
    })
    .await;
    is_put_off(&logout(&service, &token).await);
    ledger.restart().await;
    until("it is read again", || async { logout(&service, &token).await.status == 200 }).await;
    service.stop().await;
}
