//! Whether a session that is absent is to be believed so.
//!
//! A server that has just come back, or another one that took its place, may not have everything yet. So an absent session
//! counts only when a second read agrees, if the store's connection is young. The first read may be of a connection before
//! that; the second one's is there for some time, so that one that comes back empty again and again ends nothing. Where
//! connections change all the time, so many reads have to agree and no more.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use crate::session_store::SessionStore;

/// So long after a connection was made, absence is doubted.
const YOUNG: Duration = Duration::from_secs(60);

/// Between the two reads that have to agree, at least; and so long the second one's connection has to be there.
const SECOND_READ: Duration = Duration::from_secs(2);

/// So many reads, each so long after the one before, count however young the connections are. A time would not do: between
/// two reads that are far apart the session may have been there.
const READS_AT_LAST: u32 = 5;

/// Two answers of a user source that are further apart say nothing together: the user may have been there in between.
const TOGETHER: Duration = Duration::from_secs(10);

/// After so long without another read what was absent is forgotten: nobody asks for that session any more, or so seldom that
/// two reads more cost nothing.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// What was absent, and what the store is like.
#[derive(Debug, Default)]
pub(super) struct Doubt(Mutex<Inner>);

/// Which connection of which store answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Connection {
    store: usize,
    number: u64,
}

impl Connection {
    /// That of the store in force.
    pub(super) fn of(stores: &watch::Receiver<Arc<dyn SessionStore>>) -> Self {
        let store = stores.borrow();
        Self { store: Arc::as_ptr(&store).addr(), number: store.connection() }
    }
}

#[derive(Debug, Default)]
struct Inner {
    /// Whether sockets were open before this process began; `None`: nobody knows yet.
    sockets_were_there: Option<bool>,
    /// The connection that answers, and since when it is there, if it is not the first or the first counts.
    connection: Option<(Connection, Option<Instant>)>,
    /// What no read has found since then.
    absent: HashMap<Arc<str>, Absent>,
    /// When the user source first did not know the user of each: no answer since then has named one.
    without_user: HashMap<Arc<str>, Instant>,
    /// When these were looked through for what is to be forgotten.
    looked_through: Option<Instant>,
}

impl Inner {
    fn forget(&mut self, now: Instant) {
        if self.looked_through.is_none_or(|before| now >= before + FORGOTTEN) {
            self.looked_through = Some(now);
            self.absent.retain(|_, absent| now < absent.last + FORGOTTEN);
            self.without_user.retain(|_, first| now < *first + FORGOTTEN);
        }
    }
}

/// The reads that agree.
#[derive(Debug)]
struct Absent {
    first: Instant,
    /// The last of those that count.
    last: Instant,
    /// How many there are, of those that are so far apart as to count.
    reads: u32,
}

impl Absent {
    fn new(now: Instant) -> Self {
        Self { first: now, last: now, reads: 1 }
    }

    fn read_again(&mut self, now: Instant) {
        if now >= self.last + SECOND_READ {
            self.last = now;
            self.reads += 1;
        }
    }

    /// When another read is enough, on a connection that is there since then.
    fn is_enough_at(&self, connected: Instant) -> Instant {
        if self.reads >= READS_AT_LAST { self.last } else { self.first.max(connected) + SECOND_READ }
    }
}

/// What to make of an absent session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Belief {
    /// It is gone.
    Gone,
    /// Read it again after this.
    Unsure(Duration),
}

impl Doubt {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether sockets were open before this process began. If none were, its first connection is none that came back.
    pub(super) fn begins(&self, sockets_were_there: bool) {
        let mut inner = self.lock();
        inner.sockets_were_there = Some(sockets_were_there);
        inner.connection = None;
    }

    /// Notes which connection answers.
    pub(super) fn note(&self, connection: Connection, now: Instant) {
        let mut inner = self.lock();
        inner.forget(now);
        let is_first = match inner.connection {
            Some((known, _)) if known == connection => return,
            // Before it the store was not there at all.
            Some((Connection { store, number: 0 }, None)) => store == connection.store,
            Some(_) => false,
            None => true,
        };
        let counts = !is_first || inner.sockets_were_there != Some(false);
        // What another store does not have says nothing of this one.
        if inner.connection.is_some_and(|(known, _)| known.store != connection.store) {
            inner.absent.clear();
        }
        inner.connection = Some((connection, counts.then_some(now)));
    }

    /// A session is absent.
    pub(super) fn is_absent(&self, session_id: &Arc<str>, now: Instant) -> Belief {
        let mut inner = self.lock();
        let since = inner.connection.and_then(|(_, since)| since).filter(|since| now < *since + YOUNG);
        let absent = inner.absent.entry(Arc::clone(session_id)).or_insert_with(|| Absent::new(now));
        absent.read_again(now);
        match since.map(|since| absent.is_enough_at(since)).filter(|enough_at| now < *enough_at) {
            Some(enough_at) => Belief::Unsure(enough_at - now),
            None => {
                inner.absent.remove(session_id);
                Belief::Gone
            }
        }
    }

    /// The user source does not know the user of a session. It may have just come back, too, and has no connection that
    /// could be looked at: so a second answer has to agree in any case.
    pub(super) fn is_without_user(&self, session_id: &Arc<str>, now: Instant) -> Belief {
        let mut inner = self.lock();
        let first = inner.without_user.entry(Arc::clone(session_id)).or_insert(now);
        if now > *first + TOGETHER {
            *first = now;
        }
        let enough_at = *first + SECOND_READ;
        if now < enough_at {
            return Belief::Unsure(enough_at - now);
        }
        inner.without_user.remove(session_id);
        Belief::Gone
    }

    /// Whether it or its user was absent when it was read last, and that is not believed yet.
    pub(super) fn doubts(&self, session_id: &str) -> bool {
        let inner = self.lock();
        inner.absent.contains_key(session_id) || inner.without_user.contains_key(session_id)
    }

    /// It is there.
    pub(super) fn is_there(&self, session_id: &str) {
        let mut inner = self.lock();
        inner.absent.remove(session_id);
        inner.without_user.remove(session_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    fn connection(number: u64) -> Connection {
        Connection { store: 1, number }
    }

    #[test]
    fn on_an_old_connection_absent_is_gone() {
        let (doubt, start, session) = (Doubt::default(), Instant::now(), Arc::from("a"));
        doubt.begins(false);
        // Nothing was there, then the first one of all.
        doubt.note(connection(0), start);
        doubt.note(connection(1), start);
        assert_eq!(doubt.is_absent(&session, start), Belief::Gone);
        // Another connection, a minute ago.
        doubt.note(connection(0), start);
        doubt.note(connection(2), start);
        assert_eq!(doubt.is_absent(&session, seconds(start, 60)), Belief::Gone);
    }

    #[test]
    fn on_a_young_one_a_second_read_has_to_agree() {
        let (doubt, start, session) = (Doubt::default(), Instant::now(), Arc::from("a"));
        doubt.begins(true);
        doubt.note(connection(1), start);
        assert_eq!(doubt.is_absent(&session, start), Belief::Unsure(SECOND_READ));
        assert_eq!(doubt.is_absent(&session, seconds(start, 1)), Belief::Unsure(Duration::from_secs(1)));
        assert_eq!(doubt.is_absent(&session, seconds(start, 2)), Belief::Gone);
        // It was there in between.
        assert_eq!(doubt.is_absent(&session, seconds(start, 3)), Belief::Unsure(SECOND_READ));
        doubt.is_there("a");
        assert_eq!(doubt.is_absent(&session, seconds(start, 9)), Belief::Unsure(SECOND_READ));
    }

    #[test]
    fn the_first_read_counts_on_another_connection_too_if_the_second_ones_is_there_for_some_time() {
        let (doubt, start, session) = (Doubt::default(), Instant::now(), Arc::from("a"));
        doubt.begins(true);
        doubt.note(connection(1), start);
        assert_eq!(doubt.is_absent(&session, start), Belief::Unsure(SECOND_READ));
        // A server that is empty whenever it comes back.
        doubt.note(connection(2), seconds(start, 1));
        assert_eq!(doubt.is_absent(&session, seconds(start, 2)), Belief::Unsure(Duration::from_secs(1)));
        assert_eq!(doubt.is_absent(&session, seconds(start, 3)), Belief::Gone);
    }

    #[test]
    fn connections_that_change_all_the_time_hold_up_an_end_for_so_many_reads_and_no_more() {
        let (doubt, start, session) = (Doubt::default(), Instant::now(), Arc::from("a"));
        doubt.begins(true);
        for second in 0..8 {
            doubt.note(connection(second), seconds(start, second));
            let belief = doubt.is_absent(&session, seconds(start, second));
            assert_eq!(belief, Belief::Unsure(SECOND_READ), "{second}");
        }
        doubt.note(connection(8), seconds(start, 8));
        assert_eq!(doubt.is_absent(&session, seconds(start, 8)), Belief::Gone);
    }

    #[test]
    fn it_may_have_been_there_between_reads_that_are_far_apart() {
        let (doubt, start, session) = (Doubt::default(), Instant::now(), Arc::from("a"));
        doubt.begins(true);
        doubt.note(connection(1), start);
        assert_eq!(doubt.is_absent(&session, start), Belief::Unsure(SECOND_READ));
        doubt.note(connection(2), seconds(start, 20));
        assert_eq!(doubt.is_absent(&session, seconds(start, 20)), Belief::Unsure(SECOND_READ));
        assert_eq!(doubt.is_absent(&session, seconds(start, 22)), Belief::Gone);
    }

    #[test]
    fn a_user_who_is_not_known_has_to_be_so_twice_and_not_long_after() {
        let (doubt, start, session) = (Doubt::default(), Instant::now(), Arc::from("a"));
        assert_eq!(doubt.is_without_user(&session, start), Belief::Unsure(SECOND_READ));
        assert!(doubt.doubts("a"));
        doubt.is_there("a");
        assert!(!doubt.doubts("a"));
        assert_eq!(doubt.is_without_user(&session, seconds(start, 1)), Belief::Unsure(SECOND_READ));
        assert_eq!(doubt.is_without_user(&session, seconds(start, 12)), Belief::Unsure(SECOND_READ));
        assert_eq!(doubt.is_without_user(&session, seconds(start, 14)), Belief::Gone);
    }

    #[test]
    fn what_is_not_read_again_is_forgotten() {
        let (doubt, start) = (Doubt::default(), Instant::now());
        doubt.begins(true);
        doubt.note(connection(1), start);
        for session in 0..100 {
            doubt.is_absent(&session.to_string().into(), seconds(start, 1));
        }
        doubt.note(connection(1), seconds(start, 60));
        assert_eq!(doubt.lock().absent.len(), 100);
        doubt.note(connection(1), seconds(start, 120));
        assert!(doubt.lock().absent.is_empty());
    }

    #[test]
    fn until_it_is_known_what_was_there_everything_is_doubted() {
        let (doubt, start, session) = (Doubt::default(), Instant::now(), Arc::from("a"));
        doubt.note(connection(1), start);
        assert_eq!(doubt.is_absent(&session, start), Belief::Unsure(SECOND_READ));
    }

    #[test]
    fn another_store_is_another_connection() {
        let (doubt, start, session) = (Doubt::default(), Instant::now(), Arc::from("a"));
        doubt.begins(false);
        doubt.note(connection(1), start);
        doubt.note(Connection { store: 2, number: 1 }, start);
        assert_eq!(doubt.is_absent(&session, start), Belief::Unsure(SECOND_READ));
        // What the one does not have, the other one may.
        doubt.note(Connection { store: 3, number: 1 }, seconds(start, 1));
        assert_eq!(doubt.is_absent(&session, seconds(start, 3)), Belief::Unsure(SECOND_READ));
    }
}
