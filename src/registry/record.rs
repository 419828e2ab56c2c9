//! One socket, in as few bytes as it takes.

use std::{fmt, sync::Arc};

use crate::expression::{
    packed::{self, Map, Packer, Text, Value},
    scope::SocketField,
};

/// An open socket as its gateway reported it. Copies share their bytes. Two are equal when nothing about the socket has
/// changed. Prints no more than its id: the rest is the app's own business, and the session id is as good as a login.
///
/// The bytes are a format of ours, kept in Redis too; the first says which.
#[derive(Clone, PartialEq, Eq)]
pub struct Record(Arc<[u8]>);

/// The format's version. Another one is no record that this program can read.
const VERSION: u8 = 1;

/// What a socket is made of.
#[derive(Clone, Debug, Default)]
pub struct Socket<'a> {
    /// Its name within its gateway.
    pub socket_id: &'a str,
    /// Socket.IO namespace, or the path of a plain WebSocket; may be empty.
    pub namespace: &'a str,
    /// The session it was opened with; empty: none.
    pub session_id: &'a str,
    /// The client's address; may be empty.
    pub remote_address: &'a str,
    /// The handshake's origin; may be empty.
    pub origin: &'a str,
    /// Microseconds since 1970.
    pub connected_at: i64,
}

/// Makes a record, user and data first.
#[derive(Debug)]
pub struct Builder(Packer);

impl Default for Builder {
    fn default() -> Self {
        Self(Packer::onto(vec![VERSION]))
    }
}

impl Builder {
    /// Where the user is packed, an object, and after it the data, another one.
    pub fn packer(&mut self) -> &mut Packer {
        &mut self.0
    }

    /// An object that is packed already; nothing is an empty one.
    pub fn add_object(&mut self, packed: &[u8]) {
        self.0.value(Value::Map(Map::of(packed)));
    }

    /// The record, when user and data are packed.
    pub fn finish(self, socket: &Socket<'_>) -> Record {
        let Socket { socket_id, namespace, session_id, remote_address, origin, connected_at } = socket;
        let mut packer = self.0;
        packer.int(*connected_at);
        let mut bytes = packer.into_bytes();
        for text in [socket_id, namespace, session_id, remote_address, origin] {
            packed::put_bytes(&mut bytes, text.as_bytes());
        }
        Record(bytes.into())
    }
}

impl Record {
    /// A record from bytes that were kept elsewhere; `None` when they are none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let record = Self(bytes.into());
        let parts = record.parts()?;
        let whole = [parts.user, parts.data, parts.connected_at].into_iter().all(packed::check)
            && parts.texts.into_iter().all(|text| std::str::from_utf8(text).is_ok());
        whole.then_some(record)
    }

    /// The bytes, to keep elsewhere.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Something of what lies where the user lies, whatever it is: it has the processor fetch it.
    pub(super) fn glance(&self) -> u8 {
        /// Bytes that come together.
        const LINE: usize = 64;
        let at = |place: usize| self.0.get(place).copied().unwrap_or_default();
        at(0) ^ at(LINE)
    }

    /// The user.
    pub fn user(&self) -> Map<'_> {
        // It comes first, and is looked at most.
        Map::of(self.0.get(1..).unwrap_or_default())
    }

    /// Its name within its gateway.
    pub fn socket_id(&self) -> &str {
        self.text(0)
    }

    /// The session it was opened with; empty: none.
    pub fn session_id(&self) -> &str {
        self.text(2)
    }

    /// The application's own.
    pub fn data(&self) -> Map<'_> {
        self.parts().map(|parts| Map::of(parts.data)).unwrap_or_default()
    }

    /// When it was opened, in microseconds since 1970.
    pub fn connected_at(&self) -> i64 {
        match self.parts().map(|parts| packed::value(parts.connected_at)) {
            Some(Value::Int(microseconds)) => microseconds,
            _ => 0,
        }
    }

    /// A field, as expressions see it; `None` for the one that is the gateway's.
    pub fn field(&self, field: SocketField) -> Option<Value<'_>> {
        let text = |number| Some(Value::Text(Text::from(self.text(number))));
        match field {
            SocketField::GatewayId => None,
            SocketField::SocketId => text(0),
            SocketField::Namespace => text(1),
            SocketField::SessionId => text(2),
            SocketField::RemoteAddress => text(3),
            SocketField::Origin => text(4),
            SocketField::User => Some(Value::Map(self.user())),
            SocketField::Data => Some(Value::Map(self.data())),
            SocketField::ConnectedAt => Some(Value::Int(self.connected_at())),
        }
    }

    /// The text of this number, in the order in which they were written.
    fn text(&self, number: usize) -> &str {
        let text = self.parts().and_then(|parts| parts.texts.get(number).copied());
        text.and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }

    fn parts(&self) -> Option<Parts<'_>> {
        let (version, mut rest) = self.0.split_first()?;
        if *version != VERSION {
            return None;
        }
        let mut part = || {
            let before = rest;
            packed::step_over(&mut rest)?;
            before.get(..before.len() - rest.len())
        };
        let (user, data, connected_at) = (part()?, part()?, part()?);
        let mut texts = [&[][..]; 5];
        for text in &mut texts {
            *text = packed::take_bytes(&mut rest)?;
        }
        rest.is_empty().then_some(Parts { user, data, connected_at, texts })
    }
}

struct Parts<'a> {
    user: &'a [u8],
    data: &'a [u8],
    connected_at: &'a [u8],
    texts: [&'a [u8]; 5],
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Record").field(&self.socket_id()).finish()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// A record with this user.
    pub(in crate::registry) fn record(socket_id: &str, user: &serde_json::Value) -> Record {
        let mut builder = Builder::default();
        builder.packer().json(user);
        builder.packer().json(&json!({}));
        builder.finish(&Socket { socket_id, namespace: "/", ..Socket::default() })
    }

    #[test]
    fn a_record_comes_back_from_its_bytes_and_from_no_others() {
        let mut builder = Builder::default();
        builder.packer().json(&json!({"id": 7}));
        builder.packer().json(&json!({"rooms": ["a"]}));
        let record = builder.finish(&Socket {
            socket_id: "s1",
            namespace: "/chat",
            session_id: "secret",
            remote_address: "203.0.113.7",
            origin: "https://app.example",
            connected_at: -5,
        });
        let bytes = record.as_bytes();
        let again = Record::from_bytes(bytes).expect("a record");
        assert_eq!(again, record);
        assert_eq!(again.socket_id(), "s1");
        assert_eq!(again.session_id(), "secret");
        assert_eq!(again.connected_at(), -5);
        assert_eq!(again.user().get(b"id"), Some(Value::Int(7)));
        assert!(matches!(again.data().get(b"rooms"), Some(Value::List(_))));
        assert_eq!(again.field(SocketField::Namespace), Some(Value::Text(Text::from("/chat"))));
        assert!(!format!("{record:?}").contains("secret"));
        for end in 0..bytes.len() {
            assert_eq!(Record::from_bytes(&bytes[..end]), None, "cut after {end}");
        }
    }
}
