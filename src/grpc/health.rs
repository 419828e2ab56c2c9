//! `grpc.health.v1` on both doors: whether the process works, whether this replica can take calls, and whether each
//! service has what it depends on.

use tonic::server::NamedService;
use tonic_health::{
    ServingStatus,
    pb::health_server::{Health as HealthService, HealthServer},
    server::{HealthReporter, health_reporter},
};

use super::{
    Authorization, RegistryDoor,
    pb::{
        authorization_service_server::AuthorizationServiceServer,
        registry_service_server::RegistryServiceServer,
    },
};

/// The process works.
const LIVENESS: &str = "liveness";
/// This replica can take calls and give honest answers, also the answer that a store is away.
const READINESS: &str = "readiness";
/// What is asked when no service is named: the same as readiness.
const OVERALL: &str = "";
/// The authorization service, while its store answers.
const AUTHORIZATION: &str = <AuthorizationServiceServer<Authorization> as NamedService>::NAME;

/// The registry service, while what keeps the registry answers.
const REGISTRY: &str = <RegistryServiceServer<RegistryDoor> as NamedService>::NAME;

const ALL: [&str; 5] = [LIVENESS, READINESS, OVERALL, AUTHORIZATION, REGISTRY];

/// What the health service says at both doors. Everything starts NOT_SERVING.
#[derive(Clone, Debug)]
pub struct Health(HealthReporter);

impl Health {
    /// The statuses, and the service.
    pub async fn new() -> (Self, HealthServer<impl HealthService>) {
        let (reporter, service) = health_reporter();
        let health = Self(reporter);
        for service in ALL {
            health.set(service, false).await;
        }
        (health, service)
    }

    /// The listeners are up.
    pub async fn started(&self) {
        for service in [LIVENESS, READINESS, OVERALL] {
            self.set(service, true).await;
        }
    }

    /// Whether the store behind the authorization service answers.
    pub async fn authorization(&self, serving: bool) {
        self.set(AUTHORIZATION, serving).await;
    }

    /// Whether what keeps the registry answers.
    pub async fn registry(&self, serving: bool) {
        self.set(REGISTRY, serving).await;
    }

    /// Nothing is served any more. Liveness goes too: what is being stopped needs no probe that restarts it.
    pub async fn draining(&self) {
        for service in ALL {
            self.set(service, false).await;
        }
    }

    async fn set(&self, service: &str, serving: bool) {
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        self.0.set_service_status(service, status).await;
    }
}
