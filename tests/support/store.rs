//! Session stores as tests see them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use socketpass::session_store::{self, Fault, Health, SessionId, SessionStore};
use tokio::time::timeout;

use super::{ANA, ANA_ID, PATIENCE, service, until};

pub type Answer = Result<Option<Vec<u8>>, Fault>;

/// Opens a store as the service does.
pub fn open(url: &str, settings: &[(&str, &str)]) -> Arc<dyn SessionStore> {
    let settings: Vec<_> = [("SESSION_STORE", url)].iter().chain(settings).copied().collect();
    session_store::open(&service::config(&settings).unwrap().session)
}

pub async fn load(store: &dyn SessionStore, id: &str) -> Answer {
    store.load(&SessionId::new(id.to_owned()).unwrap()).await
}

pub fn found(session: impl Into<Vec<u8>>) -> Answer {
    Ok(Some(session.into()))
}

/// Waits for a state of health.
pub async fn becomes(store: &dyn SessionStore, health: Health) {
    let mut changes = store.health();
    let reached = timeout(PATIENCE, changes.wait_for(|now| *now == health)).await;
    reached.unwrap_or_else(|_| panic!("never {health:?}: {store:?}")).unwrap();
}

/// Waits until the store finds Ana's session.
pub async fn finds_ana(store: &dyn SessionStore) {
    until("the session is found", || async { load(store, ANA_ID).await == found(ANA) }).await;
}

/// Asserts that the store does not answer and how long it takes to say so; gives the cause.
pub async fn is_unavailable_within(bound: Duration, store: &dyn SessionStore) -> String {
    let start = Instant::now();
    let answer = load(store, ANA_ID).await;
    let took = start.elapsed();
    assert!(took < bound, "{answer:?} took {took:?}");
    match answer {
        Err(Fault::Unavailable(cause)) => cause,
        other => panic!("{other:?}"),
    }
}
