//! What is elsewhere and may be away: databases and the like, kept in reach for all who ask.
//!
//! A keeper task asks now and then whether it answers, on a connection of its own, so that no request has to find out
//! that it does not. Requests share a few more connections, made when they are first needed.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    health::{Health, Reporter, Told},
    task,
};

mod pool;

use self::pool::{Pool, Way};

/// How often the keeper asks: half a second bounds how long a dead server goes unnoticed by health, and costs it nothing.
const CHECK_EVERY: Duration = Duration::from_millis(500);

/// However many requests are in doubt, the server is asked only so often.
const CHECK_AT_MOST_EVERY: Duration = Duration::from_millis(20);

/// Something that is asked over connections.
#[async_trait]
pub trait Remote: fmt::Debug + Send + Sync + 'static {
    /// A connection. One that is dropped is closed, whatever it is about.
    type Connection: Send + 'static;
    /// What can be asked, and may be asked twice.
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
}

/// Why there is no answer. For the log alone: it may hold a driver's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody knows in which state the connection is: it is not asked again.
    Broken(String),
    /// The server's own error: the connection goes on.
    Refused(String),
}

impl Failure {
    fn into_cause(self) -> String {
        match self {
            Self::Broken(cause) | Self::Refused(cause) => cause,
        }
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
    away: RwLock<Option<Arc<str>>>,
    /// A request failed: look at once.
    doubt: Notify,
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
        });
        let keeper = Arc::clone(&inner).keep(probe, reporter);
        Self { inner, health, _keeper: task::owned(keeper) }
    }

    /// What it answers, within `patience.answer`; at once that it is away while the keeper knows so. A connection that
    /// was idle and turns out to be broken may be one that a restart cut: then another is asked.
    pub async fn ask(&self, question: &R::Question) -> Result<R::Answer, String> {
        if let Some(cause) = self.inner.cause_of_absence() {
            return Err(cause.to_string());
        }
        let within = self.inner.patience.answer;
        let answer = match timeout(within, self.inner.ask(question)).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(no_answer(within)),
        };
        if answer.is_err() {
            self.inner.doubt.notify_one();
        }
        answer
    }

    /// Follows whether it answers.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }
}

impl<R: Remote> Inner<R> {
    async fn ask(&self, question: &R::Question) -> Result<R::Answer, String> {
        let place = self.pool.place().await;
        loop {
            let (mut connection, is_new) = match place.way().await {
                Way::Idle(connection) => (connection, false),
                Way::Open(_opener) => (self.connect().await?, true),
            };
            match self.remote.ask(&mut connection, question).await {
                Err(Failure::Broken(cause)) if is_new => return Err(cause),
                Err(Failure::Broken(_)) => {}
                answer => {
                    self.pool.keep(connection);
                    return answer.map_err(Failure::into_cause);
                }
            }
        }
    }

    async fn connect(&self) -> Result<R::Connection, String> {
        let within = self.patience.connect;
        match timeout(within, self.remote.connect()).await {
            Ok(connection) => connection,
            Err(_elapsed) => Err(format!("no connection within {within:?}")),
        }
    }

    /// The keeper.
    async fn keep(self: Arc<Self>, probe: R::Question, reporter: Reporter) {
        let mut connection = None;
        loop {
            match self.check(&mut connection, &probe).await {
                Ok(()) => {
                    self.set_away(None);
                    reporter.up();
                    // Nobody's request is to be the one that pays for a connection, if it can be avoided.
                    if self.pool.is_cold()
                        && let Ok(connection) = self.connect().await
                    {
                        self.pool.keep(connection);
                    }
                }
                Err(cause) => {
                    // What is idle leads to a server that hangs or is gone.
                    self.pool.clear();
                    self.set_away(Some(cause.as_str().into()));
                    reporter.down(&cause);
                }
            }
            sleep(CHECK_AT_MOST_EVERY).await;
            // Replicas that lost it together do not come back together.
            let pause = CHECK_EVERY.mul_f64(rand::random_range(0.5..1.0));
            tokio::select! {
                () = sleep(pause) => {}
                () = self.doubt.notified() => {}
            }
        }
    }

    /// Asks the probe, on the keeper's own connection: one that waits behind requests would take a rush for an outage.
    async fn check(&self, kept: &mut Option<R::Connection>, probe: &R::Question) -> Result<(), String> {
        if let Some(mut connection) = kept.take() {
            match self.probe(&mut connection, probe).await {
                Ok(()) => {
                    *kept = Some(connection);
                    return Ok(());
                }
                Err(Failure::Refused(cause)) => {
                    *kept = Some(connection);
                    return Err(cause);
                }
                Err(Failure::Broken(_)) => {}
            }
        }
        let mut connection = self.connect().await?;
        match self.probe(&mut connection, probe).await {
            Ok(()) => {
                *kept = Some(connection);
                Ok(())
            }
            Err(failure) => Err(failure.into_cause()),
        }
    }

    async fn probe(&self, connection: &mut R::Connection, probe: &R::Question) -> Result<(), Failure> {
        let within = self.patience.answer;
        match timeout(within, self.remote.ask(connection, probe)).await {
            Ok(answer) => answer.map(drop),
            Err(_elapsed) => Err(Failure::Broken(no_answer(within))),
        }
    }

    fn set_away(&self, cause: Option<Arc<str>>) {
        *self.away.write().unwrap_or_else(PoisonError::into_inner) = cause;
    }

    fn cause_of_absence(&self) -> Option<Arc<str>> {
        self.away.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn no_answer(within: Duration) -> String {
    format!("no answer within {within:?}")
}

impl<R: Remote> fmt::Debug for Kept<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("remote", &self.inner.remote)
            .field("health", &*self.health.borrow())
            .finish()
    }
}
