//! `sessions`: what stands behind open sockets, ended and watched at a running service.

use clap::Subcommand;

use super::Error;

mod end;
mod lines;
mod watch;

pub(super) const LONG_ABOUT: &str = "\
End the sessions behind open sockets, and hear which end.

A session is ended where the web app keeps it: its owner is logged out there too, and all of its sockets are closed. \
To close sockets and leave the session, there is `socketpass sockets disconnect`.";

/// End the sessions behind open sockets, and hear which end.
#[derive(Debug, Subcommand)]
pub enum Sessions {
    /// End the sessions behind the sockets that match: the web app logs out too.
    End(end::End),
    /// Watch which sessions end, for whom and why.
    Watch(watch::Watch),
}

impl Sessions {
    pub(super) async fn run(self) -> Result<(), Error> {
        match self {
            Self::End(end) => end.run().await,
            Self::Watch(watch) => watch.run().await,
        }
    }
}
