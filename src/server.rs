//! Puts the parts together, serves, and drains in order.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::{ArcSwap, ArcSwapOption};
use rustls::ServerConfig;
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
    authorize::{
        Authorizer, Rules,
        policy::{Everybody, LoggedIn, Policy},
        signature::Keys,
    },
    config::{
        Config,
        decisions::{Accept, UserSource as SourceSetting},
        operation::Limits,
        session::Session,
    },
    grpc::{
        self, Authorization, Calls, Draining, Observed, RegistryDoor,
        callers::Callers,
        capacity::Capacity,
        connections::Connections,
        health::Health,
        intake::Room,
        pb::{
            authorization_service_server::AuthorizationServiceServer,
            registry_service_server::RegistryServiceServer,
        },
    },
    http::{self, Phase},
    registry::{Registry, tally::CommandCounts},
    session_store::{self, Health as StoreHealth, SessionStore},
    task,
    telemetry::{
        self,
        audit::{Audit, CannotOpen, ToTheEnd},
        causes,
        metrics::{CommandFigures, Metrics, RegistryFigures},
        observed::{ObservedPolicy, ObservedSource, ObservedStore},
    },
    user_source::{SessionUser, UserSource},
};

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
    /// A door of ours closed by itself.
    #[error("the {0} server ended by itself: {1}")]
    Door(&'static str, String),
}

/// A service with its addresses taken, ready to serve.
#[derive(Debug)]
pub struct Server {
    grpc: TcpListener,
    http: TcpListener,
    authorizer: Arc<ArcSwap<Authorizer>>,
    store: watch::Sender<Arc<dyn SessionStore>>,
    users: Arc<dyn UserSource>,
    config: Config,
    registry: Arc<Registry>,
    reflection: bool,
    limits: Limits,
    callers: Arc<Callers>,
    tls: Arc<ArcSwapOption<ServerConfig>>,
    metrics: Arc<Metrics>,
    audit: Arc<Audit>,
}

/// What the settings say of who may come in.
pub fn authorizer(config: &Config, store: Arc<dyn SessionStore>) -> Result<Authorizer, Error> {
    authorizer_of(config, store, users(config), policy(config))
}

fn users(config: &Config) -> Arc<dyn UserSource> {
    match config.user.source {
        SourceSetting::Session => Arc::new(SessionUser),
    }
}

fn policy(config: &Config) -> Arc<dyn Policy> {
    match config.policy.accept {
        Accept::LoggedIn => Arc::new(LoggedIn),
        Accept::Everybody => Arc::new(Everybody),
    }
}

fn authorizer_of(
    config: &Config,
    store: Arc<dyn SessionStore>,
    users: Arc<dyn UserSource>,
    policy: Arc<dyn Policy>,
) -> Result<Authorizer, Error> {
    let Session {
        cookie,
        secrets,
        id_outside_cookie,
        passport_key,
        allowed_origins,
        store: _,
        prefix: _,
        store_connect_timeout: _,
        store_timeout: _,
    } = &config.session;
    let rules = Rules {
        cookie: cookie.clone(),
        passport_key: passport_key.clone(),
        outside_cookie: *id_outside_cookie,
        allowed_origins: allowed_origins.clone(),
        denied_message: config.policy.message.clone(),
        max_session_bytes: config.limits.max_session_bytes,
    };
    Ok(Authorizer::new(rules, Keys::new(secrets)?, store, users, policy))
}

impl Server {
    /// Takes the addresses and opens the store that the settings name.
    pub async fn bind(config: &Config) -> Result<Self, Error> {
        Self::bind_on(config, session_store::open(&config.session)).await
    }

    /// Takes the addresses; sessions come from this store.
    pub async fn bind_on(config: &Config, store: Arc<dyn SessionStore>) -> Result<Self, Error> {
        let metrics = Arc::new(Metrics::new());
        let store = ObservedStore::around(store, Arc::clone(&metrics));
        let users = ObservedSource::around(users(config), Arc::clone(&metrics));
        let authorizer = observed_authorizer(config, Arc::clone(&store), Arc::clone(&users), &metrics)?;
        let asked = Arc::clone(&users);
        metrics.ask_user_source(move || asked.health());
        Ok(Self {
            grpc: listen("grpc.addr", config.grpc.addr).await?,
            http: listen("http.addr", config.http.addr).await?,
            authorizer: Arc::new(ArcSwap::from_pointee(authorizer)),
            store: watch::Sender::new(store),
            users,
            config: config.clone(),
            registry: Arc::new(Registry::open(&config.registry, &config.user.identity, &config.limits)),
            reflection: config.grpc.reflection,
            limits: config.limits.clone(),
            callers: Arc::new(Callers::new(&config.callers, Arc::clone(metrics.door()))),
            tls: Arc::new(ArcSwapOption::new(config.tls.as_ref().map(|tls| Arc::clone(&tls.0)))),
            metrics,
            audit: Arc::new(Audit::open(&config.audit, config.user.identity.clone())?),
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

    /// Puts new values of settings in force while the service runs: those that can stand in files of their own.
    pub fn reloader(&self) -> Reloader {
        Reloader {
            authorizer: Arc::clone(&self.authorizer),
            store: self.store.clone(),
            users: Arc::clone(&self.users),
            in_force: std::sync::Mutex::new(self.config.clone()),
            callers: Arc::clone(&self.callers),
            tls: Arc::clone(&self.tls),
            metrics: Arc::clone(&self.metrics),
        }
    }

    /// The audit log, for whoever hears that its file was moved away.
    pub fn audit(&self) -> Arc<Audit> {
        Arc::clone(&self.audit)
    }

    /// Serves until `shutdown` is cancelled, then drains: not serving, no new calls, those that run finish, or are cut
    /// off after `limits.drain_timeout`.
    pub async fn serve(self, shutdown: CancellationToken) -> Result<(), Error> {
        let Self {
            grpc: grpc_listener,
            http: http_listener,
            authorizer,
            store,
            users: _,
            config: _,
            registry,
            reflection,
            limits,
            callers,
            tls,
            metrics,
            audit,
        } = self;
        // When nobody decides any more, whichever way that comes about.
        let _last_lines = ToTheEnd(Arc::clone(&audit));
        let observed = Observed::new(Arc::clone(&metrics), Arc::clone(&audit));
        let (health, health_service) = Health::new().await;
        let phase = watch::Sender::new(Phase::Starting);

        let authorization =
            Authorization::new(authorizer, Arc::clone(&metrics), Arc::clone(&audit), limits.max_headers);
        let authorization = AuthorizationServiceServer::new(authorization)
            .max_decoding_message_size(limits.max_message_bytes);
        let draining = Draining::default();
        let registry_door = RegistryDoor::new(Arc::clone(&registry), Arc::clone(metrics.door()));
        let registry_door =
            RegistryServiceServer::new(registry_door).max_decoding_message_size(limits.max_message_bytes);
        let mut routes =
            Routes::new(authorization).add_service(registry_door).add_service(health_service.clone());
        if reflection {
            routes = grpc::add_reflection(routes)?;
        }
        let (grpc_stop, http_stop) = (CancellationToken::new(), CancellationToken::new());
        let capacity = Arc::new(Capacity::new(&limits, Arc::clone(metrics.door())));
        let room = Room::new(&limits, Arc::clone(metrics.door()));
        let service = Calls::new(&limits, callers, Arc::clone(&capacity), room, draining.clone())
            .layer(routes.prepare());
        let service = observed.layer(service);
        let connections = Connections::new(&limits, tls, Arc::clone(&capacity), Arc::clone(metrics.door()));
        let mut doors = JoinSet::new();
        let grpc_door = connections.serve(grpc_listener, service, grpc_stop.clone());
        doors.spawn(async move {
            grpc_door.await;
            ("gRPC", Ok(()))
        });
        let router = http::router(Routes::new(health_service), phase.subscribe(), Arc::clone(&metrics));
        let http_door =
            axum::serve(http_listener, router).with_graceful_shutdown(http_stop.clone().cancelled_owned());
        doors.spawn(async move { ("HTTP", http_door.await.map_err(|error| causes(&error))) });

        let asked = Arc::clone(&registry);
        metrics.ask_registry(move || registry_figures(&asked));
        metrics.ask_told(move || telemetry::told(&audit));
        let follower = task::owned(follow(store, health.clone(), metrics));
        let registry_follower = task::owned(follow_registry(registry.health(), health.clone()));
        health.started().await;
        phase.send_replace(Phase::Serving);

        tokio::select! {
            () = shutdown.cancelled() => {}
            Some(ended) = doors.join_next() => return Err(closed(ended)),
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
            quiet(&capacity).await;
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

/// A connection whose client has never said anything would hold up the drain for good, so it is enough that those that have
/// called are closed, for long enough that what was on its way in has arrived.
async fn quiet(capacity: &Capacity) {
    const LOOK_EVERY: Duration = Duration::from_millis(50);
    const QUIET_LOOKS: u32 = 20;
    let mut quiet = 0;
    while quiet < QUIET_LOOKS {
        sleep(LOOK_EVERY).await;
        quiet = if capacity.is_quiet() { quiet + 1 } else { 0 };
    }
}

async fn listen(setting: &'static str, addr: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(addr).await.map_err(|source| Error::Listen { setting, addr, source })
}

fn closed(ended: Result<(&'static str, Result<(), String>), JoinError>) -> Error {
    match ended {
        Ok((door, Ok(()))) => Error::Door(door, "without a word".to_owned()),
        Ok((door, Err(cause))) => Error::Door(door, cause),
        Err(panic) => Error::Door("gRPC or HTTP", panic.to_string()),
    }
}

/// Carries the health of the store in force to the service's health and metrics.
async fn follow(store: watch::Sender<Arc<dyn SessionStore>>, health: Health, metrics: Arc<Metrics>) {
    let mut stores = store.subscribe();
    loop {
        let mut answers = stores.borrow_and_update().health();
        loop {
            let now = *answers.borrow_and_update();
            metrics.session_store(now);
            health.authorization(now == StoreHealth::Up).await;
            tokio::select! {
                Ok(()) = answers.changed() => {}
                changed = stores.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
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

/// Puts new values of settings in force.
#[derive(Debug)]
pub struct Reloader {
    authorizer: Arc<ArcSwap<Authorizer>>,
    store: watch::Sender<Arc<dyn SessionStore>>,
    users: Arc<dyn UserSource>,
    in_force: std::sync::Mutex<Config>,
    callers: Arc<Callers>,
    tls: Arc<ArcSwapOption<ServerConfig>>,
    metrics: Arc<Metrics>,
}

impl Reloader {
    /// Takes what decisions and callers hang on from this new reading of the settings: `[session]`, `[policy]`, `[callers]`,
    /// `[tls]` and `limits.max_session_bytes`.
    pub fn apply(&self, config: &Config) {
        let mut in_force = self.in_force.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_same_store = in_force.session.has_same_store(&config.session);
        let store = if is_same_store {
            Arc::clone(&self.store.borrow())
        } else {
            ObservedStore::around(session_store::open(&config.session), Arc::clone(&self.metrics))
        };
        match observed_authorizer(config, Arc::clone(&store), Arc::clone(&self.users), &self.metrics) {
            Ok(authorizer) => self.authorizer.store(Arc::new(authorizer)),
            Err(error) => {
                tracing::error!(%error, "the old settings stay in force");
                return;
            }
        }
        if !is_same_store {
            self.store.send_replace(store);
        }
        self.callers.replace(&config.callers);
        // Whether there is TLS at all is not changed under clients that speak one of the two.
        if let (Some(tls), true) = (&config.tls, self.tls.load().is_some()) {
            self.tls.store(Some(Arc::clone(&tls.0)));
        }
        *in_force = config.clone();
    }
}

fn observed_authorizer(
    config: &Config,
    store: Arc<dyn SessionStore>,
    users: Arc<dyn UserSource>,
    metrics: &Arc<Metrics>,
) -> Result<Authorizer, Error> {
    let policy = ObservedPolicy::around(policy(config), Arc::clone(metrics));
    authorizer_of(config, store, users, policy)
}
