//! `policy test`.

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use clap::Args;
use serde_json::{Value, json};

use super::{
    cases::{self, Case},
    stage::Stage,
};
use crate::{
    cli::{
        Error, SettingArgs,
        explain::{as_json, show_decision, show_steps},
        style::{BAD, DIM, GOOD, HEADING, plain, plain_json},
    },
    grpc::{convert, pb::ExplainResponse},
};

pub(super) const LONG_ABOUT: &str = "\
Test the settings against a file of handshakes and expected decisions.

The cases are decided as the service decides, from policy.*, session.allowed_origins and what else the settings say of \
who may come in, and need neither a service nor a store. Exit status 0: all came out as expected; 1: some did not; 2: the \
settings or the file are wrong. A file looks like this (docs/policies.md has all of it):

  [[case]]
  name = \"a member stays out of /admin\"
  user = { id = 2, role = \"member\" }       # absent: nobody is logged in
  socket = { namespace = \"/admin\", remote_address = \"192.0.2.7\", origin = \"https://app.example\" }
  expect = { accepted = false, reason = \"DENIED_BY_POLICY\" }";

#[derive(Debug, Args)]
pub(in crate::cli) struct Test {
    /// The file of cases, in TOML.
    file: PathBuf,
    /// Print JSON, one line for each case.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingArgs,
}

impl Test {
    pub(super) async fn run(self) -> Result<(), Error> {
        let Self { file, json, settings } = self;
        let cases = cases::read(&file).map_err(Error::Input)?;
        let stage = Stage::new(settings.layers())?;
        let mut out = anstream::stdout();
        if !json {
            writeln!(out, "{HEADING}policy.accept{HEADING:#} {}\n", plain(&stage.config.policy.accept.text))?;
        }
        let mut failed = 0;
        for case in &cases {
            let (decision, steps) = stage.decide(case).await?;
            let ok = case.expect.is_met_by(&decision);
            failed += usize::from(!ok);
            let answer = convert::explained(decision, steps);
            match (json, ok) {
                (true, _) => writeln!(out, "{}", plain_json(&line(case, ok, &answer).to_string()))?,
                (false, true) => writeln!(out, "{GOOD}✓{GOOD:#} {}", plain(&case.name))?,
                (false, false) => show_failed(&mut out, case, answer)?,
            }
        }
        let count = cases.len();
        let plural = if count == 1 { "case" } else { "cases" };
        if failed > 0 {
            return Err(Error::Failed(format!("{failed} of {count} {plural} did not come out as expected")));
        }
        if !json {
            writeln!(out, "\n{count} {plural}, all as expected")?;
        }
        Ok(())
    }
}

/// What was expected, what came, and the steps that made it so: those that did not pass, and what the policy said.
fn show_failed(out: &mut impl io::Write, case: &Case, answer: ExplainResponse) -> io::Result<()> {
    writeln!(out, "{BAD}✗{BAD:#} {}", plain(&case.name))?;
    writeln!(out, "    {DIM}expected{DIM:#}  {}", plain(&case.expect.text()))?;
    let mut came = Vec::new();
    show_decision(&mut came, &answer.decision.unwrap_or_default())?;
    let mut steps = answer.steps;
    steps.retain(|step| !step.ok || step.name == "policy");
    let mut about = Vec::new();
    show_steps(&mut about, &steps)?;
    let (came, about) =
        (String::from_utf8_lossy(&came).into_owned(), String::from_utf8_lossy(&about).into_owned());
    for (place, line) in came.lines().enumerate() {
        writeln!(out, "    {DIM}{:8}{DIM:#}  {line}", if place == 0 { "came" } else { "" })?;
    }
    about.lines().try_for_each(|line| writeln!(out, "  {line}"))
}

fn line(case: &Case, ok: bool, answer: &ExplainResponse) -> Value {
    json!({"name": case.name, "ok": ok, "expected": case.expect.json(), "decision": as_json(answer)})
}
