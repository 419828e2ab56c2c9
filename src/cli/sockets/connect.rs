//! Where the service is, and what its refusals mean to whoever typed the command.

use std::time::Duration;

use clap::Args;
use tonic::{Code, Status};

use crate::{
    cli::{
        Error, SettingArgs,
        service::{self, CallerArgs, Service},
    },
    grpc::pb::registry_service_client::RegistryServiceClient,
};

/// A service that is silent for so long is asked whether it is there: a watch may have nothing to say for hours, and must
/// not wait for one that is gone.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the service is.
#[derive(Debug, Args)]
pub struct ConnectArgs {
    /// Ask the service there [default: grpc.addr of the settings].
    #[arg(long, value_name = "ADDRESS:PORT")]
    addr: Option<String>,
    /// How long to wait for the connection, and for an answer that is one message.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = crate::cli::duration)]
    timeout: Duration,
    #[command(flatten)]
    caller: CallerArgs,
    #[command(flatten)]
    settings: SettingArgs,
}

/// A service that answers.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Connection {
    /// Calls its methods; cheap to clone.
    pub(in crate::cli) client: RegistryServiceClient<Service>,
    url: String,
    timeout: Duration,
}

/// Why a call failed.
#[derive(Debug)]
pub(in crate::cli) struct Failed {
    pub(in crate::cli) error: Error,
    /// Some of what it asked for may be done, or still be going on.
    pub(in crate::cli) may_be_done: bool,
}

impl ConnectArgs {
    pub(in crate::cli) async fn connect(self) -> Result<Connection, Error> {
        let Self { addr, timeout, caller, settings } = self;
        let url = service::url_or_settings(addr, &settings)?;
        let endpoint = caller
            .endpoint(&url)?
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
        let service = caller.connect(endpoint, &url, timeout).await?;
        // Messages of 500 sockets, each as large as a user may be.
        let client = RegistryServiceClient::new(service).max_decoding_message_size(usize::MAX);
        Ok(Connection { client, url, timeout })
    }
}

impl Connection {
    /// Waits for an answer that is one message.
    pub(in crate::cli) async fn answer<T>(
        &self,
        call: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Result<T, Error> {
        self.attempt(call).await.map_err(|failed| failed.error)
    }

    /// The same, for what it matters whether something of it may have been done.
    pub(in crate::cli) async fn attempt<T>(
        &self,
        call: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Result<T, Failed> {
        let Ok(answer) = tokio::time::timeout(self.timeout, call).await else {
            let words = format!("no answer from {} within {:?}; see --timeout", self.url, self.timeout);
            return Err(Failed { error: Error::Call(words), may_be_done: true });
        };
        answer.map(tonic::Response::into_inner).map_err(|status| Failed {
            error: self.refused(&status),
            may_be_done: is_lost(&status) || status.code() == Code::DeadlineExceeded,
        })
    }

    /// What a status means to whoever typed the command.
    pub(in crate::cli) fn refused(&self, status: &Status) -> Error {
        service::refused("RegistryService", &self.url, status)
    }
}

/// Whether the connection or the replica went, and not the request: another attempt may well succeed.
pub(in crate::cli) fn is_lost(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable => true,
        // How a connection's end reads to a stream that was open on it.
        Code::Unknown | Code::Cancelled | Code::Internal => std::error::Error::source(status).is_some(),
        _ => false,
    }
}
