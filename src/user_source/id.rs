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

/// A number as JavaScript writes it. JSON knows neither infinity nor NaN. Rust itself writes other digits where two are as
/// near.
fn number(number: f64) -> String {
    ryu_js::Buffer::new().format(number).to_owned()
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
            (1_993_204_826_781_891.3, "1993204826781891.2"),
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
