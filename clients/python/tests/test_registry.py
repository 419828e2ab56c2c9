"""Asking the registry."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import grpc
import pytest

from socketpass import Close, Count, Group, ListedSocket, Outcome, ServiceError, SocketPass, View
from socketpass.v1.close_pb2 import Close as CloseMessage
from socketpass.values import to_struct
from tests.scripted import ScriptedService

VIEW = View(timedelta(0), [], False)


async def test_filters(service: ScriptedService) -> None:
    async with SocketPass(service.address) as passport:
        found = await passport.filter_sockets("user.id in params.ids", {"ids": [1, 2]})
        assert [socket.socket_id for socket in found.sockets] == ["a", "b"]
        epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
        assert found.sockets[0] == ListedSocket("other", "a", "/", "", "", {"logged_in": True}, {}, epoch)
        assert found.view == View(timedelta(0), ["late"], False)
        assert service.questions[0].params == to_struct({"ids": [1, 2]})


async def test_counts(service: ScriptedService) -> None:
    async with SocketPass(service.address) as passport:
        counted = await passport.count_sockets("true", group_by="user.team")
        assert counted == Count(3, [Group("blue", 2), Group(None, 1)], VIEW)
        assert service.questions[0].group_by == "user.team"


async def test_sends(service: ScriptedService) -> None:
    async with SocketPass(service.address) as passport:
        sent = await passport.send_to_sockets("true", event="news", args=["a", {"b": 1}])
        assert sent == Outcome(3, 1, 1, 1, VIEW)
        assert service.questions[0].event == "news"
        assert service.questions[0].args[1].struct_value == to_struct({"b": 1})


async def test_disconnects(service: ScriptedService) -> None:
    async with SocketPass(service.address) as passport:
        assert await passport.disconnect_sockets("true") == Outcome(2, 2, 0, 0, VIEW)
        await passport.disconnect_sockets("true", close=Close(4505, "bye"))
        first, second = service.questions
        assert not first.HasField("close")
        assert second.close == CloseMessage(code=4505, reason="bye")


async def test_errors_are_the_services(service: ScriptedService) -> None:
    async with SocketPass(service.address) as passport:
        with pytest.raises(ServiceError, match=r"^INVALID_ARGUMENT: filter: is required$") as raised:
            await passport.filter_sockets("")
        assert raised.value.code is grpc.StatusCode.INVALID_ARGUMENT
        await service.stop()
        with pytest.raises(ServiceError, match=r"^UNAVAILABLE: "):
            await passport.count_sockets("true")
