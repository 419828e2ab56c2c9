//! What is elsewhere and may be away: databases and the like, kept in reach for all who ask.
//!
//! A keeper task asks now and then whether it answers, on a connection of its own, so that no request has to find out
//! that it does not. Requests share a few more connections, made when they are first needed.

use std::{
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    health::{Health, Reporter, Told},
    task,
};

mod failure;
mod keeper;
mod pool;
mod readers;
#[cfg(test)]
mod tests;

pub use self::{failure::Failure, readers::Readers};
use self::{
    keeper::Keeper,
    pool::{Idle, Pool, Way},
};

/// Something that is asked over connections.
#[async_trait]
pub trait Remote: fmt::Debug + Send + Sync + 'static {
    /// A connection. One that is dropped is closed, whatever it is about.
    type Connection: Send + 'static;
    /// What can be asked, and may be asked twice: what it does is then done once.
    type Question: Send + Sync + 'static;
    /// What it answers.
    type Answer: Send + 'static;

    /// Makes a connection, logged in and ready to be asked.
    async fn connect(&self) -> Result<Self::Connection, String>;

    /// Asks over it.
    async fn ask(
        &self,
        connection: &mut Self::Connection,
        question: &Self::Question,
    ) -> Result<Self::Answer, Failure>;

    /// Whether it can be asked over it again: not if the rest of an answer may still be on its way.
    fn is_usable(&self, _connection: &Self::Connection) -> bool {
        true
    }
}

/// How long it may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// An attempt to connect.
    pub connect: Duration,
    /// An answer, as the one who asks waits for it: with a connection, should there be none.
    pub answer: Duration,
}

impl Patience {
    /// When a server is to give up a question by itself: nobody waits for the answer any longer, and those who do not are
    /// told first.
    pub fn of_server(&self) -> Duration {
        self.answer + self.answer / 4
    }
}

/// A remote that is kept in reach. Ends when it is dropped.
pub struct Kept<R: Remote> {
    inner: Arc<Inner<R>>,
    health: watch::Receiver<Health>,
    _keeper: AbortOnDropHandle<()>,
}

struct Inner<R: Remote> {
    remote: R,
    pool: Pool<R::Connection>,
    patience: Patience,
    /// Why it is away, once that is known and as long as it is.
    away: RwLock<Option<Failure>>,
    /// A request failed: look at once.
    doubt: Notify,
    /// How often what answers may have become another.
    connection: AtomicU64,
}

impl<R: Remote> Kept<R> {
    /// Starts to look after it; `probe` is a question of the kind that will be asked. One that is away is no reason not
    /// to start.
    pub fn open(remote: R, patience: Patience, told: Told, probe: R::Question) -> Self {
        let reporter = Reporter::new(told);
        let health = reporter.subscribe();
        let inner = Arc::new(Inner {
            remote,
            pool: Pool::default(),
            patience,
            away: RwLock::new(None),
            doubt: Notify::new(),
            connection: AtomicU64::new(0),
        });
        let keeper = Keeper { inner: Arc::clone(&inner), probe, reporter };
        Self { inner, health, _keeper: task::owned(keeper.run()) }
    }

    /// What it answers, within `patience.answer`.
    pub async fn ask(&self, question: &R::Question) -> Result<R::Answer, Failure> {
        self.ask_until(Instant::now() + self.inner.patience.answer, question).await
    }

    /// What it answers, until then; at once that it is away while the keeper knows so. A connection that was idle and
    /// turns out to be broken may be one that a restart cut: then another is asked.
    pub async fn ask_until(&self, deadline: Instant, question: &R::Question) -> Result<R::Answer, Failure> {
        if let Some(failure) = self.inner.why_away() {
            return Err(failure);
        }
        let begun = Instant::now();
        let answer = match timeout_at(deadline, self.inner.ask(question)).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(Failure::no_answer(deadline.saturating_duration_since(begun))),
        };
        if answer.is_err() {
            self.inner.doubt.notify_one();
        }
        answer
    }

    /// Which connection answers, counted: with one that was lost, what is asked may have become another server, or one that
    /// has just come back. None is lost that was closed here, and none counts if another one that waited beside it answers.
    /// What an answer is worth says the number that is read after it.
    pub fn connection(&self) -> u64 {
        self.inner.connection.load(Ordering::Relaxed)
    }

    /// Follows whether it answers.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }
}

impl<R: Remote> Inner<R> {
    async fn ask(&self, question: &R::Question) -> Result<R::Answer, Failure> {
        let place = self.pool.place().await;
        // When one that is lost answered for the last time.
        let mut lost: Option<Instant> = None;
        loop {
            let (mut connection, made, used) = match place.way().await {
                Way::Idle(Idle { connection, made, used }) => (connection, made, Some(used)),
                Way::Open(_opener) => {
                    // The keeper may not have noticed yet.
                    if lost.take().is_some() {
                        self.is_another();
                    }
                    (self.connect().await?, Instant::now(), None)
                }
            };
            match (self.remote.ask(&mut connection, question).await, used) {
                (Err(Failure::Broken(_)), Some(used)) => {
                    lost = Some(lost.map_or(used, |lost| lost.min(used)));
                }
                (Err(broken @ Failure::Broken(_)), None) => return Err(broken),
                (answer, _) => {
                    if lost.is_some_and(|lost| made >= lost) {
                        self.is_another();
                    }
                    if self.remote.is_usable(&connection) {
                        self.pool.keep(connection, made);
                    }
                    return answer;
                }
            }
        }
    }

    async fn connect(&self) -> Result<R::Connection, Failure> {
        let within = self.patience.connect;
        match timeout(within, self.remote.connect()).await {
            Ok(connection) => connection.map_err(Failure::Away),
            Err(_elapsed) => Err(Failure::no_connection(within)),
        }
    }

    /// Nobody's request is to be the one that pays for a connection, if it can be avoided.
    async fn warm_up(&self) {
        self.pool.close_old();
        if self.pool.is_cold()
            && let Ok(connection) = self.connect().await
        {
            self.pool.keep(connection, Instant::now());
        }
    }

    /// What answers from now on may be another.
    fn is_another(&self) {
        self.connection.fetch_add(1, Ordering::Relaxed);
    }

    fn set_away(&self, why: Option<Failure>) {
        *self.away.write().unwrap_or_else(PoisonError::into_inner) = why;
    }

    fn why_away(&self) -> Option<Failure> {
        self.away.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<R: Remote> fmt::Debug for Kept<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("remote", &self.inner.remote)
            .field("health", &*self.health.borrow())
            .finish()
    }
}
