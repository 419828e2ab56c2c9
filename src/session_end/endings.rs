//! Ends sockets, at a pace that gateways and the app behind them can bear: the first of a second at once, the others in
//! order.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::tally::Tally;
use crate::{
    reason::Reason,
    registry::{
        Registry,
        command::{CloseText, Task},
        dispatch::Outcome,
        view::member::Member,
    },
};

/// Ends that go out at once.
const AT_ONCE: f64 = 500.0;

/// Ends a second, beyond those.
const A_SECOND: f64 = 2_000.0;

/// While many wait, those of so long go together.
const TOGETHER: Duration = Duration::from_millis(10);

/// Sockets of one command.
const CHUNK: usize = 500;

/// A socket that has to end.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) gateway_id: Arc<str>,
    pub(super) socket_id: Box<str>,
    pub(super) session_id: Arc<str>,
    pub(super) reason: Reason,
}

impl End {
    pub(super) fn of(member: &Member, reason: Reason) -> Self {
        Self {
            gateway_id: Arc::clone(&member.info.gateway_id),
            socket_id: member.record.socket_id().into(),
            session_id: member.record.session_id().into(),
            reason,
        }
    }
}

/// Where ends are handed in.
#[derive(Debug)]
pub(super) struct Endings {
    /// Those that are on their way.
    under_way: Arc<UnderWay>,
    queue: mpsc::UnboundedSender<End>,
    tally: Arc<Tally>,
}

#[derive(Debug, Default)]
struct UnderWay(Mutex<HashSet<(Arc<str>, Box<str>)>>);

impl UnderWay {
    fn lock(&self) -> MutexGuard<'_, HashSet<(Arc<str>, Box<str>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Endings {
    /// Where ends are handed in, and who does them. Sessions whose sockets could not be ended go to `retry`.
    pub(super) fn new(
        registry: Arc<Registry>,
        retry: mpsc::UnboundedSender<Arc<str>>,
        tally: Arc<Tally>,
    ) -> (Self, Ending) {
        let (queue, queued) = mpsc::unbounded_channel();
        let under_way = Arc::new(UnderWay::default());
        let ending = Ending {
            registry,
            under_way: Arc::clone(&under_way),
            queued,
            waiting: VecDeque::new(),
            retry,
            tally: Arc::clone(&tally),
        };
        (Self { under_way, queue, tally }, ending)
    }

    /// A socket has to end. One that is on its way out already is no news.
    pub(super) fn add(&self, end: End) {
        let key = (Arc::clone(&end.gateway_id), end.socket_id.clone());
        if self.under_way.lock().insert(key) {
            self.tally.waits(1);
            // Nobody takes it only when everything stops.
            let _ = self.queue.send(end);
        }
    }
}

/// Ends them.
pub(super) struct Ending {
    registry: Arc<Registry>,
    under_way: Arc<UnderWay>,
    queued: mpsc::UnboundedReceiver<End>,
    waiting: VecDeque<End>,
    retry: mpsc::UnboundedSender<Arc<str>>,
    tally: Arc<Tally>,
}

impl Ending {
    pub(super) async fn run(mut self) {
        let mut pace = Pace::new(Instant::now());
        let mut told = JoinSet::new();
        loop {
            let next = if self.waiting.is_empty() { None } else { Some(pace.next(Instant::now())) };
            tokio::select! {
                biased;
                Some(over) = told.join_next(), if !told.is_empty() => {
                    match over {
                        Ok((ends, outcome)) => self.is_over(ends, &outcome),
                        Err(panic) => tracing::error!(cause = %panic, "ending sockets was broken off"),
                    }
                }
                end = self.queued.recv() => match end {
                    Some(end) => {
                        self.waiting.push_back(end);
                        while let Ok(end) = self.queued.try_recv() {
                            self.waiting.push_back(end);
                        }
                    }
                    None => return,
                },
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                    let count = pace.take(Instant::now(), self.waiting.len());
                    let some = self.waiting.drain(..count.min(self.waiting.len()));
                    for (gateway_id, task, ends) in commands(some) {
                        let registry = Arc::clone(&self.registry);
                        told.spawn(async move {
                            let outcome = registry.tell_gateway(&gateway_id, &task).await;
                            (ends, outcome)
                        });
                    }
                }
            }
        }
    }

    /// A gateway has answered, or has not.
    fn is_over(&self, ends: Vec<End>, outcome: &Outcome) {
        let done: HashSet<&str> = match outcome {
            Outcome::Answered(done) => done.iter().map(String::as_str).collect(),
            Outcome::Unreachable => HashSet::new(),
        };
        let mut under_way = self.under_way.lock();
        for End { gateway_id, socket_id, session_id, reason } in ends {
            let is_done = done.contains(&*socket_id);
            self.tally.is_settled(reason, is_done);
            // A gateway that has gone elsewhere is asked there.
            if !is_done
                && self.registry.reports_here(&gateway_id)
                && self.registry.is_open(&gateway_id, &socket_id)
            {
                let _ = self.retry.send(session_id);
            }
            under_way.remove(&(gateway_id, socket_id));
        }
    }
}

/// One command for the sockets of a gateway that end for the same reason.
fn commands(ends: impl Iterator<Item = End>) -> Vec<(Arc<str>, Task, Vec<End>)> {
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
                socket_ids: chunk.iter().map(|end| end.socket_id.to_string()).collect(),
                close: CloseText { code: close.code, reason: close.reason.to_owned() },
                reason: *reason,
            };
            commands.push((Arc::clone(&gateway_id), task, chunk.to_vec()));
        }
    }
    commands
}

/// How many may end now.
struct Pace {
    allowance: f64,
    at: Instant,
}

impl Pace {
    fn new(now: Instant) -> Self {
        Self { allowance: AT_ONCE, at: now }
    }

    fn refill(&mut self, now: Instant) {
        self.allowance = ((now - self.at).as_secs_f64().mul_add(A_SECOND, self.allowance)).min(AT_ONCE);
        self.at = now;
    }

    /// When some may end.
    fn next(&mut self, now: Instant) -> Instant {
        self.refill(now);
        if self.allowance >= 1.0 { now } else { now + TOGETHER }
    }

    /// Of so many that wait, how many may end now.
    fn take(&mut self, now: Instant, waiting: usize) -> usize {
        self.refill(now);
        let mut taken = 0;
        while taken < waiting && self.allowance >= 1.0 {
            self.allowance -= 1.0;
            taken += 1;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_go_at_once_and_a_storm_has_its_pace() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert_eq!(pace.take(start, 100_000), 500);
        assert_eq!(pace.take(start, 100_000), 0);
        let mut ended = 500;
        let mut seconds = 0.0;
        while ended < 100_000 {
            seconds += 0.01;
            let some = pace.take(start + Duration::from_secs_f64(seconds), 100_000 - ended);
            assert!(some <= 21, "{some} at once");
            ended += some;
        }
        assert!((49.0..51.0).contains(&seconds), "{seconds} s");
        assert_eq!(pace.take(start + Duration::from_secs(60), 700), 500);
    }

    #[test]
    fn sockets_of_a_gateway_go_together_by_their_reason() {
        let end = |gateway: &str, socket: &str, reason| End {
            gateway_id: gateway.into(),
            socket_id: socket.into(),
            session_id: "x".into(),
            reason,
        };
        let ends = [
            end("g", "1", Reason::SessionNotFound),
            end("h", "2", Reason::SessionNotFound),
            end("g", "3", Reason::AnotherUser),
            end("g", "4", Reason::SessionNotFound),
        ];
        let commands = commands(ends.into_iter());
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
