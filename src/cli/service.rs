//! How commands reach a running service: where it is, and as whom they call.

use std::{fs, net::SocketAddr, path::PathBuf, time::Duration};

use clap::Args;
use http::HeaderValue;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use super::{Error, SettingArgs, reachable};
use crate::{
    config::{doors::Grpc, layers::Layers},
    telemetry::causes,
};

/// The variable that holds a token: on the command line others would see it.
pub const TOKEN_VARIABLE: &str = "SOCKETPASS_TOKEN";

/// As whom a command calls.
#[derive(Clone, Debug, Default, Args)]
pub struct CallerArgs {
    /// Call with the bearer token in this file [default: the one in SOCKETPASS_TOKEN, if any].
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Trust these authorities for TLS, in PEM, instead of the system's.
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
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
            if let Some(flag) =
                self.tls_ca.as_ref().map(|_| "--tls-ca").or(self.tls_cert.as_ref().map(|_| "--tls-cert"))
            {
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
        if let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) {
            tls = tls.identity(Identity::from_pem(read("--tls-cert", certificate)?, read("--tls-key", key)?));
        }
        endpoint.tls_config(tls).map_err(|error| Error::Input(format!("TLS: {}", causes(&error))))
    }

    /// Connects within this time.
    pub async fn connect(&self, endpoint: Endpoint, url: &str, within: Duration) -> Result<Service, Error> {
        let channel = endpoint.connect_timeout(within).connect().await.map_err(|error| {
            Error::Call(format!(
                "nothing answers at {url} ({}); is the service running there?",
                causes(&error)
            ))
        })?;
        Ok(InterceptedService::new(channel, self.bearer()?))
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
