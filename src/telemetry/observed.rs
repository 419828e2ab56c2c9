//! Stores, sources and policies that are measured and traced, around those that know nothing of it.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::watch;
use tracing::Instrument as _;

use super::{
    metrics::{Metrics, Outcome, Waiting},
    traces,
};
use crate::{
    authorize::{
        User,
        policy::{Policy, PolicyFailed, Socket},
    },
    session_store::{Fault as StoreFault, Health, Lasting, Listener, SessionId, SessionStore},
    user_source::{Fault as SourceFault, Resolved, UserSource},
};

/// A session store.
#[derive(Debug)]
pub struct ObservedStore {
    inner: Arc<dyn SessionStore>,
    metrics: Arc<Metrics>,
}

impl ObservedStore {
    /// Around this one.
    pub fn around(inner: Arc<dyn SessionStore>, metrics: Arc<Metrics>) -> Arc<dyn SessionStore> {
        Arc::new(Self { inner, metrics })
    }

    async fn loading<T>(
        &self,
        loading: impl Future<Output = Result<Option<T>, StoreFault>>,
    ) -> Result<Option<T>, StoreFault> {
        let waiting = Waiting::for_one_of(self.metrics.session_store_answers());
        let loaded = match traces::session_store() {
            None => loading.await,
            Some(span) => {
                let loaded = loading.instrument(span.clone()).await;
                traces::outcome(&span, outcome(&loaded).name(), loaded.is_err());
                loaded
            }
        };
        waiting.answered(outcome(&loaded));
        loaded
    }
}

#[async_trait]
impl SessionStore for ObservedStore {
    async fn load(&self, id: &SessionId, max_bytes: usize) -> Result<Option<Vec<u8>>, StoreFault> {
        self.loading(self.inner.load(id, max_bytes)).await
    }

    async fn load_with_end(&self, id: &SessionId, max_bytes: usize) -> Result<Option<Lasting>, StoreFault> {
        self.loading(self.inner.load_with_end(id, max_bytes)).await
    }

    async fn destroy(&self, id: &SessionId) -> Result<(), StoreFault> {
        self.inner.destroy(id).await
    }

    fn connection(&self) -> u64 {
        self.inner.connection()
    }

    async fn follow(&self, listener: Arc<dyn Listener>) {
        self.inner.follow(listener).await;
    }

    fn place(&self, id: &str) -> String {
        self.inner.place(id)
    }

    fn question(&self) -> &'static str {
        self.inner.question()
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.inner.health()
    }
}

/// A user source.
#[derive(Debug)]
pub struct ObservedSource {
    inner: Arc<dyn UserSource>,
    metrics: Arc<Metrics>,
}

impl ObservedSource {
    /// Around this one.
    pub fn around(inner: Arc<dyn UserSource>, metrics: Arc<Metrics>) -> Arc<dyn UserSource> {
        Arc::new(Self { inner, metrics })
    }
}

#[async_trait]
impl UserSource for ObservedSource {
    async fn resolve(&self, passport_user: Value) -> Result<Resolved, SourceFault> {
        let waiting = Waiting::for_one_of(self.metrics.user_source_answers());
        let resolved = match traces::user_source(self.inner.name()) {
            None => self.inner.resolve(passport_user).await,
            Some(span) => {
                let resolved = self.inner.resolve(passport_user).instrument(span.clone()).await;
                traces::outcome(&span, outcome_of_user(&resolved).name(), resolved.is_err());
                if let Ok(Resolved { how, .. }) = &resolved {
                    traces::user_was(&span, how.name());
                }
                resolved
            }
        };
        waiting.answered(outcome_of_user(&resolved));
        self.metrics.user_was(&resolved);
        resolved
    }

    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn place(&self, passport_user: &Value) -> Option<String> {
        self.inner.place(passport_user)
    }

    fn when_missing(&self) -> &'static str {
        self.inner.when_missing()
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.inner.health()
    }
}

fn outcome<T, E>(answer: &Result<Option<T>, E>) -> Outcome {
    match answer {
        Ok(Some(_)) => Outcome::Found,
        Ok(None) => Outcome::Missing,
        Err(_) => Outcome::Failed,
    }
}

fn outcome_of_user(resolved: &Result<Resolved, SourceFault>) -> Outcome {
    outcome(&resolved.as_ref().map(|resolved| resolved.user.as_ref()))
}

/// A policy.
pub struct ObservedPolicy {
    inner: Arc<dyn Policy>,
    metrics: Arc<Metrics>,
}

impl ObservedPolicy {
    /// Around this one.
    pub fn around(inner: Arc<dyn Policy>, metrics: Arc<Metrics>) -> Arc<dyn Policy> {
        Arc::new(Self { inner, metrics })
    }
}

impl Policy for ObservedPolicy {
    fn accepts(&self, user: &User, socket: Socket<'_>) -> Result<bool, PolicyFailed> {
        let span = traces::policy();
        let said = self.inner.accepts(user, socket).inspect_err(|_| self.metrics.policy_failed());
        if let Some(span) = span {
            traces::policy_said(&span, said.as_ref().ok().copied());
        }
        said
    }

    fn text(&self) -> &str {
        self.inner.text()
    }

    fn missing(&self, socket: Socket<'_>) -> Vec<&'static str> {
        self.inner.missing(socket)
    }
}
