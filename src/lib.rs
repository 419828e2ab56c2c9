//! The passport for sockets: a gRPC service that tells any socket server who stands behind a handshake.
//!
//! Data flows one way: `main -> cli -> server -> doors (grpc, http) -> authorize -> stores and sources -> config`.
//! ARCHITECTURE.md has the house on one page, and `tests/architecture.rs` holds its arrows.
#![cfg_attr(
    not(any(feature = "mysql", feature = "postgres", feature = "sqlite")),
    allow(
        unused_imports,
        unused_variables,
        reason = "what an SQL database is handed goes nowhere if none is built in"
    )
)]

pub mod authorize;
pub mod causes;
pub mod cli;
pub mod config;
pub mod door;
pub mod expression;
pub mod grpc;
pub mod health;
pub mod http;
pub mod http_client;
pub mod identity;
pub mod json;
pub mod logout;
pub mod reason;
pub mod redis_connection;
pub mod registry;
pub mod remote;
pub mod seldom;
pub mod server;
pub mod session_end;
pub mod session_store;
pub mod sql;
pub mod task;
pub mod telemetry;
pub mod user_source;
