//! Connections that wait for the next question.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, Semaphore, SemaphorePermit},
    time::Instant,
};

/// How many questions are under way at a time. What is asked here takes a server well under a millisecond, so that these
/// answer thousands a second, and a database counts connections: each replica has this many and one for its keeper.
const PLACES: usize = 8;

/// How many are being made at a time. In a rush the others wait for one that is made already, which is sooner free than a
/// database, asked for many at once, has let them all in.
const OPENED_AT_ONCE: usize = 2;

/// One that was idle for longer is closed. What is between here and the server (NAT, a firewall, a balancer) forgets after
/// minutes a connection that nothing comes over, often without a word: whoever asks over it then waits in vain.
const IDLE: Duration = Duration::from_secs(30);

/// A few connections that take turns.
pub(super) struct Pool<C> {
    /// Those that were used last at the end.
    idle: Mutex<Vec<Idle<C>>>,
    returned: Notify,
    places: Semaphore,
    openers: Semaphore,
}

/// A connection that waits.
pub(super) struct Idle<C> {
    pub(super) connection: C,
    pub(super) made: Instant,
    /// When it was known to be alive.
    pub(super) used: Instant,
}

/// The right to ask one question.
pub(super) struct Place<'p, C> {
    pool: &'p Pool<C>,
    _permit: Option<SemaphorePermit<'p>>,
}

/// How to come by a connection.
pub(super) enum Way<'p, C> {
    /// This one was idle.
    Idle(Idle<C>),
    /// Make one.
    Open(Option<SemaphorePermit<'p>>),
}

impl<C> Default for Pool<C> {
    fn default() -> Self {
        Self {
            idle: Mutex::new(Vec::new()),
            returned: Notify::new(),
            places: Semaphore::new(PLACES),
            openers: Semaphore::new(OPENED_AT_ONCE),
        }
    }
}

impl<C> Pool<C> {
    /// Waits for a place; whoever waits longest is the first.
    pub(super) async fn place(&self) -> Place<'_, C> {
        // The semaphores are never closed.
        Place { pool: self, _permit: self.places.acquire().await.ok() }
    }

    /// Whether nobody has a connection.
    pub(super) fn is_cold(&self) -> bool {
        self.places.available_permits() == PLACES && self.idle().is_empty()
    }

    /// Has a connection wait for the next question, which was made then and has just answered.
    pub(super) fn keep(&self, connection: C, made: Instant) {
        self.idle().push(Idle { connection, made, used: Instant::now() });
        self.returned.notify_one();
    }

    /// One that is idle and was made before then.
    pub(super) fn take_made_before(&self, then: Instant) -> Option<C> {
        let mut idle = self.idle();
        let at = idle.iter().rposition(|idle| idle.made < then)?;
        Some(idle.remove(at).connection)
    }

    /// Closes what is idle.
    pub(super) fn clear(&self) {
        let idle = std::mem::take(&mut *self.idle());
        drop(idle);
    }

    /// Closes what was idle for too long.
    pub(super) fn close_old(&self) {
        let old: Vec<_> = {
            let mut idle = self.idle();
            let count = idle.iter().take_while(|idle| is_old(idle.used)).count();
            idle.drain(..count).collect()
        };
        drop(old);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle<C>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'p, C> Place<'p, C> {
    /// The connection that was used last, so that those that are not needed stay idle; else the right to make one, or one
    /// that is returned meanwhile.
    pub(super) async fn way(&self) -> Way<'p, C> {
        loop {
            let returned = self.pool.returned.notified();
            let idle = self.pool.idle().pop();
            if let Some(idle) = idle
                && !is_old(idle.used)
            {
                return Way::Idle(idle);
            }
            tokio::select! {
                opener = self.pool.openers.acquire() => return Way::Open(opener.ok()),
                () = returned => {}
            }
        }
    }
}

fn is_old(used: Instant) -> bool {
    used.elapsed() > IDLE
}
