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

use tonic::Status;

use super::retry;
use crate::{
    config::operation::Limits,
    telemetry::metrics::door::{DoorMetrics, Limit},
};

/// Counts calls that wait for their answer, and streams that are open.
pub struct Capacity {
    max_calls: usize,
    calls: AtomicUsize,
    /// Addresses that have calls under way.
    busy: AtomicUsize,
    max_streams: usize,
    streams: AtomicUsize,
    /// Connections that have called.
    called: AtomicUsize,
    addresses: Mutex<HashMap<IpAddr, Weak<Address>>>,
    metrics: Arc<DoorMetrics>,
}

/// What one address has under way, over all its connections.
#[derive(Debug, Default)]
pub struct Address {
    calls: AtomicUsize,
}

impl Capacity {
    /// As much as the limits allow.
    pub fn new(limits: &Limits, metrics: Arc<DoorMetrics>) -> Self {
        Self {
            max_calls: limits.max_calls,
            calls: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            max_streams: limits.max_streams,
            streams: AtomicUsize::new(0),
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
        self.calls.load(Relaxed)
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

    /// A place for a call. Of n addresses with calls under way each has 1/(n+1) of all places, so that one is always left
    /// for another, and nobody starves who is not too busy himself.
    pub fn call(self: &Arc<Self>, address: &Arc<Address>) -> Result<Call, Status> {
        let call = self.count(address);
        let own = address.calls.load(Relaxed);
        let share = (self.max_calls / (self.busy.load(Relaxed) + 1)).max(1);
        if own > share || self.calls.load(Relaxed) > self.max_calls {
            self.metrics.shed(Limit::Calls);
            return Err(retry::soon("too many calls are under way (limits.max_calls)"));
        }
        Ok(call)
    }

    /// A place that is always there: health is asked for when all others are taken.
    pub fn count(self: &Arc<Self>, address: &Arc<Address>) -> Call {
        self.calls.fetch_add(1, Relaxed);
        if address.calls.fetch_add(1, Relaxed) == 0 {
            self.busy.fetch_add(1, Relaxed);
        }
        Call { capacity: Arc::clone(self), address: Arc::clone(address) }
    }

    /// A place for an answer that is a stream.
    pub fn stream(self: &Arc<Self>) -> Result<OpenStream, Status> {
        let stream = OpenStream(Arc::clone(self));
        if self.streams.fetch_add(1, Relaxed) >= self.max_streams {
            self.metrics.shed(Limit::Streams);
            return Err(retry::soon("too many streams are open (limits.max_streams)"));
        }
        Ok(stream)
    }
}

/// A call's place, until it is dropped: answered, or given up by its caller.
pub struct Call {
    capacity: Arc<Capacity>,
    address: Arc<Address>,
}

impl Drop for Call {
    fn drop(&mut self) {
        self.capacity.calls.fetch_sub(1, Relaxed);
        if self.address.calls.fetch_sub(1, Relaxed) == 1 {
            self.capacity.busy.fetch_sub(1, Relaxed);
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

/// A stream's place, until it is dropped.
pub struct OpenStream(Arc<Capacity>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

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

    fn take(capacity: &Arc<Capacity>, address: &Arc<Address>) -> Vec<Call> {
        std::iter::from_fn(|| capacity.call(address).ok()).collect()
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
        assert_eq!(
            capacity.call(&addresses[0]).err().map(|status| status.code()),
            Some(Code::ResourceExhausted)
        );
        drop(first);
        assert_eq!(capacity.calls(), 6);
        assert_eq!(take(&capacity, &addresses[2]).len(), 2);
        drop((second, third));
        assert_eq!(capacity.calls(), 0);
        assert_eq!(take(&capacity, &addresses[0]).len(), 6);
    }

    #[test]
    fn health_has_a_place_when_all_are_taken() {
        let capacity = capacity("1");
        let address = capacity.address([10, 0, 0, 1].into());
        let taken = take(&capacity, &address);
        assert_eq!(taken.len(), 1);
        drop(capacity.count(&address));
        assert_eq!(capacity.calls(), 1);
    }

    #[test]
    fn streams_have_a_bound_of_their_own() {
        let capacity = capacity("1");
        let open = [capacity.stream(), capacity.stream()];
        assert!(open.iter().all(Result::is_ok) && capacity.stream().is_err());
        drop(open);
        assert!(capacity.stream().is_ok());
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
