//! Ends sessions from outside: destroys them in the store, and their sockets end with them.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{
    sync::{Semaphore, oneshot, watch},
    task::JoinSet,
    time::sleep,
};

use super::tally::Tally;
use crate::{
    authorize::Authorizer,
    registry::{BrokenOff, Registry, query::Query, view::Coverage},
    session_store::{Fault, SessionId, SessionStore},
};

/// A request that was under way writes its session again within this.
const ONCE_MORE: Duration = Duration::from_secs(2);

/// Sessions that are destroyed at once, for all who end some.
const AT_ONCE: usize = 64;

/// Sessions that are being ended at once: their ids are kept for some seconds. Whoever ends many more has all places.
const PLACES: u32 = 1_000_000;

/// Whoever ends fewer takes the places of so many.
const FEW: u32 = 20;

/// Sessions that are destroyed, and once more, together.
const TOGETHER: usize = 1_000;

/// When so many in a row could not be destroyed, the store is not asked for the others.
const IN_VAIN: usize = 4 * AT_ONCE;

/// Why sessions could not be ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotEnd {
    /// There is nothing that could be destroyed.
    #[error(
        "sessions are in their cookies (session.store = \"cookie-session:\"), which nobody can destroy from here"
    )]
    InCookies,
    /// There is no place for another who ends some.
    #[error("sessions are being ended for as many others as this replica has places for")]
    TooMany,
    /// The store did not do it for all of them. The cause is for the log.
    #[error(
        "the session store did not do it, and the service's log says why: {} of {} sessions were ended",
        .0.destroyed, .0.destroyed + .0.left
    )]
    Store(EndedSessions),
    /// The same, and it will not as long as its user has no more rights.
    #[error(
        "the session store refuses to delete sessions: its user may only read, and the service's log says which right is \
         missing; {} of {} sessions were ended",
        .0.destroyed, .0.destroyed + .0.left
    )]
    Refused(EndedSessions),
    /// The sockets could not be looked at.
    #[error(transparent)]
    BrokenOff(#[from] BrokenOff),
}

/// What was ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedSessions {
    /// Sockets that matched.
    pub matched: u64,
    /// Those of them that have no session, and stay.
    pub without_session: u64,
    /// Sessions that were destroyed.
    pub destroyed: u64,
    /// Sessions that the store did not destroy.
    pub left: u64,
    /// How much was known of the sockets when they were looked at.
    pub coverage: Coverage,
}

/// Ends sessions.
#[derive(Debug)]
pub struct Ender {
    authorizer: Arc<ArcSwap<Authorizer>>,
    stores: watch::Receiver<Arc<dyn SessionStore>>,
    registry: Arc<Registry>,
    tally: Arc<Tally>,
    /// Places for questions to the store.
    at_once: Arc<Semaphore>,
    /// Places for sessions.
    places: Arc<Semaphore>,
    /// What was begun goes on when its caller has left, and ends with the process.
    runs: Mutex<JoinSet<()>>,
}

impl Ender {
    /// Ends sessions in the store in force.
    pub fn new(
        authorizer: Arc<ArcSwap<Authorizer>>,
        stores: watch::Receiver<Arc<dyn SessionStore>>,
        registry: Arc<Registry>,
        tally: Arc<Tally>,
    ) -> Self {
        Self {
            authorizer,
            stores,
            registry,
            tally,
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
            places: Arc::new(Semaphore::new(usize::try_from(PLACES).unwrap_or(Semaphore::MAX_PERMITS))),
            runs: Mutex::default(),
        }
    }

    /// Ends the sessions behind the sockets that match.
    pub async fn end(&self, query: &Arc<Query>) -> Result<EndedSessions, CannotEnd> {
        if !self.authorizer.load().keeps_sessions() {
            return Err(CannotEnd::InCookies);
        }
        // Before they are looked at: what becomes known later was not among them.
        let coverage = self.registry.coverage();
        let members = self.registry.matching(query).await?;
        let mut without_session = 0;
        let mut ids = HashSet::new();
        for member in &members {
            match SessionId::new(member.record.session_id().to_owned()) {
                Some(id) => drop(ids.insert(id)),
                None => without_session += 1,
            }
        }
        let ids: Vec<SessionId> = ids.into_iter().collect();
        let asked = ids.len();
        let ended = |Left { count, is_refused: _ }| EndedSessions {
            matched: wide(members.len()),
            without_session,
            destroyed: wide(asked - count),
            left: wide(count),
            coverage,
        };
        if asked == 0 {
            return Ok(ended(Left::default()));
        }
        let places = u32::try_from(asked).unwrap_or(PLACES).clamp(FEW, PLACES);
        let places =
            Arc::clone(&self.places).try_acquire_many_owned(places).map_err(|_| CannotEnd::TooMany)?;
        let run = Run {
            store: Arc::clone(&self.stores.borrow()),
            registry: Arc::clone(&self.registry),
            tally: Arc::clone(&self.tally),
            at_once: Arc::clone(&self.at_once),
        };
        let (tell, told) = oneshot::channel();
        {
            let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
            while runs.try_join_next().is_some() {}
            runs.spawn(async move {
                run.end(ids, tell).await;
                drop(places);
            });
        }
        match told.await {
            Ok(left @ Left { count: 0, .. }) => Ok(ended(left)),
            Ok(left @ Left { is_refused: true, .. }) => Err(CannotEnd::Refused(ended(left))),
            Ok(left) => Err(CannotEnd::Store(ended(left))),
            Err(_) => Err(BrokenOff.into()),
        }
    }
}

/// Of how many sessions nobody knows whether they are destroyed.
#[derive(Clone, Copy, Default)]
struct Left {
    count: usize,
    /// The last of them because the store's user may not.
    is_refused: bool,
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The end of some sessions, from its beginning to the last attempt.
struct Run {
    store: Arc<dyn SessionStore>,
    registry: Arc<Registry>,
    tally: Arc<Tally>,
    at_once: Arc<Semaphore>,
}

impl Run {
    /// Destroys them, tells how many are left, and destroys each once more.
    async fn end(self, ids: Vec<SessionId>, tell: oneshot::Sender<Left>) {
        let tally = Arc::clone(&self.tally);
        let _under_way = tally.is_ending();
        let this = Arc::new(self);
        let mut once_more = JoinSet::new();
        let mut left = Left { count: 0, is_refused: false };
        let mut rest = ids.as_slice();
        while !rest.is_empty() {
            let (some, others) = rest.split_at(rest.len().min(TOGETHER));
            let (failed, is_refused) = this.destroy(some).await;
            rest = others;
            left.count += failed.len();
            left.is_refused |= is_refused;
            once_more.spawn(Arc::clone(&this).end_once_more(some.to_vec()));
            if failed.len() >= IN_VAIN {
                left.count += rest.len();
                once_more.spawn(Arc::clone(&this).end_once_more(rest.to_vec()));
                break;
            }
        }
        // Whoever left is not told.
        let _ = tell.send(left);
        while let Some(over) = once_more.join_next().await {
            if let Err(panic) = over {
                tracing::error!(cause = %panic, "ending sessions once more was broken off");
            }
        }
    }

    /// One that is not there any more costs no more than to look whether it is back. What fails then is tried a last time.
    async fn end_once_more(self: Arc<Self>, ids: Vec<SessionId>) {
        sleep(ONCE_MORE).await;
        let (left, _) = self.destroy(&ids).await;
        if !left.is_empty() {
            sleep(ONCE_MORE).await;
            self.destroy(&left).await;
        }
    }

    /// Destroys sessions, some at once, and has their sockets asked about at once, since not every store tells of changes.
    /// Gives those for which it was not done, and whether the store's user may not do it.
    async fn destroy(&self, ids: &[SessionId]) -> (Vec<SessionId>, bool) {
        let mut count = Count::default();
        let mut under_way = JoinSet::new();
        let mut rest = ids.iter();
        while count.in_vain < IN_VAIN
            && let Some(id) = rest.next()
        {
            let Ok(place) = Arc::clone(&self.at_once).acquire_owned().await else { break };
            let (store, id) = (Arc::clone(&self.store), id.clone());
            under_way.spawn(async move {
                let done = store.destroy(&id).await;
                drop(place);
                (id, done)
            });
            while let Some(destroyed) = under_way.try_join_next() {
                count.add(destroyed);
            }
        }
        while let Some(destroyed) = under_way.join_next().await {
            count.add(destroyed);
        }
        let Count { done, cause, is_refused, in_vain: _ } = count;
        self.tally.destroyed(done.len(), ids.len() - done.len());
        if done.len() < ids.len() {
            tracing::warn!(
                left = ids.len() - done.len(),
                of = ids.len(),
                cause = cause.unwrap_or_default(),
                "sessions could not be destroyed; the cause is that of the last one"
            );
        }
        self.registry.sessions_changed(done.iter().map(|id| Arc::from(id.expose()))).await;
        (ids.iter().filter(|id| !done.contains(*id)).cloned().collect(), is_refused)
    }
}

type Destroyed = Result<(SessionId, Result<(), Fault>), tokio::task::JoinError>;

/// What came of destroying some.
#[derive(Default)]
struct Count {
    done: HashSet<SessionId>,
    /// Why the last one was not.
    cause: Option<String>,
    /// Because the store's user may not.
    is_refused: bool,
    /// So many in a row were not.
    in_vain: usize,
}

impl Count {
    fn add(&mut self, destroyed: Destroyed) {
        let cause = match destroyed {
            Ok((id, Ok(()))) => {
                self.done.insert(id);
                self.in_vain = 0;
                return;
            }
            Ok((_, Err(fault))) => {
                self.is_refused = matches!(fault, Fault::Refused(_));
                fault.to_string()
            }
            Err(panic) => panic.to_string(),
        };
        self.cause = Some(cause);
        self.in_vain += 1;
    }
}
