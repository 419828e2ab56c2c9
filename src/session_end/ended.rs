//! Which sockets were ended: told to whoever keeps a record, and to the log.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use tokio::time::sleep;

use super::tally::{Figures, Tally};
use crate::{reason::Reason, registry::record::Record};

/// The log says how many so often, if there were any.
const SUMMED_UP_EVERY: Duration = Duration::from_secs(10);

/// Sockets of one session that their gateway has closed because it was told to.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'e> {
    /// Their gateway.
    pub gateway_id: &'e str,
    /// Why.
    pub reason: Reason,
    /// How many.
    pub sockets: usize,
    /// One of them.
    pub one: &'e Record,
}

/// Keeps a record of what was ended.
pub trait KeepsRecord: fmt::Debug + Send + Sync + 'static {
    /// These were. Must not wait.
    fn ended(&self, ended: Ended<'_>);
}

/// These sockets of a gateway were ended.
pub(super) fn tell<'r>(
    keeper: &dyn KeepsRecord,
    gateway_id: &str,
    reason: Reason,
    sockets: impl Iterator<Item = &'r Record>,
) {
    let mut sessions: BTreeMap<&str, (&Record, usize)> = BTreeMap::new();
    for record in sockets {
        sessions.entry(record.session_id()).or_insert((record, 0)).1 += 1;
    }
    for (one, sockets) in sessions.into_values() {
        tracing::debug!(
            gateway = gateway_id,
            reason = reason.name(),
            sockets,
            "sockets of a session were ended"
        );
        keeper.ended(Ended { gateway_id, reason, sockets, one });
    }
}

/// Says in the log from time to time how many were ended.
pub(super) async fn sum_up(tally: Arc<Tally>) {
    let mut before = tally.figures();
    loop {
        sleep(SUMMED_UP_EVERY).await;
        let now = tally.figures();
        if let Some(Sum { ended, reasons }) = Sum::between(&before, &now) {
            let not_ended = now.not_ended - before.not_ended;
            tracing::info!(ended, %reasons, not_ended, "sockets were ended; not_ended: attempts that came to nothing");
        }
        before = now;
    }
}

/// How many were ended for which reasons.
#[derive(Debug, PartialEq, Eq)]
struct Sum {
    ended: u64,
    reasons: String,
}

impl Sum {
    fn between(before: &Figures, now: &Figures) -> Option<Self> {
        let before =
            |reason| before.ended.iter().find(|(known, _)| *known == reason).map_or(0, |(_, count)| *count);
        let more: Vec<_> =
            now.ended.iter().map(|(reason, count)| (reason.name(), count - before(*reason))).collect();
        let more: Vec<_> = more.into_iter().filter(|(_, count)| *count > 0).collect();
        let reasons: Vec<_> = more.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        (!more.is_empty())
            .then(|| Self { ended: more.iter().map(|(_, count)| count).sum(), reasons: reasons.join(", ") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_come_since_is_summed_up() {
        let figures = |ended: &[(Reason, u64)]| Figures { ended: ended.to_vec(), ..Figures::default() };
        let before = figures(&[(Reason::SessionNotFound, 3), (Reason::Evicted, 1)]);
        assert_eq!(Sum::between(&before, &before), None);
        let now = figures(&[(Reason::SessionNotFound, 5), (Reason::NotLoggedIn, 1), (Reason::Evicted, 1)]);
        let reasons = "session_not_found 2, not_logged_in 1".to_owned();
        assert_eq!(Sum::between(&before, &now), Some(Sum { ended: 3, reasons }));
    }
}
