//! Tasks, each with an owner.

use tokio_util::task::AbortOnDropHandle;

/// Starts a task that ends at the latest when its handle is dropped.
#[expect(clippy::disallowed_methods, reason = "the one place that starts tasks, and owns them")]
pub(crate) fn owned<F>(future: F) -> AbortOnDropHandle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    AbortOnDropHandle::new(tokio::spawn(future))
}
