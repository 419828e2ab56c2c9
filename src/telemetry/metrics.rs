//! Metrics in the OpenMetrics text format. Every handle is made once, at the start.

use std::{fmt, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

use crate::{authorize::Decision, reason::Reason, session_store::Health};

/// From a session that is served from memory to a store that times out.
const AUTHORIZE_SECONDS: [f64; 14] =
    [0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0];

/// All metrics of the service.
pub struct Metrics {
    registry: Registry,
    decisions: Vec<(Reason, [Counter; 2])>,
    authorize_seconds: Histogram,
    session_store_up: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DecisionLabels {
    reason: &'static str,
    accepted: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Every metric, at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("socketpass");
        let decisions = Family::<DecisionLabels, Counter>::default();
        let authorize_seconds = Histogram::new(AUTHORIZE_SECONDS);
        let session_store_up = Gauge::default();
        registry.register(
            "build",
            "Which version this is",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register("decisions", "Decisions on handshakes, by reason", decisions.clone());
        registry.register_with_unit(
            "authorize_duration",
            "Time from a handshake's arrival to its decision",
            Unit::Seconds,
            authorize_seconds.clone(),
        );
        registry.register("session_store_up", "1 while the session store answers", session_store_up.clone());
        let counter = |reason: Reason, accepted| {
            decisions.get_or_create_owned(&DecisionLabels { reason: reason.name(), accepted })
        };
        let decisions = Reason::ALL
            .into_iter()
            .filter(|reason| reason.is_of_decisions())
            .map(|reason| (reason, [counter(reason, "false"), counter(reason, "true")]))
            .collect();
        Self { registry, decisions, authorize_seconds, session_store_up }
    }

    /// Counts a decision.
    pub fn decided(&self, decision: &Decision, took: Duration) {
        let counters = self.decisions.iter().find(|(reason, _)| *reason == decision.reason);
        if let Some((_, [rejected, accepted])) = counters {
            if decision.accepted {
                accepted.inc()
            } else {
                rejected.inc()
            };
        }
        self.authorize_seconds.observe(took.as_secs_f64());
    }

    /// Whether the session store answers.
    pub fn session_store(&self, health: Health) {
        self.session_store_up.set((health == Health::Up).into());
    }

    /// What a scrape is answered.
    pub fn exposition(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
