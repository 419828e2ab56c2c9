//! Makes room for messages before they arrive. gRPC says how long a message is before its first byte, so one that finds no
//! room takes none.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::{
    sync::{AcquireError, OwnedSemaphorePermit, Semaphore, TryAcquireError},
    time::{Sleep, sleep},
};
use tonic::{Status, body::Body};

use super::{
    callers::methods::{Access, Kind, Method},
    retry,
};
use crate::{
    config::operation::Limits,
    telemetry::metrics::door::{DoorMetrics, Limit},
};

/// A shorter message is not counted: as many calls as may be under way have no more than this each.
const SMALL: usize = 16 << 10;

/// A longer message is refused where nobody needs credentials. What health is asked for is much shorter.
const OPEN: usize = 1 << 10;

/// The room that requests share.
#[derive(Clone)]
pub struct Room {
    bytes: Arc<Semaphore>,
    /// A longer message is refused.
    max_message: usize,
    arrives_within: Duration,
    metrics: Arc<DoorMetrics>,
}

/// What a call holds of the room; given back when it is dropped.
#[derive(Clone, Default)]
pub struct Held(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl Held {
    fn set(&self, permit: Option<OwnedSemaphorePermit>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = permit;
    }
}

impl Room {
    /// As much as the limits allow.
    pub fn new(limits: &Limits, metrics: Arc<DoorMetrics>) -> Self {
        Self {
            bytes: Arc::new(Semaphore::new(limits.max_inflight_bytes.min(Semaphore::MAX_PERMITS))),
            max_message: limits.max_message_bytes,
            arrives_within: limits.call_timeout,
            metrics,
        }
    }

    /// The body, which makes room for its messages. A call with one message is turned away when there is none, and keeps its
    /// room until the answer begins; a conversation waits, and its client with it, and keeps room for one message at a time.
    pub fn body(&self, body: Body, method: &Method) -> (Body, Held) {
        let held = Held::default();
        let (max_message, too_large) = match method.access {
            Access::Open => {
                (OPEN, "the message is larger than 1 KiB, which is the most where no credentials are needed")
            }
            Access::Role(_) => {
                (self.max_message, "the message is larger than limits.max_message_bytes allows")
            }
        };
        let intake = Intake {
            body,
            room: self.clone(),
            held: held.clone(),
            messages: Messages::default(),
            waits: method.kind == Kind::Conversation,
            max_message,
            too_large,
            waiting: None,
            late: None,
        };
        (Body::new(intake), held)
    }
}

type Waiting = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>;

struct Intake {
    body: Body,
    room: Room,
    held: Held,
    messages: Messages,
    waits: bool,
    /// A longer one is refused with these words.
    max_message: usize,
    too_large: &'static str,
    /// What has arrived of a message, and the wait for its room.
    waiting: Option<(Bytes, Waiting)>,
    /// When a message that has room has to be there.
    late: Option<Pin<Box<Sleep>>>,
}

impl Intake {
    /// Makes room for a message that begins at `start` of the chunk. What may go on by now; `None`: nothing.
    fn room_for(&mut self, start: usize, length: usize, mut chunk: Bytes) -> Result<Option<Bytes>, Status> {
        let Ok(permits) = u32::try_from(length.min(self.max_message)) else { return Ok(Some(chunk)) };
        self.late = Some(Box::pin(sleep(self.room.arrives_within)));
        if self.waits {
            let bytes = Arc::clone(&self.room.bytes);
            // The messages before it need not wait.
            let before = chunk.split_to(start.min(chunk.len()));
            self.waiting = Some((chunk, Box::pin(bytes.acquire_many_owned(permits))));
            return Ok((!before.is_empty()).then_some(before));
        }
        match Arc::clone(&self.room.bytes).try_acquire_many_owned(permits) {
            Ok(permit) => {
                self.held.set(Some(permit));
                Ok(Some(chunk))
            }
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => {
                self.room.metrics.shed(Limit::Bytes);
                Err(retry::soon("requests take too much memory (limits.max_inflight_bytes)"))
            }
        }
    }
}

impl HttpBody for Intake {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        // Of a stream the next message is asked for when the last one has been dealt with.
        if this.waits && this.messages.is_between() {
            this.held.set(None);
        }
        loop {
            if let Some((_, waiting)) = &mut this.waiting {
                let permit = ready!(waiting.as_mut().poll(context)).ok();
                this.held.set(permit);
                // It had to wait for us, so its time begins now.
                this.late = Some(Box::pin(sleep(this.room.arrives_within)));
                if let Some((chunk, _)) = this.waiting.take() {
                    return Poll::Ready(Some(Ok(Frame::data(chunk))));
                }
            }
            let frame = match Pin::new(&mut this.body).poll_frame(context) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    let late = this.late.as_mut().map(|late| late.as_mut().poll(context));
                    if late.is_some_and(|late| late.is_ready()) {
                        let message = "a message did not arrive within limits.call_timeout";
                        return Poll::Ready(Some(Err(Status::deadline_exceeded(message))));
                    }
                    return Poll::Pending;
                }
            };
            let Some(frame) = frame.transpose()? else { return Poll::Ready(None) };
            let chunk = match frame.into_data() {
                Ok(chunk) => chunk,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            };
            let begun = this.messages.pass(&chunk);
            if this.messages.begun > 1 && !this.waits {
                let message = "this method takes one message, and another has come";
                return Poll::Ready(Some(Err(Status::invalid_argument(message))));
            }
            if begun.is_some_and(|(_, length)| length > this.max_message) {
                return Poll::Ready(Some(Err(Status::resource_exhausted(this.too_large))));
            }
            if this.messages.is_between() {
                this.late = None;
            }
            let Some((start, length)) = begun.filter(|(_, length)| *length > SMALL) else {
                return Poll::Ready(Some(Ok(Frame::data(chunk))));
            };
            if let Some(chunk) = this.room_for(start, length, chunk)? {
                return Poll::Ready(Some(Ok(Frame::data(chunk))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.waiting.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Where one message ends and the next begins: a byte that says whether it is compressed, four of its length, and so many
/// bytes (gRPC over HTTP2, Length-Prefixed-Message).
#[derive(Default)]
struct Messages {
    begun: usize,
    header: [u8; 5],
    header_seen: usize,
    left: usize,
}

impl Messages {
    /// Bytes go by. Where the longest message among those that begin here starts, and its length.
    fn pass(&mut self, bytes: &[u8]) -> Option<(usize, usize)> {
        let mut longest: Option<(usize, usize)> = None;
        let mut at = 0;
        let mut start = 0;
        while let Some(byte) = bytes.get(at) {
            if self.left > 0 {
                let passed = self.left.min(bytes.len() - at);
                self.left -= passed;
                at += passed;
                continue;
            }
            if self.header_seen == 0 {
                start = at;
            }
            if let Some(slot) = self.header.get_mut(self.header_seen) {
                *slot = *byte;
            }
            self.header_seen += 1;
            at += 1;
            if self.header_seen == self.header.len() {
                let [_compressed, length @ ..] = self.header;
                self.left = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
                self.header_seen = 0;
                self.begun += 1;
                if longest.is_none_or(|(_, longest)| longest < self.left) {
                    longest = Some((start, self.left));
                }
            }
        }
        longest
    }

    /// No message has begun that has not ended.
    fn is_between(&self) -> bool {
        self.left == 0 && self.header_seen == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: u32) -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend(length.to_be_bytes());
        bytes.extend(vec![7; length as usize]);
        bytes
    }

    #[test]
    fn messages_are_told_apart_however_they_are_cut() {
        let bytes = [message(3), message(0), message(300), message(1)].concat();
        for size in 1..bytes.len() {
            let mut messages = Messages::default();
            let begun: Vec<_> = bytes.chunks(size).filter_map(|chunk| messages.pass(chunk)).collect();
            assert_eq!(begun.iter().map(|(_, length)| *length).max(), Some(300), "{size}");
            assert!(messages.is_between(), "{size}");
        }
        let mut messages = Messages::default();
        assert_eq!(messages.pass(&bytes), Some((13, 300)));
        messages.pass(&bytes[..2]);
        assert!(!messages.is_between());
    }
}
