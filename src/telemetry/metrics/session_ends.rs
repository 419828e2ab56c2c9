//! What is set at each scrape from what the decision asked again came to.

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

use super::{Counters, Maker, SessionEndFigures, set, table};
use crate::reason::Reason;

/// The metrics.
pub(super) struct SessionEnds {
    ended: Vec<(Reason, Counter)>,
    failures: Counter,
    waiting: Gauge,
    sessions: Gauge,
    questions: Vec<(Reason, Counter)>,
    pushes_up: Gauge,
    changes: Counter,
    changes_lost: Counter,
    user_changes: Counter,
    user_change_failures: Counter,
    destroyed: Counters,
    ending: Gauge,
}

impl SessionEnds {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let mut made = Maker(registry);
        let by_reason = |counters: Counters, has: fn(Reason) -> bool| {
            let counter = |reason: Reason| counters.get_or_create_owned(&vec![("reason", reason.name())]);
            Reason::ALL
                .into_iter()
                .filter(|reason| has(*reason))
                .map(|reason| (reason, counter(reason)))
                .collect()
        };
        Self {
            ended: by_reason(made.one(&table::SESSION_ENDS), Reason::is_of_session_ends),
            failures: made.one(&table::SESSION_END_FAILURES),
            waiting: made.one(&table::SESSION_ENDS_WAITING),
            sessions: made.one(&table::SESSIONS),
            questions: by_reason(made.one(&table::SESSION_QUESTIONS), Reason::is_of_sessions),
            pushes_up: made.one(&table::SESSION_PUSHES_UP),
            changes: made.one(&table::SESSION_CHANGES),
            changes_lost: made.one(&table::SESSION_CHANGES_LOST),
            user_changes: made.one(&table::SESSION_USER_CHANGES),
            user_change_failures: made.one(&table::SESSION_USER_CHANGE_FAILURES),
            destroyed: made.one(&table::SESSIONS_DESTROYED),
            ending: made.one(&table::SESSION_DESTROYERS),
        }
    }

    pub(super) fn set(&self, figures: &SessionEndFigures) {
        let SessionEndFigures {
            sessions,
            questions,
            pushes_up,
            changes,
            changes_lost,
            user_changes,
            user_change_failures,
            waiting,
            ended,
            failures,
            destroyed,
            ending,
        } = figures;
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        for (counters, counts) in [(&self.ended, ended), (&self.questions, questions)] {
            for (reason, count) in counts {
                if let Some((_, counter)) = counters.iter().find(|(known, _)| known == reason) {
                    set(counter, *count);
                }
            }
        }
        set(&self.failures, *failures);
        self.waiting.set(number(*waiting));
        self.sessions.set(number(*sessions));
        self.pushes_up.set((*pushes_up).into());
        set(&self.changes, *changes);
        set(&self.changes_lost, *changes_lost);
        set(&self.user_changes, *user_changes);
        set(&self.user_change_failures, *user_change_failures);
        for (outcome, count) in destroyed {
            set(&self.destroyed.get_or_create_owned(&vec![("outcome", outcome)]), *count);
        }
        self.ending.set(number(*ending));
    }
}
