//! One stream, from hello to its end.

use std::{collections::HashSet, time::Duration};

use tokio::{
    sync::{
        mpsc::{UnboundedSender, unbounded_channel},
        watch,
    },
    time::{Instant, sleep_until, timeout},
};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Status, Streaming};

use super::{Ended, Reporter};
use crate::{
    proto::{
        self, Batch, Goodbye, ReportRequest, ReportResponse, registry_service_client::RegistryServiceClient,
        report_request::Message as Say, report_response::Message as Heard,
    },
    replicas::Replica,
};

/// A hello may wait for half a lease until the process' former life is over.
const WELCOME_WITHIN: Duration = Duration::from_secs(20);

const EVENTS_A_BATCH: usize = 500;
const BATCHES_UNDER_WAY: u64 = 16;

/// What happens in so short a time goes out in one batch.
const BATCH_EVERY: Duration = Duration::from_millis(20);

/// A timer that is so late tells that this process stood still, not that the service did.
const STOOD_STILL: Duration = Duration::from_millis(250);

/// How long the service may take to see a goodbye.
const GOODBYE_WITHIN: Duration = Duration::from_secs(5);

impl Reporter {
    /// Opens a stream at the next replica and stays with it until it ends.
    pub(super) async fn stream(&mut self) -> Ended {
        let Some(replica) = self.replicas.pick() else {
            return Ended { welcomed: false, listed: false, why: self.replicas.nowhere() };
        };
        let (say, requests) = unbounded_channel();
        let mut stream = Stream { say, replica, sequence: 0, acked: 0, listing: None, welcomed: false };
        stream.say(Say::Hello(self.hello()));
        let why = match self.follow(&mut stream, UnboundedReceiverStream::new(requests)).await {
            Ok(()) => Status::new(Code::Ok, "the service ended it"),
            Err(why) => why,
        };
        Ended { welcomed: stream.welcomed, listed: stream.is_listed(), why }
    }

    async fn follow(
        &mut self,
        stream: &mut Stream,
        requests: UnboundedReceiverStream<ReportRequest>,
    ) -> Result<(), Status> {
        let replica = stream.replica.clone();
        let welcomed = async {
            let mut client = RegistryServiceClient::new(replica.clone());
            let mut heard = client.report(requests).await?.into_inner();
            loop {
                match heard.message().await? {
                    Some(ReportResponse { message: Some(Heard::Welcome(welcome)) }) => {
                        return Ok((heard, welcome));
                    }
                    Some(_) => {}
                    None => return Err(Status::unavailable("the service ended it before the welcome")),
                }
            }
        };
        let Ok(welcomed) = timeout(WELCOME_WITHIN, welcomed).await else {
            return Err(stream.given_up("no welcome came"));
        };
        let (heard, welcome) = welcomed?;
        stream.welcomed = true;
        tracing::info!(replica = %stream.replica.address(), gateway_id = self.gateway_id, "reporting to socketpass");
        self.lost.send_replace(None);
        let lease = welcome.lease.and_then(|lease| lease.try_into().ok()).unwrap_or(Duration::from_secs(15));
        self.report(stream, heard, lease).await
    }

    /// Everything that is open, then what changes; a sign of life when nothing does.
    async fn report(
        &mut self,
        stream: &mut Stream,
        mut heard: Streaming<ReportResponse>,
        lease: Duration,
    ) -> Result<(), Status> {
        self.sockets.list();
        let mut complete = false;
        let mut next_batch = Instant::now();
        // Since when batches wait without any of them being acked.
        let mut waiting_since = Instant::now();
        let mut refused = HashSet::new();
        let mut ending = self.ending.clone();
        loop {
            let may_send = stream.under_way() < BATCHES_UNDER_WAY;
            let has_news = !complete || self.sockets.has_news();
            let due = if has_news { next_batch } else { next_batch + lease / 4 };
            let give_up = waiting_since + lease / 2;
            tokio::select! {
                biased;
                () = ends(&mut ending) => return stream.goodbye(heard).await,
                message = heard.message() => match message?.and_then(|response| response.message) {
                    Some(Heard::Ack(ack)) => {
                        stream.acked = ack.sequence;
                        waiting_since = Instant::now();
                        for rejection in ack.rejected {
                            tell(&rejection, &mut refused);
                        }
                    }
                    Some(Heard::Command(command)) => {
                        let result = self.obey(command);
                        stream.say(Say::CommandResult(result));
                    }
                    Some(Heard::Welcome(_)) => {}
                    None => return Ok(()),
                },
                () = sleep_until(give_up), if stream.under_way() > 0 => {
                    let late = Instant::now() - give_up;
                    if late < STOOD_STILL {
                        return Err(stream.given_up("batches were not acked"));
                    }
                    waiting_since += late;
                }
                () = sleep_until(due), if may_send => {
                    let events = self.sockets.news(EVENTS_A_BATCH);
                    // What opens meanwhile is told along with the rest, so the listing ends when nothing is left.
                    let completes = !complete && !self.sockets.has_news();
                    complete |= completes;
                    next_batch = Instant::now() + BATCH_EVERY;
                    if stream.under_way() == 0 {
                        waiting_since = Instant::now();
                    }
                    stream.batch(events, completes);
                }
                () = self.sockets.changed.notified(), if !has_news => {}
            }
        }
    }
}

/// Until the process ends.
pub(super) async fn ends(ending: &mut watch::Receiver<bool>) {
    if ending.wait_for(|ending| *ending).await.is_err() {
        // The client is gone, and its tasks with it.
        std::future::pending::<()>().await;
    }
}

struct Stream {
    say: UnboundedSender<ReportRequest>,
    replica: Replica,
    sequence: u64,
    acked: u64,
    /// The batch that ended the listing.
    listing: Option<u64>,
    welcomed: bool,
}

impl Stream {
    fn say(&self, message: Say) {
        // When nobody listens the stream has ended, and what is heard says so.
        let _ = self.say.send(ReportRequest { message: Some(message) });
    }

    fn batch(&mut self, events: Vec<proto::Event>, complete: bool) {
        self.sequence += 1;
        if complete {
            self.listing = Some(self.sequence);
        }
        self.say(Say::Batch(Batch { sequence: self.sequence, events, complete }));
    }

    fn is_listed(&self) -> bool {
        self.listing.is_some_and(|listing| self.acked >= listing)
    }

    fn under_way(&self) -> u64 {
        self.sequence.saturating_sub(self.acked)
    }

    /// A replica that hangs ends no stream, so the next one is opened elsewhere.
    fn given_up(&self, why: &str) -> Status {
        self.replica.give_up();
        Status::new(Code::DeadlineExceeded, format!("{}: given up: {why}", self.replica.address()))
    }

    async fn goodbye(&mut self, mut heard: Streaming<ReportResponse>) -> Result<(), Status> {
        self.say(Say::Goodbye(Goodbye {}));
        // Nothing comes after a goodbye: the other half of the stream ends with it.
        self.say = unbounded_channel().0;
        let ended = async {
            while heard.message().await?.is_some() {}
            Ok(())
        };
        timeout(GOODBYE_WITHIN, ended).await.unwrap_or(Ok(()))
    }
}

/// Once for each field: all sockets of an application have the same mistake.
fn tell(rejection: &proto::Rejection, told: &mut HashSet<String>) {
    if told.insert(rejection.field.clone()) {
        tracing::warn!(
            socket_id = rejection.socket_id,
            "the registry did not take a socket's `{}`: {}",
            rejection.field,
            rejection.message
        );
    }
}
