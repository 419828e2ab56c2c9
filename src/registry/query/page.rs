//! The sockets that match, in the order of their names, a page at a time.
//!
//! A page holds no lock for long and remembers nothing: it begins behind a name, wherever that stands by now.

use std::sync::Arc;

use roaring::RoaringBitmap;

use super::{Query, set::Found};
use crate::registry::{
    change::Shard,
    view::{
        View,
        member::Member,
        shard::{Gateway, ShardView},
    },
};

/// Where a page ended: gateway id and socket id of its last socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The gateway.
    pub gateway_id: Arc<str>,
    /// The socket; `None`: before the gateway's first.
    pub socket_id: Option<Box<str>>,
}

/// A page.
#[derive(Debug, Default)]
pub struct Page {
    /// Its sockets, by (gateway id, socket id).
    pub members: Vec<Member>,
    /// Where the next one begins; `None`: this was the last.
    pub next: Option<Place>,
}

/// So few that may match are gathered from all shards and put in order; going from gateway to gateway would look at every
/// gateway for them.
const FEW: u64 = 1_024;

/// Sockets that are looked at before writers get a turn.
const TURN: usize = 16_384;

impl Query {
    /// The page behind a place, at most `limit` sockets, of a bounded share of the work: it may have fewer, or none, and
    /// yet a next one.
    pub fn page(&self, view: &View, after: Option<&Place>, limit: usize) -> Page {
        if limit == 0 {
            return Page::default();
        }
        let estimate: u64 = Shard::all().map(|shard| self.set.estimate(&view.shard(shard))).sum();
        if estimate <= FEW { self.few(view, after, limit) } else { self.along(view, after, limit) }
    }

    fn few(&self, view: &View, after: Option<&Place>, limit: usize) -> Page {
        let mut members = Vec::new();
        for shard in Shard::all() {
            let shard = view.shard(shard);
            let found = self.set.find(&shard, shard.all());
            members.extend(self.matching(&shard, &found).filter(|member| is_behind(member, after)).cloned());
        }
        let by_name = |one: &Member, other: &Member| name(one).cmp(&name(other));
        let is_last = members.len() <= limit;
        if !is_last {
            // Only those of the page have to be put in order.
            members.select_nth_unstable_by(limit, by_name);
            members.truncate(limit);
        }
        members.sort_unstable_by(by_name);
        let next = if is_last { None } else { members.last().map(place) };
        Page { members, next }
    }

    /// From gateway to gateway, and within one from socket to socket.
    fn along(&self, view: &View, after: Option<&Place>, limit: usize) -> Page {
        let mut members = Vec::new();
        let mut place = after.cloned().or_else(|| next_gateway(view, None));
        let mut turn = TURN;
        while let Some(at) = place {
            let shard = view.shard(Shard::of(&at.gateway_id));
            let reached = match shard.gateways().get(&at.gateway_id) {
                None => None,
                Some(gateway) => {
                    self.of_gateway(&shard, gateway, at.socket_id.as_deref(), limit, &mut members, &mut turn)
                }
            };
            drop(shard);
            place = match reached {
                Some(socket_id) => Some(Place { socket_id: Some(socket_id), ..at }),
                None => next_gateway(view, Some(&at.gateway_id)),
            };
            if members.len() >= limit || turn == 0 {
                break;
            }
        }
        Page { members, next: place }
    }

    /// The gateway's next sockets. The last name that was looked at, if there is more behind it.
    fn of_gateway(
        &self,
        shard: &ShardView,
        gateway: &Gateway,
        after: Option<&str>,
        limit: usize,
        members: &mut Vec<Member>,
        turn: &mut usize,
    ) -> Option<Box<str>> {
        let found = self.set.find(shard, gateway.slots());
        let wanted = limit.saturating_sub(members.len());
        if is_less_work_in_order(&found.slots, gateway.slots(), wanted) {
            return self.walk(shard, gateway, after, &found, limit, members, turn);
        }
        let mut matching: Vec<_> = self
            .matching(shard, &found)
            .filter(|member| after.is_none_or(|after| member.record.socket_id() > after))
            .collect();
        matching.sort_unstable_by_key(|member| member.record.socket_id());
        *turn = turn.saturating_sub(usize::try_from(found.slots.len()).unwrap_or(usize::MAX));
        members.extend(matching.iter().take(wanted).map(|member| (*member).clone()));
        let last = matching.len().checked_sub(1).filter(|last| *last >= wanted)?;
        let reached = matching.get(wanted.saturating_sub(1).min(last))?;
        Some(reached.record.socket_id().into())
    }

    #[expect(clippy::too_many_arguments, reason = "the state of one page, apart from the way it is filled")]
    fn walk(
        &self,
        shard: &ShardView,
        gateway: &Gateway,
        after: Option<&str>,
        found: &Found<'_>,
        limit: usize,
        members: &mut Vec<Member>,
        turn: &mut usize,
    ) -> Option<Box<str>> {
        let test = self.test(found);
        for slot in shard.slots_behind(gateway, after) {
            // The bitmap first: it is in the cache, and most sockets are not.
            if found.slots.contains(slot)
                && let Some(member) = shard.members().get(slot)
                && test.is_none_or(|test| test.matches(&member))
            {
                members.push(member.clone());
            }
            *turn = turn.saturating_sub(1);
            if members.len() >= limit || *turn == 0 {
                return shard.members().get(slot).map(|member| member.record.socket_id().into());
            }
        }
        None
    }

    /// All sockets of a shard that match.
    pub fn members_in(&self, shard: &ShardView) -> Vec<Member> {
        let found = self.set.find(shard, shard.all());
        self.matching(shard, &found).cloned().collect()
    }

    /// Those of the slots that match.
    pub(super) fn matching<'s>(
        &'s self,
        shard: &'s ShardView,
        found: &'s Found<'_>,
    ) -> impl Iterator<Item = &'s Member> {
        let test = self.test(found);
        let members = found.slots.iter().filter_map(|slot| shard.members().get(slot));
        members.filter(move |member| test.is_none_or(|test| test.matches(member)))
    }
}

/// Whether looking at the gateway's sockets in their order, until as many match as are wanted, is less work than putting
/// those that may match in order.
fn is_less_work_in_order(found: &RoaringBitmap, all: &RoaringBitmap, wanted: usize) -> bool {
    /// To fetch a socket and put it in order takes as long as so many looks into the bitmap.
    const FETCH: u64 = 64;
    let wanted = u64::try_from(wanted).unwrap_or(u64::MAX);
    found.len().saturating_mul(found.len()).saturating_mul(FETCH) > all.len().saturating_mul(wanted)
}

fn name(member: &Member) -> (&str, &str) {
    (&member.info.gateway_id, member.record.socket_id())
}

fn is_behind(member: &Member, after: Option<&Place>) -> bool {
    after.is_none_or(|after| {
        name(member) > (&*after.gateway_id, after.socket_id.as_deref().unwrap_or_default())
    })
}

fn place(member: &Member) -> Place {
    Place {
        gateway_id: Arc::clone(&member.info.gateway_id),
        socket_id: Some(member.record.socket_id().into()),
    }
}

/// The gateway behind this one, of all shards.
fn next_gateway(view: &View, after: Option<&Arc<str>>) -> Option<Place> {
    use std::ops::Bound::{Excluded, Unbounded};
    let first_behind = |shard| {
        let shard = view.shard(shard);
        let start = after.map_or(Unbounded, Excluded);
        shard.gateways().range::<Arc<str>, _>((start, Unbounded)).next().map(|(id, _)| Arc::clone(id))
    };
    let gateway_id = Shard::all().filter_map(first_behind).min()?;
    Some(Place { gateway_id, socket_id: None })
}
