//! People log out of a real OpenID provider, npm's `oidc-provider`, and it tells the service.

use serde_json::{Value, json};
use socketpass::logout::Unavailable;
use tokio::net::TcpListener;

use super::{door::Door, issuer::node};
use crate::{support::http::get, telemetry::scrape};

#[tokio::test]
async fn who_logs_out_of_a_real_provider_is_logged_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let backchannel = format!("http://{}/logout/backchannel", listener.local_addr().unwrap());
    let (_provider, issuer) = node("provider.js", &[("BACKCHANNEL", &backchannel)]).await;
    let door = Door::at(listener, &issuer, &format!("{issuer}/jwks"), &[]);
    let log_out = async |client: &str| -> Value {
        let answer = get(&issuer, &format!("/log-in-and-out?client={client}&account=ana")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    };
    for client in ["RS256", "PS256", "ES256", "EdDSA"] {
        assert_eq!(log_out(client).await, json!([{"client": client, "account": "ana", "done": true}]));
        let claims = door.ender.asked().pop().unwrap();
        assert_eq!(
            (&claims["iss"], &claims["aud"], &claims["sub"]),
            (&json!(issuer), &json!(client), &json!("ana"))
        );
        assert!(claims["sid"].is_string());
    }
    assert_eq!(door.ender.asked().len(), 4);

    *door.ender.answer.lock().unwrap() = Err(Unavailable("a test".to_owned()));
    let heard = log_out("RS256").await;
    assert_eq!(heard[0]["done"], false);
    assert!(heard[0]["error"].as_str().unwrap().contains("got: 503"), "{heard}");

    let counted = scrape(&door.http).await;
    let count = |outcome| {
        counted[&format!("socketpass_logout_tokens_total{{kind=\"backchannel\",outcome=\"{outcome}\"}}")]
    };
    assert_eq!((count("ended"), count("unavailable"), count("refused")), (4.0, 1.0, 0.0));
    let lines = door.stop().await;
    assert_eq!(lines.len(), 4, "one line a token taken: {lines:?}");
    for line in lines {
        let line = line.as_object().unwrap();
        assert_eq!(
            line.keys().collect::<Vec<_>>(),
            ["event", "kind", "outcome", "remote_address", "sockets", "time"]
        );
        assert_eq!((&line["event"], &line["kind"]), (&json!("logout_token"), &json!("backchannel")));
        assert_eq!((&line["outcome"], &line["sockets"]), (&json!("ended"), &json!(3)));
    }
}
