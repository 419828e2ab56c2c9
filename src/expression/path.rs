//! Where in a user, a socket or a gateway a value stands.

use std::fmt;

use super::{
    expr::Type,
    packed::{Map, Value},
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
        self.find(scope, &mut 0)
    }

    /// The same, and adds the bytes of the maps that were looked into.
    #[inline]
    pub(super) fn find<'a, S: Scope<'a>>(&self, scope: &S, bytes: &mut usize) -> Option<Value<'a>> {
        match self.names.split_last() {
            None => Some(self.start(scope)),
            Some((last, way)) => {
                let map = self.map(way, scope, bytes)?;
                *bytes += map.as_bytes().len();
                map.get(last.as_bytes())
            }
        }
    }

    /// What is to be looked into for the last name: nothing if a name in front of it is missing; what is no map is an error.
    pub(super) fn parent<'a, S: Scope<'a>>(
        &self,
        scope: &S,
        bytes: &mut usize,
    ) -> Option<Result<Map<'a>, Value<'a>>> {
        let way = self.names.split_last().map_or(&[][..], |(_, way)| way);
        let value = match way.split_last() {
            None => self.start(scope),
            Some((last, way)) => self.map(way, scope, bytes)?.get(last.as_bytes())?,
        };
        Some(match value {
            Value::Map(map) => {
                *bytes += map.as_bytes().len();
                Ok(map)
            }
            other => Err(other),
        })
    }

    #[inline]
    fn start<'a, S: Scope<'a>>(&self, scope: &S) -> Value<'a> {
        match self.root {
            Root::User => Value::Map(scope.user()),
            Root::Socket(field) => scope.socket(field),
            Root::Gateway(field) => scope.gateway(field),
        }
    }

    /// The map at the end of these names.
    #[inline]
    fn map<'a, S: Scope<'a>>(&self, names: &[Box<str>], scope: &S, bytes: &mut usize) -> Option<Map<'a>> {
        let mut map = match self.root {
            // Straight to where most paths begin.
            Root::User => scope.user(),
            _ => match self.start(scope) {
                Value::Map(map) => map,
                _ => return None,
            },
        };
        for name in names {
            *bytes += map.as_bytes().len();
            match map.get(name.as_bytes())? {
                Value::Map(inner) => map = inner,
                _ => return None,
            }
        }
        Some(map)
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
