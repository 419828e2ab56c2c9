//! `sockets` and `gateways`: who is connected, asked of a running service.

use clap::Subcommand;

use super::Error;

mod columns;
pub(super) mod connect;
mod count;
mod disconnect;
pub(super) mod dry_run;
mod explain;
mod gateways;
pub(super) mod hint;
pub(super) mod json;
pub(super) mod lines;
pub(super) mod list;
mod live;
pub(super) mod pager;
pub(super) mod params;
pub(super) mod people;
mod send;
mod settle;
mod table;
pub(super) mod view;
mod watch;

pub(super) use self::gateways::Gateways;

pub(super) const LONG_ABOUT: &str = "\
Ask who is connected, in the whole fleet, and act on it.

A filter is a CEL expression over `user`, `socket`, `gateway` and `params`. Values go into params, never into its text:

  socketpass sockets list 'user.team == params.team && socket.namespace == \"/chat\"' --param team=payments";

/// Ask who is connected, and act on it.
#[derive(Debug, Subcommand)]
pub enum Sockets {
    /// List the sockets that match.
    List(list::List),
    /// Count the sockets that match, in groups if wanted.
    Count(count::Count),
    /// Watch the sockets that match: those that are open now, and then what changes.
    Watch(watch::Watch),
    /// Disconnect the sockets that match.
    Disconnect(disconnect::Disconnect),
    /// Send an event to the sockets that match.
    Send(send::Send),
    /// Explain how a filter is answered: what comes from an index, and what is evaluated one by one.
    Explain(explain::Explain),
}

impl Sockets {
    pub(super) async fn run(self) -> Result<(), Error> {
        match self {
            Self::List(list) => list.run().await,
            Self::Count(count) => count.run().await,
            Self::Watch(watch) => watch.run().await,
            Self::Disconnect(disconnect) => disconnect.run().await,
            Self::Send(send) => send.run().await,
            Self::Explain(explain) => explain.run().await,
        }
    }
}
