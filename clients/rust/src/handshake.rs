//! What a client sent when it asked for a socket.

use std::{collections::BTreeMap, fmt, net::SocketAddr};

use http::{HeaderMap, header, request::Parts};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::{
    proto,
    values::{STRUCT_LEVELS, deeper_than, larger_than, to_struct},
};

/// Of it the service reads a session id.
const AUTH_BYTES: usize = 64 * 1024;

/// What a client sent when it asked for a socket.
#[derive(Clone, Default)]
pub struct Handshake {
    headers: HeaderMap,
    url: String,
    namespace: String,
    remote_address: String,
    auth: Option<Map<String, Value>>,
    xdomain: bool,
}

impl Handshake {
    /// From the HTTP request that asks for it. The namespace is the request's path, percent-decoded, until another is given.
    ///
    /// The peer's address is axum's `ConnectInfo<SocketAddr>`, or a `SocketAddr` that is among the request's extensions.
    pub fn from_request(request: &Parts) -> Self {
        let uri = original_uri(request);
        Self {
            headers: request.headers.clone(),
            url: uri.path_and_query().map_or_else(|| uri.path().to_owned(), ToString::to_string),
            namespace: percent_decode_str(uri.path()).decode_utf8_lossy().into_owned(),
            remote_address: peer(request).map_or_else(String::new, |peer| peer.to_string()),
            auth: None,
            xdomain: false,
        }
    }

    /// Socket.IO's `auth` payload.
    #[must_use]
    pub fn auth(self, auth: Map<String, Value>) -> Self {
        Self { auth: Some(auth), ..self }
    }

    /// The Socket.IO namespace.
    #[must_use]
    pub fn namespace(self, namespace: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), ..self }
    }

    /// The client's address, `203.0.113.7` or `203.0.113.7:51234`.
    #[must_use]
    pub fn remote_address(self, address: impl Into<String>) -> Self {
        Self { remote_address: address.into(), ..self }
    }

    /// Whether it is known to be cross-domain: a rejection for want of a session id then says so.
    #[must_use]
    pub fn xdomain(self, xdomain: bool) -> Self {
        Self { xdomain, ..self }
    }

    /// The request's headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The request target with its query.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn facts(&self) -> Facts {
        let origin =
            self.headers.get(header::ORIGIN).map_or_else(String::new, |origin| latin1(origin.as_bytes()));
        Facts { namespace: self.namespace.clone(), remote_address: self.remote_address.clone(), origin }
    }

    /// Whether the `auth` payload is larger or deeper than the service is asked to read.
    pub(crate) fn is_auth_too_much(&self) -> bool {
        self.auth.as_ref().is_some_and(|auth| {
            auth.values().any(|value| deeper_than(value, STRUCT_LEVELS - 1)) || larger_than(auth, AUTH_BYTES)
        })
    }

    pub(crate) fn to_proto(&self) -> proto::Handshake {
        proto::Handshake {
            headers: joined(&self.headers),
            url: self.url.clone(),
            auth: self.auth.as_ref().map(to_struct),
            remote_address: self.remote_address.clone(),
            xdomain: self.xdomain,
            namespace: self.namespace.clone(),
        }
    }
}

/// Without headers, url and `auth`: what is in them can be as good as a login.
impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("namespace", &self.namespace)
            .field("remote_address", &self.remote_address)
            .finish_non_exhaustive()
    }
}

/// What of a handshake is told of the socket that it opens.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub namespace: String,
    pub remote_address: String,
    pub origin: String,
}

/// A header that came several times is one, as HTTP joins them (RFC 9110, 5.3; RFC 9113, 8.2.3).
fn joined(headers: &HeaderMap) -> BTreeMap<String, String> {
    let join = |name: &header::HeaderName| {
        let separator = if name == header::COOKIE { "; " } else { ", " };
        let values: Vec<_> = headers.get_all(name).iter().map(|value| latin1(value.as_bytes())).collect();
        (name.as_str().to_owned(), values.join(separator))
    };
    headers.keys().map(join).collect()
}

/// Every byte is a character, as Node reads headers.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The request's target before routers took parts of it away.
#[cfg(feature = "axum")]
fn original_uri(request: &Parts) -> &http::Uri {
    request.extensions.get::<axum::extract::OriginalUri>().map_or(&request.uri, |original| &original.0)
}

#[cfg(not(feature = "axum"))]
fn original_uri(request: &Parts) -> &http::Uri {
    &request.uri
}

fn peer(request: &Parts) -> Option<SocketAddr> {
    #[cfg(feature = "axum")]
    if let Some(info) = request.extensions.get::<axum::extract::ConnectInfo<SocketAddr>>() {
        return Some(info.0);
    }
    request.extensions.get().copied()
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};
    use serde_json::json;

    use super::*;

    fn handshake(request: http::request::Builder) -> proto::Handshake {
        Handshake::from_request(&request.body(()).unwrap().into_parts().0).to_proto()
    }

    #[test]
    fn headers_are_latin_1_and_joined_as_http_says() {
        let read = handshake(
            Request::get("/chat?session_id=a")
                .header("Cookie", "a=1")
                .header("Cookie", HeaderValue::from_bytes(b"b=\xe9").unwrap())
                .header("X-Forwarded-For", "10.0.0.1")
                .header("X-Forwarded-For", "10.0.0.2"),
        );
        assert_eq!(read.headers["cookie"], "a=1; b=é");
        assert_eq!(read.headers["x-forwarded-for"], "10.0.0.1, 10.0.0.2");
        assert_eq!((read.url.as_str(), read.namespace.as_str()), ("/chat?session_id=a", "/chat"));
        assert_eq!(read.remote_address, "");
    }

    #[test]
    fn the_namespace_is_the_path_as_routes_read_it() {
        let read = handshake(Request::get("/%61dmin/caf%C3%A9/%FF?a=%61"));
        assert_eq!(read.namespace, "/admin/café/\u{fffd}");
        assert_eq!(read.url, "/%61dmin/caf%C3%A9/%FF?a=%61");
    }

    #[test]
    fn a_payload_is_bounded() {
        let auth =
            |value| Handshake::default().auth(Map::from_iter([("a".to_owned(), value)])).is_auth_too_much();
        let nested = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        assert!(!auth(nested(23)));
        assert!(auth(nested(24)));
        assert!(!auth(json!("x".repeat(60_000))));
        assert!(auth(json!("x".repeat(70_000))));
        assert!(auth(json!(vec![0; 70_000])));
    }

    #[test]
    fn the_peer_is_among_the_extensions() {
        let peer: SocketAddr = "203.0.113.7:51234".parse().unwrap();
        assert_eq!(handshake(Request::get("/").extension(peer)).remote_address, "203.0.113.7:51234");
    }
}
