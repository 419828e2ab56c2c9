//! A gateway's stream: messages to and from the registry's.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{sync::mpsc, time::timeout};
use tonic::{Status, Streaming};

use super::{
    answers::{Stop, Teller},
    callers::Caller,
    convert::{
        commands, invalid,
        sockets::{self, Known},
    },
    pb::{Ack, Rejection, ReportRequest, ReportResponse, Welcome, report_request, report_response},
    read_ahead::{Turn, turns},
    retry,
};
use crate::{
    registry::{
        Registry,
        streams::{
            End,
            stream::{Batch, Stream},
        },
    },
    telemetry::metrics::door::{DoorMetrics, Limit},
};

/// Nobody has to think about who they are; a stream that says nothing is nobody's.
const HELLO_WITHIN: Duration = Duration::from_secs(10);

/// Runs the stream to its end.
pub(super) async fn run(
    registry: Arc<Registry>,
    caller: Caller,
    mut messages: Streaming<ReportRequest>,
    answers: Teller<ReportResponse>,
    metrics: Arc<DoorMetrics>,
) -> Result<(), Stop> {
    let first = timeout(HELLO_WITHIN, messages.message()).await;
    let first =
        first.map_err(|_elapsed| Status::deadline_exceeded("no hello has come: it is the first message"))?;
    let Some(first) = first? else { return Ok(()) };
    let Some(report_request::Message::Hello(hello)) = first.message else {
        return Err(invalid("message", "the first on a stream has to be hello").into());
    };
    caller.reports_for(&hello.gateway_id)?;
    let stream = registry.stream(sockets::hello(&hello)?).await;
    let stream = stream.map_err(|end| {
        if end == End::Full {
            metrics.shed(Limit::Gateways);
        }
        status(&end)
    })?;
    let lease = Some(sockets::duration(registry.lease()));
    answer(&answers, report_response::Message::Welcome(Welcome { lease })).await?;
    let (turns, waiting) = turns();
    // What the gateway says is kept in order, however long that takes. Meanwhile it hears its commands, and its results are
    // read: while the registry's store is away sockets still have to end.
    tokio::select! {
        kept = keep_all(&registry, &stream, waiting, &answers) => kept,
        told = tell_commands(&stream, &answers) => told,
        never = turns.read(&stream, messages) => match never {},
        never = stream.settle_in_outages() => match never {},
    }
}

/// Commands go to the gateway as they come.
async fn tell_commands(stream: &Stream, answers: &Teller<ReportResponse>) -> Result<(), Stop> {
    loop {
        let command = commands::command(stream.next().await.map_err(|end| status(&end))?);
        answer(answers, report_response::Message::Command(command)).await?;
    }
}

/// What was read, in order.
async fn keep_all(
    registry: &Registry,
    stream: &Stream,
    mut waiting: mpsc::UnboundedReceiver<Turn>,
    answers: &Teller<ReportResponse>,
) -> Result<(), Stop> {
    while let Some(Turn { said, room: _room }) = waiting.recv().await {
        let Some(message) = said? else { return Ok(()) };
        match message.message {
            Some(report_request::Message::Batch(batch)) => {
                let ack = keep(registry, stream, batch).await?;
                answer(answers, report_response::Message::Ack(ack)).await?;
            }
            Some(report_request::Message::CommandResult(result)) => {
                stream.result(&result.command_id, result.done).await.map_err(|end| status(&end))?;
            }
            Some(report_request::Message::Goodbye(_)) => {
                stream.goodbye().await;
                return Ok(());
            }
            Some(report_request::Message::Hello(_)) => {
                return Err(invalid("hello", "it was said before on this stream").into());
            }
            None => return Err(invalid("message", "it is none that this version knows").into()),
        }
    }
    Ok(())
}

async fn keep(registry: &Registry, stream: &Stream, batch: super::pb::Batch) -> Result<Ack, Status> {
    let turn = registry.reading_turn().await;
    let (batch, rejected) = read(registry, stream.gateway_id(), batch)?;
    drop(turn);
    let sequence = batch.sequence;
    stream.batch(batch).await.map_err(|end| status(&end))?;
    Ok(Ack { sequence, rejected })
}

fn read(
    registry: &Registry,
    gateway_id: &str,
    batch: super::pb::Batch,
) -> Result<(Batch, Vec<Rejection>), Status> {
    let known = Known {
        connected_at: &|socket_id| registry.connected_at(gateway_id, socket_id),
        room: registry.room(gateway_id),
        now: now(),
    };
    sockets::batch(batch, &known)
}

/// A gateway that does not read is not read either: its batches wait until it does.
async fn answer(answers: &Teller<ReportResponse>, message: report_response::Message) -> Result<(), Stop> {
    match answers.tell(ReportResponse { message: Some(message) }).await {
        // What it said last is still read.
        Err(Stop::Left) => Ok(()),
        told => told,
    }
}

/// Microseconds since 1970.
fn now() -> i64 {
    let elapsed = SystemTime::UNIX_EPOCH.elapsed().map(|elapsed| elapsed.as_micros()).unwrap_or_default();
    i64::try_from(elapsed).unwrap_or(i64::MAX)
}

fn status(end: &End) -> Status {
    match end {
        End::Replaced => Status::aborted("a newer stream of this gateway goes on"),
        End::Taken => Status::aborted("another process has taken this gateway id: each needs one of its own"),
        End::Held => Status::already_exists(
            "another process reports under this gateway id: each needs one of its own, or this one is its successor and \
             too early",
        ),
        End::Full => retry::soon("there are as many gateways as limits.max_gateways allows"),
        End::StartOver(why) => Status::unavailable(format!("{why}: open another stream and list again")),
        End::Invalid(field, problem) => invalid(field, problem),
    }
}
