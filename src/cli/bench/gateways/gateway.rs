//! One gateway: its stream, and another one whenever that ends.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use http::uri::PathAndQuery;
use prost::Message as _;
use rand::Rng as _;
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status, Streaming, client::Grpc};

use super::{
    Stop,
    channels::Channels,
    codec::AsTheyAre,
    counters::{Counters, Welcomed},
    dice::Dice,
    places::Places,
    stream::Stream,
    wire::Buffer,
    world::World,
};
use crate::grpc::pb::{
    Command, CommandResult, Hello, ReportRequest, ReportResponse, command, report_request::Message as Said,
    report_response::Message as Heard,
};

/// How long to wait for the welcome: a hello may have to wait for the end of the gateway's former life.
const WELCOME: Duration = Duration::from_secs(30);

/// What all gateways of a fleet share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) world: World,
    pub(super) channels: Channels,
    pub(super) counters: Counters,
    /// Events a batch.
    pub(super) batch: u32,
    /// Opens and closes a second of each gateway.
    pub(super) rate: watch::Sender<f64>,
    pub(super) stop: watch::Sender<Option<Stop>>,
}

impl Shared {
    /// Waits until the fleet is told to stop in such a way.
    pub(super) async fn stopped(&self, so: impl Fn(Stop) -> bool) {
        // The sender is here: there is always another value to wait for.
        let _ = self.stop.subscribe().wait_for(|stop| stop.is_some_and(&so)).await;
    }
}

/// One gateway.
pub(super) struct Gateway {
    pub(super) shared: Arc<Shared>,
    number: u32,
    hello: Hello,
    pub(super) places: Places,
    /// What opens and closes next.
    dice: Dice,
    /// Closed at the service's command and not reported yet: place and life.
    pub(super) closed: VecDeque<(u32, u32)>,
    /// A close comes after each open.
    close_next: bool,
    was_welcomed: bool,
    /// A listing of this gateway's has been acked.
    pub(super) has_listed: bool,
    /// The events of the next batch.
    pub(super) events: Buffer,
}

/// Why a stream is over.
pub(super) enum End {
    /// The service ended it, or it could not be opened.
    Service(Status),
    /// The fleet is told to stop.
    Stopped,
}

impl Gateway {
    pub(super) fn new(shared: Arc<Shared>, number: u32, hello: Hello, sockets: u32) -> Self {
        let dice = shared.world.dice(number, 0, 0, 0);
        Self {
            shared,
            number,
            hello,
            places: Places::all_open(sockets),
            dice,
            closed: VecDeque::new(),
            close_next: false,
            was_welcomed: false,
            has_listed: false,
            events: Buffer::default(),
        }
    }

    /// Reports until the fleet stops.
    pub(super) async fn live(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut failures = 0;
        let mut stream = 0;
        loop {
            let ended = tokio::select! {
                ended = self.report(stream, &mut failures) => ended,
                () = shared.stopped(|stop| stop == Stop::Cut) => return,
            };
            let End::Service(status) = ended else { return };
            shared.counters.ended(&status);
            if status.code() == Code::AlreadyExists {
                shared.counters.taken.send_replace(Some(self.hello.gateway_id.clone()));
            }
            stream += 1;
            tokio::select! {
                () = sleep(backoff(failures)) => {}
                () = shared.stopped(|_| true) => return,
            }
        }
    }

    /// One stream from hello to its end.
    async fn report(&mut self, stream: usize, failures: &mut u32) -> End {
        *failures = failures.saturating_add(1);
        let (sender, messages) = mpsc::channel(1);
        // It has room for one.
        let _ = sender.try_send(encoded(Said::Hello(self.hello.clone())));
        let shared = Arc::clone(&self.shared);
        let opened = tokio::select! {
            opened = timeout(WELCOME, self.open(stream, messages)) => opened,
            () = shared.stopped(|_| true) => return End::Stopped,
        };
        let (heard, lease) = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(status)) => return End::Service(status),
            Err(_elapsed) => return End::Service(Status::deadline_exceeded("no welcome in time")),
        };
        *failures = 0;
        let _welcomed = Welcomed::new(&shared.counters);
        if std::mem::replace(&mut self.was_welcomed, true) {
            shared.counters.reopened.fetch_add(1, Relaxed);
        }
        // What is not open is not listed.
        self.closed.clear();
        Stream::new(self, lease).run(sender, heard).await
    }

    async fn open(
        &self,
        stream: usize,
        messages: mpsc::Receiver<Bytes>,
    ) -> Result<(Streaming<ReportResponse>, Duration), Status> {
        const PATH: &str = "/socketpass.v1.RegistryService/Report";
        let mut grpc = Grpc::new(self.shared.channels.get(self.number, stream));
        grpc.ready().await.map_err(|error| Status::from_error(Box::new(error)))?;
        let request = Request::new(ReceiverStream::new(messages));
        let answers = grpc.streaming(request, PathAndQuery::from_static(PATH), AsTheyAre).await?;
        let mut heard = answers.into_inner();
        match heard.message().await?.and_then(|message| message.message) {
            Some(Heard::Welcome(welcome)) => {
                let lease = welcome.lease.and_then(|lease| Duration::try_from(lease).ok());
                Ok((heard, lease.unwrap_or(Duration::from_secs(15))))
            }
            other => Err(Status::internal(format!("no welcome but {other:?}"))),
        }
    }

    pub(super) fn opened(&mut self, place: u32) {
        let (Some(life), Some(since)) = (self.places.life(place), self.places.since(place)) else { return };
        self.events.opened(&self.shared.world.socket(self.number, place, life, since));
    }

    pub(super) fn closed(&mut self, place: u32, life: u32) {
        self.events.closed(self.shared.world.socket_id(self.number, place, life).as_str());
    }

    /// An open or a close, in turn as far as there is something to close and room to open.
    pub(super) fn turn(&mut self) -> u64 {
        let open_sockets = &self.shared.counters.open_sockets;
        let closed = self.close_next.then(|| self.places.close_one(&mut self.dice)).flatten();
        self.close_next = !self.close_next;
        if let Some(place) = closed {
            open_sockets.fetch_sub(1, Relaxed);
            let life = self.places.life(place).unwrap_or(0);
            self.closed(place, life);
            return 1;
        }
        if let Some(place) = self.places.open_one(&mut self.dice, self.shared.world.now()) {
            open_sockets.fetch_add(1, Relaxed);
            self.opened(place);
            return 1;
        }
        0
    }

    fn place_of(&self, socket_id: &str) -> Option<u32> {
        let place = self.shared.world.place_of(self.number, socket_id, |place| self.places.life(place))?;
        self.places.is_open(place).then_some(place)
    }

    /// Does what the service says, and says for which sockets it is done.
    pub(super) fn obey(&mut self, command: Command) -> CommandResult {
        let Command { command_id, command } = command;
        let done = match command {
            Some(command::Command::Disconnect(disconnect)) => {
                for socket_id in &disconnect.socket_ids {
                    let Some(place) = self.place_of(socket_id) else { continue };
                    if self.places.close(place) {
                        self.shared.counters.open_sockets.fetch_sub(1, Relaxed);
                        self.closed.push_back((place, self.places.life(place).unwrap_or(0)));
                    }
                }
                // One that was closed before is disconnected too.
                disconnect.socket_ids
            }
            Some(command::Command::Send(send)) => self.those_open(send.socket_ids),
            Some(command::Command::UserChanged(changed)) => self.those_open(changed.socket_ids),
            None => Vec::new(),
        };
        self.shared.counters.commands.fetch_add(1, Relaxed);
        CommandResult { command_id, done }
    }

    fn those_open(&self, mut socket_ids: Vec<String>) -> Vec<String> {
        socket_ids.retain(|socket_id| self.place_of(socket_id).is_some());
        socket_ids
    }
}

/// How long to wait before another stream: longer each time that none was welcomed, and not the same for all.
fn backoff(failures: u32) -> Duration {
    let longest = Duration::from_millis(100).saturating_mul(1 << failures.min(6));
    longest.mul_f64(rand::rng().random_range(0.5..1.0))
}

/// What seldom is said.
pub(super) fn encoded(message: Said) -> Bytes {
    Bytes::from(ReportRequest { message: Some(message) }.encode_to_vec())
}
