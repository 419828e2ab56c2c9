//! Whether a source answers, found out by what it answers.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use super::{FaultKind, lookup::Failure};
use crate::health::Health;

/// So long it counts more that a source answered badly, or not at all, than that it can be reached: one that hangs, or whose
/// worker dies of each question, still takes connections.
const REMEMBERED: Duration = Duration::from_secs(30);

/// So many bad answers, one after the other and without a good one, are the source's doing; fewer may be a user's, for whom
/// alone it fails.
const BAD_IN_A_ROW: u32 = 3;

/// Follows a source's answers. Logs the loss and the way back, once and not for each question.
#[derive(Debug)]
pub struct Presence {
    health: watch::Sender<Health>,
    no_good: Mutex<NoGood>,
    /// For the log.
    url: String,
}

/// A source that was there and no good.
#[derive(Debug, Default)]
struct NoGood {
    last: Option<Instant>,
    in_a_row: u32,
}

impl Presence {
    /// Nobody has asked it yet.
    pub fn new(url: String) -> Self {
        Self { health: watch::Sender::new(Health::Unknown), no_good: Mutex::default(), url }
    }

    /// Follows whether it answers.
    pub fn follow(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Whether it answered when it was asked last.
    pub fn is_up(&self) -> bool {
        *self.health.borrow() == Health::Up
    }

    /// It answered.
    pub fn is_there(&self) {
        self.no_good().in_a_row = 0;
        if self.turns(Health::Up) {
            log_answers(&self.url);
        }
    }

    /// It can be reached.
    pub fn is_reached(&self) {
        let last = self.no_good().last;
        if last.is_none_or(|last| last.elapsed() > REMEMBERED) {
            self.is_there();
        }
    }

    /// It did not, or what it answered is no user, which is an answer all the same.
    pub fn failed(&self, failure: &Failure) {
        match failure {
            Failure::Died(cause) => self.is_no_good(cause),
            Failure::Fault(fault) => match fault.kind {
                FaultKind::Unusable => self.is_there(),
                // That many wait is seen by those who wait.
                FaultKind::Busy => {}
                FaultKind::Unreachable => self.is_down(&fault.cause),
                FaultKind::TimedOut | FaultKind::Refused => self.is_no_good(&fault.cause),
            },
        }
    }

    fn is_no_good(&self, cause: &str) {
        let in_a_row = {
            let mut no_good = self.no_good();
            no_good.last = Some(Instant::now());
            no_good.in_a_row = no_good.in_a_row.saturating_add(1);
            no_good.in_a_row
        };
        if in_a_row >= BAD_IN_A_ROW {
            self.is_down(cause);
        }
    }

    fn is_down(&self, cause: &str) {
        if self.turns(Health::Down) {
            log_silent(&self.url, cause);
        }
    }

    fn no_good(&self) -> MutexGuard<'_, NoGood> {
        self.no_good.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turns(&self, health: Health) -> bool {
        self.health.send_if_modified(|before| {
            let turns = *before != health;
            *before = health;
            turns
        })
    }
}

/// Logs that the source at this URL answers, at first and again.
pub fn log_answers(url: &str) {
    tracing::info!(source = url, "the user source answers");
}

/// Logs that it does not.
pub fn log_silent(url: &str, cause: &str) {
    tracing::error!(
        source = url,
        cause,
        "the user source does not answer: handshakes are rejected with USER_SOURCE_FAILED until it does"
    );
}

#[cfg(test)]
mod tests {
    use super::{super::Fault, *};

    fn fault(kind: FaultKind) -> Failure {
        Failure::Fault(Fault { kind, words: "", cause: String::new() })
    }

    #[test]
    fn a_source_that_fails_for_one_user_is_not_down() {
        let presence = Presence::new("http://app/{id}".to_owned());
        presence.is_reached();
        assert!(presence.is_up());
        for _ in 0..10 {
            presence.failed(&fault(FaultKind::Refused));
            presence.failed(&fault(FaultKind::TimedOut));
            presence.failed(&fault(FaultKind::Unusable));
            assert!(presence.is_up());
        }
        for expected in [true, true, false] {
            presence.failed(&fault(FaultKind::Refused));
            assert_eq!(presence.is_up(), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_can_be_reached_is_there_unless_it_was_no_good() {
        let presence = Presence::new("http://app/{id}".to_owned());
        presence.failed(&fault(FaultKind::Unreachable));
        assert!(!presence.is_up());
        presence.is_reached();
        assert!(presence.is_up());
        for _ in 0..BAD_IN_A_ROW {
            presence.failed(&fault(FaultKind::TimedOut));
        }
        presence.is_reached();
        assert!(!presence.is_up());
        tokio::time::advance(REMEMBERED * 2).await;
        presence.is_reached();
        assert!(presence.is_up());
    }
}
