//! The gateways' streams that end in this process: who listens there, and how their streams end.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};

use super::{
    change::{Holder, Shard},
    command::Command,
};

pub mod stream;

/// Commands that may wait for a gateway to read them. One that does not read gets no more, and holds up nobody.
const OUTBOX: usize = 64;

/// Between two gateways that are sent away, if there is time for that.
const TURN: Duration = Duration::from_millis(100);

/// Why a stream ends that the gateway would have gone on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// A newer stream of the same incarnation goes on.
    Replaced,
    /// Another incarnation has the gateway id now, for good.
    Taken,
    /// Another incarnation has the gateway id and still speaks.
    Held,
    /// There are as many gateways as may be.
    Full,
    /// The gateway is to open another stream and to list again; why, for people.
    StartOver(&'static str),
    /// The gateway broke the stream's rules: which field, and how.
    Invalid(&'static str, String),
}

/// The streams.
#[derive(Debug, Default)]
pub struct Streams {
    table: Mutex<HashMap<Arc<str>, Listener>>,
}

#[derive(Debug)]
struct Listener {
    tenure: u64,
    incarnation: Arc<str>,
    outbox: mpsc::Sender<Command>,
    end: watch::Sender<Option<End>>,
}

/// What a stream hears.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) end: watch::Receiver<Option<End>>,
}

impl Streams {
    fn table(&self) -> MutexGuard<'_, HashMap<Arc<str>, Listener>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream listens from now on, in place of an earlier one for the same gateway id.
    pub(super) fn listen(&self, gateway_id: &Arc<str>, incarnation: &Arc<str>, tenure: u64) -> Inbox {
        let (outbox, commands) = mpsc::channel(OUTBOX);
        let (end, ended) = watch::channel(None);
        let listener = Listener { tenure, incarnation: Arc::clone(incarnation), outbox, end };
        let mut table = self.table();
        match table.get(gateway_id) {
            Some(other) if other.tenure > tenure => {
                listener.end.send_replace(Some(listener.end_by(&other.incarnation)));
            }
            _ => {
                if let Some(earlier) = table.insert(Arc::clone(gateway_id), listener) {
                    earlier.end.send_replace(Some(earlier.end_by(incarnation)));
                }
            }
        }
        Inbox { commands, end: ended }
    }

    /// A stream listens no more.
    pub(super) fn leave(&self, gateway_id: &str, tenure: u64) {
        let mut table = self.table();
        if table.get(gateway_id).is_some_and(|listener| listener.tenure == tenure) {
            table.remove(gateway_id);
        }
    }

    /// The tenure of the stream that listens here for a gateway id.
    pub(super) fn tenure(&self, gateway_id: &str) -> Option<u64> {
        self.table().get(gateway_id).map(|listener| listener.tenure)
    }

    /// Somebody holds a gateway id, perhaps through another replica, or nobody does any more.
    pub(super) fn heed(&self, gateway_id: &str, holder: Option<&Holder>) {
        let table = self.table();
        let Some(listener) = table.get(gateway_id) else { return };
        match holder {
            Some(holder) if holder.tenure > listener.tenure => {
                listener.end.send_replace(Some(listener.end_by(&holder.info.incarnation)));
            }
            // Without a holder it said goodbye, or it will hear from its next batch.
            _ => {}
        }
    }

    /// The shard's gateways are to list again.
    pub(super) fn start_over(&self, shard: Shard, why: &'static str) {
        for (gateway_id, listener) in self.table().iter() {
            if Shard::of(gateway_id) == shard {
                listener.end.send_replace(Some(End::StartOver(why)));
            }
        }
    }

    /// All gateways are to go elsewhere, one after the other: each lists everything anew, and others have to take it in.
    pub(super) async fn end_one_by_one(&self, why: &'static str, within: Duration) {
        let listening: Vec<_> = self.table().keys().map(Arc::clone).collect();
        let turns = u32::try_from(listening.len()).unwrap_or(u32::MAX).max(1);
        let turn = (within / turns).min(TURN);
        for gateway_id in listening {
            if let Some(listener) = self.table().get(&gateway_id) {
                listener.end.send_replace(Some(End::StartOver(why)));
            }
            sleep(turn).await;
        }
    }

    /// Tells a gateway to do something. `None`: it does not listen here. False: it does not read what it is told.
    pub(super) fn order(&self, gateway_id: &str, command: Command) -> Option<bool> {
        let table = self.table();
        let listener = table.get(gateway_id)?;
        Some(listener.outbox.try_send(command).is_ok())
    }
}

impl Listener {
    fn end_by(&self, incarnation: &Arc<str>) -> End {
        if self.incarnation == *incarnation { End::Replaced } else { End::Taken }
    }
}
