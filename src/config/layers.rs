//! Where values come from: defaults, the file, the environment, the command line, the later over the earlier.

use std::{collections::BTreeMap, fmt, fs, path::Path};

use toml::Value;

use super::{
    Fault, SETTINGS,
    setting::{Kind, Setting, Spelling, VARIABLE_PREFIX},
};

/// The variable that names the file.
pub const CONFIG_VARIABLE: &str = "SOCKETPASS_CONFIG";

/// The variable that holds the token with which commands call: on the command line others would see it.
pub const TOKEN_VARIABLE: &str = "SOCKETPASS_TOKEN";

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere: it is the default.
    Default,
    /// In the TOML file.
    File(String),
    /// In this variable.
    Environment(String),
    /// With this flag.
    CommandLine(String),
    /// By the program itself.
    Program(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(text) | Self::Environment(text) | Self::Program(text) => f.write_str(text),
            Self::CommandLine(flag) => write!(f, "--{flag}"),
        }
    }
}

/// A value as it was found.
#[derive(Clone)]
pub struct Found {
    /// Where.
    pub origin: Origin,
    /// It is the path of a file that holds the value.
    pub from_file: bool,
    /// The value.
    pub value: Value,
}

/// Everything that was set, by setting, the value that counts last.
#[derive(Clone, Default)]
pub struct Layers {
    found: BTreeMap<&'static str, Found>,
    faults: Vec<Fault>,
    warnings: Vec<Fault>,
}

impl Layers {
    /// Adds the file's values.
    pub fn add_file(&mut self, path: &Path) {
        let shown = path.display().to_string();
        let table =
            fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}")).and_then(|text| {
                text.parse::<toml::Table>()
                    .map_err(|error| format!("is not TOML: {}", located(&text, &error)))
            });
        let table = match table {
            Ok(table) => table,
            Err(problem) => {
                return self.faults.push(Fault::new("--config", format!("the file {shown} {problem}")));
            }
        };
        let mut values = BTreeMap::new();
        for (part, value) in table {
            match value {
                Value::Table(part_values) => {
                    values
                        .extend(part_values.into_iter().map(|(key, value)| (format!("{part}.{key}"), value)));
                }
                value => {
                    values.insert(part, value);
                }
            }
        }
        self.add(|spelling| {
            values.remove(&spelling.name()).map(|value| (Origin::File(shown.clone()), Ok(value)))
        });
        for unknown in values.into_keys() {
            let is_it = is_it(&unknown, |spelling| spelling.name());
            self.faults.push(Fault::new(&unknown, format!("there is no such setting (in {shown}){is_it}")));
        }
    }

    /// Adds the environment's values.
    pub fn add_environment(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        let mut variables: BTreeMap<_, _> =
            variables.into_iter().filter(|(name, _)| name.starts_with(VARIABLE_PREFIX)).collect();
        for no_setting in [CONFIG_VARIABLE, TOKEN_VARIABLE] {
            variables.remove(no_setting);
        }
        self.add(|spelling| {
            let variable = spelling.variable();
            let text = variables.remove(&variable)?;
            Some((Origin::Environment(variable), from_text(spelling.kind(), text)))
        });
        // No fault: Kubernetes sets such for each Service, by its name.
        for unknown in variables.into_keys() {
            let is_it = is_it(&unknown, |spelling| spelling.variable());
            let problem = format!("the variable begins with {VARIABLE_PREFIX} and names no setting{is_it}");
            self.warnings.push(Fault::new(&unknown, problem));
        }
    }

    /// Adds the command line's values: what was given with each flag.
    pub fn add_command_line(&mut self, mut given: impl FnMut(&str) -> Option<Vec<String>>) {
        self.add(|spelling| {
            let flag = spelling.flag()?;
            let mut texts = given(&flag)?;
            let value = if spelling.kind().is_list() && texts.len() > 1 {
                Ok(Value::Array(texts.into_iter().map(Value::String).collect()))
            } else {
                from_text(spelling.kind(), texts.pop()?)
            };
            Some((Origin::CommandLine(flag), value))
        });
    }

    /// Adds values that hold whatever else was set.
    pub fn add_fixed(&mut self, by: &str, values: &[(&str, &str)]) {
        self.add(|spelling| {
            let (_, text) = values.iter().find(|(name, _)| *name == spelling.name())?;
            Some((Origin::Program(by.to_owned()), from_text(spelling.kind(), (*text).to_owned())))
        });
    }

    /// Forgets the values of all other settings.
    pub fn keep_only(&mut self, names: &[&str]) {
        self.found.retain(|name, _| names.contains(name));
    }

    /// Adds values that hold where nobody set anything.
    pub fn add_defaults(&mut self, by: &str, values: &[(&str, &str)]) {
        let unset: Vec<_> =
            values.iter().copied().filter(|(name, _)| !self.found.contains_key(name)).collect();
        self.add_fixed(by, &unset);
    }

    /// One layer: for each setting what it has, the value itself or the path of its file but not both.
    fn add(&mut self, mut find: impl FnMut(Spelling) -> Option<(Origin, Result<Value, String>)>) {
        for setting in SETTINGS.iter().copied() {
            let mut already = None;
            for spelling in setting.spellings() {
                let Some((origin, value)) = find(spelling) else { continue };
                match value {
                    Ok(_) if already.is_some() => self.faults.push(Fault::new(
                        setting.name,
                        format!(
                            "it is set twice, by {} and by {origin}: leave one of them out",
                            already.take().unwrap_or_default()
                        ),
                    )),
                    Ok(value) => {
                        already = Some(origin.to_string());
                        let found = Found { origin, from_file: spelling.from_file, value };
                        self.found.insert(setting.name, found);
                    }
                    Err(problem) => {
                        self.faults.push(Fault::new(setting.name, format!("{problem} ({origin})")));
                    }
                }
            }
        }
    }

    /// What counts for this setting; `None`: only its default.
    pub fn get(&self, setting: &Setting) -> Option<&Found> {
        self.found.get(setting.name)
    }

    /// Whether `grpc.addr` speaks TLS.
    pub fn speaks_tls(&self) -> bool {
        self.found.contains_key("tls.cert_file")
    }

    /// What was wrong with the layers themselves.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// What in the layers themselves can be meant, and probably is not.
    pub fn warnings(&self) -> &[Fault] {
        &self.warnings
    }

    /// The paths of the files that hold settings, or are named by one.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        let files = SETTINGS.iter().filter_map(|setting| {
            let found = self.found.get(setting.name)?;
            (found.from_file || setting.kind == Kind::File).then_some(found)
        });
        files.filter_map(|found| found.value.as_str())
    }
}

/// A value as the environment and the command line write it: a list is a JSON array, or one bare value.
pub fn from_text(kind: Kind, text: String) -> Result<Value, String> {
    if !kind.is_list() || !text.starts_with('[') {
        return Ok(Value::String(text));
    }
    // serde_json's own words could repeat what is in it.
    if let Kind::Tables(keys) = kind {
        let tables = serde_json::from_str::<Vec<toml::Table>>(&text);
        return tables
            .map(|tables| Value::Array(tables.into_iter().map(Value::Table).collect()))
            .map_err(|_| format!("it begins with `[` and is no JSON array of objects with {keys}"));
    }
    match serde_json::from_str::<Vec<String>>(&text) {
        Ok(texts) => Ok(Value::Array(texts.into_iter().map(Value::String).collect())),
        Err(_) => Err("it begins with `[` and is no JSON array of texts, like [\"one\",\"two\"]".to_owned()),
    }
}

/// Where in the file it stops being TOML. The parser's own words show the line, which may hold a secret.
fn located(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or("");
    format!("{} at line {}", error.message(), before.matches('\n').count() + 1)
}

/// The spelling that something mistyped may be meant for, as a question.
fn is_it(unknown: &str, spell: impl Fn(&Spelling) -> String) -> String {
    let names = SETTINGS.iter().copied().flat_map(Setting::spellings).map(|spelling| spell(&spelling));
    let nearest = names.map(|name| (strsim::damerau_levenshtein(&name, unknown), name)).min();
    // More than a third of it mistyped is another word. What all variables begin with is not counted.
    let length = unknown.trim_start_matches(VARIABLE_PREFIX).len();
    let name = nearest.and_then(|(distance, name)| (distance * 3 <= length).then_some(name));
    name.map_or_else(String::new, |name| format!("; is it `{name}`?"))
}
