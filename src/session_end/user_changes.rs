//! Tells gateways that users have changed, until they have heard it. One command of a session is open at a gateway at a time,
//! so that what is told last is what is so.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Map, Value};
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    endings::CHUNK,
    lines::{Lines, Matter, Open, Retry, longer},
    tally::Tally,
};
use crate::registry::{Registry, command::Task, dispatch::Outcome, view::member::Member};

/// What gateways have to hear of the sockets of each session.
#[derive(Debug)]
pub(super) struct UserChanges {
    registry: Arc<Registry>,
    lines: Arc<Lines>,
    sessions: Arc<Sessions>,
    out: mpsc::UnboundedSender<Errand>,
}

#[derive(Debug, Default)]
struct Sessions(Mutex<HashMap<Arc<str>, Gateways>>);

type Gateways = HashMap<Arc<str>, News>;

/// What one gateway has to hear of a session.
#[derive(Debug, Default)]
struct News {
    /// Sockets of whose user it has not heard.
    sockets: HashSet<Box<str>>,
    /// It is being told.
    is_open: bool,
    /// Something else has to be told since.
    is_old: bool,
    /// The last pause before it was told again.
    pause: Option<Duration>,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Gateways>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UserChanges {
    /// Where changes are handed in, and who tells of them. Sessions of which a gateway has not heard go to `retry`.
    pub(super) fn new(
        registry: Arc<Registry>,
        lines: Arc<Lines>,
        retry: mpsc::UnboundedSender<Retry>,
        tally: Arc<Tally>,
    ) -> (Self, Telling) {
        let (out, errands) = mpsc::unbounded_channel();
        let sessions: Arc<Sessions> = Arc::default();
        let telling = Telling {
            registry: Arc::clone(&registry),
            sessions: Arc::clone(&sessions),
            errands,
            retry,
            tally,
        };
        (Self { registry, lines, sessions, out }, telling)
    }

    /// Of the sockets of a session, these are open. Those whose gateways have not heard yet who the user is, by number.
    pub(super) fn unheard(&self, session_id: &str, open: &[Member]) -> HashSet<usize> {
        let mut sessions = self.sessions.lock();
        let Some(gateways) = sessions.get_mut(session_id) else { return HashSet::new() };
        let mut unheard = HashSet::new();
        let mut open_of: HashMap<&str, HashSet<&str>> = HashMap::new();
        for (number, member) in open.iter().enumerate() {
            let (gateway_id, socket_id) = (&*member.info.gateway_id, member.record.socket_id());
            open_of.entry(gateway_id).or_default().insert(socket_id);
            if gateways.get(gateway_id).is_some_and(|news| news.sockets.contains(socket_id)) {
                unheard.insert(number);
            }
        }
        gateways.retain(|gateway_id, news| {
            let open = open_of.get(&**gateway_id);
            news.sockets.retain(|socket_id| open.is_some_and(|open| open.contains(&**socket_id)));
            news.is_open || !news.sockets.is_empty()
        });
        if gateways.is_empty() {
            sessions.remove(session_id);
        }
        unheard
    }

    /// A session has no open sockets any more.
    pub(super) fn forget(&self, session_id: &str) {
        self.unheard(session_id, &[]);
    }

    /// A gateway has to hear who stands behind these sockets of a session. To be called before anything of it is kept: what
    /// is kept is no news any more.
    pub(super) fn note(&self, session_id: &Arc<str>, gateway_id: &Arc<str>, sockets: Vec<Box<str>>) {
        if sockets.is_empty() {
            return;
        }
        let mut sessions = self.sessions.lock();
        let gateways = sessions.entry(Arc::clone(session_id)).or_default();
        let news = gateways.entry(Arc::clone(gateway_id)).or_default();
        news.sockets.extend(sockets);
        news.is_old = news.is_open;
    }

    /// Tells a gateway who stands behind those sockets of a session of which it has not heard.
    pub(super) fn tell(&self, session_id: &Arc<str>, gateway_id: &Arc<str>, user: &Map<String, Value>) {
        // Where it has gone it is told anew.
        let Some(tenure) = self.registry.tenure_here(gateway_id) else { return };
        let mut sessions = self.sessions.lock();
        let news = sessions.get_mut(session_id).and_then(|gateways| gateways.get_mut(gateway_id));
        // One that is being told is told again when it has answered.
        let Some(news) = news.filter(|news| !news.is_open && !news.sockets.is_empty()) else { return };
        if self.lines.room(gateway_id, tenure, Matter::Users, (session_id, 1)) == 0 {
            return;
        }
        news.is_open = true;
        let errand = Errand {
            session_id: Arc::clone(session_id),
            gateway_id: Arc::clone(gateway_id),
            sockets: news.sockets.iter().map(|socket_id| socket_id.to_string()).collect(),
            user: user.clone(),
            open: self.lines.tell(gateway_id, Matter::Users, 1),
        };
        // Nobody takes it only when everything stops.
        let _ = self.out.send(errand);
    }
}

/// What one gateway is to be told.
struct Errand {
    session_id: Arc<str>,
    gateway_id: Arc<str>,
    sockets: Vec<String>,
    user: Map<String, Value>,
    open: Open,
}

/// Tells them.
pub(super) struct Telling {
    registry: Arc<Registry>,
    sessions: Arc<Sessions>,
    errands: mpsc::UnboundedReceiver<Errand>,
    retry: mpsc::UnboundedSender<Retry>,
    tally: Arc<Tally>,
}

impl Telling {
    pub(super) async fn run(mut self) {
        let mut under_way: JoinSet<()> = JoinSet::new();
        while let Some(errand) = self.errands.recv().await {
            while let Some(over) = under_way.try_join_next() {
                if let Err(panic) = over {
                    tracing::error!(cause = %panic, "telling a gateway of a changed user was broken off");
                }
            }
            let hearing = Hearing {
                registry: Arc::clone(&self.registry),
                sessions: Arc::clone(&self.sessions),
                retry: self.retry.clone(),
                session_id: errand.session_id,
                gateway_id: errand.gateway_id,
                heard: Vec::new(),
                silence: None,
            };
            let Errand { sockets, user, open, .. } = errand;
            under_way.spawn(hearing.of(sockets, user, open, Arc::clone(&self.tally)));
        }
    }
}

/// A gateway is being told. Dropped, it has heard of these.
struct Hearing {
    registry: Arc<Registry>,
    sessions: Arc<Sessions>,
    retry: mpsc::UnboundedSender<Retry>,
    session_id: Arc<str>,
    gateway_id: Arc<str>,
    heard: Vec<String>,
    /// It does not answer, and can be told again after this.
    silence: Option<Duration>,
}

impl Hearing {
    async fn of(mut self, sockets: Vec<String>, user: Map<String, Value>, open: Open, tally: Arc<Tally>) {
        for some in sockets.chunks(CHUNK) {
            let task = Task::UserChanged { socket_ids: some.to_vec(), user: user.clone() };
            match self.registry.tell_gateway(&self.gateway_id, &task).await {
                Outcome::Answered(heard) => {
                    tally.user_changed(heard.len(), some.len().saturating_sub(heard.len()));
                    self.heard.extend(heard);
                }
                Outcome::Unreachable => {
                    tally.user_changed(0, some.len());
                    self.silence = Some(open.unanswered());
                    return;
                }
            }
        }
        open.answered(self.heard.len());
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        let Self { registry, sessions, retry, session_id, gateway_id, heard, silence } = self;
        let mut sessions = sessions.lock();
        let Some(gateways) = sessions.get_mut(session_id) else { return };
        let Some(news) = gateways.get_mut(gateway_id) else { return };
        news.is_open = false;
        let is_old = std::mem::take(&mut news.is_old);
        if !is_old {
            for socket_id in heard {
                news.sockets.remove(socket_id.as_str());
            }
        }
        news.sockets.retain(|socket_id| registry.is_open(gateway_id, socket_id));
        // Where the gateway has gone it is told anew.
        if news.sockets.is_empty() || !registry.reports_here(gateway_id) {
            gateways.remove(gateway_id);
            if gateways.is_empty() {
                sessions.remove(session_id);
            }
            return;
        }
        let after = if is_old {
            news.pause = None;
            Duration::ZERO
        } else {
            let pause = longer(news.pause);
            news.pause = Some(pause);
            silence.unwrap_or(pause)
        };
        // Nobody takes it only when everything stops.
        let _ = retry.send((Arc::clone(session_id), after));
    }
}
