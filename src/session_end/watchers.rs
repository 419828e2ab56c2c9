//! What those who watch session ends hear.

use std::collections::BTreeMap;

use super::{microseconds_now, verdict::Verdict};
use crate::{
    expression::packed::Value,
    reason::Reason,
    registry::{
        Registry,
        record::Record,
        session_ended::{Kind, SessionEnded},
        view::{member::Member, told::LastEnd},
    },
};

/// Tells those who watch session ends, as soon as the sockets are about to be closed. `told`: which ends of the session
/// were told when it was asked. Whichever replica finds an end tells it, with all sockets of the session that end for
/// this reason, and the ledger takes it for one; a session that lives after an end was told can end again.
pub(super) fn hear<'m>(
    registry: &Registry,
    session_id: &str,
    told: &[LastEnd],
    here: &[(&'m Member, Verdict)],
    are_ending: bool,
    elsewhere: impl FnOnce() -> Vec<(&'m Member, Verdict)>,
) {
    if told.is_empty() && !are_ending {
        return;
    }
    let elsewhere = elsewhere();
    let mut by_reason: BTreeMap<&str, (Reason, Vec<&Member>)> = BTreeMap::new();
    for (member, verdict) in here.iter().chain(&elsewhere) {
        if let Verdict::Ends(reason) = verdict {
            by_reason.entry(reason.name()).or_insert((*reason, Vec::new())).1.push(member);
        }
    }
    if here.iter().any(|(_, verdict)| matches!(verdict, Verdict::Stays { .. })) {
        let ends_still = |end: &LastEnd| by_reason.values().any(|(reason, _)| Kind::of(*reason) == end.kind);
        for end in told.iter().filter(|end| !end.is_outlived && !ends_still(end)) {
            registry.has_outlived(session_id, *end);
        }
    }
    // Those that wait for their turn are told when it has come.
    for (reason, mut sockets) in by_reason.into_values().filter(|_| are_ending) {
        if !sockets.iter().any(|member| was_a_session(&member.record)) {
            continue;
        }
        sockets.sort_unstable_by(|one, other| one.place().cmp(&other.place()));
        if let Some(ended) = SessionEnded::new(&sockets, reason, microseconds_now()) {
            registry.tell_session_ended(ended);
        }
    }
}

/// Whether there was a session whose end somebody could miss: it was there when it was asked about, or its gateway let
/// somebody in. Any gateway can report an id that never was one.
fn was_a_session(record: &Record) -> bool {
    record.who().is_some() || record.reported_user().get(b"logged_in") == Some(Value::Bool(true))
}
