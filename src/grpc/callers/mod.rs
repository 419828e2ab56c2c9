//! Who calls, and what they may call.

use std::{collections::HashMap, fmt, sync::Arc};

use arc_swap::ArcSwap;
use http::{HeaderMap, header::AUTHORIZATION};
use sha2::{Digest as _, Sha256};
use tonic::Status;

pub mod methods;

use self::methods::{Access, Method};
use super::{context::CallContext, retry};
use crate::{
    config::callers::{Callers as Settings, Certificate, GatewayIds, Glob, Role, Token},
    door::{attempts::Attempts, connections::Peer},
    telemetry::metrics::door::{DoorMetrics, Refusal},
};

/// SHA-256 of a token.
type Digest = [u8; 32];

/// Who calls. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Caller(Arc<Known>);

#[derive(Debug)]
struct Known {
    name: String,
    role: Role,
    gateway_ids: GatewayIds,
}

impl Caller {
    fn new(name: &str, role: Role, gateway_ids: &GatewayIds) -> Self {
        Self(Arc::new(Known { name: name.to_owned(), role, gateway_ids: gateway_ids.clone() }))
    }

    /// Whoever calls a service that asks nobody.
    pub fn anybody() -> Self {
        Self::new("anonymous", Role::Admin, &GatewayIds::default())
    }

    /// For the log.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether they may do everything.
    pub fn is_admin(&self) -> bool {
        self.0.role == Role::Admin
    }

    /// Refuses a gateway id that they are not bound to.
    pub fn reports_for(&self, gateway_id: &str) -> Result<(), Status> {
        if self.0.gateway_ids.allow(gateway_id) {
            return Ok(());
        }
        let name = self.name();
        Err(Status::permission_denied(format!(
            "hello.gateway_id: `{name}` may not report for this gateway (gateway_ids)"
        )))
    }

    /// Refuses what only an admin may.
    pub fn is_admin_for(&self, what: &str) -> Result<(), Status> {
        if self.is_admin() {
            return Ok(());
        }
        let name = self.name();
        Err(Status::permission_denied(format!(
            "{what} needs the role admin, and `{name}` has the role {}",
            self.0.role
        )))
    }
}

/// Those who may call. Exchanged while running when the settings change.
pub struct Callers {
    known: ArcSwap<Everybody>,
    attempts: Attempts,
    metrics: Arc<DoorMetrics>,
}

struct Everybody {
    tokens: HashMap<Digest, Caller>,
    certificates: Vec<(Glob, Caller)>,
    /// Nobody is named, so nobody is asked.
    anybody: Option<Caller>,
}

impl Everybody {
    fn of(settings: &Settings) -> Self {
        let token = |Token { name, digest, role, gateway_ids }: &Token| {
            (*digest, Caller::new(name, *role, gateway_ids))
        };
        let certificate = |Certificate { name, role, gateway_ids }: &Certificate| {
            (name.clone(), Caller::new(&name.to_string(), *role, gateway_ids))
        };
        Self {
            tokens: settings.tokens.iter().map(token).collect(),
            certificates: settings.certificates.iter().map(certificate).collect(),
            anybody: settings.is_empty().then(Caller::anybody),
        }
    }
}

impl fmt::Debug for Callers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callers").finish_non_exhaustive()
    }
}

impl Callers {
    /// Those that the settings name.
    pub fn new(settings: &Settings, metrics: Arc<DoorMetrics>) -> Self {
        let known = ArcSwap::from_pointee(Everybody::of(settings));
        Self { known, attempts: Attempts::default(), metrics }
    }

    /// From now on these may call; streams that are open stay so.
    pub fn replace(&self, settings: &Settings) {
        self.known.store(Arc::new(Everybody::of(settings)));
    }

    /// Asks who makes this call of a method, and whether they may. Of an open one nobody is asked.
    pub(super) fn admit(
        &self,
        method: &Method,
        headers: &HeaderMap,
        call: &CallContext,
    ) -> Result<(), Status> {
        let Access::Role(needed) = method.access else { return Ok(()) };
        let caller = self.caller(headers, call.peer()?);
        let caller = caller.map_err(|(refusal, status)| {
            self.metrics.refused(refusal);
            status
        })?;
        let role = caller.0.role;
        call.is_by(caller.clone());
        if role < needed {
            let (name, method) = (caller.name(), method.name());
            let message = format!("`{name}` has the role {role}, and {method} needs {needed}");
            return Err(Status::permission_denied(message));
        }
        Ok(())
    }

    fn caller(&self, headers: &HeaderMap, peer: &Peer) -> Result<Caller, (Refusal, Status)> {
        let known = self.known.load();
        if let Some(anybody) = &known.anybody {
            return Ok(anybody.clone());
        }
        if let Some(header) = headers.get(AUTHORIZATION) {
            let token = bearer(header.as_bytes()).ok_or_else(|| {
                let status = Status::unauthenticated("authorization: it is not `Bearer` and a token");
                (Refusal::Token, status)
            })?;
            return self.bearer_of(token, &known, peer);
        }
        let mut certificates = known.certificates.iter();
        let certificate =
            certificates.find(|(glob, _)| peer.certificate_names().iter().any(|name| glob.matches(name)));
        certificate.map(|(_, caller)| caller.clone()).ok_or_else(|| match peer.certificate_names() {
            [] => (
                Refusal::Missing,
                Status::unauthenticated(
                    "no credentials: send `authorization: Bearer` with a token of callers.tokens, or a client certificate",
                ),
            ),
            [name, ..] => (
                Refusal::Certificate,
                Status::unauthenticated(format!(
                    "no name of the client certificate matches callers.certificates; the first is {name:?}"
                )),
            ),
        })
    }

    fn bearer_of(&self, token: &[u8], known: &Everybody, peer: &Peer) -> Result<Caller, (Refusal, Status)> {
        let digest: Digest = Sha256::digest(token).into();
        // The digest tells nobody how much of a token is right, so comparing it may take as long as it takes.
        if let Some(caller) = known.tokens.get(&digest) {
            return Ok(caller.clone());
        }
        Err(match self.attempts.wrong(peer.network()) {
            None => (Refusal::Token, Status::unauthenticated("the bearer token is none of callers.tokens")),
            Some(wait) => {
                (Refusal::Limited, retry::after(wait, "too many wrong tokens came from this address"))
            }
        })
    }
}

/// The token of `Bearer token` (RFC 6750, 2.1); the scheme in any case (RFC 9110, 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}
