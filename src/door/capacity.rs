//! How much may be under way at once. What goes beyond is turned away at once: those that are taken keep their speed, and
//! memory has a bound.

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use crate::{
    config::operation::Limits,
    telemetry::metrics::door::{DoorMetrics, Limit},
};

/// What there are places for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Connections that are open.
    Connections,
    /// Calls that wait for their answer.
    Calls,
    /// Answers that are streams.
    Streams,
    /// Calls of methods that need no credentials: whoever can connect must not take the places of callers.
    OpenCalls,
    /// Answers that are streams, of such methods.
    OpenStreams,
}

/// Probes ask a few times a minute, and a gRPC client that asks for health does it once a connection.
const OPEN_CALLS: usize = 256;
const OPEN_STREAMS: usize = 1024;

impl Of {
    fn most(self, limits: &Limits) -> usize {
        match self {
            Self::Connections => limits.max_connections,
            Self::Calls => limits.max_calls,
            Self::Streams => limits.max_streams,
            Self::OpenCalls => OPEN_CALLS,
            Self::OpenStreams => OPEN_STREAMS,
        }
    }

    fn limit(self) -> Limit {
        match self {
            Self::Connections => Limit::Connections,
            Self::Calls => Limit::Calls,
            Self::Streams => Limit::Streams,
            Self::OpenCalls | Self::OpenStreams => Limit::Open,
        }
    }
}

/// There is no place; which limit it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// Of [`Of::Connections`].
    #[error("too many connections are open (limits.max_connections)")]
    Connections,
    /// Of [`Of::Calls`].
    #[error("too many calls are under way (limits.max_calls)")]
    Calls,
    /// Of [`Of::Streams`].
    #[error("too many streams are open (limits.max_streams)")]
    Streams,
    /// Of what needs no credentials.
    #[error("too many calls without credentials are under way")]
    Open,
}

impl From<Of> for Full {
    fn from(of: Of) -> Self {
        match of {
            Of::Connections => Self::Connections,
            Of::Calls => Self::Calls,
            Of::Streams => Self::Streams,
            Of::OpenCalls | Of::OpenStreams => Self::Open,
        }
    }
}

/// One of something for each of them.
#[derive(Debug, Default)]
struct Each<T> {
    connections: T,
    calls: T,
    streams: T,
    open_calls: T,
    open_streams: T,
}

impl<T> Each<T> {
    fn make(make: impl Fn(Of) -> T) -> Self {
        Self {
            connections: make(Of::Connections),
            calls: make(Of::Calls),
            streams: make(Of::Streams),
            open_calls: make(Of::OpenCalls),
            open_streams: make(Of::OpenStreams),
        }
    }

    fn of(&self, of: Of) -> &T {
        match of {
            Of::Connections => &self.connections,
            Of::Calls => &self.calls,
            Of::Streams => &self.streams,
            Of::OpenCalls => &self.open_calls,
            Of::OpenStreams => &self.open_streams,
        }
    }
}

/// Counts what is under way.
pub struct Capacity {
    pools: Each<Pool>,
    /// Connections that have called.
    called: AtomicUsize,
    addresses: Mutex<HashMap<IpAddr, Weak<Address>>>,
    metrics: Arc<DoorMetrics>,
}

struct Pool {
    most: usize,
    taken: AtomicUsize,
    /// Addresses that have places.
    busy: AtomicUsize,
}

/// What one address has under way, over all its connections.
#[derive(Debug, Default)]
pub struct Address {
    taken: Each<AtomicUsize>,
}

impl Capacity {
    /// As much as the limits allow.
    pub fn new(limits: &Limits, metrics: Arc<DoorMetrics>) -> Self {
        Self {
            pools: Each::make(|of| Pool {
                most: of.most(limits),
                taken: AtomicUsize::new(0),
                busy: AtomicUsize::new(0),
            }),
            called: AtomicUsize::new(0),
            addresses: Mutex::default(),
            metrics,
        }
    }

    /// The account of an address, for a new connection from there.
    pub fn address(&self, ip: IpAddr) -> Arc<Address> {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(address) = addresses.get(&ip).and_then(Weak::upgrade) {
            return address;
        }
        // Before the map would grow, those that are gone make room.
        if addresses.len() == addresses.capacity() {
            addresses.retain(|_, address| address.strong_count() > 0);
        }
        let address = Arc::default();
        addresses.insert(ip, Arc::downgrade(&address));
        address
    }

    /// How many calls have no answer yet.
    pub fn calls(&self) -> usize {
        self.pools.calls.taken.load(Relaxed) + self.pools.open_calls.taken.load(Relaxed)
    }

    /// A connection has called: it is counted until it is closed.
    pub fn called(self: &Arc<Self>) -> Called {
        self.called.fetch_add(1, Relaxed);
        Called(Arc::clone(self))
    }

    /// Whether nobody waits for anything: no call has no answer yet, and every connection that has called is closed, so that
    /// its answers have arrived.
    pub fn is_quiet(&self) -> bool {
        self.calls() + self.called.load(Relaxed) == 0
    }

    /// A place. Of n addresses that have some each has 1/(n+1) of all, so that one is always left for another, and nobody
    /// starves who is not too busy himself.
    pub fn place(self: &Arc<Self>, of: Of, address: &Arc<Address>) -> Result<Place, Full> {
        let pool = self.pools.of(of);
        let taken = pool.taken.fetch_add(1, Relaxed) + 1;
        let own = address.taken.of(of).fetch_add(1, Relaxed) + 1;
        if own == 1 {
            pool.busy.fetch_add(1, Relaxed);
        }
        let place = Place { capacity: Arc::clone(self), address: Arc::clone(address), of };
        let share = (pool.most / (pool.busy.load(Relaxed) + 1)).max(1);
        if own > share || taken > pool.most {
            self.metrics.shed(of.limit());
            return Err(of.into());
        }
        Ok(place)
    }
}

/// A place, until it is dropped.
pub struct Place {
    capacity: Arc<Capacity>,
    address: Arc<Address>,
    of: Of,
}

impl Drop for Place {
    fn drop(&mut self) {
        let pool = self.capacity.pools.of(self.of);
        pool.taken.fetch_sub(1, Relaxed);
        if self.address.taken.of(self.of).fetch_sub(1, Relaxed) == 1 {
            pool.busy.fetch_sub(1, Relaxed);
        }
    }
}

/// A connection that has called, until it is dropped.
pub struct Called(Arc<Capacity>);

impl fmt::Debug for Called {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Called").finish_non_exhaustive()
    }
}

impl Drop for Called {
    fn drop(&mut self) {
        self.0.called.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Config, layers::Layers},
        telemetry::metrics::Metrics,
    };

    fn capacity(max_calls: &str) -> Arc<Capacity> {
        let mut layers = Layers::default();
        layers.add_fixed(
            "a test",
            &[("limits.max_calls", max_calls), ("limits.max_streams", "2"), ("session.secrets", "x")],
        );
        Arc::new(Capacity::new(&Config::load(&layers).unwrap().limits, Arc::clone(Metrics::new().door())))
    }

    fn take(capacity: &Arc<Capacity>, address: &Arc<Address>) -> Vec<Place> {
        std::iter::from_fn(|| capacity.place(Of::Calls, address).ok()).collect()
    }

    #[test]
    fn one_alone_has_half_and_there_is_always_room_for_another() {
        let capacity = capacity("12");
        let addresses: Vec<_> = (1..4_u8).map(|host| capacity.address([10, 0, 0, host].into())).collect();
        let first = take(&capacity, &addresses[0]);
        assert_eq!(first.len(), 6);
        let second = take(&capacity, &addresses[1]);
        assert_eq!(second.len(), 4);
        let third = take(&capacity, &addresses[2]);
        assert_eq!(third.len(), 2, "all are taken");
        // The first has more than its share now, and gets nothing until it is below.
        assert_eq!(capacity.place(Of::Calls, &addresses[0]).err(), Some(Full::Calls));
        drop(first);
        assert_eq!(capacity.calls(), 6);
        assert_eq!(take(&capacity, &addresses[2]).len(), 2);
        drop((second, third));
        assert_eq!(capacity.calls(), 0);
        assert_eq!(take(&capacity, &addresses[0]).len(), 6);
    }

    #[test]
    fn places_of_one_kind_do_not_take_those_of_another() {
        let capacity = capacity("1");
        let address = capacity.address([10, 0, 0, 1].into());
        let open: Vec<_> = std::iter::from_fn(|| capacity.place(Of::OpenCalls, &address).ok()).collect();
        assert_eq!(open.len(), OPEN_CALLS / 2);
        let streams: Vec<_> = std::iter::from_fn(|| capacity.place(Of::Streams, &address).ok()).collect();
        assert_eq!(streams.len(), 1);
        assert_eq!(take(&capacity, &address).len(), 1);
    }

    #[test]
    fn connections_of_an_address_share_its_account_and_nothing_is_kept_of_those_that_are_gone() {
        let capacity = capacity("1");
        let address = capacity.address([10, 0, 0, 1].into());
        assert!(Arc::ptr_eq(&address, &capacity.address([10, 0, 0, 1].into())));
        for host in 0..10_000_u32 {
            drop(capacity.address(IpAddr::V4(host.into())));
        }
        assert!(capacity.addresses.lock().unwrap().len() < 100);
    }
}
