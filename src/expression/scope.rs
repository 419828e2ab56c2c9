//! What an expression looks at, and under which names.

use super::packed::{Map, Value};

/// Where the values of `user`, `socket` and `gateway` come from. They are borrowed: looking at a socket copies nothing.
pub trait Scope<'a> {
    /// `user`
    fn user(&self) -> Map<'a>;
    /// `socket.…`; `connected_at` in microseconds since 1970.
    fn socket(&self, field: SocketField) -> Value<'a>;
    /// `gateway.…`
    fn gateway(&self, field: GatewayField) -> Value<'a>;
}

/// The fields of `socket`: those of the message Socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SocketField {
    /// `gateway_id`, a text.
    GatewayId,
    /// `socket_id`, a text.
    SocketId,
    /// `namespace`, a text.
    Namespace,
    /// `session_id`, a text.
    SessionId,
    /// `remote_address`, a text.
    RemoteAddress,
    /// `origin`, a text.
    Origin,
    /// `user`, an object.
    User,
    /// `data`, an object.
    Data,
    /// `connected_at`, a timestamp.
    ConnectedAt,
}

/// The fields of `gateway`: those of the message Gateway that do not change while it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GatewayField {
    /// `gateway_id`, a text.
    GatewayId,
    /// `incarnation`, a text.
    Incarnation,
    /// `labels`, an object of texts.
    Labels,
}

impl SocketField {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::GatewayId,
        Self::SocketId,
        Self::Namespace,
        Self::SessionId,
        Self::RemoteAddress,
        Self::Origin,
        Self::User,
        Self::Data,
        Self::ConnectedAt,
    ];

    /// As it is written behind `socket.`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GatewayId => "gateway_id",
            Self::SocketId => "socket_id",
            Self::Namespace => "namespace",
            Self::SessionId => "session_id",
            Self::RemoteAddress => "remote_address",
            Self::Origin => "origin",
            Self::User => "user",
            Self::Data => "data",
            Self::ConnectedAt => "connected_at",
        }
    }

    /// A text that is longer is not listed, in bytes.
    pub const fn most_bytes(self) -> usize {
        match self {
            Self::GatewayId | Self::SocketId | Self::RemoteAddress => 256,
            Self::Namespace | Self::SessionId | Self::Origin => 1024,
            // No texts.
            Self::User | Self::Data | Self::ConnectedAt => usize::MAX,
        }
    }
}

impl GatewayField {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::GatewayId, Self::Incarnation, Self::Labels];

    /// As it is written behind `gateway.`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GatewayId => "gateway_id",
            Self::Incarnation => "incarnation",
            Self::Labels => "labels",
        }
    }
}
