//! One shard: its sockets, its gateways and its indexes, in step with each other behind one lock.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc, time::Duration};

use roaring::RoaringBitmap;
use tokio::time::Instant;

use super::{
    history::{Bounds, Difference, Entry, History},
    index::Index,
    member::{Member, Members, ValuesAt},
    ordered::{Ordered, Probe},
    told::{LastEnd, ToldEnds},
};
use crate::{
    expression::path::Path,
    reason::Reason,
    registry::{
        change::{Change, Epoch, GatewayInfo, Holder, Position},
        confirmation::Mark,
        record::Record,
        session_ended::SessionEnded,
    },
};

/// A gateway and its sockets.
#[derive(Debug)]
pub struct Gateway {
    holder: Holder,
    seen: Instant,
    by_socket_id: Ordered,
    slots: RoaringBitmap,
}

impl Gateway {
    /// Who holds its id.
    pub fn holder(&self) -> &Holder {
        &self.holder
    }

    /// Its last sign of life.
    pub fn seen(&self) -> Instant {
        self.seen
    }

    /// Its sockets' slots.
    pub fn slots(&self) -> &RoaringBitmap {
        &self.slots
    }

    /// Whether it is late: its stream has ended, or half a lease has passed without a sign of life.
    pub fn is_late(&self, lease: Duration) -> bool {
        self.holder.cut || self.seen.elapsed() > lease / 2
    }
}

/// When a shard was last known to be as things are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing is known yet.
    Never,
    /// Then.
    At(Instant),
    /// It is at any time: the truth is in this process.
    Always,
}

impl Known {
    /// Up to when it is known; `None`: nothing is.
    pub(super) fn up_to(self, now: Instant) -> Option<Instant> {
        match self {
            Self::Never => None,
            Self::At(then) => Some(then),
            Self::Always => Some(now),
        }
    }
}

/// What happened before this program knew of the shard.
#[derive(Debug)]
pub(super) enum Past {
    /// To a socket.
    Socket(Entry<Difference>),
    /// A session has ended.
    Session(Entry<SessionEnded>),
}

/// The shard.
#[derive(Debug)]
pub struct ShardView {
    data: Option<(Epoch, Instant)>,
    /// Whether sockets were in it when it was first read.
    held_sockets_at_first: Option<bool>,
    position: Position,
    known: Known,
    members: Members,
    all: RoaringBitmap,
    gateways: BTreeMap<Arc<str>, Gateway>,
    indexes: Vec<(Path, Index)>,
    history: History<Difference>,
    ended: History<SessionEnded>,
    told: ToldEnds,
}

impl ShardView {
    /// An empty one, of which nothing is known yet, with indexes on these paths.
    pub(super) fn new(paths: &[Path], bounds: Bounds) -> Self {
        Self {
            data: None,
            held_sockets_at_first: None,
            position: Position::default(),
            known: Known::Never,
            members: Members::default(),
            all: RoaringBitmap::new(),
            gateways: BTreeMap::new(),
            indexes: paths.iter().map(|path| (path.clone(), Index::default())).collect(),
            history: History::new(bounds, Position::default()),
            ended: History::new(bounds, Position::default()),
            told: ToldEnds::new(bounds),
        }
    }

    /// Which data it holds, and when that began; `None`: nothing is known yet.
    pub fn data(&self) -> Option<(Epoch, Instant)> {
        self.data
    }

    /// Whether sockets were in it when this program first read it; `None`: it has not yet.
    pub fn held_sockets_at_first(&self) -> Option<bool> {
        self.held_sockets_at_first
    }

    /// It is read for the first time.
    pub(super) fn is_read_first(&mut self) {
        self.held_sockets_at_first = Some(!self.all.is_empty());
    }

    /// Everything up to here is in it.
    pub fn position(&self) -> Position {
        self.position
    }

    /// When it was last known to be as things are.
    pub fn known(&self) -> Known {
        self.known
    }

    /// Its sockets.
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// The slots that are taken.
    pub fn all(&self) -> &RoaringBitmap {
        &self.all
    }

    /// Its gateways, by id.
    pub fn gateways(&self) -> &BTreeMap<Arc<str>, Gateway> {
        &self.gateways
    }

    /// The index on a path, if there is one, and how it reads its keys.
    pub fn index<'s>(&'s self, path: &'s Path) -> Option<(&'s Index, ValuesAt<'s>)> {
        let (path, index) = self.indexes.iter().find(|(indexed, _)| indexed == path)?;
        Some((index, ValuesAt { members: &self.members, path }))
    }

    /// Its latest changes.
    pub fn history(&self) -> &History<Difference> {
        &self.history
    }

    /// The latest ends of the sessions that are told of in this shard.
    pub fn ended(&self) -> &History<SessionEnded> {
        &self.ended
    }

    /// Which of these were told last, by session.
    pub fn told(&self) -> &ToldEnds {
        &self.told
    }

    pub(super) fn is_outlived(&mut self, session_id: &str, end: LastEnd) {
        self.told.is_outlived(Mark::of(session_id), end);
    }

    fn session_ended(&mut self, entry: Entry<SessionEnded>) {
        self.told.note(entry.position, &entry.what);
        self.ended.push(entry);
    }

    /// The slot of a socket.
    pub fn slot(&self, gateway_id: &str, socket_id: &str) -> Option<u32> {
        self.gateways.get(gateway_id)?.slot(socket_id, &self.members)
    }

    /// The slots of a gateway behind this socket id (all when it is `None`), by socket id.
    pub fn slots_behind<'s>(
        &'s self,
        gateway: &'s Gateway,
        socket_id: Option<&str>,
    ) -> impl Iterator<Item = u32> + use<'s> {
        let ordered = &gateway.by_socket_id;
        let start = socket_id.map_or(ordered.start(), |id| ordered.behind(&probe(id, &self.members)));
        ordered.between(start, ordered.end())
    }

    pub(super) fn note_known(&mut self, known: Known) {
        self.known = known;
    }

    pub(super) fn note_seen(&mut self, gateway_id: &str, ago: Duration) {
        let now = Instant::now();
        if let Some(gateway) = self.gateways.get_mut(gateway_id) {
            gateway.seen = now.checked_sub(ago).unwrap_or(now);
        }
    }

    /// Begins with other data: nothing of what was here goes on.
    pub(super) fn begin(&mut self, epoch: Epoch, began: Duration, position: Position, bounds: Bounds) {
        let now = Instant::now();
        let (known, held_sockets_at_first) = (self.known, self.held_sockets_at_first);
        let paths: Vec<_> = self.indexes.drain(..).map(|(path, _)| path).collect();
        *self = Self::new(&paths, bounds);
        self.known = known;
        self.held_sockets_at_first = held_sockets_at_first;
        self.data = Some((epoch, now.checked_sub(began).unwrap_or(now)));
        self.position = position;
        self.history = History::new(bounds, position);
        self.ended = History::new(bounds, position);
    }

    /// What happened before this position and was not told here is seen in what there is; which sessions ended is not.
    pub(super) fn has_missed(&mut self, position: Position) {
        self.ended.breaks_off(position);
    }

    /// What watchers need to go on from before this program knew of the shard.
    pub(super) fn recall(&mut self, bounds: Bounds, oldest: Position, past: Vec<Past>) {
        self.history = History::new(bounds, oldest);
        self.ended = History::new(bounds, oldest);
        for past in past {
            match past {
                Past::Socket(entry) => self.history.push(entry),
                Past::Session(entry) => self.session_ended(entry),
            }
        }
    }

    /// A change has happened, and with it everything up to the position.
    pub(super) fn apply(&mut self, position: Position, change: Change) {
        self.position = position;
        let first = self.history.next();
        match change {
            Change::Opened { gateway_id, before: _, now } => self.open(&gateway_id, now),
            Change::Closed { gateway_id, socket_id, before: _, reason } => {
                self.close(&gateway_id, &socket_id, reason);
            }
            Change::Gateway { gateway_id, holder: Some(holder) } => self.hold(&gateway_id, holder),
            Change::Gateway { gateway_id, holder: None } => self.drop_gateway(&gateway_id),
            Change::SessionEnded(what) => self.session_ended(Entry { position, goes_on: false, what }),
            Change::Message(_) => {}
        }
        self.history.join_from(first);
    }

    /// Everything that was applied since happened at once.
    pub(super) fn join_from(&mut self, number: u64) {
        self.history.join_from(number);
    }

    fn tell(&mut self, before: Option<Member>, now: Option<Member>, reason: Reason) {
        let what = Difference { before, now, reason };
        self.history.push(Entry { position: self.position, goes_on: false, what });
    }

    fn open(&mut self, gateway_id: &Arc<str>, record: Record) {
        let gateway =
            self.gateways.entry(Arc::clone(gateway_id)).or_insert_with(|| Gateway::unknown(gateway_id));
        let member = Member { info: Arc::clone(&gateway.holder.info), record };
        let socket_id = member.record.socket_id();
        let slot = gateway.slot(socket_id, &self.members);
        let before = slot.and_then(|slot| self.members.get(slot)).cloned();
        if before.as_ref().is_some_and(|before| before.record == member.record) {
            return;
        }
        let slot = slot.unwrap_or_else(|| {
            let slot = self.members.take_slot();
            gateway.by_socket_id.insert(slot, &probe(socket_id, &self.members));
            gateway.slots.insert(slot);
            self.all.insert(slot);
            slot
        });
        for (path, index) in &mut self.indexes {
            let values = ValuesAt { members: &self.members, path };
            let now = path.get(&&member);
            let was = before.as_ref().and_then(|before| path.get(&before));
            if now == was {
                continue;
            }
            if let Some(was) = was {
                index.remove(slot, was, &values);
            }
        }
        self.members.set(slot, member.clone());
        for (path, index) in &mut self.indexes {
            let values = ValuesAt { members: &self.members, path };
            let now = path.get(&&member);
            let was = before.as_ref().and_then(|before| path.get(&before));
            if let Some(now) = now.filter(|now| Some(*now) != was) {
                index.insert(slot, now, &values);
            }
        }
        self.tell(before, Some(member), Reason::Closed);
    }

    fn close(&mut self, gateway_id: &str, socket_id: &str, reason: Reason) {
        let Some(slot) = self.slot(gateway_id, socket_id) else { return };
        if let Some(member) = self.remove(gateway_id, slot) {
            self.tell(Some(member), None, reason);
        }
    }

    fn remove(&mut self, gateway_id: &str, slot: u32) -> Option<Member> {
        let member = self.members.get(slot)?.clone();
        for (path, index) in &mut self.indexes {
            if let Some(was) = path.get(&&member) {
                index.remove(slot, was, &ValuesAt { members: &self.members, path });
            }
        }
        if let Some(gateway) = self.gateways.get_mut(gateway_id) {
            gateway.by_socket_id.remove(slot, &probe(member.record.socket_id(), &self.members));
            gateway.slots.remove(slot);
        }
        self.all.remove(slot);
        self.members.clear(slot)
    }

    /// Somebody holds a gateway id. What filters see of the gateway may be something else now, for all of its sockets.
    fn hold(&mut self, gateway_id: &Arc<str>, holder: Holder) {
        let gateway =
            self.gateways.entry(Arc::clone(gateway_id)).or_insert_with(|| Gateway::unknown(gateway_id));
        if holder.tenure != gateway.holder.tenure {
            gateway.seen = Instant::now();
        }
        let is_as_before = gateway.holder.info == holder.info;
        gateway.holder = holder;
        if is_as_before {
            return;
        }
        let info = Arc::clone(&gateway.holder.info);
        let slots: Vec<u32> = gateway.slots.iter().collect();
        for slot in slots {
            let Some(was) = self.members.get(slot).cloned() else { continue };
            let now = Member { info: Arc::clone(&info), record: was.record.clone() };
            self.members.set(slot, now.clone());
            self.tell(Some(was), Some(now), Reason::LeftFilter);
        }
    }

    fn drop_gateway(&mut self, gateway_id: &str) {
        let Some(gateway) = self.gateways.get(gateway_id) else { return };
        let slots: Vec<u32> = gateway.slots.iter().collect();
        for slot in slots {
            if let Some(member) = self.remove(gateway_id, slot) {
                self.tell(Some(member), None, Reason::GatewayGone);
            }
        }
        self.gateways.remove(gateway_id);
    }
}

impl Gateway {
    /// One of which only the name is known: its socket was told of before itself.
    fn unknown(gateway_id: &Arc<str>) -> Self {
        let info = Arc::new(GatewayInfo::new(gateway_id, "", &BTreeMap::new()));
        Self {
            holder: Holder { info, tenure: 0, listing: true, cut: true },
            seen: Instant::now(),
            by_socket_id: Ordered::default(),
            slots: RoaringBitmap::new(),
        }
    }

    fn slot(&self, socket_id: &str, members: &Members) -> Option<u32> {
        let probe = probe(socket_id, members);
        self.by_socket_id.between(self.by_socket_id.from(&probe), self.by_socket_id.behind(&probe)).next()
    }
}

fn probe<'p>(socket_id: &'p str, members: &'p Members) -> Probe<impl Fn(u32) -> Ordering + use<'p>> {
    Probe::new(socket_id.as_bytes(), move |slot| {
        members.get(slot).map_or(Ordering::Less, |member| member.record.socket_id().cmp(socket_id))
    })
}
