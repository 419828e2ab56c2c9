//! Whom a session is about: `passport.user` as JavaScript writes it.

use serde_json::Value;

use crate::identity;

/// The id of a user: a text, or a number as `String(number)` has it; of an object what stands under `user.id_field`. `None`:
/// neither text nor number, so nobody.
pub fn of(passport_user: &Value, id_field: &[Box<str>]) -> Option<String> {
    match passport_user {
        Value::Object(fields) => identity::text(identity::at(fields, id_field)?),
        scalar => identity::text(scalar),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
