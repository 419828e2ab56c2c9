"""Asks socketpass who stands behind a socket, and tells it who is connected.

`SocketPass` is the client, one for a process. `socketpass.socketio` is for python-socketio, `socketpass.fastapi` for
FastAPI, `socketpass.asgi` for Starlette and every other ASGI app, `socketpass.v1` has the generated stubs for all else.
"""

from socketpass.client import SocketPass
from socketpass.decision import Close, Decision, Reason, User
from socketpass.errors import Refused, ServiceError, SettingError
from socketpass.handshake import Handshake
from socketpass.registry import Count, Group, ListedSocket, ListedSockets, Outcome, View
from socketpass.settings import TLS
from socketpass.sockets import Socket

__all__ = [
    "TLS",
    "Close",
    "Count",
    "Decision",
    "Group",
    "Handshake",
    "ListedSocket",
    "ListedSockets",
    "Outcome",
    "Reason",
    "Refused",
    "ServiceError",
    "SettingError",
    "Socket",
    "SocketPass",
    "User",
    "View",
]
