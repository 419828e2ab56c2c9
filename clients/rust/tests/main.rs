//! The client against a scripted socketpass, with real socket servers and real clients, in one binary.
#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that fails says where"
)]

mod asking;
mod ending;
mod handshakes;
mod readme;
mod settings;
mod socket_io;
mod streams;
mod support;
mod tls;
mod tracing_context;
mod websockets;
