//! The whole Cookie header as cookie-parser reads it: raw, unsigned and signed cookies.

use std::collections::BTreeMap;

use serde_json::Value;
use socketpass::authorize::{cookie, signature::Keys};

use super::{
    case::{Case, Door},
    report::Report,
    same,
};

pub fn run(report: &mut Report) {
    for case in Case::read_all("cookie-map") {
        report.add_plain_case("cookie-map", case.id(), Door::Library, failure(&case.0));
    }
}

fn failure(case: &Value) -> Option<String> {
    let raw = parse(case["header"].as_str().unwrap());
    // Where a secret is no text the original throws when it comes to use it, and the service does not start.
    if !case["expect"]["throws"].is_null() {
        return None;
    }
    let expected = &case["expect"];
    let raw_json: Value =
        raw.iter().map(|(name, value)| (name.clone(), Value::from(value.clone()))).collect();
    if !same(&raw_json, &expected["cookies_raw"]) {
        return Some(format!("raw: expected {}, got {raw_json}", expected["cookies_raw"]));
    }
    let secrets: Vec<_> = match &case["secret"] {
        Value::String(secret) if !secret.is_empty() => vec![secret.as_str().into()],
        Value::Array(secrets) => secrets.iter().filter_map(Value::as_str).map(Into::into).collect(),
        _ => vec![],
    };
    let Ok(keys) = Keys::new(&secrets) else { return None };
    for (name, signed) in expected["signed"].as_object().unwrap() {
        let value = raw[name].strip_prefix("s:").and_then(|signed| keys.unsign(signed));
        let agrees = match signed {
            Value::Bool(false) => value.is_none(),
            // A JSON cookie's text is what was signed; what becomes of it the group jcookie asks.
            Value::String(signed) => value.is_some_and(|value| value == signed || value.starts_with("j:")),
            _ => value.is_some_and(|value| value.starts_with("j:")),
        };
        if !agrees {
            return Some(format!("signed {name}: expected {signed}, got {value:?}"));
        }
    }
    let unsigned = raw.iter().filter(|(_, value)| !value.starts_with("s:")).count();
    let expected = expected["cookies"].as_object().unwrap().len();
    (unsigned != expected).then(|| format!("{expected} unsigned cookies expected, got {unsigned}"))
}

fn parse(header: &str) -> BTreeMap<String, String> {
    let mut cookies = BTreeMap::new();
    for pair in cookie::pairs(header) {
        cookies.entry(pair.name.to_owned()).or_insert_with(|| pair.value().into_owned());
    }
    cookies
}
