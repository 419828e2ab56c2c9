//! `token`.

use std::io::{IsTerminal as _, Write as _};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use serde_json::json;

use super::{Error, style::HINT};
use crate::config::callers::{self, Role};

/// Make a bearer token for a caller, and the settings that let it in.
///
/// The service keeps only the token's hash; the token itself is shown once, here.
#[derive(Debug, Args)]
pub(super) struct TokenCommand {
    /// Whose it is, for the log: `chat`.
    #[arg(long, value_parser = name)]
    name: String,
    /// What its bearer may do.
    #[arg(long, default_value_t = Role::Gateway, value_parser = role())]
    role: Role,
    /// Bind it to gateway ids that match, `*` stands for any text; may be given several times [default: any].
    #[arg(long, value_name = "PATTERN")]
    gateway_id: Vec<String>,
    /// Print JSON: the token, and a line for the file of callers.tokens_file.
    #[arg(long)]
    json: bool,
}

fn name(text: &str) -> Result<String, String> {
    callers::named(text).map(|()| text.to_owned())
}

fn role() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(["gateway", "admin"]).try_map(|text| text.parse::<Role>())
}

/// As many as a key of HMAC-SHA256 has: nobody guesses it.
const TOKEN_BYTES: usize = 32;

impl TokenCommand {
    pub(super) fn run(self) -> Result<(), Error> {
        let Self { name, role, gateway_id, json } = self;
        let token = URL_SAFE_NO_PAD.encode(rand::random::<[u8; TOKEN_BYTES]>());
        let hash = callers::hash_of(&token);
        let mut line = toml::Table::from_iter([
            ("name".to_owned(), name.into()),
            ("hash".to_owned(), hash.into()),
            ("role".to_owned(), role.to_string().into()),
        ]);
        if !gateway_id.is_empty() {
            line.insert("gateway_ids".to_owned(), gateway_id.into());
        }
        let mut out = anstream::stdout().lock();
        if json {
            return Ok(writeln!(out, "{}", json!({"token": token, "settings": line}))?);
        }
        if out.as_inner().is_terminal() {
            writeln!(anstream::stderr(), "{HINT}The token, which is shown only now:{HINT:#}")?;
        }
        writeln!(out, "{token}")?;
        // The token alone goes into a pipe.
        let mut notes = anstream::stderr().lock();
        writeln!(
            notes,
            "\n{HINT}For the service, in the file of settings:{HINT:#}\n\n[[callers.tokens]]\n{line}"
        )?;
        writeln!(
            notes,
            "{HINT}or as a line of the file that callers.tokens_file names:{HINT:#}\n\n{}",
            json!(line)
        )?;
        Ok(())
    }
}
