//! A scripted socketpass, and clients of both kinds of sockets.

pub mod browser;
pub mod peer;
#[allow(
    missing_docs,
    rust_2018_idioms,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]
#[rustfmt::skip]
pub mod proto;
pub mod servers;

use std::time::Duration;

use tokio::time::timeout;

/// Long enough for a busy machine; a test that waits in vain fails here.
const SOON: Duration = Duration::from_secs(10);

/// What is bound to happen soon.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(SOON, future).await.unwrap_or_else(|_| panic!("in vain: {what}"))
}

/// Waits until it is so, for what nobody tells.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    soon(what, async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
