//! CEL over users, sockets and gateways: compiled once, within limits, evaluated on values as the registry keeps them.

pub mod packed;
pub mod path;
pub mod scope;
