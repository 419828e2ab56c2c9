//! What led to an error: many say of themselves no more than "transport error".

use std::{error, io};

/// An error with all that led to it.
pub fn causes(error: &(dyn error::Error + 'static)) -> String {
    let parts: Vec<_> = chain(error).map(ToString::to_string).collect();
    parts.join(": ")
}

/// The error and what led to it, the innermost last.
pub fn chain<'e>(
    error: &'e (dyn error::Error + 'static),
) -> impl Iterator<Item = &'e (dyn error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// Whether an error is that time ran out.
pub fn is_timeout(error: &(dyn error::Error + 'static)) -> bool {
    chain(error).any(|error| {
        error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
    })
}
