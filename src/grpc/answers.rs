//! Answers that are a stream: work in a task of its own fills it, and stops when nobody reads.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::sync::mpsc::{self, error::SendTimeoutError};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;

use crate::task;

/// Whoever does not read for so long is told no more, and what waits for him is thrown away.
const READ_WITHIN: Duration = Duration::from_secs(60);

/// What a call that answers with a stream answers.
pub(super) type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Why work stops before it is done.
pub(super) enum Stop {
    /// It failed.
    Failed(Status),
    /// Its caller left.
    Left,
    /// Its caller does not read.
    NotRead,
}

impl From<Status> for Stop {
    fn from(status: Status) -> Self {
        Self::Failed(status)
    }
}

/// Where work puts its answers.
pub(super) struct Teller<T>(mpsc::Sender<Result<T, Status>>);

impl<T> Teller<T> {
    /// Waits until there is room for it.
    pub(super) async fn tell(&self, answer: T) -> Result<(), Stop> {
        self.0.send_timeout(Ok(answer), READ_WITHIN).await.map_err(|error| match error {
            SendTimeoutError::Timeout(_) => Stop::NotRead,
            SendTimeoutError::Closed(_) => Stop::Left,
        })
    }
}

/// A stream that `work` fills; so many answers may wait for a caller who reads slowly, who holds up only himself. Dropped by
/// its caller, the work stops.
pub(super) fn answers<T, F>(ahead: usize, work: impl FnOnce(Teller<T>) -> F) -> Answers<T>
where
    T: Send + 'static,
    F: Future<Output = Result<(), Stop>> + Send + 'static,
{
    // One place is for the last word: an answer that ends without it is taken for whole, however slowly it is read.
    let (sender, receiver) = mpsc::channel(ahead + 1);
    let last_word = sender.clone().try_reserve_owned();
    let waiting = Waiting(Arc::new(Mutex::new(Some(ReceiverStream::new(receiver)))));
    let (work, waits) = (work(Teller(sender)), waiting.clone());
    let worker = task::owned(async move {
        match (work.await, last_word) {
            (Err(Stop::Failed(status)), Ok(last_word)) => drop(last_word.send(Err(status))),
            (Err(Stop::NotRead), _) => waits.throw_away(),
            _ => {}
        }
    });
    Box::pin(Owned { worker: Some(worker), waiting })
}

/// What waits to be read; `None` when it was thrown away.
struct Waiting<T>(Arc<Mutex<Option<Told<T>>>>);

type Told<T> = ReceiverStream<Result<T, Status>>;

impl<T> Clone for Waiting<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Waiting<T> {
    fn throw_away(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Result<T, Status>>> {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(receiver) => Pin::new(receiver).poll_next(context),
            None => {
                let message = format!("nothing was read for {} s", READ_WITHIN.as_secs());
                Poll::Ready(Some(Err(Status::unavailable(message))))
            }
        }
    }
}

/// A stream together with the task that fills it. When the task ends by a fault of this program the stream ends with an
/// error: without one it would be taken for whole.
struct Owned<T> {
    /// `None` when it has ended.
    worker: Option<AbortOnDropHandle<()>>,
    waiting: Waiting<T>,
}

impl<T> Stream for Owned<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(answer) = ready!(self.waiting.poll(context)) {
            return Poll::Ready(Some(answer));
        }
        let Some(worker) = &mut self.worker else { return Poll::Ready(None) };
        let ended = ready!(Pin::new(worker).poll(context));
        self.worker = None;
        Poll::Ready(ended.err().map(|_panic| Err(Status::internal("a fault of this program broke it off"))))
    }
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt as _;
    use tonic::Code;

    use super::*;

    #[tokio::test]
    async fn an_answer_that_a_fault_broke_off_is_not_taken_for_whole() {
        let mut answers = answers(4, |answers| async move {
            answers.tell(1).await?;
            panic!("a fault of this program");
        });
        assert_eq!(answers.next().await.unwrap().unwrap(), 1);
        assert_eq!(answers.next().await.unwrap().unwrap_err().code(), Code::Internal);
        assert!(answers.next().await.is_none());
    }

    #[tokio::test]
    async fn a_failure_comes_behind_what_was_told() {
        let mut answers = answers(1, |answers| async move {
            answers.tell(1).await?;
            Err(Status::aborted("").into())
        });
        assert_eq!(answers.next().await.unwrap().unwrap(), 1);
        assert_eq!(answers.next().await.unwrap().unwrap_err().code(), Code::Aborted);
        assert!(answers.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_reads_is_thrown_away() {
        let held = Arc::new(());
        let told = Arc::downgrade(&held);
        let mut answers = answers(1, move |answers| async move {
            loop {
                answers.tell(Arc::clone(&held)).await?;
            }
        });
        tokio::time::sleep(READ_WITHIN * 2).await;
        assert_eq!(told.strong_count(), 0);
        assert_eq!(answers.next().await.unwrap().unwrap_err().code(), Code::Unavailable);
    }
}
