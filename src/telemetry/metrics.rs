//! Metrics in the OpenMetrics text format. Every handle is made once, at the start.

use std::{
    fmt,
    sync::{Arc, OnceLock, atomic::AtomicU64},
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

use super::door::DoorMetrics;
use crate::{authorize::Decision, reason::Reason, session_store::Health};

/// From a session that is served from memory to a store that times out.
const AUTHORIZE_SECONDS: [f64; 14] =
    [0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0];

/// How the registry stands, asked for at each scrape.
#[derive(Clone, Copy, Debug, Default)]
pub struct RegistryFigures {
    /// Its store answers.
    pub is_up: bool,
    /// Its store throws keys away when it is full.
    pub evicts: bool,
    /// How old this replica's answers may be.
    pub age: Duration,
    /// Open sockets.
    pub sockets: u64,
    /// Gateways that are heard of.
    pub live_gateways: u64,
    /// Gateways that are late.
    pub late_gateways: u64,
}

type AskRegistry = Box<dyn Fn() -> RegistryFigures + Send + Sync>;

#[derive(Default)]
struct RegistryGauges {
    up: Gauge,
    evicts: Gauge,
    age_seconds: Gauge<f64, AtomicU64>,
    sockets: Gauge,
    gateways: Family<StateLabel, Gauge>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

impl RegistryGauges {
    fn register(&self, registry: &mut Registry) {
        let Self { up, evicts, age_seconds, sockets, gateways } = self;
        registry.register("registry_store_up", "1 while the registry's store answers", up.clone());
        registry.register(
            "registry_store_evicts",
            "1 while the registry's Redis has a maxmemory-policy other than noeviction, and so can lose open sockets",
            evicts.clone(),
        );
        registry.register_with_unit(
            "registry_age",
            "How old this replica's answers about the registry may be",
            Unit::Seconds,
            age_seconds.clone(),
        );
        registry.register("registry_sockets", "Open sockets that this replica knows of", sockets.clone());
        let about = "Gateways, by whether they are heard of";
        registry.register("registry_gateways", about, gateways.clone());
    }

    fn set(&self, figures: RegistryFigures) {
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let RegistryFigures { is_up, evicts, age, sockets, live_gateways, late_gateways } = figures;
        self.up.set(is_up.into());
        self.evicts.set(evicts.into());
        self.age_seconds.set(age.as_secs_f64());
        self.sockets.set(number(sockets));
        for (state, count) in [("live", live_gateways), ("late", late_gateways)] {
            self.gateways.get_or_create_owned(&StateLabel { state }).set(number(count));
        }
    }
}

/// All metrics of the service.
pub struct Metrics {
    registry: Registry,
    sockets: RegistryGauges,
    ask_registry: OnceLock<AskRegistry>,
    decisions: Vec<(Reason, [Counter; 2])>,
    authorize_seconds: Histogram,
    session_store_up: Gauge,
    door: Arc<DoorMetrics>,
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
        let sockets = RegistryGauges::default();
        sockets.register(&mut registry);
        let door = Arc::new(DoorMetrics::default());
        door.register(&mut registry);
        let ask_registry = OnceLock::new();
        Self { registry, door, sockets, ask_registry, decisions, authorize_seconds, session_store_up }
    }

    /// From now on the registry is asked how it stands, at each scrape.
    pub fn ask_registry(&self, ask: impl Fn() -> RegistryFigures + Send + Sync + 'static) {
        // The registry does not change while the service runs.
        let _ = self.ask_registry.set(Box::new(ask));
    }

    /// What is counted at the gRPC door.
    pub fn door(&self) -> &Arc<DoorMetrics> {
        &self.door
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
        if let Some(ask) = self.ask_registry.get() {
            self.sockets.set(ask());
        }
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
