//! Ends sockets: as the pace allows and as their gateways keep up. What cannot go now is no queue here: its session is
//! asked again when there is room, so that whoever is back by then stays.

use std::{
    collections::{BTreeMap, HashMap, HashSet, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    ended::{self, KeepsRecord},
    lines::{Lines, Matter, Open, Retry, longer},
    pace::{Granted, Pace, Turn},
    tally::Tally,
};
use crate::{
    reason::Reason,
    registry::{
        Registry,
        command::{CloseText, Task},
        dispatch::Outcome,
        record::Record,
        view::member::Member,
    },
};

/// Ends of so long go together to their gateways, while there are many.
const TOGETHER: Duration = Duration::from_millis(10);

/// Fewer in that time go at once.
const FEW: usize = 10;

/// Sockets of one command.
pub(super) const CHUNK: usize = 500;

/// Sockets that could not be closed, before it is looked which of them are open still.
const MANY: usize = 1_024;

/// The stream of a gateway that reports to another replica.
const ELSEWHERE: u64 = 0;

/// A socket of a gateway.
type Key = (Arc<str>, Box<str>);

/// A socket that has to end.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) gateway_id: Arc<str>,
    pub(super) record: Record,
    pub(super) reason: Reason,
    /// The session that was asked, which is asked again if it comes to nothing.
    pub(super) asked: Arc<str>,
    /// The stream over which its gateway is told.
    tenure: u64,
}

impl End {
    pub(super) fn of(member: &Member, reason: Reason, asked: &Arc<str>) -> Self {
        Self {
            gateway_id: Arc::clone(&member.info.gateway_id),
            record: member.record.clone(),
            reason,
            asked: Arc::clone(asked),
            tenure: ELSEWHERE,
        }
    }

    fn key(&self) -> Key {
        (Arc::clone(&self.gateway_id), self.socket_id().into())
    }

    fn socket_id(&self) -> &str {
        self.record.socket_id()
    }
}

/// How many sockets are being ended, and when the rest can be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rest {
    /// So many are on their way out now.
    pub(super) ended: usize,
    /// Ask again after this.
    pub(super) after: Option<Duration>,
    /// When the pace allows it.
    pub(super) turn: Option<Turn>,
}

/// How it stands with a socket that was to end.
#[derive(Clone, Copy, Debug)]
enum Trial {
    /// Its gateway was told over this stream, for the last time after this pause if it could not close it before.
    UnderWay(u64, Option<Duration>),
    /// Its gateway could not close it: again after this pause, not before then.
    Failed(Duration, Instant),
}

impl Trial {
    /// Whether it is what the gateway was told over this stream, and has not answered.
    fn is_of(self, tenure: u64) -> bool {
        matches!(self, Self::UnderWay(of, _) if of == tenure)
    }

    /// The last pause.
    fn pause(self) -> Option<Duration> {
        match self {
            Self::UnderWay(_, pause) => pause,
            Self::Failed(pause, _) => Some(pause),
        }
    }
}

/// Where ends are handed in.
#[derive(Debug)]
pub(super) struct Endings {
    registry: Arc<Registry>,
    lines: Arc<Lines>,
    trials: Arc<Trials>,
    pace: Mutex<Pace>,
    out: mpsc::UnboundedSender<End>,
    tally: Arc<Tally>,
}

#[derive(Debug, Default)]
struct Trials(Mutex<HashMap<Key, Trial>>);

impl Trials {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Trial>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Endings {
    /// Where ends are handed in, and who does them. Sessions whose sockets could not be ended go to `retry`.
    pub(super) fn new(
        registry: Arc<Registry>,
        lines: Arc<Lines>,
        retry: mpsc::UnboundedSender<Retry>,
        tally: Arc<Tally>,
        keeper: Arc<dyn KeepsRecord>,
    ) -> (Self, Ending) {
        let (out, handed_in) = mpsc::unbounded_channel();
        let trials = Arc::new(Trials::default());
        let ending = Ending {
            registry: Arc::clone(&registry),
            lines: Arc::clone(&lines),
            trials: Arc::clone(&trials),
            handed_in,
            retry,
            tally: Arc::clone(&tally),
            keeper,
        };
        let pace = Mutex::new(Pace::new(Instant::now()));
        (Self { registry, lines, trials, pace, out, tally }, ending)
    }

    /// These sockets have to end because of a session, now as many as may. `turn`: what the session was given for it before.
    pub(super) fn end(&self, ends: Vec<End>, turn: Option<Turn>) -> Rest {
        let now = Instant::now();
        let mut trials = self.trials.lock();
        let mut after: Option<Duration> = None;
        let mut seen = HashSet::new();
        let mut of_gateways: BTreeMap<Arc<str>, Vec<End>> = BTreeMap::new();
        for end in ends {
            if !seen.insert(end.key()) {
                continue;
            }
            match trials.get(&end.key()) {
                // What an earlier stream was told is nobody's to answer.
                Some(Trial::UnderWay(tenure, _)) if *tenure == self.tenure(&end.gateway_id) => {}
                Some(Trial::Failed(_, then)) if now < *then => {
                    let pause = *then - now;
                    after = Some(after.map_or(pause, |after| after.min(pause)));
                }
                _ => of_gateways.entry(Arc::clone(&end.gateway_id)).or_default().push(end),
            }
        }
        let mut possible = Vec::new();
        for (gateway_id, mut ends) in of_gateways {
            ends.truncate(self.room(&gateway_id, &ends));
            possible.extend(ends);
        }
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let Granted { now: count, turn } = pace.ask(possible.len(), turn, now);
        drop(pace);
        for mut end in possible.into_iter().take(count) {
            end.tenure = self.tenure(&end.gateway_id);
            let pause = trials.get(&end.key()).and_then(|trial| trial.pause());
            trials.insert(end.key(), Trial::UnderWay(end.tenure, pause));
            self.tally.is_under_way();
            // Nobody takes it only when everything stops.
            let _ = self.out.send(end);
        }
        Rest { ended: count, after, turn }
    }

    /// A turn that nobody uses.
    pub(super) fn give_back(&self, turn: Option<Turn>) {
        if let Some(turn) = turn {
            self.pace.lock().unwrap_or_else(PoisonError::into_inner).give_back(turn.sockets);
        }
    }

    /// The number of a gateway's stream.
    fn tenure(&self, gateway_id: &str) -> u64 {
        self.registry.tenure_here(gateway_id).unwrap_or(ELSEWHERE)
    }

    /// How many of these a gateway can be told of.
    fn room(&self, gateway_id: &Arc<str>, ends: &[End]) -> usize {
        let Some(End { asked, .. }) = ends.first() else { return 0 };
        let tenure = self.tenure(gateway_id);
        self.lines.room(gateway_id, tenure, Matter::Ends, (asked, ends.len()))
    }
}

/// Ends them.
pub(super) struct Ending {
    registry: Arc<Registry>,
    lines: Arc<Lines>,
    trials: Arc<Trials>,
    handed_in: mpsc::UnboundedReceiver<End>,
    retry: mpsc::UnboundedSender<Retry>,
    tally: Arc<Tally>,
    keeper: Arc<dyn KeepsRecord>,
}

/// Sockets that one command ends. Dropped, they may be ended again.
struct UnderWay {
    ends: Vec<End>,
    trials: Arc<Trials>,
    tally: Arc<Tally>,
    keeper: Arc<dyn KeepsRecord>,
    /// Those of which the gateway says that they are closed.
    done: HashSet<String>,
}

impl UnderWay {
    /// Tells of those that are closed.
    fn tell(&self) {
        let Some(End { gateway_id, reason, .. }) = self.ends.first() else { return };
        let closed = self.ends.iter().filter(|end| self.done.contains(end.socket_id()));
        ended::tell(&*self.keeper, gateway_id, *reason, closed.map(|end| &end.record));
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut trials = self.trials.lock();
        for end in &self.ends {
            self.tally.is_settled(end.reason, self.done.contains(end.socket_id()));
            if let Entry::Occupied(trial) = trials.entry(end.key())
                && trial.get().is_of(end.tenure)
            {
                trial.remove();
            }
        }
    }
}

impl Ending {
    pub(super) async fn run(mut self) {
        let mut told: JoinSet<()> = JoinSet::new();
        let mut crowd = Crowd::default();
        while let Some(first) = self.handed_in.recv().await {
            if let Some(then) = crowd.is_over_at(Instant::now()) {
                sleep_until(then).await;
            }
            let mut ends = vec![first];
            while let Ok(end) = self.handed_in.try_recv() {
                ends.push(end);
            }
            crowd.add(ends.len(), Instant::now());
            while let Some(over) = told.try_join_next() {
                if let Err(panic) = over {
                    tracing::error!(cause = %panic, "ending sockets was broken off");
                }
            }
            for (gateway_id, task, ends) in commands(ends) {
                let (registry, retry) = (Arc::clone(&self.registry), self.retry.clone());
                let open = self.lines.tell(&gateway_id, Matter::Ends, ends.len());
                let under_way = UnderWay {
                    ends,
                    trials: Arc::clone(&self.trials),
                    tally: Arc::clone(&self.tally),
                    keeper: Arc::clone(&self.keeper),
                    done: HashSet::new(),
                };
                told.spawn(async move {
                    let outcome = registry.tell_gateway(&gateway_id, &task).await;
                    is_over(&registry, under_way, outcome, open, &retry);
                });
            }
        }
    }
}

/// How many ends went out lately: few go at once, each, and many together.
#[derive(Debug, Default)]
struct Crowd {
    since: Option<Instant>,
    ends: usize,
}

impl Crowd {
    /// Until then the next wait for others; `None`: they need not.
    fn is_over_at(&mut self, now: Instant) -> Option<Instant> {
        let over_at = self.since? + TOGETHER;
        if now >= over_at {
            *self = Self::default();
        }
        (self.ends >= FEW).then_some(over_at)
    }

    fn add(&mut self, ends: usize, now: Instant) {
        let since = *self.since.get_or_insert(now);
        if now >= since + TOGETHER {
            *self = Self { since: Some(now), ends: 0 };
        }
        self.ends += ends;
    }
}

/// A gateway has answered, or has not.
fn is_over(
    registry: &Registry,
    mut under_way: UnderWay,
    outcome: Outcome,
    open: Open,
    retry: &mpsc::UnboundedSender<Retry>,
) {
    let unanswered = match outcome {
        Outcome::Answered(done) => {
            open.answered(done.len());
            under_way.done = done.into_iter().collect();
            under_way.tell();
            None
        }
        Outcome::Unreachable => Some(open.unanswered()),
    };
    let now = Instant::now();
    let mut trials = under_way.trials.lock();
    for end in &under_way.ends {
        let End { gateway_id, asked, .. } = end;
        if under_way.done.contains(end.socket_id()) || !registry.is_open(gateway_id, end.socket_id()) {
            continue;
        }
        let trial = trials.get(&end.key()).copied();
        // Another stream was told since.
        if trial.is_some_and(|trial| !trial.is_of(end.tenure)) {
            continue;
        }
        let after = unanswered.unwrap_or_else(|| {
            let pause = longer(trial.and_then(Trial::pause));
            trials.insert(end.key(), Trial::Failed(pause, now + pause));
            pause
        });
        // Nobody takes it only when everything stops.
        let _ = retry.send((Arc::clone(asked), after));
    }
    if trials.len() > MANY {
        trials.retain(|(gateway_id, socket_id), trial| {
            matches!(trial, Trial::UnderWay(..)) || registry.is_open(gateway_id, socket_id)
        });
    }
}

/// One command for the sockets of a gateway that end for the same reason.
fn commands(ends: Vec<End>) -> Vec<(Arc<str>, Task, Vec<End>)> {
    let mut together: BTreeMap<(Arc<str>, &str), Vec<End>> = BTreeMap::new();
    for end in ends {
        together.entry((Arc::clone(&end.gateway_id), end.reason.name())).or_default().push(end);
    }
    let mut commands = Vec::new();
    for ((gateway_id, _), ends) in together {
        for chunk in ends.chunks(CHUNK) {
            let Some(End { reason, .. }) = chunk.first() else { continue };
            // Sockets end for no reason that has no code.
            let Some(close) = reason.close() else { continue };
            let task = Task::Disconnect {
                socket_ids: chunk.iter().map(|end| end.socket_id().to_owned()).collect(),
                close: CloseText { code: close.code, reason: close.reason.to_owned() },
                reason: *reason,
            };
            commands.push((Arc::clone(&gateway_id), task, chunk.to_vec()));
        }
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::record::{Builder, Socket};

    #[test]
    fn few_ends_go_at_once_and_many_together() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut crowd = Crowd::default();
        for millisecond in (0..100).step_by(2) {
            assert_eq!(crowd.is_over_at(at(millisecond)), None, "{millisecond}");
            crowd.add(1, at(millisecond));
        }
        crowd.add(500, at(200));
        assert_eq!(crowd.is_over_at(at(201)), Some(at(210)));
        crowd.add(20, at(210));
        assert_eq!(crowd.is_over_at(at(211)), Some(at(220)));
        crowd.add(1, at(220));
        assert_eq!(crowd.is_over_at(at(221)), None);
    }

    #[test]
    fn sockets_of_a_gateway_go_together_by_their_reason() {
        let record = |socket_id: &str| {
            let mut builder = Builder::default();
            for _user_and_data in 0..2 {
                let nothing = builder.packer().begin_map();
                builder.packer().end(nothing);
            }
            builder.finish(&Socket { socket_id, ..Socket::default() })
        };
        let end = |gateway: &str, socket: &str, reason| End {
            gateway_id: gateway.into(),
            record: record(socket),
            reason,
            asked: "x".into(),
            tenure: 1,
        };
        let ends = vec![
            end("g", "1", Reason::SessionNotFound),
            end("h", "2", Reason::SessionNotFound),
            end("g", "3", Reason::AnotherUser),
            end("g", "4", Reason::SessionNotFound),
        ];
        let commands = commands(ends);
        let told: Vec<_> = commands
            .iter()
            .map(|(gateway, task, ends)| {
                let Task::Disconnect { socket_ids, close, .. } = task else { panic!("{task:?}") };
                (&**gateway, socket_ids.join(" "), close.code, ends.len())
            })
            .collect();
        assert_eq!(
            told,
            [
                ("g", "3".to_owned(), 4502, 1),
                ("g", "1 4".to_owned(), 4500, 2),
                ("h", "2".to_owned(), 4500, 1)
            ]
        );
    }
}
