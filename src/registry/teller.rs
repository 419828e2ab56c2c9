//! Tells which sessions have ended. Nobody waits for that: sockets end also while the ledger is away, and it is told then
//! when it is back.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::sleep,
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    change::Shard,
    confirmation::Mark,
    ledger::{Ledger, Telling},
    session_ended::Kind,
};
use crate::{seldom::Seldom, task};

/// Bytes of what waits to be told: some ten thousand ends.
const WAITING: usize = 16 << 20;

/// Told together: in a storm one question to the ledger is enough for many.
const TOGETHER: usize = 200;

/// Between attempts while the ledger is away.
const RETRY: Duration = Duration::from_millis(100);

/// Tells the ledger, shard by shard: one that is away holds up no other.
#[derive(Debug)]
pub(super) struct Teller {
    queues: Vec<mpsc::UnboundedSender<Waiting>>,
    room: Arc<Semaphore>,
    lost: Seldom,
    under_way: Arc<UnderWay>,
    _tasks: Vec<AbortOnDropHandle<()>>,
}

type Waiting = (Telling, OwnedSemaphorePermit);

/// Ends that wait to be told: while they do the same ones may be found again.
#[derive(Debug, Default)]
struct UnderWay(Mutex<HashSet<(Mark, Kind)>>);

impl UnderWay {
    fn lock(&self) -> MutexGuard<'_, HashSet<(Mark, Kind)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(telling: &Telling) -> (Mark, Kind) {
    (Mark::of(telling.ended.session_id()), telling.ended.kind())
}

impl Teller {
    pub(super) fn new(ledger: &Arc<dyn Ledger>) -> Self {
        let under_way: Arc<UnderWay> = Arc::default();
        let (queues, tasks) = Shard::all()
            .map(|shard| {
                let (queue, waiting) = mpsc::unbounded_channel();
                let work = tell_all(Arc::clone(ledger), shard, waiting, Arc::clone(&under_way));
                (queue, task::owned(work))
            })
            .unzip();
        let room = Arc::new(Semaphore::new(WAITING));
        Self { queues, room, lost: Seldom::default(), under_way, _tasks: tasks }
    }

    pub(super) fn tell(&self, telling: Telling) {
        let shard = Shard::of(telling.ended.session_id());
        let bytes = u32::try_from(telling.ended.as_bytes().len()).unwrap_or(u32::MAX);
        let mut under_way = self.under_way.lock();
        if under_way.contains(&key(&telling)) {
            return;
        }
        let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(bytes) else {
            if let Some(count) = self.lost.again() {
                tracing::warn!(
                    count,
                    "ends of sessions are not told to those who watch them: too many wait for the registry's store"
                );
            }
            return;
        };
        under_way.insert(key(&telling));
        if let Some(queue) = self.queues.get(shard.number()) {
            // Nobody takes it only when everything stops.
            let _ = queue.send((telling, room));
        }
    }
}

async fn tell_all(
    ledger: Arc<dyn Ledger>,
    shard: Shard,
    mut waiting: mpsc::UnboundedReceiver<Waiting>,
    under_way: Arc<UnderWay>,
) {
    let mut some = Vec::new();
    while waiting.recv_many(&mut some, TOGETHER).await > 0 {
        let (ends, room): (Vec<Telling>, Vec<OwnedSemaphorePermit>) = some.drain(..).unzip();
        while let Err(fault) = ledger.tell_ends(shard, &ends).await {
            tracing::debug!(%fault, "ends of sessions wait for the registry's store");
            sleep(RETRY).await;
        }
        let mut under_way = under_way.lock();
        for telling in &ends {
            under_way.remove(&key(telling));
        }
        drop(room);
    }
}
