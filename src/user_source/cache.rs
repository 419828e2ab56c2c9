//! Users that were found a moment ago.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::{Fields, lookup::Found};
use crate::{config::user::Asking, json::size::in_memory};

/// A user who takes so many bytes of memory has one place, a larger one several, so that the number of places bounds the
/// memory too.
const BYTES_A_PLACE: usize = 4 << 10;

/// Remembers users, the latest that fit.
#[derive(Debug)]
pub struct Cache {
    /// So long a user is fresh.
    fresh: Duration,
    /// So long one is kept in any case.
    kept: Duration,
    size: usize,
    taken: usize,
    users: HashMap<Arc<str>, Entry>,
    /// Ids in the order in which they were learned, which is that in which they are forgotten.
    order: BTreeMap<u64, Arc<str>>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    fields: Arc<Fields>,
    learned: Instant,
    number: u64,
    places: usize,
}

impl Cache {
    /// An empty one.
    pub fn new(asking: &Asking) -> Self {
        let fresh = asking.cache_ttl.unwrap_or_default();
        Self {
            fresh,
            kept: fresh + asking.stale_for.unwrap_or_default(),
            size: asking.cache_size,
            taken: 0,
            users: HashMap::new(),
            order: BTreeMap::new(),
            next: 0,
        }
    }

    /// A user who was learned of so short a time ago that nobody need be asked, and how long ago.
    pub fn fresh(&self, id: &str, now: Instant) -> Option<(Arc<Fields>, Duration)> {
        self.no_older_than(self.fresh, id, now)
    }

    /// A user who counts if nobody can be asked, and how long ago they were learned of.
    pub fn stale(&self, id: &str, now: Instant) -> Option<(Arc<Fields>, Duration)> {
        self.no_older_than(self.kept, id, now)
    }

    fn no_older_than(&self, limit: Duration, id: &str, now: Instant) -> Option<(Arc<Fields>, Duration)> {
        let entry = self.users.get(id)?;
        let age = now.saturating_duration_since(entry.learned);
        (age < limit).then(|| (Arc::clone(&entry.fields), age))
    }

    /// Remembers what the source says of this id now; that there is nobody is forgotten at once.
    pub fn learn(&mut self, id: &Arc<str>, found: Option<&Found>, now: Instant) {
        self.forget(id);
        let Some(Found { fields }) = found else { return };
        let places = 1 + (in_memory(fields) + id.len()) / BYTES_A_PLACE;
        if self.kept.is_zero() || places > self.size {
            return;
        }
        while let Some((_, oldest)) = self.order.first_key_value() {
            let oldest = Arc::clone(oldest);
            let has_expired = self.no_older_than(self.kept, &oldest, now).is_none();
            if !has_expired && self.taken + places <= self.size {
                break;
            }
            self.forget(&oldest);
        }
        let number = self.next;
        self.next += 1;
        self.taken += places;
        self.order.insert(number, Arc::clone(id));
        let entry = Entry { fields: Arc::clone(fields), learned: now, number, places };
        self.users.insert(Arc::clone(id), entry);
    }

    fn forget(&mut self, id: &str) {
        if let Some(entry) = self.users.remove(id) {
            self.taken -= entry.places;
            self.order.remove(&entry.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(size: usize, ttl: u64, stale_for: u64) -> Cache {
        let seconds = |seconds| (seconds > 0).then(|| Duration::from_secs(seconds));
        Cache::new(&Asking {
            timeout: Duration::from_secs(1),
            max_requests: 1,
            cache_ttl: seconds(ttl),
            cache_size: size,
            stale_for: seconds(stale_for),
        })
    }

    fn user(bytes: usize) -> Found {
        let fields = Fields::from_iter([("name".to_owned(), "x".repeat(bytes).into())]);
        Found { fields: Arc::new(fields) }
    }

    fn knows(cache: &Cache, now: Instant) -> String {
        ["a", "b", "c", "d"].into_iter().filter(|id| cache.fresh(id, now).is_some()).collect()
    }

    #[test]
    fn the_oldest_makes_room_for_the_newest() {
        let (mut cache, now) = (cache(2, 10, 0), Instant::now());
        for id in ["a", "b", "a", "c"] {
            cache.learn(&id.into(), Some(&user(100)), now);
        }
        assert_eq!(knows(&cache, now), "ac");
        // A large one takes both places, and one that is larger than the whole none.
        cache.learn(&"d".into(), Some(&user(5000)), now);
        assert_eq!(knows(&cache, now), "d");
        cache.learn(&"a".into(), Some(&user(9000)), now);
        assert_eq!(knows(&cache, now), "d");
        cache.learn(&"d".into(), None, now);
        assert_eq!((knows(&cache, now).as_str(), cache.taken, cache.order.len()), ("", 0, 0));
    }

    #[test]
    fn what_counts_is_what_a_user_takes_in_memory() {
        let (mut cache, now) = (cache(100, 10, 0), Instant::now());
        let objects = vec![serde_json::json!({"": 0}); 500];
        let fields = Fields::from_iter([("small".to_owned(), objects.into())]);
        // Four kilobytes of JSON.
        cache.learn(&"a".into(), Some(&Found { fields: Arc::new(fields) }), now);
        assert!((75..100).contains(&cache.taken), "{}", cache.taken);
    }

    #[test]
    fn what_is_old_is_stale_and_then_gone() {
        let (mut cache, begun) = (cache(10, 5, 10), Instant::now());
        let after = |seconds| begun + Duration::from_secs(seconds);
        cache.learn(&"a".into(), Some(&user(1)), begun);
        assert!(cache.fresh("a", after(4)).is_some());
        assert!(cache.fresh("a", after(5)).is_none());
        assert_eq!(cache.stale("a", after(14)).map(|(_, age)| age), Some(Duration::from_secs(14)));
        assert!(cache.stale("a", after(15)).is_none());
        cache.learn(&"b".into(), Some(&user(1)), after(15));
        assert_eq!((cache.users.len(), cache.order.len()), (1, 1));
    }

    #[test]
    fn without_a_time_to_live_nothing_is_kept() {
        let (mut cache, now) = (cache(10, 0, 0), Instant::now());
        cache.learn(&"a".into(), Some(&user(1)), now);
        assert!(cache.stale("a", now).is_none() && cache.users.is_empty());
    }
}
