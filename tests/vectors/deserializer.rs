//! What a case's `deserializeUser` makes of `passport.user`, for the tables that sources serve.

use std::collections::BTreeMap;

use serde_json::Value;

use super::case::Case;
use crate::support::users::Entry;

/// What a deserializer calls back with.
#[derive(Clone, Debug, PartialEq)]
pub enum Deserialized {
    /// Somebody, or something that is no user.
    Found(Value),
    /// Passport's `false` and `null`.
    Nobody,
    /// An error.
    Failed,
    /// Passport asks the next one.
    Pass,
}

impl Case {
    /// What becomes of this `passport.user`; when everybody passes, Passport fails.
    pub fn deserialize(&self, passport_user: &Value) -> Deserialized {
        let config = &self.0["config"];
        match ask(&config["deserializer"], &config["users"], passport_user) {
            Deserialized::Pass => Deserialized::Failed,
            answer => answer,
        }
    }

    /// What a source has to have under the ids of the case's sessions.
    pub fn people(&self) -> BTreeMap<String, Entry> {
        let passport_key = self.0["config"]["passport_key"].as_str().unwrap_or("passport");
        let mut people = BTreeMap::new();
        if !self.needs_user_source() {
            return people;
        }
        for session in self.sessions().values() {
            let Ok(session) = serde_json::from_slice::<Value>(session) else { continue };
            let user = &session[passport_key]["user"];
            let Some(id) = id(user) else { continue };
            match self.deserialize(user) {
                Deserialized::Found(user) => drop(people.insert(id, Entry::Has(user))),
                Deserialized::Failed => drop(people.insert(id, Entry::Fails)),
                Deserialized::Nobody | Deserialized::Pass => {}
            }
        }
        people
    }
}

fn ask(deserializer: &Value, users: &Value, passport_user: &Value) -> Deserialized {
    let kind = |field: &str| deserializer[field].as_str().unwrap_or_default();
    match kind("kind") {
        "identity" => called_back(passport_user),
        "table" => match id(passport_user).and_then(|id| users.get(id)) {
            // Passport takes it for nobody. What a source has of somebody, and is no user, is a fault.
            Some(user @ (Value::Null | Value::Bool(false))) => Deserialized::Found(user.clone()),
            Some(user) => called_back(user),
            None => match kind("miss") {
                "false" | "null" => Deserialized::Nobody,
                "undefined" | "none" | "pass" => Deserialized::Pass,
                _ => Deserialized::Failed,
            },
        },
        "error" if matches!(kind("how"), "pass" | "undefined") => Deserialized::Pass,
        "error" => Deserialized::Failed,
        "none" => Deserialized::Pass,
        "chain" => {
            let mut answers =
                deserializer["of"].as_array().unwrap().iter().map(|one| ask(one, users, passport_user));
            answers.find(|answer| *answer != Deserialized::Pass).unwrap_or(Deserialized::Pass)
        }
        other => panic!("a deserializer {other:?}"),
    }
}

/// `done(null, user)`: what JavaScript calls false and is neither `false` nor `null` is no answer to Passport.
fn called_back(user: &Value) -> Deserialized {
    match user {
        Value::Null | Value::Bool(false) => Deserialized::Nobody,
        user if *user == "" || *user == 0 => Deserialized::Pass,
        user => Deserialized::Found(user.clone()),
    }
}

/// The key of a JavaScript object.
fn id(passport_user: &Value) -> Option<String> {
    match passport_user {
        Value::Object(user) => id(user.get("id")?),
        Value::String(id) => Some(id.clone()),
        Value::Number(number) => match number.as_f64()? {
            // Ids of the cases are small; -0 is 0.
            whole if whole.fract() == 0.0 => Some(format!("{:.0}", whole + 0.0)),
            number => Some(number.to_string()),
        },
        _ => None,
    }
}
