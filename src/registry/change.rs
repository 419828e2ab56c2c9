//! What happened in the registry, in the order in which it did.

use std::{collections::BTreeMap, fmt, sync::Arc};

use tokio::time::Instant;

use super::{record::Record, session_ended::SessionEnded};
use crate::{expression::packed::Packer, reason::Reason};

/// Gateways are spread over this many shards: enough that they can be spread over the nodes of a cluster and looked
/// through side by side, few enough that a place in each fits in a revision.
pub const SHARDS: usize = 16;

/// One of the shards, `0..SHARDS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(usize);

impl Shard {
    /// Every shard.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..SHARDS).map(Self)
    }

    /// The shard of a gateway, the same in every replica and for good: FNV-1a, 64 bits, mixed once more since the last
    /// characters, in which names differ most, have been mixed least.
    pub fn of(gateway_id: &str) -> Self {
        const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0000_0100_0000_01b3;
        const MIX: u64 = 0xff51_afd7_ed55_8ccd;
        let hash = gateway_id.bytes().fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
        let mixed = (hash ^ (hash >> 33)).wrapping_mul(MIX);
        Self(usize::from((mixed >> 60).to_le_bytes()[0]))
    }

    /// Its number.
    pub fn number(self) -> usize {
        self.0
    }
}

/// A place in a shard's changes: those of an id in a Redis stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Milliseconds since 1970, by the registry's clock.
    pub milliseconds: u64,
    /// Counts the changes of one millisecond.
    pub sequence: u64,
}

/// Something was kept in a shard, and this replica was told so.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// Which shard.
    pub shard: Shard,
    /// The data, and how far its changes went at least, that among them; `None`: nobody has said.
    pub newest: Option<(Epoch, Position)>,
    /// When that was known.
    pub at: Instant,
}

/// One life of the data: random, made when a registry begins without any, and kept with it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// Of data that begins now.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// Those of all shards in one: another one as soon as any of them is.
    pub fn of_all(epochs: impl IntoIterator<Item = Self>) -> Self {
        const MIX: u64 = 0xff51_afd7_ed55_8ccd;
        Self(epochs.into_iter().fold(0, |all, Self(each)| (all ^ each).wrapping_mul(MIX).rotate_left(29)))
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A gateway as filters see it. Copies share it.
#[derive(Debug, PartialEq, Eq)]
pub struct GatewayInfo {
    /// Its name.
    pub gateway_id: Arc<str>,
    /// Its process' life.
    pub incarnation: Arc<str>,
    /// What it said of itself, as a packed object of texts.
    pub labels: Box<[u8]>,
}

impl GatewayInfo {
    /// A gateway that said this of itself.
    pub fn new(gateway_id: &str, incarnation: &str, labels: &BTreeMap<String, String>) -> Self {
        let mut packer = Packer::default();
        let begun = packer.begin_map();
        for (name, value) in labels {
            packer.name(name);
            packer.text(value);
        }
        packer.end(begun);
        Self {
            gateway_id: gateway_id.into(),
            incarnation: incarnation.into(),
            labels: packer.into_bytes().into(),
        }
    }
}

/// Who holds a gateway id, and how far they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Who.
    pub info: Arc<GatewayInfo>,
    /// Counts the streams that held this gateway id: a later one counts over an earlier one.
    pub tenure: u64,
    /// The first listing of this stream is not complete.
    pub listing: bool,
    /// The stream has ended without a goodbye.
    pub cut: bool,
}

/// One change.
#[derive(Clone, Debug)]
pub enum Change {
    /// A socket was opened or has changed.
    Opened {
        /// Its gateway.
        gateway_id: Arc<str>,
        /// What it was before; `None`: not open.
        before: Option<Record>,
        /// What it is now, which is something else.
        now: Record,
    },
    /// A socket is not open any more.
    Closed {
        /// Its gateway.
        gateway_id: Arc<str>,
        /// Which.
        socket_id: Box<str>,
        /// What it was, where that is known.
        before: Option<Record>,
        /// Why.
        reason: Reason,
    },
    /// Who holds a gateway id, or how far they are, has changed; `None`: nobody, and its sockets are closed.
    Gateway {
        /// Which.
        gateway_id: Arc<str>,
        /// Who holds it.
        holder: Option<Holder>,
    },
    /// A session has ended. No change to what is listed: its sockets are closed one by one.
    SessionEnded(SessionEnded),
    /// What one replica tells the others. No change to what is listed.
    Message(Arc<[u8]>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateways_shard_is_the_same_for_good_and_gateways_are_spread() {
        assert_eq!(Shard::of("gateway-1").number(), 14);
        let mut counts = [0; SHARDS];
        for number in 0..1600 {
            counts[Shard::of(&format!("chat-{number}")).number()] += 1;
        }
        assert!(counts.iter().all(|count| (50..200).contains(count)), "{counts:?}");
    }
}
