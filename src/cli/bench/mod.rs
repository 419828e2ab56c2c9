//! `bench`: load against a running service.

use clap::Subcommand;

mod authorize;
pub mod load;

use super::Error;

/// Measure a running service.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Measure Authorize: throughput and latency of one handshake, asked over and over.
    Authorize(authorize::Authorize),
}

impl Bench {
    pub(super) async fn run(self) -> Result<(), Error> {
        match self {
            Self::Authorize(authorize) => authorize.run().await,
        }
    }
}
