//! The file of cases.

use std::{collections::BTreeMap, fs::File, io::Read as _, path::Path};

use serde::Deserialize;
use serde_json::{Map, Number, Value as Json};
use toml::Value as Toml;

use super::expected::Expected;

/// One case: who asks for which socket, and what is expected.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// What it is about, for people.
    pub(super) name: String,
    /// Who it is, as the user source has them.
    user: Option<toml::Table>,
    /// The session as the web app stores it, in place of `user`: a table, or JSON as text.
    session: Option<Toml>,
    /// What the policy sees of the socket.
    #[serde(default)]
    pub(super) socket: Socket,
    /// The rest of what the client sent.
    #[serde(default)]
    pub(super) handshake: Handshake,
    pub(super) expect: Expected,
}

/// `socket`, as policies name it. What is absent is empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Socket {
    pub(super) namespace: String,
    pub(super) remote_address: String,
    /// The Origin header; absent: there is none.
    pub(super) origin: Option<String>,
}

/// What a gateway passes on beside that.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Handshake {
    pub(super) headers: BTreeMap<String, String>,
    pub(super) url: String,
    pub(super) auth: Auth,
    pub(super) xdomain: bool,
}

/// Socket.IO's auth payload, as far as it counts.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Auth {
    pub(super) session_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    case: Vec<Case>,
}

/// Reads the file.
pub(super) fn read(path: &Path) -> Result<Vec<Case>, String> {
    /// A hundred thousand cases.
    const BYTES: usize = 16 << 20;
    let shown = path.display();
    let mut text = String::new();
    let more = u64::try_from(BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let read = File::open(path).and_then(|file| file.take(more).read_to_string(&mut text));
    read.map_err(|error| format!("the file {shown} cannot be read: {error}"))?;
    if text.len() > BYTES {
        return Err(format!(
            "the file {shown} is larger than 16 MiB; several smaller ones can be tested in turn"
        ));
    }
    // The parser's words show the place, and there is nothing secret in it.
    let Written { case: cases } =
        toml::from_str(&text).map_err(|error| format!("the file {shown}: {error}"))?;
    if cases.is_empty() {
        return Err(format!("the file {shown} has no cases; each begins with [[case]]"));
    }
    for case in &cases {
        if case.user.is_some() && case.session.is_some() {
            let name = &case.name;
            return Err(format!(
                "the file {shown}, case {name:?}: of `user` and `session` only one can be given"
            ));
        }
    }
    Ok(cases)
}

impl Case {
    /// The session behind the handshake; `None`: there is none.
    pub(super) fn session(&self, passport_key: &str) -> Result<Option<String>, String> {
        let in_case = |problem| format!("case {:?}: {problem}", self.name);
        if let Some(user) = &self.user {
            let user = object(user).map_err(in_case)?;
            let passport = Map::from_iter([("user".to_owned(), user)]);
            return Ok(Some(
                Json::from(Map::from_iter([(passport_key.to_owned(), passport.into())])).to_string(),
            ));
        }
        match &self.session {
            None => Ok(None),
            Some(Toml::String(text)) => Ok(Some(text.clone())),
            Some(session) => json(session).map(|session| Some(session.to_string())).map_err(in_case),
        }
    }
}

fn object(table: &toml::Table) -> Result<Json, String> {
    let members = table.iter().map(|(name, value)| Ok((name.clone(), json(value)?)));
    members.collect::<Result<Map<_, _>, String>>().map(Json::Object)
}

fn json(value: &Toml) -> Result<Json, String> {
    Ok(match value {
        Toml::String(text) => Json::from(text.as_str()),
        Toml::Integer(number) => Json::from(*number),
        Toml::Float(number) => {
            Json::Number(Number::from_f64(*number).ok_or("JSON has neither infinity nor NaN")?)
        }
        Toml::Boolean(flag) => Json::from(*flag),
        Toml::Array(elements) => Json::Array(elements.iter().map(json).collect::<Result<_, _>>()?),
        Toml::Table(table) => object(table)?,
        Toml::Datetime(_) => {
            return Err("JSON has no dates; write it as the text that the app stores".to_owned());
        }
    })
}
