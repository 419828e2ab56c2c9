//! `healthcheck`: for containers, whose image has no other program to ask with.

use std::{io::Write as _, time::Duration};

use clap::Args;
use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{Error, SettingArgs, reachable, service};
use crate::{config::doors::Http, telemetry::causes};

/// Ask a running service whether it is healthy; exit 0 when it is, 1 when it is not.
#[derive(Debug, Args)]
pub(super) struct Healthcheck {
    /// The service's plaintext address [default: http.addr of the settings].
    #[arg(long, value_name = "ADDRESS:PORT")]
    addr: Option<String>,
    /// What to ask for: `readiness`, `liveness`, or a gRPC service by its full name.
    #[arg(long, default_value = "readiness")]
    service: String,
    /// How long to wait for the answer.
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = crate::cli::duration)]
    timeout: Duration,
    #[command(flatten)]
    settings: SettingArgs,
}

impl Healthcheck {
    pub(super) async fn run(self) -> Result<(), Error> {
        let Self { addr, service, timeout, settings } = self;
        let url = match addr {
            Some(addr) => service::url(&addr)?,
            None => reachable("http", Http::load(&settings.layers())?.addr),
        };
        let ask = async {
            let endpoint = Endpoint::from_shared(url.clone())
                .map_err(|error| Error::Input(format!("--addr: {error}")))?;
            let unreachable = |error: tonic::transport::Error| {
                Error::Call(format!(
                    "nothing answers at {url} ({}); is it http.addr of a running service?",
                    causes(&error)
                ))
            };
            let channel = endpoint.connect().await.map_err(unreachable)?;
            let answer =
                HealthClient::new(channel).check(HealthCheckRequest { service: service.clone() }).await;
            answer.map_err(|status| {
                Error::Call(format!("{service}: {} ({:?})", status.message(), status.code()))
            })
        };
        let answer = tokio::time::timeout(timeout, ask)
            .await
            .map_err(|_elapsed| Error::Call(format!("no answer from {url} within {timeout:?}")))??;
        match answer.into_inner().status() {
            ServingStatus::Serving => Ok(writeln!(anstream::stdout(), "{service}: SERVING")?),
            status => Err(Error::Call(format!("{service}: {}", status.as_str_name()))),
        }
    }
}
