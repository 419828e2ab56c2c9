//! Times and how they are written.

use std::time::Duration;

/// Times of many.
#[derive(Debug, Default)]
pub struct Times(Vec<Duration>);

impl FromIterator<Duration> for Times {
    fn from_iter<I: IntoIterator<Item = Duration>>(times: I) -> Self {
        let mut times: Vec<_> = times.into_iter().collect();
        times.sort_unstable();
        Self(times)
    }
}

impl Times {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// So many of a thousand are at most this.
    pub fn of_thousand(&self, part: usize) -> Duration {
        let place = (self.0.len() * part).div_ceil(1_000).max(1) - 1;
        self.0.get(place).copied().unwrap_or_default()
    }

    pub fn max(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }

    /// Median, 99th percentile and maximum, as columns.
    pub fn columns(&self) -> String {
        if self.0.is_empty() {
            return " | | ".to_owned();
        }
        let [median, p99, max] = [self.of_thousand(500), self.of_thousand(990), self.max()].map(milliseconds);
        format!("{median} | {p99} | {max}")
    }
}

pub fn milliseconds(time: Duration) -> String {
    let milliseconds = time.as_secs_f64() * 1e3;
    if milliseconds < 100.0 { format!("{milliseconds:.1} ms") } else { format!("{milliseconds:.0} ms") }
}

/// A point of time, to the millisecond, within the hour.
pub fn seconds(at: u64) -> String {
    let milliseconds = at / 1_000_000 % 3_600_000;
    format!("{}.{:03}", milliseconds / 1_000, milliseconds % 1_000)
}
