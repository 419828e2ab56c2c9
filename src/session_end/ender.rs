//! Ends sessions from outside: destroys them in the store, and their sockets end with them.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{sync::watch, task::JoinSet, time::sleep};

use crate::{
    authorize::Authorizer,
    registry::{BrokenOff, Registry, query::Query},
    session_store::{Fault, SessionId, SessionStore},
};

/// A request that was under way writes its session again within this.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Sessions that are destroyed at once.
const AT_ONCE: usize = 64;

/// Why sessions could not be ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotEnd {
    /// There is nothing that could be destroyed.
    #[error(
        "sessions are in their cookies (session.store = \"cookie-session:\"), which nobody can destroy from here"
    )]
    InCookies,
    /// The store did not do it for all of them. The cause is for the log.
    #[error(
        "the session store did not do it, and the service's log says why: {0} of {1} sessions were ended"
    )]
    Store(usize, usize),
    /// The sockets could not be looked at.
    #[error(transparent)]
    BrokenOff(#[from] BrokenOff),
}

/// Ends sessions.
#[derive(Debug)]
pub struct Ender {
    authorizer: Arc<ArcSwap<Authorizer>>,
    stores: watch::Receiver<Arc<dyn SessionStore>>,
    registry: Arc<Registry>,
    /// Those who look again whether a session is back.
    looking: Mutex<JoinSet<()>>,
}

impl Ender {
    /// Ends sessions in the store in force.
    pub fn new(
        authorizer: Arc<ArcSwap<Authorizer>>,
        stores: watch::Receiver<Arc<dyn SessionStore>>,
        registry: Arc<Registry>,
    ) -> Self {
        Self { authorizer, stores, registry, looking: Mutex::default() }
    }

    /// Ends the sessions behind the sockets that match, and says how many sockets did.
    pub async fn end(&self, query: &Arc<Query>) -> Result<u64, CannotEnd> {
        if !self.authorizer.load().keeps_sessions() {
            return Err(CannotEnd::InCookies);
        }
        let members = self.registry.matching(query).await?;
        let ids: HashSet<String> =
            members.iter().map(|member| member.record.session_id().to_owned()).collect();
        let ids: Vec<SessionId> = ids.into_iter().filter_map(SessionId::new).collect();
        let store = Arc::clone(&self.stores.borrow());
        let destroyed = destroy(&store, ids.clone()).await;
        have_changed(&self.registry, &ids).await;
        let (asked, done) = (ids.len(), destroyed.len());
        let mut looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        while looking.try_join_next().is_some() {}
        looking.spawn(look_again(store, Arc::clone(&self.registry), destroyed));
        drop(looking);
        if done < asked {
            return Err(CannotEnd::Store(done, asked));
        }
        Ok(u64::try_from(members.len()).unwrap_or(u64::MAX))
    }
}

/// Destroys sessions, some at once, and gives those for which it was done.
async fn destroy(store: &Arc<dyn SessionStore>, ids: Vec<SessionId>) -> Vec<SessionId> {
    let mut destroyed = Vec::new();
    let mut under_way: JoinSet<(SessionId, Result<(), Fault>)> = JoinSet::new();
    let mut ids = ids.into_iter();
    loop {
        while under_way.len() < AT_ONCE
            && let Some(id) = ids.next()
        {
            let store = Arc::clone(store);
            under_way.spawn(async move {
                let done = store.destroy(&id).await;
                (id, done)
            });
        }
        match under_way.join_next().await {
            Some(Ok((id, Ok(())))) => destroyed.push(id),
            Some(Ok((id, Err(fault)))) => {
                tracing::warn!(session_id = ?id, cause = %fault, "a session could not be destroyed");
            }
            Some(Err(panic)) => tracing::error!(cause = %panic, "destroying a session was broken off"),
            None => return destroyed,
        }
    }
}

/// Has their sockets asked about at once: not every store tells of changes.
async fn have_changed(registry: &Registry, ids: &[SessionId]) {
    registry.sessions_changed(ids.iter().map(|id| Arc::from(id.expose()))).await;
}

/// Destroys those that are back.
async fn look_again(store: Arc<dyn SessionStore>, registry: Arc<Registry>, ids: Vec<SessionId>) {
    sleep(LOOK_AGAIN).await;
    let mut back = Vec::new();
    for id in ids {
        if let Ok(Some(_)) = store.load(&id, 1).await {
            back.push(id);
        }
    }
    let destroyed = destroy(&store, back).await;
    have_changed(&registry, &destroyed).await;
}
