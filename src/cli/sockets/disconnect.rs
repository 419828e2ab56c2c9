//! `sockets disconnect`.

use std::io::{self, IsTerminal as _};

use clap::Args;

use super::{
    connect::{ConnectArgs, Connection},
    dry_run, pager,
    params::ParamArgs,
    people,
    settle::{self, Words},
};
use crate::{
    cli::Error,
    grpc::pb::{Close, DisconnectSocketsRequest, FilterSocketsRequest},
};

/// Disconnect the sockets that match.
#[derive(Debug, Args)]
pub struct Disconnect {
    /// Which sockets: a CEL expression over `user`, `socket`, `gateway` and `params`; all are `true`.
    filter: String,
    #[command(flatten)]
    params: ParamArgs,
    /// Count and list what would be disconnected, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    /// The close code to tell clients: 4000-4499 says that they may come back, 4500-4999 that they need not [default: 4505].
    #[arg(long, value_name = "CODE", value_parser = clap::value_parser!(u32).range(4000..=4999))]
    code: Option<u32>,
    /// The reason to tell clients, at most 32 ASCII characters [default: disconnected].
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// At most so many a second, over all gateways [default: as fast as gateways take them].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_per_second: Option<u32>,
    /// Print JSON: how it ended, or with --dry-run a socket a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

const WORDS: Words =
    Words { done: "disconnected", cut_off: "Give the same command again: what is disconnected stays so." };

impl Disconnect {
    pub(super) async fn run(self) -> Result<(), Error> {
        let Self { filter, params, dry_run, yes, code, reason, max_per_second, json, connect } = self;
        let ask = !yes && !dry_run;
        if ask && !io::stdin().is_terminal() {
            return Err(Error::Input(
                "nobody can be asked whether to disconnect them: standard input is no terminal; give --yes if you are sure, \
                 or --dry-run to see what it would be"
                    .to_owned(),
            ));
        }
        let question = params.with_filter(filter)?;
        let connection = connect.connect().await?;
        if dry_run {
            let would_be = |total| format!("{} would be disconnected", people::sockets(total));
            return dry_run::show(connection, question, would_be, json).await;
        }
        if ask && !confirmed(&connection, &question).await? {
            return Err(Error::Call("nothing was disconnected".to_owned()));
        }
        let close = (code.is_some() || reason.is_some()).then(|| Close {
            code: code.unwrap_or(4505),
            reason: reason.unwrap_or_else(|| "disconnected".to_owned()),
        });
        let FilterSocketsRequest { filter, params, .. } = question.clone();
        let max_per_second = max_per_second.unwrap_or(0);
        let request = DisconnectSocketsRequest { filter, params, close, max_per_second };
        let answers = connection.client.clone().disconnect_sockets(request).await;
        settle::follow(&connection, &question, answers, &WORDS, json).await
    }
}

async fn confirmed(connection: &Connection, question: &FilterSocketsRequest) -> Result<bool, Error> {
    let total = dry_run::count(connection, question).await?;
    Ok(pager::confirm(&words(total, &question.filter))?)
}

fn words(total: u64, filter: &str) -> String {
    let verb = if total == 1 { "matches" } else { "match" };
    format!("Disconnect {} that {verb} `{filter}`?", people::sockets(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_about_one_or_several() {
        assert_eq!(words(1, "true"), "Disconnect 1 socket that matches `true`?");
        assert_eq!(words(2_000, "true"), "Disconnect 2,000 sockets that match `true`?");
    }
}
