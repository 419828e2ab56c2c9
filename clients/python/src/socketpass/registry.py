"""Asks the registry who is connected, in the whole fleet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import grpc
import grpc.aio

from socketpass.channel import bearer
from socketpass.decision import Close, User
from socketpass.errors import ServiceError
from socketpass.settings import Token
from socketpass.v1 import registry_service_pb2 as pb
from socketpass.v1.close_pb2 import Close as CloseMessage
from socketpass.v1.registry_service_pb2_grpc import RegistryServiceStub
from socketpass.values import from_struct, from_value, to_struct, to_value

# Longer than the service waits for any gateway.
_WITHIN = 30.0

Params = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class View:
    """How much an answer knows."""

    age: timedelta
    incomplete_gateways: list[str]
    warming_up: bool


@dataclass(frozen=True, slots=True)
class ListedSocket:
    """A socket anywhere in the fleet."""

    gateway_id: str
    socket_id: str
    namespace: str
    remote_address: str
    """Empty for callers whose role is not `admin`."""
    origin: str
    user: User
    data: dict[str, Any]
    connected_at: datetime


@dataclass(frozen=True, slots=True)
class ListedSockets:
    """The sockets that match, ordered by gateway and socket id."""

    sockets: list[ListedSocket]
    view: View


@dataclass(frozen=True, slots=True)
class Group:
    """How many sockets have the same value."""

    key: Any
    """None: they have nothing there."""
    count: int


@dataclass(frozen=True, slots=True)
class Count:
    """How many sockets match."""

    total: int
    groups: list[Group]
    """The largest first. Empty without `group_by`."""
    view: View


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command."""

    matched: int
    done: int
    failed: int
    """Their gateway could not."""
    unreachable: int
    """Their gateway did not answer."""
    view: View


class Registry:
    """The questions, in Python's own values. Errors of the service are ServiceError."""

    def __init__(self, channel: grpc.aio.Channel, token: Token | None) -> None:
        self._stub = RegistryServiceStub(channel)
        self._token = token

    async def filter(self, filter: str, params: Params | None) -> ListedSockets:
        request = pb.FilterSocketsRequest(filter=filter, params=to_struct(params or {}))
        sockets: list[ListedSocket] = []
        view = pb.View()
        try:
            async for response in self._stub.FilterSockets(request, **await self._options()):
                sockets.extend(_socket(message) for message in response.sockets)
                view = response.view
        except grpc.aio.AioRpcError as error:
            raise _service_error(error) from error
        return ListedSockets(sockets, _view(view))

    async def count(self, filter: str, params: Params | None, group_by: str) -> Count:
        request = pb.CountSocketsRequest(filter=filter, params=to_struct(params or {}), group_by=group_by)
        try:
            response = await self._stub.CountSockets(request, **await self._options())
        except grpc.aio.AioRpcError as error:
            raise _service_error(error) from error
        groups = [Group(from_value(group.key), group.count) for group in response.groups]
        return Count(response.total, groups, _view(response.view))

    async def send(self, filter: str, params: Params | None, event: str, args: Sequence[Any]) -> Outcome:
        request = pb.SendToSocketsRequest(
            filter=filter, params=to_struct(params or {}), event=event, args=[to_value(arg) for arg in args]
        )
        return await self._outcome(self._stub.SendToSockets(request, **await self._options()))

    async def disconnect(self, filter: str, params: Params | None, close: Close | None) -> Outcome:
        request = pb.DisconnectSocketsRequest(
            filter=filter,
            params=to_struct(params or {}),
            close=None if close is None else CloseMessage(code=close.code, reason=close.reason),
        )
        return await self._outcome(self._stub.DisconnectSockets(request, **await self._options()))

    async def _options(self) -> dict[str, Any]:
        return {"timeout": _WITHIN, "metadata": await bearer(self._token, _WITHIN)}

    async def _outcome(self, call: Any) -> Outcome:
        # Each message counts anew; the last one has everything settled.
        last = pb.SendToSocketsResponse()
        try:
            async for response in call:
                last = response
        except grpc.aio.AioRpcError as error:
            raise _service_error(error) from error
        return Outcome(last.matched, last.done, last.failed, last.unreachable, _view(last.view))


def _socket(message: pb.Socket) -> ListedSocket:
    return ListedSocket(
        gateway_id=message.gateway_id,
        socket_id=message.socket_id,
        namespace=message.namespace,
        remote_address=message.remote_address,
        origin=message.origin,
        user=from_struct(message.user),
        data=from_struct(message.data),
        connected_at=message.connected_at.ToDatetime(timezone.utc),
    )


def _view(message: pb.View) -> View:
    return View(message.age.ToTimedelta(), list(message.incomplete_gateways), message.warming_up)


def _service_error(error: grpc.aio.AioRpcError) -> ServiceError:
    return ServiceError(error.code(), error.details() or "")
