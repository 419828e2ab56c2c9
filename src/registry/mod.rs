//! Which sockets are open in the fleet.

pub mod change;
pub mod command;
pub mod dispatch;
pub mod ledger;
pub mod memory;
pub mod record;
pub mod redis;
pub mod streams;
pub mod token;
pub mod view;
