//! Whatever a store and the gateways go through: no socket of a session that lives is closed, and each socket of one that
//! has ended is, in time. The store is played, and so is the time; all else is real.

mod fleet;
mod histories;
mod store;
mod storms;
