//! Connections that wait for the next question.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

/// How many questions are under way at a time. What is asked here takes a server well under a millisecond, so that these
/// answer thousands a second, and a database counts connections: each replica has this many and one for its keeper.
const PLACES: usize = 8;

/// A few connections that take turns.
pub(super) struct Pool<C> {
    idle: Mutex<Vec<C>>,
    places: Semaphore,
}

/// The right to ask one question.
pub(super) struct Place<'p, C> {
    pool: &'p Pool<C>,
    _permit: Option<SemaphorePermit<'p>>,
}

impl<C> Default for Pool<C> {
    fn default() -> Self {
        Self { idle: Mutex::new(Vec::new()), places: Semaphore::new(PLACES) }
    }
}

impl<C> Pool<C> {
    /// Waits for a place; whoever waits longest is the first.
    pub(super) async fn place(&self) -> Place<'_, C> {
        // The semaphore is never closed.
        Place { pool: self, _permit: self.places.acquire().await.ok() }
    }

    /// Closes what is idle.
    pub(super) fn clear(&self) {
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        drop(idle);
    }
}

impl<C> Place<'_, C> {
    /// The connection that was used last: those that are not needed age and can be closed by the server.
    pub(super) fn idle(&self) -> Option<C> {
        self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Has a connection wait for the next question.
    pub(super) fn keep(&self, connection: C) {
        self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }
}
