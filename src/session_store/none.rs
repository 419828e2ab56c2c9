//! `cookie-session:`: there is no store, since each session is in its cookie.

use async_trait::async_trait;
use tokio::sync::watch;

use super::{Fault, Health, SessionId, SessionStore};

/// Stands where a store would, has nothing, and never fails.
#[derive(Debug)]
pub(super) struct NoStore(watch::Sender<Health>);

impl Default for NoStore {
    fn default() -> Self {
        Self(watch::Sender::new(Health::Up))
    }
}

#[async_trait]
impl SessionStore for NoStore {
    async fn load(&self, _: &SessionId, _: usize) -> Result<Option<Vec<u8>>, Fault> {
        Ok(None)
    }

    async fn destroy(&self, _: &SessionId) -> Result<(), Fault> {
        Err(Fault::Unavailable(
            "sessions are in their cookies, which nobody can destroy from here".to_owned(),
        ))
    }

    fn place(&self, id: &str) -> String {
        format!("session `{id}`")
    }

    fn question(&self) -> &'static str {
        "with session.store = cookie-session: sessions are in their cookies, and in no store."
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.0.subscribe()
    }
}
