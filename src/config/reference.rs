//! The settings for people: the reference in Markdown, and what is in force as TOML.

use std::fmt::Write as _;

use super::{Effective, PARTS, setting::Setting};

/// `docs/settings.md`.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Settings\n\n\
         <!-- Made by `socketpass config --reference`; CI fails when it differs. -->\n\n\
         A setting has one name: `session.store` is `[session] store` in the TOML file (`--config FILE` or \
         `SOCKETPASS_CONFIG`), `SOCKETPASS_SESSION_STORE` in the environment and `--session-store` on the command line; \
         the later wins. A list in the environment is a JSON array, or one bare value. An empty variable is an empty \
         value. Secrets have no command-line spelling. A secret, and a URL that may hold a password, can also stand in a \
         file of its own, which the name with `_file` names (`session.secrets_file`): one value a line, read again when \
         the file changes and on SIGHUP.\n\n\
         On SIGHUP the TOML file is read again too. What counts from then on is marked; what does not, the log names. A \
         reading with a fault changes nothing.\n\n\
         `socketpass config` prints what is in force, and where each value comes from.\n",
    );
    for part in PARTS {
        let name = part.first().map_or("", |setting| setting.part_and_key().0);
        let _ = write!(text, "\n## `[{name}]`\n");
        for setting in part {
            describe(&mut text, setting);
        }
    }
    text
}

fn describe(text: &mut String, setting: &'static Setting) {
    let _ = write!(text, "\n### `{}`\n\n{}\n\n", setting.name, setting.about);
    let _ = writeln!(text, "- Takes: {}", setting.kind);
    let _ = writeln!(
        text,
        "- Default: {}",
        setting.default.map_or("not set".to_owned(), |text| format!("`{text}`"))
    );
    if setting.is_reloaded() {
        let _ = writeln!(text, "- Counts on SIGHUP");
    }
    for spelling in setting.spellings() {
        let flag = spelling.flag().map_or(String::new(), |flag| format!(", `--{flag}`"));
        let what = if spelling.from_file { "Or its file" } else { "Set by" };
        let _ = writeln!(text, "- {what}: `{}`, `{}`{flag}", spelling.name(), spelling.variable());
    }
}

/// What is in force, as a TOML file that says where each value comes from. Hidden values are no TOML to start from.
pub fn in_force(effective: &[Effective]) -> String {
    let mut text = String::new();
    for part in PARTS {
        let name = part.first().map_or("", |setting| setting.part_and_key().0);
        let gap = if text.is_empty() { "" } else { "\n" };
        let _ = writeln!(text, "{gap}[{name}]");
        for setting in part {
            let Some(Effective { shown, origin, .. }) =
                effective.iter().find(|effective| effective.setting.name == setting.name)
            else {
                continue;
            };
            let key = setting.part_and_key().1;
            let line =
                shown.as_ref().map_or(format!("# {key} is not set"), |value| format!("{key} = {value}"));
            let _ = writeln!(text, "{line:<48} # {origin}");
        }
    }
    text
}
