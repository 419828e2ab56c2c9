//! `demo`: the whole thing in one process, nothing to install.

use std::{io::Write as _, sync::Arc};

use clap::Args;
use cookie::Cookie;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Error, SettingArgs,
    explain::show_decision,
    reachable,
    serve::Signals,
    style::{COPY, DIM, HEADING},
};
use crate::{
    authorize::signature::Keys,
    config::Config,
    grpc::pb::{AuthorizeRequest, Handshake, authorization_service_client::AuthorizationServiceClient},
    server::Server,
    session_store::MemoryStore,
    task, telemetry,
};

/// Try it out: the service and three people's sessions in this process, nothing to install.
#[derive(Debug, Args)]
pub(super) struct Demo {
    #[command(flatten)]
    settings: SettingArgs,
}

/// Whatever the settings say, the demo is on these.
const FIXED: [(&str, &str); 2] = [("session.store", "memory:"), ("session.secrets", "keyboard cat")];

/// Less to read than a service's log: the demo says itself what happens.
const DEFAULT_LOG: (&str, &str) = ("log.filter", "warn");

struct Person {
    about: &'static str,
    session_id: &'static str,
    session: Value,
}

fn people() -> [Person; 3] {
    let logged_in = |id, name, role| json!({"cookie": {"path": "/"}, "passport": {"user": {"id": id, "name": name, "role": role}}});
    [
        Person {
            about: "Ana, logged in, an admin",
            session_id: "Zk3q9vWmT1n8yLxR4sPb7uCdEfGhJkMa",
            session: logged_in(1, "Ana", "admin"),
        },
        Person {
            about: "José, logged in, a member",
            session_id: "Bq8w2eRtY5u7iOpA3sDfG6hJkL9zXcVb",
            session: logged_in(2, "José", "member"),
        },
        Person {
            about: "somebody who has a session and has not logged in",
            session_id: "Xv5nM2bK8jH4gF6dS1aQ9wE3rT7yU0iO",
            session: json!({"cookie": {"path": "/"}, "passport": {}}),
        },
    ]
}

impl Demo {
    pub(super) async fn run(self) -> Result<(), Error> {
        let mut layers = self.settings.layers();
        layers.add_fixed("the demo", &FIXED);
        layers.add_defaults("the demo", &[DEFAULT_LOG]);
        let config = Config::load(&layers)?;
        let _telling = telemetry::start(&config.log, &config.telemetry)?;
        let signals = Signals::catch()?;
        let store = MemoryStore::new();
        for Person { session_id, session, .. } in people() {
            store.insert(session_id, session.to_string());
        }
        let server = Server::bind_on(&config, Arc::new(store)).await?;
        let (grpc, http) =
            (server.grpc_addr().unwrap_or(config.grpc.addr), server.http_addr().unwrap_or(config.http.addr));
        let shutdown = CancellationToken::new();
        let (nudge, _nothing_to_reload) = mpsc::channel(1);
        let _signals = task::owned(signals.obey(shutdown.clone(), nudge, server.audit()));
        let mut serving = task::owned(server.serve(shutdown.clone()));
        let http_url = reachable("http", http);
        let shown = tokio::select! {
            shown = show(&config, grpc, &http_url) => shown,
            ended = &mut serving => return ended.unwrap_or(Ok(())).map_err(Error::Server),
        };
        if shown.is_err() {
            shutdown.cancel();
        }
        let served = serving.await.unwrap_or(Ok(()));
        shown.and(served.map_err(Error::Server))
    }
}

async fn show(config: &Config, grpc: std::net::SocketAddr, http_url: &str) -> Result<(), Error> {
    let keys = Keys::new(&[SecretString::from("keyboard cat")]).map_err(crate::server::Error::Secrets)?;
    let name = &config.session.cookie;
    let [ana, _, anonymous] = people();
    let cookie = |person: &Person| cookie_header(name, &keys.sign(person.session_id).unwrap_or_default());
    let good = cookie(&ana);
    let tampered = good.replacen("Zk3q", "Zk3r", 1);
    let handshakes = [
        ("Ana's cookie, as her browser sends it", good.clone()),
        ("the cookie of somebody who has not logged in", cookie(&anonymous)),
        ("Ana's cookie, one letter changed", tampered),
    ];
    let grpc_url = reachable("http", grpc);
    let mut client = AuthorizationServiceClient::connect(grpc_url.clone()).await.map_err(|error| {
        Error::Call(format!("the demo cannot reach itself at {grpc_url}: {}", telemetry::causes(&error)))
    })?;

    let mut out = anstream::stdout();
    writeln!(out, "{HEADING}The service runs in this process, with three sessions in memory{HEADING:#}")?;
    for Person { about, .. } in people() {
        writeln!(out, "  {about}")?;
    }
    writeln!(out, "\n{HEADING}Three handshakes, and what a socket server is told about them{HEADING:#}")?;
    for (about, cookie) in handshakes {
        let handshake = Handshake { headers: [("cookie".to_owned(), cookie)].into(), ..Handshake::default() };
        let request = AuthorizeRequest { handshake: Some(handshake), gateway_id: "demo".to_owned() };
        let decision =
            client.authorize(request).await.map_err(|status| Error::Call(status.to_string()))?.into_inner();
        writeln!(out, "\n  {DIM}{about}{DIM:#}")?;
        let mut lines = Vec::new();
        show_decision(&mut lines, &decision)?;
        for line in String::from_utf8_lossy(&lines).lines() {
            writeln!(out, "  {line}")?;
        }
    }
    let program = std::env::current_exe().map_or("socketpass".to_owned(), |path| path.display().to_string());
    let addr = grpc_url.trim_start_matches("http://");
    let body = json!({"handshake": {"headers": {"cookie": good}}});
    writeln!(out, "\n{HEADING}In another terminal: why, step by step{HEADING:#}")?;
    writeln!(out, "  {COPY}{program} explain --addr {addr} --cookie '{good}'{COPY:#}")?;
    writeln!(out, "\n{HEADING}The same call from any language; here with grpcurl{HEADING:#}")?;
    writeln!(
        out,
        "  {COPY}grpcurl -plaintext -d '{body}' {addr} socketpass.v1.AuthorizationService/Authorize{COPY:#}"
    )?;
    writeln!(
        out,
        "\n{HEADING}Who is connected: ten thousand sockets of made-up people, and a look at them{HEADING:#}"
    )?;
    writeln!(out, "  {COPY}{program} bench registry --hold --addr {addr}{COPY:#}")?;
    writeln!(out, "  {COPY}{program} sockets list 'user.role == \"admin\"' --addr {addr}{COPY:#}")?;
    writeln!(
        out,
        "\nServing gRPC on {addr}, probes and metrics on {http_url} (/readyz, /metrics). Ctrl-C ends it."
    )?;
    Ok(out.flush()?)
}

/// The Cookie header that express-session's cookie comes back in.
pub(super) fn cookie_header(name: &str, signed: &str) -> String {
    Cookie::new(name, format!("s:{signed}")).encoded().stripped().to_string()
}
