//! Reads settings that stand in files of their own again when those files change.

use std::{fs, time::Duration};

use sha2::{Digest as _, Sha256};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

use super::{Config, layers::Layers};

/// Kubernetes swaps a Secret's files behind a symbolic link, which a watch on the file does not see; it takes a minute
/// over it, so looking every few seconds delays nothing.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What the files held, to be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents(Vec<Option<[u8; 32]>>);

impl Contents {
    /// A digest of each file, `None` for one that cannot be read: secrets are not kept longer than they are needed.
    pub fn of(layers: &Layers) -> Self {
        Self(layers.paths().map(|path| fs::read(path).ok().map(|text| Sha256::digest(text).into())).collect())
    }
}

/// Looks for changes for as long as it is polled, and hands each new, faultless reading to `apply`. `nudge` says when to
/// read again without looking. `last` was taken before the settings in force were read, so that no change is missed.
pub async fn watch(
    layers: Layers,
    mut last: Contents,
    mut nudge: mpsc::Receiver<()>,
    apply: impl Fn(&Config) + Send,
) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let nudged = tokio::select! {
            _ = ticks.tick() => false,
            Some(()) = nudge.recv() => true,
        };
        let now = Contents::of(&layers);
        if now == last && !nudged {
            continue;
        }
        last = now;
        match Config::load(&layers) {
            Ok(config) => {
                apply(&config);
                tracing::info!("files of settings were read again");
            }
            Err(faults) => {
                tracing::error!(%faults, "a file of settings is faulty: the old values stay in force");
            }
        }
    }
}
