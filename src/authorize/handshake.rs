//! What a client sent when it asked for a socket.

use std::{borrow::Cow, collections::BTreeMap};

/// A handshake, taken apart and checked at the door it came through.
#[derive(Clone, Default)]
pub struct Handshake {
    /// The request's headers.
    pub headers: Headers,
    /// Request target with query.
    pub url: String,
    /// The string `session_id` of Socket.IO's auth payload.
    pub auth_session_id: Option<String>,
    /// The client's address as its gateway sees it.
    pub remote_address: String,
    /// The gateway knows the handshake to be cross-domain.
    pub xdomain: bool,
    /// Socket.IO namespace, or the path of a plain WebSocket.
    pub namespace: String,
}

impl Handshake {
    /// The last `session_id` of the url's query, decoded as a form is (WHATWG URL, 5.1), which is how Socket.IO 4 does.
    pub fn query_session_id(&self) -> Option<Cow<'_, str>> {
        let target = self.url.split_once('#').map_or(self.url.as_str(), |(target, _fragment)| target);
        let (_path, query) = target.split_once('?')?;
        form_urlencoded::parse(query.as_bytes())
            .filter_map(|(name, value)| (name == "session_id").then_some(value))
            .last()
    }
}

/// Headers by lower-case name.
#[derive(Clone, Default)]
pub struct Headers(BTreeMap<String, String>);

/// Two names that differ only in case: which of them counts nobody can say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the header {} is there twice, in different case", super::explain::quote(.0))]
pub struct DuplicateHeader(pub String);

impl Headers {
    /// Takes headers with names in any case.
    pub fn new(headers: BTreeMap<String, String>) -> Result<Self, DuplicateHeader> {
        if !headers.keys().any(|name| name.bytes().any(|byte| byte.is_ascii_uppercase())) {
            return Ok(Self(headers));
        }
        let mut lower = BTreeMap::new();
        for (name, value) in headers {
            let name = name.to_ascii_lowercase();
            if lower.contains_key(&name) {
                return Err(DuplicateHeader(name));
            }
            lower.insert(name, value);
        }
        Ok(Self(lower))
    }

    /// The header of that lower-case name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(url: &str) -> Option<String> {
        let handshake = Handshake { url: url.to_owned(), ..Handshake::default() };
        handshake.query_session_id().map(Cow::into_owned)
    }

    #[test]
    fn the_query_is_read_as_a_form() {
        assert_eq!(query("/socket.io/?EIO=4&session_id=a+b%20c%2B").as_deref(), Some("a b c+"));
        assert_eq!(query("/?session_id=%FF%ZZ").as_deref(), Some("\u{fffd}%ZZ"));
        assert_eq!(query("/?session_id=a&session_id=b").as_deref(), Some("b"));
        assert_eq!(query("/?session_id=a#session_id=b").as_deref(), Some("a"));
        assert_eq!(query("/#?session_id=a"), None);
        assert_eq!(query("/?Session_ID=a&session_id[]=b;session_id=c"), None);
        assert_eq!(query(""), None);
    }

    #[test]
    fn names_have_no_case() {
        let headers = |names: &[&str]| {
            Headers::new(names.iter().map(|name| ((*name).to_owned(), (*name).to_owned())).collect())
        };
        assert_eq!(
            headers(&["Cookie"]).map(|headers| headers.get("cookie").map(str::to_owned)),
            Ok(Some("Cookie".into()))
        );
        assert_eq!(headers(&["Cookie", "cookie"]).err(), Some(DuplicateHeader("cookie".into())));
    }
}
