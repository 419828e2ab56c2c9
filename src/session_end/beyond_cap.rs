//! What somebody has open beyond `limits.max_sockets_per_user`: a handshake is refused, but in a burst some slip past.

use std::sync::Arc;

use super::endings::End;
use crate::{
    authorize::{Authorizer, again::Again},
    reason::Reason,
    registry::{Registry, view::member::Member},
};

/// What somebody has open beyond the cap.
#[derive(Default)]
pub(super) struct BeyondCap {
    pub(super) ends: Vec<End>,
    /// Of some of their sockets it is still to be found out whose they are.
    pub(super) is_early: bool,
}

impl BeyondCap {
    /// Of whoever is behind this session: of what slipped past in a burst the newest, or the oldest. A gateway may report
    /// sockets that are nobody's, and when they were opened: so those count of which it is known whose they are, since when
    /// that is.
    pub(super) fn of(registry: &Registry, authorizer: &Authorizer, again: &Again, asked: &Arc<str>) -> Self {
        let Some(cap) = authorizer.cap() else { return Self::default() };
        let Some(id) = authorizer.counted_by(again) else { return Self::default() };
        if cap.open.of(&id) <= cap.max {
            return Self::default();
        }
        let (known, unknown): (Vec<_>, Vec<_>) =
            registry.sockets_of_user(&id).into_iter().partition(|socket| socket.record.who().is_some());
        let mut open: Vec<_> = known.iter().map(|socket| (age(socket), socket)).collect();
        open.sort_unstable_by_key(|(age, _)| *age);
        let keep = usize::try_from(cap.max).unwrap_or(usize::MAX);
        let beyond = open.len().saturating_sub(keep);
        let (beyond, reason) = if cap.evicts_oldest {
            (open.get(..beyond), Reason::Evicted)
        } else {
            (open.get(keep..), Reason::TooManySockets)
        };
        Self {
            ends: beyond
                .unwrap_or_default()
                .iter()
                .map(|(_, member)| End::of(member, reason, asked))
                .collect(),
            is_early: unknown.iter().any(|socket| !socket.record.session_id().is_empty()),
        }
    }
}

/// What comes first is older, at every replica alike. What gateways say counts for sockets of one session that came together.
fn age(member: &Member) -> (Option<i64>, i64, (&str, &str)) {
    (member.record.known_since(), member.record.connected_at(), member.place())
}
