//! Closes sockets that have been open for too long without a stream (`close_after_loss`).

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{decision::Close, sockets::Sockets};

/// `lost` says since when there is no stream.
pub(crate) async fn close_after(
    after: Duration,
    sockets: Arc<Sockets>,
    mut lost: watch::Receiver<Option<Instant>>,
) {
    loop {
        let since = match lost.wait_for(Option::is_some).await {
            Ok(since) => since.unwrap_or_else(Instant::now),
            Err(_) => return,
        };
        let next = close_due(since, after, &sockets);
        tokio::select! {
            () = sleep_until(next) => {}
            changed = lost.changed() => if changed.is_err() { return },
        }
    }
}

/// Closes whatever is due, and says when the next one is.
fn close_due(since: Instant, after: Duration, sockets: &Sockets) -> Instant {
    let now = Instant::now();
    let mut next = now + after;
    let mut closed = 0_usize;
    for socket in sockets.all() {
        let due = since.max(socket.opened()) + after;
        if due <= now {
            sockets.disconnect(socket.id(), &Close::service_unavailable());
            closed += 1;
        } else {
            next = next.min(due);
        }
    }
    if closed > 0 {
        tracing::warn!("`close_after_loss`: closed {closed} sockets after {after:?} without a stream");
    }
    next
}
