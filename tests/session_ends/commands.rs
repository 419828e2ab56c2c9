//! `socketpass sessions`, as it is typed.

use std::process::{Output, Stdio};

use redis::AsyncCommands as _;
use serde_json::{Value, json};

use super::{disconnect, session_of, socket_of};
use crate::support::{
    callers::Caller,
    gateway::{Gateway, hello},
    ports::lasting_port,
    process::Process,
    redis::Redis,
    service::{ServiceProcess, socketpass},
};

/// A service, its sessions, and a gateway with Ana's socket and Ben's, and Cid's without a session.
struct World {
    redis: Redis,
    service: ServiceProcess,
    chat: Gateway,
}

impl World {
    async fn start() -> Self {
        let (redis, grpc) = (Redis::start().await, format!("127.0.0.1:{}", lasting_port()));
        let service = Self::service(&redis, &grpc).await;
        let (ana, ben) = (json!({"id": 1, "name": "Ana"}), json!({"id": 2, "name": "Ben"}));
        redis.put("Zk3q9v", &session_of(&ana)).await;
        redis.put("two", &session_of(&ben)).await;
        let cid = json!({"id": 4, "name": "Cid"});
        let sockets =
            vec![socket_of("a", "Zk3q9v", &ana), socket_of("b", "two", &ben), socket_of("c", "", &cid)];
        let chat = Gateway::list(&service.grpc, hello("chat", "one"), sockets).await;
        Caller::of(&service.grpc).await.counts("true", 3).await;
        Self { redis, service, chat }
    }

    async fn service(redis: &Redis, grpc: &str) -> ServiceProcess {
        let (sessions, registry) = (redis.url(), redis.url());
        ServiceProcess::start(&[
            ("GRPC_ADDR", grpc),
            ("SESSION_STORE", &sessions),
            ("REGISTRY_STORE", &registry),
        ])
        .await
    }

    fn addr(&self) -> &str {
        self.service.grpc.trim_start_matches("http://")
    }

    async fn end(&self, arguments: &[&str]) -> Output {
        let mut command = socketpass();
        command.args(["sessions", "end"]).args(arguments).args(["--addr", self.addr()]).stdin(Stdio::null());
        command.output().await.unwrap()
    }

    fn watch(&self, arguments: &[&str]) -> Process {
        Process::start(socketpass().args(["sessions", "watch", "--addr", self.addr()]).args(arguments))
    }

    /// How soon is for other tests: this process may just have begun, and doubt what is absent.
    async fn is_told_to_close(&mut self, socket_id: &str) {
        let command = self.chat.command().await;
        let (told, close) = disconnect(&command);
        assert_eq!((told, close.code), (vec![socket_id.to_owned()], 4500));
        self.chat.done(&command, &[socket_id]).await;
    }

    async fn has(&self, session_id: &str) -> bool {
        self.redis.connection().await.exists(format!("sess:{session_id}")).await.unwrap()
    }
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn end_asks_first_and_destroys_the_sessions() {
    let mut world = World::start().await;
    let ran = world.end(&["user.id == 1"]).await;
    assert_eq!(ran.status.code(), Some(2));
    assert!(text(&ran.stderr).contains("--yes"), "{}", text(&ran.stderr));
    let ran = world.end(&["user.id == params.id", "--yes"]).await;
    assert_eq!(ran.status.code(), Some(2));
    assert!(text(&ran.stderr).contains("--param id=… is not given"), "{}", text(&ran.stderr));
    let ran = world.end(&["user.id == 1", "--dry-run"]).await;
    assert!(
        text(&ran.stdout).starts_with("1 socket would end with their sessions\n"),
        "{}",
        text(&ran.stdout)
    );
    let ran = world.end(&["user.id == 3", "--yes"]).await;
    assert_eq!((ran.status.code(), text(&ran.stdout)), (Some(0), "no socket matches\n"));
    assert!(world.has("Zk3q9v").await);

    let ran = world.end(&["user.id == params.id", "--param", "id=1", "--yes"]).await;
    assert_eq!((ran.status.code(), text(&ran.stdout)), (Some(0), "ended the sessions behind 1 socket\n"));
    world.is_told_to_close("a").await;
    assert_eq!((world.has("Zk3q9v").await, world.has("two").await), (false, true));
    let ran = world.end(&["true", "--yes", "--json"]).await;
    let answer: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((&answer["matched"], &answer["without_session"]), (&json!(2), &json!(1)));
    assert_eq!(answer["view"]["incomplete_gateways"], json!([]));
    world.is_told_to_close("b").await;
}

#[tokio::test]
async fn end_says_which_sockets_have_no_session_and_stay() {
    let mut world = World::start().await;
    let stays = "1 has no session and stays";
    // A comment at its end is no reason not to count.
    let ran = world.end(&["user.id in [1, 4] // both", "--dry-run"]).await;
    let said = format!("1 socket would end with their sessions; {stays}\n");
    assert!(text(&ran.stdout).starts_with(&said), "{}", text(&ran.stdout));
    let ran = world.end(&["user.id in [1, 4]", "--yes"]).await;
    let closes = format!("{stays}; `socketpass sockets disconnect` closes them\n");
    assert_eq!(text(&ran.stdout), format!("ended the sessions behind 1 socket\n{closes}"));
    world.is_told_to_close("a").await;
    let ran = world.end(&["user.id == 4", "--yes"]).await;
    assert_eq!(text(&ran.stdout), format!("no session was ended\n{closes}"));
}

#[tokio::test]
async fn end_says_that_the_store_refuses_and_not_to_try_again() {
    let redis = Redis::start().await;
    let mut user = redis::cmd("ACL");
    user.arg(&["SETUSER", "reader", "on", ">x", "~sess:*", "+getrange", "+pttl", "+client|tracking"]);
    let _: () = user.query_async(&mut redis.connection().await).await.unwrap();
    let ana = json!({"id": 1});
    redis.put("one", &session_of(&ana)).await;
    let url = format!("redis://reader:x@127.0.0.1:{}", redis.port);
    let service = ServiceProcess::start(&[("SESSION_STORE", &url)]).await;
    let _chat = Gateway::list(&service.grpc, hello("chat", "one"), vec![socket_of("a", "one", &ana)]).await;
    let addr = service.grpc.trim_start_matches("http://");
    let ran = socketpass().args(["sessions", "end", "true", "--yes", "--addr", addr]).output().await.unwrap();
    let said = text(&ran.stderr);
    assert_eq!(ran.status.code(), Some(1), "{said}");
    assert!(said.contains("refuses to delete") && said.contains("0 of 1 sessions were ended"), "{said}");
    for of_another_cause in ["again", "away", "replica", "same command"] {
        assert!(!said.contains(of_another_cause), "{said}");
    }
    service.process.output().line("docs/redis.md").await;
}

#[tokio::test]
async fn sessions_in_cookies_cannot_be_ended() {
    let service = ServiceProcess::start(&[("SESSION_STORE", "cookie-session:")]).await;
    let mut command = socketpass();
    command.args(["sessions", "end", "true", "--yes", "--addr", service.grpc.trim_start_matches("http://")]);
    let ran = command.output().await.unwrap();
    assert_eq!(ran.status.code(), Some(1));
    let said = text(&ran.stderr);
    assert!(said.contains("sessions are in their cookies") && !said.contains("same command"), "{said}");
}

#[tokio::test]
async fn watch_tells_which_ended_and_misses_none_while_the_service_is_away() {
    let mut world = World::start().await;
    let (people, programs) = (world.watch(&[]), world.watch(&["--json"]));
    for watch in [&people, &programs] {
        watch.output().line("watching").await;
    }
    let _: () = world.redis.connection().await.del("sess:Zk3q9v").await.unwrap();
    world.is_told_to_close("a").await;
    let line = people.output().line("SESSION_NOT_FOUND").await;
    assert!(line.ends_with("Z  SESSION_NOT_FOUND  1 Ana  1 socket  Zk3…"), "{line}");
    let line: Value = serde_json::from_str(&programs.output().line("SESSION_NOT_FOUND").await).unwrap();
    assert_eq!((&line["event"], &line["session_id"]), (&json!("ended"), &json!("Zk3q9v")));
    assert_eq!((&line["user"]["name"], &line["sockets"]), (&json!("Ana"), &json!(1)));
    let revision = line["revision"].as_str().unwrap().to_owned();

    let addr = world.addr().to_owned();
    world.service.process.kill().await;
    programs.output().line("connecting again").await;
    world.service = World::service(&world.redis, &addr).await;
    programs.output().line("connected again").await;
    let ben = json!({"id": 2, "name": "Ben"});
    let sockets = vec![socket_of("b", "two", &ben)];
    world.chat = Gateway::list(&world.service.grpc, hello("chat", "one"), sockets).await;
    let _: () = world.redis.connection().await.del("sess:two").await.unwrap();
    programs.output().line("\"two\"").await;
    // Somebody who was not there goes on from what they know.
    world.watch(&["--json", "--from-revision", &revision]).output().line("\"two\"").await;
}
