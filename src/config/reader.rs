//! From what was set to what it means. Faults are gathered: whoever starts the service sees all of them at once.

use std::{
    collections::BTreeMap,
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    net::SocketAddr,
    ops::RangeInclusive,
    time::Duration,
};

use secrecy::SecretString;
use serde::de::DeserializeOwned;
use toml::Value;

use super::{
    Fault,
    layers::{self, Found, Layers, Origin},
    setting::{Kind, Setting},
};
use crate::expression::CompileError;

/// A setting as it is in force, fit to be shown.
#[derive(Clone, Debug)]
pub struct Effective {
    /// Which.
    pub setting: &'static Setting,
    /// Its value, secrets hidden; `None` when it is not set.
    pub shown: Option<Value>,
    /// Where it was set.
    pub origin: Origin,
    /// Tells whether another reading has the same value, also of a secret.
    pub(super) digest: u64,
}

const NOT_A_SECRET: &str = "it is what `socketpass config` prints instead of a secret, and no secret";

/// What came of reading.
pub(super) struct Read {
    /// What is in force.
    pub(super) effective: Vec<Effective>,
    /// What was wrong.
    pub(super) faults: Vec<Fault>,
    /// What can be meant, and probably is not.
    pub(super) warnings: Vec<Fault>,
}

/// Reads settings out of the layers.
pub(super) struct Reader<'l> {
    layers: &'l Layers,
    faults: Vec<Fault>,
    warnings: Vec<Fault>,
    effective: Vec<Effective>,
    digests: BTreeMap<&'static str, u64>,
}

/// A setting's value, ready to be understood.
struct Resolved {
    value: Option<Value>,
    origin: Origin,
}

impl<'l> Reader<'l> {
    /// A reader of these layers.
    pub(super) fn new(layers: &'l Layers) -> Self {
        Self {
            layers,
            faults: layers.faults().to_vec(),
            warnings: layers.warnings().to_vec(),
            effective: Vec::new(),
            digests: BTreeMap::new(),
        }
    }

    /// What came of it.
    pub(super) fn finish(self) -> Read {
        Read { effective: self.effective, faults: self.faults, warnings: self.warnings }
    }

    /// Reports a fault of a setting that is well-formed by itself.
    pub(super) fn fault(&mut self, setting: &Setting, problem: impl Into<String>) {
        self.faults.push(Fault::new(setting.name, problem));
    }

    /// Tells of a setting that can be meant, and probably is not.
    pub(super) fn warn(&mut self, setting: &Setting, problem: impl Into<String>) {
        self.warnings.push(Fault::new(setting.name, problem));
    }

    /// Tells of a setting that was set and counts for nothing beside others: it was meant for something.
    pub(super) fn unused(&mut self, setting: &'static Setting, because: &str) {
        if !self.is_absent(setting) {
            self.warn(setting, format!("nothing uses it: {because}"));
        }
    }

    /// Whether a fault of this setting was reported already.
    pub(super) fn has_fault(&self, setting: &Setting) -> bool {
        self.faults.iter().any(|fault| fault.setting == setting.name)
    }

    /// Any text.
    pub(super) fn text(&mut self, setting: &'static Setting) -> String {
        self.parse(setting, |text| Ok(text.to_owned())).unwrap_or_default()
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, setting: &'static Setting) -> bool {
        self.parse(setting, |text| text.parse().map_err(|_| "it is neither `true` nor `false`".to_owned()))
            .unwrap_or_default()
    }

    /// A time of at least a millisecond.
    pub(super) fn duration(&mut self, setting: &'static Setting) -> Duration {
        let parse = |text: &str| {
            let duration = humantime::parse_duration(text)
                .map_err(|_| "it is not a duration; for example 15s or 500ms")?;
            if duration < Duration::from_millis(1) { Err("it must be at least 1ms") } else { Ok(duration) }
        };
        self.parse(setting, |text| parse(text).map_err(str::to_owned)).unwrap_or_default()
    }

    /// A time within these bounds.
    pub(super) fn duration_within(
        &mut self,
        setting: &'static Setting,
        bounds: RangeInclusive<Duration>,
    ) -> Duration {
        let parse = |text: &str| {
            let (from, to) = (*bounds.start(), *bounds.end());
            let duration = humantime::parse_duration(text)
                .map_err(|_| "it is not a duration; for example 15s or 500ms".to_owned())?;
            if bounds.contains(&duration) {
                Ok(duration)
            } else {
                let (from, to) = (humantime::format_duration(from), humantime::format_duration(to));
                Err(format!("it should be from {from} to {to}"))
            }
        };
        self.parse(setting, parse).unwrap_or_default()
    }

    /// A time, where none at all, `0s`, switches something off.
    pub(super) fn duration_or_off(&mut self, setting: &'static Setting) -> Option<Duration> {
        let parse = |text: &str| {
            humantime::parse_duration(text)
                .map_err(|_| "it is not a duration; for example 15s, or 0s for not at all".to_owned())
        };
        self.parse(setting, parse).filter(|duration| !duration.is_zero())
    }

    /// A size in bytes.
    pub(super) fn bytes(&mut self, setting: &'static Setting) -> usize {
        self.parse(setting, |text| {
            let size = bytes(text).filter(|size| *size > 0);
            size.ok_or_else(|| "it is not a size of at least one byte; for example 4096 or 4MiB".to_owned())
        })
        .unwrap_or_default()
    }

    /// How many of something, at least one.
    pub(super) fn count(&mut self, setting: &'static Setting) -> usize {
        self.parse(setting, |text| {
            let count = text.parse().ok().filter(|count| *count > 0);
            count.ok_or_else(|| "it is not a whole number of at least 1".to_owned())
        })
        .unwrap_or_default()
    }

    /// A share, from 0 to 1.
    pub(super) fn ratio(&mut self, setting: &'static Setting) -> f64 {
        self.parse(setting, |text| {
            let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
            ratio.ok_or_else(|| "it is not a number from 0 to 1".to_owned())
        })
        .unwrap_or_default()
    }

    /// An address to listen on.
    pub(super) fn address(&mut self, setting: &'static Setting) -> SocketAddr {
        self.parse(setting, |text| {
            text.parse().map_err(|_| {
                "it is not an IP address with a port; for example 127.0.0.1:50051 or [::]:50051".to_owned()
            })
        })
        .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// One of a few words; `choices` are in the order of the setting's kind.
    pub(super) fn choice<T: Copy>(&mut self, setting: &'static Setting, choices: &[(&str, T)]) -> Option<T> {
        self.parse(setting, |text| {
            let words = || choices.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
            choices
                .iter()
                .find_map(|(word, choice)| (*word == text).then_some(*choice))
                .ok_or_else(|| format!("it can only be one of: {}", words()))
        })
    }

    /// Text with a meaning of its own; shown as it stands.
    pub(super) fn parse<T>(
        &mut self,
        setting: &'static Setting,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.parse_and_show(setting, |text| parse(text).map(|value| (value, text.to_owned())))
    }

    /// Text with a meaning of its own, which also says how it is shown.
    pub(super) fn parse_and_show<T>(
        &mut self,
        setting: &'static Setting,
        parse: impl Fn(&str) -> Result<(T, String), String>,
    ) -> Option<T> {
        let resolved = self.resolve(setting)?;
        let Some(value) = resolved.value else {
            self.show(setting, None, resolved.origin);
            return None;
        };
        let parsed = scalar(setting.kind, &value)
            .ok_or_else(|| format!("it should be {}, and is {}", setting.kind.in_file(), type_name(&value)))
            .and_then(|text| parse(&text));
        match parsed {
            Ok((parsed, shown)) => {
                self.show(setting, Some(Value::String(shown)), resolved.origin);
                Some(parsed)
            }
            Err(problem) => {
                // Below the first line stands what it is about.
                let (problem, about) = problem.split_at(problem.find('\n').unwrap_or(problem.len()));
                self.fault(setting, format!("{problem} ({}){about}", resolved.origin));
                None
            }
        }
    }

    /// A CEL expression; what is wrong with it is shown below the line that names the setting.
    pub(super) fn expression<T>(
        &mut self,
        setting: &'static Setting,
        compile: impl Fn(&str) -> Result<T, CompileError>,
    ) -> Option<T> {
        let indented = |text: &str| text.lines().map(|line| format!("\n    {line}")).collect::<String>();
        self.parse(setting, |text| {
            compile(text).map_err(|error| {
                let excerpt = error.excerpt(text).map(|excerpt| indented(&excerpt));
                format!("{error}{}", excerpt.unwrap_or_default())
            })
        })
    }

    /// Any number of texts; `None` when it is not set.
    pub(super) fn list(&mut self, setting: &'static Setting) -> Option<Vec<String>> {
        self.list_of(setting, |text| Ok(text.to_owned()))
    }

    /// Any number of texts, each with a meaning of its own; `None` when it is not set.
    pub(super) fn list_of<T>(
        &mut self,
        setting: &'static Setting,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let (texts, origin) = self.texts(setting)?;
        let shown =
            texts.as_ref().map(|texts| Value::Array(texts.iter().cloned().map(Value::String).collect()));
        self.show(setting, shown, origin.clone());
        let mut parsed = Vec::new();
        for text in texts? {
            match parse(&text) {
                Ok(one) => parsed.push(one),
                Err(problem) => self.fault(setting, format!("{problem} ({origin})")),
            }
        }
        Some(parsed)
    }

    /// One secret; `None` when it is not set.
    pub(super) fn secret(&mut self, setting: &'static Setting) -> Option<SecretString> {
        let parse = |text: &str| {
            let is_shown = text.starts_with('<') && text.ends_with("hidden>");
            if is_shown {
                Err(NOT_A_SECRET.to_owned())
            } else {
                Ok((text.to_owned().into(), "<hidden>".to_owned()))
            }
        };
        self.parse_and_show(setting, parse)
    }

    /// Any number of secrets; empty when it is not set.
    pub(super) fn secrets(&mut self, setting: &'static Setting) -> Vec<SecretString> {
        let Some((texts, origin)) = self.texts(setting) else { return Vec::new() };
        let hidden = texts.as_ref().map(|texts| Value::String(format!("<{} hidden>", texts.len())));
        self.show(setting, hidden, origin);
        let texts = texts.unwrap_or_default();
        if texts.iter().any(|text| text.starts_with('<') && text.ends_with(" hidden>")) {
            self.fault(setting, NOT_A_SECRET);
        }
        texts.into_iter().map(SecretString::from).collect()
    }

    /// Any number of tables; empty when it is not set.
    pub(super) fn tables<W, T>(&mut self, setting: &'static Setting) -> Vec<T>
    where
        W: DeserializeOwned,
        T: TryFrom<W, Error = String>,
    {
        let Kind::Tables(keys) = setting.kind else { return Vec::new() };
        let Some(resolved) = self.resolve(setting) else { return Vec::new() };
        let tables = match resolved.value {
            None => Ok(None),
            Some(Value::Array(tables)) => {
                let written = tables.into_iter().enumerate().filter(|(_, table)| !is_blank(table));
                let tables = written.map(|(place, value)| match table(keys, value) {
                    Ok(table) => Ok((place, table)),
                    Err(problem) => Err(nth(place, &problem)),
                });
                tables.collect::<Result<Vec<_>, _>>().map(Some)
            }
            Some(one) => table(keys, one).map(|table| Some(vec![(0, table)])),
        };
        let parsed = tables.and_then(|tables| {
            let shown = tables.as_ref().map(|tables| {
                let shown = tables.iter().map(|(_, table)| Value::Table(without_hash(table.clone())));
                Value::Array(shown.collect())
            });
            let parse = |table| T::try_from(typed(keys, table)?);
            let parsed = tables.unwrap_or_default().into_iter();
            let parsed = parsed.map(|(place, table)| parse(table).map_err(|problem| nth(place, &problem)));
            Ok((parsed.collect::<Result<_, _>>()?, shown))
        });
        match parsed {
            Ok((parsed, shown)) => {
                self.show(setting, shown, resolved.origin);
                parsed
            }
            Err(problem) => {
                self.fault(setting, format!("{problem} ({})", resolved.origin));
                Vec::new()
            }
        }
    }

    /// What is in the file that it names; `None` when it is not set, or a fault was reported.
    pub(super) fn file<T>(
        &mut self,
        setting: &'static Setting,
        parse: impl Fn(&[u8]) -> Result<T, String>,
    ) -> Option<T> {
        self.parse(setting, |path| {
            let read = fs::read(path).map_err(|error| format!("the file {path} cannot be read: {error}"));
            parse(&read?).map_err(|problem| format!("the file {path}: {problem}"))
        })
    }

    /// Whether nothing at all was set, so that what is wrong with it has been said or its absence is the fault.
    pub(super) fn is_absent(&self, setting: &'static Setting) -> bool {
        self.found(setting).is_none()
    }

    /// What was set, and where.
    pub(super) fn found(&self, setting: &'static Setting) -> Option<&'l Found> {
        self.layers.get(setting)
    }

    fn texts(&mut self, setting: &'static Setting) -> Option<(Option<Vec<String>>, Origin)> {
        let resolved = self.resolve(setting)?;
        let texts = match resolved.value {
            None => Ok(None),
            // A secret may have any character. Of the others one with a comma is rare, and can stand in an array.
            Some(Value::String(text)) if setting.kind == Kind::List && text.contains(',') => {
                Err(several(&text, &resolved.origin))
            }
            Some(Value::String(text)) => Ok(Some(vec![text])),
            Some(Value::Array(values)) => values
                .into_iter()
                .map(|value| match value {
                    Value::String(text) => Ok(text),
                    other => Err(format!("each should be a text, and one is {}", type_name(&other))),
                })
                .collect::<Result<_, _>>()
                .map(Some),
            Some(other) => {
                Err(format!("it should be {}, and is {}", setting.kind.in_file(), type_name(&other)))
            }
        };
        match texts {
            Ok(texts) => Some((texts, resolved.origin)),
            Err(problem) => {
                self.fault(setting, format!("{problem} ({})", resolved.origin));
                None
            }
        }
    }

    /// The value that counts. `None`: a fault was reported.
    fn resolve(&mut self, setting: &'static Setting) -> Option<Resolved> {
        let resolved = self.read(setting)?;
        let mut hasher = DefaultHasher::new();
        resolved.value.as_ref().map(Value::to_string).hash(&mut hasher);
        self.digests.insert(setting.name, hasher.finish());
        Some(resolved)
    }

    /// It is read from its file if that is where it stands.
    fn read(&mut self, setting: &'static Setting) -> Option<Resolved> {
        let Some(Found { origin, from_file, value }) = self.layers.get(setting).cloned() else {
            let default =
                setting.default.and_then(|text| layers::from_text(setting.kind, text.to_owned()).ok());
            return Some(Resolved { value: default, origin: Origin::Default });
        };
        if !from_file {
            return Some(Resolved { value: Some(value), origin });
        }
        let read = value
            .as_str()
            .ok_or_else(|| format!("the path of its file should be a text, and is {}", type_name(&value)))
            .and_then(|path| {
                fs::read_to_string(path).map_err(|error| format!("its file {path} cannot be read: {error}"))
            });
        match read {
            Ok(text) => {
                // Only the line ending is cut: a secret may end in a space.
                let mut lines = text.lines().map(|line| Value::String(line.to_owned()));
                let value = if setting.kind.is_list() {
                    Value::Array(lines.collect())
                } else {
                    lines.next().unwrap_or(Value::String(String::new()))
                };
                Some(Resolved { value: Some(value), origin })
            }
            Err(problem) => {
                self.fault(setting, format!("{problem} ({origin})"));
                None
            }
        }
    }

    fn show(&mut self, setting: &'static Setting, shown: Option<Value>, origin: Origin) {
        let shown = match shown {
            Some(Value::String(flag)) if setting.kind == Kind::Flag => Some(Value::Boolean(flag == "true")),
            shown => shown,
        };
        let digest = self.digests.get(setting.name).copied().unwrap_or_default();
        self.effective.push(Effective { setting, shown, origin, digest });
    }
}

/// What is wrong with one text that was meant for several.
fn several(text: &str, origin: &Origin) -> String {
    let texts = text.split(',').map(|one| serde_json::Value::from(one.trim()));
    let array = serde_json::Value::from_iter(texts);
    match origin {
        Origin::File(_) => format!("it is one text with a comma; several are a list: {array}"),
        _ => format!("it is one text with a comma; several in a variable are a JSON array: {array}"),
    }
}

/// A table as TOML writes it, or as the environment and files do, a JSON object.
fn table(keys: &str, value: Value) -> Result<toml::Table, String> {
    match value {
        Value::Table(table) => Ok(table),
        // serde_json's own words could repeat what is in it.
        Value::String(text) => {
            serde_json::from_str(&text).map_err(|_| {
                format!(
                    "each should be a JSON object with {keys}, and one is not; that of a token is what `socketpass token --json` \
                     prints as `settings`"
                )
            })
        }
        other => Err(format!("each should be a table, and one is {}", type_name(&other))),
    }
}

/// A line of a file with nothing in it.
fn is_blank(value: &Value) -> bool {
    matches!(value, Value::String(text) if text.trim().is_empty())
}

/// Which of several it is.
fn nth(place: usize, problem: &str) -> String {
    format!("number {}: {problem}", place + 1)
}

/// A table as what it stands for. The parser's own words could repeat what is in it.
fn typed<W: DeserializeOwned>(keys: &str, table: toml::Table) -> Result<W, String> {
    let is_known = |name: &str| keys.split(", ").any(|key| key == name);
    if !table.keys().all(|name| is_known(name)) {
        return Err(format!("it has a key that is none of {keys}"));
    }
    table.try_into().map_err(|error: toml::de::Error| match error.message() {
        missing if missing.starts_with("missing field") => missing.to_owned(),
        _ => format!("a value in it is not what it should be (its keys are {keys})"),
    })
}

/// A short token could be found from its hash.
fn without_hash(mut table: toml::Table) -> toml::Table {
    if let Some(hash) = table.get_mut("hash") {
        *hash = Value::String("<hidden>".to_owned());
    }
    table
}

/// TOML has types; everywhere else a value is text.
fn scalar(kind: Kind, value: &Value) -> Option<String> {
    match (kind, value) {
        (_, Value::String(text)) => Some(text.clone()),
        // A policy such as `true` reads as a boolean where it stands alone.
        (Kind::Flag | Kind::Expression, Value::Boolean(flag)) => Some(flag.to_string()),
        (Kind::Bytes | Kind::Count | Kind::Ratio, Value::Integer(size)) => Some(size.to_string()),
        (Kind::Ratio, Value::Float(ratio)) => Some(ratio.to_string()),
        _ => None,
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) | Value::Float(_) => "a number",
        Value::Boolean(_) => "a boolean",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

fn bytes(text: &str) -> Option<usize> {
    const UNITS: [(&str, usize); 3] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    let (number, unit) =
        UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit))).unwrap_or((text, 1));
    number.trim().parse::<usize>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(bytes("4096"), Some(4096));
        assert_eq!(bytes("4MiB"), Some(4 << 20));
        assert_eq!(bytes("4 KiB"), Some(4 << 10));
        assert_eq!(bytes("4MB"), None);
        assert_eq!(bytes("-1"), None);
        assert_eq!(bytes("99999999999999999999GiB"), None);
    }
}
