//! RESOURCE_EXHAUSTED that says when to try again.

use std::time::Duration;

use rand::Rng as _;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// Try again when this long has passed (google.rpc.RetryInfo).
pub fn after(wait: Duration, message: &str) -> Status {
    let details = ErrorDetails::with_retry_info(Some(wait));
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

/// Whether a status tells of too much for the moment.
pub fn is_shed(status: &Status) -> bool {
    status.code() == Code::ResourceExhausted && status.get_details_retry_info().is_some()
}

/// Try again soon. Half a second to one and a half, so that those that are turned away together do not come back together.
pub fn soon(message: &str) -> Status {
    after(Duration::from_millis(rand::rng().random_range(500..1500)), message)
}
