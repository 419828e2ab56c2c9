//! Whom a session is about: `passport.user` as JavaScript writes it.

use serde_json::Value;

use super::Fields;

/// The id of a user: a text, or a number as `String(number)` has it; of an object what stands under `user.id_field`. `None`:
/// neither text nor number, so nobody.
pub fn of(passport_user: &Value, id_field: &[Box<str>]) -> Option<String> {
    match passport_user {
        Value::Object(fields) => written(under(fields, id_field)?),
        scalar => written(scalar),
    }
}

/// Whether these are the fields of whoever has this id, as far as they say so: a user need not have what `user.id_field`
/// names, but one who has it must not be somebody else.
pub fn is_of(fields: &Fields, id_field: &[Box<str>], id: &str) -> bool {
    match under(fields, id_field) {
        None | Some(Value::Null) => true,
        Some(said) => written(said).is_some_and(|said| said == id),
    }
}

fn under<'f>(fields: &'f Fields, id_field: &[Box<str>]) -> Option<&'f Value> {
    let (first, rest) = id_field.split_first()?;
    rest.iter().try_fold(fields.get(&**first)?, |value, name| value.get(&**name))
}

fn written(id: &Value) -> Option<String> {
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

    #[test]
    fn who_says_to_be_somebody_else_is_not_who_was_asked_for() {
        let is_of =
            |user: Value| is_of(user.as_object().expect("an object"), &["account".into(), "id".into()], "7");
        for user in [
            json!({"account": {"id": "7"}}),
            json!({"account": {"id": 7.0}}),
            json!({"account": {"id": null}}),
            json!({"account": {}}),
            json!({"account": 8}),
            json!({"id": 8}),
        ] {
            assert!(is_of(user.clone()), "{user}");
        }
        for somebody_else in [
            json!({"account": {"id": "8"}}),
            json!({"account": {"id": "07"}}),
            json!({"account": {"id": "7 "}}),
            json!({"account": {"id": 7.5}}),
            json!({"account": {"id": true}}),
            json!({"account": {"id": ["7"]}}),
            json!({"account": {"id": {"id": "7"}}}),
        ] {
            assert!(!is_of(somebody_else.clone()), "{somebody_else}");
        }
    }
}
