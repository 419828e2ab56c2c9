//! Whether Redis may throw away what it is given when it is full.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis::Value;
use tokio::time::timeout;

use super::store::Store;
use crate::registry::ledger::Health;

/// The policy that keeps everything.
const KEEPS_ALL: &str = "noeviction";

/// Somebody may change it at any time.
const ASK_EVERY: Duration = Duration::from_secs(60);

/// Looks whenever the store begins to answer, since it may be another one than before, and now and then.
pub(super) async fn watch_policy(store: Arc<Store>, url: String, evicting: Arc<AtomicBool>) {
    let mut health = store.connection().health();
    loop {
        if health.wait_for(|health| *health == Health::Up).await.is_err() {
            return;
        }
        let mut info = redis::cmd("INFO");
        info.arg("memory");
        // Whoever may not ask is none the worse for it.
        let policies = store.connection().ask(&info).await.map(policies).unwrap_or_default();
        let policy = policies.into_iter().find(|policy| policy != KEEPS_ALL);
        let was_evicting = evicting.swap(policy.is_some(), Ordering::Relaxed);
        if let Some(policy) = policy.filter(|_| !was_evicting) {
            tracing::warn!(
                store = url,
                policy,
                "the registry's store throws keys away when it is full, and with them open sockets: set its \
                 maxmemory-policy to noeviction, or give the registry a Redis of its own (registry.store)"
            );
        }
        // Whoever mends it wants to see that it is mended.
        if let Ok(Err(_)) = timeout(ASK_EVERY, health.wait_for(|health| *health != Health::Up)).await {
            return;
        }
    }
}

/// The policies in what INFO says, of a cluster every node's.
fn policies(info: Value) -> Vec<String> {
    match info {
        Value::Map(nodes) => nodes.into_iter().flat_map(|(_, info)| policies(info)).collect(),
        Value::Array(values) => values.into_iter().flat_map(policies).collect(),
        Value::BulkString(text) => of_one(&String::from_utf8_lossy(&text)),
        Value::VerbatimString { text, .. } => of_one(&text),
        _ => Vec::new(),
    }
}

fn of_one(info: &str) -> Vec<String> {
    let policy = info.lines().find_map(|line| line.strip_prefix("maxmemory_policy:"));
    policy.into_iter().map(|policy| policy.trim().to_owned()).collect()
}
