//! What a case expects of its decision.

use serde::Deserialize;
use serde_json::{Value, json};
use toml::Value as Toml;

use crate::{authorize::Decision, reason::Reason};

/// What must be so; what is absent may be anything.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(try_from = "Toml")]
pub(super) struct Expected {
    accepted: Option<bool>,
    reason: Option<Reason>,
    message: Option<String>,
}

const FORMS: &str = "`expect` is \"accepted\", \"rejected\", or a table of `accepted`, `reason` and `message`, such as \
                     { accepted = false, reason = \"DENIED_BY_POLICY\" }";

impl TryFrom<Toml> for Expected {
    type Error = String;

    fn try_from(written: Toml) -> Result<Self, String> {
        let mut expected = Self::default();
        match written {
            Toml::String(word) if word == "accepted" => expected.accepted = Some(true),
            Toml::String(word) if word == "rejected" => expected.accepted = Some(false),
            Toml::Table(table) => {
                for (name, value) in table {
                    match (name.as_str(), value) {
                        ("accepted", Toml::Boolean(accepted)) => expected.accepted = Some(accepted),
                        ("reason", Toml::String(name)) => expected.reason = Some(reason(&name)?),
                        ("message", Toml::String(message)) => expected.message = Some(message),
                        _ => return Err(FORMS.to_owned()),
                    }
                }
            }
            _ => return Err(FORMS.to_owned()),
        }
        if expected == Self::default() { Err(FORMS.to_owned()) } else { Ok(expected) }
    }
}

fn reason(name: &str) -> Result<Reason, String> {
    let found = Reason::named(&name.to_ascii_lowercase()).filter(|reason| reason.is_of_decisions());
    found.ok_or_else(|| {
        let of_decisions = Reason::ALL.into_iter().filter(|reason| reason.is_of_decisions());
        let names: Vec<_> = of_decisions.map(shown).collect();
        format!("no decision has the reason {name:?}; there are {}", names.join(", "))
    })
}

/// A reason as the API writes it.
fn shown(reason: Reason) -> String {
    reason.name().to_ascii_uppercase()
}

impl Expected {
    /// Whether a decision is as expected.
    pub(super) fn is_met_by(&self, decision: &Decision) -> bool {
        let Self { accepted, reason, message } = self;
        accepted.is_none_or(|accepted| accepted == decision.accepted)
            && reason.is_none_or(|reason| reason == decision.reason)
            && message.as_ref().is_none_or(|message| *message == decision.message)
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let Self { accepted, reason, message } = self;
        let accepted = accepted.map(|accepted| if accepted { "accepted" } else { "rejected" }.to_owned());
        let message = message.as_ref().map(|message| format!("“{message}”"));
        [accepted, reason.map(shown), message].into_iter().flatten().collect::<Vec<_>>().join("  ")
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let Self { accepted, reason, message } = self;
        json!({"accepted": accepted, "reason": reason.map(shown), "message": message})
    }
}
