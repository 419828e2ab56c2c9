//! One socket, in as few bytes as it takes.

use std::{fmt, sync::Arc};

use super::confirmation::{self, Confirmation, Mark};
use crate::{
    expression::{
        packed::{self, Map, Packer, Text, Value},
        scope::SocketField,
    },
    identity::Who,
};

/// An open socket as its gateway reported it, and what the service has found out about who is behind it. Copies share their
/// bytes. Two are equal when nothing about the socket has changed. Prints no more than its id: the rest is the app's own
/// business, and the session id is as good as a login.
///
/// The bytes are a format of ours, kept in Redis too. The first says which; then come the session's [`Mark`], the length of
/// what was confirmed (four bytes, the highest first), that itself, and what was reported. The scripts in Redis know this
/// much of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Record(Arc<[u8]>);

/// The format's version. Of another one only the first is read, which began with what was reported.
const VERSION: u8 = 2;
const FIRST_VERSION: u8 = 1;

/// What stands before what was confirmed: version, mark, length.
const HEAD: usize = 1 + size_of::<Mark>() + size_of::<u32>();

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
        let mut head = vec![0; HEAD];
        head.splice(..1, [VERSION]);
        Self(Packer::onto(head))
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
        bytes.splice(1..=size_of::<Mark>(), Mark::of(session_id).0);
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
        let (_, confirmed, _) = record.split()?;
        let whole = [parts.user, parts.data, parts.connected_at].into_iter().all(packed::check)
            && parts.texts.into_iter().all(|text| std::str::from_utf8(text).is_ok())
            && confirmation::check(confirmed);
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

    /// The user: as confirmed, else as reported.
    pub fn user(&self) -> Map<'_> {
        // It is looked at most.
        match self.split() {
            Some((_, confirmed, reported)) => {
                confirmation::user(confirmed).unwrap_or_else(|| Map::of(reported))
            }
            None => Map::default(),
        }
    }

    /// The user as its gateway reported it.
    pub fn reported_user(&self) -> Map<'_> {
        Map::of(self.reported())
    }

    /// Who it was confirmed to be; `None`: nobody has asked yet.
    pub fn who(&self) -> Option<Who<'_>> {
        let (_, confirmed, _) = self.split()?;
        confirmation::who(confirmed)
    }

    /// Since when it is known who it is, of somebody who has an id, in microseconds since 1970. It says when the service first
    /// saw the socket, whatever its gateway reports.
    pub fn known_since(&self) -> Option<i64> {
        let (_, confirmed, _) = self.split()?;
        confirmation::since(confirmed)
    }

    /// Whether answers show the same of both: who somebody was confirmed to be they do not.
    pub fn shows_the_same(&self, other: &Self) -> bool {
        match (self.split(), other.split()) {
            (Some((.., reported)), Some((.., of_other))) => {
                reported == of_other && self.user() == other.user()
            }
            _ => self == other,
        }
    }

    /// Whether this, as it is reported now, says the same of who is behind the socket as is known of it: the session, the
    /// user, and what policies ask of it.
    pub fn says_nothing_else_of_who(&self, known: &Self) -> bool {
        let texts =
            [SocketField::SessionId, SocketField::Namespace, SocketField::RemoteAddress, SocketField::Origin];
        self.reported_user() == known.user()
            && texts.into_iter().all(|field| self.field(field) == known.field(field))
    }

    /// The user that was confirmed, packed, if it is another than the one that is reported.
    pub fn confirmed_user(&self) -> Option<Map<'_>> {
        let (_, confirmed, _) = self.split()?;
        confirmation::user(confirmed)
    }

    /// The session that it was opened with, for comparing alone.
    pub fn mark(&self) -> Mark {
        self.split().map(|(mark, _, _)| mark).unwrap_or_default()
    }

    /// The same with this confirmed of it; `None`: that is about another session, or says nothing new.
    pub fn confirmed(&self, confirmation: &Confirmation) -> Option<Self> {
        let (mark, confirmed, reported) = self.split()?;
        (mark == confirmation.mark() && confirmed != confirmation.as_bytes())
            .then(|| Self::put_together(mark, confirmation.as_bytes(), reported))
    }

    /// The same as it was reported now, with what was confirmed of it before, if it is of the same session still.
    pub fn reported_after(self, before: &Self) -> Self {
        match (self.split(), before.split()) {
            (Some((mark, _, reported)), Some((mark_before, confirmed, _)))
                if mark == mark_before && !confirmed.is_empty() =>
            {
                Self::put_together(mark, confirmed, reported)
            }
            _ => self,
        }
    }

    fn reported(&self) -> &[u8] {
        self.split().map(|(_, _, reported)| reported).unwrap_or_default()
    }

    fn put_together(mark: Mark, confirmed: &[u8], reported: &[u8]) -> Self {
        // A user that is confirmed is no larger than one that is reported.
        let length = u32::try_from(confirmed.len()).unwrap_or(u32::MAX);
        Self([&[VERSION], &mark.0[..], &length.to_be_bytes(), confirmed, reported].concat().into())
    }

    /// The session's mark, what was confirmed, and what was reported.
    #[inline]
    fn split(&self) -> Option<(Mark, &[u8], &[u8])> {
        let (version, rest) = self.0.split_first()?;
        match *version {
            VERSION => {
                let (mark, rest) = rest.split_first_chunk()?;
                let (length, rest) = rest.split_first_chunk()?;
                let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
                let (confirmed, reported) = rest.split_at_checked(length)?;
                Some((Mark(*mark), confirmed, reported))
            }
            FIRST_VERSION => Some((Mark::default(), &[], rest)),
            _ => None,
        }
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
        let (_, _, mut rest) = self.split()?;
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
    use crate::identity::Named;

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

    fn of_session(session_id: &str, user: &serde_json::Value) -> Record {
        let mut builder = Builder::default();
        builder.packer().json(user);
        builder.packer().json(&json!({}));
        builder.finish(&Socket { socket_id: "s", session_id, ..Socket::default() })
    }

    #[test]
    fn what_was_confirmed_counts_over_what_is_reported_while_the_session_is_the_same() {
        let reported = of_session("one", &json!({"id": 7, "role": "member"}));
        assert_eq!(reported.who(), None);
        let mut user = Packer::default();
        user.json(&json!({"id": 7, "role": "admin"}));
        let mut field = Packer::default();
        field.json(&json!(["id"]));
        let field = field.into_bytes();
        let Value::List(field) = packed::value(&field) else { panic!("a list") };
        let somebody = Who { hash: [7; 16], named: Some(Named { field, passport: -5 }) };
        let user = user.into_bytes();
        let confirmation = Confirmation::new(Mark::of("one"), &somebody, 3, Some(Map::of(&user)));
        let confirmed = reported.confirmed(&confirmation).expect("it is news");
        assert_eq!(confirmed.who(), Some(somebody));
        assert_eq!(confirmed.user().get(b"role"), Some(Value::Text(Text::from("admin"))));
        assert_eq!(confirmed.reported_user().get(b"role"), Some(Value::Text(Text::from("member"))));
        assert!(!confirmed.shows_the_same(&reported));
        let as_reported = Confirmation::new(Mark::of("one"), &somebody, 3, None);
        let as_reported = reported.confirmed(&as_reported).expect("it is news");
        assert!(as_reported != reported && as_reported.shows_the_same(&reported));
        assert_eq!((as_reported.who(), as_reported.known_since()), (Some(somebody), Some(3)));
        assert_eq!(Record::from_bytes(as_reported.as_bytes()), Some(as_reported));
        let nameless = Who { hash: [7; 16], named: None };
        for changed in [None, Some(Map::of(&user))] {
            let confirmation = Confirmation::new(Mark::of("one"), &nameless, 3, changed);
            let nameless_now = reported.confirmed(&confirmation).expect("it is news");
            assert_eq!((nameless_now.who(), nameless_now.known_since()), (Some(nameless), None));
            assert_eq!(nameless_now.shows_the_same(&reported), changed.is_none());
            assert_eq!(Record::from_bytes(nameless_now.as_bytes()), Some(nameless_now));
        }
        assert_eq!(confirmed.session_id(), "one");
        assert_eq!(confirmed.confirmed(&confirmation), None, "no news");
        assert_eq!(Record::from_bytes(confirmed.as_bytes()), Some(confirmed.clone()));

        let again = of_session("one", &json!({"id": 7, "role": "guest"})).reported_after(&confirmed);
        assert_eq!(again.user().get(b"role"), Some(Value::Text(Text::from("admin"))));
        assert_eq!(again.reported_user().get(b"role"), Some(Value::Text(Text::from("guest"))));
        let another = of_session("two", &json!({"id": 8})).reported_after(&confirmed);
        assert_eq!((another.who(), another.user().get(b"id")), (None, Some(Value::Int(8))));
        assert_eq!(another.confirmed(&confirmation), None, "it is about another session");
    }

    #[test]
    fn records_of_the_first_version_are_read() {
        let record = of_session("one", &json!({"id": 7}));
        let first = [&[FIRST_VERSION], record.as_bytes().get(HEAD..).expect("a head")].concat();
        let first = Record::from_bytes(&first).expect("a record");
        assert_eq!((first.socket_id(), first.session_id()), ("s", "one"));
        assert_eq!(first.user().get(b"id"), Some(Value::Int(7)));
        assert_eq!((first.who(), first.mark()), (None, Mark::default()));
    }
}
