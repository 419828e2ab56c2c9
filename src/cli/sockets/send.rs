//! `sockets send`.

use clap::Args;

use super::{
    connect::ConnectArgs,
    dry_run,
    params::{ParamArgs, json_or_text},
    people,
    settle::{self, Words},
};
use crate::{
    cli::Error,
    grpc::{
        convert,
        pb::{FilterSocketsRequest, SendToSocketsRequest},
    },
};

/// Send an event to the sockets that match.
#[derive(Debug, Args)]
pub struct Send {
    /// The event's name.
    event: String,
    /// Which sockets: a CEL expression over `user`, `socket`, `gateway` and `params`; all are `true`.
    filter: String,
    /// The event's arguments: JSON, or text if it is no JSON.
    #[arg(value_name = "ARG", allow_negative_numbers = true)]
    args: Vec<String>,
    #[command(flatten)]
    params: ParamArgs,
    /// Count and list who would get it, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON: how it ended, or with --dry-run a socket a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

const WORDS: Words = Words {
    done: "reached",
    cut_off: "It may have reached more of them; the same command again would reach some twice.",
};

impl Send {
    pub(super) async fn run(self) -> Result<(), Error> {
        let Self { event, filter, args, params, dry_run, json, connect } = self;
        let question = params.with_filter(filter)?;
        let connection = connect.connect().await?;
        if dry_run {
            let would_be = |total| format!("{} would get it", people::sockets(total));
            return dry_run::show(connection, question, would_be, json).await;
        }
        let FilterSocketsRequest { filter, params, .. } = question.clone();
        let args = args.iter().map(|arg| convert::value(json_or_text(arg))).collect();
        let request = SendToSocketsRequest { filter, params, event, args };
        let answers = connection.client.clone().send_to_sockets(request).await;
        settle::follow(&connection, &question, answers, &WORDS, json).await
    }
}
