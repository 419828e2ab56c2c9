//! `socketpass sessions`, as it is typed.

use std::process::{Output, Stdio};

use redis::AsyncCommands as _;
use serde_json::{Value, json};

use super::{disconnect, session_of, socket_of};
use crate::support::{
    gateway::{Gateway, hello},
    ports::lasting_port,
    process::Process,
    redis::Redis,
    service::{ServiceProcess, socketpass},
};

/// A service, its sessions, and a gateway with Ana's socket and Ben's.
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
        let sockets = vec![socket_of("a", "Zk3q9v", &ana), socket_of("b", "two", &ben)];
        let chat = Gateway::list(&service.grpc, hello("chat", "one"), sockets).await;
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
    assert_eq!((&answer["matched"], &answer["view"]["incomplete_gateways"]), (&json!(1), &json!([])));
    world.is_told_to_close("b").await;
}

#[tokio::test]
async fn sessions_in_cookies_cannot_be_ended() {
    let service = ServiceProcess::start(&[("SESSION_STORE", "cookie-session:")]).await;
    let mut command = socketpass();
    command.args(["sessions", "end", "true", "--yes", "--addr", service.grpc.trim_start_matches("http://")]);
    let ran = command.output().await.unwrap();
    assert_eq!(ran.status.code(), Some(1));
    assert!(text(&ran.stderr).contains("sessions are in their cookies"), "{}", text(&ran.stderr));
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
