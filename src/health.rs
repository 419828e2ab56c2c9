//! Whether what the service depends on answers, and how that is told.

use tokio::sync::watch;

/// Whether a store answers, for the service's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Nobody has asked it yet.
    Unknown,
    /// It answers.
    Up,
    /// It does not.
    Down,
}

/// What something that may be away is to whoever reads the log.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its URL, without the password.
    pub url: String,
    /// Logs that it answers, at first and again: its URL. Called once each time.
    pub log_answers: fn(&str),
    /// Logs that it does not, and what follows from that: its URL and the cause. Called once, not for each request.
    pub log_silent: fn(&str, &str),
}

/// Tells how something is: to those who follow it, and to the log when it is no longer as it was.
#[derive(Debug)]
pub struct Reporter {
    told: Told,
    health: watch::Sender<Health>,
}

impl Reporter {
    /// Of this one, which nobody has asked yet.
    pub fn new(told: Told) -> Self {
        Self { told, health: watch::Sender::new(Health::Unknown) }
    }

    /// Follows what is told.
    pub fn subscribe(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// It answers.
    pub fn up(&self) {
        if self.health.send_replace(Health::Up) != Health::Up {
            (self.told.log_answers)(&self.told.url);
        }
    }

    /// It does not, and this is why.
    pub fn down(&self, cause: &str) {
        if self.health.send_replace(Health::Down) != Health::Down {
            (self.told.log_silent)(&self.told.url, cause);
        }
    }
}
