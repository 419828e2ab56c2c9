//! How commands reach a running service: where it is, and as whom they call.

use std::{fs, net::SocketAddr, path::PathBuf, time::Duration};

use clap::Args;
use http::HeaderValue;
use tonic::{
    Code, Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use super::{Error, SettingArgs, reachable};
use crate::{
    config::{
        doors::Grpc,
        layers::{Layers, TOKEN_VARIABLE},
    },
    telemetry::causes,
};

/// As whom a command calls.
#[derive(Clone, Debug, Default, Args)]
pub struct CallerArgs {
    /// Call with the bearer token in this file [default: the one in SOCKETPASS_TOKEN, if any].
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Trust these authorities for TLS, in PEM, instead of the system's.
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// The name that the service's certificate is to have, where it is not the address'.
    #[arg(long, value_name = "NAME")]
    tls_server_name: Option<String>,
    /// Call with this client certificate, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The client certificate's key, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

/// A connection with the caller's token on each call.
pub type Service = InterceptedService<Channel, Bearer>;

/// Puts the token on each call.
#[derive(Clone, Debug, Default)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Bearer {
    /// The header's value, if there is a token.
    pub fn header(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_bytes(self.0.as_ref()?.as_bytes()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

impl CallerArgs {
    /// The token, from its file or the environment.
    pub fn bearer(&self) -> Result<Bearer, Error> {
        let (from, token) = match &self.token_file {
            Some(file) => {
                let text = fs::read_to_string(file)
                    .map_err(|error| Error::Input(format!("--token-file {}: {error}", file.display())))?;
                ("--token-file", Some(text.lines().next().unwrap_or_default().to_owned()))
            }
            None => (TOKEN_VARIABLE, std::env::var(TOKEN_VARIABLE).ok()),
        };
        let Some(token) = token else { return Ok(Bearer(None)) };
        let value =
            (!token.is_empty()).then(|| MetadataValue::try_from(format!("Bearer {token}")).ok()).flatten();
        let mut value = value.ok_or_else(|| Error::Input(format!("{from}: what is in it is no token")))?;
        value.set_sensitive(true);
        Ok(Bearer(Some(value)))
    }

    /// The service at this URL, not connected yet.
    pub fn endpoint(&self, url: &str) -> Result<Endpoint, Error> {
        let endpoint = Endpoint::from_shared(url.to_owned())
            .map_err(|error| Error::Input(format!("--addr {url}: {}", causes(&error))))?;
        if !url.starts_with("https://") {
            let given = [
                ("--tls-ca", self.tls_ca.is_some()),
                ("--tls-server-name", self.tls_server_name.is_some()),
                ("--tls-cert", self.tls_cert.is_some()),
            ];
            if let Some((flag, _)) = given.into_iter().find(|(_, is_given)| *is_given) {
                return Err(Error::Input(format!("{flag}: {url} is not TLS; give --addr https://HOST:PORT")));
            }
            return Ok(endpoint);
        }
        let read = |flag: &str, file: &PathBuf| {
            fs::read(file).map_err(|error| Error::Input(format!("{flag} {}: {error}", file.display())))
        };
        let mut tls = match &self.tls_ca {
            Some(file) => {
                ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read("--tls-ca", file)?))
            }
            None => ClientTlsConfig::new().with_native_roots(),
        };
        if let Some(name) = &self.tls_server_name {
            tls = tls.domain_name(name);
        }
        if let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) {
            tls = tls.identity(Identity::from_pem(read("--tls-cert", certificate)?, read("--tls-key", key)?));
        }
        endpoint.tls_config(tls).map_err(|error| Error::Input(format!("TLS: {}", causes(&error))))
    }

    /// Connects within this time.
    pub async fn connect(&self, endpoint: Endpoint, url: &str, within: Duration) -> Result<Service, Error> {
        let channel = endpoint.connect_timeout(within).connect().await.map_err(|error| {
            let causes = causes(&error);
            Error::Call(format!("nothing answers at {url} ({causes}); {}", way_out(url, &causes)))
        })?;
        Ok(InterceptedService::new(channel, self.bearer()?))
    }
}

/// What a status means to whoever typed the command that called this service.
pub fn refused(service: &str, url: &str, status: &Status) -> Error {
    let is_from_below = std::error::Error::source(status).is_some();
    match status.code() {
        Code::InvalidArgument => Error::Input(status.message().to_owned()),
        Code::Unimplemented => Error::Call(format!(
            "there is no {service} at {url}; is it http.addr instead of grpc.addr, or an older socketpass?"
        )),
        Code::Unauthenticated => Error::Call(format!(
            "{url} does not know who calls: {}; give --token-file or set {TOKEN_VARIABLE}",
            status.message(),
        )),
        Code::Unavailable => {
            Error::Call(format!("{url} is away for now ({}); ask again, or another replica", words(status)))
        }
        // What the connection came to, and no service said.
        Code::Unknown | Code::Cancelled | Code::Internal if is_from_below => {
            let causes = words(status);
            Error::Call(format!("no answer came from {url} ({causes}); {}", way_out(url, &causes)))
        }
        code => Error::Call(format!("{url}: {code:?}: {}", words(status))),
    }
}

/// What a status says, and of a lost connection what the system says.
pub fn words(status: &Status) -> String {
    let cause = std::error::Error::source(status).map(causes).unwrap_or_default();
    match (status.message(), cause.as_str()) {
        (message, "") => message.to_owned(),
        (message, cause) if cause.contains(message) => cause.to_owned(),
        (message, cause) => format!("{message}: {cause}"),
    }
}

/// What to do when a connection to this URL fails of these causes.
fn way_out(url: &str, causes: &str) -> &'static str {
    let is_about = |words: &[&str]| words.iter().any(|word| causes.contains(word));
    let is_refused = is_about(&["Connection refused", "lookup", "timed out", "unreachable", "elapsed"]);
    match url.starts_with("https://") {
        true if is_about(&["UnknownIssuer"]) => {
            "if its certificate is of an authority of your own, give --tls-ca FILE"
        }
        true if is_about(&["not valid for name"]) => {
            "give the name in its certificate with --tls-server-name NAME"
        }
        true if is_about(&["InvalidContentType", "corrupt message"]) => {
            "if it speaks no TLS, give --addr http://HOST:PORT"
        }
        true if !is_refused => "if it asks for a client certificate, give --tls-cert and --tls-key",
        false if !is_refused => "if it speaks TLS, give --addr https://HOST:PORT",
        _ => "is the service running there?",
    }
}

/// What to put before a service's address: as people write it, with or without the scheme.
pub fn url(addr: &str) -> Result<String, Error> {
    match addr.split_once("://") {
        None => Ok(format!("http://{addr}")),
        Some(("http" | "https", _)) => Ok(addr.to_owned()),
        Some(_) => Err(Error::Input("--addr: it begins with http://, https:// or nothing".to_owned())),
    }
}

/// The URL of the service that these settings are for.
pub fn url_of(layers: &Layers) -> Result<String, Error> {
    let grpc: SocketAddr = Grpc::load(layers)?.addr;
    Ok(reachable(if layers.speaks_tls() { "https" } else { "http" }, grpc))
}

/// Where the service is: given, or what the settings say.
pub fn url_or_settings(addr: Option<String>, settings: &SettingArgs) -> Result<String, Error> {
    addr.map_or_else(|| url_of(&settings.layers()), |addr| url(&addr))
}
