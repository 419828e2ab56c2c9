//! What a setting is. The table of all settings is what the command line, the environment, the file, the printed
//! settings and the reference are made from.

use std::fmt;

/// One setting. `session.store` is `[session] store` in the file, `SOCKETPASS_SESSION_STORE` in the environment and
/// `--session-store` on the command line.
#[derive(Debug)]
pub struct Setting {
    /// The name, part and key: `session.store`.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What holds when nobody sets it, written as in the environment. `None`: not set.
    pub default: Option<&'static str>,
    /// What it is for, in Markdown, one paragraph. The first sentence is its help on the command line.
    pub about: &'static str,
}

/// What is put in force without a restart, by how its name begins.
const RELOADED: [&str; 9] = [
    "session.",
    "user.",
    "policy.",
    "callers.",
    "tls.",
    "limits.max_session_bytes",
    "limits.max_sockets_per_user",
    "limits.evict_oldest",
    "log.filter",
];

/// And what is not all the same: the registry is indexed by it.
const NOT_RELOADED: &str = "user.id_field";

impl Setting {
    /// Whether another value counts as soon as settings are read again.
    pub fn is_reloaded(&self) -> bool {
        RELOADED.iter().any(|begin| self.name.starts_with(begin)) && self.name != NOT_RELOADED
    }
}

/// What a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Flag,
    /// A time such as `15s` or `1m 30s`.
    Duration,
    /// A size in bytes, such as `4096` or `4MiB`.
    Bytes,
    /// How many of something, such as `1000`.
    Count,
    /// A share, from 0 to 1.
    Ratio,
    /// An IP address and a port; port 0 takes a free one.
    Address,
    /// A CEL expression.
    Expression,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// Any number of texts.
    List,
    /// One secret. Never on the command line, never printed.
    Secret,
    /// Any number of secrets, the newest first. Never on the command line, never printed.
    Secrets,
    /// Any number of tables with these keys. Each may say who is let in: never on the command line, where others see it.
    Tables(&'static str),
    /// The path of a file.
    File,
    /// A URL that may hold a password, which is never printed.
    Url,
}

impl Kind {
    /// Secrets have no spelling on the command line: other users of the machine can read it.
    pub fn on_command_line(self) -> bool {
        !matches!(self, Self::Secret | Self::Secrets | Self::Tables(_))
    }

    /// Secrets, and what may hold one, can stand in a file of their own.
    pub fn has_file_twin(self) -> bool {
        matches!(self, Self::Secret | Self::Secrets | Self::Tables(_) | Self::Url)
    }

    /// Whether it takes several values.
    pub fn is_list(self) -> bool {
        matches!(self, Self::List | Self::Secrets | Self::Tables(_))
    }
}

impl Kind {
    /// How the file of settings writes it, where text stands in quotes.
    pub fn in_file(self) -> String {
        match self {
            Self::Text => "a text in quotes".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Duration => r#"a duration in quotes, for example "15s""#.to_owned(),
            Self::Bytes => r#"a size, for example 4096 or "4MiB""#.to_owned(),
            Self::Count => "a whole number, for example 1000".to_owned(),
            Self::Ratio => "a number from 0 to 1".to_owned(),
            Self::Address => r#"an address and port in quotes, for example "127.0.0.1:50051""#.to_owned(),
            Self::Expression => r#"a CEL expression in quotes, for example "user.logged_in""#.to_owned(),
            Self::Choice(words) => format!("one of these in quotes: {}", words.join(", ")),
            Self::List => r#"a list of texts, for example ["one", "two"]"#.to_owned(),
            Self::Secret => "a secret in quotes".to_owned(),
            Self::Secrets => "a list of secrets, each in quotes".to_owned(),
            Self::Tables(keys) => format!("a list of tables with {keys}"),
            Self::File => "the path of a file in quotes".to_owned(),
            Self::Url => "a URL in quotes".to_owned(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text"),
            Self::Flag => f.write_str("true or false"),
            Self::Duration => f.write_str("duration"),
            Self::Bytes => f.write_str("bytes"),
            Self::Count => f.write_str("number"),
            Self::Ratio => f.write_str("number from 0 to 1"),
            Self::Address => f.write_str("address:port"),
            Self::Expression => f.write_str("CEL expression"),
            Self::Choice(words) => f.write_str(&words.join(", ")),
            Self::List => f.write_str("list of texts"),
            Self::Secret => f.write_str("secret"),
            Self::Secrets => f.write_str("list of secrets"),
            Self::Tables(keys) => write!(f, "list of tables: {keys}"),
            Self::File => f.write_str("path of a file"),
            Self::Url => f.write_str("URL"),
        }
    }
}

/// What a variable of ours begins with.
pub const VARIABLE_PREFIX: &str = "SOCKETPASS_";

/// What the name of a setting that is read from a file ends with.
const FILE_TWIN: &str = "_file";

impl Setting {
    /// The part that the setting belongs to, and its key there.
    pub fn part_and_key(&self) -> (&'static str, &'static str) {
        self.name.split_once('.').unwrap_or((self.name, ""))
    }

    /// The spellings under which it can be set: its own, and that of its file twin if it has one.
    pub fn spellings(&'static self) -> impl Iterator<Item = Spelling> {
        let twin = self.kind.has_file_twin().then_some(Spelling { setting: self, from_file: true });
        std::iter::once(Spelling { setting: self, from_file: false }).chain(twin)
    }
}

/// One spelling of a setting.
#[derive(Clone, Copy, Debug)]
pub struct Spelling {
    /// The setting.
    pub setting: &'static Setting,
    /// The value is the path of a file that holds it.
    pub from_file: bool,
}

impl Spelling {
    /// `session.secrets`, `session.secrets_file`.
    pub fn name(&self) -> String {
        format!("{}{}", self.setting.name, if self.from_file { FILE_TWIN } else { "" })
    }

    /// `SOCKETPASS_SESSION_SECRETS_FILE`.
    pub fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.name().replace('.', "_").to_ascii_uppercase())
    }

    /// `session-secrets-file`; `None` for a secret itself.
    pub fn flag(&self) -> Option<String> {
        (self.from_file || self.setting.kind.on_command_line()).then(|| self.name().replace(['.', '_'], "-"))
    }

    /// What stands under this spelling: a path for a file twin.
    pub fn kind(&self) -> Kind {
        if self.from_file { Kind::Text } else { self.setting.kind }
    }
}
