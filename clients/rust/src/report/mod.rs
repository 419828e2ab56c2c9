//! The stream on which this process reports: opened again whenever it ends.

mod commands;
mod stream;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tonic::{Code, Status};

use crate::{causes::Causes, proto, replicas::Replicas, settings::UserChanged, sockets::Sockets};

/// When a stream ends with UNAVAILABLE the next one is opened at once, but not by all gateways in the same moment.
const AT_ONCE: Duration = Duration::from_millis(100);

/// After any other end, and when a try brought no welcome: doubled until a whole listing was taken.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Whoever reports.
pub(crate) struct Reporter {
    pub replicas: Replicas,
    pub sockets: Arc<Sockets>,
    pub gateway_id: String,
    /// One life of this process.
    pub incarnation: String,
    pub labels: BTreeMap<String, String>,
    pub user_changed: Option<UserChanged>,
    /// Since when there is no stream that was welcomed; none while there is one.
    pub lost: watch::Sender<Option<Instant>>,
    /// Becomes true when the process ends.
    pub ending: watch::Receiver<bool>,
}

/// How a stream ended.
struct Ended {
    welcomed: bool,
    /// Whether the whole listing was acked.
    listed: bool,
    why: Status,
}

impl Reporter {
    pub async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        let told = Causes::default();
        loop {
            let Ended { welcomed, listed, why } = self.stream().await;
            self.lost.send_if_modified(|lost| {
                let ended = lost.is_none();
                lost.get_or_insert_with(Instant::now);
                ended
            });
            if *self.ending.borrow() {
                return;
            }
            // A listing that is refused is not sent again without a pause.
            if listed {
                pause = FIRST_PAUSE;
            }
            if told.is_due(why.code()) {
                tell(&why, &self.gateway_id);
            }
            let wait = if welcomed && why.code() == Code::Unavailable {
                AT_ONCE.mul_f64(rand::random())
            } else {
                let wait = pause.mul_f64(0.5 + 0.5 * rand::random::<f64>());
                pause = LONGEST_PAUSE.min(pause * 2);
                wait
            };
            tokio::select! {
                () = sleep(wait) => {}
                () = stream::ends(&mut self.ending) => return,
            }
        }
    }

    fn hello(&self) -> proto::Hello {
        proto::Hello {
            gateway_id: self.gateway_id.clone(),
            incarnation: self.incarnation.clone(),
            labels: self.labels.clone(),
        }
    }
}

/// Why a stream ended, and what there is to look at.
fn tell(why: &Status, gateway_id: &str) {
    let (code, message) = (why.code(), why.message());
    match code {
        Code::AlreadyExists | Code::Aborted => tracing::error!(
            "the report stream ended: {message} ({code:?}). Another process reports as {gateway_id:?}: see `gateway_id`"
        ),
        Code::Unauthenticated | Code::PermissionDenied => tracing::error!(
            "the report stream ended: {message} ({code:?}). socketpass does not let this process in: see `token` and `tls`"
        ),
        Code::Unimplemented => tracing::error!(
            "the report stream ended: {message} ({code:?}). This is no socketpass: see `address`"
        ),
        Code::Unavailable | Code::DeadlineExceeded => tracing::warn!(
            "the report stream ended: {message}. It is opened again; if nobody is there, see `address` and `tls`"
        ),
        _ => tracing::warn!("the report stream ended: {message} ({code:?}). It is opened again"),
    }
}
