//! What operators see of the service: logs and metrics.

pub mod log;
pub mod metrics;
