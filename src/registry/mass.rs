//! Has gateways do something with many sockets, and says how far it is.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, mpsc},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    BrokenOff,
    change::Shard,
    command::{SOCKETS, Task},
    dispatch::{Dispatch, Outcome},
    view::{View, member::Member, shard::Gateway},
};
use crate::reason::Reason;

/// How far it is. The last three add up to the first when everything is settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Sockets that matched.
    pub matched: u64,
    /// It was done.
    pub done: u64,
    /// Their gateway could not.
    pub failed: u64,
    /// Their gateway did not answer.
    pub unreachable: u64,
}

/// What is done, and how quickly.
#[derive(Clone, Debug)]
pub struct Work {
    /// What, for no sockets yet.
    pub task: Task,
    /// How many sockets a second at most; `None`: as fast as gateways take them.
    pub max_per_second: Option<u32>,
}

/// A gateway is told of so many sockets at once, so that progress shows and a gateway has something to begin with.
const CHUNK: usize = 500;

const _: () = assert!(CHUNK <= SOCKETS, "the contract has a bound");

/// Gateways that are told at the same time.
const GATEWAYS_AT_ONCE: usize = 64;

/// How often progress is told at most.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// Does it with all of these, ordered by gateway. Ends when everything is settled, or when nobody listens any more; with an
/// error when some of it was broken off, and so is in none of the figures.
pub async fn run(
    work: Work,
    members: Vec<Member>,
    dispatch: Arc<Dispatch>,
    view: Arc<View>,
    progress: mpsc::Sender<Progress>,
) -> Result<(), BrokenOff> {
    let matched = u64::try_from(members.len()).unwrap_or(u64::MAX);
    let mut sum = Progress { matched, ..Progress::default() };
    if progress.send(sum).await.is_err() {
        return Ok(());
    }
    let pace = Arc::new(Pace::new(work.max_per_second));
    let (tell, mut told) = mpsc::channel(GATEWAYS_AT_ONCE);
    let mut gateways = JoinSet::new();
    let mut waiting = by_gateway(members).into_iter();
    let mut last = Instant::now();
    loop {
        while gateways.len() < GATEWAYS_AT_ONCE
            && let Some(members) = waiting.next()
        {
            let errand = Errand {
                task: work.task.clone(),
                pace: Arc::clone(&pace),
                dispatch: Arc::clone(&dispatch),
                view: Arc::clone(&view),
            };
            gateways.spawn(errand.run(members, tell.clone()));
        }
        if gateways.is_empty() {
            break;
        }
        tokio::select! {
            Some(part) = told.recv() => sum.add(part),
            Some(ended) = gateways.join_next() => ended.map_err(|_panic| BrokenOff)?,
            () = progress.closed() => return Ok(()),
        }
        if last.elapsed() >= TELL_EVERY {
            last = Instant::now();
            // Whoever is slow to read it hears of it all the sooner at the end.
            let _ = progress.try_send(sum);
        }
    }
    while let Ok(part) = told.try_recv() {
        sum.add(part);
    }
    let _ = progress.send(sum).await;
    Ok(())
}

fn by_gateway(members: Vec<Member>) -> Vec<Vec<Member>> {
    let mut gateways: Vec<Vec<Member>> = Vec::new();
    for member in members {
        match gateways.last_mut() {
            Some(last)
                if last.first().is_some_and(|first| first.info.gateway_id == member.info.gateway_id) =>
            {
                last.push(member);
            }
            _ => gateways.push(vec![member]),
        }
    }
    gateways
}

impl Progress {
    fn add(&mut self, part: Self) {
        let Self { matched: _, done, failed, unreachable } = part;
        self.done += done;
        self.failed += failed;
        self.unreachable += unreachable;
    }
}

/// Lets so many sockets a second pass.
struct Pace {
    max_per_second: Option<u32>,
    next: Mutex<Instant>,
}

impl Pace {
    fn new(max_per_second: Option<u32>) -> Self {
        Self { max_per_second, next: Mutex::new(Instant::now()) }
    }

    /// How many may go at once: of a slow pace a second's worth would come in jolts.
    fn chunk(&self) -> usize {
        const JOLTS_A_SECOND: u32 = 10;
        let paced = self
            .max_per_second
            .map_or(usize::MAX, |rate| usize::try_from((rate / JOLTS_A_SECOND).max(1)).unwrap_or(usize::MAX));
        paced.min(CHUNK)
    }

    /// Waits until it is the turn of so many.
    async fn pass(&self, count: usize) {
        let Some(rate) = self.max_per_second else { return };
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let turn = {
            let mut next = self.next.lock().await;
            let turn = (*next).max(Instant::now());
            *next = turn + Duration::from_secs(1).mul_f64(f64::from(count) / f64::from(rate));
            turn
        };
        sleep_until(turn).await;
    }
}

/// What is done with one gateway's sockets.
struct Errand {
    task: Task,
    pace: Arc<Pace>,
    dispatch: Arc<Dispatch>,
    view: Arc<View>,
}

impl Errand {
    async fn run(self, members: Vec<Member>, tell: mpsc::Sender<Progress>) {
        let mut answers = true;
        for chunk in members.chunks(self.pace.chunk()) {
            let Some(first) = chunk.first() else { continue };
            // A gateway that does not answer is not waited for again: with many sockets that would take hours.
            let outcome = if answers {
                self.pace.pass(chunk.len()).await;
                let socket_ids = chunk.iter().map(|member| member.record.socket_id().to_owned()).collect();
                self.dispatch.order(&first.info.gateway_id, &self.task.with(socket_ids)).await
            } else {
                Outcome::Unreachable
            };
            answers = !matches!(outcome, Outcome::Unreachable);
            let part = self.part(chunk, &outcome);
            self.view.tally().settled(&self.task, &part);
            if tell.send(part).await.is_err() {
                return;
            }
        }
    }

    fn part(&self, chunk: &[Member], outcome: &Outcome) -> Progress {
        let mut part = Progress::default();
        let answered: HashSet<&str> = match outcome {
            Outcome::Answered(done) => done.iter().map(String::as_str).collect(),
            Outcome::Unreachable => HashSet::new(),
        };
        let closed = match self.task {
            Task::Disconnect { .. } => self.closed(chunk, &answered),
            _ => HashSet::new(),
        };
        for member in chunk {
            let socket_id = member.record.socket_id();
            match outcome {
                // It was closed without the command: that is what a disconnect is for.
                _ if answered.contains(socket_id) || closed.contains(socket_id) => part.done += 1,
                Outcome::Answered(_) => part.failed += 1,
                Outcome::Unreachable => part.unreachable += 1,
            }
        }
        part
    }

    /// Of those that are not answered for, the sockets that their gateway has closed by itself. Those whose lease has ended
    /// may well be open: nobody knows.
    fn closed<'c>(&self, chunk: &'c [Member], answered: &HashSet<&str>) -> HashSet<&'c str> {
        let Some(first) = chunk.first() else { return HashSet::new() };
        let gateway_id = &first.info.gateway_id;
        let shard = self.view.shard(Shard::of(gateway_id));
        let socket_ids = chunk.iter().map(|member| member.record.socket_id());
        let mut left: HashSet<_> = socket_ids
            .filter(|socket_id| !answered.contains(socket_id) && shard.slot(gateway_id, socket_id).is_none())
            .collect();
        let mut closed = HashSet::new();
        for entry in shard.history().latest() {
            if left.is_empty() {
                break;
            }
            let (Some(before), None) = (&entry.what.before, &entry.what.now) else { continue };
            if before.info.gateway_id == *gateway_id
                && let Some(socket_id) = left.take(before.record.socket_id())
                && entry.what.reason != Reason::GatewayGone
            {
                closed.insert(socket_id);
            }
        }
        // Longer ago than the history reaches: a gateway that has listed and is heard of would name them if they were open.
        let is_whole = |gateway: &Gateway| !gateway.holder().listing && !gateway.is_late(self.view.lease());
        if shard.gateways().get(gateway_id).is_some_and(is_whole) {
            closed.extend(left);
        }
        closed
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use tokio::sync::watch;

    use super::*;
    use crate::registry::{
        change::{Epoch, GatewayInfo, Holder, Position},
        confirmation::Confirmation,
        ledger::{Claimed, Event, Fault, Health, Ledger, Sign, Telling, Tenure},
        record::tests::record,
        view::{Snapshot, history::Bounds},
    };

    /// One that has a fault where others are told.
    #[derive(Debug)]
    struct Faulty;

    #[async_trait]
    impl Ledger for Faulty {
        async fn claim(&self, _: &Arc<GatewayInfo>, _: Option<&Sign>) -> Result<Claimed, Fault> {
            Ok(Claimed::Retired)
        }

        async fn write(&self, _: &Tenure, _: Vec<Event>) -> Result<(), Fault> {
            Ok(())
        }

        async fn confirm(&self, _: &Tenure, _: Vec<(Box<str>, Confirmation)>) -> Result<(), Fault> {
            Ok(())
        }

        async fn complete(&self, _: &Tenure, _: &HashSet<Box<str>>) -> Result<(), Fault> {
            Ok(())
        }

        async fn goodbye(&self, _: &Tenure) -> Result<(), Fault> {
            Ok(())
        }

        fn newest(&self, _: Shard) -> Option<(Epoch, Position)> {
            None
        }

        async fn cut(&self, _: &Tenure) -> Result<(), Fault> {
            Ok(())
        }

        async fn tell_ends(&self, _: Shard, _: &[Telling]) -> Result<(), Fault> {
            Ok(())
        }

        async fn tell(&self, _: Shard, _: Arc<[u8]>) -> Result<(), Fault> {
            panic!("a fault of this program")
        }

        fn evicts(&self) -> bool {
            false
        }

        fn health(&self) -> watch::Receiver<Health> {
            watch::channel(Health::Up).1
        }
    }

    #[tokio::test]
    async fn an_errand_that_panics_breaks_it_off() {
        let bounds = Bounds { age: Duration::MAX, bytes: usize::MAX };
        let (view, _notices) = View::new(&[], bounds, Duration::MAX);
        let info = Arc::new(GatewayInfo::new("g", "one", &Default::default()));
        let holder = Holder { info: Arc::clone(&info), tenure: 1, listing: false, cut: false };
        let snapshot = Snapshot {
            epoch: Epoch(1),
            began: Duration::ZERO,
            position: Position::default(),
            gateways: vec![(holder, Vec::new())],
            history: Vec::new(),
            history_from: Position::default(),
        };
        view.replace(Shard::of("g"), snapshot);
        let dispatch = Dispatch::new(Arc::new(Faulty), Arc::default(), Arc::clone(&view), Arc::default());
        let task = Task::Send { socket_ids: Vec::new(), event: "news".to_owned(), args: Vec::new() };
        let work = Work { task, max_per_second: None };
        let members = vec![Member { info, record: record("a", &serde_json::json!({})) }];
        let (progress, mut told) = mpsc::channel(2);
        let ended = run(work, members, Arc::new(dispatch), view, progress).await;
        assert_eq!(ended, Err(BrokenOff));
        assert_eq!(told.recv().await, Some(Progress { matched: 1, ..Progress::default() }));
        assert_eq!(told.recv().await, None);
    }
}
