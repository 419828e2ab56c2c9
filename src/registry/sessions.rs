//! The sessions of the sockets whose gateways report to this replica: whoever asks about them hears here which there are.

use std::{
    collections::HashSet,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{sync::Notify, time::Instant};

use super::{
    Registry,
    change::Shard,
    command::Task,
    confirmation::Confirmation,
    dispatch::Outcome,
    ledger::{Fault, Tenure},
    view::{index::Key, member::Member, shard::Known},
};
use crate::expression::{
    path::{Path, Root},
    scope::SocketField,
};

/// Sessions whose sockets were reported here, until somebody takes them.
#[derive(Debug, Default)]
pub struct Reported {
    sessions: Mutex<HashSet<Arc<str>>>,
    more: Notify,
}

impl Reported {
    /// These were reported and are kept.
    pub(super) fn add(&self, session_ids: impl IntoIterator<Item = Arc<str>>) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let before = sessions.len();
        sessions.extend(session_ids);
        if sessions.len() > before {
            self.more.notify_one();
        }
    }

    /// Those that were reported since, at least one.
    pub async fn take(&self) -> HashSet<Arc<str>> {
        loop {
            let sessions = mem::take(&mut *self.sessions.lock().unwrap_or_else(PoisonError::into_inner));
            if !sessions.is_empty() {
                return sessions;
            }
            self.more.notified().await;
        }
    }
}

/// The sockets of a session.
#[derive(Debug)]
pub struct SessionSockets {
    /// Those whose gateways report here.
    pub here: Vec<Member>,
    /// Everything that was kept before the time in question is among them.
    pub is_all: bool,
}

impl Registry {
    /// Which sessions are reported here.
    pub fn reported(&self) -> &Reported {
        &self.reported
    }

    /// The sockets of a session whose gateways report here; `since`: when one of them was reported at the latest.
    pub fn sockets_of_session(&self, session_id: &str, since: Instant) -> SessionSockets {
        let path = Path { root: Root::Socket(SocketField::SessionId), names: Vec::new() };
        let mut found = SessionSockets { here: Vec::new(), is_all: true };
        for shard in Shard::all() {
            let shard = self.view.shard(shard);
            found.is_all &= match shard.known() {
                Known::Never => false,
                Known::At(then) => then >= since,
                Known::Always => true,
            };
            let Some((index, values)) = shard.index(&path) else { continue };
            let slots = index.equal(Key::Text(session_id.as_bytes()), &values).slots().into_owned();
            let members = slots.iter().filter_map(|slot| shard.members().get(slot));
            found.here.extend(members.filter(|member| self.reports_here(&member.info.gateway_id)).cloned());
        }
        found
    }

    /// Whether a gateway's stream ends in this process.
    pub fn reports_here(&self, gateway_id: &str) -> bool {
        self.streams.tenure(gateway_id).is_some()
    }

    /// Whether a socket is open, as far as is known.
    pub fn is_open(&self, gateway_id: &str, socket_id: &str) -> bool {
        self.view.record(gateway_id, socket_id).is_some()
    }

    /// Whether any socket is open in the fleet; `None`: this replica has not read the registry yet.
    pub fn has_sockets(&self) -> Option<bool> {
        let mut any = false;
        for shard in Shard::all() {
            let shard = self.view.shard(shard);
            shard.data()?;
            any |= !shard.all().is_empty();
        }
        Some(any)
    }

    /// Keeps what was confirmed of sockets of a gateway that reports here.
    pub async fn confirm(&self, of: &Member, confirmed: Vec<(Box<str>, Confirmation)>) -> Result<(), Fault> {
        let Some(number) = self.streams.tenure(&of.info.gateway_id) else {
            return Err(Fault::Superseded(None));
        };
        self.ledger.confirm(&Tenure { info: Arc::clone(&of.info), number }, confirmed).await
    }

    /// Has a gateway do something with some of its sockets.
    pub async fn tell_gateway(&self, gateway_id: &str, task: &Task) -> Outcome {
        self.dispatch.order(gateway_id, task).await
    }
}
