//! One gateway's stream, from its hello to its end. Knows no transport: the door reads and writes messages.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    convert::Infallible,
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{self, Notify, mpsc},
    time::{Instant, sleep, sleep_until},
};

use super::{End, Inbox, Streams};
use crate::{
    reason::Reason,
    registry::{
        change::{GatewayInfo, Kept, Shard},
        command::{Command, Task},
        dispatch::Dispatch,
        ledger::{Claimed, Event, Fault, Health, Ledger, Sign, Tenure},
        sessions::Notes,
        view::View,
    },
};

/// A gateway whose incarnation another one holds is looked at this often while its hello waits.
const LOOKS_WHILE_WAITING: u32 = 10;

/// Commands that a gateway may have to answer at once.
const OPEN: usize = 1_024;

/// A result that comes later than this finds nobody who waits, but says why a socket was closed.
const FORGET: Duration = Duration::from_secs(60);

/// Between attempts to write while the ledger is away.
const RETRY: Duration = Duration::from_millis(100);

/// What a gateway reported at once.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Counts from 1 on each stream.
    pub sequence: u64,
    /// In order.
    pub events: Vec<Event>,
    /// The first listing ends with it.
    pub complete: bool,
}

/// What streams have in common.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The truth.
    pub ledger: Arc<dyn Ledger>,
    /// Who listens here.
    pub streams: Arc<Streams>,
    /// Who waits for results.
    pub dispatch: Arc<Dispatch>,
    /// What is known.
    pub view: Arc<View>,
    /// Who is told which sessions there are.
    pub notes: Arc<Notes>,
    /// Where tenures go whose streams have ended without a goodbye.
    pub cut: mpsc::UnboundedSender<Tenure>,
    /// `registry.lease`
    pub lease: Duration,
}

/// The stream. What its gateway says is kept one after the other; what the gateway is told waits for none of that: sockets
/// have to end also while the ledger is away. Dropped without a goodbye, its gateway is late.
#[derive(Debug)]
pub struct Stream {
    parts: Parts,
    tenure: Tenure,
    /// Whoever waits for the next command has it.
    inbox: sync::Mutex<Inbox>,
    state: Mutex<State>,
    /// A command has its result.
    answered: Notify,
}

/// How far a stream is.
#[derive(Debug, Default)]
struct State {
    sequence: u64,
    /// Sockets named so far; `None` once the first listing is complete.
    named: Option<HashSet<Box<str>>>,
    /// Sockets that the gateway was told to disconnect, and why.
    disconnecting: HashMap<String, Reason>,
    /// Commands that have no result yet, the oldest first.
    open: VecDeque<OpenCommand>,
    /// The ledger has heard the end.
    over: bool,
}

/// A command that has no result yet, or one that is not kept yet.
#[derive(Debug)]
struct OpenCommand {
    command_id: String,
    told: Instant,
    socket_ids: HashSet<String>,
    /// Why the sockets are disconnected, if they are.
    disconnects: Option<Reason>,
    /// What came of it, if it is waiting to be kept.
    come: Option<Vec<String>>,
    /// Whoever waited has the result already.
    is_settled: bool,
}

impl Stream {
    /// Takes the gateway id for this stream. Another incarnation that holds it has a third of the lease to speak when its
    /// stream has ended, and half of it, until it is late, when its stream is open: a batch is due each third, and a pause
    /// must not cost it its id.
    pub async fn open(parts: Parts, info: GatewayInfo) -> Result<Self, End> {
        let info = Arc::new(info);
        let begun = Instant::now();
        let mut patience = parts.lease / 3;
        let mut first: Option<Sign> = None;
        let tenure = loop {
            let waited = begun.elapsed() >= patience;
            let silent = first.as_ref().filter(|_| waited);
            match parts.ledger.claim(&info, silent).await {
                Ok(Claimed::Granted(tenure)) => break tenure,
                Ok(Claimed::Retired) => return Err(End::Taken),
                Ok(Claimed::Held { sign, is_cut }) => {
                    if *first.get_or_insert_with(|| sign.clone()) != sign {
                        return Err(End::Held);
                    }
                    patience = if is_cut { parts.lease / 3 } else { parts.lease / 2 };
                    sleep(patience / LOOKS_WHILE_WAITING).await;
                }
                Err(Fault::Superseded(_)) => return Err(End::Held),
                Err(Fault::Away(cause)) => {
                    tracing::debug!(cause, "a gateway's hello waits for the registry's store");
                    if waited {
                        return Err(End::StartOver("the registry's store does not answer"));
                    }
                    sleep(RETRY).await;
                }
            }
        };
        let inbox = parts.streams.listen(&info.gateway_id, &info.incarnation, tenure.number);
        tracing::info!(
            gateway_id = &*info.gateway_id,
            incarnation = &*info.incarnation,
            "a gateway reports here"
        );
        Ok(Self {
            parts,
            tenure,
            inbox: sync::Mutex::new(inbox),
            state: Mutex::new(State { named: Some(HashSet::new()), ..State::default() }),
            answered: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose stream it is.
    pub fn gateway_id(&self) -> &Arc<str> {
        &self.tenure.info.gateway_id
    }

    /// Keeps a batch. When it returns, all of it is kept. One after the other.
    pub async fn batch(&self, batch: Batch) -> Result<(), End> {
        let Batch { sequence, mut events, complete } = batch;
        let is_listing = self.state().takes(sequence, &mut events, complete)?;
        let sessions: Vec<Arc<str>> =
            events.iter().filter_map(|event| self.session_to_ask(event, is_listing)).collect();
        self.write(events).await?;
        let shard = Shard::of(self.gateway_id());
        let kept = Kept { shard, newest: self.parts.ledger.newest(shard), at: Instant::now() };
        self.parts.notes.are_reported(sessions, kept);
        if complete && let Some(named) = { self.state().named.take() } {
            let (ledger, tenure) = (&self.parts.ledger, &self.tenure);
            self.persist(|| ledger.complete(tenure, &named)).await?;
        }
        Ok(())
    }

    /// What came of a command, in its turn among the batches.
    pub async fn result(&self, command_id: &str, done: Vec<String>) -> Result<(), End> {
        let answered = self.state().answered(command_id, done);
        self.answered.notify_one();
        // A command of an earlier stream, or one that nobody waits for any more, or none of ours.
        let Some(Answered { done, disconnects, is_settled }) = answered else { return Ok(()) };
        if let Some(reason) = disconnects {
            let closed = |socket_id: &String| Event::Closed { socket_id: socket_id.clone(), reason };
            self.write(done.iter().map(closed).collect()).await?;
        }
        if !is_settled {
            self.parts.dispatch.settle(self.gateway_id(), command_id, done).await;
        }
        Ok(())
    }

    /// A result has come, and its turn may be long in coming: while the ledger is away, whoever waits for it here has it at
    /// once. The gateway has done what it was told, and would be told again.
    pub fn result_has_come(&self, command_id: &str, done: &[String]) {
        let mut state = self.state();
        let Some(open) = state.open_command(command_id) else { return };
        open.come = Some(open.of_these(done.to_vec()));
        if *self.parts.ledger.health().borrow() == Health::Down {
            open.settle(&self.parts.dispatch);
        }
    }

    /// Has those who wait here have the results that have come already whenever the ledger is away.
    pub async fn settle_in_outages(&self) -> Infallible {
        let mut health = self.parts.ledger.health();
        loop {
            if health.wait_for(|health| *health == Health::Down).await.is_err() {
                return pending().await;
            }
            for open in &mut self.state().open {
                open.settle(&self.parts.dispatch);
            }
            if health.wait_for(|health| *health != Health::Down).await.is_err() {
                return pending().await;
            }
        }
    }

    /// The gateway ends.
    pub async fn goodbye(&self) {
        let (ledger, tenure) = (&self.parts.ledger, &self.tenure);
        if self.persist(|| ledger.goodbye(tenure)).await.is_ok() {
            self.state().over = true;
            tracing::info!(gateway_id = &**self.gateway_id(), "a gateway said goodbye");
        }
    }

    /// The next command for the gateway, or why its stream ends. Whatever is being kept goes on meanwhile.
    pub async fn next(&self) -> Result<Command, End> {
        let mut inbox = self.inbox.lock().await;
        let Inbox { commands, end } = &mut *inbox;
        loop {
            let full_until = self.state().full_until();
            tokio::select! {
                biased;
                end = end.wait_for(Option::is_some) => {
                    let end = end.ok().and_then(|end| (*end).clone());
                    return Err(end.unwrap_or(End::StartOver("the service is stopping")));
                }
                // One that has so many to answer gets no more; those who wait are told that it is unreachable.
                command = commands.recv(), if full_until.is_none() => {
                    let command = command.ok_or(End::StartOver("the service is stopping"))?;
                    self.state().is_told(&command);
                    return Ok(command);
                }
                () = self.answered.notified(), if full_until.is_some() => {}
                () = sleep_until(full_until.unwrap_or_else(Instant::now)), if full_until.is_some() => {}
            }
        }
    }

    /// The session of a socket that is opened with one, if there is a reason to ask about it: a stream that begins may not
    /// have heard what was found out before, and later only what is new counts.
    fn session_to_ask(&self, event: &Event, is_listing: bool) -> Option<Arc<str>> {
        let Event::Opened(record) = event else { return None };
        let session_id = Some(record.session_id()).filter(|id| !id.is_empty())?;
        let before = self.parts.view.record(self.gateway_id(), record.socket_id());
        let is_known = !is_listing && before.is_some_and(|before| record.says_nothing_else_of_who(&before));
        (!is_known).then(|| Arc::from(session_id))
    }

    async fn write(&self, events: Vec<Event>) -> Result<(), End> {
        let (ledger, tenure) = (&self.parts.ledger, &self.tenure);
        self.persist(|| ledger.write(tenure, events.clone())).await
    }

    /// Does something with the ledger, which may be away for a while: what is done again does no harm.
    async fn persist<F: Future<Output = Result<(), Fault>>>(
        &self,
        mut work: impl FnMut() -> F,
    ) -> Result<(), End> {
        let give_up = Instant::now() + self.parts.lease / 2;
        loop {
            match work().await {
                Ok(()) => return Ok(()),
                Err(Fault::Superseded(by)) => return Err(self.superseded(by.as_deref())),
                Err(Fault::Away(_)) if Instant::now() < give_up => sleep(RETRY).await,
                Err(Fault::Away(cause)) => {
                    tracing::debug!(cause, "a report waited in vain for the registry's store");
                    return Err(End::StartOver("the registry's store does not answer"));
                }
            }
        }
    }

    fn superseded(&self, by: Option<&GatewayInfo>) -> End {
        match by {
            None => End::StartOver("the registry does not know this stream any more"),
            Some(info) if info.incarnation == self.tenure.info.incarnation => End::Replaced,
            Some(_) => End::Taken,
        }
    }
}

/// What came of a command that was open.
struct Answered {
    done: Vec<String>,
    disconnects: Option<Reason>,
    is_settled: bool,
}

impl State {
    /// A batch comes: what its events are to this stream. Whether it belongs to the first listing.
    fn takes(&mut self, sequence: u64, events: &mut [Event], complete: bool) -> Result<bool, End> {
        if sequence != self.sequence + 1 {
            return Err(End::Invalid(
                "batch.sequence",
                format!("it should be {} and is {sequence}: a batch is missing", self.sequence + 1),
            ));
        }
        if complete && self.named.is_none() {
            return Err(End::Invalid("batch.complete", "the first listing was complete before".to_owned()));
        }
        self.sequence = sequence;
        for event in events {
            match event {
                Event::Opened(record) => {
                    if let Some(named) = &mut self.named {
                        named.insert(record.socket_id().into());
                    }
                }
                Event::Closed { socket_id, reason } => {
                    if let Some(named) = &mut self.named {
                        named.remove(socket_id.as_str());
                    }
                    if let Some(why) = self.disconnecting.remove(socket_id) {
                        *reason = why;
                    }
                }
            }
        }
        Ok(self.named.is_some())
    }

    /// A command goes to the gateway.
    fn is_told(&mut self, command: &Command) {
        let disconnects = match &command.task {
            Task::Disconnect { reason, .. } => Some(*reason),
            Task::Send { .. } | Task::UserChanged { .. } => None,
        };
        let socket_ids: HashSet<String> = command.task.socket_ids().iter().cloned().collect();
        if let Some(reason) = disconnects {
            self.disconnecting.extend(socket_ids.iter().map(|socket_id| (socket_id.clone(), reason)));
        }
        let (command_id, told) = (command.command_id.clone(), Instant::now());
        self.open.push_back(OpenCommand {
            command_id,
            told,
            socket_ids,
            disconnects,
            come: None,
            is_settled: false,
        });
    }

    fn open_command(&mut self, command_id: &str) -> Option<&mut OpenCommand> {
        self.open.iter_mut().find(|open| open.command_id == command_id)
    }

    /// A command has its result; `None`: it is not open.
    fn answered(&mut self, command_id: &str, done: Vec<String>) -> Option<Answered> {
        let place = self.open.iter().position(|open| open.command_id == command_id)?;
        let open = self.open.remove(place)?;
        let done = open.of_these(done);
        let OpenCommand { socket_ids, disconnects, is_settled, .. } = open;
        if disconnects.is_some() {
            for socket_id in &socket_ids {
                self.disconnecting.remove(socket_id);
            }
            if let Some(named) = &mut self.named {
                for socket_id in &done {
                    named.remove(socket_id.as_str());
                }
            }
        }
        Some(Answered { done, disconnects, is_settled })
    }

    /// Until when the gateway has too many commands to answer for another one, if it answers none; `None`: it may have one.
    fn full_until(&mut self) -> Option<Instant> {
        self.forget_expired();
        let oldest = self.open.front().filter(|_| self.open.len() >= OPEN)?;
        Some(oldest.told + FORGET)
    }

    /// Commands to whose results nobody would listen.
    fn forget_expired(&mut self) {
        while let Some(oldest) = self.open.front()
            && oldest.told.elapsed() >= FORGET
        {
            for socket_id in self.open.pop_front().into_iter().flat_map(|expired| expired.socket_ids) {
                self.disconnecting.remove(&socket_id);
            }
        }
    }
}

impl OpenCommand {
    /// Whoever waits here has what came of it.
    fn settle(&mut self, dispatch: &Dispatch) {
        if let Some(done) = self.come.take() {
            self.is_settled |= dispatch.settle_here(&self.command_id, done);
        }
    }

    /// Those of the sockets that the command is about.
    fn of_these(&self, mut socket_ids: Vec<String>) -> Vec<String> {
        socket_ids.retain(|socket_id| self.socket_ids.contains(socket_id));
        socket_ids
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.parts.streams.leave(&self.tenure.info.gateway_id, self.tenure.number);
        if !self.state().over {
            // Whoever would hear it is about to stop.
            let _ = self.parts.cut.send(self.tenure.clone());
        }
    }
}
