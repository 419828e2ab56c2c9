//! Why a decision fell as it did, and what follows from that: message, error flag and close code, in one table.

/// Why. The values that only open sockets and watchers know are in the proto and come here with the parts that use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A user is logged in and the policy accepts.
    Authorized,
    /// Neither the query, the auth payload nor a signed cookie carried a session id.
    NoSessionId,
    /// No secret has signed what should be a signed session id.
    BadSignature,
    /// The store has no session under the id.
    SessionNotFound,
    /// What the store has under the id is no session.
    SessionMalformed,
    /// The session has no passport.
    PassportNotInitialized,
    /// The session's passport has no user.
    NotLoggedIn,
    /// The user source does not know the user.
    UserNotFound,
    /// The user source could not say who the user is.
    UserSourceFailed,
    /// The store did not answer.
    StoreUnavailable,
    /// The handshake's origin is not on the list.
    OriginNotAllowed,
    /// The policy does not hold for the user.
    DeniedByPolicy,
}

/// How a socket is closed: a WebSocket close code (RFC 6455, 7.4.2) and a short text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// 4000-4499: the client may come back; 4500-4999: it need not.
    pub code: u16,
    /// The reason's name in lower case.
    pub reason: &'static str,
}

struct Row {
    name: &'static str,
    message: &'static str,
    error: bool,
    close_code: u16,
}

const fn row(name: &'static str, message: &'static str, error: bool, close_code: u16) -> Row {
    Row { name, message, error, close_code }
}

/// What passport.socketio says when it finds no id and knows the handshake to be cross-domain.
const XDOMAIN_MESSAGE: &str = "Can not read cookies from CORS-Requests. See CORS-Workaround in the readme.";

impl Reason {
    /// Every reason a decision can have.
    pub const ALL: [Self; 12] = [
        Self::Authorized,
        Self::NoSessionId,
        Self::BadSignature,
        Self::SessionNotFound,
        Self::SessionMalformed,
        Self::PassportNotInitialized,
        Self::NotLoggedIn,
        Self::UserNotFound,
        Self::UserSourceFailed,
        Self::StoreUnavailable,
        Self::OriginNotAllowed,
        Self::DeniedByPolicy,
    ];

    /// Messages and error flags are passport.socketio's, where it had the case.
    const fn row(self) -> Row {
        match self {
            Self::Authorized => row("authorized", "", false, 0),
            Self::NoSessionId => row("no_session_id", "No session found", false, 4507),
            Self::BadSignature => row("bad_signature", "No session found", false, 4507),
            Self::SessionNotFound => row("session_not_found", "No session found", false, 4500),
            Self::SessionMalformed => row("session_malformed", "Error in session store:\n", true, 4000),
            Self::PassportNotInitialized => {
                row("passport_not_initialized", "Passport was not initialized", true, 4501)
            }
            Self::NotLoggedIn => row(
                "not_logged_in",
                "User not authorized through passport. (User Property not found)",
                false,
                4501,
            ),
            Self::UserNotFound => row("user_not_found", "User not found", false, 4503),
            Self::UserSourceFailed => {
                row("user_source_failed", "Failed to deserialize user out of session", true, 4000)
            }
            Self::StoreUnavailable => row("store_unavailable", "Error in session store:\n", true, 4000),
            Self::OriginNotAllowed => row("origin_not_allowed", "Origin not allowed", false, 4508),
            Self::DeniedByPolicy => row("denied_by_policy", "Denied by policy", false, 4504),
        }
    }

    /// The name in lower case, as in close reasons, metrics and logs.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// passport.socketio's message; of the store's two faults the first line, which words of ours follow.
    pub const fn message(self, xdomain: bool) -> &'static str {
        match self {
            Self::NoSessionId | Self::BadSignature if xdomain => XDOMAIN_MESSAGE,
            _ => self.row().message,
        }
    }

    /// passport.socketio's `critical` flag for a rejection with this reason.
    pub const fn error(self) -> bool {
        self.row().error
    }

    /// What to tell the client of a rejected handshake.
    pub const fn close(self) -> Close {
        let row = self.row();
        Close { code: row.close_code, reason: row.name }
    }

    /// Something kept the service from deciding. No policy is asked then: a fault never lets anybody in.
    pub const fn is_fault(self) -> bool {
        matches!(self, Self::SessionMalformed | Self::UserSourceFailed | Self::StoreUnavailable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_reasons_fit_a_close_frame_and_codes_are_of_the_private_range() {
        for reason in Reason::ALL.into_iter().filter(|reason| *reason != Reason::Authorized) {
            let close = reason.close();
            assert!(close.reason.len() <= 32 && close.reason.is_ascii(), "{close:?}");
            assert!((4000..=4999).contains(&close.code), "{close:?}");
        }
    }

    #[test]
    fn a_fault_may_be_tried_again_and_is_an_error() {
        for reason in Reason::ALL.into_iter().filter(|reason| reason.is_fault()) {
            assert_eq!(reason.close().code, 4000, "{reason:?}");
            assert!(reason.error(), "{reason:?}");
        }
    }

    #[test]
    fn only_a_missing_id_is_blamed_on_cross_domain() {
        assert_eq!(Reason::NoSessionId.message(true), XDOMAIN_MESSAGE);
        assert_eq!(Reason::SessionNotFound.message(true), "No session found");
    }
}
