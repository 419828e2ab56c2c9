//! How long a session lives that says when it ends.

use std::time::Duration;

/// A session that lives though its end has passed does so by the rounding of its package, to whole seconds at the most.
const ROUNDED: Duration = Duration::from_secs(1);

/// Longer than anybody waits.
const FAR: f64 = 1e12;

/// How long until this end, both in milliseconds since 1970. `None`: it is no point in time.
pub(super) fn ends_in(end: f64, now: f64) -> Option<Duration> {
    let left = end - now;
    let left = (!left.is_nan()).then(|| Duration::from_secs_f64(left.clamp(0.0, FAR) / 1000.0))?;
    Some(if left.is_zero() { ROUNDED } else { left })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_what_is_left_and_never_nothing() {
        for (end, expected) in [
            (1_500.0, Some(Duration::from_millis(500))),
            (1_000.0, Some(ROUNDED)),
            (-1.0, Some(ROUNDED)),
            (f64::INFINITY, Some(Duration::from_secs(1_000_000_000))),
            (f64::NAN, None),
        ] {
            assert_eq!(ends_in(end, 1_000.0), expected, "{end}");
        }
    }
}
