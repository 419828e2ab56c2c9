//! Ends leases, by Redis' clock. Every replica does, so that one that dies is not missed.

use std::{sync::Arc, time::Duration};

use redis::Value;
use tokio::time::sleep;

use super::{
    script::{self, Answer, Call, TICK},
    store::Store,
};
use crate::{
    reason::Reason,
    registry::{change::Shard, ledger::Fault, view::View},
};

/// How many gateways are ended in one go.
const GATEWAYS: usize = 16;

/// How many sockets are closed in one go: a fraction of a millisecond for Redis, which does nothing else meanwhile.
pub(super) const SOCKETS: usize = 200;

/// Ends the leases of a shard.
pub(super) struct Leases {
    pub(super) store: Arc<Store>,
    pub(super) view: Arc<View>,
    pub(super) shard: Shard,
    pub(super) lease: Duration,
    pub(super) history: Duration,
}

impl Leases {
    pub(super) async fn run(self) {
        let every = (self.lease / 8).clamp(Duration::from_millis(20), Duration::from_secs(1));
        // Microseconds, by Redis' clock: what came before was answered already.
        let mut since = 0;
        loop {
            sleep(every.mul_f64(rand::random_range(0.75..1.25))).await;
            // Why Redis does not answer is told by whoever keeps the connection.
            while let Ok(true) = self.tick(&mut since).await {}
        }
    }

    /// Whether there is more to do at once.
    async fn tick(&self, since: &mut u64) -> Result<bool, Fault> {
        let keys = self.store.keys(self.shard);
        let mut call = Call::new(&TICK, keys.of_shard());
        call.arg(self.lease.as_millis().to_string())
            .arg(self.history.as_millis().to_string())
            .arg(since.to_string())
            .arg(SOCKETS.to_string())
            .arg(GATEWAYS.to_string())
            .arg(Reason::GatewayGone.name())
            .arg(keys.holders())
            .arg(keys.all_sockets());
        let mut answer = self.store.run(self.shard, &call).await?;
        let now = answer.number()?;
        let more = answer.number()? > 0;
        for gateway_id in answer.list()? {
            self.view.tally().gateway_is_gone();
            let gateway_id = script::text(Some(gateway_id)).unwrap_or_default();
            tracing::warn!(gateway_id, "a gateway is gone: no sign of life within registry.lease");
        }
        self.view
            .seen(self.shard, signs(&mut answer, now)?.iter().map(|(gateway_id, ago)| (&**gateway_id, *ago)));
        *since = now;
        Ok(more)
    }
}

/// Gateways, and how long ago each gave a sign of life.
fn signs(answer: &mut Answer, now: u64) -> Result<Vec<(String, Duration)>, Fault> {
    let signs: Vec<Value> = answer.list()?.collect();
    let mut signs = signs.into_iter();
    let mut read = Vec::new();
    while let (Some(gateway_id), Some(seen)) = (script::text(signs.next()), script::number(signs.next())) {
        read.push((gateway_id, Duration::from_micros(now.saturating_sub(seen))));
    }
    Ok(read)
}
