//! Metrics in the OpenMetrics text format. Every handle is made once, at the start.

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError, atomic::AtomicU64, atomic::Ordering},
    time::{Duration, Instant},
};

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Metric as Exposed, Registry, Unit},
};

use crate::{
    authorize::Decision,
    logout,
    reason::Reason,
    session_store::Health,
    user_source::{Fault as SourceFault, FaultKind, How, Resolved},
};

mod classic;
pub mod door;
mod figures;
mod session_ends;
pub mod table;

pub use self::figures::{CommandFigures, RegistryFigures, SessionEndFigures, Told};
use self::session_ends::SessionEnds;
use self::{door::DoorMetrics, table::Metric};

/// From a session that is served from memory to a store that times out. What an alert asks for is a bucket of its own:
/// between two the quantile is a guess.
const AUTHORIZE_SECONDS: [f64; 15] =
    [0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0];

/// From an answer out of this process's memory to a source behind HTTP that times out.
const PART_SECONDS: [f64; 15] =
    [0.000_01, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// gRPC's status codes, in the order of their numbers.
const CODES: [&str; 17] = [
    "ok",
    "cancelled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
    "permission_denied",
    "resource_exhausted",
    "failed_precondition",
    "aborted",
    "out_of_range",
    "unimplemented",
    "internal",
    "unavailable",
    "data_loss",
    "unauthenticated",
];

type Labels = Vec<(&'static str, &'static str)>;
type Counters = Family<Labels, Counter>;
type Gauges = Family<Labels, Gauge>;
type Histograms = Family<Labels, Histogram, fn() -> Histogram>;

/// What a store or a source answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What was asked for.
    Found,
    /// There is no such thing.
    Missing,
    /// It could not answer.
    Failed,
    /// Nobody waited until it had answered.
    Abandoned,
}

impl Outcome {
    const ALL: [Self; 4] = [Self::Found, Self::Missing, Self::Failed, Self::Abandoned];

    /// As labels and traces have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Missing => "missing",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

/// Times of a store or a source, by what it answered.
#[derive(Clone, Debug)]
pub struct Answers([Histogram; 4]);

impl Answers {
    fn of(family: &Histograms) -> Self {
        Self(Outcome::ALL.map(|outcome| family.get_or_create_owned(&vec![("outcome", outcome.name())])))
    }

    fn took(&self, outcome: Outcome, time: Duration) {
        let [found, missing, failed, abandoned] = &self.0;
        let histogram = match outcome {
            Outcome::Found => found,
            Outcome::Missing => missing,
            Outcome::Failed => failed,
            Outcome::Abandoned => abandoned,
        };
        histogram.observe(time.as_secs_f64());
    }
}

/// Measures one answer; dropped before there was one, it was abandoned.
#[derive(Debug)]
pub struct Waiting<'m> {
    answers: &'m Answers,
    since: Instant,
    outcome: Outcome,
}

impl<'m> Waiting<'m> {
    /// From now on.
    pub fn for_one_of(answers: &'m Answers) -> Self {
        Self { answers, since: Instant::now(), outcome: Outcome::Abandoned }
    }

    /// There is an answer.
    pub fn answered(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.answers.took(self.outcome, self.since.elapsed());
    }
}

/// Counts the calls of one method.
#[derive(Debug)]
pub struct CallFigures {
    in_flight: Gauge,
    codes: [Counter; CODES.len()],
}

impl CallFigures {
    /// A call begins.
    pub fn begun(&self) {
        self.in_flight.inc();
    }

    /// A call has ended with the status of this number.
    pub fn ended(&self, code: i32) {
        self.in_flight.dec();
        const UNKNOWN: usize = 2;
        let code = usize::try_from(code).ok().filter(|code| *code < CODES.len()).unwrap_or(UNKNOWN);
        if let Some(counter) = self.codes.get(code) {
            counter.inc();
        }
    }
}

/// The name of a status of this number, as labels have it.
pub fn code_name(code: i32) -> &'static str {
    usize::try_from(code).ok().and_then(|code| CODES.get(code)).copied().unwrap_or("unknown")
}

type Ask<T> = OnceLock<Box<dyn Fn() -> T + Send + Sync>>;

/// Set at each scrape from what is counted elsewhere.
struct Asked {
    registry: Ask<RegistryFigures>,
    session_ends: (Ask<SessionEndFigures>, SessionEnds),
    told: Ask<Told>,
    store_up: Gauge,
    store_evicts: Gauge,
    age: Gauge<f64, AtomicU64>,
    warming_up: Gauge,
    sockets: Gauge,
    gateways: Gauges,
    gateways_gone: Counter,
    commands: Counters,
    command_sockets: Counters,
    log_lost: Counter,
    audit: Counter,
    audit_lost: Counter,
    spans_exported: Counter,
    spans_lost: Counter,
}

impl Asked {
    fn register(registry: &mut Registry) -> Self {
        let session_ends = SessionEnds::register(registry);
        let mut made = Maker(registry);
        Self {
            registry: OnceLock::new(),
            session_ends: (OnceLock::new(), session_ends),
            told: OnceLock::new(),
            store_up: made.one(&table::REGISTRY_STORE_UP),
            store_evicts: made.one(&table::REGISTRY_STORE_EVICTS),
            age: made.one(&table::REGISTRY_AGE),
            warming_up: made.one(&table::REGISTRY_WARMING_UP),
            sockets: made.one(&table::REGISTRY_SOCKETS),
            gateways: made.one(&table::REGISTRY_GATEWAYS),
            gateways_gone: made.one(&table::REGISTRY_GATEWAYS_GONE),
            commands: made.one(&table::REGISTRY_COMMANDS),
            command_sockets: made.one(&table::REGISTRY_COMMAND_SOCKETS),
            log_lost: made.one(&table::LOG_LINES_LOST),
            audit: made.one(&table::AUDIT_LINES),
            audit_lost: made.one(&table::AUDIT_LINES_LOST),
            spans_exported: made.one(&table::TRACE_SPANS_EXPORTED),
            spans_lost: made.one(&table::TRACE_SPANS_LOST),
        }
    }

    fn ask(&self) {
        if let Some(ask) = self.registry.get() {
            self.set_registry(&ask());
        }
        let (ask, session_ends) = &self.session_ends;
        if let Some(ask) = ask.get() {
            session_ends.set(&ask());
        }
        if let Some(ask) = self.told.get() {
            let Told { log_lost, audit, audit_lost, spans_exported, spans_lost } = ask();
            set(&self.log_lost, log_lost);
            set(&self.audit, audit);
            set(&self.audit_lost, audit_lost);
            set(&self.spans_exported, spans_exported);
            set(&self.spans_lost, spans_lost);
        }
    }

    fn set_registry(&self, figures: &RegistryFigures) {
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let RegistryFigures {
            is_up,
            evicts,
            age,
            warming_up,
            sockets,
            live_gateways,
            late_gateways,
            gone_gateways,
            commands,
        } = figures;
        self.store_up.set((*is_up).into());
        self.store_evicts.set((*evicts).into());
        self.age.set(age.as_secs_f64());
        self.warming_up.set((*warming_up).into());
        self.sockets.set(number(*sockets));
        for (state, count) in [("live", *live_gateways), ("late", *late_gateways)] {
            self.gateways.get_or_create_owned(&vec![("state", state)]).set(number(count));
        }
        set(&self.gateways_gone, *gone_gateways);
        for CommandFigures { task, sent, done, failed, unreachable } in commands {
            set(&self.commands.get_or_create_owned(&vec![("task", task)]), *sent);
            for (outcome, count) in [("done", *done), ("failed", *failed), ("unreachable", *unreachable)] {
                let labels = vec![("task", *task), ("outcome", outcome)];
                set(&self.command_sockets.get_or_create_owned(&labels), count);
            }
        }
    }
}

/// A counter that is counted elsewhere.
fn set(counter: &Counter, count: u64) {
    counter.inner().store(count, Ordering::Relaxed);
}

/// Makes metrics and registers them as the table has them.
struct Maker<'r>(&'r mut Registry);

impl Maker<'_> {
    fn one<M: Exposed + Clone + Default>(&mut self, metric: &Metric) -> M {
        let made = M::default();
        self.register(metric, made.clone());
        made
    }

    fn register(&mut self, metric: &Metric, made: impl Exposed) {
        match metric.unit {
            None => self.0.register(metric.name, metric.about, made),
            Some(unit) => {
                self.0.register_with_unit(metric.name, metric.about, Unit::Other(unit.to_owned()), made);
            }
        }
    }
}

/// All metrics of the service.
pub struct Metrics {
    registry: Registry,
    asked: Asked,
    /// Only one scrape at a time sets what it then reads.
    scraping: Mutex<()>,
    decisions: Vec<(Reason, [Counter; 2])>,
    logout_tokens: Vec<((logout::Kind, logout::Outcome), Counter)>,
    authorize_seconds: Histogram,
    session_store_up: Gauge,
    user_source_up: Gauge,
    policy_failures: Counter,
    session_store: Answers,
    user_source: Answers,
    user_source_answers: Vec<(&'static str, Counter)>,
    user_source_faults: Vec<(FaultKind, Counter)>,
    calls: Counters,
    in_flight: Gauges,
    door: Arc<DoorMetrics>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Every metric, at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix(table::PREFIX);
        let asked = Asked::register(&mut registry);
        let mut made = Maker(&mut registry);
        made.register(&table::BUILD, Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        let decisions: Counters = made.one(&table::DECISIONS);
        let logout_tokens: Counters = made.one(&table::LOGOUT_TOKENS);
        let authorize_seconds = Histogram::new(AUTHORIZE_SECONDS);
        made.register(&table::AUTHORIZE_DURATION, authorize_seconds.clone());
        let mut answers = |metric| {
            let family: Histograms = Family::new_with_constructor(|| Histogram::new(PART_SECONDS));
            made.register(metric, family.clone());
            Answers::of(&family)
        };
        let (session_store, user_source) =
            (answers(&table::SESSION_STORE_DURATION), answers(&table::USER_SOURCE_DURATION));
        let session_store_up = made.one(&table::SESSION_STORE_UP);
        let user_source_up = made.one(&table::USER_SOURCE_UP);
        let user_source_answers: Counters = made.one(&table::USER_SOURCE_ANSWERS);
        let user_source_faults: Counters = made.one(&table::USER_SOURCE_FAULTS);
        let policy_failures = made.one(&table::POLICY_FAILURES);
        let (calls, in_flight) = (made.one(&table::CALLS), made.one(&table::CALLS_IN_FLIGHT));
        let door = Arc::new(DoorMetrics::register(&mut made));
        let decision = |reason: Reason, accepted| {
            decisions.get_or_create_owned(&vec![("reason", reason.name()), ("accepted", accepted)])
        };
        Self {
            asked,
            scraping: Mutex::default(),
            decisions: Reason::ALL
                .into_iter()
                .filter(|reason| reason.is_of_decisions())
                .map(|reason| (reason, [decision(reason, "false"), decision(reason, "true")]))
                .collect(),
            logout_tokens: logout::Kind::ALL
                .into_iter()
                .flat_map(|kind| logout::Outcome::ALL.map(|outcome| (kind, outcome)))
                .map(|(kind, outcome)| {
                    let labels = vec![("kind", kind.name()), ("outcome", outcome.name())];
                    ((kind, outcome), logout_tokens.get_or_create_owned(&labels))
                })
                .collect(),
            authorize_seconds,
            session_store_up,
            user_source_up,
            policy_failures,
            session_store,
            user_source,
            user_source_answers: How::NAMES
                .map(|how| (how, user_source_answers.get_or_create_owned(&vec![("how", how)])))
                .into(),
            user_source_faults: FaultKind::ALL
                .map(|kind| (kind, user_source_faults.get_or_create_owned(&vec![("fault", kind.name())])))
                .into(),
            calls,
            in_flight,
            door,
            registry,
        }
    }

    /// From now on the registry is asked how it stands, at each scrape.
    pub fn ask_registry(&self, ask: impl Fn() -> RegistryFigures + Send + Sync + 'static) {
        // The registry does not change while the service runs.
        let _ = self.asked.registry.set(Box::new(ask));
    }

    /// From now on it is asked at each scrape what the decision asked again came to.
    pub fn ask_session_ends(&self, ask: impl Fn() -> SessionEndFigures + Send + Sync + 'static) {
        let _ = self.asked.session_ends.0.set(Box::new(ask));
    }

    /// From now on it is asked at each scrape what was told and lost.
    pub fn ask_told(&self, ask: impl Fn() -> Told + Send + Sync + 'static) {
        let _ = self.asked.told.set(Box::new(ask));
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

    /// Counts a token that came to end sessions.
    pub fn logout_token(&self, kind: logout::Kind, outcome: logout::Outcome) {
        let counters = self.logout_tokens.iter();
        for (_, counter) in counters.filter(|(labels, _)| *labels == (kind, outcome)) {
            counter.inc();
        }
    }

    /// Whether the session store answers.
    pub fn session_store(&self, health: Health) {
        self.session_store_up.set((health == Health::Up).into());
    }

    /// Whether the user source answers.
    pub fn user_source(&self, health: Health) {
        self.user_source_up.set((health == Health::Up).into());
    }

    /// The session store's times.
    pub fn session_store_answers(&self) -> &Answers {
        &self.session_store
    }

    /// The user source's times.
    pub fn user_source_answers(&self) -> &Answers {
        &self.user_source
    }

    /// Counts how it was found out who a user is, or why it was not.
    pub fn user_was(&self, resolved: &Result<Resolved, SourceFault>) {
        let counter = match resolved {
            Ok(resolved) => self
                .user_source_answers
                .iter()
                .find(|(how, _)| *how == resolved.how.name())
                .map(|(_, counter)| counter),
            Err(fault) => self
                .user_source_faults
                .iter()
                .find(|(kind, _)| *kind == fault.kind)
                .map(|(_, counter)| counter),
        };
        if let Some(counter) = counter {
            counter.inc();
        }
    }

    /// Counts a policy that could not be evaluated.
    pub fn policy_failed(&self) {
        self.policy_failures.inc();
    }

    /// The counters of a method's calls.
    pub fn calls_of(&self, method: &'static str) -> CallFigures {
        let counter = |code| self.calls.get_or_create_owned(&vec![("method", method), ("code", code)]);
        let in_flight = self.in_flight.get_or_create_owned(&vec![("method", method)]);
        CallFigures { in_flight, codes: CODES.map(counter) }
    }

    /// What a scrape is answered, in OpenMetrics.
    pub fn exposition(&self) -> String {
        let _one = self.scraping.lock().unwrap_or_else(PoisonError::into_inner);
        self.asked.ask();
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// The same in Prometheus' older text format.
    pub fn classic_exposition(&self) -> String {
        classic::from_openmetrics(&self.exposition())
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
