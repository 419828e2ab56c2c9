//! Which sockets are open in the fleet: gateways report them, a [`ledger::Ledger`] keeps the truth, the [`view::View`]
//! knows all of it and answers, and [`dispatch::Dispatch`] brings commands back to the gateways.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, mpsc, watch},
    task::spawn_blocking,
};
use tokio_util::task::AbortOnDropHandle;

pub mod change;
pub mod command;
pub mod confirmation;
pub mod dispatch;
pub mod ledger;
pub mod mass;
pub mod memory;
pub mod places;
pub mod query;
pub mod record;
pub mod redis;
pub mod session_ended;
pub mod sessions;
pub mod streams;
pub mod tally;
mod teller;
pub mod token;
pub mod view;
pub mod watch_session_ends;
pub mod watch_sockets;

use self::{
    change::{GatewayInfo, Shard},
    dispatch::Dispatch,
    ledger::{Fault, Ledger, Tenure},
    mass::{Progress, Work},
    memory::MemoryLedger,
    query::{
        Query,
        count::{Count, Counting, Grouping, TooManyGroups},
        page::{Page, Place},
        programs::Programs,
    },
    redis::RedisLedger,
    sessions::Notes,
    streams::{
        End, Streams,
        stream::{Parts, Stream},
    },
    tally::Tally,
    teller::Teller,
    token::Revision,
    view::{Coverage, Notice, View, history::Bounds, member::Member},
    watch_session_ends::SessionEndsWatch,
    watch_sockets::{Ended, Watch},
};
use crate::{
    config::{
        operation::Limits,
        registry::{Registry as Settings, RegistryUrl},
    },
    expression::{Bound, CompileError, path::Path},
    health::Health,
    task,
};

/// Sockets of a page that is gathered for a mass command.
const PAGE: usize = 4_096;

/// The registry of this replica.
#[derive(Debug)]
pub struct Registry {
    view: Arc<View>,
    ledger: Arc<dyn Ledger>,
    streams: Arc<Streams>,
    dispatch: Arc<Dispatch>,
    teller: Teller,
    programs: Arc<Programs>,
    notes: Arc<Notes>,
    /// What people are told apart by.
    identity: Path,
    max_gateway_sockets: usize,
    max_gateways: usize,
    /// Watches that may still be opened.
    watches: Arc<Semaphore>,
    cut: mpsc::UnboundedSender<Tenure>,
    /// Looks at many sockets that may go on at once: each takes a processor, and handshakes need one too.
    looks: Arc<Semaphore>,
    /// Filters that may be compiled at once.
    compiling: Arc<Semaphore>,
    /// Batches that may be taken apart at once: when a hundred gateways list, a processor is left for handshakes.
    readers: Semaphore,
    _tasks: [AbortOnDropHandle<()>; 2],
}

/// Looking at the sockets was broken off, by a fault of this program or by its end. What was seen until then is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("looking at the sockets was broken off: the log has the cause; ask again")]
pub struct BrokenOff;

/// A gateway, for those who ask which there are.
#[derive(Clone, Debug)]
pub struct GatewayStanding {
    /// Who it is.
    pub info: Arc<GatewayInfo>,
    /// Its stream has ended, or half a lease has passed without a sign of life.
    pub is_late: bool,
    /// Its open sockets.
    pub sockets: u64,
    /// How long ago it gave a sign of life.
    pub seen_ago: Duration,
}

/// One of the watches that may be open. It is reached as a whole: a closure that captured the watch alone would give up its
/// place.
#[derive(Debug)]
pub struct Placed<W> {
    watch: W,
    _place: OwnedSemaphorePermit,
}

impl<W> Deref for Placed<W> {
    type Target = W;

    fn deref(&self) -> &W {
        &self.watch
    }
}

impl<W> DerefMut for Placed<W> {
    fn deref_mut(&mut self) -> &mut W {
        &mut self.watch
    }
}

impl Registry {
    /// Opens the registry that the settings name, where this path leads to who a user is. Does not wait for its store.
    pub fn open(settings: &Settings, identity: &Path, limits: &Limits) -> Self {
        let bounds = Bounds { age: settings.history, bytes: settings.history_bytes };
        let indexed: Vec<_> = std::iter::once(identity).chain(&settings.indexes).cloned().collect();
        let (view, notices) = View::new(&indexed, bounds, settings.lease);
        let ledger: Arc<dyn Ledger> = match &settings.store {
            RegistryUrl::Memory => Arc::new(MemoryLedger::open(Arc::clone(&view))),
            RegistryUrl::Redis(url) => Arc::new(RedisLedger::open(url, settings, &view)),
        };
        let streams = Arc::new(Streams::default());
        let notes: Arc<Notes> = Arc::default();
        let dispatch =
            Dispatch::new(Arc::clone(&ledger), Arc::clone(&streams), Arc::clone(&view), Arc::clone(&notes));
        let dispatch = Arc::new(dispatch);
        let (cut, ends) = mpsc::unbounded_channel();
        let listener = listen(notices, Arc::clone(&streams), Arc::clone(&dispatch));
        let cutter = tell_ends(ends, Arc::clone(&ledger));
        let teller = Teller::new(&ledger);
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            view,
            ledger,
            streams,
            dispatch,
            teller,
            programs: Arc::default(),
            notes,
            identity: identity.clone(),
            max_gateway_sockets: limits.max_gateway_sockets,
            max_gateways: limits.max_gateways,
            watches: Arc::new(Semaphore::new(limits.max_watches.min(Semaphore::MAX_PERMITS))),
            cut,
            looks: Arc::new(Semaphore::new(processors.saturating_sub(1).max(1))),
            compiling: Arc::new(Semaphore::new((processors / 2).max(1))),
            readers: Semaphore::new((processors / 2).max(1)),
            _tasks: [task::owned(listener), task::owned(cutter)],
        }
    }

    /// A gateway's stream begins.
    pub async fn stream(&self, info: GatewayInfo) -> Result<Stream, End> {
        let parts = Parts {
            ledger: Arc::clone(&self.ledger),
            streams: Arc::clone(&self.streams),
            dispatch: Arc::clone(&self.dispatch),
            view: Arc::clone(&self.view),
            notes: Arc::clone(&self.notes),
            cut: self.cut.clone(),
            lease: self.lease(),
        };
        if !self.has_room_for(&info.gateway_id) {
            return Err(End::Full);
        }
        Stream::open(parts, info).await
    }

    fn has_room_for(&self, gateway_id: &str) -> bool {
        let is_known = self.view.shard(Shard::of(gateway_id)).gateways().contains_key(gateway_id);
        let count = || -> usize { Shard::all().map(|shard| self.view.shard(shard).gateways().len()).sum() };
        is_known || count() < self.max_gateways
    }

    /// How long gateways' sockets stay listed without a sign of life.
    pub fn lease(&self) -> Duration {
        self.view.lease()
    }

    /// When a socket was opened that is open already, in microseconds since 1970.
    pub fn connected_at(&self, gateway_id: &str, socket_id: &str) -> Option<i64> {
        self.view.record(gateway_id, socket_id).map(|record| record.connected_at())
    }

    /// How many more sockets a gateway may have listed.
    pub fn room(&self, gateway_id: &str) -> usize {
        let shard = self.view.shard(Shard::of(gateway_id));
        let listed = shard.gateways().get(gateway_id).map_or(0, |gateway| gateway.slots().len());
        self.max_gateway_sockets.saturating_sub(usize::try_from(listed).unwrap_or(usize::MAX))
    }

    /// Whether the ledger answers.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.ledger.health()
    }

    /// Whether the registry's store throws things away when it is full, and with them sockets that are open.
    pub fn store_evicts(&self) -> bool {
        self.ledger.evicts()
    }

    /// How much an answer knows that is given now.
    pub fn coverage(&self) -> Coverage {
        self.view.coverage()
    }

    /// What an answer of this coverage may have missed, in words; `None`: it knew every open socket.
    pub fn gap(&self, coverage: &Coverage) -> Option<String> {
        let is_away = *self.ledger.health().borrow() != Health::Up;
        is_away.then(|| "its store does not answer".to_owned()).or_else(|| coverage.gap(self.lease()))
    }

    /// What has happened here since the process began.
    pub fn tally(&self) -> &Tally {
        self.view.tally()
    }

    /// A filter with its params, an object packed.
    pub async fn query(
        &self,
        filter: String,
        params: Vec<u8>,
    ) -> Result<Result<Arc<Query>, CompileError>, BrokenOff> {
        /// So many bytes of params are put in at once.
        const FEW: usize = 4 << 10;
        if let Some(program) = self.programs.kept(&filter).filter(|program| !program.has_open_patterns())
            && params.len() <= FEW
        {
            return Ok(Query::new(&program, &self.view, &params).map(Arc::new));
        }
        let (programs, view) = (Arc::clone(&self.programs), Arc::clone(&self.view));
        let compile = move || {
            programs.get(&filter).and_then(|program| Query::new(&program, &view, &params)).map(Arc::new)
        };
        in_turn(&self.compiling, compile).await
    }

    /// An expression of the settings, to ask of sockets.
    pub fn query_of(&self, expression: Bound) -> Arc<Query> {
        Arc::new(Query::of(expression, &self.view))
    }

    /// The next sockets that match, at most `limit`, ordered by (gateway id, socket id).
    pub async fn page(
        &self,
        query: &Arc<Query>,
        after: Option<Place>,
        limit: usize,
    ) -> Result<Page, BrokenOff> {
        let (query, view) = (Arc::clone(query), Arc::clone(&self.view));
        let mut after = after;
        loop {
            let (asked, seen, at) = (Arc::clone(&query), Arc::clone(&view), after.clone());
            let page = self.look(move || asked.page(&seen, at.as_ref(), limit)).await?;
            if page.members.is_empty() && page.next.is_some() {
                // Much was looked at and nothing found: on, with others in between.
                after = page.next;
                continue;
            }
            return Ok(page);
        }
    }

    /// All sockets that match.
    pub async fn matching(&self, query: &Arc<Query>) -> Result<Vec<Member>, BrokenOff> {
        let mut members = Vec::new();
        let mut after = None;
        loop {
            let page = self.page(query, after, PAGE).await?;
            members.extend(page.members);
            after = page.next;
            if after.is_none() {
                return Ok(members);
            }
        }
    }

    /// How many sockets match.
    pub async fn count(&self, query: &Arc<Query>) -> Result<u64, BrokenOff> {
        let counting = Arc::new(Counting::default());
        loop {
            let (query, view, under_way) = (Arc::clone(query), Arc::clone(&self.view), Arc::clone(&counting));
            if self.look(move || query.count(&view, &under_way)).await? {
                return Ok(counting.total());
            }
        }
    }

    /// How many sockets match, by the value at a path.
    pub async fn count_by(
        &self,
        query: &Arc<Query>,
        path: Path,
    ) -> Result<Result<Count, TooManyGroups>, BrokenOff> {
        let mut grouping = Grouping::by(path);
        loop {
            let (query, view) = (Arc::clone(query), Arc::clone(&self.view));
            let look = move || query.group(&view, &mut grouping).map(|is_over| (is_over, grouping));
            match self.look(look).await? {
                Ok((true, grouped)) => return Ok(Ok(grouped.into_count())),
                Ok((false, going_on)) => grouping = going_on,
                Err(too_many) => return Ok(Err(too_many)),
            }
        }
    }

    /// How a filter is answered.
    pub async fn explain(&self, query: &Arc<Query>) -> Result<Vec<query::Step>, BrokenOff> {
        let (query, view) = (Arc::clone(query), Arc::clone(&self.view));
        self.look(move || query.explain(&view)).await
    }

    /// What matches, and then what changes about that; from a revision on, only that.
    pub async fn watch(&self, query: &Arc<Query>, from: Option<&Revision>) -> Result<Placed<Watch>, Ended> {
        let place = self.place_of_watch()?;
        let watch = Watch::start(Arc::clone(&self.view), Arc::clone(query), from).await?;
        Ok(Placed { watch, _place: place })
    }

    /// Which sessions end, from now or from a revision on.
    pub async fn watch_session_ends(
        &self,
        from: Option<&Revision>,
    ) -> Result<Placed<SessionEndsWatch>, Ended> {
        let place = self.place_of_watch()?;
        let watch = SessionEndsWatch::start(Arc::clone(&self.view), from).await?;
        Ok(Placed { watch, _place: place })
    }

    fn place_of_watch(&self) -> Result<OwnedSemaphorePermit, Ended> {
        Arc::clone(&self.watches).try_acquire_owned().map_err(|_| Ended::TooMany)
    }

    /// Has the gateways do something with all sockets that match. The future does it; dropped, it stops.
    pub async fn order(
        &self,
        query: Arc<Query>,
        work: Work,
        progress: mpsc::Sender<Progress>,
    ) -> Result<(), BrokenOff> {
        let members = self.matching(&query).await?;
        mass::run(work, members, Arc::clone(&self.dispatch), Arc::clone(&self.view), progress).await
    }

    /// The gateways, ordered by id.
    pub fn gateways(&self) -> Vec<GatewayStanding> {
        let mut gateways: Vec<_> = Shard::all()
            .flat_map(|shard| {
                let shard = self.view.shard(shard);
                let standing = |gateway: &view::shard::Gateway| GatewayStanding {
                    info: Arc::clone(&gateway.holder().info),
                    is_late: gateway.is_late(self.lease()),
                    sockets: gateway.slots().len(),
                    seen_ago: gateway.seen().elapsed(),
                };
                shard.gateways().values().map(standing).collect::<Vec<_>>()
            })
            .collect();
        gateways.sort_unstable_by(|one, other| one.info.gateway_id.cmp(&other.info.gateway_id));
        gateways
    }

    /// Has all gateways go to other replicas, one after the other.
    pub async fn send_gateways_away(&self, within: Duration) {
        self.streams.end_one_by_one("this replica is stopping", within).await;
    }

    /// Waits for a turn to take a batch apart, which lasts until it is dropped.
    pub async fn reading_turn(&self) -> Option<SemaphorePermit<'_>> {
        self.readers.acquire().await.ok()
    }

    /// Looks at sockets.
    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, BrokenOff> {
        in_turn(&self.looks, look).await
    }
}

/// Does something on a thread that nobody waits for but the caller, when it is its turn, which lasts until it is done: also
/// when the caller has left.
async fn in_turn<T: Send + 'static>(
    turns: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, BrokenOff> {
    let turn = Arc::clone(turns).acquire_owned().await.map_err(|_closed| BrokenOff)?;
    let work = move || {
        let done = work();
        drop(turn);
        done
    };
    spawn_blocking(work).await.map_err(|_panic_or_end| BrokenOff)
}

/// Hears what is not for watchers.
async fn listen(
    mut notices: mpsc::UnboundedReceiver<Notice>,
    streams: Arc<Streams>,
    dispatch: Arc<Dispatch>,
) {
    while let Some(notice) = notices.recv().await {
        match notice {
            Notice::Holder(gateway_id, holder) => streams.heed(&gateway_id, holder.as_ref()),
            Notice::Message(message) => dispatch.hear(&message),
            Notice::NewData(shard) => streams.start_over(shard, "the registry has begun anew"),
        }
    }
}

/// Tells the ledger of streams that ended without a goodbye.
async fn tell_ends(mut ends: mpsc::UnboundedReceiver<Tenure>, ledger: Arc<dyn Ledger>) {
    while let Some(tenure) = ends.recv().await {
        match ledger.cut(&tenure).await {
            Ok(()) => tracing::info!(
                gateway_id = &*tenure.info.gateway_id,
                "a gateway's stream has ended: it is late"
            ),
            // Another stream of the gateway is there already, or its lease has ended.
            Err(Fault::Superseded(_)) => {}
            // It is late all the same when half a lease has passed.
            Err(Fault::Away(cause)) => tracing::debug!(cause, "the end of a stream could not be kept"),
        }
    }
}
