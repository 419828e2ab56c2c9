//! A fleet of gateways that are not there: each has a stream of its own, reports sockets of realistic users, opens and
//! closes them at a rate, and does what the service says. Load for measurements and tests, and for sizing a deployment.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::{sync::watch, task::JoinSet};

mod channels;
mod codec;
mod counters;
mod dice;
mod gateway;
mod pace;
mod people;
mod places;
mod stream;
mod wire;
mod world;

use self::{
    channels::Channels,
    counters::Counters,
    gateway::{Gateway, Shared},
    world::World,
};
pub use self::{counters::Counts, people::TEAMS};
use crate::{
    cli::service::CallerArgs,
    grpc::pb::{Hello, Socket},
};

/// What fleet.
#[derive(Clone, Debug)]
pub struct FleetOptions {
    /// The service's replicas, as URLs; at least one. Gateways are spread over them, and move on to the next when a
    /// stream ends.
    pub urls: Vec<String>,
    /// Gateways, at least 1.
    pub gateways: u32,
    /// Sockets in all that are open from the start, spread evenly.
    pub sockets: u32,
    /// Events a batch at most, 1-1,000.
    pub batch: u32,
    /// What all sockets and users follow from: the same seed, the same sockets.
    pub seed: u64,
    /// Connections that the gateways share, at each replica; `None`: each has its own.
    pub connections: Option<u32>,
    /// What gateway ids begin with, followed by `-` and a number from 1.
    pub name: String,
    /// As whom the gateways call.
    pub caller: CallerArgs,
}

impl FleetOptions {
    /// Ten gateways with a thousand sockets each, at one replica.
    pub fn new(url: &str) -> Self {
        Self {
            urls: vec![url.to_owned()],
            gateways: 10,
            sockets: 10_000,
            batch: 500,
            seed: 0,
            connections: None,
            name: "gateway".to_owned(),
            caller: CallerArgs::default(),
        }
    }

    fn world(&self) -> World {
        World::new(self.seed, self.sockets)
    }

    fn sockets_of(&self, gateway: u32) -> u32 {
        let gateways = self.gateways.max(1);
        self.sockets / gateways + u32::from(gateway < self.sockets % gateways)
    }

    fn gateway_id(&self, gateway: u32) -> String {
        let width = self.gateways.to_string().len();
        format!("{}-{:0width$}", self.name, gateway + 1)
    }

    fn hello(&self, gateway: u32) -> Hello {
        let zone =
            ["eu-1", "eu-2", "us-1"].into_iter().cycle().nth((gateway % 3) as usize).unwrap_or_default();
        let version = if gateway.is_multiple_of(10) { "1.5.0" } else { "1.4.2" };
        let labels = [("zone", zone), ("version", version)];
        Hello {
            gateway_id: self.gateway_id(gateway),
            // Not of the seed: each start is another life.
            incarnation: format!("{:016x}", rand::random::<u64>()),
            labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        }
    }

    /// The sockets that such a fleet has open from the start, session ids included, ordered by gateway.
    pub fn listing(&self) -> impl Iterator<Item = Socket> + use<> {
        let (world, options) = (self.world(), self.clone());
        (0..self.gateways).flat_map(move |gateway| {
            let gateway_id = options.gateway_id(gateway);
            (0..options.sockets_of(gateway)).map(move |place| Socket {
                gateway_id: gateway_id.clone(),
                ..world.socket(gateway, place, 0, 0).message()
            })
        })
    }
}

/// How a fleet ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Each gateway says goodbye: its sockets are removed at once.
    Goodbye,
    /// The streams are cut: the service finds out by itself.
    Cut,
}

/// A fleet that reports. Dropped: cut.
#[derive(Debug)]
pub struct Fleet {
    shared: Arc<Shared>,
    gateways: JoinSet<()>,
    count: u32,
    started: Instant,
}

impl Fleet {
    /// Starts the gateways, which list their sockets at once; nothing opens or closes until [`Fleet::set_rate`]. The error
    /// says what is wrong with the options.
    pub fn start(options: &FleetOptions) -> Result<Self, String> {
        let count = options.gateways.max(1);
        let shared = Arc::new(Shared {
            world: options.world(),
            channels: Channels::new(&options.urls, options.connections.unwrap_or(count), &options.caller)?,
            counters: Counters::new(options.sockets.into())?,
            batch: options.batch.clamp(1, 1_000),
            rate: watch::Sender::new(0.0),
            stop: watch::Sender::new(None),
        });
        let mut gateways = JoinSet::new();
        for number in 0..count {
            let sockets = options.sockets_of(number);
            let gateway = Gateway::new(Arc::clone(&shared), number, options.hello(number), sockets);
            gateways.spawn(gateway.live());
        }
        Ok(Self { shared, gateways, count, started: Instant::now() })
    }

    /// Waits until each gateway's first listing has been acked, and says how long that took since the start. The error
    /// says why it never will.
    pub async fn filled(&self) -> Result<Duration, String> {
        let mut listed = self.shared.counters.listed.subscribe();
        let mut hopeless = self.shared.counters.hopeless.subscribe();
        let all = usize::try_from(self.count).unwrap_or(usize::MAX);
        tokio::select! {
            // The senders are here: there is always another value to wait for.
            _ = listed.wait_for(|listed| *listed >= all) => Ok(self.started.elapsed()),
            problem = hopeless.wait_for(Option::is_some) => {
                Err(problem.ok().and_then(|problem| problem.clone()).unwrap_or_default())
            }
        }
    }

    /// Waits until a gateway is refused because another process reports under its id, and says which.
    pub async fn taken(&self) -> String {
        let mut taken = self.shared.counters.taken.subscribe();
        // The sender is here: there is always another value to wait for.
        taken.wait_for(Option::is_some).await.ok().and_then(|taken| taken.clone()).unwrap_or_default()
    }

    /// How many sockets open and close a second from now on, in all gateways together, in turn. 0: none. More than the
    /// service takes is as much as it takes.
    pub fn set_rate(&self, per_second: f64) {
        self.shared.rate.send_replace(per_second / f64::from(self.count));
    }

    /// What has been done so far.
    pub fn counts(&self) -> Counts {
        self.shared.counters.counts()
    }

    /// Whether each gateway has a stream.
    pub fn is_whole(&self) -> bool {
        self.counts().streams >= u64::from(self.count)
    }

    /// Gateways whose first listing has been acked.
    pub fn listed(&self) -> usize {
        *self.shared.counters.listed.borrow()
    }

    /// Microseconds from when a batch was due to go out to its ack, since this was asked last.
    pub fn take_latency(&self) -> Histogram<u64> {
        self.shared.counters.take_latency()
    }

    /// What went wrong last: how a stream ended, or why a field was not taken.
    pub fn problem(&self) -> Option<String> {
        self.shared.counters.problem()
    }

    /// Ends all gateways.
    pub async fn stop(mut self, how: Stop) {
        self.shared.stop.send_replace(Some(how));
        while self.gateways.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_spread_evenly_and_listed_in_order() {
        let options = FleetOptions { gateways: 3, sockets: 11, ..FleetOptions::new("http://127.0.0.1:1") };
        assert_eq!([0, 1, 2].map(|gateway| options.sockets_of(gateway)), [4, 4, 3]);
        let listing: Vec<_> = options.listing().collect();
        assert_eq!(listing.len(), 11);
        assert_eq!(
            (listing[0].gateway_id.as_str(), listing[10].gateway_id.as_str()),
            ("gateway-1", "gateway-3")
        );
        assert!(listing.iter().all(|socket| socket.user.is_some() && socket.session_id.len() == 32));
    }

    #[test]
    fn gateway_ids_are_ordered_as_their_numbers() {
        let options = FleetOptions { gateways: 120, ..FleetOptions::new("http://127.0.0.1:1") };
        assert_eq!([0, 119].map(|gateway| options.gateway_id(gateway)), ["gateway-001", "gateway-120"]);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for urls in [vec![], vec!["http://a b".to_owned()]] {
            let options = FleetOptions { urls, ..FleetOptions::new("") };
            assert!(Fleet::start(&options).is_err());
        }
    }
}
