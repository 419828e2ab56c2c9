//! Points and lengths of time.

use std::fmt;

use jiff::{civil::DateTime, tz::Offset};

/// Nanoseconds of a second.
const SECOND: i128 = 1_000_000_000;

/// The first and last second that CEL knows: from the year 1 to 9999.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// A point in time, from the year 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    seconds: i64,
    /// 0-999,999,999, later.
    nanoseconds: u32,
}

/// A length of time in nanoseconds: 292 years at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub(super) i64);

impl Timestamp {
    /// Microseconds since 1970, as `socket.connected_at` is kept; none if it is finer than that.
    pub fn microseconds(self) -> Option<i64> {
        self.nanoseconds
            .is_multiple_of(1_000)
            .then(|| self.seconds * 1_000_000 + i64::from(self.nanoseconds / 1_000))
    }

    /// That many microseconds after 1970.
    pub(super) fn from_microseconds(microseconds: i64) -> Self {
        let nanoseconds = microseconds.rem_euclid(1_000_000) * 1_000;
        Self {
            seconds: microseconds.div_euclid(1_000_000),
            nanoseconds: u32::try_from(nanoseconds).unwrap_or_default(),
        }
    }

    /// That many seconds after 1970, within range.
    pub(super) fn from_seconds(seconds: i64) -> Option<Self> {
        SECONDS.contains(&seconds).then_some(Self { seconds, nanoseconds: 0 })
    }

    /// Whole seconds since 1970.
    pub(super) fn seconds(self) -> i64 {
        self.seconds
    }

    /// Milliseconds of the second.
    pub(super) fn milliseconds(self) -> i64 {
        i64::from(self.nanoseconds / 1_000_000)
    }

    fn nanoseconds(self) -> i128 {
        i128::from(self.seconds) * SECOND + i128::from(self.nanoseconds)
    }

    fn from_nanoseconds(nanoseconds: i128) -> Option<Self> {
        let seconds = i64::try_from(nanoseconds.div_euclid(SECOND)).ok()?;
        let nanoseconds = u32::try_from(nanoseconds.rem_euclid(SECOND)).ok()?;
        SECONDS.contains(&seconds).then_some(Self { seconds, nanoseconds })
    }

    /// Later by a length of time.
    pub(super) fn plus(self, duration: Duration) -> Option<Self> {
        Self::from_nanoseconds(self.nanoseconds() + i128::from(duration.0))
    }

    /// Earlier by a length of time.
    pub(super) fn minus(self, duration: Duration) -> Option<Self> {
        Self::from_nanoseconds(self.nanoseconds() - i128::from(duration.0))
    }

    /// How much later it is than another.
    pub(super) fn since(self, earlier: Self) -> Option<Duration> {
        i64::try_from(self.nanoseconds() - earlier.nanoseconds()).ok().map(Duration)
    }

    /// `2026-11-24T08:00:00Z`, with a fraction and another offset if wanted, as RFC 3339 has it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        // jiff takes more than RFC 3339: a space for the `T`, names of zones behind it.
        let bytes = text.as_bytes();
        let dated = text.len() >= 20 && matches!(bytes.get(10), Some(b'T' | b't'));
        let zoned = matches!(bytes.last(), Some(b'Z' | b'z'))
            || text.len().checked_sub(6).and_then(|at| text.get(at..)).is_some_and(|offset| {
                matches!(offset.as_bytes(), [b'+' | b'-', _, _, b':', last @ ..] if last.iter().all(u8::is_ascii_digit))
            });
        if !dated || !zoned || !bytes.first()?.is_ascii_digit() {
            return None;
        }
        Self::from_nanoseconds(text.parse::<jiff::Timestamp>().ok()?.as_nanosecond())
    }

    /// On the calendar and the clock, at this offset from UTC.
    pub(super) fn local(self, offset: Offset) -> Option<DateTime> {
        let nanoseconds = i32::try_from(self.nanoseconds).ok()?;
        Some(offset.to_datetime(jiff::Timestamp::new(self.seconds, nanoseconds).ok()?))
    }
}

/// An offset from UTC: `UTC`, `+02:00`, `-05:30`. Names of zones change with the version of a database that is not there.
pub(super) fn offset(text: &str) -> Option<Offset> {
    if matches!(text, "UTC" | "Z") {
        return Some(Offset::UTC);
    }
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => (-1, text.get(1..)?),
        b'+' => (1, text.get(1..)?),
        _ => (1, text),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let two = |digits: &str, below: i32| {
        let plain = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse::<i32>().ok().filter(|number| plain && *number < below)
    };
    Offset::from_seconds(sign * (two(hours, 24)? * 3_600 + two(minutes, 60)? * 60)).ok()
}

impl Duration {
    /// `1h30m`, `1.5s`, `-250ms`: numbers with the units h, m, s, ms, us and ns.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (sign, mut rest) = match text.as_bytes().first()? {
            b'-' => (-1, text.get(1..)?),
            b'+' => (1, text.get(1..)?),
            _ => (1, text),
        };
        if rest == "0" {
            return Some(Self(0));
        }
        let mut total: i128 = 0;
        loop {
            let number = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
            let (digits, after) = rest.split_at_checked(number)?;
            let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
            let (unit, after) = after.split_at_checked(unit)?;
            let unit: i128 = match unit {
                "h" => 3_600 * SECOND,
                "m" => 60 * SECOND,
                "s" => SECOND,
                "ms" => 1_000_000,
                "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
                "ns" => 1,
                _ => return None,
            };
            total = total.checked_add(times(digits, unit)?)?;
            rest = after;
            if rest.is_empty() {
                return i64::try_from(sign * total).ok().map(Self);
            }
        }
    }
}

/// A decimal number of units, in nanoseconds; a fraction of a nanosecond is cut off.
fn times(digits: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() + fraction.len() == 0 || whole.len() > 19 || fraction.contains('.') {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction = fraction.get(..fraction.len().min(15))?;
    let parts: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    whole.checked_mul(unit)?.checked_add(parts * unit / scale)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanoseconds = i32::try_from(self.nanoseconds).unwrap_or_default();
        match jiff::Timestamp::new(self.seconds, nanoseconds) {
            Ok(timestamp) => timestamp.fmt(f),
            Err(_) => f.write_str("?"),
        }
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, rest) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}", seconds.unsigned_abs())?;
        if rest != 0 {
            let fraction = format!("{:09}", rest.unsigned_abs());
            write!(f, ".{}", fraction.trim_end_matches('0'))?;
        }
        f.write_str("s")
    }
}
