//! The task that owns the kept connection.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis::Cmd;
use tokio::{
    sync::{Notify, watch},
    time::sleep,
};

use super::{Connection, Connector, check};
use crate::health::Reporter;

/// How often the keeper asks whether the server answers: half a second bounds how long a dead one goes unnoticed by
/// health and costs the server nothing.
const CHECK_EVERY: Duration = Duration::from_millis(500);

/// Between attempts to connect: the first follows at once, so that a restart is bridged, and a server that stays away is
/// asked twice a second by each replica, which it can bear when it comes back.
const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_AT_MOST: Duration = Duration::from_millis(500);

/// The connection as requests see it.
#[derive(Clone)]
pub(super) enum Link {
    /// The first attempt since the start or since a loss is under way: worth waiting for.
    Connecting,
    /// Usable. The number tells one connection from the next.
    Up(u64, Connection),
    /// The last attempt failed; the next is under way.
    Down(Arc<str>),
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("Connecting"),
            Self::Up(number, _) => write!(f, "Up({number})"),
            Self::Down(cause) => write!(f, "Down({cause})"),
        }
    }
}

/// What requests tell the keeper.
#[derive(Clone, Debug, Default)]
pub(super) struct Doubt(Arc<DoubtInner>);

#[derive(Debug, Default)]
struct DoubtInner {
    /// Look at the connection now.
    now: Notify,
    /// A request failed, which of a cluster can be for another reason than that a node does not answer.
    failed: AtomicBool,
}

impl Doubt {
    /// The connection broke: have it replaced.
    pub(super) fn look_now(&self) {
        self.0.now.notify_one();
    }

    /// A request failed: look also whether the server does what it is asked.
    pub(super) fn failed(&self) {
        self.0.failed.store(true, Ordering::Relaxed);
        self.look_now();
    }

    fn has_failed(&self) -> bool {
        self.0.failed.load(Ordering::Relaxed)
    }

    fn is_cleared(&self) {
        self.0.failed.store(false, Ordering::Relaxed);
    }
}

/// Owns the connection.
pub(super) struct Keeper {
    connector: Connector,
    /// A command whose answer shows that the server does what it is asked.
    probe: Cmd,
    link: watch::Sender<Link>,
    reporter: Reporter,
    doubt: Doubt,
}

impl Keeper {
    pub(super) fn new(
        connector: Connector,
        probe: Cmd,
        link: watch::Sender<Link>,
        reporter: Reporter,
        doubt: Doubt,
    ) -> Self {
        Self { connector, probe, link, reporter, doubt }
    }

    pub(super) async fn run(self) {
        let mut number = 0;
        let mut delay = RETRY_FIRST;
        loop {
            match self.connector.connect().await {
                Ok(connection) => {
                    number += 1;
                    delay = RETRY_FIRST;
                    self.link.send_replace(Link::Up(number, connection.clone()));
                    let cause = self.stay(connection, &mut number).await;
                    self.reporter.down(&cause);
                    self.link.send_replace(Link::Connecting);
                }
                Err(cause) => {
                    self.reporter.down(&cause);
                    self.link.send_replace(Link::Down(cause.into()));
                    sleep(delay.mul_f64(rand::random_range(0.5..1.0))).await;
                    delay = (delay * 2).min(RETRY_AT_MOST);
                }
            }
        }
    }

    /// Stays with a connection until it fails, and says why it did.
    async fn stay(&self, mut connection: Connection, number: &mut u64) -> String {
        let timeout = self.connector.timeout();
        loop {
            match (connection.check(timeout).await, &mut connection) {
                (Ok(()), connection) if self.doubt.has_failed() => {
                    // It answers, and yet it may refuse reads: a cluster that lacks slots does, and an ACL can.
                    match connection.serves(&self.probe, timeout).await {
                        Ok(()) => {
                            self.doubt.is_cleared();
                            self.reporter.up();
                        }
                        Err(cause) => self.reporter.down(&cause),
                    }
                }
                (Ok(()), _) => self.reporter.up(),
                (Err(cause), Connection::Server(_) | Connection::Primary(_)) => return cause,
                // The nodes that are well go on answering, so a cluster's client is kept until another finds more of them:
                // it does not notice that a node hangs whose replica took its place. When no node answers it has to go
                // all the same: it asks where it last saw them, without a pause, and never again where the URL says.
                (Err(cause), Connection::Cluster(cluster)) => {
                    self.reporter.down(&cause);
                    if let Ok(another) = self.connector.connect().await {
                        connection = another;
                        *number += 1;
                        self.link.send_replace(Link::Up(*number, connection.clone()));
                    } else if !check::any_answers(cluster, timeout).await {
                        return cause;
                    }
                }
            }
            // However many requests are in doubt, the server is asked only so often.
            sleep(RETRY_FIRST).await;
            tokio::select! {
                () = sleep(CHECK_EVERY) => {}
                () = self.doubt.0.now.notified() => {}
            }
        }
    }
}
