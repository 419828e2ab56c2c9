//! Whether a source answers, found out by what it answers.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use super::{Fault, FaultKind};
use crate::health::Health;

/// So long it counts more that a source answered badly, or not in time, than that it can be reached: one that hangs still
/// takes connections.
const REMEMBERED: Duration = Duration::from_secs(30);

/// Follows a source's answers. Logs the loss and the way back, once and not for each question.
#[derive(Debug)]
pub struct Presence {
    health: watch::Sender<Health>,
    /// When it was there and no good last.
    no_good: Mutex<Option<Instant>>,
    /// For the log.
    url: String,
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
        if self.turns(Health::Up) {
            log_answers(&self.url);
        }
    }

    /// It can be reached.
    pub fn is_reached(&self) {
        let no_good = *self.no_good.lock().unwrap_or_else(PoisonError::into_inner);
        if no_good.is_none_or(|since| since.elapsed() > REMEMBERED) {
            self.is_there();
        }
    }

    /// It did not, or what it answered is no user, which is an answer all the same.
    pub fn failed(&self, fault: &Fault) {
        match fault.kind {
            FaultKind::Unusable => self.is_there(),
            // That many wait is seen by those who wait.
            FaultKind::Busy => {}
            FaultKind::Unreachable | FaultKind::TimedOut | FaultKind::Refused => {
                if fault.kind != FaultKind::Unreachable {
                    *self.no_good.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                }
                if self.turns(Health::Down) {
                    log_silent(&self.url, &fault.cause);
                }
            }
        }
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
