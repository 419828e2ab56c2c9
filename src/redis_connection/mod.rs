//! Connections to Redis: one that is kept for all who ask, and more for those that need their own.
//!
//! A keeper task owns the kept connection: it connects, asks now and then whether the server still answers, and connects
//! anew when it does not, so that no request waits for a connection that is dead.

use std::time::Duration;

use redis::{Cmd, RedisError, Value};
use tokio::{sync::watch, time::timeout};
use tokio_util::task::AbortOnDropHandle;

use self::keeper::{Keeper, Link};
use crate::{
    health::{Health, Reporter, Told},
    task,
};

mod check;
mod connection;
mod connector;
mod keeper;
mod primaries;
mod pushes;

pub use self::{
    connection::Connection,
    connector::Connector,
    pushes::{Listener, Means, Pushed},
};

/// What a kept connection is for.
#[derive(Debug)]
pub struct Purpose {
    /// A command whose answer shows that the server does what it is asked, and does not merely answer. In a cluster its
    /// keys do not matter: there the cluster's own state is asked for.
    pub probe: Cmd,
    /// Logs that the server answers, at first and again: its URL, without the password. Called once each time.
    pub log_answers: fn(&str),
    /// Logs that it does not, and what follows from that: its URL and the cause. Called once, not for each request.
    pub log_silent: fn(&str, &str),
}

/// Why there is no answer. For the log alone: it may hold a driver's words.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// There is no connection.
    #[error("{0}")]
    Away(String),
    /// No answer came in time; of a write nobody knows whether it was done.
    #[error("no answer within {0:?}")]
    NoAnswer(Duration),
    /// The server's own error, or the connection broke before its answer was there.
    #[error("{0}")]
    Refused(#[from] RedisError),
}

impl Failure {
    /// The word that the server's error begins with: `WRONGTYPE`, or one of a script's own.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Away(_) | Self::NoAnswer(_) => None,
            Self::Refused(error) => error.code(),
        }
    }
}

/// A connection for all who ask, which is replaced when it breaks. Ends when it is dropped.
#[derive(Debug)]
pub struct KeptConnection {
    timeout: Duration,
    link: watch::Receiver<Link>,
    health: watch::Receiver<Health>,
    doubt: keeper::Doubt,
    _keeper: AbortOnDropHandle<()>,
}

impl KeptConnection {
    /// Starts to connect. A server that is away is no reason not to start.
    pub fn open(connector: Connector, purpose: Purpose) -> Self {
        let timeout = connector.timeout();
        let (link_sender, link) = watch::channel(Link::Connecting);
        let Purpose { probe, log_answers, log_silent } = purpose;
        let reporter = Reporter::new(Told { url: connector.url().to_string(), log_answers, log_silent });
        let health = reporter.subscribe();
        let doubt = keeper::Doubt::default();
        let keeper = Keeper::new(connector, probe, link_sender, reporter, doubt.clone());
        Self { timeout, link, health, doubt, _keeper: task::owned(keeper.run()) }
    }

    /// Asks a command that may be done twice: once again if the connection breaks meanwhile. Answers within the
    /// connector's timeout.
    pub async fn ask(&self, command: &Cmd) -> Result<Value, Failure> {
        self.in_time(async {
            let (number, mut connection) = self.connection_after(None).await?;
            match connection.ask(command).await {
                // A connection that broke may be one that a restart cut.
                Err(error) if error.is_connection_dropped() => {
                    self.doubt.look_now();
                    let (_, mut connection) = self.connection_after(Some(number)).await?;
                    Ok(connection.ask(command).await?)
                }
                answer => Ok(answer?),
            }
        })
        .await
    }

    /// Asks a command once. Answers within the connector's timeout. In a cluster the driver itself asks again where
    /// nodes change their roles, so that a write has to bear to be done twice.
    pub async fn ask_once(&self, command: &Cmd) -> Result<Value, Failure> {
        self.in_time(async {
            let (_, mut connection) = self.connection_after(None).await?;
            let answer = connection.ask(command).await;
            if answer.as_ref().is_err_and(RedisError::is_connection_dropped) {
                self.doubt.look_now();
            }
            Ok(answer?)
        })
        .await
    }

    /// Counts the connections that there were: what is read on another one may come from another server.
    pub fn number(&self) -> u64 {
        match &*self.link.borrow() {
            Link::Up(number, _) => *number,
            Link::Connecting | Link::Down(_) => 0,
        }
    }

    /// Tells that an answer was not what it should be: the keeper looks whether the server does what it is asked.
    pub fn doubt(&self) {
        self.doubt.failed();
    }

    /// Follows whether the server answers.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    async fn in_time(&self, answer: impl Future<Output = Result<Value, Failure>>) -> Result<Value, Failure> {
        timeout(self.timeout, answer).await.unwrap_or_else(|_| Err(Failure::NoAnswer(self.timeout)))
    }

    /// A connection that is up, and another one than that of this number.
    async fn connection_after(&self, used: Option<u64>) -> Result<(u64, Connection), Failure> {
        if let (None, Link::Up(number, connection)) = (used, &*self.link.borrow()) {
            return Ok((*number, connection.clone()));
        }
        let mut link = self.link.clone();
        let link = link
            .wait_for(|link| match link {
                Link::Connecting => false,
                Link::Up(number, _) => used != Some(*number),
                Link::Down(_) => true,
            })
            .await
            .map_err(|_| Failure::Away("the connection is being closed".to_owned()))?;
        match &*link {
            Link::Up(number, connection) => Ok((*number, connection.clone())),
            Link::Down(cause) => Err(Failure::Away(cause.to_string())),
            Link::Connecting => Err(Failure::Away("still connecting".to_owned())),
        }
    }
}
