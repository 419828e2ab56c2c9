//! Security Event Tokens, pushed as RFC 8935 says.

use serde_json::json;
use socketpass::logout::Unavailable;

use super::{
    door::Door,
    issuer::{Issuer, header},
    revoked, with,
};
use crate::telemetry::scrape;

#[tokio::test]
async fn a_revoked_session_is_ended_and_acknowledged_once_it_is() {
    let issuer = Issuer::start().await;
    let door = Door::of(&issuer).await;
    let token = issuer.revoked("1").await;

    *door.ender.answer.lock().unwrap() = Err(Unavailable("a test".to_owned()));
    let later = door.revoked(&token).await;
    assert_eq!(later.status, 503);
    assert_eq!(later.headers("retry-after").collect::<Vec<_>>(), ["5"]);

    *door.ender.answer.lock().unwrap() = Ok(2);
    let taken = door.revoked(&token).await;
    assert_eq!((taken.status, taken.body.as_str()), (202, ""), "it came again, as it was told to");
    assert_eq!(door.ender.asked().len(), 2);
    assert_eq!(door.ender.asked()[1]["sub_id"]["email"], "ana@example.com");

    let again = door.revoked(&token).await;
    assert_eq!((again.status, again.body.as_str()), (202, ""), "its sender had not heard that it was taken");
    assert_eq!(door.ender.asked().len(), 2, "and it was taken once");

    let other = json!({"jti": "2", "events": {"https://schemas.openid.net/secevent/ssf/event-type/verification": {}}});
    let other = with(revoked(&issuer.url, ""), &other).to_string();
    let other = issuer.sign("eddsa", &header("EdDSA", "eddsa", "secevent+jwt"), &other).await;
    assert_eq!(door.revoked(&other).await.status, 202, "an event of another kind is none of our business");
    assert_eq!(door.ender.asked().len(), 2);

    *door.ender.answer.lock().unwrap() = Ok(0);
    let of_nobody = issuer.revoked("3").await;
    assert_eq!(door.revoked(&of_nobody).await.status, 202, "its sender knows of no open sockets");

    let counted = scrape(&door.http).await;
    for outcome in ["ended", "nobody", "repeated", "ignored", "unavailable"] {
        let series = format!("socketpass_logout_tokens_total{{kind=\"caep\",outcome=\"{outcome}\"}}");
        assert_eq!(counted[&series], 1.0, "{series}");
    }
    let lines = door.stop().await;
    let outcomes: Vec<_> = lines.iter().map(|line| (&line["outcome"], &line["sockets"])).collect();
    assert_eq!(json!(outcomes), json!([["ended", 2], ["repeated", 0], ["ignored", 0], ["nobody", 0]]));
}

#[tokio::test]
async fn what_is_no_such_event_is_refused_with_the_codes_of_the_standard() {
    let issuer = Issuer::start().await;
    let door = Door::of(&issuer).await;
    let right = header("ES256", "es256", "secevent+jwt");
    let mut count = 0;
    for (header, claims, code) in [
        (json!({"typ": "JWT"}), json!({}), "invalid_request"),
        (json!({"typ": "logout+jwt"}), json!({}), "invalid_request"),
        (json!({"typ": null}), json!({}), "invalid_request"),
        (json!({"kid": "nobody"}), json!({}), "invalid_key"),
        (json!({"kid": "rs256"}), json!({}), "invalid_key"),
        (json!({}), json!({"iss": "https://other.example"}), "invalid_issuer"),
        (json!({}), json!({"aud": "others"}), "invalid_audience"),
        (json!({}), json!({"jti": null}), "invalid_request"),
        (json!({}), json!({"iat": super::now() - 4000}), "invalid_request"),
        (json!({}), json!({"exp": super::now() - 100}), "invalid_request"),
        (json!({}), json!({"events": {}}), "invalid_request"),
        (json!({}), json!({"sub_id": null}), "invalid_request"),
    ] {
        let claims = with(revoked(&issuer.url, &count.to_string()), &claims).to_string();
        let token = issuer.sign("es256", &with(right.clone(), &header), &claims).await;
        let answer = door.revoked(&token).await;
        count += 1;
        assert_eq!(answer.status, if count <= 10 { 400 } else { 429 }, "{header} {claims}");
        assert_eq!(answer.headers("content-type").collect::<Vec<_>>(), ["application/json"]);
        assert_eq!(answer.headers("content-language").collect::<Vec<_>>(), ["en"]);
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body["err"], code, "{header} {claims}");
        assert!(body["description"].as_str().is_some_and(|words| !words.is_empty()));
    }
    assert!(door.ender.asked().is_empty());
    let good = issuer.revoked("good").await;
    assert_eq!(door.revoked(&good).await.status, 202, "wrong ones keep out no right one");
    assert!(door.stop().await.len() == 1);
}
