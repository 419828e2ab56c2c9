//! Metrics of the gRPC door: who was turned away, and how much is open.

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

use super::{Counters, Maker, table};

/// Why a caller was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No credentials.
    Missing,
    /// A token that is none of `callers.tokens`.
    Token,
    /// A certificate that none of `callers.certificates` matches.
    Certificate,
    /// A wrong token, after too many from the address.
    Limited,
    /// What the caller's role, or its `gateway_ids`, do not allow.
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
    /// Calls that need no credentials.
    Open,
    /// `limits.max_gateways`.
    Gateways,
    /// `limits.max_watches`.
    Watches,
}

/// What is counted at the door.
#[derive(Debug)]
pub struct DoorMetrics {
    refusals: [Counter; Refusal::ALL.len()],
    shed: [Counter; Limit::ALL.len()],
    connections: Gauge,
}

impl Refusal {
    const ALL: [Self; 6] =
        [Self::Missing, Self::Token, Self::Certificate, Self::Limited, Self::Role, Self::Tls];

    fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Token => "token",
            Self::Certificate => "certificate",
            Self::Limited => "limited",
            Self::Role => "role",
            Self::Tls => "tls",
        }
    }
}

impl Limit {
    const ALL: [Self; 7] = [
        Self::Calls,
        Self::Streams,
        Self::Bytes,
        Self::Connections,
        Self::Open,
        Self::Gateways,
        Self::Watches,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Streams => "streams",
            Self::Bytes => "bytes",
            Self::Connections => "connections",
            Self::Open => "open",
            Self::Gateways => "gateways",
            Self::Watches => "watches",
        }
    }
}

impl DoorMetrics {
    pub(super) fn register(made: &mut Maker<'_>) -> Self {
        let (refusals, shed): (Counters, Counters) =
            (made.one(&table::CALLER_REFUSALS), made.one(&table::SHED));
        Self {
            refusals: Refusal::ALL
                .map(|refusal| refusals.get_or_create_owned(&vec![("reason", refusal.name())])),
            shed: Limit::ALL.map(|limit| shed.get_or_create_owned(&vec![("limit", limit.name())])),
            connections: made.one(&table::CONNECTIONS),
        }
    }

    /// Counts a caller that was refused.
    pub fn refused(&self, refused: Refusal) {
        let counters = Refusal::ALL.iter().zip(&self.refusals);
        for (_, counter) in counters.filter(|(refusal, _)| **refusal == refused) {
            counter.inc();
        }
    }

    /// Counts what was turned away.
    pub fn shed(&self, met: Limit) {
        let counters = Limit::ALL.iter().zip(&self.shed);
        for (_, counter) in counters.filter(|(limit, _)| **limit == met) {
            counter.inc();
        }
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
