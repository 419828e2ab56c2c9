"""What the service says of a handshake, and what a rejected client is told."""

from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass, field
from typing import Any

User = dict[str, Any]
"""Who is behind a socket, as the service resolved them. Always has the boolean `logged_in`."""


class Reason(enum.IntEnum):
    """Why a decision fell as it did; proto/socketpass/v1/reason.proto explains each."""

    UNSPECIFIED = 0
    AUTHORIZED = 1
    NO_SESSION_ID = 2
    BAD_SIGNATURE = 3
    SESSION_NOT_FOUND = 4
    SESSION_MALFORMED = 5
    PASSPORT_NOT_INITIALIZED = 6
    NOT_LOGGED_IN = 7
    USER_NOT_FOUND = 8
    USER_SOURCE_FAILED = 9
    STORE_UNAVAILABLE = 10
    ORIGIN_NOT_ALLOWED = 11
    DENIED_BY_POLICY = 12
    TOO_MANY_SOCKETS = 13
    ANOTHER_USER = 14
    DISCONNECTED = 15
    EVICTED = 16
    GATEWAY_DRAINING = 17
    CLOSED = 18
    GATEWAY_GONE = 19
    LEFT_FILTER = 20

    @classmethod
    def _missing_(cls, value: object) -> Reason:
        # A service newer than this client may have reasons that are not known here.
        return cls.UNSPECIFIED


@dataclass(frozen=True, slots=True)
class Close:
    """How a socket is closed."""

    code: int
    """WebSocket close code. 4000-4499: the client may come back; 4500-4999: it need not."""
    reason: str

    @property
    def is_final(self) -> bool:
        """Whether the client need not come back."""
        return self.code >= 4500


SERVICE_UNAVAILABLE = Close(4000, "service_unavailable")
DENIED = Close(4504, "denied_by_policy")
GATEWAY_DRAINING = Close(4001, "gateway_draining")


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a handshake is let in, and who it is."""

    accepted: bool
    reason: Reason
    """`UNSPECIFIED` when the service could not be asked."""
    message: str
    """Why rejected, for people. Empty when accepted."""
    error: bool
    """passport.socketio's `critical` flag."""
    user: User
    session_id: str = field(repr=False)
    """As good as a login: keep it out of logs."""
    close: Close | None
    """What to tell the client. None when accepted."""

    @property
    def is_fault(self) -> bool:
        """Whether something kept the service from deciding, or from being asked."""
        # By its reason alone a decision of a newer service could be taken for one.
        return self is NO_DECISION or self.reason in _FAULTS

    @property
    def http_status(self) -> int:
        """What a rejected WebSocket handshake is answered with."""
        if self.reason is Reason.UNSPECIFIED and not self.error:  # The service has one that is not known here.
            return 403 if self.user.get("logged_in") else 401
        return _HTTP_STATUS.get(self.reason, 401)


def anonymous() -> User:
    """Somebody who is not known."""
    return {"logged_in": False}


def rejection(reason: Reason, message: str, *, error: bool, close: Close) -> Decision:
    """A rejection that the service did not send."""
    return Decision(False, reason, message, error, anonymous(), "", close)


NO_DECISION = rejection(Reason.UNSPECIFIED, "Authorization service unavailable", error=True, close=SERVICE_UNAVAILABLE)
# The same to clients and hooks, but no reason to let anybody in.
OWN_MISTAKE = dataclasses.replace(NO_DECISION)
DRAINING = rejection(Reason.GATEWAY_DRAINING, "Gateway is shutting down", error=False, close=GATEWAY_DRAINING)

_FAULTS = frozenset({Reason.SESSION_MALFORMED, Reason.USER_SOURCE_FAILED, Reason.STORE_UNAVAILABLE})
_HTTP_STATUS = {
    **dict.fromkeys(_FAULTS | {Reason.UNSPECIFIED, Reason.GATEWAY_DRAINING}, 503),
    Reason.ORIGIN_NOT_ALLOWED: 403,
    Reason.DENIED_BY_POLICY: 403,
    Reason.TOO_MANY_SOCKETS: 429,
}
