//! Whether the page behind a handshake may open a socket.

use super::{
    Handshake,
    explain::{Step, StepName, Trace, quote},
};
use crate::config::origin::AllowedOrigin;

/// Checks the Origin header; `None`: nothing is to be checked.
pub(super) fn is_allowed<T: Trace>(
    handshake: &Handshake,
    allowed: Option<&[AllowedOrigin]>,
    trace: &mut T,
) -> bool {
    let input = "the Origin header";
    // A client that is no browser sends no Origin and could send any: the check is for browsers (RFC 6455, 10.2).
    let (Some(allowed), Some(origin)) = (allowed, handshake.headers.get("origin")) else {
        trace.step(|| {
            let found = if allowed.is_some() {
                "there is none, so it passes"
            } else {
                "not checked: session.allowed_origins is not set"
            };
            Step::passed(StepName::Origin, input, found)
        });
        return true;
    };
    let allowed_by = allowed.iter().find(|allowed| allowed.allows(origin));
    trace.step(|| match allowed_by {
        Some(_) => Step::passed(StepName::Origin, input, quote(origin)),
        None => Step::failed(StepName::Origin, input, quote(origin)).hint(why_not(origin, allowed)),
    });
    allowed_by.is_some()
}

fn why_not(origin: &str, allowed: &[AllowedOrigin]) -> String {
    if origin == "null" {
        return "`null` is what pages without an origin send, such as sandboxed frames and files: it is never allowed"
            .to_owned();
    }
    match allowed.iter().find(|allowed| allowed.is_for_names_below(origin)) {
        Some(pattern) => {
            format!("`{pattern}` in session.allowed_origins is for subdomains alone: list the domain itself too")
        }
        None => "session.allowed_origins does not have it; scheme, host and port must be the same to the letter, but for \
                 what a `*` stands for"
            .to_owned(),
    }
}
