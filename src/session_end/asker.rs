//! Asks one session, and does what the answer means for its sockets.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use serde_json::{Map, Value};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::Instant,
};

use super::{
    doubt::{Belief, Connection, Doubt},
    endings::{End, Endings},
    schedule::{Question, jittered},
    tally::Tally,
    verdict::{Answer, Verdict},
};
use crate::{
    authorize::{Authorizer, again::Again, policy::Socket},
    expression::{
        packed::{Text, Value as Packed},
        scope::SocketField,
    },
    reason::Reason,
    registry::{
        Registry, command::Task, confirmation::Confirmation, record::Record, session_ended::SessionEnded,
        sessions::SessionSockets, view::member::Member,
    },
    session_store::{SessionId, SessionStore},
};

/// Until what was reported has come back to this replica.
const NOT_YET_SEEN: Duration = Duration::from_millis(100);

/// After what could not be kept.
const NOT_KEPT: Duration = Duration::from_secs(1);

/// A session is asked so long after its end: a store counts in whole milliseconds.
const BEHIND_ITS_END: Duration = Duration::from_millis(5);

/// Asks.
#[derive(Debug)]
pub(super) struct Asker {
    pub(super) authorizer: Arc<ArcSwap<Authorizer>>,
    pub(super) stores: watch::Receiver<Arc<dyn SessionStore>>,
    pub(super) registry: Arc<Registry>,
    pub(super) doubt: Arc<Doubt>,
    pub(super) endings: Arc<Endings>,
    pub(super) tally: Arc<Tally>,
    pub(super) interval: Duration,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Asked {
    /// Ask again after this.
    Again(Duration),
    /// None of its sockets is open at a gateway that reports here.
    NoSockets,
}

/// What gateways are told and what is kept of their sockets.
#[derive(Default)]
struct OfGateway {
    member: Option<Member>,
    confirmed: Vec<(Box<str>, Confirmation)>,
    tell: Vec<String>,
}

impl Asker {
    /// Asks. The place is given back as soon as the store has answered: a gateway that is slow holds up no other.
    pub(super) async fn ask(&self, question: &Question, place: OwnedSemaphorePermit) -> Asked {
        let Question { session_id, reported, is_first } = question;
        let sockets = self.registry.sockets_of_session(session_id, *reported);
        if sockets.here.is_empty() {
            return if sockets.is_all { Asked::NoSockets } else { Asked::Again(NOT_YET_SEEN) };
        }
        let Some(id) = SessionId::new((**session_id).to_owned()) else { return Asked::NoSockets };
        let authorizer = self.authorizer.load_full();
        let Some(again) = authorizer.ask_again(&id).await else { return Asked::NoSockets };
        self.tally.asked(again.reason());
        drop(place);
        if let Some(after) = self.is_doubtful(session_id, &again) {
            return Asked::Again(after);
        }
        let answer = Answer::new(&again);
        let verdict = |member: &Member| {
            let still = authorizer.still_accepts(&again, socket(&member.record));
            answer.verdict(&member.record, still, *is_first)
        };
        // As they are now: the answer took its time.
        let SessionSockets { here, elsewhere, .. } = self.registry.sockets_of_session(session_id, *reported);
        let verdicts: Vec<_> = here.iter().map(|member| (member, verdict(member))).collect();
        self.tell_ends(session_id, &verdicts, || {
            elsewhere.iter().map(|member| (member, verdict(member))).collect()
        })
        .await;
        let mut gateways: BTreeMap<Arc<str>, OfGateway> = BTreeMap::new();
        for (member, verdict) in verdicts {
            match verdict {
                Verdict::Unknown => {}
                Verdict::Ends(reason) => self.endings.add(End::of(member, reason)),
                Verdict::Stays { confirm, tell } => {
                    let gateway = gateways.entry(Arc::clone(&member.info.gateway_id)).or_default();
                    let socket_id = member.record.socket_id();
                    gateway.confirmed.extend(confirm.map(|confirm| (socket_id.into(), confirm)));
                    gateway.tell.extend(tell.then(|| socket_id.to_owned()));
                    gateway.member = Some(member.clone());
                }
            }
        }
        let mut is_kept = true;
        for (_, gateway) in gateways {
            is_kept &= self.keep(gateway, again.user().fields()).await;
        }
        // When all are known for whose they are.
        let is_early = self.hold_to_cap(&authorizer, &again) && *is_first;
        Asked::Again(if is_kept && !is_early { self.next(&again) } else { NOT_KEPT })
    }

    /// Tells those who watch session ends, before the sockets are closed. Of the replicas whose gateways have sockets of
    /// the session the one with the first of them does; what was told already is not told again.
    async fn tell_ends<'m>(
        &self,
        session_id: &str,
        here: &[(&'m Member, Verdict)],
        elsewhere: impl FnOnce() -> Vec<(&'m Member, Verdict)>,
    ) {
        if !here.iter().any(|(_, verdict)| matches!(verdict, Verdict::Ends(_))) {
            return;
        }
        let elsewhere = elsewhere();
        let mut by_reason: BTreeMap<&str, (Reason, Vec<&Member>)> = BTreeMap::new();
        for (member, verdict) in here.iter().chain(&elsewhere) {
            if let Verdict::Ends(reason) = verdict {
                by_reason.entry(reason.name()).or_insert((*reason, Vec::new())).1.push(member);
            }
        }
        for (reason, mut sockets) in by_reason.into_values() {
            sockets.sort_unstable_by(|one, other| place(one).cmp(&place(other)));
            let teller = sockets.iter().find(|socket| self.registry.is_heard_of(&socket.info.gateway_id));
            let is_here = teller.is_none_or(|first| self.registry.reports_here(&first.info.gateway_id));
            if !is_here || self.registry.has_told_of(session_id, &sockets) {
                continue;
            }
            let Some(ended) = SessionEnded::new(&sockets, reason, microseconds_now()) else { continue };
            if let Err(fault) = self.registry.tell_session_ended(ended).await {
                // The sockets end all the same; when they are asked about again it is told, if they are there still.
                tracing::warn!(%fault, "those who watch session ends could not be told of one");
            }
        }
    }

    /// Ends what somebody has open beyond the cap: of what slipped past in a burst the newest, or the oldest. A gateway may
    /// report sockets that are nobody's, and when they were opened: so those count of which it is known whose they are, since
    /// when that is. Whether that is still to be found out of some.
    fn hold_to_cap(&self, authorizer: &Authorizer, again: &Again) -> bool {
        let Some(cap) = authorizer.cap() else { return false };
        let Some(id) = authorizer.counted_by(again) else { return false };
        if cap.open.of(&id) <= cap.max {
            return false;
        }
        let (known, unknown): (Vec<_>, Vec<_>) =
            self.registry.sockets_of_user(&id).into_iter().partition(|socket| socket.record.who().is_some());
        let mut open: Vec<_> = known.iter().map(|socket| (age(socket), socket)).collect();
        open.sort_unstable_by_key(|(age, _)| *age);
        let keep = usize::try_from(cap.max).unwrap_or(usize::MAX);
        let beyond = open.len().saturating_sub(keep);
        let (beyond, reason) = if cap.evicts_oldest {
            (open.get(..beyond), Reason::Evicted)
        } else {
            (open.get(keep..), Reason::TooManySockets)
        };
        for (_, member) in beyond.unwrap_or_default() {
            self.endings.add(End::of(member, reason));
        }
        unknown.iter().any(|socket| !socket.record.session_id().is_empty())
    }

    /// When to read it again before its absence is believed.
    fn is_doubtful(&self, session_id: &Arc<str>, again: &Again) -> Option<Duration> {
        let now = Instant::now();
        self.doubt.note(Connection::of(&self.stores), now);
        if again.reason() != Reason::SessionNotFound {
            if !again.reason().is_fault() {
                self.doubt.is_there(session_id);
            }
            return None;
        }
        match self.doubt.is_absent(session_id, now) {
            Belief::Gone => None,
            Belief::Unsure(after) => Some(after),
        }
    }

    /// Keeps what is new about a gateway's sockets, and tells the gateway who the user is. Whether that was kept.
    async fn keep(&self, gateway: OfGateway, user: &Map<String, Value>) -> bool {
        let OfGateway { member: Some(member), confirmed, tell } = gateway else { return true };
        if !confirmed.is_empty()
            && let Err(fault) = self.registry.confirm(&member, confirmed).await
        {
            tracing::debug!(%fault, "who is behind sockets could not be kept");
            return false;
        }
        if !tell.is_empty() {
            self.tally.user_changed(tell.len());
            let task = Task::UserChanged { socket_ids: tell, user: user.clone() };
            self.registry.tell_gateway(&member.info.gateway_id, &task).await;
        }
        true
    }

    fn next(&self, again: &Again) -> Duration {
        let regular = jittered(self.interval);
        again.ends_in().map_or(regular, |ends_in| regular.min(ends_in + BEHIND_ITS_END))
    }
}

/// What comes first is older, at every replica alike. What gateways say counts for sockets of one session that came together.
fn age(member: &Member) -> (Option<i64>, i64, (&str, &str)) {
    (member.record.known_since(), member.record.connected_at(), place(member))
}

/// Where a socket is among others.
fn place(member: &Member) -> (&str, &str) {
    (&member.info.gateway_id, member.record.socket_id())
}

pub(super) fn microseconds_now() -> i64 {
    let elapsed = SystemTime::UNIX_EPOCH.elapsed().map(|elapsed| elapsed.as_micros()).unwrap_or_default();
    i64::try_from(elapsed).unwrap_or(i64::MAX)
}

/// The socket as policies see it.
fn socket(record: &Record) -> Socket<'_> {
    let text = |field| match record.field(field) {
        Some(Packed::Text(text)) => Text::as_str(text),
        _ => "",
    };
    Socket {
        namespace: text(SocketField::Namespace),
        remote_address: text(SocketField::RemoteAddress),
        origin: text(SocketField::Origin),
    }
}
