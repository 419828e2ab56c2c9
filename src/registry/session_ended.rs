//! A session that has ended, as watchers of session ends are told of it.

use std::{fmt, sync::Arc};

use super::view::{history::Happened, member::Member};
use crate::{
    expression::packed::{self, Map, Packer, Text, Value},
    reason::Reason,
};

/// Sockets that are named, at most: they are there to tell one end from the next.
const NAMED: usize = 100;

/// A session that has ended: for whom, why, and with how many sockets. Copies share their bytes, a packed object. Prints
/// no more than why: the session id is as good as a login, and the user is the app's own business.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionEnded(Arc<[u8]>);

mod name {
    pub(super) const AT: &str = "at";
    pub(super) const NAMED: &str = "named";
    pub(super) const REASON: &str = "reason";
    pub(super) const SESSION_ID: &str = "session_id";
    pub(super) const SOCKETS: &str = "sockets";
    pub(super) const USER: &str = "user";
}

impl SessionEnded {
    /// These sockets of a session end for this reason, at this time in microseconds since 1970. The user is that of the
    /// first of them. `None`: there are none.
    pub fn new(sockets: &[&Member], reason: Reason, at: i64) -> Option<Self> {
        let first = &sockets.first()?.record;
        let mut packer = Packer::default();
        let begun = packer.begin_map();
        // By name.
        packer.name(name::AT);
        packer.int(at);
        packer.name(name::NAMED);
        let named = packer.begin_list();
        for socket in sockets.iter().take(NAMED) {
            packer.text(&socket.info.gateway_id);
            packer.text(socket.record.socket_id());
        }
        packer.end(named);
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

    /// Whether the end of this socket was told with it.
    pub fn has_told_of(&self, socket: &Member) -> bool {
        let Some(Value::List(named)) = self.field(name::NAMED) else { return false };
        if self.sockets() > u64::try_from(NAMED).unwrap_or(u64::MAX) {
            // Not all are named, and it is none that came later.
            return socket.record.connected_at() <= self.at();
        }
        let mut names = named.iter();
        while let (Some(Value::Text(gateway_id)), Some(Value::Text(socket_id))) = (names.next(), names.next())
        {
            if gateway_id.as_str() == &*socket.info.gateway_id
                && socket_id.as_str() == socket.record.socket_id()
            {
                return true;
            }
        }
        false
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
    fn it_comes_back_from_its_bytes_and_knows_its_sockets() {
        let (one, two, three) = (member("1"), member("2"), member("3"));
        let ended = SessionEnded::new(&[&one, &two], Reason::NotLoggedIn, 5).expect("two sockets");
        let again = SessionEnded::from_bytes(ended.as_bytes()).expect("it is one");
        assert_eq!((again.reason(), again.sockets(), again.at()), (Reason::NotLoggedIn, 2, 5));
        assert_eq!(again.user().get(b"id"), Some(Value::Int(7)));
        assert!(again.has_told_of(&one) && again.has_told_of(&two) && !again.has_told_of(&three));
        assert_eq!(SessionEnded::from_bytes(b"else"), None);
        assert!(SessionEnded::new(&[], Reason::NotLoggedIn, 5).is_none());
    }
}
