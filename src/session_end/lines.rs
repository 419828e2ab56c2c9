//! How it stands with each gateway: what it was told and has not answered, and whether it is worth telling it more. One that
//! is silent holds up nobody but itself, and what it is told of changed users holds up no end.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::mpsc, time::Instant};

/// A session that has to be asked again after this, since something could not be done.
pub(super) type Retry = (Arc<str>, Duration);

/// Sockets that a gateway may be asked to end and has not answered for: what the pace allows in a second, so that one that
/// answers within that is never held up.
const SOCKETS: usize = 2_000;

/// Commands about changed users that a gateway may have open: few of those that find a place in its stream.
const COMMANDS: usize = 16;

/// A gateway that has not answered for so long is told no more, until it does.
const SILENT: Duration = Duration::from_secs(1);

/// The longest pause after which a gateway that did not answer is told again.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);

/// The pause before something is tried again, after one of so long.
pub(super) fn longer(pause: Option<Duration>) -> Duration {
    const SHORTEST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_secs(30);
    pause.map_or(SHORTEST, |pause| (pause * 2).min(LONGEST))
}

/// What a gateway can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matter {
    /// Sockets have to end.
    Ends,
    /// Users have changed.
    Users,
}

impl Matter {
    /// How much of it may be open.
    fn most(self) -> usize {
        match self {
            Self::Ends => SOCKETS,
            Self::Users => COMMANDS,
        }
    }
}

/// The gateways' lines.
#[derive(Debug)]
pub(super) struct Lines {
    lines: Mutex<HashMap<Arc<str>, Line>>,
    /// Where sessions go that can go on.
    retry: mpsc::UnboundedSender<Retry>,
}

#[derive(Debug, Default)]
struct Line {
    /// Which stream it is: another one begins anew.
    tenure: u64,
    ends: Side,
    users: Side,
}

/// One matter of a line.
#[derive(Debug, Default)]
struct Side {
    /// Sockets that are being ended, or commands about users.
    open: usize,
    /// Since when something is open, with no answer in between.
    silent_since: Option<Instant>,
    /// It did not answer: nothing before this.
    pause: Option<(Instant, Duration)>,
    /// Of what it was told last it could do nothing.
    trying: Option<Trying>,
    /// Sessions that found no room, in order.
    waiting: VecDeque<Arc<str>>,
    are_waiting: HashSet<Arc<str>>,
}

impl Line {
    fn side(&mut self, matter: Matter) -> &mut Side {
        match matter {
            Matter::Ends => &mut self.ends,
            Matter::Users => &mut self.users,
        }
    }

    fn is_idle(&self) -> bool {
        self.ends.open == 0 && self.users.open == 0
    }
}

/// How often a gateway that could do nothing is told all the same.
#[derive(Debug)]
struct Trying {
    tries: f64,
    at: Instant,
}

impl Trying {
    /// Tries at once.
    const AT_ONCE: f64 = 100.0;
    /// Tries a second beyond those: few, since they take their places from other gateways.
    const A_SECOND: f64 = 100.0;

    fn new(now: Instant) -> Self {
        Self { tries: Self::AT_ONCE, at: now }
    }

    /// Of so many that are wanted, how many may be tried now.
    fn take(&mut self, wanted: usize, now: Instant) -> usize {
        self.tries = (now - self.at).as_secs_f64().mul_add(Self::A_SECOND, self.tries).min(Self::AT_ONCE);
        self.at = now;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a hundred at most, and no fewer than none"
        )]
        let taken = wanted.min(self.tries.max(0.0) as usize);
        #[expect(clippy::cast_precision_loss, reason = "a hundred at most")]
        let used = taken as f64;
        self.tries -= used;
        taken
    }
}

impl Side {
    /// Of so many that are wanted, for how many there is room.
    fn room(&mut self, most: usize, wanted: usize, now: Instant) -> usize {
        let is_paused = self.pause.is_some_and(|(until, _)| now < until);
        // After a pause one try has to do.
        let is_trying = self.pause.is_some() && self.open > 0;
        let is_silent = self.is_silent(now);
        let room = if is_paused || is_trying || is_silent { 0 } else { most.saturating_sub(self.open) };
        let room = room.min(wanted);
        self.trying.as_mut().map_or(room, |trying| trying.take(room, now))
    }

    fn is_silent(&self, now: Instant) -> bool {
        self.silent_since.is_some_and(|since| now - since > SILENT)
    }

    fn wait(&mut self, session_id: &Arc<str>) {
        if self.are_waiting.insert(Arc::clone(session_id)) {
            self.waiting.push_back(Arc::clone(session_id));
        }
    }

    fn next(&mut self) -> Option<Arc<str>> {
        let session_id = self.waiting.pop_front()?;
        self.are_waiting.remove(&session_id);
        Some(session_id)
    }
}

impl Lines {
    /// Of no gateway yet. Sessions that found no room go to `retry` when there is some.
    pub(super) fn new(retry: mpsc::UnboundedSender<Retry>) -> Self {
        Self { lines: Mutex::default(), retry }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of so many things of a session, how many a gateway can be told now. Of the rest the session is asked again when there
    /// is room for more. `tenure` is that of the gateway's stream.
    pub(super) fn room(
        &self,
        gateway_id: &Arc<str>,
        tenure: u64,
        matter: Matter,
        (session_id, wanted): (&Arc<str>, usize),
    ) -> usize {
        let mut lines = self.lock();
        let line = lines.entry(Arc::clone(gateway_id)).or_default();
        if line.tenure != tenure {
            // What the earlier stream was told comes back by itself.
            *line = Line { tenure, ..Line::default() };
        }
        let side = line.side(matter);
        let room = side.room(matter.most(), wanted, Instant::now());
        if room < wanted {
            side.wait(session_id);
        }
        room
    }

    /// A gateway is told something of so many sockets, or by so many commands.
    pub(super) fn tell(self: &Arc<Self>, gateway_id: &Arc<str>, matter: Matter, count: usize) -> Open {
        let mut lines = self.lock();
        let line = lines.entry(Arc::clone(gateway_id)).or_default();
        let tenure = line.tenure;
        let side = line.side(matter);
        side.open += count;
        side.silent_since.get_or_insert_with(Instant::now);
        Open { lines: Arc::clone(self), gateway_id: Arc::clone(gateway_id), tenure, matter, count }
    }

    /// Those are forgotten for which this does not hold.
    pub(super) fn keep(&self, mut holds: impl FnMut(&str) -> bool) {
        self.lock().retain(|gateway_id, line| !line.is_idle() || holds(gateway_id));
    }

    fn with(&self, open: &Open, change: impl FnOnce(&mut Side)) {
        if let Some(line) = self.lock().get_mut(&open.gateway_id).filter(|line| line.tenure == open.tenure) {
            change(line.side(open.matter));
        }
    }

    /// Of those who wait, the next go on after this.
    fn go_on(&self, side: &mut Side, count: usize, after: Duration) {
        for session_id in std::iter::from_fn(|| side.next()).take(count) {
            // Nobody takes it only when everything stops.
            let _ = self.retry.send((session_id, after));
        }
    }
}

/// What a gateway was told and has not answered. Dropped, it did not.
#[derive(Debug)]
pub(super) struct Open {
    lines: Arc<Lines>,
    gateway_id: Arc<str>,
    tenure: u64,
    matter: Matter,
    count: usize,
}

impl Open {
    /// It has answered, and has done so many: then as many go on as find its place and one more; after a silence, as many as
    /// there is room for. Who could do nothing is tried again by those who were told.
    pub(super) fn answered(self, done: usize) {
        let now = Instant::now();
        self.lines.with(&self, |side| {
            let was_silent = side.is_silent(now) || side.pause.is_some();
            side.pause = None;
            side.silent_since = Some(now);
            if done > 0 {
                side.trying = None;
                let still_open = side.open.saturating_sub(self.count);
                let room = self.matter.most().saturating_sub(still_open);
                self.lines.go_on(side, if was_silent { room } else { self.count + 1 }, Duration::ZERO);
            } else {
                side.trying.get_or_insert_with(|| Trying::new(now));
            }
        });
    }

    /// It has not. When it may be told again; somebody who waits tries it then, too.
    pub(super) fn unanswered(self) -> Duration {
        let now = Instant::now();
        let mut again = longer(None);
        self.lines.with(&self, |side| {
            again = match side.pause {
                // Another command of the same silence has said so.
                Some((until, _)) if now < until => until - now,
                before => {
                    let pause = longer(before.map(|(_, pause)| pause)).min(LONGEST_SILENCE);
                    side.pause = Some((now + pause, pause));
                    self.lines.go_on(side, 1, pause);
                    pause
                }
            };
        });
        again
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.lines.with(self, |side| {
            side.open = side.open.saturating_sub(self.count);
            if side.open == 0 {
                side.silent_since = None;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    struct Played {
        lines: Arc<Lines>,
        retried: mpsc::UnboundedReceiver<Retry>,
        gateway: Arc<str>,
        session: Arc<str>,
    }

    impl Played {
        fn new() -> Self {
            let (retry, retried) = mpsc::unbounded_channel();
            Self {
                lines: Arc::new(Lines::new(retry)),
                retried,
                gateway: Arc::from("g"),
                session: Arc::from("s"),
            }
        }

        fn room(&self, tenure: u64, matter: Matter) -> usize {
            self.lines.room(&self.gateway, tenure, matter, (&self.session, usize::MAX))
        }

        fn tell(&self, matter: Matter, count: usize) -> Open {
            self.lines.tell(&self.gateway, matter, count)
        }

        fn goes_on(&mut self) -> Option<Duration> {
            self.retried.try_recv().ok().map(|(_, after)| after)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_gateway_that_is_silent_is_told_no_more_until_it_answers() {
        let mut played = Played::new();
        assert_eq!(played.room(1, Matter::Ends), SOCKETS);
        let first = played.tell(Matter::Ends, 500);
        assert_eq!(played.room(1, Matter::Ends), SOCKETS - 500);
        advance(SILENT * 3).await;
        assert_eq!(played.room(1, Matter::Ends), 0);
        assert_eq!(played.room(1, Matter::Users), COMMANDS, "one matter holds up no other");
        assert_eq!(played.goes_on(), None);
        first.answered(500);
        assert_eq!(played.goes_on(), Some(Duration::ZERO));
        assert_eq!(played.goes_on(), None, "once");
        assert_eq!(played.room(1, Matter::Ends), SOCKETS);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_did_not_answer_is_tried_after_pauses_that_grow() {
        let mut played = Played::new();
        let mut pauses = Vec::new();
        for _ in 0..6 {
            assert_eq!(played.room(1, Matter::Ends), SOCKETS);
            let (one, two) = (played.tell(Matter::Ends, 1), played.tell(Matter::Ends, 1));
            let pause = one.unanswered();
            assert_eq!(two.unanswered(), pause, "of the same silence");
            assert_eq!(played.goes_on(), Some(pause), "who waits tries it, too");
            assert_eq!(played.room(1, Matter::Ends), 0);
            advance(pause).await;
            pauses.push(pause.as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 10, 10]);
        // One try at a time, and when that is answered all goes on.
        let trying = played.tell(Matter::Ends, 1);
        assert_eq!(played.room(1, Matter::Ends), 0);
        trying.answered(1);
        assert_eq!(played.room(1, Matter::Ends), SOCKETS);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_can_do_nothing_is_tried_seldom_until_it_can() {
        let played = Played::new();
        assert_eq!(played.room(1, Matter::Ends), SOCKETS);
        played.tell(Matter::Ends, 500).answered(0);
        assert_eq!(played.room(1, Matter::Ends), 100);
        assert_eq!(played.room(1, Matter::Ends), 0);
        played.tell(Matter::Ends, 100).answered(0);
        advance(Duration::from_millis(105)).await;
        assert_eq!(played.room(1, Matter::Ends), 10);
        played.tell(Matter::Ends, 10).answered(1);
        assert_eq!(played.room(1, Matter::Ends), SOCKETS);
    }

    #[tokio::test(start_paused = true)]
    async fn another_stream_begins_anew() {
        let played = Played::new();
        played.room(1, Matter::Ends);
        let old = played.tell(Matter::Ends, SOCKETS);
        advance(SILENT * 2).await;
        assert_eq!(played.room(2, Matter::Ends), SOCKETS);
        let new = played.tell(Matter::Ends, 1);
        old.unanswered();
        assert_eq!(played.room(2, Matter::Ends), SOCKETS - 1);
        drop(new);
        played.lines.keep(|_| false);
        assert!(played.lines.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_room_goes_on_in_order_as_others_are_answered() {
        let played = Played::new();
        let full = played.room(1, Matter::Users);
        let mut open: Vec<_> = (0..full).map(|_| played.tell(Matter::Users, 1)).collect();
        let sessions: Vec<Arc<str>> = ["a", "b", "c", "a"].map(Arc::from).into();
        for session in &sessions {
            assert_eq!(played.lines.room(&played.gateway, 1, Matter::Users, (session, 1)), 0);
        }
        open.pop().expect("some").answered(1);
        let mut retried = played.retried;
        let mut next = || retried.try_recv().ok().map(|(session, _)| session.to_string());
        // The first is whoever looked whether there was more room than there is.
        assert_eq!([next(), next(), next()].map(Option::unwrap_or_default), ["s", "a", ""]);
        open.pop().expect("some").answered(1);
        assert_eq!([next(), next(), next()].map(Option::unwrap_or_default), ["b", "c", ""]);
        // After a silence all go on for whom there is room.
        for session in &sessions {
            played.lines.room(&played.gateway, 1, Matter::Users, (session, COMMANDS));
        }
        drop(open.split_off(1));
        advance(SILENT * 2).await;
        open.pop().expect("one").answered(1);
        assert_eq!([next(), next(), next(), next()].map(Option::unwrap_or_default), ["a", "b", "c", ""]);
    }
}
