//! Logout tokens that are not what they should be.

use serde_json::{Value, json};

use super::{
    SESSION_REVOKED,
    door::Door,
    issuer::{Issuer, header},
    logout, now, with,
};
use crate::support::http::{post, send};

#[tokio::test]
async fn no_token_is_taken_that_is_not_what_it_should_be() {
    let issuer = Issuer::start().await;
    let door = Door::of(&issuer).await;
    let same = || json!({});
    for (key, header_has, claims_have) in [
        ("none", json!({"alg": "none", "kid": null}), same()),
        ("public", json!({"alg": "HS256"}), same()),
        ("stranger", same(), same()),
        ("next", json!({"kid": "next"}), same()),
        ("rs256", json!({"kid": "ps256"}), same()),
        ("rs256", json!({"kid": null}), json!({"nonce": "n"})),
        ("ps256", json!({"alg": "PS256"}), same()),
        (
            "stranger",
            json!({"jwk": {"kty": "RSA", "e": "AQAB", "n": "AQAB"}, "jku": "https://evil.example"}),
            same(),
        ),
        ("rs256", json!({"crit": ["exp"], "exp": 1}), same()),
        ("rs256", json!({"typ": "at+jwt"}), same()),
        ("rs256", json!({"typ": "secevent+jwt"}), same()),
        ("rs256", same(), json!({"iss": "https://other.example"})),
        ("rs256", same(), json!({"iss": null})),
        ("rs256", same(), json!({"aud": "others"})),
        ("rs256", same(), json!({"aud": ["app", "others"]})),
        ("rs256", same(), json!({"aud": null})),
        ("rs256", same(), json!({"iat": now() + 600})),
        ("rs256", same(), json!({"iat": now() - 4000})),
        ("rs256", same(), json!({"iat": null})),
        ("rs256", same(), json!({"exp": now() - 100})),
        ("rs256", same(), json!({"exp": null})),
        ("rs256", same(), json!({"jti": null})),
        ("rs256", same(), json!({"nonce": "n"})),
        ("rs256", same(), json!({"events": null})),
        ("rs256", same(), json!({"events": {SESSION_REVOKED: {}}})),
        ("rs256", same(), json!({"sub": null, "sid": null})),
    ] {
        let header = with(header("RS256", "rs256", "logout+jwt"), &header_has);
        let claims = with(logout(&issuer.url, "x"), &claims_have);
        let token = issuer.sign(key, &header, &claims.to_string()).await;
        let answer = door.logout(&token).await;
        let case = format!("{key} {header_has} {claims_have}: {}", answer.body);
        assert!(matches!(answer.status, 400 | 429), "{} {case}", answer.status);
        assert_eq!(answer.headers("cache-control").collect::<Vec<_>>(), ["no-store"], "{case}");
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body["error"], "invalid_request", "{case}");
        assert!(body["error_description"].as_str().is_some_and(|words| !words.is_empty()), "{case}");
    }
    for payload in ["", "[]", "{", &format!(r#"{{"a":{}{}}}"#, "[".repeat(2000), "]".repeat(2000))] {
        let token = issuer.sign("rs256", &header("RS256", "rs256", "logout+jwt"), payload).await;
        assert!(matches!(door.logout(&token).await.status, 400 | 429), "{payload}");
    }
    assert!(door.ender.asked().is_empty());

    // Nothing of this keeps a right one out, and it is taken once.
    let token = issuer.logout("right").await;
    let taken = door.logout(&token).await;
    assert_eq!((taken.status, taken.body.as_str()), (200, ""));
    assert_eq!(taken.headers("cache-control").collect::<Vec<_>>(), ["no-store"]);
    let again = door.logout(&token).await;
    assert_eq!(again.status, 429);
    assert!(again.body.contains("taken before"), "{}", again.body);
    assert_eq!(door.ender.asked().len(), 1);
    // Another token with the same id is the same for whoever reads it.
    let claims = with(logout(&issuer.url, "right"), &json!({"sub": "bob"})).to_string();
    let other = issuer.sign("ps256", &header("PS256", "ps256", "JWT"), &claims).await;
    assert!(door.logout(&other).await.body.contains("taken before"));
    assert_eq!(door.ender.asked().len(), 1);
}

#[tokio::test]
async fn a_form_has_one_token() {
    let issuer = Issuer::start().await;
    let door = Door::of(&issuer).await;
    let token = issuer.logout("1").await;
    for form in [String::new(), "token=x".to_owned(), format!("logout_token={token}&logout_token={token}")] {
        assert_eq!(post(&door.http, "/logout/backchannel", &[], &form).await.status, 400, "{form}");
    }
    let json = [("Content-Type", "application/json")];
    let form = format!("logout_token={token}");
    assert_eq!(send(&door.http, "POST", "/logout/backchannel", &json, &form).await.status, 400);
    assert_eq!(send(&door.http, "POST", "/logout/backchannel", &[], &form).await.status, 400);
    let query = format!("/logout/backchannel?{form}");
    assert_eq!(post(&door.http, &query, &[], "").await.status, 400, "what is in a URL is in logs");
    assert_eq!(send(&door.http, "GET", &query, &[], "").await.status, 405);
    let kind = [("Content-Type", "Application/X-WWW-Form-Urlencoded; charset=utf-8")];
    let form = format!("state=x&{form}&more=y");
    assert_eq!(send(&door.http, "POST", "/logout/backchannel", &kind, &form).await.status, 200);
}
