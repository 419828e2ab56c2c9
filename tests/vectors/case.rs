//! A case as it stands in the data.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use prost_types::{Struct, Value as ProtoValue, value::Kind};
use serde_json::Value;
use socketpass::{
    config::{Config, Faults, layers::Layers},
    grpc::pb::Handshake,
};

pub struct Case(pub Value);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    Signed,
    Unsigned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    Library,
    Grpc,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    Redis,
    Memory,
    Failing,
}

impl Case {
    pub fn read_all(group: &str) -> Vec<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/vectors/data/{group}.jsonl"));
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        text.lines().map(|line| Self(serde_json::from_str(line).unwrap())).collect()
    }

    pub fn id(&self) -> &str {
        self.0["id"].as_str().unwrap()
    }

    pub fn group(&self) -> &str {
        self.0["group"].as_str().unwrap()
    }

    pub fn quirk(&self) -> Option<&str> {
        self.0["quirk"].as_str()
    }

    pub fn expect(&self, field: &str) -> &Value {
        &self.0["expect"][field]
    }

    pub fn store_kind(&self) -> StoreKind {
        match &self.0["config"] {
            config if !config["store_error"].is_null() => StoreKind::Failing,
            config if config["store_kind"] == "memory" => StoreKind::Memory,
            _ => StoreKind::Redis,
        }
    }

    pub fn redis_type(&self, id: &str) -> Option<&str> {
        self.0["config"]["redis_type"][id].as_str()
    }

    pub fn redis_pttl(&self, id: &str) -> Option<u64> {
        self.0["config"]["redis_pttl"][id].as_u64()
    }

    pub fn prefix(&self) -> &str {
        self.0["config"]["prefix"].as_str().unwrap_or("sess:")
    }

    pub fn secret(&self) -> &Value {
        &self.0["config"]["secret"]
    }

    /// The secrets, if every one can be used.
    pub fn secrets(&self) -> Option<Vec<&str>> {
        let secrets = match self.secret() {
            Value::String(secret) => vec![secret.as_str()],
            Value::Array(secrets) => secrets.iter().map(Value::as_str).collect::<Option<_>>()?,
            _ => return None,
        };
        (!secrets.is_empty() && !secrets.contains(&"")).then_some(secrets)
    }

    /// A user comes from a table that a `deserializeUser` looks into.
    pub fn needs_user_source(&self) -> bool {
        !matches!(self.0["config"]["deserializer"]["kind"].as_str(), None | Some("identity"))
    }

    /// Stored bytes by session id.
    pub fn sessions(&self) -> BTreeMap<String, Vec<u8>> {
        let mut sessions = BTreeMap::new();
        for (id, text) in self.0["store"].as_object().into_iter().flatten() {
            sessions.extend(text.as_str().map(|text| (id.clone(), text.as_bytes().to_vec())));
        }
        for (id, bytes) in self.0["store_base64"].as_object().into_iter().flatten() {
            sessions.insert(id.clone(), STANDARD.decode(bytes.as_str().unwrap()).unwrap());
        }
        for (id, recipe) in self.0["store_recipe"].as_object().into_iter().flatten() {
            sessions.insert(id.clone(), cook(recipe).into_bytes());
        }
        sessions
    }

    /// The settings that the case asks for, by variable.
    pub fn settings(&self, mode: Mode, redis: &str, source: &str) -> Vec<(String, String)> {
        let config = &self.0["config"];
        let id_outside_cookie = match mode {
            Mode::Signed => "signed",
            Mode::Unsigned => "unsigned",
        };
        let secrets = match self.secret() {
            Value::Array(secrets) => Value::Array(secrets.clone()).to_string(),
            Value::String(secret) if secret.starts_with('[') => Value::from(vec![secret.clone()]).to_string(),
            secret => secret.as_str().unwrap_or_default().to_owned(),
        };
        let mut settings = vec![
            ("USER_SOURCE".to_owned(), source.to_owned()),
            // Users change from case to case.
            ("USER_CACHE_TTL".to_owned(), "0s".to_owned()),
            ("SESSION_STORE".to_owned(), redis.to_owned()),
            ("SESSION_SECRETS".to_owned(), secrets),
            ("SESSION_ID_OUTSIDE_COOKIE".to_owned(), id_outside_cookie.to_owned()),
        ];
        for (variable, name) in [
            ("SESSION_COOKIE", "key"),
            ("SESSION_PREFIX", "prefix"),
            ("SESSION_PASSPORT_KEY", "passport_key"),
        ] {
            settings.extend(config[name].as_str().map(|value| (variable.to_owned(), value.to_owned())));
        }
        settings
    }

    /// The settings as the service reads them. A secret that is no text can only stand in a file.
    pub fn config(&self, mode: Mode, redis: &str, source: &str) -> Result<Config, Faults> {
        let mut settings = self.settings(mode, redis, source);
        let mut layers = Layers::default();
        let file = tempfile::NamedTempFile::new().unwrap();
        if !self.secret().is_string() && !self.secret().is_array() {
            settings.retain(|(name, _)| name != "SESSION_SECRETS");
            let mut toml = "[session]\n".to_owned();
            if let Ok(secret) = toml::Value::try_from(self.secret().clone()) {
                write!(toml, "secrets = {secret}").unwrap();
            }
            std::fs::write(file.path(), toml).unwrap();
            layers.add_file(file.path());
        }
        layers
            .add_environment(settings.into_iter().map(|(name, value)| (format!("SOCKETPASS_{name}"), value)));
        Config::load(&layers)
    }

    /// The handshake as a gateway passes it on. What the original was given parsed goes into the url again.
    pub fn handshake(&self) -> Handshake {
        let mut original = self.0["handshake"].clone();
        for (path, recipe) in self.0["handshake_recipe"].as_object().into_iter().flatten() {
            original[path.split('/').next().unwrap()][path.split('/').nth(1).unwrap()] =
                Value::from(cook(recipe));
        }
        let headers = original["headers"].as_object().into_iter().flatten();
        Handshake {
            headers: headers
                .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                .collect(),
            url: original["url"].as_str().map_or_else(|| url(&original), str::to_owned),
            auth: original["auth"].as_object().map(|auth| Struct {
                fields: auth
                    .iter()
                    .filter_map(|(name, value)| Some((name.clone(), text(value.as_str()?))))
                    .collect(),
            }),
            xdomain: original["xdomain"] == true,
            ..Handshake::default()
        }
    }

    /// The session id outside the cookie that counts, as it was sent.
    pub fn outside_id(&self) -> Option<String> {
        let handshake = socketpass::authorize::Handshake { url: self.handshake().url, ..Default::default() };
        let auth = self.0["handshake"]["auth"]["session_id"].as_str().map(str::to_owned);
        let query = handshake.query_session_id().map(|id| id.into_owned()).filter(|id| !id.is_empty());
        query.or(auth)
    }
}

fn text(text: &str) -> ProtoValue {
    ProtoValue { kind: Some(Kind::StringValue(text.to_owned())) }
}

fn cook(recipe: &Value) -> String {
    let part = |name: &str| recipe[name].as_str().unwrap();
    let times = usize::try_from(recipe["times"].as_u64().unwrap()).unwrap();
    format!("{}{}{}", part("prefix"), part("repeat").repeat(times), part("suffix"))
}

/// passport.socketio asks `query` and then `_query` for a `session_id` that is not empty.
fn url(original: &Value) -> String {
    let parsed = || ["query", "_query"].iter().map(|name| &original[*name]);
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in
        parsed().filter_map(Value::as_object).flatten().filter(|(name, _)| *name != "session_id")
    {
        query.append_pair(name, value.as_str().unwrap_or_default());
    }
    let ids = || parsed().filter_map(|query| query["session_id"].as_str());
    if let Some(id) = ids().find(|id| !id.is_empty()).or_else(|| ids().next()) {
        query.append_pair("session_id", id);
    }
    format!("/socket.io/?{}", query.finish())
}
