//! `config`.

use std::io::Write as _;

use clap::Args;
use serde_json::{Map, json};

use super::{Error, SettingArgs, style::HINT};
use crate::{
    config::{Config, Effective, Fault, reference},
    telemetry::metrics::table,
};

/// Print the settings in force, secrets hidden, and where each comes from.
#[derive(Debug, Args)]
pub(super) struct ConfigCommand {
    /// Print the reference of all settings as Markdown instead.
    #[arg(long)]
    reference: bool,
    /// Print the reference of all metrics as Markdown instead.
    #[arg(long, conflicts_with = "reference")]
    metrics: bool,
    /// Print JSON.
    #[arg(long, conflicts_with_all = ["reference", "metrics"])]
    json: bool,
    #[command(flatten)]
    settings: SettingArgs,
}

impl ConfigCommand {
    pub(super) fn run(self) -> Result<(), Error> {
        let mut out = anstream::stdout().lock();
        if self.reference {
            return Ok(write!(out, "{}", reference::markdown())?);
        }
        if self.metrics {
            return Ok(write!(out, "{}", table::markdown())?);
        }
        let (config, effective) = Config::load_and_show(&self.settings.layers())?;
        for Fault { setting, problem } in &config.warnings {
            writeln!(anstream::stderr(), "{HINT}warning:{HINT:#} {setting}: {problem}")?;
        }
        if self.json {
            let settings: Map<_, _> = effective.iter().map(as_json).collect();
            return Ok(writeln!(out, "{}", serde_json::Value::Object(settings))?);
        }
        Ok(write!(out, "{}", reference::in_force(&effective))?)
    }
}

fn as_json(effective: &Effective) -> (String, serde_json::Value) {
    let Effective { setting, shown, origin, .. } = effective;
    (setting.name.to_owned(), json!({"value": shown, "origin": origin.to_string()}))
}
