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

/// So long before it was found out whose a socket is, its gateway is believed when it was opened: questions take their time,
/// and not in the order of the sockets.
const BELIEVED: i64 = 60_000_000;

/// What comes first is older, at every replica alike. In microseconds since 1970.
fn age(member: &Member) -> (i64, i64, (&str, &str)) {
    let opened = member.record.connected_at();
    let known = member.record.known_since().unwrap_or(opened);
    let is_believed = (known.saturating_sub(BELIEVED)..=known).contains(&opened);
    (if is_believed { opened } else { known }, opened, member.place())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::{
        identity::Person,
        registry::{
            change::GatewayInfo,
            confirmation::{Confirmation, Mark},
            record::{Builder, Socket},
        },
    };

    /// In seconds.
    fn member(socket_id: &str, opened: i64, known: i64) -> Member {
        let fields = json!({"id": 1});
        let serde_json::Value::Object(user) = &fields else { panic!("an object") };
        let mut builder = Builder::default();
        builder.packer().json(&fields);
        builder.packer().json(&json!({}));
        let connected_at = opened * 1_000_000;
        let record =
            builder.finish(&Socket { socket_id, session_id: "one", connected_at, ..Socket::default() });
        let id_field = ["id".into()];
        let person = Person::of_passport(&fields, &id_field).with_user(user, &id_field);
        let confirmation = Confirmation::new(Mark::of("one"), &person.who(), known * 1_000_000, None);
        let record = record.confirmed(&confirmation).expect("news");
        Member { info: Arc::new(GatewayInfo::new("g", "i", &Default::default())), record }
    }

    #[test]
    fn who_was_opened_first_is_older_unless_its_gateway_says_what_cannot_be() {
        let is_older = |one: &Member, other: &Member| age(one) < age(other);
        // It was asked about later than the one that was opened after it.
        assert!(is_older(&member("a", 1_000, 1_003), &member("b", 1_001, 1_002)));
        // Made out to be older, or newer.
        assert!(is_older(&member("a", 1_000, 1_001), &member("b", 1, 1_100)));
        assert!(is_older(&member("a", 9_000, 1_001), &member("b", 1_002, 1_003)));
    }
}
