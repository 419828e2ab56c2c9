//! Which sockets are open in the fleet.

pub mod change;
pub mod ledger;
pub mod memory;
pub mod record;
pub mod redis;
pub mod view;
