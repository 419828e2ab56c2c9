//! Connections, shared by as many gateways as is asked for.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tonic::transport::Endpoint;

use crate::cli::service::{Bearer, CallerArgs, Service};

/// A replica that does not take a connection in this time is not there.
const CONNECT: Duration = Duration::from_secs(5);

/// A replica that is silent for so long is asked whether it is there, and left when it does not say so in time.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// The connections of a fleet, by their number and by the replica they lead to; made when they are first needed.
#[derive(Debug)]
pub(super) struct Channels {
    replicas: Vec<Endpoint>,
    connections: u32,
    bearer: Bearer,
    open: Mutex<HashMap<(u32, usize), Service>>,
}

impl Channels {
    pub(super) fn new(urls: &[String], connections: u32, caller: &CallerArgs) -> Result<Self, String> {
        let endpoint = |url: &String| {
            let endpoint = caller.endpoint(url).map_err(|error| error.to_string())?;
            Ok(endpoint
                .connect_timeout(CONNECT)
                .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
                .keep_alive_timeout(KEEPALIVE_TIMEOUT)
                .keep_alive_while_idle(true))
        };
        let replicas = urls.iter().map(endpoint).collect::<Result<Vec<_>, String>>()?;
        let bearer = caller.bearer().map_err(|error| error.to_string())?;
        if replicas.is_empty() {
            return Err("there is no address to report to".to_owned());
        }
        Ok(Self { replicas, connections: connections.max(1), bearer, open: Mutex::default() })
    }

    /// The connection for a gateway's stream: gateways are spread over the replicas, and each stream goes to the next one,
    /// so that a replica which is away keeps no gateway.
    pub(super) fn get(&self, gateway: u32, stream: usize) -> Service {
        let replica = usize::try_from(gateway).unwrap_or(0).wrapping_add(stream) % self.replicas.len();
        let connection = gateway % self.connections;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.entry((connection, replica))
            .or_insert_with(|| {
                let endpoint = self.replicas.get(replica);
                let endpoint =
                    endpoint.map_or_else(|| Endpoint::from_static("http://127.0.0.1:1"), Clone::clone);
                Service::new(endpoint.connect_lazy(), self.bearer.clone())
            })
            .clone()
    }
}
