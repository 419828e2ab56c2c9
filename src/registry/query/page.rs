//! The sockets that match, in the order of their names, a page at a time.
//!
//! A page holds no lock for long and remembers nothing: it begins behind a name, wherever that stands by now. What may match
//! is gathered while a shard is locked, and looked at when it is not any more.

use std::sync::Arc;

use roaring::RoaringBitmap;

use super::{
    Query, look,
    set::{Found, Set},
};
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

/// Sockets that are passed before writers get a turn.
const TURN: u64 = 16_384;

/// Sockets that are gathered at least where not all of them will match.
const GATHER: usize = 256;

/// Some of a gateway's sockets, in order.
struct Candidates {
    members: Vec<Member>,
    /// They match: nothing has to be asked of them.
    sure: bool,
    /// There is more behind this socket.
    more: Option<Box<str>>,
    /// Sockets that were passed on the way.
    passed: u64,
}

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
        let (mut members, mut all_sure) = (Vec::new(), true);
        for shard in Shard::all() {
            let (candidates, sure) = self.candidates_in(&view.shard(shard));
            members.extend(candidates.into_iter().filter(|member| is_behind(member, after)));
            all_sure &= sure;
        }
        let by_name = |one: &Member, other: &Member| name(one).cmp(&name(other));
        if !all_sure {
            members.sort_unstable_by(by_name);
            return self.sift(members, limit);
        }
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

    /// A page of those of the candidates that match.
    fn sift(&self, candidates: Vec<Member>, limit: usize) -> Page {
        let mut steps = look::steps();
        let mut members = Vec::new();
        let mut candidates = candidates.into_iter().peekable();
        while let Some(candidate) = candidates.next() {
            let at = place(&candidate);
            if self.matches(&candidate, &mut steps) {
                members.push(candidate);
            }
            if (members.len() >= limit || steps.are_used_up()) && candidates.peek().is_some() {
                return Page { members, next: Some(at) };
            }
        }
        Page { members, next: None }
    }

    /// From gateway to gateway, and within one from socket to socket.
    fn along(&self, view: &View, after: Option<&Place>, limit: usize) -> Page {
        let mut members = Vec::new();
        let mut steps = look::steps();
        let mut place = after.cloned().or_else(|| next_gateway(view, None));
        while let Some(at) = place {
            let shard = view.shard(Shard::of(&at.gateway_id));
            let gateway = shard.gateways().get(&at.gateway_id);
            let wanted = limit.saturating_sub(members.len());
            let candidates =
                gateway.map(|gateway| self.candidates(&shard, gateway, at.socket_id.as_deref(), wanted));
            drop(shard);
            let mut more = None;
            if let Some(candidates) = candidates {
                steps.take(candidates.passed);
                more = candidates.more;
                let mut rest = candidates.members.into_iter().peekable();
                while let Some(candidate) = rest.next() {
                    let socket_id: Box<str> = candidate.record.socket_id().into();
                    if candidates.sure || self.matches(&candidate, &mut steps) {
                        members.push(candidate);
                    }
                    if (members.len() >= limit || steps.are_used_up()) && rest.peek().is_some() {
                        more = Some(socket_id);
                        break;
                    }
                }
            }
            place = match more {
                Some(socket_id) => Some(Place { socket_id: Some(socket_id), ..at }),
                None => next_gateway(view, Some(&at.gateway_id)),
            };
            if members.len() >= limit || steps.are_used_up() {
                break;
            }
        }
        Page { members, next: place }
    }

    /// The gateway's next sockets that may match.
    fn candidates(
        &self,
        shard: &ShardView,
        gateway: &Gateway,
        after: Option<&str>,
        wanted: usize,
    ) -> Candidates {
        let found = self.set.find(shard, gateway.slots());
        let sure = self.test(&found).is_none();
        let at_most = if sure { wanted } else { wanted.max(GATHER) };
        if is_less_work_in_order(&found.slots, gateway.slots(), at_most) {
            return walk(shard, gateway, after, &found, at_most, sure);
        }
        let members = found.slots.iter().filter_map(|slot| shard.members().get(slot));
        let mut members: Vec<_> =
            members.filter(|member| after.is_none_or(|after| member.record.socket_id() > after)).collect();
        members.sort_unstable_by_key(|member| member.record.socket_id());
        let is_more = members.len() > at_most;
        let members: Vec<_> = members.into_iter().take(at_most).cloned().collect();
        let more = members.last().filter(|_| is_more).map(|last| last.record.socket_id().into());
        Candidates { members, sure, more, passed: found.slots.len() }
    }

    /// All sockets of a shard that may match, and whether it is sure that they do.
    pub fn candidates_in(&self, shard: &ShardView) -> (Vec<Member>, bool) {
        let found = self.set.find(shard, shard.all());
        let sure = self.test(&found).is_none();
        let members = || shard.members().iter().map(|(_, member)| member.clone());
        let members = match &self.set {
            Set::All => members().collect(),
            _ => found.slots.iter().filter_map(|slot| shard.members().get(slot).cloned()).collect(),
        };
        (members, sure)
    }
}

fn walk(
    shard: &ShardView,
    gateway: &Gateway,
    after: Option<&str>,
    found: &Found<'_>,
    at_most: usize,
    sure: bool,
) -> Candidates {
    let mut walked = Candidates { members: Vec::new(), sure, more: None, passed: 0 };
    for slot in shard.slots_behind(gateway, after) {
        walked.passed += 1;
        // The bitmap first: it is in the cache, and most sockets are not.
        if found.slots.contains(slot)
            && let Some(member) = shard.members().get(slot)
        {
            walked.members.push(member.clone());
        }
        if walked.members.len() >= at_most || walked.passed == TURN {
            walked.more = shard.members().get(slot).map(|member| member.record.socket_id().into());
            break;
        }
    }
    walked
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
