"""What goes wrong."""

from __future__ import annotations

import grpc

from socketpass.decision import Close


class SettingError(ValueError):
    """A setting that cannot be. Its text names the setting and what it takes."""

    def __init__(self, setting: str, takes: str, value: object = None) -> None:
        super().__init__(f"{setting} {takes}" + ("" if value is None else f", not {value!r:.100}"))
        self.setting = setting


class Refused(Exception):
    """Raised by a hook to refuse a handshake in words of its own, which the client hears.

    Without `close` a rejection keeps its own, and an acceptance gets 4504, `denied_by_policy`.
    """

    def __init__(self, message: str, close: Close | None = None) -> None:
        super().__init__(message)
        if close is not None and not close.is_usable:
            raise ValueError(
                f"close takes a code from 4000 to 4999, and a reason of at most 123 bytes, not {close!r:.200}"
            )
        self.message = message
        self.close = close


class ServiceError(Exception):
    """A question to the service that was not answered."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(f"{code.name}: {details}")
        self.code = code
        self.details = details
