//! The issuer's keys: exchanged, asked for too often, and away.

use std::time::Instant;

use serde_json::json;
use tokio::net::TcpListener;

use super::{
    door::Door,
    issuer::{Issuer, header},
    logout,
};
use crate::support::{
    http::get,
    tls::{Authority, acceptor},
    users::{Gate, HttpServer, Reply},
};

#[tokio::test]
async fn a_new_key_is_fetched_when_a_token_names_it() {
    let issuer = Issuer::start().await;
    let door = Door::of(&issuer).await;
    let old = issuer.logout("1").await;
    assert_eq!(door.logout(&old).await.status, 200);
    issuer.publish(json!({"names": ["next"]})).await;
    let claims = |jti| logout(&issuer.url, jti).to_string();
    let new = issuer.sign("next", &header("RS256", "next", "logout+jwt"), &claims("2")).await;
    assert_eq!(door.logout(&new).await.status, 200);
    let withdrawn = issuer.logout("3").await;
    let answer = door.logout(&withdrawn).await;
    assert_eq!(answer.status, 400, "the key that was withdrawn signs nothing any more");
}

#[tokio::test]
async fn a_token_without_a_key_id_is_verified_where_there_is_one_key() {
    let issuer = Issuer::start().await;
    issuer.publish(json!({"names": ["rs256", "es256"], "without": ["kid", "alg", "use"]})).await;
    let door = Door::of(&issuer).await;
    let header = json!({"alg": "RS256", "typ": "logout+jwt"});
    let token = issuer.sign("rs256", &header, &logout(&issuer.url, "1").to_string()).await;
    assert_eq!(door.logout(&token).await.status, 200);
    issuer.publish(json!({"names": ["rs256", "next"], "without": ["kid"]})).await;
    let unknown = issuer.sign("es256", &json!({"alg": "ES256"}), &logout(&issuer.url, "2").to_string()).await;
    assert_eq!(door.logout(&unknown).await.status, 200, "still known");
    let named = issuer
        .sign("next", &self::header("RS256", "next", "JWT"), &logout(&issuer.url, "3").to_string())
        .await;
    assert_eq!(door.logout(&named).await.status, 400, "no key has this id");
    let token = issuer.sign("rs256", &header, &logout(&issuer.url, "4").to_string()).await;
    assert_eq!(door.logout(&token).await.status, 400, "there are two now");
}

#[tokio::test]
async fn whatever_tokens_name_the_issuer_is_left_in_peace() {
    let issuer = Issuer::start().await;
    let door = Door::of(&issuer).await;
    let right = issuer.logout("right").await;
    assert_eq!(door.logout(&right).await.status, 200);
    let mut tokens = vec![];
    for number in 0..20 {
        let header = header("RS256", &format!("guess{number}"), "logout+jwt");
        tokens.push(issuer.sign("rs256", &header, &logout(&issuer.url, "guess").to_string()).await);
    }
    let begun = Instant::now();
    let before = issuer.fetches().await;
    let answers = tokens.iter().map(|token| door.logout(token));
    for answer in futures_util::future::join_all(answers).await {
        assert!(matches!(answer.status, 400 | 429), "{}", answer.status);
    }
    let fetches = issuer.fetches().await - before;
    let most = begun.elapsed().as_secs() / 2 + 2;
    assert!((1..=most).contains(&fetches), "{fetches} fetches in {:?}", begun.elapsed());

    // Those that wait for keys leave places to those whose keys are known.
    let (mut put_off, mut refused) = (0, 0);
    let many = async {
        let answers = tokens.iter().cycle().take(100).map(|token| door.logout(token));
        for answer in futures_util::future::join_all(answers).await {
            match answer.status {
                503 => put_off += 1,
                status => refused += usize::from(matches!(status, 400 | 429)),
            }
        }
    };
    let known = issuer.logout("known").await;
    let (_, known) = tokio::join!(many, door.logout(&known));
    assert_eq!(known.status, 200);
    assert!(put_off >= 60 && put_off + refused == 100, "{put_off} {refused}");
}

#[tokio::test]
async fn keys_that_are_known_stay_while_the_issuer_does_not_answer() {
    let issuer = Issuer::start().await;
    issuer.publish(json!({"status": 503})).await;
    let door = Door::of(&issuer).await;
    let token = issuer.logout("1").await;
    let answer = door.logout(&token).await;
    assert_eq!(answer.status, 503, "nobody knows yet whether it is right");
    assert_eq!(answer.headers("retry-after").collect::<Vec<_>>(), ["5"]);

    issuer.publish(json!({"names": ["rs256"]})).await;
    assert_eq!(door.logout(&token).await.status, 200, "it comes again, and the issuer is there");

    let fetches = issuer.fetches().await;
    for broken in [
        json!({"status": 500}),
        json!({"body": "<html>"}),
        json!({"body": format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(300_000))}),
    ] {
        issuer.publish(broken.clone()).await;
        let header = header("RS256", "next", "logout+jwt");
        let unknown = issuer.sign("next", &header, &logout(&issuer.url, "unknown").to_string()).await;
        assert_eq!(door.logout(&unknown).await.status, 503, "{broken}: it may be a new key");
    }
    assert!(issuer.fetches().await > fetches);
    let known = issuer.logout("2").await;
    assert_eq!(door.logout(&known).await.status, 200, "what is known is known");
}

#[tokio::test]
async fn keys_come_over_tls_that_is_checked() {
    let issuer = Issuer::start().await;
    let authority = Authority::new();
    let keys = get(&issuer.url, "/jwks").await.body;
    let answer = move |_: &str, _: &str| Reply::status(200, "content-type: application/json\r\n", &keys);
    let (certificate, key) = authority.issue(&["127.0.0.1"]);
    let server = HttpServer::start_with(Some(acceptor(&certificate, &key)), Gate::open(), answer).await;
    let url = format!("https://127.0.0.1:{}/jwks", server.port);
    let token = issuer.logout("1").await;
    for (trusted, status) in [(&authority, 200), (&Authority::new(), 503)] {
        let file = trusted.file().display().to_string();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let door = Door::at(listener, &issuer.url, &url, &[("LOGOUT_CA_FILE", &file)]);
        assert_eq!(door.logout(&token).await.status, status);
    }
}
