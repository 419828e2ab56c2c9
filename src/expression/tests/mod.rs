//! What holds for expressions as a whole.

mod limits;
mod oracle;
mod vectors;

use serde_json::{Value as Json, json};

use super::{
    Bound, Program, Variables,
    packed::{Map, Packer, Value},
    scope::{GatewayField, Scope, SocketField},
};

/// Everything that an expression can name.
pub(super) const ALL: Variables = Variables::FILTER;

pub(super) fn pack(json: &Json) -> Vec<u8> {
    let mut packer = Packer::default();
    packer.json(json);
    packer.into_bytes()
}

/// A socket, with its user and gateway.
pub(super) struct Socket {
    user: Vec<u8>,
    data: Vec<u8>,
    labels: Vec<u8>,
}

impl Socket {
    pub(super) fn of(user: &Json) -> Self {
        let labels = pack(&json!({"zone": "eu", "version": "2"}));
        Self { user: pack(user), data: pack(&json!({"rooms": ["lobby", "chess"], "level": 3})), labels }
    }
}

impl<'a> Scope<'a> for &'a Socket {
    fn user(&self) -> Map<'a> {
        Map::of(&self.user)
    }

    fn socket(&self, field: SocketField) -> Value<'a> {
        match field {
            SocketField::GatewayId => Value::Text("g1".into()),
            SocketField::SocketId => Value::Text("s1".into()),
            SocketField::Namespace => Value::Text("/chat".into()),
            SocketField::SessionId | SocketField::Origin => Value::Text("".into()),
            SocketField::RemoteAddress => Value::Text("192.0.2.7".into()),
            SocketField::User => Value::Map(self.user()),
            SocketField::Data => Value::Map(Map::of(&self.data)),
            // 2026-11-24T08:00:00.25Z
            SocketField::ConnectedAt => Value::Int(1_795_507_200_250_000),
        }
    }

    fn gateway(&self, field: GatewayField) -> Value<'a> {
        match field {
            GatewayField::GatewayId => Value::Text("g1".into()),
            GatewayField::Incarnation => Value::Text("i1".into()),
            GatewayField::Labels => Value::Map(Map::of(&self.labels)),
        }
    }
}

pub(super) fn bound(text: &str, params: &Json) -> Bound {
    let program = Program::compile(text, ALL).unwrap_or_else(|error| panic!("{text}: {error}"));
    program.bind(&pack(params)).unwrap_or_else(|error| panic!("{text}: {error}"))
}
