//! `memory:`: the truth in this process. When it ends the gateways list again, elsewhere or at the next one.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use roaring::RoaringBitmap;
use tokio::{
    sync::watch,
    task::yield_now,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    change::{Change, Epoch, GatewayInfo, Holder, Position, SHARDS, Shard},
    confirmation::{Confirmation, Mark},
    ledger::{Claimed, Event, Fault, Health, Ledger, RETIRED, RETIRED_FOR, Sign, Telling, Tenure},
    record::Record,
    view::{Snapshot, View},
};
use crate::{reason::Reason, task};

/// Gateways of a shard whose replaced incarnations are remembered.
const RETIRED_GATEWAYS: usize = 1_024;

/// Events that are kept before others get a turn: handshakes wait for no more than this of each gateway that lists.
const TURN: usize = 128;

/// The ledger.
#[derive(Debug)]
pub struct MemoryLedger {
    books: Arc<Books>,
    health: watch::Sender<Health>,
    /// Ends with the ledger.
    _leases: AbortOnDropHandle<()>,
}

struct Books {
    view: Arc<View>,
    lease: Duration,
    shards: Vec<Mutex<Book>>,
}

/// Who holds what in one shard.
struct Book {
    tenures: u64,
    position: Position,
    held: HashMap<Arc<str>, Held>,
    /// Also of gateways that nobody holds now.
    retired: HashMap<Arc<str>, Retired>,
    looked_at: Instant,
}

/// Incarnations of a gateway that others have replaced.
struct Retired {
    /// The latest first.
    incarnations: Vec<Arc<str>>,
    /// When one was added, or came back, last.
    since: Instant,
}

struct Held {
    holder: Holder,
    /// Counts signs of life.
    signs: u64,
    deadline: Instant,
}

impl MemoryLedger {
    /// An empty one, which begins to watch its leases.
    pub fn open(view: Arc<View>) -> Self {
        let lease = view.lease();
        let book = |_| {
            Mutex::new(Book {
                tenures: 0,
                position: Position::default(),
                held: HashMap::new(),
                retired: HashMap::new(),
                looked_at: Instant::now(),
            })
        };
        let books = Arc::new(Books { view, lease, shards: (0..SHARDS).map(book).collect() });
        for shard in Shard::all() {
            let snapshot = Snapshot {
                epoch: Epoch::random(),
                began: Duration::ZERO,
                position: Position::default(),
                gateways: Vec::new(),
                history: Vec::new(),
                history_from: Position::default(),
            };
            books.view.replace(shard, snapshot);
            books.view.stays_up_to_date(shard);
        }
        let leases = task::owned(Arc::clone(&books).watch_leases());
        Self { books, health: watch::Sender::new(Health::Up), _leases: leases }
    }
}

impl Books {
    fn book(&self, shard: Shard) -> MutexGuard<'_, Book> {
        #[expect(clippy::indexing_slicing, reason = "there are as many as a Shard's number can be")]
        self.shards[shard.number()].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something for whoever has the tenure, which is a sign of life.
    fn with<T>(
        &self,
        tenure: &Tenure,
        work: impl FnOnce(&mut Book, &mut Vec<(Position, Change)>) -> T,
    ) -> Result<T, Fault> {
        let gateway_id = &tenure.info.gateway_id;
        let shard = Shard::of(gateway_id);
        let mut book = self.book(shard);
        let held = book.held_by(tenure)?;
        held.signs += 1;
        held.deadline = Instant::now() + self.lease;
        let mut changes = Vec::new();
        let done = work(&mut book, &mut changes);
        // While the book is held, so that changes reach the view in the order of their positions.
        self.view.apply(shard, changes);
        self.view.seen(shard, [(&**gateway_id, Duration::ZERO)]);
        Ok(done)
    }

    fn write(&self, tenure: &Tenure, events: impl Iterator<Item = Event>) -> Result<(), Fault> {
        let gateway_id = &tenure.info.gateway_id;
        self.with(tenure, |book, changes| {
            changes.extend(events.map(|event| match event {
                Event::Opened(reported) => {
                    let now = match self.view.record(gateway_id, reported.socket_id()) {
                        Some(before) => reported.reported_after(&before),
                        None => reported,
                    };
                    book.open(gateway_id, now)
                }
                Event::Closed { socket_id, reason } => book.close(gateway_id, &socket_id, reason),
            }));
        })
    }

    async fn watch_leases(self: Arc<Self>) {
        /// Often enough to notice the end of a lease well within it.
        const LOOKS_A_LEASE: u32 = 16;
        let every = (self.lease / LOOKS_A_LEASE).clamp(Duration::from_millis(5), Duration::from_secs(1));
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            for shard in Shard::all() {
                self.end_leases(shard).await;
            }
        }
    }

    async fn end_leases(&self, shard: Shard) {
        for gateway_id in self.leases_that_end(shard) {
            self.view.tally().gateway_is_gone();
            tracing::warn!(
                gateway_id = &*gateway_id,
                "a gateway is gone: no sign of life within registry.lease"
            );
            while self.remove_some(shard, &gateway_id) {
                yield_now().await;
            }
        }
    }

    /// The gateways whose leases have ended. From now on nobody holds their ids.
    fn leases_that_end(&self, shard: Shard) -> Vec<Arc<str>> {
        let now = Instant::now();
        let mut book = self.book(shard);
        // This process stood still, and whatever was said to it meanwhile is still to be read.
        let stood_still = now.duration_since(book.looked_at) > self.lease / 3;
        book.looked_at = now;
        if stood_still {
            for held in book.held.values_mut() {
                held.deadline = held.deadline.max(now + self.lease);
            }
        }
        book.retired.retain(|_, retired| retired.since.elapsed() < RETIRED_FOR);
        let ends = |held: &Held| held.deadline < now;
        let gone: Vec<_> =
            book.held.iter().filter(|(_, held)| ends(held)).map(|(id, _)| Arc::clone(id)).collect();
        for gateway_id in &gone {
            book.held.remove(gateway_id);
        }
        gone
    }

    /// Removes some sockets of a gateway that nobody holds, and when none is left the gateway. Whether there are more.
    fn remove_some(&self, shard: Shard, gateway_id: &Arc<str>) -> bool {
        let mut book = self.book(shard);
        if book.held.contains_key(gateway_id) {
            // Another stream lists by now, and what it does not name is closed then.
            return false;
        }
        let ids = self.view.some_sockets(gateway_id);
        let is_last = ids.len() < TURN;
        let mut changes: Vec<_> =
            ids.iter().map(|socket_id| book.close(gateway_id, socket_id, Reason::GatewayGone)).collect();
        if is_last {
            changes.push((book.next(), Change::Gateway { gateway_id: Arc::clone(gateway_id), holder: None }));
        }
        self.view.apply(shard, changes);
        !is_last
    }

    /// Closes what is open of a gateway and not among these.
    async fn close_all_but(&self, tenure: &Tenure, named: &HashSet<Box<str>>) -> Result<(), Fault> {
        let gateway_id = &tenure.info.gateway_id;
        let mut slots = self.view.slots_of(gateway_id);
        while let Some(ids) = self.view.take_sockets(gateway_id, &mut slots) {
            let gone = ids.into_iter().filter(|id| !named.contains(id));
            let close = |id: Box<str>| Event::Closed { socket_id: id.into(), reason: Reason::Closed };
            self.write(tenure, gone.map(close))?;
            yield_now().await;
        }
        Ok(())
    }
}

impl Book {
    fn is_retired(&mut self, info: &GatewayInfo) -> bool {
        let Some(retired) = self.retired.get_mut(&info.gateway_id) else { return false };
        let is_retired = retired.incarnations.contains(&info.incarnation);
        if is_retired {
            retired.since = Instant::now();
        }
        is_retired
    }

    fn retire(&mut self, gateway_id: &Arc<str>, incarnation: Arc<str>) {
        if self.retired.len() >= RETIRED_GATEWAYS && !self.retired.contains_key(gateway_id) {
            let oldest = self.retired.iter().min_by_key(|(_, retired)| retired.since);
            if let Some(oldest) = oldest.map(|(id, _)| Arc::clone(id)) {
                self.retired.remove(&oldest);
            }
        }
        let none = || Retired { incarnations: Vec::new(), since: Instant::now() };
        let retired = self.retired.entry(Arc::clone(gateway_id)).or_insert_with(none);
        retired.incarnations.insert(0, incarnation);
        retired.incarnations.truncate(RETIRED);
        retired.since = Instant::now();
    }

    fn next(&mut self) -> Position {
        let now = SystemTime::UNIX_EPOCH.elapsed().map(|elapsed| elapsed.as_millis()).unwrap_or_default();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        self.position = if now > self.position.milliseconds {
            Position { milliseconds: now, sequence: 0 }
        } else {
            Position { sequence: self.position.sequence + 1, ..self.position }
        };
        self.position
    }

    fn change_holder(
        &mut self,
        gateway_id: &Arc<str>,
        change: impl FnOnce(&mut Holder),
    ) -> Option<(Position, Change)> {
        let held = self.held.get_mut(gateway_id)?;
        change(&mut held.holder);
        let holder = Some(held.holder.clone());
        Some((self.next(), Change::Gateway { gateway_id: Arc::clone(gateway_id), holder }))
    }

    /// What whoever has the tenure holds.
    fn held_by(&mut self, tenure: &Tenure) -> Result<&mut Held, Fault> {
        match self.held.get_mut(&tenure.info.gateway_id) {
            Some(held) if held.holder.tenure == tenure.number => Ok(held),
            other => Err(Fault::Superseded(other.map(|held| Arc::clone(&held.holder.info)))),
        }
    }

    fn open(&mut self, gateway_id: &Arc<str>, now: Record) -> (Position, Change) {
        let gateway_id = Arc::clone(gateway_id);
        (self.next(), Change::Opened { gateway_id, before: None, now })
    }

    fn close(&mut self, gateway_id: &Arc<str>, socket_id: &str, reason: Reason) -> (Position, Change) {
        let gateway_id = Arc::clone(gateway_id);
        (self.next(), Change::Closed { gateway_id, socket_id: socket_id.into(), before: None, reason })
    }
}

impl fmt::Debug for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Books").field("lease", &self.lease).finish_non_exhaustive()
    }
}

impl View {
    fn slots_of(&self, gateway_id: &str) -> RoaringBitmap {
        let shard = self.shard(Shard::of(gateway_id));
        shard.gateways().get(gateway_id).map(|gateway| gateway.slots().clone()).unwrap_or_default()
    }

    /// The ids of the gateway's sockets in the next of these slots, which are taken out; `None`: there are no more.
    fn take_sockets(&self, gateway_id: &str, slots: &mut RoaringBitmap) -> Option<Vec<Box<str>>> {
        let some: Vec<u32> = slots.iter().take(TURN).collect();
        slots.remove_range(..=*some.last()?);
        let shard = self.shard(Shard::of(gateway_id));
        let members = some.into_iter().filter_map(|slot| shard.members().get(slot));
        // By now another gateway's socket may be there.
        let members = members.filter(|member| &*member.info.gateway_id == gateway_id);
        Some(members.map(|member| member.record.socket_id().into()).collect())
    }

    /// The ids of some of a gateway's sockets, of all if there are fewer than a turn has.
    fn some_sockets(&self, gateway_id: &str) -> Vec<Box<str>> {
        let shard = self.shard(Shard::of(gateway_id));
        let slots = shard.gateways().get(gateway_id).into_iter().flat_map(|gateway| gateway.slots());
        let members = slots.take(TURN).filter_map(|slot| shard.members().get(slot));
        members.map(|member| member.record.socket_id().into()).collect()
    }
}

#[async_trait]
impl Ledger for MemoryLedger {
    async fn claim(&self, info: &Arc<GatewayInfo>, silent: Option<&Sign>) -> Result<Claimed, Fault> {
        let gateway_id = &info.gateway_id;
        let shard = Shard::of(gateway_id);
        let mut book = self.books.book(shard);
        if book.is_retired(info) {
            return Ok(Claimed::Retired);
        }
        if let Some(held) = book.held.get(gateway_id) {
            let holds = Arc::clone(&held.holder.info.incarnation);
            let sign = Sign(format!("{}.{}", held.holder.tenure, held.signs));
            if holds != info.incarnation {
                if silent != Some(&sign) {
                    return Ok(Claimed::Held { sign, is_cut: held.holder.cut });
                }
                book.retire(gateway_id, holds);
            }
        }
        book.tenures += 1;
        let number = book.tenures;
        let holder = Holder { info: Arc::clone(info), tenure: number, listing: true, cut: false };
        let held = Held { holder: holder.clone(), signs: 0, deadline: Instant::now() + self.books.lease };
        book.held.insert(Arc::clone(gateway_id), held);
        let change = Change::Gateway { gateway_id: Arc::clone(gateway_id), holder: Some(holder) };
        let change = (book.next(), change);
        self.books.view.apply(shard, vec![change]);
        Ok(Claimed::Granted(Tenure { info: Arc::clone(info), number }))
    }

    async fn write(&self, tenure: &Tenure, events: Vec<Event>) -> Result<(), Fault> {
        let mut events = events.into_iter().peekable();
        loop {
            self.books.write(tenure, events.by_ref().take(TURN))?;
            if events.peek().is_none() {
                return Ok(());
            }
            yield_now().await;
        }
    }

    async fn confirm(&self, tenure: &Tenure, confirmed: Vec<(Box<str>, Confirmation)>) -> Result<(), Fault> {
        let gateway_id = &tenure.info.gateway_id;
        let shard = Shard::of(gateway_id);
        let mut book = self.books.book(shard);
        book.held_by(tenure)?;
        let view = &self.books.view;
        let now = confirmed.iter().filter_map(|(socket_id, confirmation)| {
            view.record(gateway_id, socket_id)?.confirmed(confirmation)
        });
        let changes = now.map(|now| book.open(gateway_id, now)).collect();
        view.apply(shard, changes);
        Ok(())
    }

    async fn complete(&self, tenure: &Tenure, named: &HashSet<Box<str>>) -> Result<(), Fault> {
        self.books.close_all_but(tenure, named).await?;
        self.books.with(tenure, |book, changes| {
            changes.extend(book.change_holder(&tenure.info.gateway_id, |holder| holder.listing = false));
        })
    }

    async fn goodbye(&self, tenure: &Tenure) -> Result<(), Fault> {
        self.books.close_all_but(tenure, &HashSet::new()).await?;
        let gateway_id = &tenure.info.gateway_id;
        self.books.with(tenure, |book, changes| {
            book.held.remove(gateway_id);
            changes.push((book.next(), Change::Gateway { gateway_id: Arc::clone(gateway_id), holder: None }));
        })
    }

    async fn cut(&self, tenure: &Tenure) -> Result<(), Fault> {
        let gateway_id = &tenure.info.gateway_id;
        let shard = Shard::of(gateway_id);
        let mut book = self.books.book(shard);
        book.held_by(tenure)?;
        let change = book.change_holder(gateway_id, |holder| holder.cut = true);
        self.books.view.apply(shard, change.into_iter().collect());
        Ok(())
    }

    async fn tell(&self, shard: Shard, message: Arc<[u8]>) -> Result<(), Fault> {
        let mut book = self.books.book(shard);
        let change = (book.next(), Change::Message(message));
        self.books.view.apply(shard, vec![change]);
        Ok(())
    }

    async fn tell_ends(&self, shard: Shard, ends: &[Telling]) -> Result<(), Fault> {
        let mut book = self.books.book(shard);
        for Telling { ended, outlived } in ends {
            let last = self.books.view.shard(shard).told().last(Mark::of(ended.session_id()), ended.kind());
            if last.is_none_or(|last| Some(last.number) == *outlived) {
                let change = (book.next(), Change::SessionEnded(ended.clone()));
                self.books.view.apply(shard, vec![change]);
            }
        }
        Ok(())
    }

    fn newest(&self, shard: Shard) -> Option<(Epoch, Position)> {
        let view = self.books.view.shard(shard);
        view.data().map(|(epoch, _)| (epoch, view.position()))
    }

    fn evicts(&self) -> bool {
        false
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }
}
