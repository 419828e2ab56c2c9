//! When each session is asked again.
//!
//! Five queues, so that none can hold up another: sessions that the store has told of go as fast as they come. The others
//! take turns, each queue at a pace that has all of them asked in good time and never all at once: those whose sockets were
//! reported, those whose turn it is, those that are due at a time of their own, and those that were only touched.

use std::{
    collections::{BTreeSet, HashMap},
    ops::{Index, IndexMut},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::pace::Turn;

/// Between two questions about the same session, however often it changes.
const GAP: Duration = Duration::from_millis(50);

/// Between two times when all sessions are asked, however often a store says that it has lost everything.
const GAP_OF_ALL: Duration = Duration::from_secs(10);

/// A session that was only touched is asked after this: what is new is when it ends.
const TOUCHED: Duration = Duration::from_millis(200);

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
    /// When to ask again.
    pub(super) next: Next,
    /// There was no answer.
    pub(super) is_fault: bool,
    /// What it means for each of its sockets was found out, and kept.
    pub(super) is_settled: bool,
    /// When more of its sockets may be ended.
    pub(super) turn: Option<Turn>,
}

impl Asked {
    /// None of its sockets is open at a gateway that reports here.
    pub(super) const NO_SOCKETS: Self =
        Self { next: Next::Never, is_fault: false, is_settled: true, turn: None };

    /// Nothing was found out: again after this.
    pub(super) fn in_vain(after: Duration, turn: Option<Turn>) -> Self {
        Self { next: Next::After(after), is_fault: false, is_settled: false, turn }
    }
}

/// When a session that was asked is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// None of its sockets is open at a gateway that reports here.
    Never,
    /// When it is its turn.
    InTurn,
    /// After this, or when it is its turn if that is sooner.
    After(Duration),
}

/// Why a session is to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    /// The store has told of it, or something of ours has to be done again.
    Told,
    /// Its sockets were reported.
    Reported,
    /// It is its turn.
    Regular,
    /// It was to be asked at this time: it ends then, or what could not be done is tried again.
    Timed,
    /// It ends at another time.
    Touched,
}

impl Queue {
    const ALL: [Self; 5] = [Self::Told, Self::Reported, Self::Regular, Self::Timed, Self::Touched];
    /// Those that go at a pace, in the order of their turns.
    const PACED: [Self; 4] = [Self::Reported, Self::Regular, Self::Timed, Self::Touched];
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
    /// The paced queues, beginning with the one whose turn is next.
    turns: [Queue; Queue::PACED.len()],
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
            turns: Queue::PACED,
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

    /// A socket of it was reported: it is to be asked soon, for the first time as far as this socket is concerned.
    pub(super) fn is_reported(&mut self, session_id: &Arc<str>, now: Instant) {
        let entry = self.entries.entry(Arc::clone(session_id)).or_insert_with(|| Entry {
            is_first: true,
            was_told: false,
            due: Due::default(),
            asked: None,
            asking: None,
            turn: None,
        });
        match &mut entry.asking {
            Some(meanwhile) => meanwhile.is_first = true,
            None => entry.is_first = true,
        }
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
            self.is_due(&session_id, Queue::Regular, now);
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
            let due = &mut meanwhile.due[queue];
            *due = Some(due.map_or(at, |due| due.min(at)));
        }
    }

    /// Puts it into a queue, unless it is there for an earlier time.
    fn put(&mut self, session_id: &Arc<str>, queue: Queue, at: Instant) {
        let Some(entry) = self.entries.get_mut(session_id) else { return };
        let due = &mut entry.due[queue];
        if due.is_some_and(|due| due <= at) {
            return;
        }
        let before = due.replace(at);
        let queue = &mut self.queues[queue];
        if let Some(before) = before {
            queue.remove(&(before, Arc::clone(session_id)));
        }
        queue.insert((at, Arc::clone(session_id)));
    }

    /// Takes it out of all queues.
    fn take_out(&mut self, session_id: &Arc<str>) {
        let Some(entry) = self.entries.get_mut(session_id) else { return };
        for queue in Queue::ALL {
            if let Some(at) = entry.due[queue].take() {
                self.queues[queue].remove(&(at, Arc::clone(session_id)));
            }
        }
    }

    /// When the first of a queue is due.
    fn first_of(&self, queue: Queue) -> Option<Instant> {
        self.queues[queue].first().map(|(at, _)| *at)
    }

    fn is_any_due(&self, queue: Queue, now: Instant) -> bool {
        self.first_of(queue).is_some_and(|at| at <= now)
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
        for (turn, queue) in self.turns.into_iter().enumerate() {
            if self.is_any_due(queue, now) && self.allowances[queue].take(pace, now) {
                self.turns.rotate_left(turn + 1);
                return Some(queue);
            }
        }
        None
    }

    /// The session that is to be asked now, if there is one.
    pub(super) fn next(&mut self, room: Room, now: Instant) -> Option<Question> {
        let queue = self.pick(room, now)?;
        let session_id = self.queues[queue].first().map(|(_, session_id)| Arc::clone(session_id))?;
        self.take_out(&session_id);
        // If no answer ever comes it is taken up again.
        self.put(&session_id, Queue::Regular, now + LOST);
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
    pub(super) fn next_at(&self, room: Room) -> Option<Instant> {
        let told = self.first_of(Queue::Told).filter(|_| room.told);
        let pace = self.pace();
        let paced = |queue| {
            let at = self.first_of(queue).filter(|_| room.others)?;
            Some(at.max(self.allowances[queue].next(pace)))
        };
        Queue::PACED.into_iter().filter_map(paced).chain(told).min()
    }

    /// It was asked.
    pub(super) fn is_asked(&mut self, session_id: &str, asked: Asked) {
        let Asked { next, is_fault, is_settled, turn } = asked;
        let Some((session_id, entry)) = self.entries.get_key_value(session_id) else { return };
        let (session_id, now) = (Arc::clone(session_id), Instant::now());
        // Never twice at once.
        let gap = entry.asked.map_or(now, |asked| asked + GAP);
        self.take_out(&session_id);
        self.has_turn(&session_id, turn);
        let Some(entry) = self.entries.get_mut(&session_id) else { return };
        let Meanwhile { due, is_first } = entry.asking.take().unwrap_or_default();
        entry.is_first = is_first || (entry.is_first && !is_settled);
        entry.was_told &= is_fault;
        if next == Next::Never && due == Due::default() {
            self.entries.remove(&session_id);
            return;
        }
        let regular = jittered(self.interval);
        match next {
            Next::After(after) if after < regular => self.put(&session_id, Queue::Timed, now + after),
            _ => self.put(&session_id, Queue::Regular, now + regular),
        }
        for queue in Queue::ALL {
            if let Some(at) = due[queue] {
                self.put(&session_id, queue, at.max(gap));
            }
        }
        // One that has come and could not be used waits with the rest.
        if let Some(turn) = turn.filter(|turn| turn.at > now) {
            self.put(&session_id, Queue::Told, turn.at.max(gap));
        }
    }

    /// It was to be asked, and nobody needs to: none of its sockets is open. As if its turn had not come.
    pub(super) fn is_gone(&mut self, question: &Question) {
        self.allowances[question.queue].give_back();
        self.is_asked(&question.session_id, Asked::NO_SOCKETS);
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

/// Something of each queue.
#[derive(Debug, Default, PartialEq)]
struct OfEach<T>([T; Queue::ALL.len()]);

impl<T> Index<Queue> for OfEach<T> {
    type Output = T;

    fn index(&self, queue: Queue) -> &T {
        #[expect(clippy::indexing_slicing, reason = "there are as many as queues")]
        &self.0[queue as usize]
    }
}

impl<T> IndexMut<Queue> for OfEach<T> {
    fn index_mut(&mut self, queue: Queue) -> &mut T {
        #[expect(clippy::indexing_slicing, reason = "there are as many as queues")]
        &mut self.0[queue as usize]
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

/// The next regular question about one of many, so that not all come at once: never later than the interval.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(rand::random_range(0.75..1.0))
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);
    const ROOM: Room = Room { told: true, others: true };
    const REGULAR: Asked = Asked { next: Next::InTurn, is_fault: false, is_settled: true, turn: None };

    fn at(start: Instant, milliseconds: u64) -> Instant {
        start + Duration::from_millis(milliseconds)
    }

    fn next(schedule: &mut Schedule, now: Instant) -> Option<String> {
        schedule.next(ROOM, now).map(|question| question.session_id.to_string())
    }

    fn with(sessions: &[&str]) -> (Schedule, Instant) {
        let (mut schedule, start) = (Schedule::new(INTERVAL), Instant::now());
        for session in sessions {
            schedule.is_reported(&Arc::from(*session), start);
        }
        (schedule, start)
    }

    /// All of them were asked once.
    fn asked(sessions: &[&str]) -> (Schedule, Instant) {
        let (mut schedule, start) = with(sessions);
        while let Some(question) = schedule.next(ROOM, start) {
            schedule.is_asked(&question.session_id, REGULAR);
        }
        (schedule, start)
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_reported_is_asked_at_once_and_then_in_turn() {
        let (mut schedule, start) = with(&["a"]);
        let question = schedule.next(ROOM, start).expect("due");
        assert_eq!((&*question.session_id, question.is_first), ("a", true));
        assert_eq!(schedule.next(ROOM, start), None, "it is being asked");
        schedule.is_asked("a", REGULAR);
        assert_eq!(schedule.next(ROOM, at(start, 22_499)), None);
        let question = schedule.next(ROOM, at(start, 30_000)).expect("its turn");
        assert!(!question.is_first);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_asked_for_the_first_time_until_something_is_settled() {
        let (mut schedule, start) = with(&["a"]);
        schedule.next(ROOM, start).expect("due");
        let fault = Asked { is_settled: false, ..REGULAR };
        schedule.is_asked("a", fault);
        assert!(schedule.next(ROOM, at(start, 30_000)).expect("its turn").is_first);
        schedule.is_asked("a", REGULAR);
        schedule.has_changed("a", at(start, 40_000));
        assert!(!schedule.next(ROOM, at(start, 40_000)).expect("told").is_first);
        schedule.is_reported(&"a".into(), at(start, 40_001));
        schedule.is_asked("a", REGULAR);
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
            let again = Asked::in_vain(Duration::from_secs(second + 1).saturating_sub(start.elapsed()), None);
            schedule.is_asked("a", Asked { is_fault: true, ..again });
        }
        schedule.next(ROOM, at(start, 4_000)).expect("due");
        schedule.is_asked("a", REGULAR);
        assert!(!schedule.next(ROOM, at(start, 60_000)).expect("its turn").was_told);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_told_goes_first_and_never_twice_at_once() {
        let (mut schedule, start) = with(&["a", "b", "c"]);
        schedule.has_changed("c", start);
        assert_eq!(next(&mut schedule, start).as_deref(), Some("c"));
        schedule.has_changed("c", at(start, 1));
        schedule.has_changed("c", at(start, 2));
        schedule.is_asked("c", REGULAR);
        assert_eq!(next(&mut schedule, at(start, 3)).as_deref(), Some("a"));
        assert_eq!(next(&mut schedule, at(start, 3)).as_deref(), Some("b"));
        assert_eq!(schedule.next_at(ROOM), Some(at(start, 50)));
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

    #[tokio::test(start_paused = true)]
    async fn those_that_are_touched_wait_a_moment_and_then_take_turns_with_the_others() {
        let (mut schedule, start) = asked(&["a", "b"]);
        schedule.was_touched("a", start);
        assert_eq!(schedule.next_at(ROOM), Some(at(start, 200)));
        assert_eq!(schedule.next(ROOM, at(start, 199)), None);
        let then = at(start, 200);
        for session in 0..10_000 {
            schedule.is_reported(&session.to_string().into(), start);
        }
        schedule.all_are_due(start);
        let queues: Vec<_> =
            (0..6).filter_map(|_| schedule.next(ROOM, then)).map(|question| question.queue).collect();
        assert_eq!(queues.iter().filter(|queue| **queue == Queue::Touched).count(), 1, "{queues:?}");
        assert_eq!(queues.iter().filter(|queue| **queue == Queue::Regular).count(), 3, "{queues:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_due_at_its_own_time_does_not_wait_for_all_that_are_due() {
        let many: Vec<_> = (0..10_000).map(|session| session.to_string()).collect();
        let (mut schedule, start) = (Schedule::new(INTERVAL), Instant::now());
        schedule.is_reported(&"a".into(), start);
        schedule.next(ROOM, start).expect("due");
        schedule.is_asked("a", Asked { next: Next::After(Duration::from_secs(5)), ..REGULAR });
        for session in &many {
            schedule.is_reported(&session.as_str().into(), start);
        }
        schedule.all_are_due(start);
        let before_it = (0..).take_while(|_| next(&mut schedule, at(start, 4_999)).is_some()).count();
        assert!(before_it > 0);
        let then = at(start, 5_000);
        let question =
            (0..3).find_map(|_| schedule.next(ROOM, then).filter(|question| question.queue == Queue::Timed));
        assert_eq!(question.map(|question| question.session_id), Some("a".into()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_due_later_than_its_turn_comes_in_its_turn() {
        let (mut schedule, start) = with(&["a"]);
        schedule.next(ROOM, start).expect("due");
        schedule.is_asked("a", Asked { next: Next::After(INTERVAL), ..REGULAR });
        let question = schedule.next(ROOM, at(start, 29_999)).expect("its turn");
        assert_eq!(question.queue, Queue::Regular);
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
                schedule.is_asked(&question.session_id, REGULAR);
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
            schedule.is_reported(&session.to_string().into(), start);
        }
        let before_it = (0..).take_while(|_| next(&mut schedule, then).is_some_and(|id| id != "a")).count();
        assert!(before_it <= 1, "{before_it}");
        // And those that no socket has any more cost nothing.
        let mut gone = 0;
        while let Some(question) = schedule.next(ROOM, then) {
            schedule.is_gone(&question);
            gone += 1;
        }
        assert!(gone >= 9_998, "{gone}");
        assert_eq!(schedule.len(), 1, "the one that is being asked");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_gone_but_reported_meanwhile_stays() {
        let (mut schedule, start) = with(&["a"]);
        schedule.next(ROOM, start).expect("due");
        schedule.is_reported(&"a".into(), at(start, 10));
        schedule.is_asked("a", Asked { next: Next::Never, ..REGULAR });
        let question = schedule.next(ROOM, at(start, 60)).expect("due again");
        assert!(question.is_first);
    }

    #[tokio::test(start_paused = true)]
    async fn many_are_asked_at_a_pace_and_all_within_the_interval() {
        let (mut schedule, start) = (Schedule::new(INTERVAL), Instant::now());
        let many: usize = 60_000;
        for session in 0..many {
            schedule.is_reported(&session.to_string().into(), start);
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
        schedule.is_asked("a", Asked { turn, ..REGULAR });
        assert_eq!(schedule.waiting(), 7);
        assert_eq!(schedule.next(ROOM, at(start, 4_999)), None);
        let question = schedule.next(ROOM, at(start, 5_000)).expect("its turn");
        assert_eq!((question.queue, question.turn), (Queue::Told, turn));
        schedule.is_asked("a", REGULAR);
        assert_eq!(schedule.waiting(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_is_lost_is_asked_again() {
        let (mut schedule, start) = with(&["a"]);
        schedule.next(ROOM, start).expect("due");
        assert_eq!(schedule.next(ROOM, start + LOST).map(|question| question.is_first), Some(true));
    }
}
