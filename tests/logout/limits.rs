//! How much is taken of tokens, and for how long.

use std::sync::Arc;

use socketpass::http::Phase;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{door::Door, issuer::Issuer};
use crate::{
    support::{
        PATIENCE,
        http::{get, post, send},
        service::Service,
        until,
    },
    telemetry::scrape,
};

async fn connect(door: &Door) -> TcpStream {
    TcpStream::connect(door.http.trim_start_matches("http://")).await.unwrap()
}

/// What a door says that closes the connection afterwards.
async fn said(stream: &mut TcpStream) -> String {
    let mut said = vec![];
    timeout(PATIENCE, stream.read_to_end(&mut said)).await.unwrap().unwrap();
    String::from_utf8(said).unwrap()
}

#[tokio::test]
async fn without_settings_there_is_nothing() {
    let service = Service::start(&[]).await;
    for path in ["/logout/backchannel", "/logout/caep"] {
        let answer = post(&service.http, path, &[], "logout_token=x").await;
        assert_eq!(answer.status, 404);
        assert_eq!(get(&service.http, path).await.status, 404);
    }
}

#[tokio::test]
async fn with_settings_the_service_takes_tokens() {
    let service = Service::start(&[
        ("LOGOUT_ISSUER", "https://id.example"),
        ("LOGOUT_AUDIENCE", "app"),
        ("LOGOUT_JWKS_URL", "http://127.0.0.1:1/jwks"),
        ("LOGOUT_MATCH", "user.sub == claims.sub"),
    ])
    .await;
    assert_eq!(post(&service.http, "/logout/backchannel", &[], "logout_token=x").await.status, 400);
    let token = [("Content-Type", "application/secevent+jwt")];
    assert_eq!(send(&service.http, "POST", "/logout/caep", &token, "x").await.status, 400);
    service.stop().await;
}

#[tokio::test]
async fn a_request_that_is_too_large_is_turned_away() {
    let issuer = Issuer::start().await;
    let door = Door::of(&issuer).await;
    let answer = door.logout(&"x".repeat(40_000)).await;
    assert_eq!(answer.status, 413);
    assert!(answer.body.contains("32 KiB"), "{}", answer.body);
    assert_eq!(door.revoked(&"x".repeat(40_000)).await.status, 413);
    // One that says nothing of its length.
    let mut stream = connect(&door).await;
    let head = "POST /logout/caep HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/secevent+jwt\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    stream.write_all(chunk.repeat(9).as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    // And headers.
    let mut stream = connect(&door).await;
    let head = format!("POST /logout/caep HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    stream.write_all(head.as_bytes()).await.unwrap();
    assert!(said(&mut stream).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn a_request_that_does_not_arrive_is_given_up() {
    let issuer = Issuer::start().await;
    let door = Door::with(&issuer, &[("LIMITS_CALL_TIMEOUT", "200ms")]).await;
    let mut stream = connect(&door).await;
    let head = "POST /logout/caep HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/secevent+jwt\r\n\
                Content-Length: 100\r\n\r\nx";
    stream.write_all(head.as_bytes()).await.unwrap();
    let said = said(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 400") && said.contains("did not arrive whole"), "{said}");
}

#[tokio::test]
async fn sessions_that_are_not_ended_in_time_are_ended_later() {
    let issuer = Issuer::start().await;
    let door = Door::with(&issuer, &[("LIMITS_CALL_TIMEOUT", "1s")]).await;
    door.ender.answers.send_replace(false);
    let token = issuer.logout("1").await;
    assert_eq!(door.logout(&token).await.status, 503);
    door.ender.answers.send_replace(true);
    assert_eq!(door.logout(&token).await.status, 200);
}

#[tokio::test]
async fn a_sender_that_leaves_does_not_undo_a_logout_and_one_that_comes_twice_waits() {
    let issuer = Issuer::start().await;
    let door = Door::of(&issuer).await;
    door.ender.answers.send_replace(false);
    let token = issuer.logout("1").await;
    let mut stream = connect(&door).await;
    let form = format!("logout_token={token}");
    let request = format!(
        "POST /logout/backchannel HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    door.ender.is_asked(1).await;
    assert_eq!(door.logout(&token).await.status, 503, "it is being taken");
    drop(stream);
    door.ender.answers.send_replace(true);
    until("the token was taken", async || {
        scrape(&door.http).await["socketpass_logout_tokens_total{kind=\"backchannel\",outcome=\"ended\"}"]
            == 1.0
    })
    .await;
    assert_eq!(door.logout(&token).await.status, 400, "it was");
    assert_eq!(door.ender.asked().len(), 1);
}

#[tokio::test]
async fn there_are_so_many_places() {
    let issuer = Issuer::start().await;
    // Of one address alone half of them.
    let door = Door::with(&issuer, &[("LIMITS_MAX_CALLS", "4")]).await;
    door.ender.answers.send_replace(false);
    let tokens = [issuer.logout("1").await, issuer.logout("2").await, issuer.logout("3").await];
    let (first, second) = (door.logout(&tokens[0]), door.logout(&tokens[1]));
    let third = async {
        door.ender.is_asked(2).await;
        let third = door.logout(&tokens[2]).await;
        door.ender.answers.send_replace(true);
        third
    };
    let (first, second, third) = tokio::join!(first, second, third);
    assert_eq!((first.status, second.status, third.status), (200, 200, 503));
    assert_eq!(third.headers("retry-after").collect::<Vec<_>>(), ["5"]);
    assert_eq!(door.logout(&tokens[2]).await.status, 200);
}

#[tokio::test]
async fn who_guesses_is_told_to_wait_and_counted_apart() {
    let issuer = Issuer::start().await;
    let door = Door::of(&issuer).await;
    for number in 0..15 {
        let answer = door.logout("a.b.c").await;
        assert_eq!(answer.status, if number < 10 { 400 } else { 429 });
        assert_eq!(answer.headers("retry-after").count(), usize::from(number >= 10));
    }
    let counted = scrape(&door.http).await;
    let count = |outcome| {
        counted[&format!("socketpass_logout_tokens_total{{kind=\"backchannel\",outcome=\"{outcome}\"}}")]
    };
    assert_eq!((count("refused"), count("limited")), (10.0, 5.0));
    let right = issuer.logout("1").await;
    assert_eq!(door.logout(&right).await.status, 200, "nobody locks out whoever is behind the same address");
}

#[tokio::test]
async fn while_it_drains_none_is_taken() {
    let issuer = Issuer::start().await;
    let door = Door::of(&issuer).await;
    door.phase.send_replace(Phase::Draining);
    let token = issuer.logout("1").await;
    let answer = door.logout(&token).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.headers("retry-after").collect::<Vec<_>>(), ["5"]);
    assert!(door.ender.asked().is_empty());
}

#[tokio::test]
async fn a_service_that_stops_ends_sessions_that_it_began_to_end() {
    let issuer = Issuer::start().await;
    let door = Door::of(&issuer).await;
    door.ender.answers.send_replace(false);
    let token = issuer.logout("1").await;
    let (ender, http) = (Arc::clone(&door.ender), door.http.clone());
    let address = http.trim_start_matches("http://").to_owned();
    let form = format!("logout_token={token}");
    let sent = tokio::spawn(async move { post(&http, "/logout/backchannel", &[], &form).await.status });
    ender.is_asked(1).await;
    let stopping = tokio::spawn(door.stop());
    until("it takes no connections any more", async || TcpStream::connect(&address).await.is_err()).await;
    ender.answers.send_replace(true);
    assert_eq!(sent.await.unwrap(), 200);
    assert_eq!(stopping.await.unwrap().len(), 1);
}
