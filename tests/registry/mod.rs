//! The registry: its parts without a transport (ledgers, Redis, the model), and as callers see it through gRPC.

mod bad_input;
mod commands;
mod faults;
mod ledgers;
mod model;
mod redis;
mod sockets;
mod streams;
mod watch;
