//! The example of a gateway, as it stands, with people who come in over WebSockets.

use std::sync::Arc;

use serde_json::{Value, json};
use socketpass::{
    grpc::{
        convert::json_object,
        pb::{CountSocketsRequest, FilterSocketsRequest, SendToSocketsRequest, Socket},
    },
    session_store::MemoryStore,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::Command,
    time::timeout,
};

use crate::support::{
    ANA, ANA_ID, PATIENCE, cookie,
    gateway::{Registry, registry},
    npm,
    process::Process,
    service::{Service, ServiceProcess},
    until,
};

/// The gateway, and where its WebSockets are.
async fn gateway(replicas: &[&str]) -> (Process, String) {
    let addrs: Vec<_> = replicas.iter().map(|url| url.trim_start_matches("http://")).collect();
    let mut command = Command::new("node");
    command.arg("gateway.js").current_dir(npm::installed("gateway-node").await);
    command.envs([("PORT", "0"), ("GATEWAY_ID", "example"), ("SOCKETPASS_ADDRS", &addrs.join(","))]);
    let process = Process::start(&mut command);
    let line = process.output().line("listening on ").await;
    let addr = line.trim().strip_prefix("listening on ws://").unwrap().to_owned();
    (process, addr)
}

/// A browser's end of a WebSocket, as much of it as a test needs.
struct Browser(TcpStream);

impl Browser {
    async fn open(addr: &str, path: &str, cookie: &str) -> Self {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {addr}\r\nCookie: {cookie}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(PATIENCE, stream.read_u8()).await.expect("an answer").unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        Self(stream)
    }

    /// The next frame's opcode and content.
    async fn frame(&mut self) -> (u8, Vec<u8>) {
        let read = async {
            let [first, length] = [self.0.read_u8().await.unwrap(), self.0.read_u8().await.unwrap()];
            assert!(length < 126, "a short frame");
            let mut content = vec![0; length.into()];
            self.0.read_exact(&mut content).await.unwrap();
            (first & 0x0F, content)
        };
        timeout(PATIENCE, read).await.expect("a frame")
    }

    async fn text(&mut self) -> Value {
        let (opcode, content) = self.frame().await;
        assert_eq!(opcode, 1, "{content:?}");
        serde_json::from_slice(&content).unwrap()
    }

    /// Code and reason of the close frame.
    async fn closed(&mut self) -> (u16, String) {
        let (opcode, content) = self.frame().await;
        assert_eq!(opcode, 8, "{content:?}");
        (u16::from_be_bytes([content[0], content[1]]), String::from_utf8(content[2..].to_vec()).unwrap())
    }
}

async fn sockets(registry: &mut Registry) -> Vec<Socket> {
    let request = FilterSocketsRequest { filter: "true".to_owned(), ..FilterSocketsRequest::default() };
    let mut answers = registry.filter_sockets(request).await.unwrap().into_inner();
    let mut sockets = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        sockets.extend(answer.sockets);
    }
    sockets
}

async fn count(registry: &Registry) -> u64 {
    let request = CountSocketsRequest { filter: "true".to_owned(), ..CountSocketsRequest::default() };
    registry.clone().count_sockets(request).await.unwrap().into_inner().total
}

#[tokio::test]
async fn who_comes_in_is_listed_and_does_as_the_service_says() {
    let store = MemoryStore::new();
    store.insert(ANA_ID, ANA.to_owned());
    let service = Service::start_on(&[], Arc::new(store)).await;
    let mut registry = registry(&service.grpc).await;
    let (mut gateway, addr) = gateway(&[&service.grpc]).await;

    let mut nobody = Browser::open(&addr, "/", "theme=dark").await;
    assert_eq!(nobody.closed().await, (4507, "no_session_id".to_owned()));
    let mut ana = Browser::open(&addr, "/chat?room=1", &cookie(ANA_ID)).await;
    let mut another = Browser::open(&addr, "/news", &cookie(ANA_ID)).await;
    until("both are listed", async || count(&registry).await == 2).await;
    let listed = sockets(&mut registry).await;
    let chat = listed.iter().find(|socket| socket.namespace == "/chat").unwrap();
    assert_eq!((chat.gateway_id.as_str(), chat.remote_address.as_str()), ("example", "127.0.0.1"));
    let user = json_object(chat.user.as_ref().unwrap());
    assert_eq!(user, json!({"id": 1, "name": "Ana", "logged_in": true}));

    let args = [json!("hello"), json!({"a": [1, null, true]})];
    let request = SendToSocketsRequest {
        filter: "user.id == 1 && socket.namespace == '/chat'".to_owned(),
        event: "news".to_owned(),
        args: args.iter().cloned().map(socketpass::grpc::convert::value).collect(),
        ..SendToSocketsRequest::default()
    };
    let mut answers = registry.send_to_sockets(request).await.unwrap().into_inner();
    while let Some(answer) = answers.message().await.unwrap() {
        assert_eq!((answer.failed, answer.unreachable), (0, 0));
    }
    assert_eq!(ana.text().await, json!({"event": "news", "args": args}));

    let request = socketpass::grpc::pb::DisconnectSocketsRequest {
        filter: "socket.namespace == '/chat'".to_owned(),
        ..Default::default()
    };
    let mut answers = registry.disconnect_sockets(request).await.unwrap().into_inner();
    let mut done = 0;
    while let Some(answer) = answers.message().await.unwrap() {
        done = answer.done;
    }
    assert_eq!((done, ana.closed().await), (1, (4505, "disconnected".to_owned())));
    until("it is listed no more", async || count(&registry).await == 1).await;

    // It says goodbye: its sockets do not stay until the lease ends.
    gateway.signal("TERM");
    assert_eq!(another.closed().await, (4001, "gateway_draining".to_owned()));
    assert_eq!(gateway.exit_code().await, Some(0));
    until("it is gone", async || count(&registry).await == 0).await;
}

#[tokio::test]
async fn a_user_that_changes_is_told_and_a_session_that_ends_takes_its_socket_along() {
    let store = Arc::new(MemoryStore::new());
    store.insert(ANA_ID, ANA.to_owned());
    let service = Service::start_on(&[("REVALIDATE_INTERVAL", "1s")], Arc::clone(&store) as _).await;
    let mut registry = registry(&service.grpc).await;
    let (_gateway, addr) = gateway(&[&service.grpc]).await;
    let mut ana = Browser::open(&addr, "/", &cookie(ANA_ID)).await;
    until("it is listed", async || count(&registry).await == 1).await;

    let user = json!({"id": 1, "name": "Ana Kowalska"});
    store.insert(ANA_ID, json!({"cookie": {}, "passport": {"user": user}}).to_string());
    let now = json!({"id": 1, "name": "Ana Kowalska", "logged_in": true});
    assert_eq!(ana.text().await, json!({"event": "user", "args": [now]}));
    assert_eq!(json_object(sockets(&mut registry).await[0].user.as_ref().unwrap()), now);
    store.remove(ANA_ID);
    assert_eq!(ana.closed().await, (4500, "session_not_found".to_owned()));
    until("it is listed no more", async || count(&registry).await == 0).await;
}

#[tokio::test]
async fn a_replica_that_hangs_is_left_for_another() {
    // Each keeps a registry of its own: what the second lists was reported to it.
    let settings = [("SESSION_STORE", "memory:"), ("POLICY_ACCEPT", "true"), ("REGISTRY_LEASE", "2s")];
    let (hangs, stays) = (ServiceProcess::start(&settings).await, ServiceProcess::start(&settings).await);
    let (_gateway, addr) = gateway(&[&hangs.grpc, &stays.grpc]).await;
    let _browser = Browser::open(&addr, "/", "theme=dark").await;
    let first = registry(&hangs.grpc).await;
    until("it is listed there", async || count(&first).await == 1).await;
    hangs.process.signal("STOP");
    let second = registry(&stays.grpc).await;
    until("it is listed elsewhere", async || count(&second).await == 1).await;
    hangs.process.signal("CONT");
    until("it is not listed twice", async || count(&first).await == 0).await;
}
