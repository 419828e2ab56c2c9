//! Sessions whose sockets were reported here, until those are in the registry's view: as long as they are not, nothing that is
//! found out about the session counts for all of its sockets.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use crate::registry::change::{Kept, Shard};

/// The sessions.
#[derive(Debug, Default)]
pub(super) struct Unseen {
    /// In the order in which they were noted. Whoever is behind one that is not seen yet is so a moment later.
    shards: BTreeMap<Shard, BTreeMap<u64, (Kept, Arc<str>)>>,
    /// Their numbers, each shard's latest.
    numbers: HashMap<Arc<str>, BTreeMap<Shard, u64>>,
    next: u64,
}

impl Unseen {
    /// A socket of this session was kept.
    pub(super) fn is_reported(&mut self, session_id: &Arc<str>, kept: Kept) {
        let number = self.next;
        self.next += 1;
        let shard = self.shards.entry(kept.shard).or_default();
        let numbers = self.numbers.entry(Arc::clone(session_id)).or_default();
        if let Some(before) = numbers.insert(kept.shard, number) {
            shard.remove(&before);
        }
        shard.insert(number, (kept, Arc::clone(session_id)));
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Whether sockets of this session were reported and are not seen.
    pub(super) fn contains(&self, session_id: &str) -> bool {
        self.numbers.contains_key(session_id)
    }

    /// Those of which all is seen now.
    pub(super) fn take_seen(&mut self, sees: impl Fn(&Kept, &str) -> bool) -> Vec<Arc<str>> {
        let mut seen = Vec::new();
        self.shards.retain(|shard, waiting| {
            while let Some(first) = waiting.first_entry() {
                let (kept, session_id) = first.get();
                if !sees(kept, session_id) {
                    break;
                }
                let (_, session_id) = first.remove();
                let Some(numbers) = self.numbers.get_mut(&session_id) else { continue };
                numbers.remove(shard);
                if numbers.is_empty() {
                    self.numbers.remove(&session_id);
                    seen.push(session_id);
                }
            }
            !waiting.is_empty()
        });
        seen
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Duration, Instant};

    use super::*;

    struct Played {
        unseen: Unseen,
        begun: Instant,
    }

    impl Played {
        fn is_reported(&mut self, session_id: &str, gateway_id: &str, second: u64) {
            let at = self.begun + Duration::from_secs(second);
            let kept = Kept { shard: Shard::of(gateway_id), newest: None, at };
            self.unseen.is_reported(&session_id.into(), kept);
        }

        /// This shard is known up to then.
        fn sees(&mut self, gateway_id: &str, second: u64) -> String {
            let known = self.begun + Duration::from_secs(second);
            let shard = Shard::of(gateway_id);
            self.unseen.take_seen(|kept, _| kept.shard == shard && kept.at <= known).join(" ")
        }
    }

    #[test]
    fn each_waits_for_the_shards_of_its_own_gateways_and_counts_once() {
        assert_ne!(Shard::of("chat-1"), Shard::of("chat-2"));
        let mut played = Played { unseen: Unseen::default(), begun: Instant::now() };
        assert!(played.unseen.is_empty());
        played.is_reported("a", "chat-1", 1);
        played.is_reported("b", "chat-2", 1);
        played.is_reported("both", "chat-1", 2);
        played.is_reported("both", "chat-2", 3);
        for second in 1..1_000 {
            played.is_reported("often", "chat-1", second);
        }
        assert_eq!(played.unseen.shards.values().map(BTreeMap::len).sum::<usize>(), 5);
        assert_eq!(played.sees("chat-1", 0), "");
        assert_eq!(played.sees("chat-1", 2), "a");
        assert!(played.unseen.contains("both") && played.unseen.contains("often"));
        assert_eq!(played.sees("chat-1", 999), "often");
        assert_eq!(played.sees("chat-2", 2), "b");
        assert_eq!(played.sees("chat-2", 3), "both");
        assert!(played.unseen.is_empty() && played.unseen.shards.is_empty());
    }
}
