//! Metrics of the gRPC door: who was turned away, and how much is open.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// Why a caller was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No credentials.
    Missing,
    /// A token that is none of `callers.tokens`.
    Token,
    /// A certificate that none of `callers.certificates` matches.
    Certificate,
    /// Too many wrong tokens came from the address.
    Limited,
    /// The caller's role does not have the method.
    Role,
    /// No TLS, or a certificate that was not accepted.
    Tls,
}

/// What there was too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `limits.max_calls`, or an address' share of it.
    Calls,
    /// `limits.max_streams`.
    Streams,
    /// `limits.max_inflight_bytes`.
    Bytes,
    /// `limits.max_connections`.
    Connections,
}

/// What is counted at the door.
#[derive(Debug, Default)]
pub struct DoorMetrics {
    refusals: Family<RefusalLabel, Counter>,
    shed: Family<LimitLabel, Counter>,
    connections: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RefusalLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LimitLabel {
    limit: &'static str,
}

impl Refusal {
    const ALL: [Self; 6] =
        [Self::Missing, Self::Token, Self::Certificate, Self::Limited, Self::Role, Self::Tls];

    fn label(self) -> RefusalLabel {
        let reason = match self {
            Self::Missing => "missing",
            Self::Token => "token",
            Self::Certificate => "certificate",
            Self::Limited => "limited",
            Self::Role => "role",
            Self::Tls => "tls",
        };
        RefusalLabel { reason }
    }
}

impl Limit {
    const ALL: [Self; 4] = [Self::Calls, Self::Streams, Self::Bytes, Self::Connections];

    fn label(self) -> LimitLabel {
        let limit = match self {
            Self::Calls => "calls",
            Self::Streams => "streams",
            Self::Bytes => "bytes",
            Self::Connections => "connections",
        };
        LimitLabel { limit }
    }
}

impl DoorMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let Self { refusals, shed, connections } = self;
        let about = "Callers refused, by what was wrong with their credentials";
        registry.register("caller_refusals", about, refusals.clone());
        registry.register("shed", "Calls and connections turned away, by the limit they met", shed.clone());
        registry.register("connections", "Connections that are open to grpc.addr", connections.clone());
        for refusal in Refusal::ALL {
            drop(refusals.get_or_create_owned(&refusal.label()));
        }
        for limit in Limit::ALL {
            drop(shed.get_or_create_owned(&limit.label()));
        }
    }

    /// Counts a caller that was refused.
    pub fn refused(&self, refusal: Refusal) {
        self.refusals.get_or_create_owned(&refusal.label()).inc();
    }

    /// Counts what was turned away.
    pub fn shed(&self, limit: Limit) {
        self.shed.get_or_create_owned(&limit.label()).inc();
    }

    /// Counts a connection for as long as it is open.
    pub fn connection(&self) -> OpenConnection {
        self.connections.inc();
        OpenConnection(self.connections.clone())
    }
}

/// A connection that is counted.
#[derive(Debug)]
pub struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}
