//! Connections, shared by as many gateways as is asked for.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tonic::transport::{Channel, Endpoint};

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
    open: Mutex<HashMap<(u32, usize), Channel>>,
}

impl Channels {
    pub(super) fn new(urls: &[String], connections: u32) -> Result<Self, String> {
        let endpoint = |url: &String| {
            let endpoint = Endpoint::from_shared(url.clone())
                .map_err(|error| format!("{url} is no address: {error}"))?;
            Ok(endpoint
                .connect_timeout(CONNECT)
                .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
                .keep_alive_timeout(KEEPALIVE_TIMEOUT)
                .keep_alive_while_idle(true))
        };
        let replicas = urls.iter().map(endpoint).collect::<Result<Vec<_>, String>>()?;
        if replicas.is_empty() {
            return Err("there is no address to report to".to_owned());
        }
        Ok(Self { replicas, connections: connections.max(1), open: Mutex::default() })
    }

    /// The connection for a gateway's stream: gateways are spread over the replicas, and each stream goes to the next one,
    /// so that a replica which is away keeps no gateway.
    pub(super) fn get(&self, gateway: u32, stream: usize) -> Channel {
        let replica = usize::try_from(gateway).unwrap_or(0).wrapping_add(stream) % self.replicas.len();
        let connection = gateway % self.connections;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.entry((connection, replica))
            .or_insert_with(|| {
                self.replicas
                    .get(replica)
                    .map_or_else(|| Endpoint::from_static("http://127.0.0.1:1"), Clone::clone)
                    .connect_lazy()
            })
            .clone()
    }
}
