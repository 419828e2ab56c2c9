//! Asks one session, and does what the answer means for its sockets.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use tokio::{sync::watch, time::Instant};

use super::{
    beyond_cap::BeyondCap,
    doubt::{Belief, Connection, Doubt},
    endings::{End, Endings, Rest},
    places::Place,
    schedule::{AFTER_A_FAULT, Asked, Found, Question},
    tally::Tally,
    user_changes::UserChanges,
    verdict::{Answer, Verdict},
    watchers,
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
        sessions::SessionSockets,
        view::{member::Member, told::LastEnd},
    },
    session_store::{SessionId, SessionStore},
};

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
}

/// What an answer means for the sockets of a session.
#[derive(Default)]
struct Meaning {
    ends: Vec<End>,
    gateways: BTreeMap<Arc<str>, OfGateway>,
    /// It is known of each.
    is_known: bool,
}

/// What is to be kept of a gateway's sockets, and told to it.
#[derive(Default)]
struct OfGateway {
    member: Option<Member>,
    confirmed: Vec<(Box<str>, Confirmation)>,
    tell: Vec<Box<str>>,
}

impl Meaning {
    /// `unheard`: sockets, by number, whose gateways have not heard yet who the user is.
    fn of(session_id: &Arc<str>, verdicts: &[(&Member, Verdict)], unheard: &HashSet<usize>) -> Self {
        let mut meaning = Self { is_known: true, ..Self::default() };
        for (number, (member, verdict)) in verdicts.iter().enumerate() {
            match verdict {
                Verdict::Unknown => meaning.is_known = false,
                Verdict::Ends(reason) => meaning.ends.push(End::of(member, *reason, session_id)),
                Verdict::Stays { confirm, tell } => {
                    let gateway = meaning.gateways.entry(Arc::clone(&member.info.gateway_id)).or_default();
                    let socket_id = member.record.socket_id();
                    gateway.confirmed.extend(confirm.clone().map(|confirm| (socket_id.into(), confirm)));
                    let tell = *tell || unheard.contains(&number);
                    gateway.tell.extend(tell.then(|| socket_id.into()));
                    gateway.member = Some((*member).clone());
                }
            }
        }
        meaning
    }
}

impl Asker {
    /// There is nothing to ask any more.
    pub(super) fn forget(&self, question: &Question) {
        self.endings.give_back(question.turn);
        self.user_changes.forget(&question.session_id);
    }

    /// Asks. `are_seen`: all sockets of the session are that were reported. The place is given back as soon as the store has
    /// answered: what comes after it holds up no other.
    pub(super) async fn ask(&self, question: &Question, are_seen: bool, place: Place) -> Asked {
        let Question { session_id, was_told, turn, .. } = question;
        let nobody = || {
            self.forget(question);
            Asked::NOBODY
        };
        let Some(id) = SessionId::new((**session_id).to_owned()) else { return nobody() };
        let authorizer = self.authorizer.load_full();
        let told = self.registry.ends_told(session_id);
        let Some(again) = authorizer.ask_again(&id).await else { return nobody() };
        self.tally.asked(again.reason());
        drop(place);
        // What the store told would be lost until its turn, and so would a second read.
        if again.reason().is_fault() && (*was_told || self.doubt.doubts(session_id)) {
            return Asked::in_vain(Found::Fault, AFTER_A_FAULT, *turn);
        }
        if let Some(after) = self.is_doubtful(session_id, &again) {
            return Asked::in_vain(Found::Answer { ends_in: None }, after, *turn);
        }
        let asked = self.act(question, are_seen, &authorizer, &again, &told).await;
        Asked { is_settled: asked.is_settled && are_seen, ..asked }
    }

    /// Does what the answer means. `told`: which ends of the session were told when it was asked.
    async fn act(
        &self,
        question: &Question,
        are_seen: bool,
        authorizer: &Authorizer,
        again: &Again,
        told: &[LastEnd],
    ) -> Asked {
        let session_id = &question.session_id;
        let answer = Answer::new(again);
        // As they are now: the answer took its time.
        let SessionSockets { here, elsewhere } = self.registry.sockets_of_session(session_id);
        let verdict = |member: &Member| {
            let still = authorizer.still_accepts(again, socket(&member.record));
            answer.verdict(&member.record, still, question.is_first && are_seen)
        };
        let verdicts: Vec<_> = here.iter().map(|member| (member, verdict(member))).collect();
        let unheard = self.user_changes.unheard(session_id, &here);
        let Meaning { ends, gateways, is_known } = Meaning::of(session_id, &verdicts, &unheard);
        let Rest { ended, after, turn } = self.endings.end(ends, question.turn);
        watchers::hear(&self.registry, session_id, told, &verdicts, ended > 0, || {
            elsewhere.iter().map(|member| (member, verdict(member))).collect()
        });
        let kept = gateways.into_values().map(|gateway| self.keep(session_id, gateway, again));
        let is_kept = join_all(kept).await.into_iter().all(|is_kept| is_kept);
        // Only now is it known of these sockets whose they are.
        let beyond = BeyondCap::of(&self.registry, authorizer, again, session_id);
        let of_beyond = if beyond.ends.is_empty() {
            Rest { turn, ..Rest::default() }
        } else {
            self.endings.end(beyond.ends, turn)
        };
        // Of some it is known later whose they are.
        let of_early = beyond.is_early.then_some(NOT_KEPT);
        let of_unkept = (!is_kept).then_some(NOT_KEPT);
        let found = if again.reason().is_fault() {
            Found::Fault
        } else {
            Found::Answer { ends_in: again.ends_in().map(|ends_in| ends_in + BEHIND_ITS_END) }
        };
        Asked {
            found,
            retry: [after, of_beyond.after, of_early, of_unkept].into_iter().flatten().min(),
            is_settled: is_known && is_kept,
            turn: of_beyond.turn,
        }
    }

    /// When to ask again before it is believed that the session, or its user, is not there.
    fn is_doubtful(&self, session_id: &Arc<str>, again: &Again) -> Option<Duration> {
        let now = Instant::now();
        self.doubt.note(Connection::of(&self.stores), now);
        let belief = match again.reason() {
            Reason::SessionNotFound => self.doubt.is_absent(session_id, now),
            Reason::UserNotFound => self.doubt.is_without_user(session_id, now),
            reason => {
                if !reason.is_fault() {
                    self.doubt.is_there(session_id);
                }
                return None;
            }
        };
        match belief {
            Belief::Gone => None,
            Belief::Unsure(after) => Some(after),
        }
    }

    /// Keeps what is new about a gateway's sockets, and has the gateway told who the user is. Whether it was kept.
    async fn keep(&self, session_id: &Arc<str>, gateway: OfGateway, again: &Again) -> bool {
        let OfGateway { member: Some(member), confirmed, tell } = gateway else { return true };
        let gateway_id = &member.info.gateway_id;
        self.user_changes.note(session_id, gateway_id, tell);
        if !confirmed.is_empty()
            && let Err(fault) = self.registry.confirm(&member, confirmed).await
        {
            tracing::debug!(%fault, "who is behind sockets could not be kept");
            return false;
        }
        self.user_changes.tell(session_id, gateway_id, again.user().fields());
        true
    }
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
