//! Why a decision fell as it did, why a socket ended, why a watcher was told of it: one list for all of them, and what
//! follows from each, message, error flag and close code, in one table.

/// Why.
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
    /// The user has as many open sockets as they may.
    TooManySockets,
    /// Only of open sockets: the session belongs to somebody else now.
    AnotherUser,
    /// Only of open sockets: an operator or a program disconnected it.
    Disconnected,
    /// Only of open sockets: it made room for a newer one of the same user.
    Evicted,
    /// Only of open sockets: its gateway is shutting down.
    GatewayDraining,
    /// Only to watchers: the gateway closed it of its own accord, or the client went away.
    Closed,
    /// Only to watchers: its gateway was not heard of for longer than its lease.
    GatewayGone,
    /// Only to watchers: it is open, and no longer matches the watcher's filter.
    LeftFilter,
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

/// No socket is closed for this reason.
const NO_CODE: u16 = 0;

/// What passport.socketio says when it finds no id and knows the handshake to be cross-domain.
const XDOMAIN_MESSAGE: &str = "Can not read cookies from CORS-Requests. See CORS-Workaround in the readme.";

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 20] = [
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
        Self::TooManySockets,
        Self::AnotherUser,
        Self::Disconnected,
        Self::Evicted,
        Self::GatewayDraining,
        Self::Closed,
        Self::GatewayGone,
        Self::LeftFilter,
    ];

    /// Messages and error flags are passport.socketio's, where it had the case.
    const fn row(self) -> Row {
        match self {
            Self::Authorized => row("authorized", "", false, NO_CODE),
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
            Self::TooManySockets => row("too_many_sockets", "Too many sockets", false, 4002),
            Self::AnotherUser => row("another_user", "", false, 4502),
            Self::Disconnected => row("disconnected", "", false, 4505),
            Self::Evicted => row("evicted", "", false, 4506),
            Self::GatewayDraining => row("gateway_draining", "", false, 4001),
            Self::Closed => row("closed", "", false, NO_CODE),
            Self::GatewayGone => row("gateway_gone", "", false, NO_CODE),
            Self::LeftFilter => row("left_filter", "", false, NO_CODE),
        }
    }

    /// The name in lower case, as in close reasons, metrics and logs.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The reason of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// Whether it can be the reason of a decision on a handshake.
    pub const fn is_of_decisions(self) -> bool {
        !matches!(
            self,
            Self::AnotherUser
                | Self::Disconnected
                | Self::Evicted
                | Self::GatewayDraining
                | Self::Closed
                | Self::GatewayGone
                | Self::LeftFilter
        )
    }

    /// Whether an open socket can be ended for it because the decision that let it in no longer holds.
    pub const fn is_of_session_ends(self) -> bool {
        matches!(
            self,
            Self::SessionNotFound
                | Self::PassportNotInitialized
                | Self::NotLoggedIn
                | Self::UserNotFound
                | Self::DeniedByPolicy
                | Self::AnotherUser
                | Self::TooManySockets
                | Self::Evicted
        )
    }

    /// Whether it can be what a session that is asked again answers.
    pub const fn is_of_sessions(self) -> bool {
        matches!(
            self,
            Self::Authorized
                | Self::SessionNotFound
                | Self::SessionMalformed
                | Self::PassportNotInitialized
                | Self::NotLoggedIn
                | Self::UserNotFound
                | Self::UserSourceFailed
                | Self::StoreUnavailable
        )
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

    /// What to tell the client; `None` where no socket is closed for this reason.
    pub const fn close(self) -> Option<Close> {
        let row = self.row();
        if row.close_code == NO_CODE { None } else { Some(Close { code: row.close_code, reason: row.name }) }
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
        for close in Reason::ALL.into_iter().filter_map(Reason::close) {
            assert!(close.reason.len() <= 32 && close.reason.is_ascii(), "{close:?}");
            assert!((4000..=4999).contains(&close.code), "{close:?}");
        }
    }

    #[test]
    fn a_fault_may_be_tried_again_and_is_an_error() {
        for reason in Reason::ALL.into_iter().filter(|reason| reason.is_fault()) {
            assert_eq!(reason.close().map(|close| close.code), Some(4000), "{reason:?}");
            assert!(reason.error(), "{reason:?}");
        }
    }

    #[test]
    fn whoever_is_rejected_is_told_a_code() {
        for reason in Reason::ALL.into_iter().filter(|reason| *reason != Reason::Authorized) {
            assert!(reason.close().is_some() || !reason.is_of_decisions(), "{reason:?}");
            assert_eq!(Reason::named(reason.name()), Some(reason));
        }
    }

    #[test]
    fn only_a_missing_id_is_blamed_on_cross_domain() {
        assert_eq!(Reason::NoSessionId.message(true), XDOMAIN_MESSAGE);
        assert_eq!(Reason::SessionNotFound.message(true), "No session found");
    }
}
