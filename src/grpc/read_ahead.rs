//! What a gateway says is dealt with one after the other, and read a little ahead of that: the results of commands must not
//! wait unseen behind a batch that the registry's store does not take.

use std::{convert::Infallible, future::pending, sync::Arc};

use prost::Message as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tonic::{Status, Streaming};

use super::pb::{ReportRequest, report_request};
use crate::registry::streams::stream::Stream;

/// Bytes that may be read ahead: many small batches, or the results behind them. Few, since the room that a message has
/// (`intake.rs`) is given back when the next one is asked for.
const AHEAD: usize = 64 << 10;

/// What is dealt with in its turn.
pub(super) struct Turn {
    /// What the gateway said; `None`: it says no more.
    pub(super) said: Result<Option<ReportRequest>, Status>,
    /// Given back when it was dealt with.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

/// Where it is put by whoever reads.
pub(super) struct Turns {
    room: Arc<Semaphore>,
    queue: mpsc::UnboundedSender<Turn>,
}

/// For one stream.
pub(super) fn turns() -> (Turns, mpsc::UnboundedReceiver<Turn>) {
    let (queue, waiting) = mpsc::unbounded_channel();
    (Turns { room: Arc::new(Semaphore::new(AHEAD)), queue }, waiting)
}

impl Turns {
    /// Reads to the end, as far ahead as there is room.
    pub(super) async fn read(self, stream: &Stream, mut messages: Streaming<ReportRequest>) -> Infallible {
        loop {
            // A large one takes all of it, so that nothing is asked for behind it.
            self.is_roomy().await;
            let said = messages.message().await;
            let Ok(Some(message)) = &said else {
                // Nobody takes it only when the stream is over in any case.
                let _ = self.queue.send(Turn { said, room: None });
                return pending().await;
            };
            if let Some(report_request::Message::CommandResult(result)) = &message.message {
                stream.result_has_come(&result.command_id, &result.done);
            }
            let bytes = message.encoded_len().clamp(size_of::<Turn>(), AHEAD);
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            let room = Arc::clone(&self.room).acquire_many_owned(bytes).await.ok();
            let _ = self.queue.send(Turn { said, room });
        }
    }

    async fn is_roomy(&self) {
        drop(self.room.acquire().await);
    }
}
