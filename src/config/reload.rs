//! Reads settings that stand in files of their own again when those files change.

use std::{fs, time::Duration};

use sha2::{Digest as _, Sha256};
use tokio::time::{MissedTickBehavior, interval};

use super::{Config, layers::Layers};

/// Kubernetes swaps a Secret's files behind a symbolic link, which a watch on the file does not see; it takes a minute
/// over it, so looking every few seconds delays nothing.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Looks for changes for as long as it is polled, and hands each new, faultless reading to `apply`. `nudge` says when to
/// look at once.
pub async fn watch(
    layers: Layers,
    mut nudge: tokio::sync::mpsc::Receiver<()>,
    apply: impl Fn(&Config) + Send,
) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = contents(&layers);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            Some(()) = nudge.recv() => {}
        }
        let now = contents(&layers);
        if now == last {
            continue;
        }
        last = now;
        match Config::load(&layers) {
            Ok(config) => {
                apply(&config);
                tracing::info!("a file of settings changed and was read again");
            }
            Err(faults) => {
                tracing::error!(%faults, "a file of settings changed and is faulty: the old values stay in force");
            }
        }
    }
}

/// A digest of each file, `None` for one that cannot be read: secrets are not kept longer than they are needed.
fn contents(layers: &Layers) -> Vec<Option<[u8; 32]>> {
    layers.twin_paths().map(|path| fs::read(path).ok().map(|text| Sha256::digest(text).into())).collect()
}
