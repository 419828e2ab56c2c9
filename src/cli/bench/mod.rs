//! `bench`: load against a running service.

use clap::Subcommand;

mod authorize;
pub mod gateways;
pub mod load;
mod registry;

use super::Error;

/// Measure a running service.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Measure Authorize: throughput and latency of one handshake, asked over and over.
    Authorize(authorize::Authorize),
    /// Simulate gateways: report sockets of realistic users, open and close them at a rate, and measure how the service
    /// keeps up.
    Registry(registry::Registry),
}

impl Bench {
    pub(super) async fn run(self) -> Result<(), Error> {
        match self {
            Self::Authorize(authorize) => authorize.run().await,
            Self::Registry(registry) => registry.run().await,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn milliseconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1000.0
}
