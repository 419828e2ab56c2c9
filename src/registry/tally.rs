//! What has happened here since the process began, counted for operators.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{command::Task, mass::Progress};

/// The counts.
#[derive(Debug, Default)]
pub struct Tally {
    gone: AtomicU64,
    disconnects: Commands,
    sends: Commands,
    user_changes: Commands,
}

#[derive(Debug, Default)]
struct Commands {
    sent: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
    unreachable: AtomicU64,
}

/// What came of commands of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandCounts {
    /// Which kind: `disconnect`, `send` or `user_changed`.
    pub task: &'static str,
    /// Commands that went to gateways.
    pub sent: u64,
    /// Sockets for which it was done.
    pub done: u64,
    /// Sockets whose gateway could not.
    pub failed: u64,
    /// Sockets whose gateway did not answer.
    pub unreachable: u64,
}

impl Tally {
    fn of(&self, task: &Task) -> &Commands {
        match task {
            Task::Disconnect { .. } => &self.disconnects,
            Task::Send { .. } => &self.sends,
            Task::UserChanged { .. } => &self.user_changes,
        }
    }

    pub(super) fn gateway_is_gone(&self) {
        add(&self.gone, 1);
    }

    pub(super) fn sent(&self, task: &Task) {
        add(&self.of(task).sent, 1);
    }

    pub(super) fn settled(&self, task: &Task, part: &Progress) {
        let Progress { matched: _, done, failed, unreachable } = part;
        let commands = self.of(task);
        add(&commands.done, *done);
        add(&commands.failed, *failed);
        add(&commands.unreachable, *unreachable);
    }

    /// Gateways whose leases this replica has ended.
    pub fn gone(&self) -> u64 {
        self.gone.load(Ordering::Relaxed)
    }

    /// What came of commands that were asked for here.
    pub fn commands(&self) -> [CommandCounts; 3] {
        [("disconnect", &self.disconnects), ("send", &self.sends), ("user_changed", &self.user_changes)].map(
            |(task, commands)| CommandCounts {
                task,
                sent: commands.sent.load(Ordering::Relaxed),
                done: commands.done.load(Ordering::Relaxed),
                failed: commands.failed.load(Ordering::Relaxed),
                unreachable: commands.unreachable.load(Ordering::Relaxed),
            },
        )
    }
}

fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}
