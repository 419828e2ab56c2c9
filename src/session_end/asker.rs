//! Asks one session, and does what the answer means for its sockets.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use tokio::{sync::watch, time::Instant};

use super::{
    doubt::{Belief, Connection, Doubt},
    endings::{End, Endings, Rest},
    places::Place,
    schedule::{Asked, Question, jittered},
    tally::Tally,
    user_changes::UserChanges,
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
        Registry,
        confirmation::Confirmation,
        record::Record,
        session_ended::{Kind, SessionEnded},
        sessions::SessionSockets,
        view::{member::Member, told::LastEnd},
    },
    session_store::{SessionId, SessionStore},
};

/// Until what was reported has come back to this replica.
const NOT_YET_SEEN: Duration = Duration::from_millis(250);

/// After a fault, if there was more reason to ask than that it was its turn.
const AFTER_A_FAULT: Duration = Duration::from_secs(2);

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
    pub(super) endings: Endings,
    pub(super) user_changes: UserChanges,
    pub(super) tally: Arc<Tally>,
    pub(super) interval: Duration,
}

/// What is to be kept of a gateway's sockets, and told to it.
#[derive(Default)]
struct OfGateway {
    member: Option<Member>,
    confirmed: Vec<(Box<str>, Confirmation)>,
    tell: Vec<Box<str>>,
}

/// What somebody has open beyond the cap.
#[derive(Default)]
struct BeyondCap {
    ends: Vec<End>,
    /// Of some of their sockets it is still to be found out whose they are.
    is_early: bool,
}

/// What was kept of a gateway's sockets.
struct Kept {
    is_kept: bool,
    /// When something is left to do.
    again: Option<Duration>,
}

impl Kept {
    const ALL: Self = Self { is_kept: true, again: None };
}

impl Asker {
    /// Whether there is nobody to ask for: all that was reported is known, and no socket of the session is among it.
    pub(super) fn has_no_sockets(&self, question: &Question) -> bool {
        let sockets = self.registry.sockets_of_session(&question.session_id, question.reported);
        sockets.is_all && sockets.here.is_empty()
    }

    /// Asks. The place is given back as soon as the store has answered: what comes after it holds up no other.
    pub(super) async fn ask(&self, question: &Question, place: Place) -> Asked {
        let Question { session_id, reported, is_first, was_told, turn, queue: _ } = question;
        let sockets = self.registry.sockets_of_session(session_id, *reported);
        if sockets.here.is_empty() {
            return if sockets.is_all { Asked::NO_SOCKETS } else { Asked::in_vain(NOT_YET_SEEN, *turn) };
        }
        let Some(id) = SessionId::new((**session_id).to_owned()) else { return Asked::NO_SOCKETS };
        let authorizer = self.authorizer.load_full();
        let told = self.registry.ends_told(session_id);
        let Some(again) = authorizer.ask_again(&id).await else { return Asked::NO_SOCKETS };
        self.tally.asked(again.reason());
        drop(place);
        // What the store told would be lost until its turn, and so would a second read.
        if again.reason().is_fault() && (*was_told || self.doubt.doubts(session_id)) {
            return Asked { is_fault: true, ..Asked::in_vain(AFTER_A_FAULT, *turn) };
        }
        if let Some(after) = self.is_doubtful(session_id, &again) {
            return Asked::in_vain(after, *turn);
        }
        let answer = Answer::new(&again);
        // As they are now: the answer took its time.
        let SessionSockets { here, elsewhere, is_all } =
            self.registry.sockets_of_session(session_id, *reported);
        // What was reported and is not seen yet is asked for again, and so nothing is told twice.
        let is_first = *is_first && is_all;
        let verdict = |member: &Member| {
            let still = authorizer.still_accepts(&again, socket(&member.record));
            answer.verdict(&member.record, still, is_first)
        };
        let verdicts: Vec<_> = here.iter().map(|member| (member, verdict(member))).collect();
        let unheard = self.user_changes.unheard(session_id, &here);
        let mut is_settled = is_all;
        let mut ends = Vec::new();
        let mut gateways: BTreeMap<Arc<str>, OfGateway> = BTreeMap::new();
        for (number, (member, verdict)) in verdicts.iter().enumerate() {
            match verdict {
                Verdict::Unknown => is_settled = false,
                Verdict::Ends(reason) => ends.push(End::of(member, *reason, session_id)),
                Verdict::Stays { confirm, tell } => {
                    let gateway = gateways.entry(Arc::clone(&member.info.gateway_id)).or_default();
                    let socket_id = member.record.socket_id();
                    gateway.confirmed.extend(confirm.clone().map(|confirm| (socket_id.into(), confirm)));
                    let tell = *tell || unheard.contains(&number);
                    gateway.tell.extend(tell.then(|| socket_id.into()));
                    gateway.member = Some((*member).clone());
                }
            }
        }
        let Rest { ended, after, turn } = self.endings.end(ends, *turn);
        self.tell_ends(session_id, &told, &verdicts, ended > 0, || {
            elsewhere.iter().map(|member| (member, verdict(member))).collect()
        });
        let kept = gateways.into_values().map(|gateway| self.keep(session_id, gateway, &again));
        let kept = join_all(kept).await;
        is_settled &= kept.iter().all(|kept| kept.is_kept);
        // Only now is it known of these sockets whose they are.
        let beyond = self.beyond_cap(session_id, &authorizer, &again);
        let Rest { after: of_beyond, turn, ended: _ } = self.endings.end(beyond.ends, turn);
        let next = kept.iter().filter_map(|kept| kept.again).chain(after).chain(of_beyond).min();
        let next = next.map_or_else(|| self.next(&again), |next| next.min(self.next(&again)));
        let next = if is_all { next } else { next.min(NOT_YET_SEEN) };
        // When all are known for whose they are.
        let next = if beyond.is_early && question.is_first { next.min(NOT_KEPT) } else { next };
        Asked { again: Some(next), is_fault: again.reason().is_fault(), is_settled, turn }
    }

    /// Tells those who watch session ends, as soon as the sockets are about to be closed. `told`: which ends of the session
    /// were told when it was asked. Whichever replica finds an end tells it, with all sockets of the session that end for
    /// this reason, and the ledger takes it for one; a session that lives after an end was told can end again.
    fn tell_ends<'m>(
        &self,
        session_id: &str,
        told: &[LastEnd],
        here: &[(&'m Member, Verdict)],
        are_ending: bool,
        elsewhere: impl FnOnce() -> Vec<(&'m Member, Verdict)>,
    ) {
        if told.is_empty() && !are_ending {
            return;
        }
        let elsewhere = elsewhere();
        let mut by_reason: BTreeMap<&str, (Reason, Vec<&Member>)> = BTreeMap::new();
        for (member, verdict) in here.iter().chain(&elsewhere) {
            if let Verdict::Ends(reason) = verdict {
                by_reason.entry(reason.name()).or_insert((*reason, Vec::new())).1.push(member);
            }
        }
        if here.iter().any(|(_, verdict)| matches!(verdict, Verdict::Stays { .. })) {
            let ends_still =
                |end: &LastEnd| by_reason.values().any(|(reason, _)| Kind::of(*reason) == end.kind);
            for end in told.iter().filter(|end| !end.is_outlived && !ends_still(end)) {
                self.registry.has_outlived(session_id, *end);
            }
        }
        // Those that wait for their turn are told when it has come.
        for (reason, mut sockets) in by_reason.into_values().filter(|_| are_ending) {
            if !sockets.iter().any(|member| was_a_session(&member.record)) {
                continue;
            }
            sockets.sort_unstable_by(|one, other| place(one).cmp(&place(other)));
            if let Some(ended) = SessionEnded::new(&sockets, reason, microseconds_now()) {
                self.registry.tell_session_ended(ended);
            }
        }
    }

    /// What somebody has open beyond the cap: of what slipped past in a burst the newest, or the oldest. A gateway may report
    /// sockets that are nobody's, and when they were opened: so those count of which it is known whose they are, since when
    /// that is.
    fn beyond_cap(&self, asked: &Arc<str>, authorizer: &Authorizer, again: &Again) -> BeyondCap {
        let Some(cap) = authorizer.cap() else { return BeyondCap::default() };
        let Some(id) = authorizer.counted_by(again) else { return BeyondCap::default() };
        if cap.open.of(&id) <= cap.max {
            return BeyondCap::default();
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
        BeyondCap {
            ends: beyond
                .unwrap_or_default()
                .iter()
                .map(|(_, member)| End::of(member, reason, asked))
                .collect(),
            is_early: unknown.iter().any(|socket| !socket.record.session_id().is_empty()),
        }
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

    /// Keeps what is new about a gateway's sockets, and has the gateway told who the user is.
    async fn keep(&self, session_id: &Arc<str>, gateway: OfGateway, again: &Again) -> Kept {
        let OfGateway { member: Some(member), confirmed, tell } = gateway else { return Kept::ALL };
        if !confirmed.is_empty()
            && let Err(fault) = self.registry.confirm(&member, confirmed).await
        {
            tracing::debug!(%fault, "who is behind sockets could not be kept");
            return Kept { is_kept: false, again: Some(NOT_KEPT) };
        }
        if tell.is_empty() {
            return Kept::ALL;
        }
        let user = again.user().fields();
        Kept { is_kept: true, again: self.user_changes.tell(session_id, &member.info.gateway_id, tell, user) }
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

/// Whether there was a session whose end somebody could miss: it was there when it was asked about, or its gateway let
/// somebody in. Any gateway can report an id that never was one.
fn was_a_session(record: &Record) -> bool {
    record.who().is_some() || record.reported_user().get(b"logged_in") == Some(Packed::Bool(true))
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
