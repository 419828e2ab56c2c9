//! Brings commands to the gateways, wherever their streams end, and their results back to whoever waits.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

use super::{
    change::Shard,
    command::{Command, Message, Task},
    ledger::Ledger,
    sessions::Notes,
    streams::Streams,
    view::View,
};

/// How long a gateway may take to answer one command. Disconnecting is quick; a gateway that takes longer is stuck.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often what may come again is sent: the gateway may have moved from one replica to another in between.
const ATTEMPTS: u32 = 2;

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The gateway answered: it is so now for these sockets.
    Answered(Vec<String>),
    /// It did not answer.
    Unreachable,
}

/// Who waits for which result.
#[derive(Debug)]
pub struct Dispatch {
    ledger: Arc<dyn Ledger>,
    streams: Arc<Streams>,
    view: Arc<View>,
    notes: Arc<Notes>,
    waiting: Mutex<HashMap<String, oneshot::Sender<Vec<String>>>>,
}

impl Dispatch {
    /// Between these.
    pub fn new(ledger: Arc<dyn Ledger>, streams: Arc<Streams>, view: Arc<View>, notes: Arc<Notes>) -> Self {
        Self { ledger, streams, view, notes, waiting: Mutex::default() }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Vec<String>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a gateway do something, and waits for what comes of it.
    pub async fn order(&self, gateway_id: &str, task: &Task) -> Outcome {
        let attempts = if matches!(task, Task::Send { .. }) { 1 } else { ATTEMPTS };
        for _ in 0..attempts {
            if let Outcome::Answered(done) = self.order_once(gateway_id, task).await {
                return Outcome::Answered(done);
            }
        }
        Outcome::Unreachable
    }

    /// The same, and what is not answered is not sent again: for whoever finds out first whether it is so still.
    pub async fn order_once(&self, gateway_id: &str, task: &Task) -> Outcome {
        let command_id = format!("{:032x}", rand::random::<u128>());
        let (answer, answered) = oneshot::channel();
        self.waiting().insert(command_id.clone(), answer);
        let _waits = Waits { dispatch: self, command_id: &command_id };
        let command = Command { command_id: command_id.clone(), task: task.clone() };
        if !self.send(gateway_id, command).await {
            return Outcome::Unreachable;
        }
        self.view.tally().sent(task);
        match timeout(PATIENCE, answered).await {
            Ok(Ok(done)) => Outcome::Answered(done),
            _ => Outcome::Unreachable,
        }
    }

    /// Whether the command is on its way.
    async fn send(&self, gateway_id: &str, command: Command) -> bool {
        if let Some(taken) = self.streams.order(gateway_id, command.clone()) {
            return taken;
        }
        let shard = Shard::of(gateway_id);
        let has_stream =
            self.view.shard(shard).gateways().get(gateway_id).is_some_and(|gateway| !gateway.holder().cut);
        has_stream && self.tell(shard, &Message::Order { gateway_id: gateway_id.to_owned(), command }).await
    }

    async fn tell(&self, shard: Shard, message: &Message) -> bool {
        let Ok(message) = serde_json::to_vec(message) else { return false };
        let told = self.ledger.tell(shard, message.into()).await;
        told.inspect_err(|fault| tracing::debug!(%fault, "another replica could not be told")).is_ok()
    }

    /// Tells all replicas that these sessions have changed, this one among them. Whether that could be done.
    pub(super) async fn tell_changed(&self, shard: Shard, session_ids: &[Arc<str>]) -> bool {
        let session_ids = session_ids.iter().map(|id| id.to_string()).collect();
        self.tell(shard, &Message::Changed { session_ids }).await
    }

    /// A gateway that listens here has answered.
    pub(super) async fn settle(&self, gateway_id: &str, command_id: &str, done: Vec<String>) {
        if !self.settle_here(command_id, done.clone()) {
            let result = Message::Result { command_id: command_id.to_owned(), done };
            self.tell(Shard::of(gateway_id), &result).await;
        }
    }

    /// The same for whoever waits in this process; false: nobody does.
    pub(super) fn settle_here(&self, command_id: &str, done: Vec<String>) -> bool {
        let waiter = self.waiting().remove(command_id);
        // Whoever gave up waiting has counted the gateway as unreachable.
        waiter.map(|waiter| drop(waiter.send(done))).is_some()
    }

    /// Another replica, or this one, tells everybody.
    pub(super) fn hear(&self, message: &[u8]) {
        match serde_json::from_slice(message) {
            Ok(Message::Order { gateway_id, command }) => {
                // Nobody of that name listens here: another replica heard it too.
                let _ = self.streams.order(&gateway_id, command);
            }
            Ok(Message::Result { command_id, done }) => {
                self.settle_here(&command_id, done);
            }
            Ok(Message::Changed { session_ids }) => {
                self.notes.have_changed(session_ids.into_iter().map(Arc::from));
            }
            Err(_) => tracing::debug!("another replica speaks of something that this version does not know"),
        }
    }
}

/// Waits no more when dropped.
struct Waits<'d> {
    dispatch: &'d Dispatch,
    command_id: &'d str,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.dispatch.waiting().remove(self.command_id);
    }
}
