//! What operators see of the service: logs and metrics.

use std::error::Error;

pub mod door;
pub mod log;
pub mod metrics;
pub mod seldom;

/// An error with all its causes: many say of themselves no more than "transport error".
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
