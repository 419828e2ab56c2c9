//! Looking at sockets one by one, in turns: whoever writes gets one whenever a shard is let go of, and whoever else looks
//! whenever a look ends. What a turn is measured by is steps of evaluations, since filters differ by a factor of thousands.

use roaring::RoaringBitmap;

use super::Query;
use crate::{
    expression::Steps,
    registry::{
        change::Shard,
        view::{View, member::Member},
    },
};

/// Steps while a shard is locked, about a millisecond: its gateways' reports wait for so long, and for one evaluation more.
const LOCKED: u64 = 1 << 15;

/// Steps of one look, about a tenth of a second: a cheap filter has looked at a million sockets by then.
const LOOK: u64 = 1 << 22;

/// The steps of one look.
pub(super) fn steps() -> Steps {
    Steps::new(LOOK)
}

/// What there is to look at in a shard.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) shard: Shard,
    left: Left,
}

#[derive(Debug)]
enum Left {
    /// All slots from this one on.
    From(usize),
    /// These slots.
    These(RoaringBitmap),
}

impl Part {
    /// All of a shard, slot by slot as they lie in memory.
    pub(super) fn all(shard: Shard) -> Self {
        Self { shard, left: Left::From(0) }
    }

    /// These slots of a shard.
    pub(super) fn these(shard: Shard, slots: RoaringBitmap) -> Self {
        Self { shard, left: Left::These(slots) }
    }
}

impl Query {
    /// Sees the part's sockets that match, until the steps are used up. Whether that was all.
    pub(super) fn go_through<E>(
        &self,
        view: &View,
        part: &mut Part,
        steps: &mut Steps,
        mut see: impl FnMut(&Member) -> Result<(), E>,
    ) -> Result<bool, E> {
        while !steps.are_used_up() {
            let mut locked = Steps::new(LOCKED);
            let shard = view.shard(part.shard);
            let is_over = match &mut part.left {
                Left::From(slot) => {
                    let mut is_over = true;
                    for place in shard.members().bunches(*slot).flatten() {
                        if locked.are_used_up() {
                            is_over = false;
                            break;
                        }
                        *slot += 1;
                        if let Some(member) = place
                            && self.whole.matches_within(&member, &mut locked)
                        {
                            see(member)?;
                        }
                    }
                    is_over
                }
                Left::These(slots) => {
                    let mut reached = None;
                    for slot in &*slots {
                        if locked.are_used_up() {
                            reached = Some(slot);
                            break;
                        }
                        // By now another socket may be there, or none.
                        if let Some(member) = shard.members().get(slot)
                            && self.whole.matches_within(&member, &mut locked)
                        {
                            see(member)?;
                        }
                    }
                    if let Some(reached) = reached {
                        slots.remove_range(..reached);
                    }
                    reached.is_none()
                }
            };
            drop(shard);
            steps.take(locked.taken());
            if is_over {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
