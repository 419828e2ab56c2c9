//! Lines that tell of what may happen very often, and so come seldom, with how often it was.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Such lines come no oftener.
const EVERY: Duration = Duration::from_secs(10);

/// How often something happened since it was told last.
#[derive(Debug, Default)]
pub struct Seldom {
    count: AtomicU64,
    told: Mutex<Option<Instant>>,
}

impl Seldom {
    /// It happened again. How often since the last line, when it is time for one.
    pub fn again(&self) -> Option<u64> {
        self.count.fetch_add(1, Relaxed);
        // Whoever finds it locked need not tell: another does.
        let mut told = self.told.try_lock().ok()?;
        if told.is_some_and(|told| told.elapsed() < EVERY) {
            return None;
        }
        *told = Some(Instant::now());
        Some(self.count.swap(0, Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_the_others_are_counted() {
        let seldom = Seldom::default();
        assert_eq!(seldom.again(), Some(1));
        assert_eq!((seldom.again(), seldom.again()), (None, None));
        *seldom.told.lock().unwrap() = None;
        assert_eq!(seldom.again(), Some(3));
    }
}
