//! Everything that is known of the registry, in memory and indexed: all answers come from here.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

pub mod history;
pub mod index;
pub mod member;
pub mod ordered;
pub mod shard;
pub mod told;

use self::{
    history::{Bounds, Difference, Entry},
    index::Key,
    member::Member,
    shard::{Known, Past, ShardView},
    told::LastEnd,
};
use super::{
    change::{Change, Epoch, GatewayInfo, Holder, Kept, Position, SHARDS, Shard},
    record::Record,
    tally::Tally,
};
use crate::{
    expression::{
        path::{Path, Root},
        scope::SocketField,
    },
    reason::Reason,
};

/// All there is in a shard at one position.
#[derive(Debug)]
pub struct Snapshot {
    /// Which data.
    pub epoch: Epoch,
    /// How long ago that data began.
    pub began: Duration,
    /// Everything up to here is in it.
    pub position: Position,
    /// Who holds which gateway id, and their sockets.
    pub gateways: Vec<(Holder, Vec<Record>)>,
    /// What led there, as far as it is known, the oldest first; watchers go on from within it.
    pub history: Vec<(Position, Change)>,
    /// Everything that came behind this position is in the history. It need not be a change itself.
    pub history_from: Position,
}

/// What somebody else than a watcher has to hear of.
#[derive(Clone, Debug)]
pub enum Notice {
    /// Somebody holds a gateway id, or nobody does any more.
    Holder(Arc<str>, Option<Holder>),
    /// One replica tells the others.
    Message(Arc<[u8]>),
    /// The shard's data is gone, and with it every right to write for its gateways.
    NewData(Shard),
}

/// How much an answer knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// How old it may be.
    pub age: Duration,
    /// Gateways that are late or still listing, ordered.
    pub incomplete_gateways: Vec<Arc<str>>,
    /// The registry began without data less than a lease ago, or nothing is known yet.
    pub warming_up: bool,
}

impl Coverage {
    /// What is missing, in words; `None`: every open socket is known. Who relies on that has to come again otherwise.
    pub fn gap(&self, lease: Duration) -> Option<String> {
        /// The feed is read several times within it.
        const A_MOMENT: Duration = Duration::from_secs(1);
        let Self { age, incomplete_gateways, warming_up } = self;
        if *warming_up {
            Some("it began less than registry.lease ago, or was not read yet".to_owned())
        } else if !incomplete_gateways.is_empty() {
            Some(format!("{} gateways are late or list their sockets just now", incomplete_gateways.len()))
        } else {
            // As with gateways: late after half a lease.
            (*age >= (lease / 2).max(A_MOMENT)).then(|| format!("it was read {age:.1?} ago"))
        }
    }
}

/// The view.
#[derive(Debug)]
pub struct View {
    shards: Vec<RwLock<ShardView>>,
    indexed: Vec<Path>,
    bounds: Bounds,
    lease: Duration,
    created: Instant,
    changed: watch::Sender<u64>,
    /// Something was applied, or a shard is known up to a later time.
    progress: watch::Sender<()>,
    notices: mpsc::UnboundedSender<Notice>,
    tally: Tally,
}

/// The paths that are indexed whatever the settings say. The gateway needs none: it knows its sockets.
fn always_indexed() -> [Path; 3] {
    [SocketField::SocketId, SocketField::SessionId, SocketField::Namespace]
        .map(|field| Path { root: Root::Socket(field), names: Vec::new() })
}

impl View {
    /// An empty view, with indexes on these paths beside those that always are, and where it tells what is not for
    /// watchers.
    pub fn new(
        indexed: &[Path],
        bounds: Bounds,
        lease: Duration,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Notice>) {
        let mut paths = always_indexed().to_vec();
        for path in indexed {
            if !paths.contains(path) {
                paths.push(path.clone());
            }
        }
        let each = Bounds { bytes: bounds.bytes / SHARDS, ..bounds };
        let (notices, heard) = mpsc::unbounded_channel();
        let view = Self {
            shards: Shard::all().map(|_| RwLock::new(ShardView::new(&paths, each))).collect(),
            indexed: paths,
            bounds: each,
            lease,
            created: Instant::now(),
            changed: watch::Sender::new(0),
            progress: watch::Sender::new(()),
            notices,
            tally: Tally::default(),
        };
        (Arc::new(view), heard)
    }

    /// A shard, to look at. Whoever holds it holds up its changes.
    pub fn shard(&self, shard: Shard) -> RwLockReadGuard<'_, ShardView> {
        #[expect(clippy::indexing_slicing, reason = "there are as many as a Shard's number can be")]
        self.shards[shard.number()].read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A socket as it is now; `None`: it is not open.
    pub fn record(&self, gateway_id: &str, socket_id: &str) -> Option<Record> {
        let shard = self.shard(Shard::of(gateway_id));
        let member = shard.members().get(shard.slot(gateway_id, socket_id)?)?;
        Some(member.record.clone())
    }

    /// The sockets that have this at a path, which is indexed.
    pub fn members_where(&self, path: &Path, key: Key<'_>) -> Vec<Member> {
        let mut members = Vec::new();
        for shard in Shard::all() {
            let shard = self.shard(shard);
            let Some((index, values)) = shard.index(path) else { continue };
            let answer = index.equal(key, &values);
            members.extend(answer.slots().iter().filter_map(|slot| shard.members().get(slot)).cloned());
        }
        members
    }

    /// Whether a socket of this kind has this at a path, which is indexed.
    pub fn has_any_where(&self, path: &Path, key: Key<'_>, is_meant: impl Fn(&Member) -> bool) -> bool {
        Shard::all().any(|shard| {
            let shard = self.shard(shard);
            let Some((index, values)) = shard.index(path) else { return false };
            let answer = index.equal(key, &values);
            answer.slots().iter().filter_map(|slot| shard.members().get(slot)).any(&is_meant)
        })
    }

    /// How many sockets have this at a path, which is indexed.
    pub fn count_where(&self, path: &Path, key: Key<'_>) -> u64 {
        let count = |shard| {
            let shard = self.shard(shard);
            shard.index(path).map_or(0, |(index, values)| index.equal(key, &values).count())
        };
        Shard::all().map(count).sum()
    }

    fn shard_mut(&self, shard: Shard) -> RwLockWriteGuard<'_, ShardView> {
        #[expect(clippy::indexing_slicing, reason = "there are as many as a Shard's number can be")]
        self.shards[shard.number()].write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is an index on a path.
    pub fn is_indexed(&self, path: &Path) -> bool {
        self.indexed.contains(path)
    }

    /// Whether what was kept is here, unless it is over again. It may say no for a moment longer: until it is known that there
    /// was nothing to apply.
    pub fn has(&self, kept: &Kept) -> bool {
        let shard = self.shard(kept.shard);
        let is_applied = |(epoch, position)| {
            shard.data().is_some_and(|(data, _)| data == epoch) && position <= shard.position()
        };
        kept.newest.is_some_and(is_applied) || is_known_since(&shard, kept)
    }

    /// Whether all is here that was kept until then, whatever was said of how far that goes.
    pub fn is_known_since(&self, kept: &Kept) -> bool {
        is_known_since(&self.shard(kept.shard), kept)
    }

    /// Wakes whoever waits for what was kept.
    pub fn progress(&self) -> watch::Receiver<()> {
        self.progress.subscribe()
    }

    /// Wakes whoever waits for changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// What has happened here since the process began.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// How long gateways' sockets stay listed without a sign of life.
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// How much an answer knows that is given now.
    pub fn coverage(&self) -> Coverage {
        let now = Instant::now();
        let mut coverage = Coverage::default();
        for shard in Shard::all() {
            let shard = self.shard(shard);
            let known = shard.known().up_to(now).unwrap_or(self.created);
            coverage.age = coverage.age.max(now.saturating_duration_since(known));
            coverage.warming_up |= shard.data().is_none_or(|(_, began)| began.elapsed() < self.lease);
            let incomplete = shard
                .gateways()
                .values()
                .filter(|gateway| gateway.holder().listing || gateway.is_late(self.lease));
            coverage
                .incomplete_gateways
                .extend(incomplete.map(|gateway| Arc::clone(&gateway.holder().info.gateway_id)));
        }
        coverage.incomplete_gateways.sort_unstable();
        coverage
    }

    /// From now on this is what the shard holds. Watchers of the same epoch are told the differences; those of another
    /// one have to start afresh.
    pub fn replace(&self, shard: Shard, snapshot: Snapshot) {
        let Snapshot { epoch, began, position, gateways, history, history_from } = snapshot;
        let mut view = self.shard_mut(shard);
        let same_data = view.data().is_some_and(|(known, _)| known == epoch);
        let is_first = view.data().is_none();
        if same_data {
            view.has_missed(position);
        } else {
            view.begin(epoch, began, position, self.bounds);
        }
        let first = view.history().next();
        let mut notices = Vec::new();
        let listed: HashSet<Arc<str>> =
            gateways.iter().map(|(holder, _)| Arc::clone(&holder.info.gateway_id)).collect();
        let gone: Vec<_> = view.gateways().keys().filter(|id| !listed.contains(*id)).cloned().collect();
        for gateway_id in gone {
            notices.push(Notice::Holder(Arc::clone(&gateway_id), None));
            view.apply(position, Change::Gateway { gateway_id, holder: None });
        }
        for (holder, records) in gateways {
            let gateway_id = Arc::clone(&holder.info.gateway_id);
            notices.push(Notice::Holder(Arc::clone(&gateway_id), Some(holder.clone())));
            view.apply(
                position,
                Change::Gateway { gateway_id: Arc::clone(&gateway_id), holder: Some(holder) },
            );
            for closed in not_among(&view, &gateway_id, &records) {
                let change = Change::Closed {
                    gateway_id: Arc::clone(&gateway_id),
                    socket_id: closed.socket_id().into(),
                    before: Some(closed),
                    reason: Reason::Closed,
                };
                view.apply(position, change);
            }
            for now in records {
                view.apply(
                    position,
                    Change::Opened { gateway_id: Arc::clone(&gateway_id), before: None, now },
                );
            }
        }
        view.join_from(first);
        if is_first {
            view.is_read_first();
        }
        if !same_data {
            let past = history.into_iter().filter_map(|(at, change)| past(&view, at, change)).collect();
            view.recall(self.bounds, history_from, past);
        }
        drop(view);
        if !same_data && !is_first {
            notices.insert(0, Notice::NewData(shard));
        }
        self.tell(notices);
    }

    /// These changes have happened, each with everything up to its position.
    pub fn apply(&self, shard: Shard, changes: Vec<(Position, Change)>) {
        if changes.is_empty() {
            return;
        }
        let mut notices = Vec::new();
        let mut view = self.shard_mut(shard);
        for (position, change) in changes {
            match &change {
                Change::Gateway { gateway_id, holder } => {
                    notices.push(Notice::Holder(Arc::clone(gateway_id), holder.clone()));
                }
                Change::Message(message) => notices.push(Notice::Message(Arc::clone(message))),
                Change::Opened { .. } | Change::Closed { .. } | Change::SessionEnded(_) => {}
            }
            view.apply(position, change);
        }
        drop(view);
        self.tell(notices);
    }

    /// A session has lived after one of its ends.
    pub fn is_outlived(&self, session_id: &str, end: LastEnd) {
        self.shard_mut(Shard::of(session_id)).is_outlived(session_id, end);
    }

    /// How long ago each of these gateways gave a sign of life.
    pub fn seen<'g>(&self, shard: Shard, signs: impl IntoIterator<Item = (&'g str, Duration)>) {
        let mut view = self.shard_mut(shard);
        for (gateway_id, ago) in signs {
            view.note_seen(gateway_id, ago);
        }
    }

    /// The shard is known as it was then.
    pub fn up_to_date(&self, shard: Shard, then: Instant) {
        self.shard_mut(shard).note_known(Known::At(then));
        self.progress.send_replace(());
    }

    /// The shard is known as it is at any time from now on: whoever changes it does so here.
    pub fn stays_up_to_date(&self, shard: Shard) {
        self.shard_mut(shard).note_known(Known::Always);
        self.progress.send_replace(());
    }

    fn tell(&self, notices: Vec<Notice>) {
        for notice in notices {
            // Whoever does not listen any more is about to stop.
            let _ = self.notices.send(notice);
        }
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
        self.progress.send_replace(());
    }
}

fn is_known_since(shard: &ShardView, kept: &Kept) -> bool {
    shard.known().up_to(Instant::now()).is_some_and(|known| known >= kept.at)
}

/// The gateway's sockets that are not among these.
fn not_among(view: &ShardView, gateway_id: &str, records: &[Record]) -> Vec<Record> {
    let named: HashSet<&str> = records.iter().map(Record::socket_id).collect();
    let slots = view.gateways().get(gateway_id).into_iter().flat_map(|gateway| gateway.slots());
    slots
        .filter_map(|slot| view.members().get(slot))
        .filter(|member| !named.contains(member.record.socket_id()))
        .map(|member| member.record.clone())
        .collect()
}

/// A change of the past, as watchers need to know it. Its gateway is seen as it is now, or by its name alone.
fn past(view: &ShardView, position: Position, change: Change) -> Option<Past> {
    let member = |gateway_id: &Arc<str>, record| {
        let info = view.gateways().get(gateway_id).map_or_else(
            || Arc::new(GatewayInfo::new(gateway_id, "", &std::collections::BTreeMap::new())),
            |gateway| Arc::clone(&gateway.holder().info),
        );
        Member { info, record }
    };
    let difference = match change {
        Change::Opened { gateway_id, before, now } => Difference {
            before: before.map(|before| member(&gateway_id, before)),
            now: Some(member(&gateway_id, now)),
            reason: Reason::Closed,
        },
        Change::Closed { gateway_id, socket_id: _, before: Some(before), reason } => {
            Difference { before: Some(member(&gateway_id, before)), now: None, reason }
        }
        Change::SessionEnded(what) => {
            return Some(Past::Session(Entry { position, goes_on: false, what }));
        }
        Change::Closed { before: None, .. } | Change::Gateway { .. } | Change::Message(_) => return None,
    };
    Some(Past::Socket(Entry { position, goes_on: false, what: difference }))
}
