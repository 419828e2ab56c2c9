//! How changes are written in the feed. Scripts write them, since only they know what was there before.
//!
//! An entry is what one script did, as fields in order; a field's name is one letter, and a change ends with the letter in
//! capitals here: `v` version; `e` the epoch, in the first entry of its data; `g` the gateway id of all that follows;
//! `t i l H` tenure, incarnation, labels, and whether it is listing and cut; `N` nobody holds it; `b O` record before and
//! now; `b s C` record before, socket id and why it was closed; `k M` a message's own number, and the message.

use std::{fmt, sync::Arc};

use crate::{
    expression::packed::{self, Value},
    reason::Reason,
    registry::{
        change::{Change, Epoch, GatewayInfo, Holder, Position},
        record::Record,
    },
};

/// What this program writes and reads.
const VERSION: &[u8] = b"1";

/// An entry's id in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StreamId {
    pub(super) milliseconds: u64,
    pub(super) sequence: u64,
}

/// The changes of an entry have places of their own between its id and the next: more than a script makes at once.
const PLACES: u64 = 4096;

impl StreamId {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (milliseconds, sequence) = text.split_once('-')?;
        Some(Self { milliseconds: milliseconds.parse().ok()?, sequence: sequence.parse().ok()? })
    }

    /// Where everything in the entry has happened.
    pub(super) fn position(self) -> Position {
        self.place(PLACES - 1)
    }

    fn place(self, place: u64) -> Position {
        let sequence = self.sequence.saturating_mul(PLACES).saturating_add(place);
        Position { milliseconds: self.milliseconds, sequence }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.milliseconds, self.sequence)
    }
}

impl Epoch {
    /// Reads what its `Debug` writes.
    pub(super) fn parse(text: &str) -> Option<Self> {
        u64::from_str_radix(text, 16).ok().map(Self)
    }
}

/// What an entry tells.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// Its data begins here.
    pub(super) epoch: Option<Epoch>,
    /// The message's own number: one that comes again is the same message.
    pub(super) number: Option<Vec<u8>>,
    /// What has happened.
    pub(super) changes: Vec<Change>,
}

impl Entry {
    /// Reads an entry; `None` when it is of a version that this program does not know.
    pub(super) fn read(fields: Vec<Vec<u8>>) -> Option<Self> {
        let mut entry = Self::default();
        let mut known = Known::default();
        let mut fields = fields.into_iter();
        while let Some(name) = fields.next() {
            let value = fields.next()?;
            match name.as_slice() {
                b"v" => (value == VERSION).then_some(())?,
                b"e" => entry.epoch = Some(Epoch::parse(std::str::from_utf8(&value).ok()?)?),
                b"k" => entry.number = Some(value),
                b"m" => entry.changes.push(Change::Message(value.into())),
                name => entry.changes.extend(known.learn(name, value)?),
            }
        }
        Some(entry)
    }

    /// What has happened, each with its place.
    pub(super) fn placed(self, id: StreamId) -> impl Iterator<Item = (Position, Change)> {
        let mut left = self.changes.len();
        self.changes.into_iter().zip(0..).map(move |(change, place)| {
            left -= 1;
            // The last place is that of the whole.
            (if left == 0 { id.position() } else { id.place(place) }, change)
        })
    }
}

/// What the fields up to here have said of the change that they lead to.
#[derive(Default)]
struct Known {
    gateway_id: Option<Arc<str>>,
    tenure: Option<u64>,
    incarnation: Option<String>,
    labels: Vec<u8>,
    before: Option<Record>,
    socket_id: Option<String>,
}

impl Known {
    /// Takes in a field, and gives the change that is told with it.
    fn learn(&mut self, name: &[u8], value: Vec<u8>) -> Option<Option<Change>> {
        let text = |value| String::from_utf8(value).ok();
        match name {
            b"g" => self.gateway_id = Some(text(value)?.into()),
            b"t" => self.tenure = Some(text(value)?.parse().ok()?),
            b"i" => self.incarnation = Some(text(value)?),
            b"l" => self.labels = value,
            b"b" => self.before = Some(Record::from_bytes(&value)?),
            b"s" => self.socket_id = Some(text(value)?),
            _ => {
                let gateway_id = Arc::clone(self.gateway_id.as_ref()?);
                return Some(Some(match name {
                    b"h" => {
                        let holder = holder(
                            gateway_id.clone(),
                            self.tenure.take()?,
                            &self.incarnation.take()?,
                            std::mem::take(&mut self.labels),
                            &value,
                        )?;
                        Change::Gateway { gateway_id, holder: Some(holder) }
                    }
                    b"n" => Change::Gateway { gateway_id, holder: None },
                    b"o" => {
                        let now = Record::from_bytes(&value)?;
                        Change::Opened { gateway_id, before: self.before.take(), now }
                    }
                    b"c" => {
                        let reason = Reason::named(std::str::from_utf8(&value).ok()?)?;
                        let socket_id = self.socket_id.take()?.into();
                        Change::Closed { gateway_id, socket_id, before: self.before.take(), reason }
                    }
                    _ => return None,
                }));
            }
        }
        Some(None)
    }
}

/// Who holds a gateway id; `state`: two digits, listing and cut.
pub(super) fn holder(
    gateway_id: Arc<str>,
    tenure: u64,
    incarnation: &str,
    labels: Vec<u8>,
    state: &[u8],
) -> Option<Holder> {
    let (listing, cut) = match state {
        b"00" => (false, false),
        b"01" => (false, true),
        b"10" => (true, false),
        b"11" => (true, true),
        _ => return None,
    };
    let info = info(gateway_id, incarnation, labels)?;
    Some(Holder { info: Arc::new(info), tenure, listing, cut })
}

/// A gateway whose labels come from Redis.
pub(super) fn info(gateway_id: Arc<str>, incarnation: &str, labels: Vec<u8>) -> Option<GatewayInfo> {
    let are_labels = packed::check(&labels) && matches!(packed::value(&labels), Value::Map(_));
    are_labels.then(|| GatewayInfo { gateway_id, incarnation: incarnation.into(), labels: labels.into() })
}
