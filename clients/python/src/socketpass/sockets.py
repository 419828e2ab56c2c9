"""The sockets that are open in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from google.protobuf.struct_pb2 import Struct

from socketpass.decision import Close, Decision, User
from socketpass.handshake import Handshake
from socketpass.log import Causes
from socketpass.v1 import registry_service_pb2 as pb
from socketpass.values import from_struct, to_struct

MOST_OBJECT = 64 << 10
"""Bytes that the service takes of a user, and of data."""
_MOST_TEXT = 1 << 10

MOST_WAITING = 1 << 20
"""Bytes that may wait for a client to read them."""


class DoesNotRead(Exception):
    """A client has not read what was sent to it."""

    def __init__(self) -> None:
        super().__init__(f"more than {MOST_WAITING:,} bytes wait for the client to read them")


# One for the process, so that a socket that is listed again has the time that it had.
_MONOTONIC_BEGAN = time.time() - time.monotonic()


class Connection(Protocol):
    """What the client needs of a library's socket."""

    async def close(self, close: Close) -> None:
        """Tells the client, and closes."""

    async def send_event(self, event: str, args: list[Any]) -> None:
        """Hands an event over; raises if that cannot be."""

    async def put_user(self, user: User) -> None:
        """Puts the user where the application looks for it."""


class Socket:
    """One open connection, and who is behind it."""

    __slots__ = (
        "_connection",
        "_data",
        "_session_id",
        "_sockets",
        "_user",
        "id",
        "namespace",
        "opened_at",
        "origin",
        "remote_address",
        "told_by",
    )

    def __init__(
        self, id: str, handshake: Handshake, decision: Decision, connection: Connection, sockets: OpenSockets
    ) -> None:
        self.id = id
        self.namespace = handshake.namespace
        self.remote_address = handshake.remote_address
        self.origin = handshake.headers.get("origin", "")
        self.opened_at = time.monotonic()
        self.told_by: object = None
        """The stream that has told that it is open."""
        self._session_id = decision.session_id
        self._user = decision.user
        self._data: Struct | None = None
        self._connection = connection
        self._sockets = sockets

    @property
    def user(self) -> User:
        """Who it is; another object when the service says that the user has changed."""
        return self._user

    @property
    def connected_at(self) -> float:
        """When it opened, in seconds since 1970."""
        return _MONOTONIC_BEGAN + self.opened_at

    @property
    def data(self) -> dict[str, Any]:
        """The application's own, which filters see as `socket.data`. Assign to it to change it, at any time.

        ValueError and TypeError where it is nothing that the service takes: JSON of at most 64 KiB and 24 levels.
        """
        return {} if self._data is None else from_struct(self._data)

    @data.setter
    def data(self, data: Mapping[str, Any]) -> None:
        self._data = to_struct(data, most=MOST_OBJECT)
        self._sockets.changed(self)

    async def close(self, close: Close) -> None:
        """Tells the client why, and closes. It is off the list at once, however long the closing takes."""
        self._sockets.closed(self.id)
        await self._connection.close(close)

    async def send(self, event: str, args: list[Any]) -> None:
        """Sends an event to the client."""
        await self._connection.send_event(event, args)

    async def change_user(self, user: User) -> None:
        """The service's word counts over what was answered at the handshake."""
        self._user = user
        self._sockets.changed(self)
        await self._connection.put_user(user)

    def to_message(self, causes: Causes) -> pb.Socket:
        """As the service lists it."""
        message = pb.Socket(socket_id=self.id, data=self._data)
        for field, text in (
            ("namespace", self.namespace),
            ("session_id", self._session_id),
            ("remote_address", self.remote_address),
            ("origin", self.origin),
        ):
            if len(text.encode()) <= _MOST_TEXT:
                setattr(message, field, text)
            else:
                self._is_listed_without(field, f"larger than {_MOST_TEXT:,} bytes", causes)
        try:
            message.user.CopyFrom(to_struct(self._user, most=MOST_OBJECT))
        except (TypeError, ValueError) as error:  # It may be large, or have something of the application's own in it.
            self._is_listed_without("user", str(error), causes)
        message.connected_at.FromMicroseconds(int(self.connected_at * 1_000_000))
        return message

    def _is_listed_without(self, field: str, why: str, causes: Causes) -> None:
        causes.warn((field, why), "the registry lists socket %s without `%s`: %s", self.id, field, why)


class OpenSockets(Mapping[str, Socket]):
    """The open sockets by their ids, the oldest first."""

    def __init__(self) -> None:
        self._by_id: dict[str, Socket] = {}
        self._on_change: Callable[[Socket], None] | None = None

    def on_change(self, told: Callable[[Socket], None] | None) -> None:
        """Has one listener told of each socket that opens, closes or changes."""
        self._on_change = told

    def opened(self, socket: Socket) -> None:
        """From now on it is listed."""
        self._by_id[socket.id] = socket
        self._tell(socket)

    def closed(self, id: str) -> None:
        """It is not open any more. Nothing happens when it was not."""
        socket = self._by_id.pop(id, None)
        if socket is not None:
            self._tell(socket)

    def changed(self, socket: Socket) -> None:
        """What there is to say of it has changed."""
        if socket.id in self._by_id:
            self._tell(socket)

    def _tell(self, socket: Socket) -> None:
        if self._on_change is not None:
            self._on_change(socket)

    def __getitem__(self, id: str) -> Socket:
        return self._by_id[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)
