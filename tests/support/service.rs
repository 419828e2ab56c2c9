//! The service, in this process or in one of its own.

use std::{collections::BTreeMap, sync::Arc};

use socketpass::{
    config::{Config, Faults, layers::Layers},
    grpc::pb::{
        AuthorizeRequest, AuthorizeResponse, ExplainRequest, ExplainResponse, Handshake,
        authorization_service_client::AuthorizationServiceClient,
    },
    server::Server,
    session_store::SessionStore,
};
use tokio::{process::Command, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

use super::{SECRET, process::Process};

pub type Client = AuthorizationServiceClient<Channel>;

/// Settings by variable, each over what a test needs.
pub fn config(settings: &[(&str, &str)]) -> Result<Config, Faults> {
    Config::load(&layers(settings))
}

/// The same, not read yet.
pub fn layers(settings: &[(&str, &str)]) -> Layers {
    let needed = [("GRPC_ADDR", "127.0.0.1:0"), ("HTTP_ADDR", "127.0.0.1:0"), ("SESSION_SECRETS", SECRET)];
    let settings: BTreeMap<_, _> = needed.iter().chain(settings).copied().collect();
    let mut layers = Layers::default();
    layers.add_environment(
        settings.iter().map(|(name, value)| (format!("SOCKETPASS_{name}"), (*value).to_owned())),
    );
    layers
}

/// A service in this process.
pub struct Service {
    pub grpc: String,
    pub http: String,
    stop: CancellationToken,
    serving: JoinHandle<Result<(), socketpass::server::Error>>,
}

impl Service {
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        Self::serve(Server::bind(&config(settings).unwrap()).await.unwrap())
    }

    pub async fn start_on(settings: &[(&str, &str)], store: Arc<dyn SessionStore>) -> Self {
        Self::serve(Server::bind_on(&config(settings).unwrap(), store).await.unwrap())
    }

    fn serve(server: Server) -> Self {
        let stop = CancellationToken::new();
        let grpc = format!("http://{}", server.grpc_addr().unwrap());
        let http = format!("http://{}", server.http_addr().unwrap());
        let serving = tokio::spawn(server.serve(stop.clone()));
        Self { grpc, http, stop, serving }
    }

    pub async fn channel(&self) -> Channel {
        channel(&self.grpc).await
    }

    pub async fn client(&self) -> Client {
        client(&self.grpc).await
    }

    /// Drains and waits for the end.
    pub async fn stop(self) {
        self.stop.cancel();
        self.serving.await.unwrap().unwrap();
    }
}

pub async fn channel(url: &str) -> Channel {
    Endpoint::from_shared(url.to_owned()).unwrap().connect().await.unwrap()
}

pub async fn client(url: &str) -> Client {
    Client::new(channel(url).await).max_decoding_message_size(usize::MAX)
}

/// A service in a process of its own, as operators run it.
pub struct ServiceProcess {
    pub process: Process,
    pub grpc: String,
    pub http: String,
}

impl ServiceProcess {
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        Self::run(&mut command(settings)).await
    }

    pub async fn run(command: &mut Command) -> Self {
        let process = Process::start(command);
        let line: serde_json::Value =
            serde_json::from_str(&process.output().line("\"serving\"").await).unwrap();
        let url = |name: &str| format!("http://{}", line[name].as_str().unwrap());
        Self { grpc: url("grpc_addr"), http: url("http_addr"), process }
    }

    pub async fn client(&self) -> Client {
        client(&self.grpc).await
    }
}

/// `socketpass serve` with these settings and no others.
pub fn command(settings: &[(&str, &str)]) -> Command {
    let mut command = socketpass();
    let needed = [("GRPC_ADDR", "127.0.0.1:0"), ("HTTP_ADDR", "127.0.0.1:0"), ("SESSION_SECRETS", SECRET)];
    command.arg("serve");
    for (name, value) in needed.iter().chain(settings) {
        command.env(format!("SOCKETPASS_{name}"), value);
    }
    command
}

/// The program, with no settings from outside.
pub fn socketpass() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_socketpass"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SOCKETPASS_")) {
        command.env_remove(name);
    }
    command
}

pub fn with_cookie(cookie: &str) -> Handshake {
    with_headers(&[("cookie", cookie)])
}

pub fn with_headers(headers: &[(&str, &str)]) -> Handshake {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Handshake { headers, ..Handshake::default() }
}

pub fn request(handshake: Handshake) -> AuthorizeRequest {
    AuthorizeRequest { handshake: Some(handshake), gateway_id: "test".to_owned() }
}

pub async fn authorize(client: &mut Client, handshake: Handshake) -> AuthorizeResponse {
    client.authorize(request(handshake)).await.unwrap().into_inner()
}

pub async fn explain(client: &mut Client, handshake: Handshake) -> ExplainResponse {
    let request = ExplainRequest { handshake: Some(handshake), gateway_id: "test".to_owned() };
    client.explain(request).await.unwrap().into_inner()
}
