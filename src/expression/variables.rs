//! Which names an expression may use, by what it is for.

use super::scope::SocketField;

/// The names that are known beside `user`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variables {
    /// The fields of `socket`.
    pub(super) socket: &'static [SocketField],
    /// `gateway`
    pub(super) gateway: bool,
    /// The name of the object that is put in when it is bound.
    pub(super) bound: Option<&'static str>,
}

impl Variables {
    /// Of a filter, which is asked of open sockets.
    pub const FILTER: Self = Self { socket: &SocketField::ALL, gateway: true, bound: Some("params") };

    /// Of a policy, which is asked before the socket is open: what a handshake says of it. `socket.user` is `user`.
    pub const POLICY: Self = Self {
        socket: &[SocketField::User, SocketField::Namespace, SocketField::RemoteAddress, SocketField::Origin],
        gateway: false,
        bound: None,
    };

    /// Of what says whose sessions a logout token ends: its claims beside an open socket.
    pub const LOGOUT: Self = Self { socket: &SocketField::ALL, gateway: false, bound: Some("claims") };

    /// Of a path to something that an open socket has.
    pub(super) const PATH: Self = Self { bound: None, ..Self::FILTER };

    /// The names of the fields of `socket`.
    pub(super) fn socket_fields(self) -> Vec<&'static str> {
        self.socket.iter().map(|field| field.name()).collect()
    }
}
