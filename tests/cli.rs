//! The commands, as they are typed.

use std::process::Stdio;

use serde_json::Value;
use tokio::{io::AsyncWriteExt as _, process::Command};

use crate::support::{
    ANA, ANA_ID, SECRET, cookie,
    process::Process,
    redis::Redis,
    service::{ServiceProcess, socketpass},
};

struct Ran {
    code: Option<i32>,
    out: String,
    error: String,
}

async fn run(command: &mut Command, input: &str) -> Ran {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // The command may end without reading.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), error: text(output.stderr) }
}

async fn with(arguments: &[&str], input: &str) -> Ran {
    run(socketpass().args(arguments), input).await
}

#[tokio::test]
async fn demo_shows_three_handshakes_and_its_lines_work_as_they_stand() {
    let mut command = socketpass();
    let mut demo =
        Process::start(command.args(["demo", "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"]));
    demo.output().line("Ctrl-C ends it").await;
    let text = demo.output().text();
    for line in ["accepted  AUTHORIZED", "refused   NOT_LOGGED_IN", "refused   BAD_SIGNATURE", "/readyz"] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "colours where there is no terminal:\n{text}");
    let explain = demo.output().line(" explain --addr").await;
    let ran = run(Command::new("sh").args(["-c", explain.trim()]), "").await;
    assert_eq!(ran.code, Some(0), "{}", ran.error);
    assert!(ran.out.starts_with("accepted  AUTHORIZED\n") && ran.out.contains("✓ signature"), "{}", ran.out);
    // grpcurl is not everywhere; what it would send is.
    let grpcurl = demo.output().line("grpcurl -plaintext -d").await;
    let body: Value = serde_json::from_str(grpcurl.split('\'').nth(1).unwrap()).unwrap();
    assert!(
        body["handshake"]["headers"]["cookie"].as_str().unwrap().starts_with("connect.sid=s%3A"),
        "{grpcurl}"
    );
    assert!(grpcurl.ends_with("socketpass.v1.AuthorizationService/Authorize"), "{grpcurl}");
    let fleet = demo.output().line(" bench registry --hold").await;
    let fleet = Process::start(Command::new("sh").args(["-c", &format!("exec {}", fleet.trim())]));
    fleet.output().line("10000 sockets listed").await;
    let list = demo.output().line(" sockets list").await;
    let ran = run(Command::new("sh").args(["-c", list.trim()]), "").await;
    assert_eq!(ran.code, Some(0), "{}", ran.error);
    assert!(ran.out.starts_with("gateway_id ") && ran.out.lines().count() > 10, "{} {}", ran.out, ran.error);
    fleet.kill().await;
    demo.signal("INT");
    assert_eq!(demo.exit_code().await, Some(0));
}

#[tokio::test]
async fn demo_stays_on_embedded_parts_whatever_the_environment_says() {
    let mut command = socketpass();
    command.args(["demo", "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"]);
    command
        .env("SOCKETPASS_SESSION_STORE", "redis://127.0.0.1:1")
        .env("SOCKETPASS_SESSION_SECRETS", "another");
    let demo = Process::start(&mut command);
    demo.output().line("accepted  AUTHORIZED").await;
}

#[tokio::test]
async fn explain_reads_a_handshake_in_every_form() {
    let redis = Redis::start().await;
    redis.put(ANA_ID, ANA.as_bytes()).await;
    let service = ServiceProcess::start(&[("SESSION_STORE", &redis.url())]).await;
    let addr = service.grpc.trim_start_matches("http://");
    let cookie = cookie(ANA_ID);
    let value = cookie.strip_prefix("connect.sid=").unwrap();
    let header = format!("Cookie: {cookie}");
    let request = format!("GET /socket.io/?EIO=4 HTTP/1.1\r\nHost: a\r\n{header}\r\n\r\n");
    let curl =
        format!("curl 'https://a/socket.io/?EIO=4' \\\n  -H 'accept: */*' \\\n  -b '{cookie}' --compressed");
    let explain = ["explain", "--json", "--addr", addr];
    for (arguments, input) in [
        (vec!["--cookie", cookie.as_str()], ""),
        (vec!["--cookie", value], ""),
        (vec!["--header", header.as_str()], ""),
        (vec!["--url", "/?a=b", "--header", header.as_str(), "--header", "Origin: https://a"], ""),
        (vec![], request.as_str()),
        (vec![], curl.as_str()),
        (vec!["curl", "https://a/socket.io/?EIO=4", "-H", header.as_str(), "--compressed"], ""),
    ] {
        let ran = with(&[&explain[..], &arguments].concat(), input).await;
        assert_eq!(ran.code, Some(0), "{arguments:?} {}", ran.error);
        let answer: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(
            (&answer["accepted"], &answer["reason"]),
            (&Value::Bool(true), &Value::from("AUTHORIZED")),
            "{arguments:?}"
        );
        assert_eq!(answer["session_id"], "Zk3…");
        assert_eq!(answer["steps"].as_array().unwrap().len(), 7);
    }
    let id = format!("s:{}", crate::support::signed(SECRET, ANA_ID));
    let ran = with(&["explain", "--addr", addr, "--auth-session-id", &id, "--xdomain"], "").await;
    assert!(ran.out.starts_with("accepted"), "{} {}", ran.out, ran.error);

    // The same, decided here.
    for arguments in [
        ["explain", "--local", "--cookie", &cookie],
        ["explain", "--local", "--cookie", "connect.sid=s%3Ax.y"],
    ] {
        let mut command = socketpass();
        command
            .args(arguments)
            .env("SOCKETPASS_SESSION_STORE", redis.url())
            .env("SOCKETPASS_SESSION_SECRETS", SECRET);
        let ran = run(&mut command, "").await;
        assert_eq!(ran.out.starts_with("accepted"), arguments[3] == cookie, "{} {}", ran.out, ran.error);
    }
}

#[tokio::test]
async fn explain_says_what_is_missing() {
    for (arguments, input, words) in [
        (&["explain", "--addr", "127.0.0.1:1", "--cookie", "a=b"][..], "", "is the service running there?"),
        (&["explain", "--addr", "127.0.0.1:1"], "hello", "neither an HTTP request"),
        (&["explain", "wget", "https://a"], "", "a curl command line"),
        (&["explain", "--header", "no colon"], "", "--header"),
        (&["explain", "--local", "--cookie", "a=b"], "", "session.secrets"),
    ] {
        let ran = with(arguments, input).await;
        assert_ne!(ran.code, Some(0), "{arguments:?}");
        assert!(ran.error.contains(words), "{arguments:?}: {}", ran.error);
    }
}

#[tokio::test]
async fn healthcheck_exits_0_only_when_serving() {
    let service = ServiceProcess::start(&[("SESSION_STORE", "redis://127.0.0.1:1")]).await;
    service.process.output().line("does not answer").await;
    let addr = service.http.trim_start_matches("http://");
    let ran = with(&["healthcheck", "--addr", addr], "").await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "readiness: SERVING\n"), "{}", ran.error);
    let ran =
        with(&["healthcheck", "--addr", addr, "--service", "socketpass.v1.AuthorizationService"], "").await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.error.contains("NOT_SERVING"), "{}", ran.error);
    let ran = with(&["healthcheck", "--addr", "127.0.0.1:1"], "").await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.error.contains("http.addr"), "{}", ran.error);
    // In a container the address comes from the environment.
    let mut command = socketpass();
    command.arg("healthcheck").env("SOCKETPASS_HTTP_ADDR", addr);
    assert_eq!(run(&mut command, "").await.code, Some(0));
}

#[tokio::test]
async fn bench_measures_a_running_service() {
    let redis = Redis::start().await;
    redis.put(ANA_ID, ANA.as_bytes()).await;
    let service = ServiceProcess::start(&[("SESSION_STORE", &redis.url())]).await;
    let addr = service.grpc.trim_start_matches("http://");
    let cookie = cookie(ANA_ID);
    let short = ["--duration", "300ms", "--warmup", "50ms", "--concurrency", "8", "--connections", "2"];
    let bench = [&["bench", "authorize", "--addr", addr, "--cookie", &cookie][..], &short].concat();
    let ran = with(&[&bench[..], &["--json"]].concat(), "").await;
    assert_eq!(ran.code, Some(0), "{}", ran.error);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert!(report["answers_per_second"].as_f64().unwrap() > 0.0);
    assert!(report["latency_milliseconds"]["p99"].as_f64().unwrap() > 0.0, "{report}");
    assert_eq!(report["reasons"]["AUTHORIZED"], report["answers"]);
    let ran = with(&bench, "").await;
    assert!(ran.out.contains("throughput") && ran.out.contains("p99"), "{}", ran.out);
    let ran = with(&["bench", "authorize", "--addr", "127.0.0.1:1"], "").await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.error.contains("nothing answers"), "{}", ran.error);
}

#[tokio::test]
async fn completions_are_there_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = with(&["completions", shell], "").await;
        assert_eq!(ran.code, Some(0));
        assert!(ran.out.contains("healthcheck") && ran.out.contains("session-store"), "{shell}");
    }
}

#[tokio::test]
async fn config_prints_what_is_in_force_and_why() {
    let mut command = socketpass();
    command.args(["config", "--session-prefix", "app:"]).env("SOCKETPASS_SESSION_SECRETS", SECRET);
    let ran = run(&mut command, "").await;
    assert_eq!(ran.code, Some(0), "{}", ran.error);
    let line = |start: &str| {
        ran.out
            .lines()
            .find(|line| line.starts_with(start))
            .unwrap_or_else(|| panic!("{start} in {}", ran.out))
    };
    assert!(line("prefix = \"app:\"").ends_with("# --session-prefix"));
    assert!(line("secrets = \"<1 hidden>\"").ends_with("# SOCKETPASS_SESSION_SECRETS"));
    assert!(line("cookie = \"connect.sid\"").ends_with("# default"));
    ran.out.parse::<toml::Table>().unwrap();
}
