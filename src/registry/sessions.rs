//! The sessions of the sockets whose gateways report to this replica: whoever asks about them hears here which there are.

use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, watch};

use super::{
    Registry,
    change::{Kept, Shard},
    command::Task,
    confirmation::{Confirmation, Mark},
    dispatch::Outcome,
    ledger::{Fault, Telling, Tenure},
    mass::Progress,
    session_ended::SessionEnded,
    view::{index::Key, member::Member, told::LastEnd},
};
use crate::{
    expression::{
        path::{Path, Root},
        scope::SocketField,
    },
    identity,
};

/// Sessions that somebody should ask about.
#[derive(Debug, Default)]
pub struct Noted {
    /// Their sockets were reported here, and are kept in these shards.
    pub reported: HashMap<(Arc<str>, Shard), Kept>,
    /// Somebody says that they have changed.
    pub changed: HashSet<Arc<str>>,
}

/// Notes sessions until somebody takes them.
#[derive(Debug, Default)]
pub struct Notes {
    noted: Mutex<Noted>,
    more: Notify,
}

impl Notes {
    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sockets of these were reported here, and are kept.
    pub(super) fn are_reported(&self, session_ids: impl IntoIterator<Item = Arc<str>>, kept: Kept) {
        self.lock()
            .reported
            .extend(session_ids.into_iter().map(|session_id| ((session_id, kept.shard), kept)));
        self.more.notify_one();
    }

    /// These have changed, as another replica or this one says.
    pub(super) fn have_changed(&self, session_ids: impl IntoIterator<Item = Arc<str>>) {
        self.lock().changed.extend(session_ids);
        self.more.notify_one();
    }

    /// Those that were noted since, at least one.
    pub async fn take(&self) -> Noted {
        loop {
            let noted = mem::take(&mut *self.lock());
            if !noted.reported.is_empty() || !noted.changed.is_empty() {
                return noted;
            }
            self.more.notified().await;
        }
    }
}

/// The sockets of a session.
#[derive(Debug, Default)]
pub struct SessionSockets {
    /// Those whose gateways report here.
    pub here: Vec<Member>,
    /// Those whose gateways report to other replicas, or to none just now.
    pub elsewhere: Vec<Member>,
}

fn session_id_path() -> Path {
    Path { root: Root::Socket(SocketField::SessionId), names: Vec::new() }
}

/// What indexes know an id by: as a text, and as the number that is written so.
fn keys(id: &str) -> impl Iterator<Item = Key<'_>> {
    [Some(Key::Text(id.as_bytes())), identity::number_of(id).map(Key::Number)].into_iter().flatten()
}

impl Registry {
    /// Which sessions there are here, and which have changed.
    pub fn noted(&self) -> &Notes {
        &self.notes
    }

    /// Tells all replicas that these sessions have changed.
    pub async fn sessions_changed(&self, session_ids: impl IntoIterator<Item = Arc<str>>) {
        /// In one message.
        const SOME: usize = 500;
        let session_ids: Vec<_> = session_ids.into_iter().collect();
        for some in session_ids.chunks(SOME) {
            if let Some(first) = some.first() {
                // Who does not hear of it finds out by itself, only later.
                if !self.dispatch.tell_changed(Shard::of(first), some).await {
                    self.notes.have_changed(some.iter().cloned());
                }
            }
        }
    }

    /// Whether sockets of a session that were kept are seen here. That there are none any more is believed a moment later, when
    /// nothing can be on its way: a session that is taken for gone is not asked about again.
    pub fn sees(&self, kept: &Kept, session_id: &str) -> bool {
        self.view.is_known_since(kept) || (self.view.has(kept) && self.has_sockets_here(session_id))
    }

    /// Changes when more may be seen.
    pub fn progress(&self) -> watch::Receiver<()> {
        self.view.progress()
    }

    /// The sockets of a session.
    pub fn sockets_of_session(&self, session_id: &str) -> SessionSockets {
        let all = self.view.members_where(&session_id_path(), Key::Text(session_id.as_bytes()));
        let (here, elsewhere) =
            all.into_iter().partition(|member| self.reports_here(&member.info.gateway_id));
        SessionSockets { here, elsewhere }
    }

    /// Whether a socket of a session is open at a gateway that reports here.
    pub fn has_sockets_here(&self, session_id: &str) -> bool {
        self.view.has_any_where(&session_id_path(), Key::Text(session_id.as_bytes()), |member| {
            self.reports_here(&member.info.gateway_id)
        })
    }

    /// How many sockets somebody has open, by what stands at `user.id_field` of their user.
    pub fn count_of_user(&self, id: &str) -> u64 {
        keys(id).map(|key| self.view.count_where(&self.identity, key)).sum()
    }

    /// The sockets that somebody has open.
    pub fn sockets_of_user(&self, id: &str) -> Vec<Member> {
        keys(id).flat_map(|key| self.view.members_where(&self.identity, key)).collect()
    }

    /// The last ends that were told of a session, one of each kind.
    pub fn ends_told(&self, session_id: &str) -> Vec<LastEnd> {
        self.view.shard(Shard::of(session_id)).told().of(Mark::of(session_id)).to_vec()
    }

    /// The session lives after this end of it: whoever asked knew of the end, and was answered otherwise.
    pub fn has_outlived(&self, session_id: &str, end: LastEnd) {
        self.view.is_outlived(session_id, end);
    }

    /// Tells those who watch session ends, at all replicas, unless it was told already. Waits for nobody: the session's
    /// sockets must not.
    pub fn tell_session_ended(&self, ended: SessionEnded) {
        let session = Mark::of(ended.session_id());
        let last = self.view.shard(Shard::of(ended.session_id())).told().last(session, ended.kind());
        if last.is_none_or(|last| last.is_outlived) {
            self.teller.tell(Telling { ended, outlived: last.map(|last| last.number) });
        }
    }

    /// Whether a gateway's stream ends in this process.
    pub fn reports_here(&self, gateway_id: &str) -> bool {
        self.tenure_here(gateway_id).is_some()
    }

    /// The number of the stream that a gateway has to this process.
    pub fn tenure_here(&self, gateway_id: &str) -> Option<u64> {
        self.streams.tenure(gateway_id)
    }

    /// Whether a socket is open, as far as is known.
    pub fn is_open(&self, gateway_id: &str, socket_id: &str) -> bool {
        self.view.record(gateway_id, socket_id).is_some()
    }

    /// Whether sockets were open in the fleet when this replica began; `None`: it has not read the registry yet.
    pub fn held_sockets_at_first(&self) -> Option<bool> {
        let mut any = false;
        for shard in Shard::all() {
            any |= self.view.shard(shard).held_sockets_at_first()?;
        }
        Some(any)
    }

    /// Keeps what was confirmed of sockets of a gateway that reports here.
    pub async fn confirm(&self, of: &Member, confirmed: Vec<(Box<str>, Confirmation)>) -> Result<(), Fault> {
        let Some(number) = self.tenure_here(&of.info.gateway_id) else {
            return Err(Fault::Superseded(None));
        };
        self.ledger.confirm(&Tenure { info: Arc::clone(&of.info), number }, confirmed).await
    }

    /// Has a gateway do something with some of its sockets, if it does so at once: what it does not answer is not sent again.
    pub async fn tell_gateway(&self, gateway_id: &str, task: &Task) -> Outcome {
        let outcome = self.dispatch.order_once(gateway_id, task).await;
        self.view.tally().settled(task, &self.came_of(gateway_id, task, &outcome));
        outcome
    }

    /// What came of it for each socket. Those that are closed meanwhile need it no more.
    fn came_of(&self, gateway_id: &str, task: &Task, outcome: &Outcome) -> Progress {
        let mut came = Progress::default();
        let answered: HashSet<&str> = match outcome {
            Outcome::Answered(done) => done.iter().map(String::as_str).collect(),
            Outcome::Unreachable => HashSet::new(),
        };
        for socket_id in task.socket_ids() {
            match outcome {
                _ if answered.contains(&**socket_id) || !self.is_open(gateway_id, socket_id) => {
                    came.done += 1;
                }
                Outcome::Answered(_) => came.failed += 1,
                Outcome::Unreachable => came.unreachable += 1,
            }
        }
        came
    }
}
