//! Sessions whose sockets were reported here and are not in the registry's view yet: they are asked about when they are.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use tokio::time::Instant;

/// The sessions, by when they were reported.
#[derive(Debug, Default)]
pub(super) struct Unseen(VecDeque<(Instant, HashSet<Arc<str>>)>);

impl Unseen {
    /// Sockets of these were kept before now.
    pub(super) fn are_reported(&mut self, session_ids: HashSet<Arc<str>>, now: Instant) {
        if !session_ids.is_empty() {
            self.0.push_back((now, session_ids));
        }
    }

    /// Since when the oldest have been waiting; `None`: nobody waits.
    pub(super) fn since(&self) -> Option<Instant> {
        self.0.front().map(|(reported, _)| *reported)
    }

    /// What was kept before then is seen.
    pub(super) fn are_seen(&mut self, known: Instant) -> Vec<Arc<str>> {
        let mut seen = Vec::new();
        while let Some((_, session_ids)) = self.0.pop_front_if(|(reported, _)| *reported <= known) {
            seen.extend(session_ids);
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn they_wait_until_what_was_kept_before_is_known() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut unseen = Unseen::default();
        unseen.are_reported(HashSet::new(), at(0));
        assert_eq!(unseen.since(), None);
        unseen.are_reported(HashSet::from(["a".into()]), at(1));
        unseen.are_reported(HashSet::from(["b".into()]), at(2));
        unseen.are_reported(HashSet::from(["a".into()]), at(3));
        assert_eq!(unseen.since(), Some(at(1)));
        let seen = |unseen: &mut Unseen, until| unseen.are_seen(at(until)).join(" ");
        assert_eq!(seen(&mut unseen, 0), "");
        assert_eq!(seen(&mut unseen, 2), "a b");
        assert_eq!(unseen.since(), Some(at(3)));
        assert_eq!(seen(&mut unseen, 9), "a");
        assert_eq!(unseen.since(), None);
    }
}
