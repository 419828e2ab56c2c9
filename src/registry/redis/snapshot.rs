//! Loads a shard as it is at one position: what is there, read in pieces, and then what changed meanwhile.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use redis::Value;
use tokio::task::JoinSet;

use super::{
    feed::{self, Raw, Reader},
    keys::Keys,
    script,
    wire::{self, StreamId},
};
use crate::registry::{
    change::{Change, Holder, Position},
    record::Record,
    view::Snapshot,
};

/// How many gateways are read at the same time.
const AT_ONCE: usize = 16;
/// How many gateways are asked for in one piece, roughly, and how many sockets, which can be large.
const GATEWAYS: usize = 500;
const SOCKETS: usize = 200;
/// What is recalled of the past: so many entries of a shard's feed, and so many bytes.
const HISTORY_ENTRIES: usize = 4096;
const HISTORY_BYTES: usize = 4 << 20;
/// Entries can be larger still.
const ENTRIES: usize = 64;

/// A gateway's holder, and its sockets by id.
type Gateway = (Holder, HashMap<Box<str>, Record>);

/// Loads a shard, and says which entry is the last that is in it.
pub(super) async fn load(reader: &mut Reader, keys: &Keys) -> Result<(Snapshot, StreamId), String> {
    let begin = reader.place(keys.of_shard(), &[]).await?;
    let mut gateways = read_gateways(reader, keys, begin.void).await?;
    let end = reader.place(keys.of_shard(), &[begin.last]).await?;
    if end.epoch != begin.epoch {
        return Err("the data was replaced while it was read".to_owned());
    }
    if end.there != [true] {
        return Err("the feed was trimmed while the data was read: registry.history is too short".to_owned());
    }
    // Whatever was read too early or too late is told again by the entries from `begin` on.
    let mut at = begin.last;
    while at < end.last {
        let (entries, _) = reader.read_on(keys.of_shard(), at).await?;
        let Some((last, _)) = entries.last() else { break };
        at = *last;
        // What came later is told as news.
        for (_, fields) in entries.into_iter().take_while(|(id, _)| *id <= end.last) {
            for change in feed::understood(fields).changes {
                keep(&mut gateways, change);
            }
        }
    }
    let (history_from, history) = read_history(reader, keys, end.first, end.last).await?;
    let snapshot = Snapshot {
        epoch: end.epoch,
        began: end.age,
        position: end.last.position(),
        gateways: gateways
            .into_values()
            .map(|(holder, records)| (holder, records.into_values().collect()))
            .collect(),
        history,
        history_from,
    };
    Ok((snapshot, end.last))
}

fn keep(gateways: &mut HashMap<Arc<str>, Gateway>, change: Change) {
    match change {
        Change::Opened { gateway_id, before: _, now } => {
            if let Some((_, records)) = gateways.get_mut(&gateway_id) {
                records.insert(now.socket_id().into(), now);
            }
        }
        Change::Closed { gateway_id, socket_id, before: _, reason: _ } => {
            if let Some((_, records)) = gateways.get_mut(&gateway_id) {
                records.remove(&socket_id);
            }
        }
        Change::Gateway { gateway_id, holder: Some(holder) } => {
            let records = gateways.remove(&gateway_id).map(|(_, records)| records).unwrap_or_default();
            gateways.insert(gateway_id, (holder, records));
        }
        Change::Gateway { gateway_id, holder: None } => drop(gateways.remove(&gateway_id)),
        Change::SessionEnded(_) | Change::Message(_) => {}
    }
}

async fn read_gateways(
    reader: &mut Reader,
    keys: &Keys,
    void: u64,
) -> Result<HashMap<Arc<str>, Gateway>, String> {
    let mut gateways = HashMap::new();
    let mut reading = JoinSet::new();
    let mut cursor = "0".to_owned();
    loop {
        let mut command = redis::cmd("ZSCAN");
        command.arg(keys.seen()).arg(&cursor).arg("COUNT").arg(GATEWAYS);
        let (next, members) = scanned(reader.ask(&command).await?)?;
        // Members, each with its score.
        for gateway_id in members.into_iter().step_by(2) {
            let Some(gateway_id) = script::text(Some(gateway_id)) else { continue };
            if reading.len() >= AT_ONCE {
                take_in(&mut gateways, reading.join_next().await)?;
            }
            reading.spawn(read_gateway(reader.clone(), keys.clone(), gateway_id.into(), void));
        }
        if next == "0" {
            break;
        }
        cursor = next;
    }
    while let Some(gateway) = reading.join_next().await {
        take_in(&mut gateways, Some(gateway))?;
    }
    Ok(gateways)
}

type Joined = Result<Result<Option<Gateway>, String>, tokio::task::JoinError>;

fn take_in(gateways: &mut HashMap<Arc<str>, Gateway>, read: Option<Joined>) -> Result<(), String> {
    if let Some(read) = read
        && let Some(gateway) = read.map_err(|error| error.to_string())??
    {
        gateways.insert(Arc::clone(&gateway.0.info.gateway_id), gateway);
    }
    Ok(())
}

/// A gateway; `None` when it has gone meanwhile.
async fn read_gateway(
    mut reader: Reader,
    keys: Keys,
    gateway_id: Arc<str>,
    void: u64,
) -> Result<Option<Gateway>, String> {
    let mut command = redis::cmd("HMGET");
    command.arg(keys.holder(&gateway_id)).arg(&["tenure", "incarnation", "labels", "listing", "cut"]);
    let Value::Array(fields) = reader.ask(&command).await? else { return Ok(None) };
    let mut fields = fields.into_iter().map(script::bytes);
    let mut field = || fields.next().flatten();
    let (Some(tenure), Some(incarnation), Some(labels), Some(listing), Some(cut)) =
        (field(), field(), field(), field(), field())
    else {
        return Ok(None);
    };
    let text = |bytes| String::from_utf8(bytes).ok();
    let holder = text(tenure).and_then(|tenure| tenure.parse().ok()).zip(text(incarnation)).and_then(
        |(tenure, incarnation)| {
            wire::holder(Arc::clone(&gateway_id), tenure, &incarnation, labels, &[listing, cut].concat())
        },
    );
    let Some(mut holder) = holder else { return Ok(None) };
    // Whose tenure is void is not heard of until they list again.
    holder.cut |= holder.tenure <= void;
    let mut records = HashMap::new();
    let mut cursor = "0".to_owned();
    loop {
        let mut command = redis::cmd("HSCAN");
        command.arg(keys.sockets(&gateway_id)).arg(&cursor).arg("COUNT").arg(SOCKETS);
        let (next, fields) = scanned(reader.ask(&command).await?)?;
        for value in fields.into_iter().skip(1).step_by(2) {
            if let Some(record) = script::bytes(value).and_then(|bytes| Record::from_bytes(&bytes)) {
                records.insert(record.socket_id().into(), record);
            }
        }
        if next == "0" {
            return Ok(Some((holder, records)));
        }
        cursor = next;
    }
}

/// Where a scan goes on, and what it found.
fn scanned(answer: Value) -> Result<(String, Vec<Value>), String> {
    if let Value::Array(parts) = answer {
        let mut parts = parts.into_iter();
        if let (Some(cursor), Some(Value::Array(found))) = (script::text(parts.next()), parts.next()) {
            return Ok((cursor, found));
        }
    }
    Err("an answer that a scan does not give".to_owned())
}

/// The latest changes, as far back as is worth it, and the entry that reading them ended with.
async fn read_history(
    reader: &mut Reader,
    keys: &Keys,
    first: StreamId,
    last: StreamId,
) -> Result<(Position, Vec<(Position, Change)>), String> {
    let mut entries: VecDeque<Raw> = VecDeque::new();
    let mut bytes = 0;
    let mut before = Some(last);
    while let Some(to) = before.filter(|_| entries.len() < HISTORY_ENTRIES && bytes < HISTORY_BYTES) {
        let piece = reader.read_back(&keys.feed(), (first, to), ENTRIES).await?;
        before = piece.last().and_then(|(id, _)| previous(*id)).filter(|_| piece.len() == ENTRIES);
        for entry in piece {
            bytes += entry.1.iter().map(Vec::len).sum::<usize>();
            entries.push_front(entry);
        }
    }
    let from = entries.front().map_or(last, |(id, _)| *id).position();
    Ok((from, entries.into_iter().flat_map(|(id, fields)| feed::understood(fields).placed(id)).collect()))
}

fn previous(id: StreamId) -> Option<StreamId> {
    match id.sequence.checked_sub(1) {
        Some(sequence) => Some(StreamId { sequence, ..id }),
        None => {
            let milliseconds = id.milliseconds.checked_sub(1)?;
            Some(StreamId { milliseconds, sequence: u64::MAX })
        }
    }
}
