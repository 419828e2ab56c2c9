//! What both doors have in common: how connections are taken, who is on the other side, and how much may be under way.

pub mod attempts;
pub mod capacity;
pub mod connections;
