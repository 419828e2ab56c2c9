#![doc = include_str!("../README.md")]

mod admission;
mod authorize;
#[cfg(feature = "axum")]
mod axum;
mod causes;
mod client;
mod connection;
mod decision;
mod handshake;
mod layer;
mod loss;
/// The generated messages and stubs of `socketpass.v1`.
#[allow(
    missing_docs,
    rust_2018_idioms,
    rustdoc::all,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]
#[rustfmt::skip]
pub mod proto;
mod registry;
mod replicas;
mod report;
mod settings;
#[cfg(feature = "socketioxide")]
mod socketioxide;
mod sockets;
mod task;
mod token;
mod trace;
mod user;
mod values;

#[cfg(feature = "axum")]
pub use self::axum::{LayerMissing, TrackedWebSocket};
#[cfg(feature = "socketioxide")]
pub use self::socketioxide::Authorized;
pub use self::{
    admission::Admission,
    client::SocketPass,
    connection::Connection,
    decision::{Attempt, Close, Decision, HookResult, Rejection, Verdict},
    handshake::Handshake,
    layer::{Authorize, AuthorizeLayer},
    proto::Reason,
    registry::{Counted, FleetSocket, Found, Settled, View},
    replicas::Replicas,
    settings::{Builder, OnUnavailable, SettingError, Tls},
    sockets::{DataError, Socket, Tracked},
    user::User,
};
