//! `[logout]`: all of it or nothing.

use std::{fs, path::Path};

use serde_json::json;
use socketpass::config::logout::Match;

use super::SESSION_REVOKED;
use crate::support::service::{ServiceProcess, command, config};

const ALL: [(&str, &str); 4] = [
    ("LOGOUT_ISSUER", "https://id.example"),
    ("LOGOUT_AUDIENCE", "app"),
    ("LOGOUT_JWKS_URL", "https://id.example/jwks"),
    ("LOGOUT_MATCH", "user.sub == claims.sub"),
];

fn faults(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    config(settings)
        .map(|_| vec![])
        .unwrap_or_else(|faults| faults.0.into_iter().map(|fault| (fault.setting, fault.problem)).collect())
}

#[test]
fn what_is_missing_is_named() {
    assert!(config(&[]).unwrap().logout.is_none());
    assert!(config(&ALL).unwrap().logout.is_some());
    let names = ["logout.issuer", "logout.audience", "logout.jwks_url", "logout.match"];
    for (place, only) in ALL.iter().enumerate() {
        let faults = faults(std::slice::from_ref(only));
        let missing: Vec<_> = faults.iter().map(|(setting, _)| setting.as_str()).collect();
        let mut expected = names.to_vec();
        expected.remove(place);
        assert_eq!(missing, expected, "with {} alone", names[place]);
        assert!(faults.iter().all(|(_, problem)| problem.starts_with("it is required")), "{faults:?}");
    }
    let ca_alone = faults(&[("LOGOUT_CA_FILE", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))]);
    assert_eq!(ca_alone.len(), 5, "{ca_alone:?}");
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    for (setting, value, problem) in [
        ("LOGOUT_ISSUER", "", "it is empty"),
        ("LOGOUT_AUDIENCE", "[]", "it names nobody"),
        ("LOGOUT_AUDIENCE", r#"["app",""]"#, "one of its names is empty"),
        ("LOGOUT_JWKS_URL", "http://id.example/jwks", "it takes https://"),
        ("LOGOUT_MATCH", "true", "it looks at no claim"),
        ("LOGOUT_MATCH", "user.logged_in", "it looks at no claim"),
        ("LOGOUT_MATCH", "claims.sub == 'ana'", "it looks at neither user nor socket"),
        ("LOGOUT_MATCH", "user.sub == claim.sub", "    user.sub == claim.sub\n                ^"),
        ("LOGOUT_MATCH", "user.sub == claims.sub &&", "1:26"),
    ] {
        let mut settings = ALL.to_vec();
        settings.push((setting, value));
        let faults = faults(&settings);
        assert_eq!(faults.len(), 1, "{setting}={value}: {faults:?}");
        assert!(faults[0].1.contains(problem), "{setting}={value}: {faults:?}");
    }
}

#[test]
fn the_examples_of_the_document_are_expressions() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/logout.md");
    let text = fs::read_to_string(path).unwrap();
    let table = text.lines().filter(|line| line.starts_with("| "));
    let examples = table.filter_map(|line| line.strip_suffix("` |")?.rsplit_once("| `"));
    let examples: Vec<_> = examples.filter(|(_, example)| example.contains("claims.")).collect();
    assert_eq!(examples.len(), 7);
    for (_, example) in &examples {
        Match::compile(example).unwrap_or_else(|error| panic!("{example}: {error}"));
    }

    // As CAEP's drafts had it.
    let (_, example) = examples.iter().find(|(of, _)| of.contains("`subject` in the event")).unwrap();
    let mut token = super::revoked("https://id.example", "1");
    token["events"][SESSION_REVOKED]["subject"] =
        json!({"format": "iss_sub", "iss": "https://id.example", "sub": "ana"});
    let asks = Match::compile(example).unwrap().of(token.as_object().unwrap()).unwrap();
    assert_eq!(asks.expr().to_string(), r#"user.sub == "ana""#);
}

#[tokio::test]
async fn an_issuer_that_is_away_is_no_reason_not_to_start() {
    let here = [("LOGOUT_JWKS_URL", "http://127.0.0.1:1/jwks?key=hunter2")];
    let service = ServiceProcess::run(&mut command(&[&ALL[..], &here].concat())).await;
    let line = service.process.output().line("logout.jwks_url").await;
    assert!(line.contains("http://127.0.0.1:1/jwks?<hidden>") && !line.contains("hunter2"), "{line}");
}
