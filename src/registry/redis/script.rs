//! The scripts that run in Redis, each a write as a whole or not at all, and what they answer.

use std::{sync::LazyLock, vec};

use redis::{Cmd, Value};

use super::wire::StreamId;
use crate::registry::{change::Epoch, ledger::Fault};

/// A script.
pub(super) struct Script {
    text: &'static str,
    /// Its SHA-1, by which a server knows it.
    hash: LazyLock<String>,
}

macro_rules! script {
    ($($file:literal),+) => {{
        const TEXT: &str = concat!($(include_str!(concat!("scripts/", $file))),+);
        Script { text: TEXT, hash: LazyLock::new(|| redis::Script::new(TEXT).get_hash().to_owned()) }
    }};
}

pub(super) static CLAIM: Script = script!("common.lua", "gateway.lua", "claim.lua");
pub(super) static WRITE: Script = script!("common.lua", "gateway.lua", "record.lua", "write.lua");
pub(super) static CONFIRM: Script = script!("common.lua", "gateway.lua", "record.lua", "confirm.lua");
pub(super) static OPEN_IDS: Script = script!("common.lua", "gateway.lua", "open_ids.lua");
pub(super) static STATE: Script = script!("common.lua", "gateway.lua", "state.lua");
pub(super) static GOODBYE: Script = script!("common.lua", "gateway.lua", "goodbye.lua");
pub(super) static SWEEP: Script = script!("common.lua", "gateway.lua", "sweep.lua", "sweep_gateway.lua");
pub(super) static TELL: Script = script!("common.lua", "tell.lua");
pub(super) static TELL_ENDS: Script = script!("common.lua", "tell_ends.lua");
pub(super) static TICK: Script = script!("common.lua", "sweep.lua", "tick.lua");
pub(super) static PLACE: Script = script!("common.lua", "place.lua");
pub(super) static READ_ON: Script = script!("common.lua", "read_on.lua");
pub(super) static RENEW: Script = script!("common.lua", "renew.lua");

/// A script, the keys it is given, and its arguments. The first argument is always the epoch to begin with.
pub(super) struct Call<'a> {
    script: &'static Script,
    keys: Vec<String>,
    arguments: Vec<Argument<'a>>,
}

/// An argument: bytes of the caller's, or some that were made for it.
pub(super) enum Argument<'a> {
    Bytes(&'a [u8]),
    Made(Vec<u8>),
}

impl<'a> From<&'a str> for Argument<'a> {
    fn from(text: &'a str) -> Self {
        Self::Bytes(text.as_bytes())
    }
}

impl<'a> From<&'a [u8]> for Argument<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Vec<u8>> for Argument<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Made(bytes)
    }
}

impl From<String> for Argument<'_> {
    fn from(text: String) -> Self {
        Self::Made(text.into_bytes())
    }
}

impl<'a> Call<'a> {
    pub(super) fn new(script: &'static Script, keys: Vec<String>) -> Self {
        Self { script, keys, arguments: vec![format!("{:?}", Epoch::random()).into()] }
    }

    pub(super) fn arg(&mut self, argument: impl Into<Argument<'a>>) -> &mut Self {
        self.arguments.push(argument.into());
        self
    }

    /// By the script's hash, which the server knows once it has run there.
    pub(super) fn by_hash(&self) -> Cmd {
        self.command("EVALSHA", &self.script.hash)
    }

    /// With the script itself.
    pub(super) fn in_full(&self) -> Cmd {
        self.command("EVAL", self.script.text)
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(self.keys.len()).arg(&self.keys);
        for argument in &self.arguments {
            match argument {
                Argument::Bytes(bytes) => command.arg(*bytes),
                Argument::Made(bytes) => command.arg(bytes.as_slice()),
            };
        }
        command
    }
}

/// What a script answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// What came of it.
    pub(super) word: String,
    /// Which data it is.
    pub(super) epoch: Epoch,
    /// The newest entry of the feed, also where it changed nothing.
    pub(super) newest: Option<StreamId>,
    rest: vec::IntoIter<Value>,
}

/// What no script of ours answers.
fn nonsense() -> Fault {
    Fault::Away("an answer that its script does not give".to_owned())
}

impl Answer {
    pub(super) fn read(answer: Value) -> Result<Self, Fault> {
        let Value::Array(values) = answer else { return Err(nonsense()) };
        let mut rest = values.into_iter();
        let word = text(rest.next()).ok_or_else(nonsense)?;
        let epoch = text(rest.next()).and_then(|epoch| Epoch::parse(&epoch)).ok_or_else(nonsense)?;
        let newest = text(rest.next()).ok_or_else(nonsense)?;
        Ok(Self { word, epoch, newest: StreamId::parse(&newest), rest })
    }

    /// The next thing it holds, a text.
    pub(super) fn text(&mut self) -> Result<String, Fault> {
        text(self.rest.next()).ok_or_else(nonsense)
    }

    /// The next thing it holds, if it holds one more.
    pub(super) fn bytes(&mut self) -> Option<Vec<u8>> {
        bytes(self.rest.next()?)
    }

    /// The next thing it holds, a number or the text of one.
    pub(super) fn number(&mut self) -> Result<u64, Fault> {
        number(self.rest.next()).ok_or_else(nonsense)
    }

    /// The next thing it holds, an entry's id.
    pub(super) fn id(&mut self) -> Result<StreamId, Fault> {
        self.text().and_then(|id| StreamId::parse(&id).ok_or_else(nonsense))
    }

    /// The next thing it holds, a list.
    pub(super) fn list(&mut self) -> Result<vec::IntoIter<Value>, Fault> {
        match self.rest.next() {
            Some(Value::Array(values)) => Ok(values.into_iter()),
            _ => Err(nonsense()),
        }
    }
}

/// The bytes of a value that holds some.
pub(super) fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}

/// A text.
pub(super) fn text(value: Option<Value>) -> Option<String> {
    String::from_utf8(bytes(value?)?).ok()
}

/// A number, or the text of one.
pub(super) fn number(value: Option<Value>) -> Option<u64> {
    match value? {
        Value::Int(number) => u64::try_from(number).ok(),
        value => text(Some(value))?.parse().ok(),
    }
}
