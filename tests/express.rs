//! The real thing: a person logs in to an Express app over HTTP, and the service knows who stands behind their cookie.

use serde_json::json;
use socketpass::grpc::convert::{json_object, reason_name};
use tokio::process::Command;

use crate::support::{
    SECRET,
    http::{post, send},
    npm,
    process::Process,
    redis::Redis,
    service::{Service, authorize, with_cookie},
};

/// The example app.
async fn app(redis: &Redis) -> (Process, String) {
    let directory = npm::installed("express-app").await;
    let mut command = Command::new("node");
    command.arg("app.js").current_dir(directory);
    command.envs([("PORT", "0"), ("REDIS_URL", &redis.url()), ("SESSION_SECRET", SECRET)]);
    let process = Process::start(&mut command);
    let line = process.output().line("listening on ").await;
    let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
    (process, url)
}

fn cookie_of(response: &crate::support::http::Response) -> String {
    let set_cookie = response.headers("set-cookie").next().expect("a cookie is set");
    set_cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn who_logs_in_to_the_app_is_known_and_who_logs_out_is_not() {
    let redis = Redis::start().await;
    let (_app, url) = app(&redis).await;
    let service = Service::start(&[("SESSION_STORE", &redis.url())]).await;
    let mut client = service.client().await;

    // A visit leaves a session in which nobody is logged in.
    let visitor = cookie_of(&send(&url, "GET", "/visit", &[], "").await);
    let answer = authorize(&mut client, with_cookie(&visitor)).await;
    assert_eq!((answer.accepted, reason_name(answer.reason()).as_ref()), (false, "PASSPORT_NOT_INITIALIZED"));

    let wrong = post(&url, "/login", &[], "username=ana&password=wrong").await;
    assert_eq!(wrong.status, 401);

    let login =
        post(&url, "/login", &[("Cookie", &visitor)], "username=ana&password=correct+horse+ana").await;
    assert_eq!(login.status, 303, "{}", login.body);
    let cookie = cookie_of(&login);
    let answer = authorize(&mut client, with_cookie(&format!("theme=dark; {cookie}"))).await;
    assert!(answer.accepted, "{answer:?}");
    assert_eq!(
        json_object(answer.user.as_ref().unwrap()),
        json!({"id": "u1", "name": "ana", "role": "admin", "logged_in": true})
    );

    let logout = post(&url, "/logout", &[("Cookie", &cookie)], "").await;
    assert_eq!(logout.status, 303);
    let answer = authorize(&mut client, with_cookie(&cookie)).await;
    assert_eq!((answer.accepted, reason_name(answer.reason()).as_ref()), (false, "SESSION_NOT_FOUND"));
}
