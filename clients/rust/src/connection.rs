//! What the client needs of an open socket, whatever library holds it.

use serde_json::Value;

use crate::{decision::Close, user::User};

/// An open connection to a client. The integrations have theirs; implement it to track the sockets of another library.
///
/// What is called here is called from the task that keeps the stream, so it must not wait.
pub trait Connection: Send + Sync + 'static {
    /// Closes it. The socket is off the list already.
    fn close(&self, close: &Close);

    /// Sends an event. Says whether it was handed over.
    fn send(&self, event: &str, args: &[Value]) -> bool;

    /// The user behind it is another one from now on.
    fn user_changed(&self, _user: &User) {}

    /// Whether it is open still. The client asks now and then, for libraries that do not say when a socket ends.
    fn is_open(&self) -> bool {
        true
    }
}
