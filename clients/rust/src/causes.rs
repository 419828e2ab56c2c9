//! What was logged already, so that a cause is not told for each handshake or stream.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The same cause is not told again within.
const APART: Duration = Duration::from_secs(60);

/// When a cause was told last. There are as many as the service has words for them.
pub(crate) struct Causes<T>(Mutex<HashMap<T, Instant>>);

impl<T> Default for Causes<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Eq + Hash> Causes<T> {
    /// Whether it is to be told: it is new, or was told a while ago.
    pub fn is_due(&self, cause: T) -> bool {
        let now = Instant::now();
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.get(&cause).is_some_and(|at| now - *at < APART) {
            return false;
        }
        told.insert(cause, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_cause_is_told_once_a_minute_whatever_comes_between() {
        let causes = Causes::default();
        assert!(causes.is_due("away"));
        assert!(causes.is_due("broken"));
        assert!(!causes.is_due("away"));
        tokio::time::advance(APART).await;
        assert!(causes.is_due("away"));
    }
}
