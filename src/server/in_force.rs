//! What settings decide and may be exchanged while the service runs: who is let in, who may call, TLS's certificate.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use rustls::ServerConfig;
use tokio::sync::watch;

use super::Error;
use crate::{
    authorize::{
        Authorizer, Cap, OpenSockets, Rules, Sessions,
        keygrip::Keygrip,
        policy::{AcceptPolicy, Policy},
        signature::Keys,
    },
    config::{
        Config,
        session::{Session, StoreUrl},
        user::User,
    },
    grpc::callers::Callers,
    session_store::{self, SessionStore},
    telemetry::{
        metrics::Metrics,
        observed::{ObservedPolicy, ObservedSource, ObservedStore},
    },
    user_source::{self, UserSource},
};

/// What is in force.
#[derive(Debug)]
pub struct InForce {
    /// Who is let in.
    pub(super) authorizer: Arc<ArcSwap<Authorizer>>,
    /// Where sessions are.
    pub(super) store: watch::Sender<Arc<dyn SessionStore>>,
    /// Who people are.
    pub(super) users: watch::Sender<Arc<dyn UserSource>>,
    /// Who may call.
    pub(super) callers: Arc<Callers>,
    /// What connections are taken with, if TLS is on.
    pub(super) tls: Arc<ArcSwapOption<ServerConfig>>,
    /// Who counts open sockets.
    open: Arc<dyn OpenSockets>,
    metrics: Arc<Metrics>,
    config: Mutex<Config>,
}

impl InForce {
    /// What these settings say, with sessions from this store.
    pub(super) fn new(
        config: &Config,
        store: Arc<dyn SessionStore>,
        open: Arc<dyn OpenSockets>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, Error> {
        let store = ObservedStore::around(store, Arc::clone(metrics));
        let users = ObservedSource::around(user_source::open(&config.user), Arc::clone(metrics));
        let authorizer = observed_authorizer(config, Arc::clone(&store), Arc::clone(&users), metrics)?
            .with_cap(cap(config, &open));
        Ok(Self {
            open,
            authorizer: Arc::new(ArcSwap::from_pointee(authorizer)),
            store: watch::Sender::new(store),
            callers: Arc::new(Callers::new(&config.callers, Arc::clone(metrics.door()))),
            tls: Arc::new(ArcSwapOption::new(config.tls.as_ref().map(|tls| Arc::clone(&tls.0)))),
            users: watch::Sender::new(users),
            metrics: Arc::clone(metrics),
            config: Mutex::new(config.clone()),
        })
    }

    /// Takes what [`is_reloaded`](crate::config::setting::Setting::is_reloaded) from this new reading of the settings, or
    /// nothing of it; then why.
    pub fn exchange(&self, config: &Config) -> Result<(), String> {
        let mut in_force = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        if config.callers.is_empty() && !in_force.callers.is_empty() {
            // The new reading may be for an address on loopback, and the old one is what is listened on.
            return Err("nobody is named in callers.tokens and callers.certificates any more, and every call would be an \
                        admin's: that takes a restart"
                .to_owned());
        }
        let is_same_store = in_force.session.has_same_store(&config.session);
        let store = if is_same_store {
            Arc::clone(&self.store.borrow())
        } else {
            ObservedStore::around(session_store::open(&config.session), Arc::clone(&self.metrics))
        };
        // The registry stays indexed by what it was indexed by.
        let user = User { identity: in_force.user.identity.clone(), ..config.user.clone() };
        let is_same_source = in_force.user == user;
        let users = if is_same_source {
            Arc::clone(&self.users.borrow())
        } else {
            ObservedSource::around(user_source::open(&user), Arc::clone(&self.metrics))
        };
        let authorizer = observed_authorizer(config, Arc::clone(&store), Arc::clone(&users), &self.metrics)
            .map_err(|error| error.to_string())?
            .with_cap(cap(config, &self.open));
        self.authorizer.store(Arc::new(authorizer));
        if !is_same_store {
            self.store.send_replace(store);
        }
        if !is_same_source {
            self.users.send_replace(users);
        }
        self.callers.replace(&config.callers);
        match (&config.tls, self.tls.load().is_some()) {
            (Some(tls), true) => self.tls.store(Some(Arc::clone(&tls.0))),
            (None, false) => {}
            (Some(_), false) | (None, true) => {
                // Clients speak one of the two.
                tracing::warn!("whether there is TLS at all (tls.cert_file) changes only at the next start");
            }
        }
        *in_force = Config { user, ..config.clone() };
        Ok(())
    }
}

/// What the settings say of who may come in.
pub fn authorizer(config: &Config, store: Arc<dyn SessionStore>) -> Result<Authorizer, Error> {
    authorizer_of(config, store, user_source::open(&config.user), policy(config))
}

fn cap(config: &Config, open: &Arc<dyn OpenSockets>) -> Option<Cap> {
    let max = config.limits.max_sockets_per_user?;
    Some(Cap { max, evicts_oldest: config.limits.evict_oldest, open: Arc::clone(open) })
}

fn policy(config: &Config) -> Arc<dyn Policy> {
    Arc::new(AcceptPolicy::new(config.policy.accept.clone()))
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
        store: store_url,
        keygrip_algorithm,
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
        id_field: config.user.identity.names.clone(),
    };
    let sessions = match store_url {
        StoreUrl::CookieSession => Sessions::InCookie(Keygrip::new(secrets, *keygrip_algorithm)?),
        _ => Sessions::InStore(store, Keys::new(secrets)?),
    };
    Ok(Authorizer::new(rules, sessions, users, policy))
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
