//! Whom a session is about: `passport.user` as JavaScript writes it.

use serde_json::Value;

/// The id of a user: a text, or a number as `String(number)` has it; of an object what stands under `user.id_field`. `None`:
/// neither text nor number, so nobody.
pub fn of(passport_user: &Value, id_field: &[Box<str>]) -> Option<String> {
    let id = match passport_user {
        Value::Object(_) => id_field.iter().try_fold(passport_user, |value, name| value.get(&**name))?,
        scalar => scalar,
    };
    match id {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => id.as_f64().map(number),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// From here on JavaScript writes numbers with an exponent, ECMA-262, 6.1.6.1.20.
const MOST_DIGITS: i32 = 21;
/// So many zeros may follow the point before it does.
const MOST_ZEROS: i32 = 6;

/// A number as JavaScript writes it. JSON knows neither infinity nor NaN.
fn number(number: f64) -> String {
    // Rust and JavaScript agree on the digits, the fewest that are read as the same number, and not on where the point goes.
    let text = format!("{:e}", number.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits = mantissa.replace('.', "");
    // The number is 0.digits × 10^point.
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    // -0 is written as 0.
    let sign = if number < 0.0 { "-" } else { "" };
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    if point > MOST_DIGITS || point <= -MOST_ZEROS {
        let exponent_sign = if point > 0 { "+" } else { "" };
        return format!("{sign}{mantissa}e{exponent_sign}{}", point - 1);
    }
    match usize::try_from(point) {
        Ok(point) if point > 0 => match digits.split_at_checked(point) {
            Some((whole, fraction)) if !fraction.is_empty() => format!("{sign}{whole}.{fraction}"),
            _ => format!("{sign}{digits}{}", zeros(i32::try_from(point).unwrap_or(0) - count)),
        },
        _ => format!("{sign}0.{}{digits}", zeros(-point)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_written_as_javascript_writes_them() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.0, "-1"),
            (1.5, "1.5"),
            (-42.25, "-42.25"),
            (10.0, "10"),
            (123_456.0, "123456"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1.0 / 3.0, "0.3333333333333333"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e21, "1.5e+21"),
            (123_456_789_012_345_680_000.0, "123456789012345680000"),
            (9_007_199_254_740_993.0, "9007199254740992"),
            (0.000_001, "0.000001"),
            (0.000_000_1, "1e-7"),
            (0.000_001_23, "0.00000123"),
            (0.000_000_123, "1.23e-7"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (5e-324, "5e-324"),
        ] {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn only_texts_and_numbers_are_ids() {
        let id = |value: Value| of(&value, &["account".into(), "id".into()]);
        assert_eq!(id(json!("ana")).as_deref(), Some("ana"));
        assert_eq!(id(json!("")).as_deref(), Some(""));
        assert_eq!(id(json!(7.0)).as_deref(), Some("7"));
        assert_eq!(id(json!({"account": {"id": 7.0}})).as_deref(), Some("7"));
        for nobody in [
            json!(null),
            json!(true),
            json!(false),
            json!([1]),
            json!({}),
            json!({"id": 1}),
            json!({"account": 1}),
            json!({"account": {"id": null}}),
            json!({"account": {"id": ["7"]}}),
        ] {
            assert_eq!(id(nobody.clone()), None, "{nobody}");
        }
    }
}
