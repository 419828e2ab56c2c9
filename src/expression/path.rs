//! Where in a user, a socket or a gateway a value stands.

use std::fmt;

use super::{
    expr::Type,
    packed::Value,
    scope::{GatewayField, Scope, SocketField},
};

/// A path of names: `user.address.city`, `socket.namespace`, `gateway.labels.zone`. `socket.user.id` is `user.id`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    /// Where it begins.
    pub root: Root,
    /// The names from there on; none for the root itself.
    pub names: Vec<Box<str>>,
}

/// Where a path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Root {
    /// `user`
    User,
    /// A field of `socket`, never [`SocketField::User`].
    Socket(SocketField),
    /// A field of `gateway`.
    Gateway(GatewayField),
}

impl Path {
    /// The root itself.
    pub(super) fn of(root: Root) -> Self {
        let root = if root == Root::Socket(SocketField::User) { Root::User } else { root };
        Self { root, names: vec![] }
    }

    /// One name further.
    pub(super) fn then(mut self, name: &str) -> Self {
        self.names.push(name.into());
        self
    }

    /// The type of what stands there, where there is only one that it can have.
    pub(super) fn certain_type(&self) -> Option<Type> {
        if !self.names.is_empty() {
            return None;
        }
        Some(match self.root {
            Root::User | Root::Socket(SocketField::User | SocketField::Data) => Type::Map,
            Root::Socket(SocketField::ConnectedAt) => Type::Timestamp,
            Root::Gateway(GatewayField::Labels) => Type::Map,
            Root::Socket(_) | Root::Gateway(_) => Type::Text,
        })
    }

    /// What stands there; nothing if a name on the way is missing or leads into something that is no map. The time of
    /// `socket.connected_at` is an int, in microseconds since 1970.
    pub fn get<'a, S: Scope<'a>>(&self, scope: &S) -> Option<Value<'a>> {
        self.prefix(self.names.len(), scope)
    }

    /// What stands at the end of its first names.
    #[inline]
    pub(super) fn prefix<'a, S: Scope<'a>>(&self, names: usize, scope: &S) -> Option<Value<'a>> {
        let mut value = match self.root {
            Root::User => Value::Map(scope.user()),
            Root::Socket(field) => scope.socket(field),
            Root::Gateway(field) => scope.gateway(field),
        };
        for name in self.names.iter().take(names) {
            let Value::Map(map) = value else { return None };
            value = map.get(name.as_bytes())?;
        }
        Some(value)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.root {
            Root::User => f.write_str("user")?,
            Root::Socket(field) => write!(f, "socket.{}", field.name())?,
            Root::Gateway(field) => write!(f, "gateway.{}", field.name())?,
        }
        self.names.iter().try_for_each(|name| super::display::write_member(f, name))
    }
}
