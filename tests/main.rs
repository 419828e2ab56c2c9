//! Behaviour through the doors, in one binary: the library, gRPC, HTTP and the commands, against real servers.
#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that fails says where"
)]

mod api;
mod architecture;
mod bad_input;
mod cli;
mod config;
mod cookie_session;
mod docs;
mod door;
mod express;
mod faults;
mod gateway_example;
mod health;
mod logout;
mod policies;
mod policy_test;
mod redis_connection;
mod redis_topologies;
mod registry;
mod secrets;
mod session_ends;
mod session_stores;
mod sockets_commands;
mod support;
mod telemetry;
mod user_sources;
mod vectors;
