//! One stream of a gateway, from the welcome on: the listing, then what changes.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use bytes::Bytes;
use rand::Rng as _;
use tokio::{
    sync::mpsc,
    time::{sleep_until, timeout},
};
use tonic::{Status, Streaming};

use super::{
    counters::Unacked,
    gateway::{End, Gateway, encoded},
    pace::Pace,
};
use crate::grpc::pb::{
    Ack, Goodbye, ReportResponse, report_request::Message as Said, report_response::Message as Heard,
};

/// What falls due meanwhile goes out in one batch: a person does not notice so much, and each batch costs a message.
const FLUSH_EVERY: Duration = Duration::from_millis(10);

/// Batches on their way. With fewer, the way there and back would bound what one gateway can report; with more, a service
/// that does not keep up would be sent what only waits there.
const UNACKED: usize = 16;

/// How long to wait until the service has heard a goodbye.
const FAREWELL: Duration = Duration::from_secs(5);

/// One stream that was welcomed.
pub(super) struct Stream<'g> {
    gateway: &'g mut Gateway,
    /// A batch is due so long after the last.
    sign_of_life: Duration,
    last_batch: Instant,
    sequence: u64,
    unacked: VecDeque<Unacked>,
    /// The next place to list; `None`: all are listed.
    listing: Option<u32>,
    /// The listing has been acked.
    listed: bool,
    pace: Option<Pace>,
    results: VecDeque<Bytes>,
}

impl<'g> Stream<'g> {
    pub(super) fn new(gateway: &'g mut Gateway, lease: Duration) -> Self {
        Self {
            gateway,
            // A third is the latest; earlier, so that a busy moment on the way does not make it late.
            sign_of_life: lease / 4,
            last_batch: Instant::now(),
            sequence: 0,
            unacked: VecDeque::new(),
            listing: Some(0),
            listed: false,
            pace: None,
            results: VecDeque::new(),
        }
    }

    pub(super) async fn run(
        mut self,
        sender: mpsc::Sender<Bytes>,
        mut heard: Streaming<ReportResponse>,
    ) -> End {
        let shared = Arc::clone(&self.gateway.shared);
        let mut rate = shared.rate.subscribe();
        loop {
            let now = Instant::now();
            let next = self.next_send(now);
            tokio::select! {
                message = heard.message() => match message {
                    Ok(Some(message)) => self.hear(message),
                    Ok(None) => return End::Service(Status::unavailable("the stream ended")),
                    Err(status) => return End::Service(status),
                },
                Ok(permit) = sender.reserve(), if next <= now => permit.send(self.message()),
                () = sleep_until(next.into()), if next > now => {}
                Ok(()) = rate.changed(), if self.listed => self.set_pace(*rate.borrow_and_update()),
                () = shared.stopped(|_| true) => break,
            }
        }
        // A service that does not hear it finds out by the lease.
        let farewell = async {
            let _ = sender.send(encoded(Said::Goodbye(Goodbye {}))).await;
            drop(sender);
            while let Ok(Some(_)) = heard.message().await {}
        };
        let _ = timeout(FAREWELL, farewell).await;
        End::Stopped
    }

    /// When the next message is to go out.
    fn next_send(&self, now: Instant) -> Instant {
        if !self.results.is_empty() {
            return now;
        }
        let sign_of_life = self.last_batch + self.sign_of_life;
        if self.unacked.len() >= UNACKED {
            return sign_of_life;
        }
        if self.listing.is_some() || !self.gateway.closed.is_empty() {
            return now;
        }
        match &self.pace {
            Some(pace) if pace.due(now) >= self.gateway.shared.batch.into() => now,
            Some(pace) => pace.next().max(self.last_batch + FLUSH_EVERY).min(sign_of_life),
            None => sign_of_life,
        }
    }

    fn message(&mut self) -> Bytes {
        if let Some(result) = self.results.pop_front() {
            return result;
        }
        let now = Instant::now();
        let (mut events, mut due, mut complete) = (0, now, false);
        // With many on their way this one is only a sign of life.
        if self.unacked.len() < UNACKED {
            let room = u64::from(self.gateway.shared.batch);
            while events < room
                && let Some((place, life)) = self.gateway.closed.pop_front()
            {
                self.gateway.closed(place, life);
                events += 1;
            }
            if let Some(from) = self.listing {
                events += self.list(from, room - events);
                complete = self.listing.is_none();
            } else if let Some(pace) = &mut self.pace {
                let turns = pace.due(now).min(room - events);
                // That events wait for others to go along with is meant to be; that they wait for the service is not.
                due = match pace.next() {
                    oldest if turns == room - events => oldest,
                    oldest => oldest.max(self.last_batch + FLUSH_EVERY),
                }
                .min(now);
                pace.take(turns);
                events += (0..turns).map(|_| self.gateway.turn()).sum::<u64>();
            }
        }
        self.sequence += 1;
        self.last_batch = now;
        self.unacked.push_back(Unacked { sequence: self.sequence, events, due, complete });
        self.gateway.events.batch(self.sequence, complete)
    }

    /// Lists at most so many open sockets.
    fn list(&mut self, from: u32, room: u64) -> u64 {
        let mut listed = 0;
        for place in from..self.gateway.places.count() {
            if listed == room {
                self.listing = Some(place);
                return listed;
            }
            if self.gateway.places.is_open(place) {
                self.gateway.opened(place);
                listed += 1;
            }
        }
        self.listing = None;
        listed
    }

    fn hear(&mut self, message: ReportResponse) {
        match message.message {
            Some(Heard::Ack(ack)) => self.acked(ack),
            Some(Heard::Command(command)) => {
                let result = self.gateway.obey(command);
                self.results.push_back(encoded(Said::CommandResult(result)));
            }
            // A second welcome, or something that a newer service says.
            Some(Heard::Welcome(_)) | None => {}
        }
    }

    fn acked(&mut self, ack: Ack) {
        let shared = Arc::clone(&self.gateway.shared);
        let Ack { sequence, rejected } = ack;
        if let Some(rejection) = rejected.first() {
            shared.counters.rejected.fetch_add(u64::try_from(rejected.len()).unwrap_or(u64::MAX), Relaxed);
            let (field, message) = (&rejection.field, &rejection.message);
            shared.counters.ended(&Status::ok(format!("a socket's {field} was not taken: {message}")));
        }
        let now = Instant::now();
        while let Some(batch) = self.unacked.pop_front_if(|batch| batch.sequence <= sequence) {
            shared.counters.acked(batch.events, now.saturating_duration_since(batch.due));
            if batch.complete {
                self.listed = true;
                self.set_pace(*shared.rate.borrow());
                if !std::mem::replace(&mut self.gateway.has_listed, true) {
                    shared.counters.listed.send_modify(|listed| *listed += 1);
                }
            }
        }
    }

    fn set_pace(&mut self, rate: f64) {
        // Not all gateways at the same moment.
        let began = Instant::now() + FLUSH_EVERY.mul_f64(rand::rng().random_range(0.0..1.0));
        self.pace = Pace::new(began, rate);
    }
}
