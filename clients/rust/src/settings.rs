//! What can be set, and what of it cannot be.

use std::{collections::BTreeMap, error::Error, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use http::{Uri, uri::Authority};
#[cfg(feature = "axum")]
use serde_json::Value;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use crate::{
    client::SocketPass,
    decision::{Attempt, HookResult},
    replicas::{Target, in_full},
    sockets::Socket,
    token::{Token, bearer},
};

/// As the service takes them.
const GATEWAY_ID_BYTES: usize = 256;
const LABELS: usize = 32;
const LABEL_NAME_BYTES: usize = 63;
const LABEL_VALUE_BYTES: usize = 256;

/// Longer times are mistakes, and the clock's arithmetic has an end.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// A setting that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{setting}` {problem}")]
pub struct SettingError {
    /// The setting's name.
    pub setting: &'static str,
    /// What it takes, and why this cannot be.
    pub problem: String,
}

fn wrong<T>(setting: &'static str, problem: impl Into<String>) -> Result<T, SettingError> {
    Err(SettingError { setting, problem: problem.into() })
}

/// What becomes of a handshake that the service could not decide on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnavailable {
    /// Nobody gets in.
    #[default]
    Reject,
    /// Everybody gets in, as nobody.
    Accept,
}

/// PEM files for TLS. Without any, the system's authorities are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl Tls {
    /// Trusts the system's authorities.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts these authorities, and no others.
    #[must_use]
    pub fn ca(self, file: impl Into<PathBuf>) -> Self {
        Self { ca: Some(file.into()), ..self }
    }

    /// This process' certificate, for mTLS. It goes together with a key.
    #[must_use]
    pub fn cert(self, file: impl Into<PathBuf>) -> Self {
        Self { cert: Some(file.into()), ..self }
    }

    /// The key of the certificate.
    #[must_use]
    pub fn key(self, file: impl Into<PathBuf>) -> Self {
        Self { key: Some(file.into()), ..self }
    }

    async fn read(&self, host: &str) -> Result<ClientTlsConfig, SettingError> {
        let config = ClientTlsConfig::new().domain_name(host);
        let config = match &self.ca {
            Some(ca) => config.ca_certificate(Certificate::from_pem(pem("tls.ca", ca).await?)),
            None => config.with_native_roots(),
        };
        match (&self.cert, &self.key) {
            (None, None) => Ok(config),
            (Some(cert), Some(key)) => {
                Ok(config
                    .identity(Identity::from_pem(pem("tls.cert", cert).await?, pem("tls.key", key).await?)))
            }
            (Some(_), None) => wrong("tls.key", "goes together with `tls.cert`: name the file with its key"),
            (None, Some(_)) => {
                wrong("tls.cert", "goes together with `tls.key`: name the file with its certificate")
            }
        }
    }
}

async fn pem(setting: &'static str, file: &PathBuf) -> Result<Vec<u8>, SettingError> {
    let text = match tokio::fs::read(file).await {
        Ok(text) => text,
        Err(error) => {
            return wrong(setting, format!("names {}, which cannot be read: {error}", file.display()));
        }
    };
    if text.windows(11).any(|window| window == b"-----BEGIN ") {
        Ok(text)
    } else {
        wrong(setting, format!("names {}, which is no PEM file", file.display()))
    }
}

pub(crate) type Hook = Arc<dyn Fn(Attempt) -> Pin<Box<dyn Future<Output = HookResult> + Send>> + Send + Sync>;
pub(crate) type UserChanged = Arc<dyn Fn(&Socket) + Send + Sync>;
#[cfg(feature = "axum")]
pub(crate) type WriteEvent = Arc<dyn Fn(&str, &[Value]) -> String + Send + Sync>;

/// What is set of the client. [`SocketPass::builder`] makes one, [`Builder::connect`] makes the client.
#[must_use = "a builder does nothing until it connects"]
pub struct Builder {
    address: String,
    tls: Option<Tls>,
    token: Result<Token, SettingError>,
    pub(crate) gateway_id: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) timeout: Duration,
    pub(crate) on_unavailable: OnUnavailable,
    pub(crate) close_after_loss: Option<Duration>,
    pub(crate) success: Option<Hook>,
    pub(crate) fail: Option<Hook>,
    pub(crate) user_changed: Option<UserChanged>,
    #[cfg(feature = "axum")]
    pub(crate) write_event: WriteEvent,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:50051".into(),
            tls: None,
            token: Ok(Token::None),
            gateway_id: format!(
                "{}-{:06x}",
                gethostname::gethostname().display(),
                rand::random_range(0..0x100_0000)
            ),
            labels: BTreeMap::new(),
            timeout: Duration::from_secs(5),
            on_unavailable: OnUnavailable::Reject,
            close_after_loss: None,
            success: None,
            fail: None,
            user_changed: None,
            #[cfg(feature = "axum")]
            write_event: Arc::new(|event, args| {
                serde_json::json!({"event": event, "args": args}).to_string()
            }),
        }
    }
}

impl Builder {
    /// Where socketpass is, `host:port`; default `127.0.0.1:50051`. A name is asked for its addresses again and again,
    /// and calls go round all of them.
    pub fn address(self, address: impl Into<String>) -> Self {
        Self { address: address.into(), ..self }
    }

    /// Speaks TLS. Default: plaintext.
    pub fn tls(self, tls: Tls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// What `socketpass token` made. Default: none.
    pub fn token(self, token: impl AsRef<str>) -> Self {
        let token = match bearer(token.as_ref()) {
            Some(value) => Ok(Token::Text(value)),
            None => {
                wrong("token", "takes a text of visible ASCII characters, as `socketpass token` makes it")
            }
        };
        Self { token, ..self }
    }

    /// A function that gives the token and is asked for every call, so that it can be exchanged while the process runs.
    pub fn token_from<F, G, E>(self, give: F) -> Self
    where
        F: Fn() -> G + Send + Sync + 'static,
        G: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let token = Token::From(Arc::new(move || {
            let given = give();
            Box::pin(async move { given.await.map_err(Into::into) })
        }));
        Self { token: Ok(token), ..self }
    }

    /// This process' name in the fleet, 1 to 256 bytes. Default: the host's name, `-`, and six random hex digits. Give a
    /// name that is the same after a restart (a pod's name): then nothing is listed twice for a lease.
    pub fn gateway_id(self, gateway_id: impl Into<String>) -> Self {
        Self { gateway_id: gateway_id.into(), ..self }
    }

    /// A label of this process, for filters. At most 32, names of 1 to 63 bytes, values of at most 256.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// How long an Authorize may take, repetitions included. Default: 5 s.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// What becomes of handshakes that the service could not decide on. Default: reject.
    pub fn on_unavailable(self, on_unavailable: OnUnavailable) -> Self {
        Self { on_unavailable, ..self }
    }

    /// How long a socket may be open without a stream to the service until it is closed. Default: for ever.
    pub fn close_after_loss(self, after: Duration) -> Self {
        Self { close_after_loss: Some(after), ..self }
    }

    /// Asked about each handshake that was accepted.
    pub fn success<F, G>(self, hook: F) -> Self
    where
        F: Fn(Attempt) -> G + Send + Sync + 'static,
        G: Future<Output = HookResult> + Send + 'static,
    {
        Self { success: Some(Arc::new(move |attempt| Box::pin(hook(attempt)))), ..self }
    }

    /// Asked about each handshake that is to be rejected.
    pub fn fail<F, G>(self, hook: F) -> Self
    where
        F: Fn(Attempt) -> G + Send + Sync + 'static,
        G: Future<Output = HookResult> + Send + 'static,
    {
        Self { fail: Some(Arc::new(move |attempt| Box::pin(hook(attempt)))), ..self }
    }

    /// Told when the user behind a socket has changed. It must not wait: the stream is waiting for it.
    pub fn user_changed(self, hook: impl Fn(&Socket) + Send + Sync + 'static) -> Self {
        Self { user_changed: Some(Arc::new(hook)), ..self }
    }

    /// How an event that the fleet sends is written into a WebSocket's text message. Default:
    /// `{"event": event, "args": [...]}`.
    #[cfg(feature = "axum")]
    pub fn write_event(self, write: impl Fn(&str, &[Value]) -> String + Send + Sync + 'static) -> Self {
        Self { write_event: Arc::new(write), ..self }
    }

    /// Makes the client and opens its stream. That socketpass cannot be reached is no error: it is tried again.
    ///
    /// # Errors
    ///
    /// When a setting cannot be.
    pub async fn connect(self) -> Result<SocketPass, SettingError> {
        let target = self.target().await?;
        self.check()?;
        Ok(SocketPass::start(self, target).await)
    }

    async fn target(&self) -> Result<Target, SettingError> {
        let takes = "takes `host:port`, without a scheme";
        let Ok(authority) = self.address.parse::<Authority>() else {
            return wrong("address", format!("{takes}; it is {:?}", self.address));
        };
        if authority.port_u16().is_none() || authority.host().is_empty() || self.address.contains('@') {
            return wrong("address", format!("{takes}; it is {:?}", self.address));
        }
        let tls = match &self.tls {
            Some(tls) => Some(tls.read(authority.host().trim_matches(['[', ']'])).await?),
            None => None,
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let Ok(name) = Uri::try_from(format!("{scheme}://{authority}")) else {
            return wrong("address", format!("{takes}; it is {:?}", self.address));
        };
        let target = Target { name, tls, token: self.token.clone()? };
        // The files are looked into here, and not when the first replica is connected to.
        match target.endpoint(&self.address) {
            Ok(_) => Ok(target),
            Err(error) => {
                wrong("tls", format!("takes PEM files with certificates and a key: {}", in_full(&error)))
            }
        }
    }

    fn check(&self) -> Result<(), SettingError> {
        if !(1..=GATEWAY_ID_BYTES).contains(&self.gateway_id.len())
            || self.gateway_id.contains(char::is_control)
        {
            return wrong(
                "gateway_id",
                format!("takes 1 to 256 bytes without control characters; it has {}", self.gateway_id.len()),
            );
        }
        if self.labels.len() > LABELS {
            return wrong("labels", format!("takes at most {LABELS}; there are {}", self.labels.len()));
        }
        for (name, value) in &self.labels {
            if !(1..=LABEL_NAME_BYTES).contains(&name.len()) {
                return wrong(
                    "labels",
                    format!("takes names of 1 to {LABEL_NAME_BYTES} bytes; one is {name:?}"),
                );
            }
            if value.len() > LABEL_VALUE_BYTES {
                return wrong(
                    "labels",
                    format!(
                        "takes values of at most {LABEL_VALUE_BYTES} bytes; {name:?} has {}",
                        value.len()
                    ),
                );
            }
        }
        if self.timeout.is_zero() || self.timeout > LONGEST {
            return wrong("timeout", "takes a time longer than zero, and a day at most");
        }
        if self.close_after_loss.is_some_and(|after| after > LONGEST) {
            return wrong("close_after_loss", "takes a day at most; leave it out for never");
        }
        if self.close_after_loss.is_some_and(|after| after.is_zero()) {
            return wrong("close_after_loss", "takes a time longer than zero; leave it out for never");
        }
        Ok(())
    }
}
