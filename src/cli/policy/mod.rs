//! `policy`: whether settings decide as their author means them to.

use clap::Subcommand;

use super::Error;

mod cases;
mod expected;
mod stage;
mod test;

/// Commands over who may come in.
#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    #[command(long_about = test::LONG_ABOUT)]
    /// Test the settings against a file of handshakes and expected decisions.
    Test(test::Test),
}

impl Policy {
    pub(super) async fn run(self) -> Result<(), Error> {
        match self {
            Self::Test(test) => test.run().await,
        }
    }
}
