//! Sockets in their slots, together with the gateways that hold them.

use std::{hint::black_box, sync::Arc};

use crate::{
    expression::{
        packed::{Map, Text, Value},
        path::Path,
        scope::{GatewayField, Scope, SocketField},
    },
    registry::{change::GatewayInfo, record::Record},
};

use super::index::Values;

/// A socket together with its gateway: what a filter looks at.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its gateway.
    pub info: Arc<GatewayInfo>,
    /// The socket.
    pub record: Record,
}

impl Member {
    /// Where it is among others: gateway id and socket id.
    pub fn place(&self) -> (&str, &str) {
        (&self.info.gateway_id, self.record.socket_id())
    }
}

impl<'a> Scope<'a> for &'a Member {
    fn user(&self) -> Map<'a> {
        self.record.user()
    }

    fn socket(&self, field: SocketField) -> Value<'a> {
        let member = *self;
        member.record.field(field).unwrap_or_else(|| gateway_value(&member.info, GatewayField::GatewayId))
    }

    fn gateway(&self, field: GatewayField) -> Value<'a> {
        let member = *self;
        gateway_value(&member.info, field)
    }
}

fn gateway_value(info: &GatewayInfo, field: GatewayField) -> Value<'_> {
    match field {
        GatewayField::GatewayId => Value::Text(Text::from(&*info.gateway_id)),
        GatewayField::Incarnation => Value::Text(Text::from(&*info.incarnation)),
        GatewayField::Labels => Value::Map(Map::of(&info.labels)),
    }
}

/// A gateway alone: what a part of a filter looks at that is about nothing else.
#[derive(Clone, Copy, Debug)]
pub struct GatewayAlone<'a>(pub &'a GatewayInfo);

impl<'a> Scope<'a> for GatewayAlone<'a> {
    fn user(&self) -> Map<'a> {
        Map::default()
    }

    fn socket(&self, field: SocketField) -> Value<'a> {
        match field {
            SocketField::GatewayId => gateway_value(self.0, GatewayField::GatewayId),
            _ => Value::Null,
        }
    }

    fn gateway(&self, field: GatewayField) -> Value<'a> {
        gateway_value(self.0, field)
    }
}

/// Members that are asked for at once: about as many as a processor waits for at the same time.
const BUNCH: usize = 16;

/// The members of a shard, each in a slot whose number stays its own while it is there.
#[derive(Debug, Default)]
pub struct Members {
    slots: Vec<Option<Member>>,
    free: Vec<u32>,
}

impl Members {
    /// Who is in this slot.
    pub fn get(&self, slot: u32) -> Option<&Member> {
        self.slots.get(usize::try_from(slot).ok()?)?.as_ref()
    }

    /// Everybody, with their slots.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Member)> {
        (0..).zip(&self.slots).filter_map(|(slot, member)| Some((slot, member.as_ref()?)))
    }

    /// The slots from this one on, in bunches, for when all have to be looked at. Those of a bunch are asked for together:
    /// memory takes its time with each and brings many at once.
    pub fn bunches(&self, from: usize) -> impl Iterator<Item = &[Option<Member>]> {
        let bunches = self.slots.get(from..).unwrap_or_default().chunks(BUNCH);
        bunches.inspect(|bunch| {
            black_box(bunch.iter().flatten().fold(0, |read, member| read ^ member.record.glance()));
        })
    }

    /// A slot that nobody is in; it counts as taken until it is cleared.
    pub(super) fn take_slot(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            // Four billion sockets do not fit into any memory.
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        })
    }

    /// Puts a member into a slot that was taken, in place of one that may be there.
    pub(super) fn set(&mut self, slot: u32, member: Member) {
        if let Some(place) = usize::try_from(slot).ok().and_then(|slot| self.slots.get_mut(slot)) {
            *place = Some(member);
        }
    }

    /// Takes a member out; the slot is free again.
    pub(super) fn clear(&mut self, slot: u32) -> Option<Member> {
        let member = self.slots.get_mut(usize::try_from(slot).ok()?)?.take()?;
        self.free.push(slot);
        Some(member)
    }
}

/// What the members have at a path: how an index reads the keys that it does not keep.
#[derive(Clone, Copy, Debug)]
pub struct ValuesAt<'m> {
    /// Whose.
    pub members: &'m Members,
    /// At which path.
    pub path: &'m Path,
}

impl Values for ValuesAt<'_> {
    fn value(&self, slot: u32) -> Option<Value<'_>> {
        self.members.get(slot).and_then(|member| self.path.get(&member))
    }
}
