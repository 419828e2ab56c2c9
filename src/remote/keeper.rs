//! The task that looks whether what is elsewhere answers.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout};

use super::{Failure, Inner, Remote};
use crate::health::Reporter;

/// How often it asks. With the time that an answer may take, this bounds how long a dead server goes unnoticed; it costs
/// the server nothing.
const CHECK_EVERY: Duration = Duration::from_millis(500);

/// However many requests are in doubt, the server is asked only so often.
const CHECK_AT_MOST_EVERY: Duration = Duration::from_millis(20);

/// So long it waits at most for a connection: it bounds how late it finds a server that took the place of one that is gone
/// without a word.
const LONGEST_FOR_CONNECTION: Duration = Duration::from_secs(5);

/// So long it waits at most for the answer of a server that let it in.
const LONGEST_FOR_ANSWER: Duration = Duration::from_secs(60);

/// Asks now and then, on a connection of its own: one that waits behind requests would take a rush for an outage.
pub(super) struct Keeper<R: Remote> {
    pub(super) inner: Arc<Inner<R>>,
    pub(super) probe: R::Question,
    pub(super) reporter: Reporter,
}

/// What one check leaves to the next.
struct Kept<C> {
    connection: Option<C>,
    /// When it answered last.
    answered: Instant,
    /// The last one was lost.
    is_lost: bool,
    /// How many attempts in a row were given up without a word from the server.
    given_up: u32,
}

impl<R: Remote> Keeper<R> {
    pub(super) async fn run(self) {
        let mut kept = Kept { connection: None, answered: Instant::now(), is_lost: true, given_up: 0 };
        loop {
            match self.check(&mut kept).await {
                Ok(()) => {
                    if std::mem::take(&mut kept.is_lost) {
                        self.inner.is_another();
                    }
                    self.inner.set_away(None);
                    self.reporter.up();
                    self.inner.warm_up().await;
                }
                Err(failure) => {
                    kept.is_lost |= kept.connection.is_none();
                    self.is_away(&failure);
                }
            }
            sleep(CHECK_AT_MOST_EVERY).await;
            // Replicas that lost it together do not come back together.
            let pause = CHECK_EVERY.mul_f64(rand::random_range(0.5..1.0));
            tokio::select! {
                () = sleep(pause) => {}
                () = self.inner.doubt.notified() => {}
            }
        }
    }

    async fn check(&self, kept: &mut Kept<R::Connection>) -> Result<(), Failure> {
        if let Some(connection) = kept.connection.take() {
            match self.ask(connection, kept).await {
                // A restart cut it, if it cut the others, too.
                Err(Failure::Broken(_)) => {}
                told => return told,
            }
            if let Some(another) = self.inner.pool.take_made_before(kept.answered) {
                match self.ask(another, kept).await {
                    Err(Failure::Broken(_)) => self.inner.is_another(),
                    told => return told,
                }
            }
            kept.is_lost = true;
        }
        let within = self.inner.patience.connect;
        let connecting = self.inner.remote.connect();
        let late = Failure::no_connection(within);
        let connection = self.wait(connecting, within, LONGEST_FOR_CONNECTION, late, kept).await?;
        let connection = connection.map_err(Failure::Away)?;
        self.ask(connection, kept).await
    }

    /// Asks the probe, and keeps the connection if it is as good as before.
    async fn ask(
        &self,
        mut connection: R::Connection,
        kept: &mut Kept<R::Connection>,
    ) -> Result<(), Failure> {
        let within = self.inner.patience.answer;
        let asking = self.inner.remote.ask(&mut connection, &self.probe);
        let late = Failure::no_answer(within);
        let answer = self.wait(asking, within, LONGEST_FOR_ANSWER, late, kept).await?;
        kept.given_up = 0;
        if !matches!(answer, Err(Failure::Broken(_))) {
            kept.answered = Instant::now();
            kept.connection = self.inner.remote.is_usable(&connection).then_some(connection);
        }
        answer.map(drop)
    }

    /// Says after this time that the server is away, and waits on: to ask again, it would have to open another connection,
    /// and a server that is stuck keeps those that were given up, each with its question. The longer it is silent, the
    /// longer it is waited for.
    async fn wait<T>(
        &self,
        attempt: impl Future<Output = T>,
        within: Duration,
        longest: Duration,
        late: Failure,
        kept: &mut Kept<R::Connection>,
    ) -> Result<T, Failure> {
        let mut attempt = pin!(attempt);
        if let Ok(outcome) = timeout(within, &mut attempt).await {
            return Ok(outcome);
        }
        self.is_away(&late);
        // A server that gives up questions itself has said so by then.
        let longer = within.saturating_mul(2_u32.saturating_pow(kept.given_up)).min(longest.max(within));
        let outcome = timeout(longer, attempt).await;
        outcome.map_err(|_elapsed| {
            kept.given_up = kept.given_up.saturating_add(1);
            late
        })
    }

    fn is_away(&self, failure: &Failure) {
        // What is idle leads to a server that hangs or is gone.
        self.inner.pool.clear();
        self.inner.set_away(Some(failure.clone()));
        self.reporter.down(&failure.to_string());
    }
}
