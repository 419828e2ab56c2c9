//! Which ends of sessions were told last, by session: each is to be told once, whichever replica finds it.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use super::history::Bounds;
use crate::registry::{
    change::Position,
    confirmation::Mark,
    session_ended::{Kind, SessionEnded},
};

/// The latest ends. What is told of one session is looked up, never searched for: in a storm thousands end together.
#[derive(Debug)]
pub struct ToldEnds {
    bounds: Bounds,
    of_session: HashMap<Mark, Vec<LastEnd>>,
    /// In which order they were told, and when, in milliseconds.
    order: VecDeque<(u64, Mark)>,
}

/// The last end of a kind that was told of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastEnd {
    /// Of which kind.
    pub kind: Kind,
    /// Its own number.
    pub number: u64,
    /// The session has lived after it, so that the next one is another end.
    pub is_outlived: bool,
    /// In milliseconds since 1970, by the registry's clock.
    at: u64,
    /// When it became known here.
    noted: Instant,
}

/// What one takes in memory, roughly.
const WEIGHT: usize = 128;

impl ToldEnds {
    /// None so far.
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, of_session: HashMap::new(), order: VecDeque::new() }
    }

    /// One was told.
    pub(super) fn note(&mut self, position: Position, ended: &SessionEnded) {
        let (mark, at) = (Mark::of(ended.session_id()), position.milliseconds);
        let last = LastEnd {
            kind: ended.kind(),
            number: ended.number(),
            is_outlived: false,
            at,
            noted: Instant::now(),
        };
        let of_session = self.of_session.entry(mark).or_default();
        of_session.retain(|earlier| earlier.kind != last.kind);
        of_session.push(last);
        self.order.push_back((at, mark));
        self.trim(at);
    }

    /// Longer than the ledger knows of them: what it knows must be known here, else the next end would look like this one.
    fn age(&self) -> Duration {
        self.bounds.age.saturating_mul(2).max(Duration::from_secs(2))
    }

    fn trim(&mut self, newest: u64) {
        let oldest = newest.saturating_sub(u64::try_from(self.age().as_millis()).unwrap_or(u64::MAX));
        while let Some((at, mark)) = self.order.front().copied() {
            if at >= oldest && self.order.len() * WEIGHT <= self.bounds.bytes {
                break;
            }
            self.order.pop_front();
            if let Some(of_session) = self.of_session.get_mut(&mark) {
                of_session.retain(|last| last.at > at);
                if of_session.is_empty() {
                    self.of_session.remove(&mark);
                }
            }
        }
    }

    /// The last ends that were told of a session, one of each kind.
    pub fn of(&self, session: Mark) -> &[LastEnd] {
        self.of_session.get(&session).map(Vec::as_slice).unwrap_or_default()
    }

    /// The last end of this kind, if it is not too long ago to be the same.
    pub fn last(&self, session: Mark, kind: Kind) -> Option<LastEnd> {
        let counts = |last: &&LastEnd| last.kind == kind && last.noted.elapsed() <= self.age();
        self.of(session).iter().find(counts).copied()
    }

    /// The session has lived after this one.
    pub(super) fn is_outlived(&mut self, session: Mark, end: LastEnd) {
        let of_session = self.of_session.get_mut(&session).map(Vec::as_mut_slice).unwrap_or_default();
        for last in of_session.iter_mut().filter(|last| last.number == end.number) {
            last.is_outlived = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::{
        reason::Reason,
        registry::{
            change::GatewayInfo,
            record::{Builder, Socket},
            view::member::Member,
        },
    };

    fn ended(session_id: &str, reason: Reason) -> SessionEnded {
        let mut builder = Builder::default();
        builder.packer().json(&json!({"id": 7}));
        builder.packer().json(&json!({}));
        let record = builder.finish(&Socket { socket_id: "s", session_id, ..Socket::default() });
        let info = Arc::new(GatewayInfo::new("g", "i", &Default::default()));
        SessionEnded::new(&[&Member { info, record }], reason, 5).expect("there is a socket")
    }

    fn at(milliseconds: u64) -> Position {
        Position { milliseconds, sequence: 0 }
    }

    const HISTORY: Duration = Duration::from_secs(60);

    #[test]
    fn the_last_of_each_kind_is_known_and_whether_the_session_has_outlived_it() {
        let mut told = ToldEnds::new(Bounds { age: HISTORY, bytes: usize::MAX });
        let session = Mark::of("one");
        let (first, denied) = (ended("one", Reason::NotLoggedIn), ended("one", Reason::DeniedByPolicy));
        told.note(at(1), &first);
        told.note(at(2), &denied);
        told.note(at(3), &ended("two", Reason::NotLoggedIn));
        let last = told.last(session, first.kind()).expect("it was told");
        assert_eq!((last.number, last.is_outlived), (first.number(), false));
        // A logout has two halves, and either may be seen.
        assert_eq!(told.last(session, Kind::of(Reason::SessionNotFound)), Some(last));
        told.is_outlived(session, last);
        assert!(told.last(session, first.kind()).is_some_and(|last| last.is_outlived));
        assert!(told.last(session, denied.kind()).is_some_and(|last| !last.is_outlived));
        // Of one that was told since nothing was said.
        let second = ended("one", Reason::SessionNotFound);
        told.note(at(4), &second);
        told.is_outlived(session, last);
        let last = told.last(session, first.kind()).expect("it was told");
        assert_eq!((last.number, last.is_outlived), (second.number(), false));
        assert_eq!(told.of(session).len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_told_long_ago_is_not_the_next_end() {
        let mut told = ToldEnds::new(Bounds { age: HISTORY, bytes: usize::MAX });
        let end = ended("one", Reason::NotLoggedIn);
        told.note(at(1), &end);
        tokio::time::advance(HISTORY).await;
        assert!(told.last(Mark::of("one"), end.kind()).is_some());
        // Also when no other was told since.
        tokio::time::advance(2 * HISTORY).await;
        assert_eq!(told.last(Mark::of("one"), end.kind()), None);
    }

    #[test]
    fn in_a_storm_nothing_is_searched_and_what_is_kept_has_bounds() {
        const STORM: u64 = 5_000;
        let mut told = ToldEnds::new(Bounds { age: HISTORY, bytes: 1_000 * WEIGHT });
        for number in 0..STORM {
            let session = format!("session {number}");
            assert!(told.of(Mark::of(&session)).is_empty());
            told.note(at(number), &ended(&session, Reason::NotLoggedIn));
            // What is looked at for the next one does not grow with what was told.
            assert_eq!(told.of(Mark::of(&session)).len(), 1);
        }
        assert_eq!((told.order.len(), told.of_session.len()), (1_000, 1_000));
        let much_later = 3 * u64::try_from(HISTORY.as_millis()).expect("it fits");
        told.note(at(STORM + much_later), &ended("last", Reason::NotLoggedIn));
        assert_eq!((told.order.len(), told.of_session.len()), (1, 1));
    }
}
