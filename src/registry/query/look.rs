//! Looking at sockets one by one, in turns: whoever writes gets one whenever a shard is let go of, and whoever else looks
//! whenever a look ends. What a turn is measured by is steps of evaluations, since filters differ by a factor of thousands.

use roaring::RoaringBitmap;

use super::{Query, set::Set};
use crate::{
    expression::Steps,
    registry::{
        change::Shard,
        view::{View, member::Member},
    },
};

/// Steps while a shard is locked: its gateways' reports wait for about a millisecond at most.
const LOCKED: u64 = 1 << 15;

/// Steps of one look, some tens of milliseconds: a cheap filter has looked at a million sockets by then.
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
    /// These slots of a shard, as a set was found to have them.
    pub(super) fn of(shard: Shard, set: &Set, slots: RoaringBitmap) -> Self {
        // As they lie in memory is faster.
        let left = if matches!(set, Set::All) { Left::From(0) } else { Left::These(slots) };
        Self { shard, left }
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
                    for bunch in shard.members().bunches(*slot) {
                        if locked.are_used_up() {
                            is_over = false;
                            break;
                        }
                        for member in bunch.iter().flatten() {
                            if self.whole.matches_within(&member, &mut locked) {
                                see(member)?;
                            }
                        }
                        *slot += bunch.len();
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
