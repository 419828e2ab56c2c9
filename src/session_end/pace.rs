//! How fast sockets end: the first of a second at once, the others in order, at a pace that gateways and the app behind
//! them can bear.
//!
//! Whoever has to wait is given a turn and asks again when it has come, so that nothing is ended for an answer that is old.

use std::time::Duration;

use tokio::time::Instant;

/// Ends that go out at once.
pub(super) const AT_ONCE: usize = 500;

/// Ends a second, beyond those.
pub(super) const A_SECOND: u32 = 2_000;

/// Between two ends, in the long run.
const APART: Duration = Duration::from_micros(1_000_000 / A_SECOND as u64);

/// How many may end, and from when on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// From when on.
    pub(super) at: Instant,
    /// How many.
    pub(super) sockets: usize,
}

/// What was granted of what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Granted {
    /// So many may end now.
    pub(super) now: usize,
    /// When more may.
    pub(super) turn: Option<Turn>,
}

/// The pace, as a generic cell rate algorithm: one point in time stands for all that was granted.
#[derive(Debug)]
pub(super) struct Pace {
    /// When everything that was granted would be over if it went one after the other.
    free_at: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { free_at: now }
    }

    /// Some have to end, with the turn that they were given before.
    pub(super) fn ask(&mut self, wanted: usize, turn: Option<Turn>, now: Instant) -> Granted {
        let of_turn = match turn {
            Some(turn) if now < turn.at && wanted > 0 => return Granted { now: 0, turn: Some(turn) },
            Some(turn) => {
                self.give_back(turn.sockets.saturating_sub(wanted));
                turn.sockets.min(wanted)
            }
            None => 0,
        };
        let wanted = wanted - of_turn;
        if wanted == 0 {
            return Granted { now: of_turn, turn: None };
        }
        self.free_at = self.free_at.max(now);
        let behind = (self.free_at - now).as_micros() / APART.as_micros();
        let at_once = AT_ONCE.saturating_sub(usize::try_from(behind).unwrap_or(usize::MAX)).min(wanted);
        self.reserve(at_once);
        let rest = (wanted - at_once).min(AT_ONCE);
        self.reserve(rest);
        let turn = (rest > 0).then(|| Turn { at: self.free_at - sockets_take(AT_ONCE), sockets: rest });
        Granted { now: of_turn + at_once, turn }
    }

    /// Some do not have to end, for which there was a turn.
    pub(super) fn give_back(&mut self, sockets: usize) {
        self.free_at = self.free_at.checked_sub(sockets_take(sockets)).unwrap_or(self.free_at);
    }

    fn reserve(&mut self, sockets: usize) {
        self.free_at += sockets_take(sockets);
    }
}

fn sockets_take(sockets: usize) -> Duration {
    APART.saturating_mul(u32::try_from(sockets).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_go_at_once_and_a_storm_has_its_pace() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let granted: Vec<_> = (0..100_000).map(|_| pace.ask(1, None, start)).collect();
        assert_eq!(granted.iter().filter(|granted| granted.now == 1).count(), AT_ONCE);
        let turns: Vec<_> = granted.iter().filter_map(|granted| granted.turn).collect();
        assert!(turns.is_sorted_by_key(|turn| turn.at), "in order");
        for (second, at_most) in [(1, 2_000), (10, 20_000), (40, 80_000)] {
            let until = start + Duration::from_secs(second);
            let count = turns.iter().filter(|turn| turn.at <= until).count();
            assert!((at_most - 10..=at_most).contains(&count), "{count} within {second} s");
        }
        let last = turns.last().expect("many").at;
        assert!((49..51).contains(&(last - start).as_secs()));
        // Whose turn has come goes, whatever others want.
        let turn = turns.first().copied();
        let then = turn.expect("many").at;
        assert_eq!(pace.ask(1, None, then).now, 0);
        assert_eq!(pace.ask(1, turn, then), Granted { now: 1, turn: None });
        // And when all have gone it begins anew.
        assert_eq!(pace.ask(700, None, start + Duration::from_secs(90)).now, AT_ONCE);
    }

    #[test]
    fn turns_that_are_not_used_are_given_back() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let turns: Vec<_> = (0..100).filter_map(|_| pace.ask(300, None, start).turn).collect();
        let wait = |pace: &mut Pace| pace.ask(1, None, start).turn.map(|turn| turn.at - start);
        assert!(wait(&mut pace).is_some_and(|wait| wait > Duration::from_secs(10)));
        for turn in turns {
            // Whoever it was for is back, before or after it has come.
            assert_eq!(pace.ask(0, Some(turn), start), Granted { now: 0, turn: None });
        }
        assert!(wait(&mut pace).is_none_or(|wait| wait < Duration::from_millis(10)));
    }

    #[test]
    fn many_sockets_of_one_session_go_in_turns_that_each_are_kept() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let (mut now, mut left, mut turn) = (start, 8_000, None);
        while left > 0 {
            let granted = pace.ask(left, turn, now);
            assert!(granted.now > 0 && granted.now <= 2 * AT_ONCE, "{granted:?}");
            left -= granted.now;
            turn = granted.turn;
            let Some(next) = turn else { break };
            assert_eq!(pace.ask(left, turn, now), Granted { now: 0, turn }, "not yet");
            now = next.at;
        }
        assert_eq!(left, 0);
        assert!((3.7..4.1).contains(&(now - start).as_secs_f64()), "{:?}", now - start);
    }
}
