//! How many questions are under way at once.

use std::sync::Arc;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::schedule::{Queue, Room};

/// Questions that are under way at once: enough for a store to answer many together, and few enough that handshakes find
/// a place between them.
const AT_ONCE: usize = 256;

/// Those of them that the store has told of, and those that it has not: neither can take the place of the other.
const OF_A_KIND: usize = 192;

/// The places.
#[derive(Debug)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    told: Arc<Semaphore>,
    others: Arc<Semaphore>,
    freed: Arc<Notify>,
}

/// A place of one question; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _permits: [OwnedSemaphorePermit; 2],
    _free: Free,
}

#[derive(Debug)]
struct Free(Arc<Notify>);

impl Drop for Free {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Places {
    pub(super) fn new() -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self {
            all: places(AT_ONCE),
            told: places(OF_A_KIND),
            others: places(OF_A_KIND),
            freed: Arc::default(),
        }
    }

    /// What there is room for.
    pub(super) fn room(&self) -> Room {
        let is_any = self.all.available_permits() > 0;
        let has = |kind: &Semaphore| is_any && kind.available_permits() > 0;
        Room { told: has(&self.told), others: has(&self.others) }
    }

    /// A place for a question of this kind, if there is one.
    pub(super) fn take(&self, queue: Queue) -> Option<Place> {
        let kind = if queue == Queue::Told { &self.told } else { &self.others };
        let permits = [&self.all, kind].map(|permits| Arc::clone(permits).try_acquire_owned());
        let [Ok(one), Ok(other)] = permits else { return None };
        Some(Place { _permits: [one, other], _free: Free(Arc::clone(&self.freed)) })
    }

    /// Waits until a place is free again.
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_kind_takes_all_places() {
        let places = Places::new();
        let told: Vec<_> = (0..AT_ONCE).map_while(|_| places.take(Queue::Told)).collect();
        assert_eq!(told.len(), OF_A_KIND);
        assert_eq!(places.room(), Room { told: false, others: true });
        let others: Vec<_> = (0..AT_ONCE).map_while(|_| places.take(Queue::Sweep)).collect();
        assert_eq!(others.len(), AT_ONCE - OF_A_KIND);
        assert_eq!(places.room(), Room { told: false, others: false });
        drop(told);
        assert_eq!(places.room(), Room { told: true, others: true });
    }
}
