//! When each session is asked again.
//!
//! Two queues: sessions that the store has told of go first, and as fast as they come; those whose turn it is go at a pace
//! that has all of them asked in good time and never all at once.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

/// Between two questions about the same session, however often it changes.
const GAP: Duration = Duration::from_millis(50);

/// A session that was only touched is asked after this: what is new is when it ends.
const TOUCHED: Duration = Duration::from_millis(200);

/// A question that is not answered after so long was lost.
const LOST: Duration = Duration::from_secs(120);

/// Regular questions a second, if there are few sessions.
const LEAST_PACE: f64 = 1_000.0;

/// How much faster than would just do: for sessions that come anew while the others go on.
const HEADROOM: f64 = 2.0;

/// Regular questions that may go at once after a pause, in seconds of the pace.
const BURST: f64 = 0.05;

/// A session to be asked now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) session_id: Arc<str>,
    /// When one of its sockets was reported last.
    pub(super) reported: Instant,
    /// The first time since then: its gateway may not have heard what was found out before.
    pub(super) is_first: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Queue {
    /// The store has told of it.
    Told,
    /// It is its turn.
    Regular,
}

#[derive(Debug)]
struct Entry {
    reported: Instant,
    is_first: bool,
    /// When it is asked next; of one that is being asked now, when that is lost.
    due: (Queue, Instant),
    asked: Option<Instant>,
    /// It is being asked, and what came up meanwhile.
    asking: Option<Meanwhile>,
}

#[derive(Debug, Default)]
struct Meanwhile {
    due: Option<(Queue, Instant)>,
    is_first: bool,
}

/// The sessions and when each is asked.
#[derive(Debug)]
pub(super) struct Schedule {
    interval: Duration,
    entries: HashMap<Arc<str>, Entry>,
    told: BTreeSet<(Instant, Arc<str>)>,
    regular: BTreeSet<(Instant, Arc<str>)>,
    /// Regular questions that may go now, as of then.
    allowance: f64,
    allowed_at: Option<Instant>,
}

impl Schedule {
    /// An empty one; nobody waits for longer than this.
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            entries: HashMap::new(),
            told: BTreeSet::new(),
            regular: BTreeSet::new(),
            allowance: 0.0,
            allowed_at: None,
        }
    }

    /// How many sessions there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// A socket of it was reported: it is to be asked soon, for the first time as far as this socket is concerned.
    pub(super) fn is_reported(&mut self, session_id: Arc<str>, now: Instant) {
        let Some(entry) = self.entries.get_mut(&session_id) else {
            let due = (Queue::Regular, now);
            let entry = Entry { reported: now, is_first: true, due, asked: None, asking: None };
            self.entries.insert(Arc::clone(&session_id), entry);
            self.regular.insert((now, session_id));
            return;
        };
        entry.reported = now;
        match &mut entry.asking {
            Some(meanwhile) => meanwhile.is_first = true,
            None => entry.is_first = true,
        }
        self.at_the_latest(&session_id, Queue::Regular, now);
    }

    /// The store has told that it changed.
    pub(super) fn has_changed(&mut self, session_id: &str, now: Instant) {
        let Some(entry) = self.entries.get(session_id) else { return };
        let at = entry.asked.map_or(now, |asked| now.max(asked + GAP));
        self.at_the_latest(session_id, Queue::Told, at);
    }

    /// The store has told that it ends at another time.
    pub(super) fn was_touched(&mut self, session_id: &str, now: Instant) {
        let Some(entry) = self.entries.get(session_id) else { return };
        let at = entry.asked.map_or(now, |asked| now.max(asked + TOUCHED));
        self.at_the_latest(session_id, Queue::Regular, at);
    }

    /// It has to be asked again after this.
    pub(super) fn is_due_in(&mut self, session_id: &str, after: Duration) {
        self.at_the_latest(session_id, Queue::Told, Instant::now() + after);
    }

    /// Nothing that was known holds for certain.
    pub(super) fn all_are_due(&mut self, now: Instant) {
        let all: Vec<_> = self.entries.keys().cloned().collect();
        for session_id in all {
            self.at_the_latest(&session_id, Queue::Regular, now);
        }
    }

    fn at_the_latest(&mut self, session_id: &str, queue: Queue, at: Instant) {
        let Some((session_id, entry)) = self.entries.get_key_value(session_id) else { return };
        let (session_id, known) =
            (Arc::clone(session_id), entry.asking.as_ref().map(|meanwhile| meanwhile.due));
        match known {
            // Asked again when the answer is there: it may be from before.
            Some(known) => {
                let due = known.map_or((queue, at), |known| sooner(known, (queue, at)));
                if let Some(Entry { asking: Some(meanwhile), .. }) = self.entries.get_mut(&session_id) {
                    meanwhile.due = Some(due);
                }
            }
            None => {
                let due = sooner(entry.due, (queue, at));
                self.put(&session_id, due);
            }
        }
    }

    fn queue(&mut self, queue: Queue) -> &mut BTreeSet<(Instant, Arc<str>)> {
        match queue {
            Queue::Told => &mut self.told,
            Queue::Regular => &mut self.regular,
        }
    }

    fn put(&mut self, session_id: &Arc<str>, due: (Queue, Instant)) {
        let Some(entry) = self.entries.get_mut(session_id) else { return };
        let before = std::mem::replace(&mut entry.due, due);
        self.queue(before.0).remove(&(before.1, Arc::clone(session_id)));
        self.queue(due.0).insert((due.1, Arc::clone(session_id)));
    }

    /// The session that is to be asked now, if there is one.
    pub(super) fn next(&mut self, now: Instant) -> Option<Question> {
        let is_due = |first: Option<&(Instant, Arc<str>)>| {
            first.filter(|(at, _)| *at <= now).map(|(_, session_id)| Arc::clone(session_id))
        };
        let session_id = match is_due(self.told.first()) {
            Some(session_id) => session_id,
            None => {
                let session_id = is_due(self.regular.first())?;
                self.allow(now);
                if self.allowance < 1.0 {
                    return None;
                }
                self.allowance -= 1.0;
                session_id
            }
        };
        // If no answer ever comes it is taken up again.
        self.put(&session_id, (Queue::Regular, now + LOST));
        let entry = self.entries.get_mut(&session_id)?;
        entry.asked = Some(now);
        let lost = entry.asking.replace(Meanwhile::default());
        let is_first = std::mem::take(&mut entry.is_first) || lost.is_some_and(|lost| lost.is_first);
        Some(Question { session_id, reported: entry.reported, is_first })
    }

    /// When there is something to ask, if nothing comes up before.
    pub(super) fn next_at(&self) -> Option<Instant> {
        let told = self.told.first().map(|(at, _)| *at);
        let regular = self.regular.first().map(|(at, _)| (*at).max(self.allowed_next()));
        told.into_iter().chain(regular).min()
    }

    /// It was asked. Asked again after this; `None`: none of its sockets is open.
    pub(super) fn is_asked(&mut self, session_id: &str, again: Option<Duration>) {
        let Some((session_id, entry)) = self.entries.get_key_value(session_id) else { return };
        let (session_id, now) = (Arc::clone(session_id), Instant::now());
        let Meanwhile { due, is_first } = entry.asking.as_ref().map_or_else(Meanwhile::default, |asking| {
            Meanwhile { due: asking.due, is_first: asking.is_first }
        });
        let due = match (again, due) {
            (None, None) => {
                let due = entry.due;
                self.queue(due.0).remove(&(due.1, Arc::clone(&session_id)));
                self.entries.remove(&session_id);
                return;
            }
            (again, due) => {
                let again = (Queue::Regular, now + again.unwrap_or(self.interval));
                due.map_or(again, |due| sooner(due, again))
            }
        };
        // Never twice at once.
        let gap = entry.asked.map_or(now, |asked| asked + GAP);
        if let Some(entry) = self.entries.get_mut(&session_id) {
            entry.asking = None;
            entry.is_first |= is_first;
        }
        self.put(&session_id, (due.0, due.1.max(gap)));
    }

    /// Regular questions a second.
    fn pace(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a pace need not be exact")]
        let just_enough = self.entries.len() as f64 / self.interval.as_secs_f64();
        (HEADROOM * just_enough).max(LEAST_PACE)
    }

    fn allow(&mut self, now: Instant) {
        let pace = self.pace();
        let since = self.allowed_at.replace(now).map_or(BURST, |at| (now - at).as_secs_f64());
        self.allowance = (self.allowance + since * pace).min((BURST * pace).max(1.0));
    }

    /// When the next regular question may go.
    fn allowed_next(&self) -> Instant {
        let Some(at) = self.allowed_at else { return Instant::now() };
        at + Duration::from_secs_f64((1.0 - self.allowance).max(0.0) / self.pace())
    }
}

/// What is due sooner; what the store has told goes before what is regular.
fn sooner(one: (Queue, Instant), other: (Queue, Instant)) -> (Queue, Instant) {
    (one.0.min(other.0), one.1.min(other.1))
}

/// The next regular question about one of many, so that not all come at once: never later than the interval.
pub(super) fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(rand::random_range(0.75..1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);

    fn at(start: Instant, milliseconds: u64) -> Instant {
        start + Duration::from_millis(milliseconds)
    }

    fn next(schedule: &mut Schedule, now: Instant) -> Option<String> {
        schedule.next(now).map(|question| question.session_id.to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_reported_is_asked_at_once_and_then_in_turn() {
        let (mut schedule, start) = (Schedule::new(INTERVAL), Instant::now());
        schedule.is_reported("a".into(), start);
        let question = schedule.next(start).expect("due");
        assert_eq!((&*question.session_id, question.is_first), ("a", true));
        assert_eq!(schedule.next(start), None, "it is being asked");
        schedule.is_asked("a", Some(INTERVAL));
        assert_eq!(schedule.next(at(start, 29_999)), None);
        let question = schedule.next(at(start, 30_000)).expect("its turn");
        assert!(!question.is_first);
        schedule.is_asked("a", None);
        assert_eq!((schedule.len(), schedule.next_at()), (0, None));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_store_tells_goes_first_and_not_too_often() {
        let (mut schedule, start) = (Schedule::new(INTERVAL), Instant::now());
        for session in ["a", "b", "c"] {
            schedule.is_reported(session.into(), start);
        }
        schedule.has_changed("c", start);
        schedule.has_changed("unknown", start);
        assert_eq!(next(&mut schedule, start).as_deref(), Some("c"));
        // What comes while it is asked is asked again, once.
        schedule.has_changed("c", at(start, 1));
        schedule.has_changed("c", at(start, 2));
        schedule.is_asked("c", Some(INTERVAL));
        assert_eq!(next(&mut schedule, at(start, 3)).as_deref(), Some("a"));
        assert_eq!(next(&mut schedule, at(start, 3)).as_deref(), Some("b"));
        assert_eq!(schedule.next_at(), Some(at(start, 50)));
        assert_eq!(next(&mut schedule, at(start, 49)), None);
        assert_eq!(next(&mut schedule, at(start, 50)).as_deref(), Some("c"));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_gone_but_reported_meanwhile_stays() {
        let (mut schedule, start) = (Schedule::new(INTERVAL), Instant::now());
        schedule.is_reported("a".into(), start);
        schedule.next(start).expect("due");
        schedule.is_reported("a".into(), at(start, 10));
        schedule.is_asked("a", None);
        let question = schedule.next(at(start, 60)).expect("due again");
        assert!(question.is_first);
    }

    #[tokio::test(start_paused = true)]
    async fn many_are_asked_at_a_pace_and_all_within_the_interval() {
        let (mut schedule, start) = (Schedule::new(INTERVAL), Instant::now());
        let many: usize = 60_000;
        for session in 0..many {
            schedule.is_reported(session.to_string().into(), start);
        }
        let mut asked = 0;
        let mut most = 0;
        for step in 0..3_000 {
            let now = at(start, step * 10);
            let mut in_this = 0;
            while schedule.next(now).is_some() {
                in_this += 1;
            }
            asked += in_this;
            most = most.max(in_this);
        }
        assert_eq!(asked, many);
        assert!(most <= 250, "{most} at once");
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_is_lost_is_asked_again() {
        let (mut schedule, start) = (Schedule::new(INTERVAL), Instant::now());
        schedule.is_reported("a".into(), start);
        schedule.next(start).expect("due");
        assert_eq!(schedule.next(start + LOST).map(|question| question.is_first), Some(false));
    }
}
