//! `sessions watch`.

use std::io::{self, Write as _};

use clap::Args;
use serde_json::json;
use tokio::time::sleep;
use tonic::{Code, Status, Streaming, metadata::MetadataMap};

use super::lines;
use crate::{
    cli::{
        Error,
        service::words,
        sockets::{
            connect::{ConnectArgs, Connection, is_lost},
            list::backoff,
        },
        style::{HINT, plain},
    },
    grpc::pb::{WatchSessionEndsRequest, WatchSessionEndsResponse},
};

/// Watch which sessions end, for whom and why.
#[derive(Debug, Args)]
pub struct Watch {
    /// Go on from this `revision` of an earlier watch, which --json prints, instead of what comes next.
    #[arg(long, value_name = "REVISION")]
    from_revision: Option<String>,
    /// Print JSON, an end a line, with the whole session id: keep it as you keep logins.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// Where a watch begins that has no message yet.
const REVISION: &str = "socketpass-revision";

impl Watch {
    pub(super) async fn run(self) -> Result<(), Error> {
        let Self { from_revision, json, connect } = self;
        let connection = connect.connect().await?;
        let from_revision = from_revision.unwrap_or_default();
        let request = WatchSessionEndsRequest { from_revision, checkpoints: true };
        Watcher { connection, request, json, heard: false, attempt: 0 }.run().await
    }
}

struct Watcher {
    connection: Connection,
    request: WatchSessionEndsRequest,
    json: bool,
    /// The service has answered once: it is there, and worth waiting for.
    heard: bool,
    /// Attempts since it answered last.
    attempt: u32,
}

impl Watcher {
    /// Watches until what ends it is no loss of the connection.
    async fn run(mut self) -> Result<(), Error> {
        loop {
            let answer = self.connection.client.watch_session_ends(self.request.clone()).await;
            let status = match answer {
                Ok(answer) => {
                    self.begins(answer.metadata())?;
                    self.follow(answer.into_inner()).await?
                }
                Err(status) => status,
            };
            if status.code() == Code::OutOfRange {
                self.request.from_revision.clear();
                self.attempt = 0;
                if self.json {
                    writeln!(io::stdout(), "{}", json!({"event": "afresh"}))?;
                }
                note("sessions that ended in between are lost; what comes next is told")?;
            } else if is_lost(&status) && self.heard {
                let words = words(&status);
                note(&format!("connecting again, to go on from where it ended: {words}"))?;
            } else {
                return Err(self.connection.refused(&status));
            }
            self.attempt = self.attempt.saturating_add(1);
            sleep(backoff(self.attempt)).await;
        }
    }

    /// The service answers. What has no revision yet goes on from here when the connection is lost.
    fn begins(&mut self, metadata: &MetadataMap) -> io::Result<()> {
        note(if self.heard { "connected again" } else { "watching which sessions end" })?;
        (self.heard, self.attempt) = (true, 0);
        if let Some(revision) = metadata.get(REVISION).and_then(|revision| revision.to_str().ok()) {
            revision.clone_into(&mut self.request.from_revision);
        }
        Ok(())
    }

    /// Shows what comes until the stream ends, and says how it ended.
    async fn follow(&mut self, mut stream: Streaming<WatchSessionEndsResponse>) -> io::Result<Status> {
        loop {
            match stream.message().await {
                Ok(Some(end)) => {
                    if self.json {
                        writeln!(io::stdout(), "{}", lines::as_json(&end))?;
                    } else if !end.session_id.is_empty() {
                        writeln!(anstream::stdout(), "{}", lines::words(&end))?;
                    }
                    self.request.from_revision = end.revision;
                }
                Ok(None) => return Ok(Status::unavailable("the stream ended")),
                Err(status) => return Ok(status),
            }
        }
    }
}

fn note(note: &str) -> io::Result<()> {
    writeln!(anstream::stderr(), "{HINT}note:{HINT:#} {}", plain(note))
}
