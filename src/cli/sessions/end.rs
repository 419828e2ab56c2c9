//! `sessions end`.

use std::io::{self, IsTerminal as _, Write as _};

use clap::Args;
use serde_json::json;

use crate::{
    cli::{
        Error,
        sockets::{
            connect::{ConnectArgs, Connection},
            dry_run, json, pager,
            params::ParamArgs,
            people, view,
        },
        style::GOOD,
    },
    grpc::pb::{EndSessionsRequest, EndSessionsResponse, FilterSocketsRequest},
};

/// End the sessions behind the sockets that match: the web app logs out too.
#[derive(Debug, Args)]
pub struct End {
    /// Which sockets: a CEL expression over `user`, `socket`, `gateway` and `params`; all are `true`.
    filter: String,
    #[command(flatten)]
    params: ParamArgs,
    /// Count and list the sockets whose sessions would end, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    /// Print JSON: how many sockets matched, or with --dry-run a socket a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

impl End {
    pub(super) async fn run(self) -> Result<(), Error> {
        let Self { filter, params, dry_run, yes, json, connect } = self;
        let ask = !yes && !dry_run;
        if ask && !io::stdin().is_terminal() {
            return Err(Error::Input(
                "nobody can be asked whether to end them: standard input is no terminal; give --yes if you are sure, or \
                 --dry-run to see what it would be"
                    .to_owned(),
            ));
        }
        let question = params.with_filter(filter)?;
        let connection = connect.connect().await?;
        if dry_run {
            return dry_run::show(connection, question, "would end with their sessions", json).await;
        }
        if ask && !confirmed(&connection, &question).await? {
            return Err(Error::Call("nothing was ended".to_owned()));
        }
        let FilterSocketsRequest { filter, params, .. } = question;
        let mut client = connection.client.clone();
        let ended = connection.answer(client.end_sessions(EndSessionsRequest { filter, params })).await;
        let ended = ended.map_err(|error| {
            Error::Call(format!(
                "{error}. Some may be ended: give the same command again, what is ended stays so"
            ))
        })?;
        tell(&ended, json)
    }
}

async fn confirmed(connection: &Connection, question: &FilterSocketsRequest) -> Result<bool, Error> {
    let total = dry_run::count(connection, question).await?;
    Ok(pager::confirm(&words(total, &question.filter))?)
}

fn words(total: u64, filter: &str) -> String {
    let verb = if total == 1 { "matches" } else { "match" };
    format!("End the sessions behind {} that {verb} `{filter}`?", people::sockets(total))
}

fn tell(ended: &EndSessionsResponse, json: bool) -> Result<(), Error> {
    let EndSessionsResponse { matched, view } = ended;
    if json {
        writeln!(io::stdout(), "{}", json!({"matched": matched, "view": view.as_ref().map(json::view)}))?;
    } else if *matched == 0 {
        writeln!(anstream::stdout(), "no socket matches")?;
    } else {
        writeln!(
            anstream::stdout(),
            "{GOOD}ended{GOOD:#} the sessions behind {}",
            people::sockets(*matched)
        )?;
    }
    view::warn(view.as_ref());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_about_one_or_several() {
        assert_eq!(words(1, "true"), "End the sessions behind 1 socket that matches `true`?");
        assert_eq!(words(2_000, "true"), "End the sessions behind 2,000 sockets that match `true`?");
    }
}
