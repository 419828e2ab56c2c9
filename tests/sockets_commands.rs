//! `sockets`, `gateways` and `bench registry`, as they are typed, against a service with a fleet of gateways.

use std::process::Stdio;

use serde_json::Value;
use socketpass::cli::bench::gateways::{Fleet, FleetOptions, Stop};
use tokio::process::Command;

use crate::support::{
    ports::lasting_port,
    process::Process,
    service::{ServiceProcess, socketpass},
    until,
};

struct Ran {
    code: Option<i32>,
    out: String,
    /// Without the warning that the service has just begun, which is true of all services here.
    error: String,
    warming_up: bool,
}

const WARMING_UP: &str = "warning: incomplete: the registry began without data a moment ago, and gateways may not have \
                          come back yet\n";

impl Ran {
    fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }
}

async fn run(command: &mut Command) -> Ran {
    let output = command.stdin(Stdio::null()).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let error = text(output.stderr);
    Ran {
        code: output.status.code(),
        out: text(output.stdout),
        error: error.replace(WARMING_UP, ""),
        warming_up: error.contains(WARMING_UP),
    }
}

/// A service, and a fleet that has listed its sockets.
struct World {
    service: ServiceProcess,
    fleet: Fleet,
    options: FleetOptions,
}

impl World {
    async fn start(sockets: u32) -> Self {
        let service = ServiceProcess::start(&[("REGISTRY_INDEXES", r#"["user.team"]"#)]).await;
        let options = FleetOptions { gateways: 3, sockets, ..FleetOptions::new(&service.grpc) };
        let fleet = Fleet::start(&options).unwrap();
        fleet.filled().await.unwrap();
        Self { service, fleet, options }
    }

    /// `socketpass …` asked of this service.
    async fn run(&self, arguments: &[&str]) -> Ran {
        let addr = self.service.grpc.trim_start_matches("http://");
        // What clap takes for positions comes after flags as well.
        run(socketpass().args(arguments).args(["--addr", addr])).await
    }

    /// How many sockets of the fleet are of this team.
    fn of_team(&self, team: &str) -> usize {
        let team = Value::from(team);
        let teams = self
            .options
            .listing()
            .map(|socket| socketpass::grpc::convert::json_object(&socket.user.unwrap())["team"].clone());
        teams.filter(|each| *each == team).count()
    }
}

#[tokio::test]
async fn list_shows_the_sockets_that_match() {
    let world = World::start(1_200).await;
    let ran = world.run(&["sockets", "list", "--json"]).await;
    assert_eq!((ran.code, ran.error.as_str()), (Some(0), ""));
    let sockets = ran.lines();
    assert_eq!(sockets.len(), 1_200);
    assert!(sockets.iter().all(|socket| socket.get("session_id").is_none()), "{}", sockets[0]);
    assert!(sockets.is_sorted_by_key(|socket| {
        (socket["gateway_id"].as_str().unwrap().to_owned(), socket["socket_id"].as_str().unwrap().to_owned())
    }));
    assert_eq!(sockets[0]["gateway_id"], "gateway-1");
    assert!(sockets[0]["connected_at"].as_str().unwrap().ends_with('Z'), "{}", sockets[0]);

    let filter = "user.team == params.team && socket.namespace in params.at";
    let params = ["--param", "team=payments", "--param", r#"at=["/", "/chat", "/admin"]"#];
    let ran = world.run(&[&["sockets", "list", filter, "--json"][..], &params].concat()).await;
    assert_eq!(ran.lines().len(), world.of_team("payments"));
    assert!(ran.lines().iter().all(|socket| socket["user"]["team"] == "payments"));

    let ran = world.run(&["sockets", "list", "--limit", "5", "--columns", "socket_id,user,user.team"]).await;
    let lines: Vec<_> = ran.out.lines().collect();
    assert_eq!(lines.len(), 6, "{}", ran.out);
    assert!(
        lines[0].starts_with("socket_id             user ") && lines[0].ends_with("user.team"),
        "{}",
        ran.out
    );
    assert!(!ran.out.contains('\u{1b}'), "colours where there is no terminal");
    assert_eq!(ran.error, "the first 5 sockets; there may be more\n");
    let ran = world.run(&["sockets", "list", "--limit", "5", "--json"]).await;
    assert_eq!((ran.lines().len(), ran.error.as_str()), (5, "the first 5 sockets; there may be more\n"));
    let ran = world.run(&["sockets", "list", "--limit", "1201", "--json"]).await;
    assert_eq!((ran.lines().len(), ran.error.as_str()), (1_200, ""));

    let ran = world.run(&["sockets", "list", "user.team == 'nobody'"]).await;
    assert_eq!((ran.code, ran.out.as_str(), ran.error.as_str()), (Some(0), "", "no socket matches\n"));
}

#[tokio::test]
async fn count_groups_by_a_path() {
    let world = World::start(1_200).await;
    let ran = world.run(&["sockets", "count", "--by", "user.team", "--json"]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.error);
    let answer = &ran.lines()[0];
    assert_eq!(answer["total"], 1_200);
    let groups = answer["groups"].as_array().unwrap();
    let payments = groups.iter().find(|group| group["key"] == "payments").unwrap();
    assert_eq!(payments["count"], world.of_team("payments"));
    assert_eq!(answer["view"]["incomplete_gateways"], Value::Array(vec![]));
    let ran = world.run(&["sockets", "count", "--by", "user.role"]).await;
    let lines: Vec<_> = ran.out.lines().collect();
    assert_eq!(lines[0], "1,200 sockets");
    assert!(lines[3].starts_with("member") && lines[3].contains(" %  █████"), "{}", ran.out);
}

#[tokio::test]
async fn what_is_wrong_with_a_filter_is_said() {
    let world = World::start(3).await;
    for arguments in [
        &["sockets", "list", "user.team =="][..],
        &["sockets", "count", ""],
        &["sockets", "count", "true", "--by", "socket.session_id"],
        &["sockets", "watch", "user.("],
        &["sockets", "disconnect", "nobody.x == 1", "--yes"],
        &["sockets", "send", "hello", "1 +"],
        &["sockets", "explain", "user."],
        &["sockets", "list", "user.team == params.team", "--param", "tema=payments"],
        &["sockets", "count", "user.id == 1 && user.team == params.team"],
        &["sockets", "watch", "user.id in params.ids"],
        &["sockets", "disconnect", "user.team == params.team", "--yes"],
        &["sockets", "send", "hello", "user.team != params.team"],
    ] {
        let ran = world.run(arguments).await;
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{arguments:?} {}", ran.error);
        assert!(ran.error.starts_with("error: "), "{arguments:?} {}", ran.error);
    }
    assert_eq!(world.fleet.counts().open_sockets, 3);

    let ran = world.run(&["sockets", "list", "user.team == params.team", "--param", "tema=payments"]).await;
    assert_eq!(ran.error, "error: the filter uses params.team, and --param team=… is not given\n");
    let ran = world.run(&["sockets", "count", "has(params.team) ? user.team == params.team : true"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "3 sockets\n"), "{}", ran.error);
    let ran = world.run(&["sockets", "count", "user.logged_in and user.team == 'a'"]).await;
    assert!(ran.error.ends_with("`and` is written `&&`\n"), "{}", ran.error);
    let ran = world.run(&["sockets", "count", "--timeout", "2"]).await;
    assert!(ran.error.contains("a number and a unit, for example 2s or 500ms"), "{}", ran.error);
}

#[tokio::test]
async fn disconnect_asks_first_and_says_how_it_ended() {
    let world = World::start(1_200).await;
    let filter = "user.team == 'payments'";
    let payments = world.of_team("payments");
    let ran = world.run(&["sockets", "disconnect", filter]).await;
    assert_eq!(ran.code, Some(2));
    assert!(ran.error.contains("--yes"), "{}", ran.error);
    let ran = world.run(&["sockets", "disconnect", filter, "--dry-run"]).await;
    assert!(ran.out.starts_with(&format!("{payments} sockets would be disconnected\n")), "{}", ran.out);
    assert_eq!(ran.out.lines().count(), payments + 3, "{}", ran.out);
    let ran = world.run(&["sockets", "disconnect", filter, "--dry-run", "--json"]).await;
    assert_eq!(ran.lines().len(), payments);
    assert_eq!(world.fleet.counts().open_sockets, 1_200);
    let ran = world.run(&["sockets", "disconnect", "user.team == 'nobody'", "--dry-run"]).await;
    assert_eq!((ran.code, ran.out.as_str(), ran.error.as_str()), (Some(0), "", "no socket matches\n"));

    let ran = world.run(&["sockets", "disconnect", filter, "--yes", "--code", "4001", "--json"]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.error);
    let answer = &ran.lines()[0];
    assert_eq!((&answer["matched"], &answer["done"]), (&payments.into(), &payments.into()), "{answer}");
    until("the sockets are closed", async || {
        world.fleet.counts().open_sockets == 1_200 - u64::try_from(payments).unwrap()
    })
    .await;
    until("they are listed no more", async || {
        world.run(&["sockets", "count", filter, "--json"]).await.lines()[0]["total"] == 0
    })
    .await;
    let ran = world.run(&["sockets", "disconnect", filter, "--yes"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "no socket matches\n"), "{}", ran.error);
    let words = "hint: a text and a number are different";
    for command in [
        &["sockets", "disconnect", "--yes"][..],
        &["sockets", "disconnect", "--dry-run"],
        &["sockets", "send", "news"],
        &["sockets", "list"],
        &["sessions", "end", "--yes"],
    ] {
        let ran = world.run(&[command, &["user.id == '4711'"]].concat()).await;
        assert_eq!(ran.code, Some(0), "{command:?}: {}", ran.error);
        assert!(ran.error.contains(words), "{command:?}: {}", ran.error);
    }
    let ran = world.run(&["sockets", "disconnect", "true", "--yes"]).await;
    let left = 1_200 - payments;
    assert_eq!(ran.out.replace(',', ""), format!("disconnected {left} of {left} sockets\n"), "{}", ran.error);
}

#[tokio::test]
async fn send_reaches_those_that_match() {
    let world = World::start(90).await;
    let filter = "socket.gateway_id == 'gateway-2'";
    let ran = world.run(&["sockets", "send", "news", filter, "hello", "-1", r#"{"a":[1]}"#]).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "reached 30 of 30 sockets\n"), "{}", ran.error);
    assert_eq!(world.fleet.counts().commands, 1);
    let ran = world.run(&["sockets", "send", "news", filter, "--dry-run"]).await;
    assert!(ran.out.starts_with("30 sockets would get it\n"), "{}", ran.out);
    assert_eq!(world.fleet.counts().commands, 1);
}

#[tokio::test]
async fn explain_and_gateways() {
    let world = World::start(90).await;
    let filter = "user.team == 'payments' && user.name.contains('an')";
    let ran = world.run(&["sockets", "explain", filter, "--json"]).await;
    let steps = ran.lines();
    assert!(steps.iter().any(|step| step["index"] == "user.team"), "{}", ran.out);
    assert!(steps.iter().any(|step| step["index"] == ""), "{}", ran.out);
    let ran = world.run(&["sockets", "explain", filter]).await;
    assert!(ran.out.contains("index user.team") && ran.out.contains("evaluated one by one"), "{}", ran.out);
    let ran = world.run(&["sockets", "explain", "true"]).await;
    assert!(ran.out.contains("nothing to evaluate: all sockets"), "{}", ran.out);

    let ran = world.run(&["gateways", "--json"]).await;
    let gateways = ran.lines();
    assert_eq!(gateways.len(), 3);
    assert_eq!((&gateways[0]["gateway_id"], &gateways[0]["state"]), (&"gateway-1".into(), &"LIVE".into()));
    assert_eq!((&gateways[0]["sockets"], &gateways[0]["labels"]["zone"]), (&30.into(), &"eu-1".into()));
    let ran = world.run(&["gateways"]).await;
    assert!(ran.out.lines().nth(1).unwrap().starts_with("gateway-1   LIVE        30  "), "{}", ran.out);
    world.fleet.stop(Stop::Goodbye).await;
    let addr = world.service.grpc.trim_start_matches("http://");
    until("they are gone", async || {
        run(socketpass().args(["gateways", "--addr", addr])).await.error == "no gateway reports here\n"
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_is_not_whole_comes_with_a_warning() {
    let world = World::start(90).await;
    world.fleet.stop(Stop::Cut).await;
    let addr = world.service.grpc.trim_start_matches("http://").to_owned();
    let count = async || run(socketpass().args(["sockets", "count", "--addr", &addr])).await;
    until("the gateways are late", async || {
        count()
            .await
            .error
            .contains("warning: not up to date: gateway-1, gateway-2, gateway-3 (late, or still listing)")
    })
    .await;
    assert_eq!(count().await.out, "90 sockets\n");

    let began = ServiceProcess::start(&[]).await;
    let ran = run(socketpass().args(["gateways", "--addr", began.grpc.trim_start_matches("http://")])).await;
    assert!(ran.warming_up, "{}", ran.error);
}

#[tokio::test]
async fn watch_goes_on_when_the_service_comes_back() {
    let grpc = format!("127.0.0.1:{}", lasting_port());
    let service = ServiceProcess::start(&[("GRPC_ADDR", &grpc)]).await;
    let options = FleetOptions { gateways: 2, sockets: 20, ..FleetOptions::new(&service.grpc) };
    let fleet = Fleet::start(&options).unwrap();
    fleet.filled().await.unwrap();
    let watch = Process::start(socketpass().args(["sockets", "watch", "--json", "--addr", &grpc]));
    watch.output().line("\"checkpoint\"").await;
    assert_eq!(watch.output().text().matches("\"opened\"").count(), 20);
    fleet.set_rate(100.0);
    let line: Value = serde_json::from_str(&watch.output().line("\"closed\"").await).unwrap();
    assert_eq!(line["reason"], "CLOSED");
    assert_ne!(line["revision"], "");

    service.process.kill().await;
    watch.output().line("connecting again").await;
    let _service = ServiceProcess::start(&[("GRPC_ADDR", &grpc)]).await;
    // With the registry in memory, what it knew is gone.
    watch.output().line("\"afresh\"").await;
    until("a new snapshot", async || {
        let text = watch.output().text();
        text.rsplit("\"afresh\"").next().is_some_and(|after| after.contains("\"opened\""))
    })
    .await;
}

#[tokio::test]
async fn watch_writes_lines_where_there_is_no_terminal() {
    let world = World::start(3).await;
    let watch = Process::start(socketpass().args([
        "sockets",
        "watch",
        "socket.gateway_id == 'gateway-1'",
        "--addr",
        world.service.grpc.trim_start_matches("http://"),
    ]));
    let line = watch.output().line("gateway-1").await;
    assert!(line.contains("Z  open    gateway-1  "), "{line}");
    world.fleet.set_rate(100.0);
    let line = watch.output().line("closed").await;
    assert!(line.contains("Z  closed  gateway-1  ") && line.ends_with("  CLOSED"), "{line}");
}

#[tokio::test]
async fn bench_registry_measures_a_running_service() {
    let service = ServiceProcess::start(&[]).await;
    let addr = service.grpc.trim_start_matches("http://");
    let bench = ["bench", "registry", "--addr", addr, "--sockets", "500", "--duration", "300ms"];
    let ran = run(socketpass().args(bench).arg("--json")).await;
    assert_eq!(ran.code, Some(0), "{}", ran.error);
    let report = &ran.lines()[0];
    assert!(report["events"].as_u64().unwrap() > 100, "{report}");
    assert!(report["ack_latency_milliseconds"]["p99"].as_f64().unwrap() > 0.0, "{report}");
    assert_eq!((&report["rejected"], &report["streams_reopened"]), (&0.into(), &0.into()), "{report}");
    let ran = run(socketpass().args(bench).args(["--hold", "--gateways", "3"])).await;
    assert!(ran.out.contains("500 sockets in ") && ran.out.contains("500 sockets open"), "{}", ran.out);
    // It said goodbye.
    let ran = run(socketpass().args(["gateways", "--addr", addr])).await;
    assert_eq!(ran.error, "no gateway reports here\n");
    let ran =
        run(socketpass().args(["bench", "registry", "--addr", service.http.trim_start_matches("http://")]))
            .await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.error.contains("Unimplemented"), "{}", ran.error);
}

#[tokio::test]
async fn a_fleet_that_is_held_says_what_happens_to_it() {
    let grpc = format!("127.0.0.1:{}", lasting_port());
    let service = ServiceProcess::start(&[("GRPC_ADDR", &grpc)]).await;
    let bench = ["bench", "registry", "--addr", &grpc, "--sockets", "50", "--hold"];
    let held = Process::start(socketpass().args(bench));
    held.output().line("50 sockets listed").await;
    // One of these waits for the other, and says so.
    let second = Process::start(socketpass().args(bench));
    second.output().line("is reported by another process: give --name").await;
    let third = Process::start(socketpass().args(bench).args(["--name", "another"]));
    third.output().line("50 sockets listed").await;
    second.kill().await;
    third.kill().await;

    service.process.kill().await;
    // What a broken connection is called depends on where it breaks.
    held.output().line("lost the service: ").await;
    let _service = ServiceProcess::start(&[("GRPC_ADDR", &grpc)]).await;
    until("it is listed again", async || held.output().text().matches("50 sockets listed").count() == 2)
        .await;
}

#[tokio::test]
async fn a_service_that_is_not_there_is_named() {
    for arguments in [
        &["sockets", "list"][..],
        &["sockets", "watch", "--json"],
        &["sockets", "disconnect", "true", "--yes"],
        &["gateways"],
    ] {
        let ran = run(socketpass().args(arguments).args(["--addr", "127.0.0.1:1"])).await;
        assert_eq!(ran.code, Some(1), "{arguments:?}");
        assert!(ran.error.contains("is the service running there?"), "{}", ran.error);
    }
}
