//! Numbers of three types, compared by value.

use std::cmp::Ordering;

/// 2^63 and 2^64: from here on a double is no i64 and no u64.
const INT_END: f64 = 9_223_372_036_854_775_808.0;
const UINT_END: f64 = 18_446_744_073_709_551_616.0;

/// The int of the same value.
pub(super) fn int(number: f64) -> Option<i64> {
    (number.trunc() == number).then(|| truncated_int(number)).flatten()
}

/// The uint of the same value.
pub(super) fn uint(number: f64) -> Option<u64> {
    (number.trunc() == number).then(|| truncated_uint(number)).flatten()
}

/// The int that is left without the fraction.
#[expect(clippy::cast_possible_truncation, reason = "the fraction is to go, and the range is checked")]
pub(super) fn truncated_int(number: f64) -> Option<i64> {
    (-INT_END..INT_END).contains(&number).then_some(number as i64)
}

/// The uint that is left without the fraction.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the fraction is to go, and the range is checked"
)]
pub(super) fn truncated_uint(number: f64) -> Option<u64> {
    (0.0..UINT_END).contains(&number).then_some(number as u64)
}

/// None for NaN.
pub(super) fn compare_int(int: i64, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    Some(match truncated_int(double) {
        Some(whole) => int.cmp(&whole).then_with(|| fraction(double)),
        None if double > 0.0 => Ordering::Less,
        None => Ordering::Greater,
    })
}

/// None for NaN.
pub(super) fn compare_uint(uint: u64, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    if double < 0.0 {
        return Some(Ordering::Greater);
    }
    Some(match truncated_uint(double) {
        Some(whole) => uint.cmp(&whole).then_with(|| fraction(double)),
        None => Ordering::Less,
    })
}

/// How the whole part of a number compares with it.
fn fraction(number: f64) -> Ordering {
    number.trunc().partial_cmp(&number).unwrap_or(Ordering::Equal)
}

/// How two ints of different types compare.
pub(super) fn compare_mixed(int: i64, uint: u64) -> Ordering {
    u64::try_from(int).map_or(Ordering::Less, |int| int.cmp(&uint))
}
