//! Who people are, and whether somebody is who was there before.

use std::fmt;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::expression::packed::{List, Packer, Text, Value as Packed};

/// What stands at a path within a user.
pub fn at<'v>(fields: &'v Map<String, Value>, path: &[impl AsRef<str>]) -> Option<&'v Value> {
    let (first, names) = path.split_first()?;
    names.iter().try_fold(fields.get(first.as_ref())?, |value, name| value.get(name.as_ref()))
}

/// An id as JavaScript writes it: a text, or a number as `String(number)` has it. `None`: it is neither.
pub fn text(id: &Value) -> Option<String> {
    match id {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => id.as_f64().map(number),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The id of a user, by `user.id_field`; `None`: they have none.
pub fn id(fields: &Map<String, Value>, id_field: &[impl AsRef<str>]) -> Option<String> {
    at(fields, id_field).and_then(text).filter(|id| !id.is_empty())
}

/// The number that is written so, if there is one: whoever has it for an id is the same person.
pub fn number_of(id: &str) -> Option<f64> {
    id.parse().ok().filter(|read: &f64| read.is_finite() && number(*read) == id)
}

/// A number as JavaScript writes it. JSON knows neither infinity nor NaN. Rust itself writes other digits where two are as
/// near.
fn number(number: f64) -> String {
    ryu_js::Buffer::new().format(number).to_owned()
}

/// Equal for what is the same, and nothing that it could be read from.
pub type Hash = [u8; 16];

/// Who somebody was found to be, as it is kept with their sockets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Who<'w> {
    /// By their id, or, who has none, by `passport.user`.
    pub hash: Hash,
    /// Set for who has an id.
    pub named: Option<Named<'w>>,
}

/// What else is kept of who has an id.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Named<'w> {
    /// The names of the path at which it stood.
    pub field: List<'w>,
    /// The beginning of the hash by `passport.user`.
    pub passport: i64,
}

impl Who<'_> {
    /// Nobody is logged in.
    pub const NOBODY: Self = Self { hash: [0; 16], named: None };
}

impl fmt::Debug for Who<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::NOBODY { "nobody" } else { "somebody" })
    }
}

/// Who stands behind a session now.
///
/// They are who was there before
/// 1. if that one had an id, and they have something at that path, whatever `user.id_field` names now: when it is the same id;
/// 2. if that one had an id, and nothing stands at that path any more: when `passport.user` is the same;
/// 3. if that one had none: when `passport.user` is the same, or would be without the id that it has now.
///
/// A text and the number that is written so are the same id.
#[derive(Clone, Debug)]
pub struct Person {
    passport: Hash,
    passport_without_id: Option<Hash>,
    id: Option<Hash>,
    /// The names of `user.id_field`, a packed list.
    field: Vec<u8>,
}

impl Person {
    /// Whom `passport.user` is about, before anybody has looked them up.
    pub fn of_passport(passport_user: &Value, id_field: &[Box<str>]) -> Self {
        let mut field = Packer::default();
        let begun = field.begin_list();
        id_field.iter().for_each(|name| field.text(name));
        field.end(begun);
        Self {
            passport: passport(passport_user),
            passport_without_id: without(passport_user, id_field).as_ref().map(passport),
            id: None,
            field: field.into_bytes(),
        }
    }

    /// The same, who was looked up.
    pub fn with_user(self, user: &Map<String, Value>, id_field: &[Box<str>]) -> Self {
        Self { id: id(user, id_field).as_deref().map(named), ..self }
    }

    /// What is to be kept of them.
    pub fn who(&self) -> Who<'_> {
        match (self.id, crate::expression::packed::value(&self.field)) {
            (Some(hash), Packed::List(field)) => {
                Who { hash, named: Some(Named { field, passport: beginning(self.passport) }) }
            }
            _ => Who { hash: self.passport, named: None },
        }
    }

    /// Whether they, with this user, are who was there before.
    pub fn is(&self, before: &Who<'_>, user: &Map<String, Value>) -> bool {
        let Some(Named { field, passport }) = before.named else {
            // An earlier version kept an id without saying so.
            let same = [Some(self.passport), self.passport_without_id, self.id];
            return same.contains(&Some(before.hash));
        };
        let names: Vec<&str> = field.iter().filter_map(name).collect();
        match id(user, &names) {
            Some(id) => named(&id) == before.hash,
            None => beginning(self.passport) == passport,
        }
    }
}

fn name<'p>(name: Packed<'p>) -> Option<&'p str> {
    match name {
        Packed::Text(name) => Some(Text::as_str(name)),
        _ => None,
    }
}

/// The value without what stands at the path; `None`: nothing does.
fn without(passport_user: &Value, path: &[Box<str>]) -> Option<Value> {
    let (last, path) = path.split_last()?;
    let mut value = passport_user.clone();
    let parent = path.iter().try_fold(&mut value, |value, name| value.get_mut(&**name))?;
    parent.as_object_mut()?.remove(&**last)?;
    Some(value)
}

fn passport(passport_user: &Value) -> Hash {
    let mut packer = Packer::onto(b"passport".to_vec());
    packer.json(passport_user);
    hash(&packer.into_bytes())
}

fn named(id: &str) -> Hash {
    hash(format!("user{id}").as_bytes())
}

fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).first_chunk().copied().unwrap_or_default()
}

fn beginning(hash: Hash) -> i64 {
    hash.first_chunk().copied().map(i64::from_be_bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
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
            assert_eq!(number_of(expected), Some(value));
        }
    }

    #[test]
    fn an_id_is_a_text_or_the_number_that_is_written_so() {
        let path = ["account", "id"];
        let id = |user: Value| id(user.as_object().expect("an object"), &path);
        assert_eq!(id(json!({"account": {"id": 7}, "role": "a"})).as_deref(), Some("7"));
        assert_eq!(id(json!({"account": {"id": "7"}})).as_deref(), Some("7"));
        for nameless in
            [json!({}), json!({"id": 7}), json!({"account": {"id": null}}), json!({"account": {"id": ""}})]
        {
            assert_eq!(id(nameless), None);
        }
        for no_number in ["", "07", "7.0", "+7", "1e3", "NaN", "inf", "Infinity", "ana", "-0"] {
            assert_eq!(number_of(no_number), None, "{no_number}");
        }
    }

    /// What was kept of somebody.
    #[derive(Debug)]
    struct Kept(Person, Map<String, Value>);

    impl Kept {
        fn of(passport_user: &Value, user: &Value, id_field: &str) -> Self {
            let id_field: Vec<Box<str>> = id_field.split('.').map(Into::into).collect();
            let user = user.as_object().expect("an object").clone();
            Self(Person::of_passport(passport_user, &id_field).with_user(&user, &id_field), user)
        }

        /// Whether this one, who comes later, is the same.
        fn becomes(&self, Self(person, user): &Self) -> bool {
            person.is(&self.0.who(), user)
        }

        /// The same as it was kept before it was said what the hash was made of.
        fn became(&self, Self(person, user): &Self) -> bool {
            person.is(&Who { named: None, ..self.0.who() }, user)
        }
    }

    fn scalar() -> impl Strategy<Value = Value> {
        prop_oneof![
            (0..3_i32).prop_map(Value::from),
            (0..3_i32).prop_map(|id| Value::from(id.to_string())),
            "[ab]".prop_map(Value::from)
        ]
    }

    /// Users with and without something in the fields that settings name here.
    fn user() -> impl Strategy<Value = Value> {
        let field = || prop::option::of(scalar());
        (field(), field(), field(), "[xy]").prop_map(|(id, sub, account, other)| {
            let mut user = json!({"other": other});
            if let Some(id) = id {
                user["id"] = id;
            }
            if let Some(sub) = sub {
                user["sub"] = sub;
            }
            if let Some(account) = account {
                user["account"] = json!({"id": account});
            }
            user
        })
    }

    fn setting() -> impl Strategy<Value = &'static str> {
        prop::sample::select(&["id", "sub", "account.id"][..])
    }

    proptest! {
        #[test]
        fn whoever_has_not_changed_is_the_same_whatever_the_settings_say(
            passport in prop_oneof![scalar(), user()], user in user(), then in setting(), now in setting(),
        ) {
            let (before, after) = (Kept::of(&passport, &user, then), Kept::of(&passport, &user, now));
            prop_assert!(before.becomes(&after));
            // And whoever is looked up by the same is, where they lack what named them.
            let nobody = json!({});
            let lost = Kept::of(&passport, &nobody, now);
            prop_assert!(before.becomes(&lost));
            let lacking = Kept::of(&passport, &nobody, then);
            prop_assert!(lacking.becomes(&after));
        }

        #[test]
        fn whoever_has_an_id_is_who_has_the_same_under_the_same_name(
            one in user(), other in user(), then in setting(), now in setting(), passports in any::<bool>(),
        ) {
            // What the session says of them may be the same, where a source has another answer.
            let of_other = if passports { &other } else { &one };
            let (before, after) = (Kept::of(&one, &one, then), Kept::of(of_other, &other, now));
            let id_then = |user: &Value| {
                id(user.as_object().expect("an object"), &then.split('.').collect::<Vec<_>>())
            };
            if let (Some(id), Some(other)) = (id_then(&one), id_then(&other)) {
                prop_assert_eq!(before.becomes(&after), id == other);
            }
        }

        #[test]
        fn whoever_has_none_is_who_the_session_says(one in user(), other in user(), field in setting()) {
            let (before, after) = (Kept::of(&one, &one, field), Kept::of(&other, &other, field));
            let path: Vec<Box<str>> = field.split('.').map(Into::into).collect();
            if before.0.id.is_none() {
                let gained = without(&other, &path);
                prop_assert_eq!(before.becomes(&after), one == other || gained.as_ref() == Some(&one));
            }
            if before.0.id.is_some() && after.0.id.is_none() {
                prop_assert!(!before.becomes(&after), "the session says something else");
            }
        }

        #[test]
        fn what_an_earlier_version_kept_counts(one in user(), other in user(), field in setting()) {
            let (before, after) = (Kept::of(&one, &one, field), Kept::of(&other, &other, field));
            if before.0.id.is_some() == after.0.id.is_some() {
                prop_assert_eq!(before.became(&after), before.becomes(&after));
            }
        }
    }

    #[test]
    fn whoever_gains_an_id_is_the_same() {
        let ana = json!({"name": "Ana"});
        let before = Kept::of(&ana, &ana, "id");
        for (user, is) in [
            (json!({"name": "Ana", "id": 7}), true),
            (json!({"name": "Ben", "id": 7}), false),
            (json!({"name": "Ana"}), true),
            (json!({"name": "Ben"}), false),
        ] {
            assert_eq!(before.becomes(&Kept::of(&user, &user, "id")), is, "{user}");
        }
    }
}
