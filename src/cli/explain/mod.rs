//! `explain`: why a handshake is accepted or refused.

use std::{
    io::{IsTerminal as _, Read as _, stdin},
    time::Duration,
};

use clap::Args;

use super::{
    Error, SettingArgs,
    service::{self, CallerArgs},
};
use crate::{
    authorize::explain::Steps,
    config::{Config, layers::Layers, session::Session},
    grpc::{
        convert,
        pb::{
            AuthorizeRequest, ExplainRequest, ExplainResponse, Handshake,
            authorization_service_client::AuthorizationServiceClient,
        },
    },
    server, session_store,
};

mod curl;
mod input;
mod request;
mod show;

pub(super) use self::show::{as_json, decision as show_decision, steps as show_steps};

pub(super) const LONG_ABOUT: &str = "\
Explain why a handshake is accepted or refused, step by step.

The handshake comes from flags, from a raw HTTP request or a curl command line on standard input, or from a curl command \
line as a browser's developer tools copy it (Copy as cURL), pasted behind the command:

  socketpass explain curl 'https://app.example/socket.io/?EIO=4' -H 'Cookie: connect.sid=s%3A...'";

/// Explain why a handshake is accepted or refused.
#[derive(Debug, Args)]
pub(super) struct Explain {
    #[command(flatten)]
    handshake: HandshakeArgs,
    /// Ask the service there [default: grpc.addr of the settings].
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "local")]
    addr: Option<String>,
    /// Decide here, from the settings, without a running service.
    #[arg(long)]
    local: bool,
    /// Ask for the decision alone, as gateways do and with a gateway's token.
    #[arg(long, conflicts_with = "local")]
    decision_only: bool,
    /// How long to wait for the answer.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = crate::cli::duration)]
    timeout: Duration,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    caller: CallerArgs,
    #[command(flatten)]
    settings: SettingArgs,
    /// A curl command line, `curl` included.
    #[arg(value_name = "curl …", trailing_var_arg = true, allow_hyphen_values = true)]
    curl: Vec<String>,
}

/// A handshake by flags.
#[derive(Debug, Args)]
pub(super) struct HandshakeArgs {
    /// Cookie header, `name=value; …`, or the session cookie's value alone, `s%3A…`.
    #[arg(long, value_name = "COOKIE")]
    pub(super) cookie: Option<String>,
    /// Header, `Name: value`; may be given several times.
    #[arg(long, value_name = "HEADER")]
    pub(super) header: Vec<String>,
    /// Request target with query, or a whole URL.
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<String>,
    /// `session_id` of Socket.IO's auth payload.
    #[arg(long, value_name = "ID")]
    pub(super) auth_session_id: Option<String>,
    /// Socket.IO namespace, or the path of a plain WebSocket.
    #[arg(long, value_name = "NAMESPACE")]
    pub(super) namespace: Option<String>,
    /// The client's address.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) remote_address: Option<String>,
    /// The gateway knows the handshake to be cross-domain.
    #[arg(long)]
    pub(super) xdomain: bool,
}

/// More than any handshake that a server would take.
const STDIN_BYTES: u64 = 1 << 20;

impl Explain {
    pub(super) async fn run(self) -> Result<(), Error> {
        let Self { handshake, addr, local, decision_only, timeout, json, caller, settings, curl } = self;
        let layers = settings.layers();
        let cookie_name = cookie_name(&layers);
        let pasted = if !curl.is_empty() {
            curl::handshake(curl)?
        } else if handshake.is_empty() {
            input::handshake(&read_stdin()?)?
        } else {
            Handshake::default()
        };
        let handshake = handshake.add_to(pasted, &cookie_name)?;
        let answer = if local {
            decide_here(handshake, &layers).await?
        } else {
            let url = service::url_or_settings(addr, &settings)?;
            tokio::time::timeout(timeout, ask(handshake, &url, &caller, timeout, decision_only))
                .await
                .map_err(|_elapsed| Error::Call(format!("no answer from {url} within {timeout:?}")))??
        };
        if json { show::json(&answer) } else { show::text(&answer) }
    }
}

impl HandshakeArgs {
    fn is_empty(&self) -> bool {
        let Self { cookie, header, url, auth_session_id, namespace: _, remote_address: _, xdomain: _ } = self;
        cookie.is_none() && header.is_empty() && url.is_none() && auth_session_id.is_none()
    }

    /// What is given by flags counts over what was pasted.
    pub(super) fn add_to(self, mut handshake: Handshake, cookie_name: &str) -> Result<Handshake, Error> {
        let Self { cookie, header, url, auth_session_id, namespace, remote_address, xdomain } = self;
        let mut headers = request::Headers::default();
        for header in header {
            headers
                .add_line(&header)
                .ok_or_else(|| Error::Input("--header: it has no `:` after its name".to_owned()))?;
        }
        if let Some(cookie) = cookie {
            let bare = cookie.starts_with("s:") || cookie.starts_with("s%3A") || cookie.starts_with("s%3a");
            headers.add("cookie", if bare { format!("{cookie_name}={cookie}") } else { cookie });
        }
        handshake.headers.extend(headers.into_map());
        if let Some(url) = url {
            handshake.url = url;
        }
        if let Some(id) = auth_session_id {
            let id = prost_types::Value { kind: Some(prost_types::value::Kind::StringValue(id)) };
            handshake.auth = Some(prost_types::Struct { fields: [("session_id".to_owned(), id)].into() });
        }
        handshake.namespace = namespace.unwrap_or(handshake.namespace);
        handshake.remote_address = remote_address.unwrap_or(handshake.remote_address);
        handshake.xdomain |= xdomain;
        Ok(handshake)
    }
}

fn read_stdin() -> Result<Vec<u8>, Error> {
    if stdin().is_terminal() {
        return Err(Error::Input(
            "there is no handshake: give --cookie, --header or --url, paste a curl command line behind `explain`, or a \
             raw HTTP request on standard input"
                .to_owned(),
        ));
    }
    let mut text = Vec::new();
    stdin()
        .lock()
        .take(STDIN_BYTES)
        .read_to_end(&mut text)
        .map_err(|error| Error::Input(format!("standard input: {error}")))?;
    Ok(text)
}

/// The session cookie's name, as far as this command can know it: whoever asks a service far away may have no settings.
pub(super) fn cookie_name(layers: &Layers) -> String {
    Session::cookie_name(layers)
}

async fn ask(
    handshake: Handshake,
    url: &str,
    caller: &CallerArgs,
    within: Duration,
    decision_only: bool,
) -> Result<ExplainResponse, Error> {
    let service = caller.connect(caller.endpoint(url)?, url, within).await.map_err(|error| match error {
        Error::Call(words) => Error::Call(format!("{words} `--local` decides from the settings instead")),
        other => other,
    })?;
    // A user as large as a session may be.
    let mut client = AuthorizationServiceClient::new(service).max_decoding_message_size(usize::MAX);
    let (handshake, gateway_id) = (Some(handshake), "socketpass explain".to_owned());
    let answer = if decision_only {
        let answer = client.authorize(AuthorizeRequest { handshake, gateway_id }).await;
        answer.map(|decided| ExplainResponse { decision: Some(decided.into_inner()), steps: Vec::new() })
    } else {
        client.explain(ExplainRequest { handshake, gateway_id }).await.map(tonic::Response::into_inner)
    };
    answer.map_err(|status| service::refused("AuthorizationService", url, &status))
}

async fn decide_here(handshake: Handshake, layers: &Layers) -> Result<ExplainResponse, Error> {
    let config = Config::load(layers)?;
    let _logging = crate::telemetry::start_log(&config.log);
    let authorizer = server::authorizer(&config, session_store::open(&config.session))?;
    let handshake = convert::handshake(Some(handshake), "")
        .map_err(|status| Error::Input(status.message().to_owned()))?;
    let mut steps = Steps::default();
    let decision = authorizer.decide(&handshake, &mut steps).await;
    Ok(convert::explained(decision, steps.0))
}
