//! So many events a second, evenly.

use std::time::{Duration, Instant};

/// Events fall due one after another from the beginning on, whether they could be sent by then or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    began: Instant,
    per_second: f64,
    taken: u64,
}

/// Longer than any fleet runs, and short enough to be added to a time.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3_600);

impl Pace {
    /// `None`: nothing ever falls due.
    pub(super) fn new(began: Instant, per_second: f64) -> Option<Self> {
        (per_second.is_finite() && per_second > 0.0).then_some(Self { began, per_second, taken: 0 })
    }

    /// How many are due and not taken.
    pub(super) fn due(&self, now: Instant) -> u64 {
        let seconds = now.saturating_duration_since(self.began).as_secs_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is not negative, and whole"
        )]
        let due = (seconds * self.per_second).floor() as u64;
        due.saturating_sub(self.taken)
    }

    /// When the next one that is not taken falls due, or fell.
    pub(super) fn next(&self) -> Instant {
        #[expect(clippy::cast_precision_loss, reason = "centuries of events fit")]
        let seconds = (self.taken as f64 + 1.0) / self.per_second;
        self.began + Duration::try_from_secs_f64(seconds).unwrap_or(FOREVER).min(FOREVER)
    }

    pub(super) fn take(&mut self, count: u64) {
        self.taken = self.taken.saturating_add(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_fall_due_evenly_and_wait_to_be_taken() {
        let began = Instant::now();
        let after = |millis| began + Duration::from_millis(millis);
        let mut pace = Pace::new(began, 100.0).expect("a pace");
        assert_eq!((pace.due(began), pace.next()), (0, after(10)));
        assert_eq!(pace.due(after(1_005)), 100);
        pace.take(30);
        assert_eq!((pace.due(after(1_005)), pace.next()), (70, after(310)));
        pace.take(70);
        assert_eq!((pace.due(after(1_005)), pace.next()), (0, after(1_010)));
    }

    #[test]
    fn no_pace_is_none() {
        for per_second in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Pace::new(Instant::now(), per_second).is_none());
        }
    }
}
