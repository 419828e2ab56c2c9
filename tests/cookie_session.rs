//! Sessions in the cookie itself: an Express app on the real cookie-session and Passport, and hints for whoever has not
//! set it up right.

use serde_json::{Value, json};
use socketpass::grpc::{
    convert::{json_object, reason_name},
    pb::AuthorizeResponse,
};
use tokio::process::Command;

use crate::support::{
    http::{Response, post},
    npm,
    process::Process,
    service::{Service, ServiceProcess, authorize, explain, with_cookie, with_headers},
};

const KEYS: &str = r#"["new key","old key"]"#;

struct App {
    _process: Process,
    url: String,
}

impl App {
    async fn start(variables: &[(&str, &str)]) -> Self {
        let directory = npm::installed_in("tests/cookie_session/app", &[]).await;
        let mut command = Command::new("node");
        command.arg("app.js").current_dir(directory).env("KEYS", KEYS).envs(variables.iter().copied());
        let process = Process::start(&mut command);
        let line = process.output().line("listening on ").await;
        let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self { _process: process, url }
    }

    /// The Cookie header after asking for that path.
    async fn cookies_after(&self, path: &str, cookies: &str) -> String {
        let response = post(&self.url, path, &[("Cookie", cookies)], "").await;
        assert_eq!(response.status, 204, "{path}: {}", response.body);
        cookies_of(&response)
    }
}

fn cookies_of(response: &Response) -> String {
    let cookies = response.headers("set-cookie").map(|cookie| cookie.split(';').next().unwrap());
    cookies.collect::<Vec<_>>().join("; ")
}

fn reason(answer: &AuthorizeResponse) -> String {
    reason_name(answer.reason()).into_owned()
}

fn ana() -> Value {
    json!({"id": "u1", "name": "Zoë ✓", "role": "admin", "logged_in": true})
}

#[tokio::test]
async fn who_logs_in_is_known_and_who_logs_out_is_not() {
    let app = App::start(&[]).await;
    let settings =
        [("SESSION_STORE", "cookie-session:"), ("SESSION_COOKIE", "session"), ("SESSION_SECRETS", KEYS)];
    let service = Service::start(&settings).await;
    let mut client = service.client().await;

    let visitor = app.cookies_after("/visit", "").await;
    assert_eq!(reason(&authorize(&mut client, with_cookie(&visitor)).await), "PASSPORT_NOT_INITIALIZED");

    let cookies = app.cookies_after("/login", &visitor).await;
    let answer = authorize(&mut client, with_cookie(&format!("theme=dark; {cookies}"))).await;
    assert!(answer.accepted, "{answer:?}");
    // There is nothing to look up, and so no id that a socket could be asked again by.
    assert_eq!(answer.session_id, "");
    assert_eq!(json_object(answer.user.as_ref().unwrap()), ana());

    let after = app.cookies_after("/logout", &cookies).await;
    assert_eq!(reason(&authorize(&mut client, with_cookie(&after)).await), "NOT_LOGGED_IN");
    let ended = app.cookies_after("/end", &cookies).await;
    assert_eq!(reason(&authorize(&mut client, with_cookie(&ended)).await), "NO_SESSION_ID");
    // Nobody can take back a cookie that somebody has kept.
    assert!(authorize(&mut client, with_cookie(&cookies)).await.accepted);

    let tampered = cookies.replacen("session=ey", "session=fy", 1);
    assert_eq!(reason(&authorize(&mut client, with_cookie(&tampered)).await), "BAD_SIGNATURE");
}

#[tokio::test]
async fn keys_rotate_and_algorithms_and_names_are_the_apps_choice() {
    let app = App::start(&[("ALGORITHM", "sha512"), ("NAME", "app.sess"), ("KEYS", r#"["old key"]"#)]).await;
    let cookies = app.cookies_after("/login", "").await;
    let settings = [
        ("SESSION_STORE", "cookie-session:"),
        ("SESSION_COOKIE", "app.sess"),
        ("SESSION_SECRETS", KEYS),
        ("SESSION_KEYGRIP_ALGORITHM", "sha512"),
    ];
    let service = Service::start(&settings).await;
    let answer = authorize(&mut service.client().await, with_cookie(&cookies)).await;
    assert_eq!(json_object(answer.user.as_ref().unwrap()), ana());

    // Another algorithm has signatures of another length, which tells what is wrong.
    let service = Service::start(&settings[..3]).await;
    let answer = explain(&mut service.client().await, with_cookie(&cookies)).await;
    let step = answer.steps.iter().find(|step| step.name == "signature").unwrap();
    assert_eq!(step.found, "cookie `app.sess.sig` matches none of the 2 keys");
    assert!(step.hint.contains("session.keygrip_algorithm"), "{step:?}");
}

#[tokio::test]
async fn explain_says_what_is_wrong_with_the_cookie() {
    let settings =
        [("SESSION_STORE", "cookie-session:"), ("SESSION_COOKIE", "session"), ("SESSION_SECRETS", KEYS)];
    let service = Service::start(&settings).await;
    let mut client = service.client().await;
    for (cookies, step, found, hint) in [
        ("a=b", "session_id", "cookie `session` is absent; the header has `a`", "session.cookie"),
        ("session=", "session_id", "cookie `session` is empty", "ended the session"),
        ("session=e30=", "signature", "cookie `session.sig` is absent", "signed: false"),
        ("session=s%3Aid.signature", "signature", "cookie `session.sig` is absent", "session.store"),
        (
            "session=e30=; session.sig=AAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "signature",
            "cookie `session.sig` matches none of the 2 keys",
            "session.secrets",
        ),
        (
            "session=e30=; session.sig=A",
            "signature",
            "cookie `session.sig` matches none of the 2 keys",
            "sha1",
        ),
    ] {
        let answer = explain(&mut client, with_cookie(cookies)).await;
        let failed = answer.steps.iter().find(|step| !step.ok).unwrap();
        assert_eq!((&*failed.name, &*failed.found), (step, found), "{cookies}");
        assert!(failed.hint.contains(hint), "{cookies}: {}", failed.hint);
        assert!(!format!("{answer:?}").contains("AAAA"), "{answer:?}");
    }
    let mut xdomain = with_headers(&[]);
    xdomain.xdomain = true;
    let answer = explain(&mut client, xdomain).await;
    let step = answer.steps.iter().find(|step| step.name == "xdomain").unwrap();
    assert!(step.hint.contains("nowhere else"), "{step:?}");

    // And with a store, that it is not one of its cookies.
    let service = Service::start(&[("SESSION_COOKIE", "session")]).await;
    let answer = explain(&mut service.client().await, with_cookie("session=e30=; session.sig=A")).await;
    let step = answer.steps.iter().find(|step| step.name == "session_id").unwrap();
    assert!(step.hint.contains("cookie-session:"), "{step:?}");
}

#[tokio::test]
async fn sessions_in_cookies_are_bounded_and_the_service_says_what_they_cannot() {
    let settings = [
        ("SESSION_STORE", "cookie-session:"),
        ("SESSION_COOKIE", "session"),
        ("SESSION_SECRETS", "key1"),
        ("LIMITS_MAX_SESSION_BYTES", "40"),
    ];
    let service = ServiceProcess::start(&settings).await;
    service.process.output().line("open sockets do not end with their session").await;
    let mut client = service.client().await;
    // {"passport":{"user":{"id":1,"name":"jose"}},"views":2}
    let cookies = "session=eyJwYXNzcG9ydCI6eyJ1c2VyIjp7ImlkIjoxLCJuYW1lIjoiam9zZSJ9fSwidmlld3MiOjJ9; \
                   session.sig=c9lwjrBvoYMJVS_gBq1m2k2cTNI";
    let answer = authorize(&mut client, with_cookie(cookies)).await;
    assert_eq!((reason(&answer).as_str(), answer.error), ("SESSION_MALFORMED", true));
    service.process.output().line("limits.max_session_bytes").await;
    assert!(!service.process.output().text().contains("jose"));
}
