//! Whether what the service depends on answers.

/// Whether a store answers, for the service's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Nobody has asked it yet.
    Unknown,
    /// It answers.
    Up,
    /// It does not.
    Down,
}
