//! What operators see: traces at a real OTLP receiver, metrics at a real Prometheus, the audit log, alerts and dashboard.

mod alerts;
mod audit;
mod collector;
mod metrics;
mod traces;

use std::collections::BTreeMap;

use crate::support::http::{get, send};

/// What `/metrics` says: the value of each series, `name{label="value"}`.
pub async fn scrape(http: &str) -> BTreeMap<String, f64> {
    let text = get(http, "/metrics").await.body;
    let series = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        (series.to_owned(), value.parse().unwrap())
    });
    series.collect()
}

/// The same as Prometheus asks for it.
async fn openmetrics(http: &str) -> String {
    let accept = [("Accept", "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5")];
    let answer = send(http, "GET", "/metrics", &accept, "").await;
    assert!(answer.headers("content-type").any(|kind| kind.starts_with("application/openmetrics-text")));
    answer.body
}
