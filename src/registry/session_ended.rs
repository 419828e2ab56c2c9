//! A session that has ended, as watchers of session ends are told of it.

use std::{fmt, sync::Arc};

use super::view::{history::Happened, member::Member};
use crate::{
    expression::packed::{self, Map, Packer, Text, Value},
    reason::Reason,
};

/// What an end says of its session, whatever the words: a logout takes the user away first and the session then, and two
/// replicas that ask meanwhile are answered differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kind(Reason);

impl Kind {
    /// Of an end for this reason.
    pub fn of(reason: Reason) -> Self {
        match reason {
            Reason::NotLoggedIn | Reason::PassportNotInitialized => Self(Reason::SessionNotFound),
            other => Self(other),
        }
    }

    /// As it is kept elsewhere.
    pub fn name(self) -> &'static str {
        self.0.name()
    }
}

/// A session that has ended: for whom, why, and with how many sockets. Copies share their bytes, a packed object. Prints
/// no more than why: the session id is as good as a login, and the user is the app's own business.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionEnded(Arc<[u8]>);

mod name {
    pub(super) const AT: &str = "at";
    pub(super) const NUMBER: &str = "number";
    pub(super) const REASON: &str = "reason";
    pub(super) const SESSION_ID: &str = "session_id";
    pub(super) const SOCKETS: &str = "sockets";
    pub(super) const USER: &str = "user";
}

impl SessionEnded {
    /// These sockets of a session end for this reason, at this time in microseconds since 1970. The user is that of the
    /// first of them. `None`: there are none. Each has a number, at random, that tells it from the session's next.
    pub fn new(sockets: &[&Member], reason: Reason, at: i64) -> Option<Self> {
        let first = &sockets.first()?.record;
        let mut packer = Packer::default();
        let begun = packer.begin_map();
        // By name.
        packer.name(name::AT);
        packer.int(at);
        packer.name(name::NUMBER);
        packer.int(i64::from(rand::random::<u32>()));
        packer.name(name::REASON);
        packer.text(reason.name());
        packer.name(name::SESSION_ID);
        packer.text(first.session_id());
        packer.name(name::SOCKETS);
        packer.int(i64::try_from(sockets.len()).unwrap_or(i64::MAX));
        packer.name(name::USER);
        packer.value(Value::Map(first.user()));
        packer.end(begun);
        Some(Self(packer.into_bytes().into()))
    }

    /// From bytes that were kept elsewhere; `None` when they are none of ours.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let this = packed::check(bytes).then(|| Self(bytes.into()))?;
        this.field(name::SESSION_ID)?;
        Reason::named(this.text(name::REASON))?;
        Some(this)
    }

    /// The bytes, to keep elsewhere.
    pub fn as_bytes(&self) -> &Arc<[u8]> {
        &self.0
    }

    fn field(&self, name: &str) -> Option<Value<'_>> {
        Map::of(&self.0).get(name.as_bytes())
    }

    fn text(&self, name: &str) -> &str {
        match self.field(name) {
            Some(Value::Text(text)) => Text::as_str(text),
            _ => "",
        }
    }

    fn int(&self, name: &str) -> i64 {
        match self.field(name) {
            Some(Value::Int(number)) => number,
            _ => 0,
        }
    }

    /// Which session.
    pub fn session_id(&self) -> &str {
        self.text(name::SESSION_ID)
    }

    /// Whose it was.
    pub fn user(&self) -> Map<'_> {
        match self.field(name::USER) {
            Some(Value::Map(user)) => user,
            _ => Map::default(),
        }
    }

    /// Why it ended.
    pub fn reason(&self) -> Reason {
        Reason::named(self.text(name::REASON)).unwrap_or(Reason::SessionNotFound)
    }

    /// How many sockets of it were open.
    pub fn sockets(&self) -> u64 {
        u64::try_from(self.int(name::SOCKETS)).unwrap_or(0)
    }

    /// When, in microseconds since 1970.
    pub fn at(&self) -> i64 {
        self.int(name::AT)
    }

    /// Which of the session's ends.
    pub fn number(&self) -> u64 {
        u64::try_from(self.int(name::NUMBER)).unwrap_or(0)
    }

    /// What it says of the session.
    pub fn kind(&self) -> Kind {
        Kind::of(self.reason())
    }
}

impl Happened for SessionEnded {
    fn weight(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for SessionEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionEnded").field("reason", &self.reason()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::registry::{change::GatewayInfo, record::tests::record};

    fn member(socket_id: &str) -> Member {
        let info = Arc::new(GatewayInfo::new("g", "i", &Default::default()));
        Member { info, record: record(socket_id, &json!({"id": 7})) }
    }

    #[test]
    fn it_comes_back_from_its_bytes() {
        let (one, two) = (member("1"), member("2"));
        let ended = SessionEnded::new(&[&one, &two], Reason::NotLoggedIn, 5).expect("two sockets");
        let again = SessionEnded::from_bytes(ended.as_bytes()).expect("it is one");
        assert_eq!((again.reason(), again.sockets(), again.at()), (Reason::NotLoggedIn, 2, 5));
        assert_eq!(again.user().get(b"id"), Some(Value::Int(7)));
        assert_eq!((again.number(), again.kind()), (ended.number(), Kind::of(Reason::SessionNotFound)));
        assert_eq!(SessionEnded::from_bytes(b"else"), None);
        assert!(SessionEnded::new(&[], Reason::NotLoggedIn, 5).is_none());
    }
}
