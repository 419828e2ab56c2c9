//! `sockets watch`.

use std::io::{self, Write as _};

use clap::Args;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Duration, MissedTickBehavior, interval},
};
use tonic::{Code, Status, Streaming};

use super::{
    connect::{ConnectArgs, Connection, is_lost},
    lines::Lines,
    list::backoff,
    live::Live,
    pager,
    params::ParamArgs,
};
use crate::{
    cli::{Error, service::words},
    grpc::pb::{FilterSocketsRequest, WatchSocketsRequest, WatchSocketsResponse},
};

/// Watch the sockets that match: those that are open now, and then what changes.
#[derive(Debug, Args)]
pub struct Watch {
    /// Which sockets: a CEL expression over `user`, `socket`, `gateway` and `params`.
    #[arg(default_value = "true")]
    filter: String,
    #[command(flatten)]
    params: ParamArgs,
    /// Go on from this `revision` of an earlier watch of the same filter, instead of what is open now.
    #[arg(long, value_name = "REVISION")]
    from_revision: Option<String>,
    /// Print JSON, a change a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// Where changes are shown.
pub(super) trait Show {
    /// Something was told.
    fn told(&mut self, message: WatchSocketsResponse) -> io::Result<()>;
    /// What was told so far counts no more: what is open now comes next.
    fn afresh(&mut self) -> io::Result<()>;
    /// How the connection does; `None`: well again.
    fn note(&mut self, note: Option<&str>) -> io::Result<()>;
    /// A moment has passed.
    fn tick(&mut self) -> io::Result<()>;
}

impl Watch {
    pub(super) async fn run(self) -> Result<(), Error> {
        let Self { filter, params, from_revision, json, connect } = self;
        let FilterSocketsRequest { filter, params, .. } = params.with_filter(filter)?;
        let connection = connect.connect().await?;
        let shown = filter.clone();
        let from_revision = from_revision.unwrap_or_default();
        let request = WatchSocketsRequest { filter, params, from_revision };
        let mut watcher = Watcher { connection, request, heard: false, attempt: 0 };
        if json || pager::terminal().is_none() {
            return watcher.run(&mut Lines::new(json)).await;
        }
        let catch =
            |kind| signal(kind).map_err(|error| Error::Call(format!("signals cannot be caught: {error}")));
        let (mut interrupt, mut terminate) =
            (catch(SignalKind::interrupt())?, catch(SignalKind::terminate())?);
        let mut live = Live::new(shown)?;
        let ended = tokio::select! {
            ended = watcher.run(&mut live) => ended,
            _ = interrupt.recv() => Ok(()),
            _ = terminate.recv() => Ok(()),
        };
        let summary = live.end()?;
        writeln!(anstream::stdout(), "{summary}")?;
        ended
    }
}

/// Often enough that it looks alive, seldom enough that a flood of changes costs no more than a trickle.
const TICK: Duration = Duration::from_millis(250);

struct Watcher {
    connection: Connection,
    request: WatchSocketsRequest,
    /// The service has answered once: it is there, and worth waiting for.
    heard: bool,
    /// Attempts since it was heard last.
    attempt: u32,
}

impl Watcher {
    /// Watches until what ends it is no loss of the connection.
    async fn run(&mut self, show: &mut impl Show) -> Result<(), Error> {
        loop {
            let answer = self.connection.client.watch_sockets(self.request.clone()).await;
            let status = match answer {
                Ok(answer) => self.follow(answer.into_inner(), show).await?,
                Err(status) => status,
            };
            if status.code() == Code::OutOfRange {
                self.request.from_revision.clear();
                // It answers: there is nothing to wait long for.
                self.attempt = 0;
                show.afresh()?;
                show.note(Some("the changes in between are lost; what is open now is told afresh"))?;
            } else if is_lost(&status) && self.heard {
                let words = words(&status);
                show.note(Some(&format!("connecting again, to go on from where it ended: {words}")))?;
            } else {
                return Err(self.connection.refused(&status));
            }
            self.attempt = self.attempt.saturating_add(1);
            self.wait(backoff(self.attempt), show).await?;
        }
    }

    /// Shows what comes until the stream ends, and says how it ended.
    async fn follow(
        &mut self,
        mut stream: Streaming<WatchSocketsResponse>,
        show: &mut impl Show,
    ) -> Result<Status, Error> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // Whichever is ready, in no order: neither a flood of changes nor the clock keeps the other waiting.
                message = stream.message() => match message {
                    Ok(Some(message)) => {
                        if self.attempt > 0 {
                            show.note(None)?;
                        }
                        (self.heard, self.attempt) = (true, 0);
                        if !message.revision.is_empty() {
                            self.request.from_revision.clone_from(&message.revision);
                        }
                        show.told(message)?;
                    }
                    Ok(None) => return Ok(Status::unavailable("the stream ended")),
                    Err(status) => return Ok(status),
                },
                _ = ticks.tick() => show.tick()?,
            }
        }
    }

    async fn wait(&self, span: Duration, show: &mut impl Show) -> Result<(), Error> {
        let mut ticks = interval(TICK);
        let over = tokio::time::sleep(span);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return Ok(()),
                _ = ticks.tick() => show.tick()?,
            }
        }
    }
}
