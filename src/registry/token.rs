//! What callers carry from one call to the next, opaque to them: where a page ended, and how far a watch has come.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::change::{Epoch, Position, SHARDS};
use crate::expression::packed::{put_bytes, put_varint, take_bytes, take_varint};

/// The format's version, first in each token.
const VERSION: u64 = 1;

/// A longer one is none of ours.
const MAX_BYTES: usize = 4096;

fn decode(token: &str) -> Option<Vec<u8>> {
    let bytes = (token.len() <= MAX_BYTES).then(|| URL_SAFE_NO_PAD.decode(token).ok())??;
    let mut rest = bytes.as_slice();
    (take_varint(&mut rest)? == VERSION).then(|| rest.to_vec())
}

/// Where a page ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Of which filter and params, hashed.
    pub filter: u64,
    /// The last socket's gateway.
    pub gateway_id: String,
    /// The last socket.
    pub socket_id: String,
}

impl Cursor {
    /// As callers carry it.
    pub fn encode(&self) -> String {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, VERSION);
        put_varint(&mut bytes, self.filter);
        put_bytes(&mut bytes, self.gateway_id.as_bytes());
        put_bytes(&mut bytes, self.socket_id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what a caller brings; `None`: it is no cursor.
    pub fn decode(token: &str) -> Option<Self> {
        let bytes = decode(token)?;
        let mut rest = bytes.as_slice();
        let filter = take_varint(&mut rest)?;
        let mut text = || String::from_utf8(take_bytes(&mut rest)?.to_vec()).ok();
        let (gateway_id, socket_id) = (text()?, text()?);
        rest.is_empty().then_some(Self { filter, gateway_id, socket_id })
    }
}

/// How far a watch has come: of which data, and to which position in each shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// The epochs of all shards in one: when one of them begins anew, the whole cannot be gone on with.
    pub epoch: Epoch,
    /// Everything up to these has been seen.
    pub positions: [Position; SHARDS],
}

impl Revision {
    /// As callers carry it.
    pub fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(8 * SHARDS);
        put_varint(&mut bytes, VERSION);
        bytes.extend_from_slice(&self.epoch.0.to_le_bytes());
        // Positions lie close together: the latest whole, of the others the distance.
        let latest = self.positions.iter().map(|position| position.milliseconds).max().unwrap_or(0);
        put_varint(&mut bytes, latest);
        for position in &self.positions {
            put_varint(&mut bytes, latest - position.milliseconds);
            put_varint(&mut bytes, position.sequence);
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what a caller brings; `None`: it is no revision.
    pub fn decode(token: &str) -> Option<Self> {
        let bytes = decode(token)?;
        let (epoch, mut rest) = bytes.split_first_chunk()?;
        let epoch = Epoch(u64::from_le_bytes(*epoch));
        let latest = take_varint(&mut rest)?;
        let mut positions = [Position::default(); SHARDS];
        for position in &mut positions {
            let milliseconds = latest.checked_sub(take_varint(&mut rest)?)?;
            *position = Position { milliseconds, sequence: take_varint(&mut rest)? };
        }
        rest.is_empty().then_some(Self { epoch, positions })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_carried_comes_back(filter: u64, gateway_id: String, socket_id: String, seed: [u32; SHARDS]) {
            let cursor = Cursor { filter, gateway_id, socket_id };
            prop_assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
            let position = |number: u32| Position { milliseconds: 1 << 40 | u64::from(number), sequence: u64::from(number % 7) };
            let revision = Revision { epoch: Epoch(filter), positions: seed.map(position) };
            prop_assert_eq!(Revision::decode(&revision.encode()), Some(revision));
        }

        #[test]
        fn nothing_else_is_taken(token in ".{0,64}") {
            prop_assert_eq!(Cursor::decode(&token).map(|cursor| cursor.encode()), Cursor::decode(&token).map(|_| token.clone()));
            prop_assert_eq!(Revision::decode(&token), None);
        }
    }
}
