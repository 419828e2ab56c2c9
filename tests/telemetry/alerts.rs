//! Alerts, their runbook and the dashboard: what they ask for exists, and they say what they should when they should.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Output,
};

use serde_json::Value;
use socketpass::telemetry::metrics::{Metrics, table};
use tokio::process::Command;

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

const ALERTS: &str = "helm/socketpass/files/alerts.yaml";

/// What looks like the name of a series of ours.
fn series_in(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("socketpass_"))
        .collect()
}

fn assert_exist(what: &str, names: &BTreeSet<&str>) {
    let series: BTreeSet<_> = table::all().flat_map(table::Metric::series).collect();
    for name in names {
        assert!(series.contains(*name), "{what} asks for {name}, which is no series of this program");
    }
}

fn alerts() -> Vec<String> {
    let text = file(ALERTS);
    text.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::to_owned).collect()
}

/// promtool with the alerts as `rules.yaml` and their tests beside it.
async fn promtool(arguments: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    // The chart puts the list under `groups`, and so does this.
    fs::write(directory.path().join("rules.yaml"), format!("groups:\n{}", file(ALERTS))).unwrap();
    fs::write(directory.path().join("alerts_test.yaml"), file("tests/telemetry/alerts_test.yaml")).unwrap();
    Command::new("promtool").args(arguments).current_dir(directory.path()).output().await.unwrap()
}

#[test]
fn what_alerts_dashboard_and_runbook_ask_for_exists() {
    for path in [ALERTS, "helm/socketpass/files/dashboard.json", "docs/runbook.md"] {
        let text = file(path);
        let names = series_in(&text);
        assert!(!names.is_empty(), "{path}");
        assert_exist(path, &names);
    }
}

#[test]
fn every_metric_is_on_the_dashboard() {
    let text = file("helm/socketpass/files/dashboard.json");
    let shown = series_in(&text);
    for metric in table::all() {
        assert!(metric.series().iter().any(|series| shown.contains(series.as_str())), "{}", metric.title());
    }
}

#[test]
fn the_dashboard_is_one() {
    let dashboard: Value = serde_json::from_str(&file("helm/socketpass/files/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has an id of its own");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        for said in ["title", "description"] {
            assert!(panel[said].as_str().is_some_and(|text| !text.is_empty()), "{panel}");
        }
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{target}");
            // Whoever looks at one release sees that one.
            assert!(target["expr"].as_str().unwrap().contains("job=~\"$job\""), "{target}");
        }
    }
}

#[test]
fn every_alert_has_its_section_in_the_runbook_and_leads_there() {
    let (alerts, text, runbook) = (alerts(), file(ALERTS), file("docs/runbook.md"));
    let sections: Vec<_> = runbook.split("\n## ").skip(1).collect();
    let titles: Vec<_> = sections.iter().map(|section| section.lines().next().unwrap()).collect();
    assert_eq!(titles, alerts, "in the same order");
    for section in sections {
        for part in ["**Means:**", "**Users see:**", "**Do:**", "**Over when:**"] {
            assert_eq!(section.matches(part).count(), 1, "{part} in {section}");
        }
    }
    for (alert, rule) in alerts.iter().zip(text.split("- alert: ").skip(1)) {
        let url = format!("runbook_url: docs/runbook.md#{}\n", alert.to_ascii_lowercase());
        assert!(rule.contains(&url), "{rule}");
        for part in ["severity: ", "summary: ", "description: "] {
            assert!(rule.contains(part), "{part} in {rule}");
        }
    }
}

/// The bounds of each histogram's buckets, by its name.
fn buckets_in(text: &str) -> BTreeMap<&str, BTreeSet<String>> {
    let mut buckets = BTreeMap::<_, BTreeSet<_>>::new();
    for line in text.lines() {
        let Some((name, rest)) = line.split_once("_bucket{") else { continue };
        let name = name.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap();
        let (_, bound) = rest.split_once("le=\"").unwrap();
        let bound: f64 = bound.split('"').next().unwrap().parse().unwrap();
        buckets.entry(name).or_default().insert(bound.to_string());
    }
    buckets
}

#[test]
fn what_a_time_is_compared_with_is_a_bucket_of_its_own() {
    let exposed = Metrics::new().exposition();
    let (buckets, text) = (buckets_in(&exposed), file(ALERTS));
    let quantiles: Vec<_> = text.lines().filter(|line| line.contains("histogram_quantile(")).collect();
    assert!(!quantiles.is_empty());
    for line in quantiles {
        let (asked, threshold) = line.split_once(" > ").unwrap();
        let series = series_in(asked).into_iter().next().unwrap();
        let bounds = &buckets[series.strip_suffix("_bucket").unwrap()];
        assert!(bounds.contains(threshold), "{series}: {threshold} is none of {bounds:?}");
    }
}

#[test]
fn the_tests_of_times_have_the_programs_own_buckets() {
    let exposed = Metrics::new().exposition();
    let (buckets, text) = (buckets_in(&exposed), file("tests/telemetry/alerts_test.yaml"));
    let mut tested = BTreeSet::new();
    for test in text.split("  - name: ") {
        for (histogram, bounds) in buckets_in(test) {
            assert_eq!(bounds, buckets[histogram], "{histogram} in {test}");
            tested.insert(histogram);
        }
    }
    assert_eq!(tested, buckets.into_keys().collect());
}

#[test]
fn every_alert_has_a_test_in_which_it_fires() {
    let tests = file("tests/telemetry/alerts_test.yaml");
    for alert in alerts() {
        let fires = format!("expr: 'count(ALERTS{{alertname=\"{alert}\", alertstate=\"firing\"}})'\n");
        let (_, after) = tests.split_once(&fires).unwrap_or_else(|| panic!("{alert} has no test"));
        assert!(after.lines().nth(1).unwrap().contains("value: 1"), "{alert}");
    }
}

#[tokio::test]
async fn promtool_takes_the_rules() {
    let checked = promtool(&["check", "rules", "rules.yaml"]).await;
    assert!(checked.status.success(), "{checked:?}");
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(said.contains(&format!("{} rules found", alerts().len())), "{said}");
}

#[tokio::test]
async fn alerts_fire_for_what_they_are_about_and_not_otherwise() {
    let tested = promtool(&["test", "rules", "alerts_test.yaml"]).await;
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stdout));
}
