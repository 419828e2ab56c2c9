//! How changes are written in the feed. Scripts write them, since only they know what was there before.
//!
//! An entry is what one script did, as fields in order; a field's name is one letter, and a change ends with the letter in
//! capitals here: `v` version; `e` the epoch, in the first entry of its data; `g` the gateway id of all that follows;
//! `t i l H` tenure, incarnation, labels, and whether it is listing and cut; `N` nobody holds it; `b O` record before and
//! now; `b s C` record before, socket id and why it was closed; `k M` a message's own number, and the message; `k X` the same of a
//! session that has ended.

use std::{fmt, sync::Arc};

use crate::{
    expression::packed::{self, Value},
    reason::Reason,
    registry::{
        change::{Change, Epoch, GatewayInfo, Holder, Position},
        record::Record,
        session_ended::SessionEnded,
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
                b"x" => entry.changes.push(Change::SessionEnded(SessionEnded::from_bytes(&value)?)),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::registry::record::tests::record;

    fn entry(fields: &[(&str, &[u8])]) -> Option<Entry> {
        Entry::read(
            fields.iter().flat_map(|(name, value)| [name.as_bytes().to_vec(), value.to_vec()]).collect(),
        )
    }

    fn changes(fields: &[(&str, &[u8])]) -> Vec<Change> {
        entry(fields).expect("it is read").changes
    }

    #[test]
    fn what_scripts_write_is_read() {
        let (before, now) = (record("s1", &json!({"id": 1})), record("s1", &json!({"id": 2})));
        let info = GatewayInfo::new("g", "i", &[("zone".to_owned(), "eu".to_owned())].into());
        let read = changes(&[
            ("v", b"1"),
            ("g", b"g"),
            ("t", b"7"),
            ("i", b"i"),
            ("l", &info.labels),
            ("h", b"10"),
            ("o", before.as_bytes()),
            ("b", before.as_bytes()),
            ("o", now.as_bytes()),
            ("b", now.as_bytes()),
            ("s", b"s1"),
            ("c", b"gateway_gone"),
            ("n", b""),
        ]);
        let [Change::Gateway { holder: Some(holder), .. }, opened, changed, closed, gone] = &read[..] else {
            panic!("{read:?}");
        };
        let expected = Holder { info: Arc::new(info), tenure: 7, listing: true, cut: false };
        assert_eq!(*holder, expected);
        assert!(matches!(opened, Change::Opened { before: None, now, .. } if *now == before));
        assert!(
            matches!(changed, Change::Opened { before: Some(was), now: is, .. } if *was == before && *is == now)
        );
        assert!(matches!(
            closed,
            Change::Closed { socket_id, before: Some(was), reason: Reason::GatewayGone, .. }
                if **socket_id == *"s1" && *was == now
        ));
        assert!(matches!(gone, Change::Gateway { gateway_id, holder: None } if **gateway_id == *"g"));

        let told = entry(&[("v", b"1"), ("k", b"5"), ("m", b"\0\xff")]).expect("it is read");
        assert_eq!(told.number.as_deref(), Some(&b"5"[..]));
        assert!(matches!(&told.changes[..], [Change::Message(message)] if **message == *b"\0\xff"));
        let begun = entry(&[("v", b"1"), ("e", b"00000000000000ff")]).expect("it is read");
        assert_eq!(begun.epoch, Some(Epoch(255)));
    }

    #[test]
    fn an_entry_that_cannot_be_read_as_a_whole_is_not_read_at_all() {
        let now = record("s1", &json!({}));
        for fields in [
            &[("v", &b"2"[..])][..],
            &[("v", b"1"), ("o", now.as_bytes())],
            &[("v", b"1"), ("g", b"g"), ("o", b"no record")],
            &[("v", b"1"), ("g", b"g"), ("z", b"")],
            &[("v", b"1"), ("g", b"g"), ("h", b"10")],
            &[("v", b"1"), ("g", b"g"), ("c", b"closed")],
            &[("v", b"1"), ("g", b"g"), ("s", b"s1"), ("c", b"for no reason")],
            &[("v", b"1"), ("g", b"\xff"), ("n", b"")],
            &[("v", b"1"), ("e", b"no epoch")],
        ] {
            assert!(entry(fields).is_none(), "{fields:?}");
        }
        assert!(Entry::read(vec![b"v".to_vec()]).is_none());
    }

    #[test]
    fn each_change_has_a_place_and_the_last_is_that_of_the_entry() {
        let id = StreamId::parse("1700000000000-3").expect("an id");
        assert_eq!(id.to_string(), "1700000000000-3");
        let changes = || (0..3).map(|number| Change::Message(vec![number].into())).collect();
        let places = |id: StreamId| {
            let entry = Entry { changes: changes(), ..Entry::default() };
            entry.placed(id).map(|(position, _)| position).collect::<Vec<_>>()
        };
        let next = StreamId { sequence: 4, ..id };
        let all = [places(id), places(next)].concat();
        assert!(all.is_sorted_by(|a, b| a < b), "{all:?}");
        assert_eq!(all[2], id.position());
        for text in ["", "1", "1-", "-1", "a-1", "1-1-1"] {
            assert_eq!(StreamId::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_fields_do_harm(fields in proptest::collection::vec(
            ("[vegtilhnbosckmx]", proptest::collection::vec(any::<u8>(), 0..8)), 0..12)) {
            let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
            entry(&fields);
        }
    }
}
