//! Puts the parts together, serves, and drains in order.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::{
    net::TcpListener,
    sync::watch,
    task::{JoinError, JoinSet},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tower::Layer as _;

use crate::{
    authorize::OpenSockets,
    config::{Config, logout::Match},
    door::{
        capacity::Capacity,
        connections::{Connections, Protocol},
    },
    grpc::{
        self, Authorization, Calls, Draining, Observed, RegistryDoor,
        health::Health,
        intake::Room,
        pb::{
            authorization_service_server::AuthorizationServiceServer,
            registry_service_server::RegistryServiceServer,
        },
    },
    http::{self, Logouts, Phase},
    logout::{Claims, EndSessions, Receiver, Unavailable},
    registry::{Registry, tally::CommandCounts},
    session_end::{self, Ended, EndedSessions, Ender, KeepsRecord, SessionEnds},
    session_store::{self, Health as StoreHealth, SessionStore},
    task,
    telemetry::{
        self,
        audit::{Audit, CannotOpen, ToTheEnd},
        metrics::{CommandFigures, Metrics, RegistryFigures, SessionEndFigures},
    },
    user_source::UserSource,
};

mod in_force;

pub use self::in_force::{InForce, authorizer};

/// Why the service could not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address could not be taken.
    #[error(
        "{setting}: cannot listen on {addr}: {source}; is another process there, or is the address not this machine's?"
    )]
    Listen {
        /// Which setting names it.
        setting: &'static str,
        /// The address.
        addr: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
    /// The secrets cannot be used.
    #[error("session.secrets: {0}")]
    Secrets(#[from] crate::authorize::signature::EmptySecret),
    /// The audit log cannot be kept.
    #[error("{0}")]
    Audit(#[from] CannotOpen),
    /// The descriptors of the API are broken, which no setting can cause.
    #[error("gRPC reflection cannot start: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// Nobody would end sockets any more.
    #[error(
        "asking about the sessions of open sockets was broken off, and sockets would outlive their sessions: {0}"
    )]
    SessionEnds(String),
    /// A door of ours closed by itself.
    #[error("the {0} server ended by itself: {1}")]
    Door(&'static str, String),
}

/// A service with its addresses taken, ready to serve.
#[derive(Debug)]
pub struct Server {
    grpc: TcpListener,
    http: TcpListener,
    config: Config,
    in_force: Arc<InForce>,
    registry: Arc<Registry>,
    metrics: Arc<Metrics>,
    audit: Arc<Audit>,
}

impl Server {
    /// Takes the addresses and opens the store that the settings name.
    pub async fn bind(config: &Config) -> Result<Self, Error> {
        Self::bind_on(config, session_store::open(&config.session)).await
    }

    /// Takes the addresses; sessions come from this store.
    pub async fn bind_on(config: &Config, store: Arc<dyn SessionStore>) -> Result<Self, Error> {
        let metrics = Arc::new(Metrics::new());
        let registry = Arc::new(Registry::open(&config.registry, &config.user.identity, &config.limits));
        let open = Arc::new(Counting(Arc::clone(&registry)));
        Ok(Self {
            in_force: Arc::new(InForce::new(config, store, open, &metrics)?),
            grpc: listen("grpc.addr", config.grpc.addr).await?,
            http: listen("http.addr", config.http.addr).await?,
            registry,
            metrics,
            audit: Arc::new(Audit::open(&config.audit, config.user.identity.clone())?),
            config: config.clone(),
        })
    }

    /// Where gateways can call: the port is the real one where the settings said 0.
    pub fn grpc_addr(&self) -> Option<SocketAddr> {
        self.grpc.local_addr().ok()
    }

    /// Where probes and metrics are.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http.local_addr().ok()
    }

    /// What other settings may be put in place of while it serves.
    pub fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force)
    }

    /// The audit log, for whoever hears that its file was moved away.
    pub fn audit(&self) -> Arc<Audit> {
        Arc::clone(&self.audit)
    }

    /// Serves until `shutdown` is cancelled, then drains: not serving, no new calls, those that run finish, or are cut
    /// off after `limits.drain_timeout`.
    pub async fn serve(self, shutdown: CancellationToken) -> Result<(), Error> {
        let Self { grpc: grpc_listener, http: http_listener, config, in_force, registry, metrics, audit } =
            self;
        let limits = &config.limits;
        // When nobody decides any more, whichever way that comes about.
        let _last_lines = ToTheEnd(Arc::clone(&audit));
        let observed = Observed::new(Arc::clone(&metrics), Arc::clone(&audit));
        let (health, health_service) = Health::new().await;
        let phase = watch::Sender::new(Phase::Starting);

        let authorization = Authorization::new(
            Arc::clone(&in_force.authorizer),
            Arc::clone(&metrics),
            Arc::clone(&audit),
            limits.max_headers,
        );
        let authorization = AuthorizationServiceServer::new(authorization)
            .max_decoding_message_size(limits.max_message_bytes);
        let draining = Draining::default();
        let ends = Arc::new(session_end::Tally::default());
        let ender = Arc::new(Ender::new(
            Arc::clone(&in_force.authorizer),
            in_force.store.subscribe(),
            Arc::clone(&registry),
            Arc::clone(&ends),
        ));
        let registry_door =
            RegistryDoor::new(Arc::clone(&registry), Arc::clone(&ender), Arc::clone(metrics.door()));
        let registry_door =
            RegistryServiceServer::new(registry_door).max_decoding_message_size(limits.max_message_bytes);
        let mut routes =
            Routes::new(authorization).add_service(registry_door).add_service(health_service.clone());
        if config.grpc.reflection {
            routes = grpc::add_reflection(routes)?;
        }
        let (grpc_stop, http_stop) = (CancellationToken::new(), CancellationToken::new());
        let capacity = Arc::new(Capacity::new(limits, Arc::clone(metrics.door())));
        let room = Room::new(limits, Arc::clone(metrics.door()));
        let calls =
            Calls::new(limits, Arc::clone(&in_force.callers), Arc::clone(&capacity), room, draining.clone());
        let service = observed.layer(calls.layer(routes.prepare()));
        let connections = Connections::new(
            Protocol::Grpc,
            limits,
            Arc::clone(&in_force.tls),
            Arc::clone(&capacity),
            Arc::clone(metrics.door()),
        );
        let mut doors = JoinSet::new();
        let grpc_door = connections.serve(grpc_listener, service, grpc_stop.clone());
        doors.spawn(async move {
            grpc_door.await;
            "gRPC"
        });
        let http_capacity;
        let http_door = {
            // Whoever floods it takes nothing from the other door.
            let limits = &http::limits(limits);
            let capacity = Arc::new(Capacity::new(limits, Arc::clone(metrics.door())));
            let room = Room::new(limits, Arc::clone(metrics.door()));
            let calls = Calls::new(
                limits,
                Arc::clone(&in_force.callers),
                Arc::clone(&capacity),
                room,
                Draining::default(),
            );
            let health = observed.layer(calls.layer(Routes::new(health_service).prepare()));
            let logouts = config.logout.as_ref().map(|settings| {
                Logouts::new(
                    Receiver::open(
                        settings,
                        Arc::new(ByToken {
                            matching: settings.matching.clone(),
                            registry: Arc::clone(&registry),
                            ender: Arc::clone(&ender),
                        }),
                    ),
                    Arc::clone(&capacity),
                    phase.subscribe(),
                    limits.call_timeout,
                    Arc::clone(&metrics),
                    Arc::clone(&audit),
                )
            });
            http_capacity = Arc::clone(&capacity);
            let service = http::service(health, phase.subscribe(), Arc::clone(&metrics), logouts);
            let no_tls = Arc::default();
            Connections::new(Protocol::Http, limits, no_tls, capacity, Arc::clone(metrics.door())).serve(
                http_listener,
                service,
                http_stop.clone(),
            )
        };
        doors.spawn(async move {
            http_door.await;
            "HTTP"
        });

        let asked = Arc::clone(&registry);
        let parts = session_end::Parts {
            authorizer: Arc::clone(&in_force.authorizer),
            stores: in_force.store.subscribe(),
            registry: Arc::clone(&registry),
            tally: Arc::clone(&ends),
            keeper: Arc::new(ToAudit(Arc::clone(&audit))),
            interval: config.revalidate.interval,
        };
        let mut session_ends = SessionEnds::start(parts);
        metrics.ask_session_ends(move || session_end_figures(&ends));
        metrics.ask_registry(move || registry_figures(&asked));
        metrics.ask_told(move || telemetry::told(&audit));
        let follower = task::owned(follow(
            in_force.store.subscribe(),
            in_force.users.subscribe(),
            health.clone(),
            metrics,
        ));
        let registry_follower = task::owned(follow_registry(registry.health(), health.clone()));
        health.started().await;
        phase.send_replace(Phase::Serving);

        tokio::select! {
            () = shutdown.cancelled() => {}
            Some(ended) = doors.join_next() => return Err(closed(ended)),
            cause = session_ends.broke_off() => return Err(Error::SessionEnds(cause.to_string())),
        }

        tracing::info!(drain_timeout = ?limits.drain_timeout, "draining: no new calls, those that run finish");
        for follower in [follower, registry_follower] {
            follower.abort();
            // Until it has ended it could still say SERVING.
            let _ = follower.await;
        }
        phase.send_replace(Phase::Draining);
        health.draining().await;
        // Open streams would hold up the drain.
        grpc_stop.cancel();
        draining.answers.cancel();
        let drained = async {
            registry.send_gateways_away(limits.drain_timeout / 2).await;
            draining.conversations.cancel();
            quiet(&capacity, &http_capacity).await;
        };
        // The gRPC door first: until it is closed, probes hear that this replica is draining.
        tokio::select! {
            _closed = doors.join_next() => {}
            () = drained => {}
            () = sleep(limits.drain_timeout) => {
                tracing::warn!(calls = capacity.calls(), "what was still running after limits.drain_timeout is cut off");
            }
        }
        http_stop.cancel();
        doors.shutdown().await;
        Ok(())
    }
}

/// What decisions ask of the registry.
#[derive(Debug)]
struct Counting(Arc<Registry>);

impl OpenSockets for Counting {
    fn of(&self, id: &str) -> u64 {
        self.0.count_of_user(id)
    }
}

/// A connection whose client has never said anything would hold up the drain for good, so it is enough that those that have
/// called are closed, for long enough that what was on its way in has arrived. Whoever scrapes keeps the connection, so that of
/// the HTTP door nothing is waited for but answers.
async fn quiet(grpc: &Capacity, http: &Capacity) {
    const LOOK_EVERY: Duration = Duration::from_millis(50);
    const QUIET_LOOKS: u32 = 20;
    let mut quiet = 0;
    while quiet < QUIET_LOOKS {
        sleep(LOOK_EVERY).await;
        quiet = if grpc.is_quiet() && http.calls() == 0 { quiet + 1 } else { 0 };
    }
}

/// Keeps a record of ended sockets in the audit log.
#[derive(Debug)]
struct ToAudit(Arc<Audit>);

impl KeepsRecord for ToAudit {
    fn ended(&self, ended: Ended<'_>) {
        let Ended { gateway_id, reason, sockets, one } = ended;
        self.0.sockets_ended(gateway_id, reason, one.user(), one.session_id(), sockets);
    }
}

/// Ends what tokens say is over.
struct ByToken {
    matching: Match,
    registry: Arc<Registry>,
    ender: Arc<Ender>,
}

#[async_trait]
impl EndSessions for ByToken {
    async fn end_sessions(&self, claims: &Claims) -> Result<u64, Unavailable> {
        let whose = self.matching.of(claims);
        let whose = whose.map_err(|error| Unavailable(format!("logout.match cannot be asked: {error}")))?;
        let query = self.registry.query_of(whose);
        let EndedSessions { matched, without_session, coverage, .. } =
            self.ender.end(&query).await.map_err(|cannot| Unavailable(cannot.to_string()))?;
        if without_session > 0 {
            tracing::warn!(
                sockets = without_session,
                "a logout token is about sockets that were reported without a session id: they stay open"
            );
        }
        let ended = matched - without_session;
        match self.registry.gap(&coverage) {
            None => Ok(ended),
            // The others are ended if the token comes again.
            Some(gap) => Err(Unavailable(format!(
                "the registry may not know every open socket: {gap}; the sessions behind {ended} that it knows were ended"
            ))),
        }
    }
}

async fn listen(setting: &'static str, addr: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(addr).await.map_err(|source| Error::Listen { setting, addr, source })
}

fn closed(ended: Result<&'static str, JoinError>) -> Error {
    match ended {
        Ok(door) => Error::Door(door, "without a word".to_owned()),
        Err(panic) => Error::Door("gRPC or HTTP", panic.to_string()),
    }
}

/// Carries the health of the store and the user source in force to the service's health and metrics.
async fn follow(
    mut stores: watch::Receiver<Arc<dyn SessionStore>>,
    mut sources: watch::Receiver<Arc<dyn UserSource>>,
    health: Health,
    metrics: Arc<Metrics>,
) {
    loop {
        let mut store = stores.borrow_and_update().health();
        let mut source = sources.borrow_and_update().health();
        loop {
            let (store_now, source_now) = (*store.borrow_and_update(), *source.borrow_and_update());
            metrics.session_store(store_now);
            metrics.user_source(source_now);
            health.authorization(store_now == StoreHealth::Up && source_now == StoreHealth::Up).await;
            let exchanged = tokio::select! {
                Ok(()) = store.changed() => continue,
                Ok(()) = source.changed() => continue,
                exchanged = stores.changed() => exchanged,
                exchanged = sources.changed() => exchanged,
            };
            match exchanged {
                Ok(()) => break,
                Err(_) => return,
            }
        }
    }
}

fn registry_figures(registry: &Registry) -> RegistryFigures {
    let gateways = registry.gateways();
    let (late, live): (Vec<_>, Vec<_>) = gateways.iter().partition(|gateway| gateway.is_late);
    let count = |gateways: Vec<_>| u64::try_from(gateways.len()).unwrap_or(u64::MAX);
    let coverage = registry.coverage();
    let tally = registry.tally();
    let commands = tally.commands().into_iter().map(|counts| {
        let CommandCounts { task, sent, done, failed, unreachable } = counts;
        CommandFigures { task, sent, done, failed, unreachable }
    });
    RegistryFigures {
        is_up: *registry.health().borrow() == StoreHealth::Up,
        evicts: registry.store_evicts(),
        age: coverage.age,
        warming_up: coverage.warming_up,
        sockets: gateways.iter().map(|gateway| gateway.sockets).sum(),
        live_gateways: count(live),
        late_gateways: count(late),
        gone_gateways: tally.gone(),
        commands: commands.collect(),
    }
}

fn session_end_figures(tally: &session_end::Tally) -> SessionEndFigures {
    let session_end::Figures {
        sessions,
        asked,
        heard,
        lost,
        are_told,
        user_changes,
        user_change_failures,
        waiting,
        ended,
        not_ended,
        destroyed,
        not_destroyed,
        ending,
    } = tally.figures();
    SessionEndFigures {
        sessions,
        questions: asked,
        pushes_up: are_told,
        changes: heard,
        changes_lost: lost,
        user_changes,
        user_change_failures,
        waiting,
        ended,
        failures: not_ended,
        destroyed: [("done", destroyed), ("failed", not_destroyed)],
        ending,
    }
}

/// Carries the health of the registry's ledger to the service's.
async fn follow_registry(mut answers: watch::Receiver<StoreHealth>, health: Health) {
    loop {
        let now = *answers.borrow_and_update();
        health.registry(now == StoreHealth::Up).await;
        if answers.changed().await.is_err() {
            return;
        }
    }
}
