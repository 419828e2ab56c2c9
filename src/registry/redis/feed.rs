//! A connection of the follower's own, and what it reads there: never in larger pieces than it can bear.

use std::{fmt::Display, time::Duration};

use redis::{Cmd, Value};
use tokio::time::timeout;

use super::{
    script::{self, Answer, Call, PLACE, READ_ON},
    store,
    wire::{Entry, StreamId},
};
use crate::{
    redis_connection::Connection,
    registry::{change::Epoch, ledger::Fault},
};

/// How long a read waits for the next entry. Each that ends without one says that all was known when it began, so an answer
/// can be twice as old while nothing happens.
const WAIT: Duration = Duration::from_millis(200);

/// A piece of a feed ends when it has so many bytes: hundreds of small entries, which keep Redis for a few milliseconds, or one
/// that is as large as can be.
const PIECE_BYTES: usize = 64 << 10;

/// A piece can be megabytes: it may take so many times longer than the answer to a command of a gateway's.
const PIECES: u32 = 5;

/// A connection to the server that has the feeds.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    connection: Connection,
    timeout: Duration,
}

/// Where a feed is.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) epoch: Epoch,
    /// For how long there has been data.
    pub(super) age: Duration,
    /// Tenures up to this one are void.
    pub(super) void: u64,
    /// Of the newest entry.
    pub(super) last: StreamId,
    /// Of the oldest entry.
    pub(super) first: StreamId,
    /// Of each id that was asked for, whether its entry is there.
    pub(super) there: Vec<bool>,
}

/// An entry as it is read: its fields are looked at later.
pub(super) type Raw = (StreamId, Vec<Vec<u8>>);

impl Reader {
    /// `timeout`: how long an answer may take that is small.
    pub(super) fn new(connection: Connection, timeout: Duration) -> Self {
        Self { connection, timeout: timeout * PIECES }
    }

    /// Asks a command. Why there is no answer is for the log alone.
    pub(super) async fn ask(&mut self, command: &Cmd) -> Result<Value, String> {
        within(self.timeout, self.connection.ask(command)).await
    }

    /// Asks where a feed is, and whether it has these entries.
    pub(super) async fn place(&mut self, keys: Vec<String>, ids: &[StreamId]) -> Result<Place, String> {
        let answer = self.run(&place_call(keys, ids)).await?;
        Place::read(answer).map_err(|fault| fault.to_string())
    }

    /// The next entries of several feeds, each behind the id that stands with it, at most so many of each; waits a moment
    /// if there are none. In the order of the feeds.
    pub(super) async fn next(
        &mut self,
        feeds: &[(String, StreamId)],
        at_most: usize,
    ) -> Result<Vec<Vec<Raw>>, String> {
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(at_most).arg("BLOCK").arg(u64::try_from(WAIT.as_millis()).unwrap_or(0));
        command.arg("STREAMS");
        for (feed, _) in feeds {
            command.arg(feed);
        }
        for (_, id) in feeds {
            command.arg(id.to_string());
        }
        let answer = within(WAIT + self.timeout, self.connection.ask(&command)).await?;
        let mut found: Vec<_> = feeds.iter().map(|_| Vec::new()).collect();
        let streams = match answer {
            Value::Array(streams) => streams,
            _ => return Ok(found),
        };
        for stream in streams {
            let Value::Array(stream) = stream else { continue };
            let mut stream = stream.into_iter();
            let (name, entries) = (script::text(stream.next()), stream.next());
            let number = feeds.iter().position(|(feed, _)| Some(feed) == name.as_ref());
            if let (Some(found), Some(entries)) = (number.and_then(|number| found.get_mut(number)), entries) {
                *found = entries_of(entries);
            }
        }
        Ok(found)
    }

    /// The next piece of a feed, behind this entry, and whether there may be more. `keys`: those of its shard.
    pub(super) async fn read_on(
        &mut self,
        keys: Vec<String>,
        last: StreamId,
    ) -> Result<(Vec<Raw>, bool), String> {
        let mut call = Call::new(&READ_ON, keys);
        call.arg(last.to_string()).arg(PIECE_BYTES.to_string());
        let mut answer = self.run(&call).await?;
        let more = answer.number().map_err(|fault| fault.to_string())? == 1;
        let entries = answer.list().map_err(|fault| fault.to_string())?;
        Ok((raw_entries(entries), more))
    }

    async fn run(&mut self, call: &Call<'_>) -> Result<Answer, String> {
        within(self.timeout, store::run_on(&mut self.connection, call)).await
    }

    /// Entries from the last to the first, both among them, at most so many.
    pub(super) async fn read_back(
        &mut self,
        feed: &str,
        (first, last): (StreamId, StreamId),
        at_most: usize,
    ) -> Result<Vec<Raw>, String> {
        let mut command = redis::cmd("XREVRANGE");
        command.arg(feed).arg(last.to_string()).arg(first.to_string()).arg("COUNT").arg(at_most);
        Ok(entries_of(self.ask(&command).await?))
    }
}

/// An answer that may take so long.
async fn within<T, E: Display>(
    limit: Duration,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    match timeout(limit, answer).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_elapsed) => Err(format!("no answer within {limit:?}")),
    }
}

/// The script that says where a feed is.
pub(super) fn place_call(keys: Vec<String>, ids: &[StreamId]) -> Call<'static> {
    let mut call = Call::new(&PLACE, keys);
    for id in ids {
        call.arg(id.to_string());
    }
    call
}

impl Place {
    pub(super) fn read(mut answer: Answer) -> Result<Self, Fault> {
        Ok(Self {
            epoch: answer.epoch,
            age: Duration::from_millis(answer.number()?),
            void: answer.number()?,
            last: answer.id()?,
            first: answer.id()?,
            there: answer.list()?.map(|there| there == Value::Int(1)).collect(),
        })
    }

    /// Whether an entry that was asked for has gone although nothing newer than it was trimmed away: the data is not what
    /// it was.
    pub(super) fn has_lost(&self, ids: &[StreamId]) -> bool {
        ids.iter().zip(&self.there).any(|(id, there)| !there && *id >= self.first)
    }
}

/// Reads an entry. One that this program cannot read is as if it were empty.
pub(super) fn understood(raw: Vec<Vec<u8>>) -> Entry {
    use std::sync::Once;
    static TOLD: Once = Once::new();
    Entry::read(raw).unwrap_or_else(|| {
        TOLD.call_once(|| {
            tracing::error!(
                "the registry's feed holds entries that this version cannot read, and passes over: are versions mixed, or \
                 does something else write under registry.prefix?"
            );
        });
        Entry::default()
    })
}

fn entries_of(answer: Value) -> Vec<Raw> {
    match answer {
        Value::Array(entries) => raw_entries(entries),
        _ => Vec::new(),
    }
}

fn raw_entries(entries: impl IntoIterator<Item = Value>) -> Vec<Raw> {
    let entry = |entry| {
        let Value::Array(entry) = entry else { return None };
        let mut entry = entry.into_iter();
        let id = StreamId::parse(&script::text(entry.next())?)?;
        let Some(Value::Array(fields)) = entry.next() else { return None };
        Some((id, fields.into_iter().filter_map(script::bytes).collect()))
    };
    entries.into_iter().filter_map(entry).collect()
}
