//! What has happened here since the process began, counted for operators.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::{reason::Reason, session_store::News};

/// How many reasons there are.
const REASONS: usize = Reason::ALL.len();

/// The counts.
#[derive(Debug, Default)]
pub struct Tally {
    sessions: AtomicU64,
    asked: [AtomicU64; REASONS],
    heard: AtomicU64,
    lost: AtomicU64,
    are_told: AtomicBool,
    user_changes: AtomicU64,
    user_change_failures: AtomicU64,
    under_way: AtomicU64,
    wait_for_turns: AtomicU64,
    ended: [AtomicU64; REASONS],
    not_ended: AtomicU64,
    destroyed: AtomicU64,
    not_destroyed: AtomicU64,
    ending: AtomicU64,
}

/// One who ends sessions from outside; counted until it is dropped.
#[derive(Debug)]
pub(super) struct UnderWay<'t>(&'t AtomicU64);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The counts, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Sessions whose sockets are watched over here.
    pub sessions: u64,
    /// Answers of the decision asked again, by reason.
    pub asked: Vec<(Reason, u64)>,
    /// Changes of sessions that the store has told of.
    pub heard: u64,
    /// Those of them for which there was no room.
    pub lost: u64,
    /// The store tells of all of its sessions.
    pub are_told: bool,
    /// Sockets whose gateways have heard that their user has changed.
    pub user_changes: u64,
    /// Sockets of which a gateway was told so and did not answer, or says that it has not taken it.
    pub user_change_failures: u64,
    /// Sockets that wait to be ended.
    pub waiting: u64,
    /// Sockets that were ended, by reason.
    pub ended: Vec<(Reason, u64)>,
    /// Attempts to end a socket that came to nothing.
    pub not_ended: u64,
    /// Attempts to destroy a session that went well.
    pub destroyed: u64,
    /// Attempts to destroy a session that came to nothing.
    pub not_destroyed: u64,
    /// Calls and tokens that are ending sessions.
    pub ending: u64,
}

impl Tally {
    pub(super) fn sessions(&self, count: usize) {
        self.sessions.store(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn asked(&self, reason: Reason) {
        add(of(&self.asked, reason), 1);
    }

    pub(super) fn heard(&self, news: &News) {
        match news {
            News::Changed(_) | News::Touched(_) | News::Everything => add(Some(&self.heard), 1),
            News::AreTold(are_told) => self.are_told.store(*are_told, Ordering::Relaxed),
        }
    }

    pub(super) fn lost(&self) {
        add(Some(&self.lost), 1);
    }

    /// Gateways were told that the users of so many sockets have changed.
    pub(super) fn user_changed(&self, heard: usize, unheard: usize) {
        add(Some(&self.user_changes), u64::try_from(heard).unwrap_or(u64::MAX));
        add(Some(&self.user_change_failures), u64::try_from(unheard).unwrap_or(u64::MAX));
    }

    pub(super) fn is_under_way(&self) {
        add(Some(&self.under_way), 1);
    }

    pub(super) fn wait_for_turns(&self, sockets: usize) {
        self.wait_for_turns.store(u64::try_from(sockets).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn is_settled(&self, reason: Reason, is_done: bool) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        add(if is_done { of(&self.ended, reason) } else { Some(&self.not_ended) }, 1);
    }

    pub(super) fn destroyed(&self, done: usize, left: usize) {
        add(Some(&self.destroyed), u64::try_from(done).unwrap_or(u64::MAX));
        add(Some(&self.not_destroyed), u64::try_from(left).unwrap_or(u64::MAX));
    }

    pub(super) fn is_ending(&self) -> UnderWay<'_> {
        add(Some(&self.ending), 1);
        UnderWay(&self.ending)
    }

    /// The counts as they are now.
    pub fn figures(&self) -> Figures {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let by_reason = |counts: &[AtomicU64; REASONS]| {
            Reason::ALL.into_iter().zip(counts.iter().map(read)).filter(|(_, count)| *count > 0).collect()
        };
        Figures {
            sessions: read(&self.sessions),
            asked: by_reason(&self.asked),
            heard: read(&self.heard),
            lost: read(&self.lost),
            are_told: self.are_told.load(Ordering::Relaxed),
            user_changes: read(&self.user_changes),
            user_change_failures: read(&self.user_change_failures),
            waiting: read(&self.under_way) + read(&self.wait_for_turns),
            ended: by_reason(&self.ended),
            not_ended: read(&self.not_ended),
            destroyed: read(&self.destroyed),
            not_destroyed: read(&self.not_destroyed),
            ending: read(&self.ending),
        }
    }
}

fn of(counts: &[AtomicU64; REASONS], reason: Reason) -> Option<&AtomicU64> {
    Reason::ALL.iter().position(|known| *known == reason).and_then(|place| counts.get(place))
}

fn add(count: Option<&AtomicU64>, more: u64) {
    if let Some(count) = count {
        count.fetch_add(more, Ordering::Relaxed);
    }
}
