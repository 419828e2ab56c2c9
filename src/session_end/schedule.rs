//! When each session is asked again.
//!
//! Six queues, so that none holds up another. What the store has told of goes as fast as it comes. The others go in rotation,
//! each at a pace that has all of them asked in good time and never all at once: what was reported, the sweep, known ends,
//! what is tried again, and what was only touched.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::pace::Turn;

/// Between two questions about the same session, however often it changes.
const GAP: Duration = Duration::from_millis(50);

/// Between two times when all sessions are asked, however often a store says that it has lost everything.
const GAP_OF_ALL: Duration = Duration::from_secs(10);

/// Between two questions about a session that is only touched: four times as long, since all that can be new is when it ends.
const TOUCHED: Duration = Duration::from_millis(200);

/// While the sweep is late by more, those that were only touched wait: with a slow store they would have it miss its interval.
const LATE: Duration = Duration::from_millis(500);

/// One that met a fault is tried again after this, if there was more reason to ask than the sweep.
pub(super) const AFTER_A_FAULT: Duration = Duration::from_secs(2);

/// A question that is not answered after so long was lost.
const LOST: Duration = Duration::from_secs(120);

/// Questions a second of each paced queue, if there are few sessions: as many as sockets may end in a second, so that no
/// question holds up an end.
const LEAST_PACE: f64 = super::pace::A_SECOND as f64;

/// How much faster than would just do: for sessions that come anew while the others go on.
const HEADROOM: f64 = 2.0;

/// Questions of a paced queue that may go at once after a pause, in seconds of the pace.
const BURST: f64 = 0.05;

/// A session to be asked now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) session_id: Arc<str>,
    /// Why it is asked.
    pub(super) queue: Queue,
    /// Nothing was settled since then: its gateways may not have heard what was found out before.
    pub(super) is_first: bool,
    /// The store has told of it, and there was no answer since then.
    pub(super) was_told: bool,
    /// Its turn to have sockets ended, if it has to wait for one.
    pub(super) turn: Option<Turn>,
}

/// What came of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) found: Found,
    /// Something could not be done, or is not believed yet: again after this.
    pub(super) retry: Option<Duration>,
    /// What it means for each of its sockets was found out, and kept.
    pub(super) is_settled: bool,
    /// When more of its sockets may be ended.
    pub(super) turn: Option<Turn>,
}

/// What was found out about a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// There is nothing to ask: no socket at a gateway that reports here, or no session that could be asked for.
    Nobody,
    /// There was no answer.
    Fault,
    /// There was one.
    Answer {
        /// The session ends after this, if that is known.
        ends_in: Option<Duration>,
    },
}

impl Asked {
    /// There is nothing to ask.
    pub(super) const NOBODY: Self = Self { found: Found::Nobody, retry: None, is_settled: true, turn: None };

    /// None of its sockets is seen yet: when it is, the session is asked.
    pub(super) fn unseen(turn: Option<Turn>) -> Self {
        Self { found: Found::Fault, retry: None, is_settled: false, turn }
    }

    /// Nothing is believed, or done: again after this.
    pub(super) fn in_vain(found: Found, after: Duration, turn: Option<Turn>) -> Self {
        Self { found, retry: Some(after), is_settled: false, turn }
    }
}

/// Why a session is to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    /// The store has told of it, or its gateway has room for what it is to be told.
    Told,
    /// Its sockets were reported, and are seen in the registry.
    Reported,
    /// The sweep has come to it.
    Sweep,
    /// Its end is due.
    Ending,
    /// What could not be done, or was not believed, is tried again.
    Retried,
    /// It ends at another time.
    Touched,
}

impl Queue {
    const ALL: [Self; 6] =
        [Self::Told, Self::Reported, Self::Sweep, Self::Ending, Self::Retried, Self::Touched];
    /// Those that go at a pace.
    const PACED: [Self; 5] = [Self::Reported, Self::Sweep, Self::Ending, Self::Retried, Self::Touched];
}

/// Something of each queue.
#[derive(Debug, Default, PartialEq)]
struct OfEach<T> {
    told: T,
    reported: T,
    sweep: T,
    ending: T,
    retried: T,
    touched: T,
}

impl<T> OfEach<T> {
    fn of(&mut self, queue: Queue) -> &mut T {
        match queue {
            Queue::Told => &mut self.told,
            Queue::Reported => &mut self.reported,
            Queue::Sweep => &mut self.sweep,
            Queue::Ending => &mut self.ending,
            Queue::Retried => &mut self.retried,
            Queue::Touched => &mut self.touched,
        }
    }
}

/// What there is room for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// For questions that the store has told of.
    pub(super) told: bool,
    /// For the others.
    pub(super) others: bool,
}

/// When a session is due, by queue.
type Due = OfEach<Option<Instant>>;

#[derive(Debug)]
struct Entry {
    is_first: bool,
    was_told: bool,
    /// Of one that is being asked: when that is lost.
    due: Due,
    asked: Option<Instant>,
    /// It is being asked, and what came up meanwhile.
    asking: Option<Meanwhile>,
    /// When it ends, as far as is known.
    ends_at: Option<Instant>,
    turn: Option<Turn>,
}

#[derive(Debug, Default)]
struct Meanwhile {
    due: Due,
    is_first: bool,
}

/// The sessions and when each is asked.
#[derive(Debug)]
pub(super) struct Schedule {
    interval: Duration,
    entries: HashMap<Arc<str>, Entry>,
    queues: OfEach<BTreeSet<(Instant, Arc<str>)>>,
    allowances: OfEach<Allowance>,
    /// The paced queues, beginning with the one that is next.
    rotation: [Queue; Queue::PACED.len()],
    /// Sockets that wait for their session's turn to have them ended.
    waiting: usize,
    /// When all were due last, or will be.
    all_were_due: Option<Instant>,
}

impl Schedule {
    /// An empty one; nobody waits for longer than this.
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            entries: HashMap::new(),
            queues: OfEach::default(),
            allowances: OfEach::default(),
            rotation: Queue::PACED,
            waiting: 0,
            all_were_due: None,
        }
    }

    /// How many sessions there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many sockets wait for their session's turn to have them ended.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// A socket of it was reported: what is asked next is asked for the first time as far as this socket is concerned.
    pub(super) fn is_reported(&mut self, session_id: &Arc<str>, now: Instant) {
        if !self.entries.contains_key(session_id) {
            let entry = Entry {
                is_first: true,
                was_told: false,
                due: Due::default(),
                asked: None,
                asking: None,
                ends_at: None,
                turn: None,
            };
            self.entries.insert(Arc::clone(session_id), entry);
            // Whatever becomes of the report.
            self.put(session_id, Queue::Sweep, now + jittered(self.interval));
        }
        let Some(entry) = self.entries.get_mut(session_id) else { return };
        match &mut entry.asking {
            Some(meanwhile) => meanwhile.is_first = true,
            None => entry.is_first = true,
        }
    }

    /// All of its sockets that were reported are seen: it is to be asked soon.
    pub(super) fn is_seen(&mut self, session_id: &str, now: Instant) {
        self.is_due(session_id, Queue::Reported, now);
    }

    /// The store has told that it changed.
    pub(super) fn has_changed(&mut self, session_id: &str, now: Instant) {
        self.is_due_after(session_id, Queue::Told, GAP, now);
    }

    /// The store has told that it ends at another time.
    pub(super) fn was_touched(&mut self, session_id: &str, now: Instant) {
        self.is_due_after(session_id, Queue::Touched, TOUCHED, now);
    }

    /// Something has to be done again after this.
    pub(super) fn is_due_in(&mut self, session_id: &str, after: Duration) {
        self.is_due(session_id, Queue::Told, Instant::now() + after);
    }

    /// Nothing that was known holds for certain.
    pub(super) fn all_are_due(&mut self, now: Instant) {
        let now = self.all_were_due.map_or(now, |before| now.max(before + GAP_OF_ALL));
        self.all_were_due = Some(now);
        let all: Vec<_> = self.entries.keys().cloned().collect();
        for session_id in all {
            self.is_due(&session_id, Queue::Sweep, now);
        }
    }

    fn is_due_after(&mut self, session_id: &str, queue: Queue, gap: Duration, now: Instant) {
        let Some(entry) = self.entries.get(session_id) else { return };
        let at = entry.asked.map_or(now, |asked| now.max(asked + gap));
        self.is_due(session_id, queue, at);
    }

    /// It is due then at the latest.
    fn is_due(&mut self, session_id: &str, queue: Queue, at: Instant) {
        let Some((session_id, entry)) = self.entries.get_key_value(session_id) else { return };
        let session_id = Arc::clone(session_id);
        if entry.asking.is_none() {
            self.put(&session_id, queue, at);
        } else if let Some(Entry { asking: Some(meanwhile), .. }) = self.entries.get_mut(&session_id) {
            // Asked again when the answer is there: it may be from before.
            let due = meanwhile.due.of(queue);
            *due = Some(due.map_or(at, |due| due.min(at)));
        }
    }

    /// Puts it into a queue, unless it is there for an earlier time.
    fn put(&mut self, session_id: &Arc<str>, queue: Queue, at: Instant) {
        let Some(entry) = self.entries.get_mut(session_id) else { return };
        let due = entry.due.of(queue);
        if due.is_some_and(|due| due <= at) {
            return;
        }
        let before = due.replace(at);
        let queue = self.queues.of(queue);
        if let Some(before) = before {
            queue.remove(&(before, Arc::clone(session_id)));
        }
        queue.insert((at, Arc::clone(session_id)));
    }

    /// Takes it out of all queues.
    fn take_out(&mut self, session_id: &Arc<str>) {
        let Some(entry) = self.entries.get_mut(session_id) else { return };
        for queue in Queue::ALL {
            if let Some(at) = entry.due.of(queue).take() {
                self.queues.of(queue).remove(&(at, Arc::clone(session_id)));
            }
        }
    }

    /// When the first of a queue is due.
    fn first_of(&mut self, queue: Queue) -> Option<Instant> {
        self.queues.of(queue).first().map(|(at, _)| *at)
    }

    fn is_any_due(&mut self, queue: Queue, now: Instant) -> bool {
        self.first_of(queue).is_some_and(|at| at <= now)
    }

    /// Whether a queue waits for the sweep.
    fn yields(&mut self, queue: Queue, now: Instant) -> bool {
        queue == Queue::Touched && self.first_of(Queue::Sweep).is_some_and(|at| at + LATE < now)
    }

    /// From which queue the next question comes.
    fn pick(&mut self, room: Room, now: Instant) -> Option<Queue> {
        if room.told && self.is_any_due(Queue::Told, now) {
            return Some(Queue::Told);
        }
        if !room.others {
            return None;
        }
        let pace = self.pace();
        for (place, queue) in self.rotation.into_iter().enumerate() {
            if self.is_any_due(queue, now)
                && !self.yields(queue, now)
                && self.allowances.of(queue).take(pace, now)
            {
                self.rotation.rotate_left(place + 1);
                return Some(queue);
            }
        }
        None
    }

    /// The session that is to be asked now, if there is one.
    pub(super) fn next(&mut self, room: Room, now: Instant) -> Option<Question> {
        let queue = self.pick(room, now)?;
        let session_id = self.queues.of(queue).first().map(|(_, session_id)| Arc::clone(session_id))?;
        self.take_out(&session_id);
        // If no answer ever comes it is taken up again.
        self.put(&session_id, Queue::Sweep, now + LOST);
        let entry = self.entries.get_mut(&session_id)?;
        entry.asked = Some(now);
        let lost = entry.asking.replace(Meanwhile::default());
        entry.is_first |= lost.is_some_and(|lost| lost.is_first);
        entry.was_told |= queue == Queue::Told;
        Some(Question {
            session_id,
            queue,
            is_first: entry.is_first,
            was_told: entry.was_told,
            turn: entry.turn,
        })
    }

    /// When there is something to ask, if nothing comes up before.
    pub(super) fn next_at(&mut self, room: Room, now: Instant) -> Option<Instant> {
        let told = self.first_of(Queue::Told).filter(|_| room.told);
        let pace = self.pace();
        let paced = |queue| {
            let at = self.first_of(queue).filter(|_| room.others && !self.yields(queue, now))?;
            Some(at.max(self.allowances.of(queue).next(pace)))
        };
        Queue::PACED.into_iter().filter_map(paced).chain(told).min()
    }

    /// It was asked.
    pub(super) fn is_asked(&mut self, session_id: &str, asked: Asked) {
        let Asked { found, retry, is_settled, turn } = asked;
        let Some((session_id, entry)) = self.entries.get_key_value(session_id) else { return };
        let (session_id, now) = (Arc::clone(session_id), Instant::now());
        // Never twice at once.
        let gap = entry.asked.map_or(now, |asked| asked + GAP);
        self.take_out(&session_id);
        self.has_turn(&session_id, turn);
        let Some(entry) = self.entries.get_mut(&session_id) else { return };
        let Meanwhile { mut due, is_first } = entry.asking.take().unwrap_or_default();
        entry.is_first = is_first || (entry.is_first && !is_settled);
        entry.was_told &= found == Found::Fault;
        if found == Found::Nobody && due == Due::default() {
            self.entries.remove(&session_id);
            return;
        }
        // What was known of its end is not forgotten over a fault. While that lasts it is tried again, but not for ever.
        let ends_at = match found {
            Found::Nobody => None,
            Found::Answer { ends_in } => ends_in.map(|ends_in| now + ends_in),
            Found::Fault => entry.ends_at.filter(|at| now < *at + self.interval),
        };
        entry.ends_at = ends_at;
        let retry_at = retry.map(|after| now + after);
        let end_is_due = match found {
            Found::Fault => ends_at.map(|at| at.max(now + AFTER_A_FAULT)),
            _ => ends_at,
        };
        self.put(&session_id, Queue::Sweep, now + jittered(self.interval));
        // Also if the sweep would come first: it may be late. What is further away the sweep finds again.
        let soon = now + 2 * self.interval;
        for (queue, at) in [(Queue::Ending, end_is_due), (Queue::Retried, retry_at)] {
            if let Some(at) = at.filter(|at| *at < soon) {
                self.put(&session_id, queue, at);
            }
        }
        for queue in Queue::ALL {
            if let Some(at) = due.of(queue).take() {
                self.put(&session_id, queue, at.max(gap));
            }
        }
        // One that has come and could not be used waits with the rest.
        if let Some(turn) = turn.filter(|turn| turn.at > now) {
            self.put(&session_id, Queue::Told, turn.at.max(gap));
        }
    }

    /// It was to be asked, and is not: none of its sockets is open, or is seen yet. As if it had not been due.
    pub(super) fn is_not_asked(&mut self, question: &Question, asked: Asked) {
        self.allowances.of(question.queue).give_back();
        self.is_asked(&question.session_id, asked);
    }

    fn has_turn(&mut self, session_id: &str, turn: Option<Turn>) {
        let Some(entry) = self.entries.get_mut(session_id) else { return };
        let before = std::mem::replace(&mut entry.turn, turn);
        let sockets = |turn: Option<Turn>| turn.map_or(0, |turn| turn.sockets);
        self.waiting = self.waiting + sockets(turn) - sockets(before);
    }

    /// Questions a second of each paced queue.
    fn pace(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a pace need not be exact")]
        let just_enough = self.entries.len() as f64 / self.interval.as_secs_f64();
        (HEADROOM * just_enough).max(LEAST_PACE)
    }
}

/// Questions of a queue that may go now, as of then.
#[derive(Debug, Default)]
struct Allowance {
    questions: f64,
    at: Option<Instant>,
}

impl Allowance {
    /// Whether one may go now, which it does then.
    fn take(&mut self, pace: f64, now: Instant) -> bool {
        let since = self.at.replace(now).map_or(BURST, |at| (now - at).as_secs_f64());
        self.questions = (self.questions + since * pace).min((BURST * pace).max(1.0));
        let goes = self.questions >= 1.0;
        if goes {
            self.questions -= 1.0;
        }
        goes
    }

    fn give_back(&mut self) {
        self.questions += 1.0;
    }

    /// When the next one may go.
    fn next(&self, pace: f64) -> Instant {
        let Some(at) = self.at else { return Instant::now() };
        at + Duration::from_secs_f64((1.0 - self.questions).max(0.0) / pace)
    }
}

/// When the sweep comes to one of many, so that it does not come to all at once: never later than the interval.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(rand::random_range(0.75..1.0))
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);
    const ROOM: Room = Room { told: true, others: true };
    const SETTLED: Asked =
        Asked { found: Found::Answer { ends_in: None }, retry: None, is_settled: true, turn: None };

    fn at(start: Instant, milliseconds: u64) -> Instant {
        start + Duration::from_millis(milliseconds)
    }

    /// A socket of it is reported and seen.
    fn report(schedule: &mut Schedule, session_id: &Arc<str>, now: Instant) {
        schedule.is_reported(session_id, now);
        schedule.is_seen(session_id, now);
    }

    fn next(schedule: &mut Schedule, now: Instant) -> Option<String> {
        schedule.next(ROOM, now).map(|question| question.session_id.to_string())
    }

    fn with(sessions: &[&str]) -> (Schedule, Instant) {
        let (mut schedule, start) = (Schedule::new(INTERVAL), Instant::now());
        for session in sessions {
            report(&mut schedule, &Arc::from(*session), start);
        }
        (schedule, start)
    }

    /// All of them were asked once.
    fn asked(sessions: &[&str]) -> (Schedule, Instant) {
        let (mut schedule, start) = with(sessions);
        while let Some(question) = schedule.next(ROOM, start) {
            schedule.is_asked(&question.session_id, SETTLED);
        }
        (schedule, start)
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_reported_is_asked_at_once_and_then_in_turn() {
        let (mut schedule, start) = with(&["a"]);
        let question = schedule.next(ROOM, start).expect("due");
        assert_eq!((&*question.session_id, question.is_first), ("a", true));
        assert_eq!(schedule.next(ROOM, start), None, "it is being asked");
        schedule.is_asked("a", SETTLED);
        assert_eq!(schedule.next(ROOM, at(start, 22_499)), None);
        let question = schedule.next(ROOM, at(start, 30_000)).expect("its turn");
        assert!(!question.is_first);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_asked_for_the_first_time_until_something_is_settled() {
        let (mut schedule, start) = with(&["a"]);
        schedule.next(ROOM, start).expect("due");
        let fault = Asked { found: Found::Fault, is_settled: false, ..SETTLED };
        schedule.is_asked("a", fault);
        assert!(schedule.next(ROOM, at(start, 30_000)).expect("its turn").is_first);
        schedule.is_asked("a", SETTLED);
        schedule.has_changed("a", at(start, 40_000));
        assert!(!schedule.next(ROOM, at(start, 40_000)).expect("told").is_first);
        report(&mut schedule, &"a".into(), at(start, 40_001));
        schedule.is_asked("a", SETTLED);
        assert!(schedule.next(ROOM, at(start, 40_050)).expect("reported meanwhile").is_first);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_told_and_met_a_fault_stays_told_until_there_is_an_answer() {
        let (mut schedule, start) = asked(&["a"]);
        schedule.has_changed("a", at(start, 1_000));
        for second in 1..4 {
            let question = schedule.next(ROOM, at(start, second * 1_000)).expect("due");
            assert!(question.was_told);
            advance(Duration::from_secs(1)).await;
            let after = Duration::from_secs(second + 1).saturating_sub(start.elapsed());
            schedule.is_asked("a", Asked::in_vain(Found::Fault, after, None));
        }
        schedule.next(ROOM, at(start, 4_000)).expect("due");
        schedule.is_asked("a", SETTLED);
        assert!(!schedule.next(ROOM, at(start, 60_000)).expect("its turn").was_told);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_told_goes_first_and_never_twice_at_once() {
        let (mut schedule, start) = with(&["a", "b", "c"]);
        schedule.has_changed("c", start);
        assert_eq!(next(&mut schedule, start).as_deref(), Some("c"));
        schedule.has_changed("c", at(start, 1));
        schedule.has_changed("c", at(start, 2));
        schedule.is_asked("c", SETTLED);
        assert_eq!(next(&mut schedule, at(start, 3)).as_deref(), Some("a"));
        assert_eq!(next(&mut schedule, at(start, 3)).as_deref(), Some("b"));
        assert_eq!(schedule.next_at(ROOM, at(start, 3)), Some(at(start, 50)));
        assert_eq!(next(&mut schedule, at(start, 49)), None);
        assert_eq!(next(&mut schedule, at(start, 50)).as_deref(), Some("c"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_told_does_not_take_the_place_of_the_others() {
        let (mut schedule, start) = with(&["a", "b"]);
        schedule.has_changed("b", start);
        let others = Room { told: false, others: true };
        assert_eq!(schedule.next(others, start).map(|question| question.session_id), Some("a".into()));
        let told = Room { told: true, others: false };
        assert_eq!(schedule.next(told, start).map(|question| question.queue), Some(Queue::Told));
    }

    /// How many others go before this one is asked for this reason.
    fn before(schedule: &mut Schedule, session_id: &str, queue: Queue, now: Instant) -> usize {
        (0..)
            .take_while(|_| {
                let question = schedule.next(ROOM, now).expect("it is due");
                (&*question.session_id, question.queue) != (session_id, queue)
            })
            .count()
    }

    /// Many others are due by then for this reason.
    fn flood(schedule: &mut Schedule, queue: Queue, at: Instant) {
        for number in 0..10_000 {
            let session_id: Arc<str> = format!("other {number}").into();
            report(schedule, &session_id, at);
            schedule.take_out(&session_id);
            schedule.put(&session_id, queue, at);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_paced_queue_holds_up_another() {
        for flooded in Queue::PACED {
            for queue in Queue::PACED.into_iter().filter(|queue| *queue != flooded) {
                let (mut schedule, start) = (Schedule::new(INTERVAL), Instant::now());
                flood(&mut schedule, flooded, start);
                report(&mut schedule, &"a".into(), start);
                schedule.take_out(&"a".into());
                schedule.put(&"a".into(), queue, start);
                assert!(before(&mut schedule, "a", queue, start) <= 1, "{queue:?} behind {flooded:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_are_touched_wait_while_the_sweep_is_late() {
        let (mut schedule, start) = asked(&["a", "b"]);
        schedule.was_touched("a", start);
        schedule.put(&"b".into(), Queue::Sweep, start);
        let late = start + LATE + Duration::from_millis(1);
        assert_eq!(schedule.next(ROOM, late).map(|question| question.queue), Some(Queue::Sweep));
        assert_eq!(schedule.next(ROOM, late).map(|question| question.queue), Some(Queue::Touched));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_was_just_asked_waits_when_it_is_touched() {
        let (mut schedule, start) = asked(&["a", "b"]);
        schedule.was_touched("a", start);
        assert_eq!(schedule.next_at(ROOM, start), Some(at(start, 200)));
        assert_eq!(schedule.next(ROOM, at(start, 199)), None);
        let question = schedule.next(ROOM, at(start, 200)).expect("due");
        assert_eq!((&*question.session_id, question.queue), ("a", Queue::Touched));
    }

    #[tokio::test(start_paused = true)]
    async fn one_whose_end_is_known_is_asked_then() {
        let (mut schedule, start) = with(&["a"]);
        schedule.next(ROOM, start).expect("due");
        let ends_in = |ends_in| Asked { found: Found::Answer { ends_in: Some(ends_in) }, ..SETTLED };
        schedule.is_asked("a", ends_in(Duration::from_secs(5)));
        assert_eq!(schedule.next(ROOM, at(start, 4_999)), None);
        assert_eq!(schedule.next(ROOM, at(start, 5_000)).map(|question| question.queue), Some(Queue::Ending));
        // Also where the sweep should have come before and is late.
        schedule.is_asked("a", ends_in(INTERVAL));
        flood(&mut schedule, Queue::Sweep, start);
        assert!(before(&mut schedule, "a", Queue::Ending, at(start, 30_000)) <= 1);
        // What is far away is left to the sweep.
        schedule.is_asked("a", ends_in(3 * INTERVAL));
        assert_eq!(schedule.first_of(Queue::Ending), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_does_not_make_a_known_end_forgotten() {
        let (mut schedule, start) = with(&["a"]);
        let fault = Asked { found: Found::Fault, is_settled: false, ..SETTLED };
        schedule.next(ROOM, start).expect("due");
        let known = Found::Answer { ends_in: Some(Duration::from_secs(5)) };
        schedule.is_asked("a", Asked { found: known, ..SETTLED });
        schedule.has_changed("a", at(start, 1_000));
        schedule.next(ROOM, at(start, 1_000)).expect("told");
        advance(Duration::from_secs(1)).await;
        schedule.is_asked("a", fault);
        assert_eq!(schedule.next(ROOM, at(start, 4_999)), None);
        // While the fault lasts it is tried every other second, until the sweep has come to it anyway.
        let mut tries = 0;
        for second in 5..120 {
            advance(at(start, second * 1_000) - Instant::now()).await;
            while let Some(question) = schedule.next(ROOM, Instant::now()) {
                tries += u32::from(question.queue == Queue::Ending);
                schedule.is_asked("a", fault);
            }
        }
        assert!((10..=16).contains(&tries), "{tries}");
    }

    #[tokio::test(start_paused = true)]
    async fn however_often_one_is_touched_it_is_asked_five_times_a_second() {
        let (mut schedule, start) = asked(&["a", "b", "c"]);
        let mut asked = 0;
        for milliseconds in 0..10_000 {
            let now = start + Duration::from_millis(milliseconds);
            for session in ["a", "b", "c"] {
                schedule.was_touched(session, now);
            }
            while let Some(question) = schedule.next(ROOM, now) {
                asked += 1;
                schedule.is_asked(&question.session_id, SETTLED);
            }
            advance(Duration::from_millis(1)).await;
        }
        assert!((3 * 45..=3 * 50).contains(&asked), "{asked} in 10 s, of three sessions");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_reports_does_not_hold_up_whose_turn_it_is() {
        let (mut schedule, start) = asked(&["a"]);
        let then = at(start, 30_000);
        for session in 0..10_000 {
            report(&mut schedule, &session.to_string().into(), at(start, 29_000));
        }
        let before_it = (0..).take_while(|_| next(&mut schedule, then).is_some_and(|id| id != "a")).count();
        assert!(before_it <= 1, "{before_it}");
        // And those that no socket has any more cost nothing.
        let mut gone = 0;
        while let Some(question) = schedule.next(ROOM, then) {
            schedule.is_not_asked(&question, Asked::NOBODY);
            gone += 1;
        }
        assert!(gone >= 9_998, "{gone}");
        assert_eq!(schedule.len(), 1, "the one that is being asked");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_gone_but_reported_meanwhile_stays() {
        let (mut schedule, start) = with(&["a"]);
        schedule.next(ROOM, start).expect("due");
        report(&mut schedule, &"a".into(), at(start, 10));
        schedule.is_asked("a", Asked::NOBODY);
        let question = schedule.next(ROOM, at(start, 60)).expect("due again");
        assert!(question.is_first);
    }

    #[tokio::test(start_paused = true)]
    async fn many_are_asked_at_a_pace_and_all_within_the_interval() {
        let (mut schedule, start) = (Schedule::new(INTERVAL), Instant::now());
        let many: usize = 60_000;
        for session in 0..many {
            report(&mut schedule, &session.to_string().into(), start);
        }
        let mut asked = 0;
        let mut most = 0;
        for step in 0..3_000 {
            let now = at(start, step * 10);
            let mut in_this = 0;
            while schedule.next(ROOM, now).is_some() {
                in_this += 1;
            }
            asked += in_this;
            most = most.max(in_this);
        }
        assert_eq!(asked, many);
        assert!(most <= 250, "{most} at once");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_a_turn_is_asked_when_it_has_come() {
        let (mut schedule, start) = with(&["a"]);
        schedule.next(ROOM, start).expect("due");
        let turn = Some(Turn { at: at(start, 5_000), sockets: 7 });
        schedule.is_asked("a", Asked { turn, ..SETTLED });
        assert_eq!(schedule.waiting(), 7);
        assert_eq!(schedule.next(ROOM, at(start, 4_999)), None);
        let question = schedule.next(ROOM, at(start, 5_000)).expect("its turn");
        assert_eq!((question.queue, question.turn), (Queue::Told, turn));
        schedule.is_asked("a", SETTLED);
        assert_eq!(schedule.waiting(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_is_lost_is_asked_again() {
        let (mut schedule, start) = with(&["a"]);
        schedule.next(ROOM, start).expect("due");
        assert_eq!(schedule.next(ROOM, start + LOST).map(|question| question.is_first), Some(true));
    }
}
