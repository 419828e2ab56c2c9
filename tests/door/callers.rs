//! Who may call what: roles, bearer tokens, gateway ids.

use std::{collections::BTreeSet, fs, time::Duration};

use prost::Message as _;
use prost_types::FileDescriptorSet;
use serde_json::json;
use socketpass::grpc::{
    DESCRIPTORS,
    callers::methods::METHODS,
    pb::{
        FilterSocketsRequest, ReportRequest, registry_service_client::RegistryServiceClient,
        report_request::Message,
    },
};
use tempfile::TempDir;
use tokio::{process::Command, time::timeout};
use tonic::{
    Code, Request, Status, client::Grpc, codegen::http::uri::PathAndQuery,
    service::interceptor::InterceptedService, transport::Channel,
};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt as _;

use super::{Bearer, count, counts, registry, settings_of};
use crate::support::{
    ANA_ID, cookie,
    gateway::{self, Gateway, hello},
    http::get,
    service::{Service, ServiceProcess, channel, config, socketpass, with_cookie},
    until,
};

const GATEWAY: &str = "a-gateways-token";
const ADMIN: &str = "an-admins-token";

fn tokens() -> String {
    json!([settings_of(GATEWAY, "chat", "gateway"), settings_of(ADMIN, "ops", "admin")]).to_string()
}

async fn service() -> Service {
    Service::start(&[("CALLERS_TOKENS", &tokens())]).await
}

/// A refusal comes at once.
const SAYS_SO_WITHIN: Duration = Duration::from_secs(1);

/// Calls a method with an empty message.
async fn call(channel: &Channel, path: &str, token: &str) -> Code {
    let mut grpc = Grpc::new(InterceptedService::new(channel.clone(), Bearer::of(token)));
    grpc.ready().await.unwrap();
    let path = PathAndQuery::try_from(path.to_owned()).unwrap();
    let request = Request::new(tokio_stream::once(()));
    let answer = grpc.streaming(request, path, ProstCodec::<(), ()>::default()).await;
    match answer {
        Ok(answer) => {
            let mut answers = answer.into_inner();
            match timeout(SAYS_SO_WITHIN, answers.message()).await {
                Ok(message) => message.map_or_else(|status| status.code(), |_| Code::Ok),
                // A watch of what happens seldom.
                Err(_elapsed) => Code::Ok,
            }
        }
        Err(status) => status.code(),
    }
}

/// The design's list, "Who may call what".
const OF_GATEWAYS: [&str; 6] =
    ["Authorize", "Report", "FilterSockets", "CountSockets", "WatchSockets", "SendToSockets"];

#[tokio::test]
async fn every_method_is_in_the_table_and_needs_the_role_that_the_design_says() {
    let files = FileDescriptorSet::decode(DESCRIPTORS).unwrap().file;
    let paths: BTreeSet<_> = files
        .iter()
        .flat_map(|file| file.service.iter().map(move |service| (file.package(), service)))
        .flat_map(|(package, service)| {
            service
                .method
                .iter()
                .map(move |method| format!("/{package}.{}/{}", service.name(), method.name()))
        })
        .collect();
    let table: BTreeSet<_> = METHODS.iter().map(|method| method.path.to_owned()).collect();
    assert!(paths.is_subset(&table), "{:?}", paths.difference(&table));

    let service = service().await;
    let channel = service.channel().await;
    for path in table {
        let name = path.rsplit('/').next().unwrap();
        let is_open = path.contains("health");
        let of_gateways = OF_GATEWAYS.contains(&name) || path.contains("reflection");
        let needs = |token| match token {
            "" if !is_open => Some(Code::Unauthenticated),
            GATEWAY if !is_open && !of_gateways => Some(Code::PermissionDenied),
            _ => None,
        };
        for token in ["", GATEWAY, ADMIN] {
            let code = call(&channel, &path, token).await;
            match needs(token) {
                Some(expected) => assert_eq!(code, expected, "{path} {token}"),
                // What is wrong with an empty message is nobody's credentials.
                None => assert!(
                    ![Code::Unauthenticated, Code::PermissionDenied, Code::Unimplemented].contains(&code),
                    "{path} {token} {code:?}"
                ),
            }
        }
    }
    for path in ["/socketpass.v1.AuthorizationService/None", "/socketpass.v2.RegistryService/Report", "/a"] {
        assert_eq!(call(&channel, path, ADMIN).await, Code::Unimplemented);
    }
    service.stop().await;
}

#[tokio::test]
async fn refusals_say_what_is_wrong_and_how_it_is_mended() {
    let service = service().await;
    let channel = service.channel().await;
    let refusal = |token: &'static str| {
        let channel = channel.clone();
        async move { count(&mut registry(channel, token)).await.unwrap_err() }
    };
    let missing = refusal("").await;
    assert!(missing.message().contains("authorization: Bearer"), "{missing}");
    let wrong = refusal("guessed").await;
    assert!(wrong.message().contains("callers.tokens") && !wrong.message().contains("guessed"), "{wrong}");
    let listed = registry(channel.clone(), GATEWAY)
        .list_gateways(socketpass::grpc::pb::ListGatewaysRequest {})
        .await
        .unwrap_err();
    assert_eq!(listed.message(), "`chat` has the role gateway, and ListGateways needs admin");
    for (header, code) in [
        ("Basic YTpi", Code::Unauthenticated),
        ("Bearer", Code::Unauthenticated),
        ("Bearer  ", Code::Unauthenticated),
        ("bearer a-gateways-token", Code::Ok),
        ("BEARER   a-gateways-token ", Code::Ok),
        ("Bearer A-gateways-token", Code::Unauthenticated),
    ] {
        let mut client = RegistryServiceClient::new(channel.clone());
        let mut request = Request::new(socketpass::grpc::pb::CountSocketsRequest {
            filter: "true".to_owned(),
            ..Default::default()
        });
        request.metadata_mut().insert("authorization", header.parse().unwrap());
        let answered = client.count_sockets(request).await.map_or_else(|status| status.code(), |_| Code::Ok);
        assert_eq!(answered, code, "{header}");
    }
    let metrics = get(&service.http, "/metrics").await.body;
    for (reason, count) in [("missing", 1), ("token", 5), ("role", 1), ("limited", 0)] {
        let line = format!("socketpass_caller_refusals_total{{reason=\"{reason}\"}} {count}");
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
    service.stop().await;
}

#[tokio::test]
async fn who_guesses_tokens_is_limited_and_locks_nobody_out() {
    let service = service().await;
    let mut known = registry(service.channel().await, GATEWAY);
    count(&mut known).await.unwrap();
    let guesser = service.channel().await;
    for number in 0..10 {
        let wrong = count(&mut registry(guesser.clone(), &format!("guess-{number}"))).await.unwrap_err();
        assert_eq!(wrong.code(), Code::Unauthenticated);
    }
    let limited = count(&mut registry(guesser.clone(), "guess-10")).await.unwrap_err();
    assert_eq!(limited.code(), Code::ResourceExhausted);
    let retry = limited.get_error_details().retry_info().unwrap().retry_delay.unwrap();
    assert!(retry <= std::time::Duration::from_secs(7), "{retry:?}");
    assert!(get(&service.http, "/metrics").await.body.contains("refusals_total{reason=\"limited\"} 1"));
    count(&mut known).await.unwrap();
    // Of gateways behind the same address those are let in, too, that come later.
    count(&mut registry(service.channel().await, ADMIN)).await.unwrap();
    service.stop().await;
}

#[tokio::test]
async fn a_caller_reports_only_for_gateways_that_it_is_bound_to() {
    let mut bound = settings_of(GATEWAY, "chat", "gateway");
    bound["gateway_ids"] = json!(["chat-*"]);
    let service = Service::start(&[("CALLERS_TOKENS", &json!([bound]).to_string())]).await;
    let report = |gateway_id: &'static str| {
        let service = &service;
        async move {
            let hello = ReportRequest { message: Some(Message::Hello(hello(gateway_id, "a"))) };
            let mut client = registry(service.channel().await, GATEWAY);
            let messages = tokio_stream::StreamExt::chain(tokio_stream::once(hello), tokio_stream::pending());
            client.report(messages).await?.into_inner().message().await
        }
    };
    assert!(report("chat-1").await.unwrap().is_some());
    let refused = report("game-1").await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(refused.message().starts_with("hello.gateway_id: `chat`"), "{refused}");
    service.stop().await;
}

#[tokio::test]
async fn session_ids_and_addresses_are_for_admins() {
    let service = Service::start(&[]).await;
    let _socket = Gateway::list(
        &service.grpc,
        hello("chat-1", "a"),
        vec![{
            let mut socket = gateway::socket("s1", json!({"id": 1}));
            socket.session_id = ANA_ID.to_owned();
            socket.remote_address = "192.0.2.7".to_owned();
            socket
        }],
    )
    .await;
    // Nobody is named here, so all are admins.
    let mut anybody = registry(service.channel().await, "");
    assert_eq!(counts(&mut anybody, &format!("socket.session_id == \"{ANA_ID}\"")).await.unwrap(), 1);
    assert_eq!(counts(&mut anybody, "socket.remote_address == \"192.0.2.7\"").await.unwrap(), 1);
    service.stop().await;

    let service = self::service().await;
    let mut by_gateway = registry(service.channel().await, GATEWAY);
    let mut by_admin = registry(service.channel().await, ADMIN);
    let mut socket = gateway::socket("s1", json!({"id": 1}));
    socket.session_id = ANA_ID.to_owned();
    socket.remote_address = "192.0.2.7".to_owned();
    let batch =
        socketpass::grpc::pb::Batch { sequence: 1, events: vec![gateway::opened(socket)], complete: true };
    let said = [Message::Hello(hello("chat-1", "a")), Message::Batch(batch)];
    let said = said.map(|message| ReportRequest { message: Some(message) });
    let said = tokio_stream::StreamExt::chain(tokio_stream::iter(said), tokio_stream::pending());
    let _open = by_gateway.report(said).await.unwrap();
    until("it is listed", || async {
        count(&mut registry(service.channel().await, ADMIN)).await.unwrap() == 1
    })
    .await;
    for filter in [
        "socket.session_id == \"x\"",
        "user.id == 1 && socket.session_id in [\"x\"]",
        "has(socket.session_id)",
        "gateway.incarnation == \"a\"",
        "socket.remote_address.startsWith(\"192.\")",
        "[1].exists(one, one == user.id && socket.remote_address != \"\")",
    ] {
        let refused = counts(&mut by_gateway, filter).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{filter}");
        assert!(counts(&mut by_admin, filter).await.is_ok(), "{filter}");
    }
    for path in ["socket.remote_address", "gateway.incarnation"] {
        let grouped = socketpass::grpc::pb::CountSocketsRequest {
            filter: "true".to_owned(),
            group_by: path.to_owned(),
            ..Default::default()
        };
        let refused = by_gateway.count_sockets(grouped.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{path}");
        assert_eq!(by_admin.count_sockets(grouped).await.unwrap().into_inner().groups.len(), 1);
    }
    for (client, address) in [(&mut by_gateway, ""), (&mut by_admin, "192.0.2.7")] {
        let request = FilterSocketsRequest { filter: "true".to_owned(), ..Default::default() };
        let answer =
            client.filter_sockets(request).await.unwrap().into_inner().message().await.unwrap().unwrap();
        assert_eq!(answer.sockets[0].remote_address, address);
        let request =
            socketpass::grpc::pb::WatchSocketsRequest { filter: "true".to_owned(), ..Default::default() };
        let seen =
            client.watch_sockets(request).await.unwrap().into_inner().message().await.unwrap().unwrap();
        match seen.event.unwrap() {
            socketpass::grpc::pb::watch_sockets_response::Event::Opened(socket) => {
                assert_eq!(socket.remote_address, address);
            }
            other => panic!("{other:?}"),
        }
    }
    service.stop().await;
}

#[tokio::test]
async fn a_file_of_tokens_is_read_again_while_the_service_runs() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("tokens");
    let write = |tokens: &[&str]| {
        let lines: Vec<_> =
            tokens.iter().map(|token| settings_of(token, "chat", "gateway").to_string()).collect();
        fs::write(&file, lines.join("\n")).unwrap();
    };
    write(&["old"]);
    let service = ServiceProcess::start(&[("CALLERS_TOKENS_FILE", file.to_str().unwrap())]).await;
    let channel = channel(&service.grpc).await;
    let code = |token: &'static str| {
        let channel = channel.clone();
        async move { count(&mut registry(channel, token)).await.map_or_else(|status| status.code(), |_| Code::Ok) }
    };
    assert_eq!((code("old").await, code("new").await), (Code::Ok, Code::Unauthenticated));
    write(&["new", "old"]);
    service.process.signal("HUP");
    until("the new one counts", || async { code("new").await == Code::Ok }).await;
    assert_eq!(code("old").await, Code::Ok);
    write(&["new"]);
    service.process.signal("HUP");
    until("the old one does not count any more", || async { code("old").await == Code::Unauthenticated })
        .await;
    // A file that is empty, or broken, lets nobody in who was not let in before.
    for text in ["", "{", "[]"] {
        fs::write(&file, text).unwrap();
        let before = service.process.output().text().matches("old values stay in force").count();
        service.process.signal("HUP");
        until("it is told", || async {
            service.process.output().text().matches("old values stay in force").count() > before
        })
        .await;
        assert_eq!((code("new").await, code("").await), (Code::Ok, Code::Unauthenticated), "{text}");
    }
}

#[tokio::test]
async fn who_is_faulty_in_the_settings_is_told() {
    let hash = settings_of("t", "chat", "gateway")["hash"].clone();
    for (settings, problem) in [
        (
            vec![("CALLERS_TOKENS", r#"[{"name":"chat","hash":"sha256:abc","role":"admin"}]"#.to_owned())],
            "number 1: its hash is not",
        ),
        (
            vec![("CALLERS_TOKENS", format!(r#"[{{"name":"chat","hash":{hash},"role":"root"}}]"#))],
            "number 1: its role is neither",
        ),
        (
            vec![("CALLERS_TOKENS", format!(r#"[{{"name":"","hash":{hash},"role":"admin"}}]"#))],
            "number 1: it needs a name",
        ),
        (vec![("CALLERS_TOKENS", format!(r#"[{{"hash":{hash},"role":"admin"}}]"#))], "missing field `name`"),
        (vec![("CALLERS_TOKENS", "[]".to_owned())], "it is empty"),
        (vec![("CALLERS_TOKENS", "[1".to_owned())], "no JSON array of objects"),
        (vec![("CALLERS_CERTIFICATES", r#"[{"name":"*","role":"admin"}]"#.to_owned())], "tls.client_ca_file"),
        (
            vec![("CALLERS_TOKENS", tokens()), ("CALLERS_ALLOW_ANONYMOUS", "true".to_owned())],
            "callers.allow_anonymous",
        ),
        (vec![("GRPC_ADDR", "0.0.0.0:0".to_owned())], "socketpass token"),
    ] {
        let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let faults = config(&settings).unwrap_err().to_string();
        assert!(faults.contains(problem), "{faults}");
        assert!(!faults.contains(hash.as_str().unwrap()), "{faults}");
    }
    config(&[("GRPC_ADDR", "0.0.0.0:0"), ("CALLERS_TOKENS", &tokens())]).unwrap();
}

async fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn a_token_that_the_command_makes_is_let_in() {
    let (code, printed, _) =
        output(socketpass().args(["token", "--name", "ops", "--role", "admin", "--json"])).await;
    assert_eq!(code, Some(0));
    let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let service = Service::start(&[("CALLERS_TOKENS", &json!([printed["settings"]]).to_string())]).await;
    let token = printed["token"].as_str().unwrap();
    let mut gateways = socketpass();
    gateways.args(["gateways", "--addr", &service.grpc]);
    let (code, _, told) = output(&mut gateways).await;
    assert_eq!(code, Some(1));
    assert!(told.contains("--token-file") && told.contains("SOCKETPASS_TOKEN"), "{told}");
    let (code, _, told) = output(gateways.env("SOCKETPASS_TOKEN", token)).await;
    assert_eq!(code, Some(0), "{told}");

    let directory = TempDir::new().unwrap();
    let file = directory.path().join("token");
    fs::write(&file, format!("{token}\n")).unwrap();
    let file = file.to_str().unwrap();
    for arguments in [
        vec!["sockets", "count", "true"],
        vec!["explain", "--cookie", "connect.sid=x"],
        vec!["bench", "authorize", "--cookie", "x", "--duration", "10ms", "--warmup", "1ms"],
        vec!["bench", "registry", "--gateways", "1", "--sockets", "5", "--rate", "0", "--duration", "1ms"],
    ] {
        let mut command = socketpass();
        let (code, _, told) =
            output(command.args(&arguments).args(["--addr", &service.grpc, "--token-file", file])).await;
        assert_eq!(code, Some(0), "{arguments:?} {told}");
    }
    service.stop().await;
}

#[tokio::test]
async fn a_handshake_needs_the_gateways_own_credentials_and_no_others() {
    let service = service().await;
    let mut client = service.client().await;
    let request = crate::support::service::request(with_cookie(&cookie(ANA_ID)));
    let refused: Status = client.authorize(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    service.stop().await;
}
