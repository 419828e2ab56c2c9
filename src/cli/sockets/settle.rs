//! Commands to many sockets: how far they are, and how they ended.

use std::{
    fmt,
    io::{self, IsTerminal as _, Write as _},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use serde_json::json;
use tonic::{Status, Streaming};

use super::{connect::Connection, hint, json, people, view};
use crate::{
    cli::{Error, style::GOOD},
    grpc::pb::{DisconnectSocketsResponse, FilterSocketsRequest, SendToSocketsResponse, View},
};

/// How far a command is.
#[derive(Clone, Debug, Default)]
pub(super) struct Settled {
    matched: u64,
    done: u64,
    failed: u64,
    unreachable: u64,
    view: Option<View>,
}

impl From<DisconnectSocketsResponse> for Settled {
    fn from(response: DisconnectSocketsResponse) -> Self {
        let DisconnectSocketsResponse { matched, done, failed, unreachable, view } = response;
        Self { matched, done, failed, unreachable, view }
    }
}

impl From<SendToSocketsResponse> for Settled {
    fn from(response: SendToSocketsResponse) -> Self {
        let SendToSocketsResponse { matched, done, failed, unreachable, view } = response;
        Self { matched, done, failed, unreachable, view }
    }
}

impl Settled {
    fn so_far(&self) -> u64 {
        self.done.saturating_add(self.failed).saturating_add(self.unreachable)
    }
}

/// What a command is called.
pub(super) struct Words {
    /// `disconnected`
    pub(super) done: &'static str,
    /// What to do when the service goes away half-way.
    pub(super) cut_off: &'static str,
}

/// Follows a command to its end and tells how it ended; an error when it did not reach all that the question is about.
pub(super) async fn follow<T>(
    connection: &Connection,
    question: &FilterSocketsRequest,
    answers: Result<tonic::Response<Streaming<T>>, Status>,
    words: &Words,
    json: bool,
) -> Result<(), Error>
where
    Settled: From<T>,
{
    let mut answers = answers.map_err(|status| connection.refused(&status))?.into_inner();
    let bar = bar();
    let mut settled = Settled::default();
    let ended = loop {
        match answers.message().await {
            Ok(Some(answer)) => {
                settled = answer.into();
                bar.set_length(settled.matched);
                bar.set_position(settled.so_far());
            }
            Ok(None) => break Ok(()),
            Err(status) => break Err(status),
        }
    };
    bar.finish_and_clear();
    if let Err(status) = ended {
        let Settled { matched, .. } = settled;
        return Err(match (connection.refused(&status), settled.so_far()) {
            (error, 0) if matched == 0 => error,
            (error, so_far) => Error::Call(format!(
                "cut off after {} of {}: {error}. {}",
                people::number(so_far),
                people::sockets(matched),
                words.cut_off
            )),
        });
    }
    if settled.matched == 0 {
        hint::nothing_matches(question);
    }
    tell(&settled, words, json)
}

/// Nothing is drawn where standard error is no terminal.
fn bar() -> ProgressBar {
    let target = if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr_with_hz(10)
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    let template = "{bar:40.green} {human_pos} of {human_len}  {rate}  {eta} left";
    let Ok(style) = ProgressStyle::with_template(template) else { return bar };
    bar.with_style(style.with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
        // A bar that cannot be drawn whole is drawn again soon.
        let _ = write!(out, "{:.0}/s", state.per_sec());
    }))
}

fn tell(settled: &Settled, words: &Words, json: bool) -> Result<(), Error> {
    let Settled { matched, done, failed, unreachable, view } = settled;
    if json {
        let view = view.as_ref().map(json::view);
        let settled = json!({
            "matched": matched, "done": done, "failed": failed, "unreachable": unreachable, "view": view,
        });
        writeln!(io::stdout(), "{settled}")?;
    } else if *matched == 0 {
        writeln!(anstream::stdout(), "no socket matches")?;
    } else {
        let (done, of) = (people::number(*done), people::sockets(*matched));
        writeln!(anstream::stdout(), "{GOOD}{}{GOOD:#} {done} of {of}", words.done)?;
    }
    view::warn(view.as_ref());
    if *failed == 0 && *unreachable == 0 {
        return Ok(());
    }
    let mut causes = Vec::new();
    if *failed > 0 {
        causes.push(format!("the gateways of {} could not", people::sockets(*failed)));
    }
    if *unreachable > 0 {
        causes.push(format!("the gateways of {} did not answer", people::sockets(*unreachable)));
    }
    Err(Error::Call(format!(
        "not all were {}: {}; `socketpass gateways` shows which are late",
        words.done,
        causes.join(", ")
    )))
}
