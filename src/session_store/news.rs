//! What a store tells of its sessions by itself, so that nobody has to wait until they are asked for again.

use super::SessionId;

/// One piece of news. None comes for certain, and none is proof: it is a reason to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The session was written, destroyed, or has expired.
    Changed(SessionId),
    /// When it expires was changed, and nothing else.
    Touched(SessionId),
    /// All sessions are gone.
    Everything,
    /// Whether the store tells of all of its sessions now.
    AreTold(bool),
}

/// Who hears it. Must not wait.
pub trait Listener: Send + Sync + 'static {
    /// There is news.
    fn hear(&self, news: News);
}
