"""What the service says of a handshake, and what a rejected client is told."""

from __future__ import annotations

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

    @property
    def is_usable(self) -> bool:
        """Whether a WebSocket can be closed with it."""
        return 4000 <= self.code <= 4999 and len(self.reason.encode(errors="replace")) <= 123

    def or_else(self, other: Close) -> Close:
        """This one, if it is usable."""
        return self if self.is_usable else other


SERVICE_UNAVAILABLE = Close(4000, "service_unavailable")
DENIED = Close(4504, "denied_by_policy")
GATEWAY_DRAINING = Close(4001, "gateway_draining")
DISCONNECTED = Close(4505, "disconnected")


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

    is_fault: bool = field(default=False, kw_only=True)
    """Whether something kept the service from deciding, or from being asked: `on_unavailable` counts."""
    is_mistake: bool = field(default=False, kw_only=True)
    """Whether the question itself is wrong, or the answer cannot be understood: no hook lets anybody in then."""

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


def no_decision(*, mistake: bool = False) -> Decision:
    """Nobody knows who it is. After a mistake of the client's own nobody will: that is no reason to let them in."""
    return Decision(
        accepted=False,
        reason=Reason.UNSPECIFIED,
        message="Authorization service unavailable",
        error=True,
        user=anonymous(),
        session_id="",
        close=SERVICE_UNAVAILABLE,
        is_fault=not mistake,
        is_mistake=mistake,
    )


def draining() -> Decision:
    """The client closes."""
    return rejection(Reason.GATEWAY_DRAINING, "Gateway is shutting down", error=False, close=GATEWAY_DRAINING)


FAULTS = frozenset({Reason.SESSION_MALFORMED, Reason.USER_SOURCE_FAILED, Reason.STORE_UNAVAILABLE})
"""What kept the service from deciding."""
_HTTP_STATUS = {
    **dict.fromkeys(FAULTS | {Reason.UNSPECIFIED, Reason.GATEWAY_DRAINING}, 503),
    Reason.ORIGIN_NOT_ALLOWED: 403,
    Reason.DENIED_BY_POLICY: 403,
    Reason.TOO_MANY_SOCKETS: 429,
}
