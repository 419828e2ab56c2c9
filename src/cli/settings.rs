//! Settings on the command line: a flag for each, made from the table of settings.

use std::{collections::BTreeMap, path::PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, builder::PossibleValuesParser};

use crate::config::{
    SETTINGS,
    layers::{CONFIG_VARIABLE, Layers},
    setting::{Kind, Setting, Spelling},
};

/// What was given of the settings on the command line.
#[derive(Clone, Debug, Default)]
pub struct SettingArgs {
    file: Option<PathBuf>,
    given: BTreeMap<String, Vec<String>>,
}

impl SettingArgs {
    /// Everything that was set: in the file, the environment and on the command line.
    pub fn layers(&self) -> Layers {
        let mut layers = Layers::default();
        if let Some(file) = &self.file {
            layers.add_file(file);
        }
        // A variable that is not Unicode cannot be one of ours: all of ours take text.
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        layers.add_environment(variables);
        layers.add_command_line(|flag| self.given.get(flag).cloned());
        layers
    }
}

const CONFIG: &str = "config";
const HEADING: &str =
    "Settings (also in the file and the environment; `socketpass config --reference` explains them)";

impl FromArgMatches for SettingArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut args = Self::default();
        args.update_from_arg_matches(matches)?;
        Ok(args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.file = matches.get_one::<PathBuf>(CONFIG).cloned();
        for flag in spellings().filter_map(|spelling| spelling.flag()) {
            if let Some(values) = matches.get_many::<String>(&flag) {
                self.given.insert(flag, values.cloned().collect());
            }
        }
        Ok(())
    }
}

impl Args for SettingArgs {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new(CONFIG)
            .long(CONFIG)
            .value_name("FILE")
            .env(CONFIG_VARIABLE)
            .help("Read settings from this TOML file")
            .value_parser(clap::value_parser!(PathBuf))
            .help_heading(HEADING);
        command.arg(file).args(spellings().filter_map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn spellings() -> impl Iterator<Item = Spelling> {
    SETTINGS.iter().copied().flat_map(Setting::spellings)
}

fn argument(spelling: Spelling) -> Option<Arg> {
    let flag = spelling.flag()?;
    let setting = spelling.setting;
    let first_sentence =
        setting.about.split_inclusive(". ").next().unwrap_or_default().trim_end_matches([' ', '.']);
    let help = match (spelling.from_file, setting.default) {
        (true, _) => format!("File that holds {}", setting.name),
        (false, None) => first_sentence.to_owned(),
        (false, Some(default)) => format!("{first_sentence} [default: {default}]"),
    };
    let argument = Arg::new(flag.clone()).long(flag).help(help).help_heading(HEADING);
    Some(match spelling.kind() {
        Kind::Choice(words) => argument.value_parser(PossibleValuesParser::new(words)).value_name("WORD"),
        Kind::List => argument.action(ArgAction::Append).value_name("TEXT"),
        Kind::Flag => argument.value_name("true|false"),
        Kind::Text if spelling.from_file => argument.value_name("FILE"),
        Kind::Text => argument.value_name("TEXT"),
        Kind::Expression => argument.value_name("EXPRESSION"),
        Kind::Duration => argument.value_name("DURATION"),
        Kind::Bytes => argument.value_name("BYTES"),
        Kind::Count | Kind::Ratio => argument.value_name("NUMBER"),
        Kind::Address => argument.value_name("ADDRESS:PORT"),
        Kind::Url => argument.value_name("URL"),
        Kind::File => argument.value_name("FILE"),
        Kind::Secret | Kind::Secrets | Kind::Tables(_) => argument,
    })
}
