//! `sessions end`.

use std::io::{self, IsTerminal as _, Write as _};

use clap::Args;
use serde_json::json;

use crate::{
    cli::{
        Error,
        sockets::{
            connect::{ConnectArgs, Connection, Failed},
            dry_run, hint, json, pager,
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
            // JSON is a socket a line, and no sum.
            let stay = if json { 0 } else { without_session(&connection, &question).await? };
            return dry_run::show(connection, question, |total| would_end(total, stay), json).await;
        }
        if ask && !confirmed(&connection, &question).await? {
            return Err(Error::Call("nothing was ended".to_owned()));
        }
        let FilterSocketsRequest { filter, params, .. } = question.clone();
        let mut client = connection.client.clone();
        let ended = connection.attempt(client.end_sessions(EndSessionsRequest { filter, params })).await;
        match ended {
            Ok(ended) => {
                if ended.matched == 0 {
                    hint::nothing_matches(&question);
                }
                tell(&ended, json)
            }
            Err(Failed { error, may_be_done: false }) => Err(error),
            Err(Failed { error, may_be_done: true }) => Err(Error::Call(format!(
                "{error}. What is ended stays so, and the same command ends the rest"
            ))),
        }
    }
}

async fn confirmed(connection: &Connection, question: &FilterSocketsRequest) -> Result<bool, Error> {
    let total = dry_run::count(connection, question).await?;
    let stay = without_session(connection, question).await?;
    Ok(pager::confirm(&words(total, stay, &question.filter))?)
}

/// How many of the sockets that match have no session that could be ended.
async fn without_session(connection: &Connection, question: &FilterSocketsRequest) -> Result<u64, Error> {
    // On lines of its own: it may end with a comment.
    let filter = format!("(\n{}\n) && socket.session_id == \"\"", question.filter);
    dry_run::count(connection, &FilterSocketsRequest { filter, ..question.clone() }).await
}

fn words(total: u64, stay: u64, filter: &str) -> String {
    let verb = if total == 1 { "matches" } else { "match" };
    let question = format!("End the sessions behind {} that {verb} `{filter}`?", people::sockets(total));
    if stay == 0 { question } else { format!("{question} Of them {}.", no_session(stay)) }
}

fn would_end(total: u64, stay: u64) -> String {
    let end = format!("{} would end with their sessions", people::sockets(total.saturating_sub(stay)));
    if stay == 0 { end } else { format!("{end}; {}", no_session(stay)) }
}

fn no_session(sockets: u64) -> String {
    let (have, stay) = if sockets == 1 { ("has", "stays") } else { ("have", "stay") };
    format!("{} {have} no session and {stay}", people::number(sockets))
}

fn tell(ended: &EndSessionsResponse, json: bool) -> Result<(), Error> {
    let EndSessionsResponse { matched, view, without_session } = ended;
    if json {
        let view = view.as_ref().map(json::view);
        let answer = json!({"matched": matched, "without_session": without_session, "view": view});
        writeln!(io::stdout(), "{answer}")?;
    } else {
        let mut out = anstream::stdout();
        match (*matched, matched.saturating_sub(*without_session)) {
            (0, _) => writeln!(out, "no socket matches")?,
            (_, 0) => writeln!(out, "no session was ended")?,
            (_, sockets) => {
                writeln!(out, "{GOOD}ended{GOOD:#} the sessions behind {}", people::sockets(sockets))?;
            }
        }
        if *without_session > 0 {
            let stay = no_session(*without_session);
            writeln!(out, "{stay}; `socketpass sockets disconnect` closes them")?;
        }
    }
    view::warn(view.as_ref());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_about_one_or_several() {
        assert_eq!(words(1, 0, "true"), "End the sessions behind 1 socket that matches `true`?");
        assert_eq!(words(2_000, 0, "true"), "End the sessions behind 2,000 sockets that match `true`?");
    }

    #[test]
    fn who_has_no_session_is_told_apart() {
        let question =
            "End the sessions behind 3 sockets that match `true`? Of them 2 have no session and stay.";
        assert_eq!(words(3, 2, "true"), question);
        assert_eq!(would_end(2, 1), "1 socket would end with their sessions; 1 has no session and stays");
    }
}
