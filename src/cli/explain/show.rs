//! The explanation, for people and for programs.

use std::io::{self, Write as _};

use serde_json::{Value, json};

use crate::{
    cli::{
        Error,
        style::{BAD, DIM, GOOD, HEADING, HINT, plain},
    },
    grpc::{
        convert,
        pb::{AuthorizeResponse, Close, ExplainResponse, ExplainStep},
    },
};

/// Wide enough for the longest step's name.
const NAME_WIDTH: usize = 10;

pub(super) fn text(answer: &ExplainResponse) -> Result<(), Error> {
    let mut out = anstream::stdout().lock();
    decision(&mut out, &answer.decision.clone().unwrap_or_default())?;
    if !answer.steps.is_empty() {
        writeln!(out)?;
    }
    Ok(steps(&mut out, &answer.steps)?)
}

/// What was looked at, found, and to be looked into.
pub(in crate::cli) fn steps(out: &mut impl io::Write, steps: &[ExplainStep]) -> io::Result<()> {
    for ExplainStep { name, input, found, ok, hint } in steps {
        let [name, input, found, hint] = [name, input, found, hint].map(|text| plain(text));
        let (style, mark) = if *ok { (GOOD, "✓") } else { (BAD, "✗") };
        writeln!(
            out,
            "  {style}{mark}{style:#} {HEADING}{name:NAME_WIDTH$}{HEADING:#} {DIM}{input}:{DIM:#} {found}"
        )?;
        if !hint.is_empty() {
            writeln!(out, "    {:NAME_WIDTH$} {HINT}→ {hint}{HINT:#}", "")?;
        }
    }
    Ok(())
}

/// One line that says what was decided, and one that says who it is.
pub(in crate::cli) fn decision(out: &mut impl io::Write, decision: &AuthorizeResponse) -> io::Result<()> {
    let reason = convert::reason_name(decision.reason());
    if decision.accepted {
        writeln!(out, "{GOOD}accepted{GOOD:#}  {HEADING}{reason}{HEADING:#}")?;
    } else {
        // A message may have two lines, of which people need the second.
        let message = plain(&decision.message).replace('\n', " ");
        write!(out, "{BAD}refused{BAD:#}   {HEADING}{reason}{HEADING:#}  “{message}”")?;
        if let Some(Close { code, reason }) = &decision.close {
            write!(out, "  {DIM}close {code} {}{DIM:#}", plain(reason))?;
        }
        writeln!(out)?;
    }
    if let Some(user) = &decision.user {
        writeln!(out, "user      {}", plain(&convert::json_object(user).to_string()))?;
    }
    Ok(())
}

pub(super) fn json(answer: &ExplainResponse) -> Result<(), Error> {
    Ok(writeln!(anstream::stdout(), "{}", as_json(answer))?)
}

/// The explanation as programs read it.
pub(in crate::cli) fn as_json(answer: &ExplainResponse) -> Value {
    let ExplainResponse { decision, steps } = answer;
    let decision = decision.clone().unwrap_or_default();
    let reason = convert::reason_name(decision.reason());
    let AuthorizeResponse { accepted, reason: _, message, error, user, session_id, close } = &decision;
    let steps: Vec<_> = steps
        .iter()
        .map(|ExplainStep { name, input, found, ok, hint }| {
            json!({"name": name, "input": input, "found": found, "ok": ok, "hint": hint})
        })
        .collect();
    json!({
        "accepted": accepted,
        "reason": reason,
        "message": message,
        "error": error,
        "user": user.as_ref().map(convert::json_object),
        "session_id": session_id,
        "close": close.as_ref().map(|Close { code, reason }| json!({"code": code, "reason": reason})),
        "steps": steps,
    })
}
