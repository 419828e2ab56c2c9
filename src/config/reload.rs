//! Reads settings again: those that stand in files of their own when they change, and all of them when told to.

use std::{fs, time::Duration};

use sha2::{Digest as _, Sha256};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

use super::{Config, Effective, layers::Layers};

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

/// Looks for changes for as long as it is polled, and hands each new, faultless reading to `apply`, which may refuse it
/// whole. `nudge` says when to
/// read everything again without looking, the file of settings too. `last` was taken before the settings in force were
/// read, so that no change is missed.
pub async fn watch(
    read: impl Fn() -> Layers + Send,
    mut last: Contents,
    mut nudge: mpsc::Receiver<()>,
    apply: impl Fn(&Config) -> Result<(), String> + Send,
) {
    let mut layers = read();
    let mut in_force = Config::load_and_show(&layers).map(|(_, shown)| shown).unwrap_or_default();
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let nudged = tokio::select! {
            _ = ticks.tick() => false,
            Some(()) = nudge.recv() => true,
        };
        let again = if nudged { read() } else { layers.clone() };
        let now = Contents::of(&again);
        if now == last && !nudged {
            continue;
        }
        last = now;
        match Config::load_and_show(&again) {
            Ok((config, shown)) => {
                if let Err(problem) = apply(&config) {
                    tracing::error!(
                        problem,
                        "the settings cannot be taken while running: the old values stay in force"
                    );
                    continue;
                }
                tracing::info!("settings were read again");
                config.log_warnings();
                layers = again;
                for setting in changed_in_vain(&in_force, &shown) {
                    tracing::warn!(setting, "it has changed, and counts from the next start on");
                }
                in_force = shown;
            }
            Err(faults) => {
                tracing::error!(%faults, "the settings are faulty: the old values stay in force");
            }
        }
    }
}

/// The settings that differ and are not put in force while the service runs.
fn changed_in_vain(before: &[Effective], now: &[Effective]) -> Vec<&'static str> {
    let fixed = now.iter().filter(|now| !now.setting.is_reloaded());
    let changed = fixed.filter(|now| {
        let before = before.iter().find(|before| before.setting.name == now.setting.name);
        before.is_some_and(|before| before.digest != now.digest)
    });
    changed.map(|now| now.setting.name).collect()
}
