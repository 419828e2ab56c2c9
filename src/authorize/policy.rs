//! Who may come in, of those about whom a decision could be made.

use super::{User, handshake::Handshake};
use crate::config::decisions::{EVERYBODY, LOGGED_IN};

/// What a policy sees of the socket that a handshake asks for. A field the gateway did not set is empty.
#[derive(Clone, Copy, Debug)]
pub struct Socket<'a> {
    /// Socket.IO namespace, or the path of a plain WebSocket.
    pub namespace: &'a str,
    /// The client's address as its gateway sees it.
    pub remote_address: &'a str,
    /// The Origin header.
    pub origin: &'a str,
}

impl<'a> From<&'a Handshake> for Socket<'a> {
    fn from(handshake: &'a Handshake) -> Self {
        Self {
            namespace: &handshake.namespace,
            remote_address: &handshake.remote_address,
            origin: handshake.headers.get("origin").unwrap_or(""),
        }
    }
}

/// The policy could not be asked to the end. It denies then.
#[derive(Debug, thiserror::Error)]
#[error("the policy failed: {0}")]
pub struct PolicyFailed(pub String);

/// Asked of every decision that neither a fault nor the origin stopped.
pub trait Policy: Send + Sync + 'static {
    /// Whether this user, who may be nobody, may have this socket.
    fn accepts(&self, user: &User, socket: Socket<'_>) -> Result<bool, PolicyFailed>;

    /// The policy as people know it: the text of `policy.accept`.
    fn text(&self) -> &str;
}

/// `user.logged_in`, the default: whoever is logged in may come in.
#[derive(Debug)]
pub struct LoggedIn;

impl Policy for LoggedIn {
    fn accepts(&self, user: &User, _: Socket<'_>) -> Result<bool, PolicyFailed> {
        Ok(user.logged_in())
    }

    fn text(&self) -> &str {
        LOGGED_IN
    }
}

/// `true`: everybody may come in, anonymous sockets too, but for faults and origins that are not allowed.
#[derive(Debug)]
pub struct Everybody;

impl Policy for Everybody {
    fn accepts(&self, _: &User, _: Socket<'_>) -> Result<bool, PolicyFailed> {
        Ok(true)
    }

    fn text(&self) -> &str {
        EVERYBODY
    }
}
