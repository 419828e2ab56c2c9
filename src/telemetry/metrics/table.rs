//! Every metric: what it is called, and what it says. The exposition, `docs/metrics.md` and the tests of alerts and
//! dashboard are made from this table.

use std::fmt::Write as _;

/// What every name begins with.
pub const PREFIX: &str = "socketpass";

/// One metric.
#[derive(Debug)]
pub struct Metric {
    /// The name without prefix, unit and what the kind adds.
    pub name: &'static str,
    /// How it moves.
    pub kind: Kind,
    /// What it is measured in; `None`: it counts, or is 0 or 1.
    pub unit: Option<&'static str>,
    /// Its labels, each with what stands there.
    pub labels: &'static [(&'static str, &'static str)],
    /// What it says: a sentence without its full stop.
    pub about: &'static str,
}

/// How a metric moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only up, from zero at the start of the process.
    Counter,
    /// Up and down.
    Gauge,
    /// Counts in classes of size.
    Histogram,
    /// Always 1; its labels are the news.
    Info,
}

impl Metric {
    /// The name of the whole, as `# TYPE` has it.
    pub fn family(&self) -> String {
        let unit = self.unit.map(|unit| format!("_{unit}")).unwrap_or_default();
        format!("{PREFIX}_{}{unit}", self.name)
    }

    /// The names that queries use.
    pub fn series(&self) -> Vec<String> {
        let family = self.family();
        let endings: &[&str] = match self.kind {
            Kind::Counter => &["_total"],
            Kind::Gauge => &[""],
            Kind::Histogram => &["_bucket", "_sum", "_count"],
            Kind::Info => &["_info"],
        };
        endings.iter().map(|ending| format!("{family}{ending}")).collect()
    }

    /// The name that people know it by.
    pub fn title(&self) -> String {
        match self.kind {
            Kind::Histogram => self.family(),
            _ => self.series().concat(),
        }
    }
}

const SECONDS: Option<&str> = Some("seconds");

const fn metric(name: &'static str, kind: Kind, about: &'static str) -> Metric {
    Metric { name, kind, unit: None, labels: &[], about }
}

const OUTCOME: (&str, &str) = (
    "outcome",
    "`found`, `missing`, `failed`, or `abandoned`: the call ended before there was an answer, by its deadline or because its \
     caller left",
);
const METHOD: (&str, &str) =
    ("method", "the method's name; of health and reflection the service's; `unknown` for what is none");
const TASK: (&str, &str) = ("task", "`disconnect`, `send` or `user_changed`");

pub(super) const BUILD: Metric = Metric {
    labels: &[("version", "of the program")],
    ..metric("build", Kind::Info, "Which version this is")
};

pub(super) const DECISIONS: Metric = Metric {
    labels: &[("reason", "why, in lower case; the API lists the reasons"), ("accepted", "`true` or `false`")],
    ..metric("decisions", Kind::Counter, "Decisions on handshakes")
};
pub(super) const AUTHORIZE_DURATION: Metric = Metric {
    unit: SECONDS,
    ..metric("authorize_duration", Kind::Histogram, "Time from a handshake's arrival to its decision")
};
pub(super) const SESSION_STORE_UP: Metric =
    metric("session_store_up", Kind::Gauge, "1 while the session store answers");
pub(super) const SESSION_STORE_DURATION: Metric = Metric {
    unit: SECONDS,
    labels: &[OUTCOME],
    ..metric("session_store_duration", Kind::Histogram, "Time that the session store took for one session")
};
pub(super) const USER_SOURCE_UP: Metric =
    metric("user_source_up", Kind::Gauge, "1 while the user source answers");
pub(super) const USER_SOURCE_DURATION: Metric = Metric {
    unit: SECONDS,
    labels: &[OUTCOME],
    ..metric("user_source_duration", Kind::Histogram, "Time that the user source took for one user")
};
pub(super) const USER_SOURCE_ANSWERS: Metric = Metric {
    labels: &[(
        "how",
        "`unasked`: the session alone says it; `asked`; `shared`: another handshake of the same user had asked already; \
         `cached`: remembered (user.cache_ttl); `stale`: remembered, and the source is down (user.stale_for)",
    )],
    ..metric("user_source_answers", Kind::Counter, "Users and that there is none, by how it was found out")
};
pub(super) const USER_SOURCE_FAULTS: Metric = Metric {
    labels: &[(
        "fault",
        "`unreachable`; `timeout`; `busy`: user.max_requests were waiting already; `refused`: it answered that it does not \
         answer; `unusable`: what it answered is no user",
    )],
    ..metric("user_source_faults", Kind::Counter, "Handshakes for which the user source failed")
};
pub(super) const POLICY_FAILURES: Metric = metric(
    "policy_failures",
    Kind::Counter,
    "Handshakes for which the policy could not be evaluated, which denies",
);

pub(super) const CALLS: Metric = Metric {
    labels: &[METHOD, ("code", "the gRPC status, in lower case: `ok`, `deadline_exceeded`, and so on")],
    ..metric("calls", Kind::Counter, "gRPC calls that have ended; streams count when they end")
};
pub(super) const CALLS_IN_FLIGHT: Metric = Metric {
    labels: &[METHOD],
    ..metric(
        "calls_in_flight",
        Kind::Gauge,
        "gRPC calls that have not ended; of Report, gateways that report here",
    )
};

pub(super) const CONNECTIONS: Metric =
    metric("connections", Kind::Gauge, "Connections that are open to grpc.addr");
pub(super) const CALLER_REFUSALS: Metric = Metric {
    labels: &[(
        "reason",
        "`missing`: no credentials; `token`, `certificate`: unknown ones; `limited`: more wrong tokens, after too many \
         from the address; `role`: the method, a field in a filter or the gateway id is not the caller's; `tls`: no handshake, or no certificate that is taken",
    )],
    ..metric("caller_refusals", Kind::Counter, "Callers refused, by what was wrong with their credentials")
};
pub(super) const SHED: Metric = Metric {
    labels: &[(
        "limit",
        "`calls`, `streams`, `bytes`, `connections`, `gateways` or `watches`: which of limits.max_* it met; `open`: calls of health",
    )],
    ..metric("shed", Kind::Counter, "Calls and connections turned away because there were too many")
};

pub(super) const REGISTRY_STORE_UP: Metric =
    metric("registry_store_up", Kind::Gauge, "1 while the registry's store answers");
pub(super) const REGISTRY_STORE_EVICTS: Metric = metric(
    "registry_store_evicts",
    Kind::Gauge,
    "1 while the registry's Redis has a maxmemory-policy other than noeviction, and so can lose open sockets",
);
pub(super) const REGISTRY_AGE: Metric = Metric {
    unit: SECONDS,
    ..metric("registry_age", Kind::Gauge, "How old this replica's answers about the registry may be: its lag")
};
pub(super) const REGISTRY_WARMING_UP: Metric = metric(
    "registry_warming_up",
    Kind::Gauge,
    "1 while the registry began without data less than a lease ago, or nothing is known yet",
);
pub(super) const REGISTRY_SOCKETS: Metric =
    metric("registry_sockets", Kind::Gauge, "Open sockets that this replica knows of, of the whole fleet");
pub(super) const REGISTRY_GATEWAYS: Metric = Metric {
    labels: &[(
        "state",
        "`live`; or `late`: its stream has ended, or half a lease has passed without a batch",
    )],
    ..metric("registry_gateways", Kind::Gauge, "Gateways that this replica knows of, of the whole fleet")
};
pub(super) const REGISTRY_GATEWAYS_GONE: Metric = metric(
    "registry_gateways_gone",
    Kind::Counter,
    "Gateways whose lease ended without a goodbye; each is counted by the replica that ended it",
);
pub(super) const REGISTRY_COMMANDS: Metric = Metric {
    labels: &[TASK],
    ..metric("registry_commands", Kind::Counter, "Commands sent to gateways, each about up to 500 sockets")
};
pub(super) const REGISTRY_COMMAND_SOCKETS: Metric = Metric {
    labels: &[TASK, ("outcome", "`done`; `failed`: the gateway could not; `unreachable`: it did not answer")],
    ..metric(
        "registry_command_sockets",
        Kind::Counter,
        "Sockets that commands were about, when they are settled: callers' commands, ends of sessions, and users that have \
         changed. One that is told again is counted again",
    )
};
pub(super) const SESSION_ENDS: Metric = Metric {
    labels: &[("reason", "why, in lower case")],
    ..metric(
        "session_ends",
        Kind::Counter,
        "Open sockets that were ended because their session no longer holds; each is counted by the replica that its gateway \
         reports to",
    )
};
pub(super) const SESSION_END_FAILURES: Metric = metric(
    "session_end_failures",
    Kind::Counter,
    "Attempts to end a socket that came to nothing: its gateway could not, or did not answer. It is told again while it is \
     there",
);
pub(super) const SESSION_ENDS_WAITING: Metric = metric(
    "session_ends_waiting",
    Kind::Gauge,
    "Sockets that are about to be ended: waiting for their turn, or told",
);
pub(super) const SESSIONS: Metric =
    metric("sessions", Kind::Gauge, "Sessions of open sockets that this replica asks about");
pub(super) const SESSION_QUESTIONS: Metric = Metric {
    labels: &[("reason", "what the answer was, in lower case")],
    ..metric("session_questions", Kind::Counter, "Sessions asked about again, behind their open sockets")
};
pub(super) const SESSION_PUSHES_UP: Metric = metric(
    "session_pushes_up",
    Kind::Gauge,
    "1 while the session store tells of changed sessions by itself; 0: they are found within revalidate.interval",
);
pub(super) const SESSION_CHANGES: Metric = metric(
    "session_changes",
    Kind::Counter,
    "Changes of sessions that the store has told of, of all sessions it has",
);
pub(super) const SESSION_CHANGES_LOST: Metric = metric(
    "session_changes_lost",
    Kind::Counter,
    "Changes that came too quickly to be heard: they are found within revalidate.interval",
);
pub(super) const SESSION_USER_CHANGES: Metric = metric(
    "session_user_changes",
    Kind::Counter,
    "Open sockets whose gateways have heard that their user is another one than they knew",
);
pub(super) const SESSION_USER_CHANGE_FAILURES: Metric = metric(
    "session_user_change_failures",
    Kind::Counter,
    "Attempts to tell a gateway of a socket's changed user that came to nothing: it did not answer, or has not taken it. It is \
     told again while the socket is open",
);

pub(super) const SESSIONS_DESTROYED: Metric = Metric {
    labels: &[("outcome", "`done`; `failed`: the session store did not do it, and the log says why")],
    ..metric(
        "sessions_destroyed",
        Kind::Counter,
        "Attempts to destroy a session in the session store, for EndSessions and logout tokens: each is destroyed again after \
         2 s",
    )
};
pub(super) const SESSION_DESTROYERS: Metric = metric(
    "session_destroyers",
    Kind::Gauge,
    "Calls of EndSessions and logout tokens that are under way, whether or not their callers still wait",
);

pub(super) const LOGOUT_TOKENS: Metric = Metric {
    labels: &[
        ("kind", "`backchannel`: OpenID Connect Back-Channel Logout; `caep`: CAEP's `session-revoked`"),
        (
            "outcome",
            "`ended`: the sessions that it ends are destroyed; `nobody`: `logout.match` holds for no open socket, so it ends \
             none; `ignored`: an event of another kind; `repeated`: taken before, and acknowledged again; `refused`: it is not \
             what it should be; `limited`: refused, after too many from the address; `unavailable`: its sender was told to come \
             again",
        ),
    ],
    ..metric("logout_tokens", Kind::Counter, "Tokens that came to end sessions")
};

pub(super) const LOG_LINES_LOST: Metric =
    metric("log_lines_lost", Kind::Counter, "Lines of the log that nobody read quickly enough");
pub(super) const AUDIT_LINES: Metric =
    metric("audit_lines", Kind::Counter, "Lines of the audit log that were handed to its writer");
pub(super) const AUDIT_LINES_LOST: Metric = metric(
    "audit_lines_lost",
    Kind::Counter,
    "Lines of the audit log that could not be written, or not quickly enough",
);
pub(super) const TRACE_SPANS_EXPORTED: Metric =
    metric("trace_spans_exported", Kind::Counter, "Spans that the collector has taken");
pub(super) const TRACE_SPANS_LOST: Metric =
    metric("trace_spans_lost", Kind::Counter, "Spans that the collector did not take, or not quickly enough");

/// Every metric, in chapters.
pub const METRICS: [(&str, &[&Metric]); 5] = [
    (
        "Decisions",
        &[
            &DECISIONS,
            &AUTHORIZE_DURATION,
            &SESSION_STORE_UP,
            &SESSION_STORE_DURATION,
            &USER_SOURCE_UP,
            &USER_SOURCE_DURATION,
            &USER_SOURCE_ANSWERS,
            &USER_SOURCE_FAULTS,
            &POLICY_FAILURES,
        ],
    ),
    ("Calls", &[&CALLS, &CALLS_IN_FLIGHT, &CONNECTIONS, &CALLER_REFUSALS, &SHED]),
    (
        "Registry",
        &[
            &REGISTRY_STORE_UP,
            &REGISTRY_STORE_EVICTS,
            &REGISTRY_AGE,
            &REGISTRY_WARMING_UP,
            &REGISTRY_SOCKETS,
            &REGISTRY_GATEWAYS,
            &REGISTRY_GATEWAYS_GONE,
            &REGISTRY_COMMANDS,
            &REGISTRY_COMMAND_SOCKETS,
        ],
    ),
    (
        "Session ends",
        &[
            &SESSION_ENDS,
            &SESSION_END_FAILURES,
            &SESSION_ENDS_WAITING,
            &SESSIONS,
            &SESSION_QUESTIONS,
            &SESSION_PUSHES_UP,
            &SESSION_CHANGES,
            &SESSION_CHANGES_LOST,
            &SESSION_USER_CHANGES,
            &SESSION_USER_CHANGE_FAILURES,
            &SESSIONS_DESTROYED,
            &SESSION_DESTROYERS,
            &LOGOUT_TOKENS,
        ],
    ),
    (
        "The process",
        &[&BUILD, &LOG_LINES_LOST, &AUDIT_LINES, &AUDIT_LINES_LOST, &TRACE_SPANS_EXPORTED, &TRACE_SPANS_LOST],
    ),
];

/// Every metric.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    METRICS.into_iter().flat_map(|(_, metrics)| metrics.iter().copied())
}

/// `docs/metrics.md`.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Metrics\n\n\
         <!-- Made by `socketpass config --metrics`; CI fails when it differs. -->\n\n\
         `GET /metrics` on `http.addr` answers them: in OpenMetrics to those who ask for it, as Prometheus does, and in \
         Prometheus' older text format to others. Counters begin at zero with the process. Every series that can come is there \
         from the start, so that `rate` sees the first event, too. No label holds what comes from outside.\n\n\
         What to watch for is in `helm/socketpass/files/alerts.yaml`, and what to do then in the \
         [runbook](runbook.md).\n",
    );
    for (chapter, metrics) in METRICS {
        let _ = write!(text, "\n## {chapter}\n");
        for metric in metrics {
            describe(&mut text, metric);
        }
    }
    text
}

fn describe(text: &mut String, metric: &Metric) {
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
        Kind::Info => "always 1",
    };
    let unit = metric.unit.map(|unit| format!(", in {unit}")).unwrap_or_default();
    let _ = write!(text, "\n### `{}`\n\n{}.\n\n- Kind: {kind}{unit}\n", metric.title(), metric.about);
    for (label, about) in metric.labels {
        let _ = writeln!(text, "- `{label}`: {about}");
    }
}
