"""python-socketio in uvicorn, and its own client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import socketio
from aiohttp import ClientSession
from socketio.exceptions import ConnectionError as RejectedError

from socketpass import SettingError, Socket, SocketPass
from socketpass.socketio import SOCKET, protect
from socketpass.sockets import DoesNotRead
from socketpass.v1 import registry_service_pb2 as pb
from socketpass.v1.close_pb2 import Close
from socketpass.values import to_struct, to_value
from tests.scripted import PATIENCE, ScriptedService, accepted, rejected
from tests.serving import serve

# Older versions of the client wait so long for a namespace that has refused it.
REFUSED_WITHIN = 3
ADA = {"logged_in": True, "id": 1, "name": "Ada"}


class Chat(socketio.AsyncNamespace):  # type: ignore[misc]
    """A namespace that is a class; its handler does without `auth` and saves a session of its own."""

    async def on_connect(self, sid: str, environ: dict[str, Any]) -> None:
        await self.save_session(sid, {"room": "blue"})

    async def on_whoami(self, sid: str) -> Any:
        return await self.get_session(sid)


class App:
    """A server as an application has it."""

    def __init__(self, passport: SocketPass) -> None:
        self.sio = sio = socketio.AsyncServer(async_mode="asgi")
        self.connected: list[Socket] = []
        self.disconnected: list[str] = []
        self.asked: list[str] = []
        self.answer: Any = None

        @sio.event  # type: ignore[untyped-decorator]
        async def connect(sid: str, environ: dict[str, Any], auth: Any) -> Any:
            self.connected.append(environ[SOCKET])
            assert (await sio.get_session(sid))["user"] == environ[SOCKET].user
            if isinstance(self.answer, BaseException):
                raise self.answer
            return self.answer

        @sio.event  # type: ignore[untyped-decorator]
        async def disconnect(sid: str, reason: str) -> None:
            self.disconnected.append(sid)

        @sio.event  # type: ignore[untyped-decorator]
        async def whoami(sid: str) -> Any:
            self.asked.append(sid)
            return (await sio.get_session(sid))["user"]

        protect(sio, passport)
        sio.register_namespace(Chat("/chat"))

        self.asgi = socketio.ASGIApp(sio, on_startup=passport.start, on_shutdown=passport.close)


class Browser:
    """A client, and what it hears."""

    def __init__(self, namespaces: list[str] | None = None, reconnection: bool = False) -> None:
        self.client = socketio.AsyncClient(reconnection=reconnection, reconnection_delay=0.1)
        self.heard: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
        for namespace in namespaces or ["/"]:
            self.client.on("*", self._hear, namespace=namespace)
            self.client.on("connect_error", self._refused, namespace=namespace)

    async def _hear(self, *args: Any) -> None:
        self.heard.put_nowait(args)

    async def _refused(self, data: Any) -> None:
        self.heard.put_nowait(("connect_error", data))

    async def hears(self) -> tuple[Any, ...]:
        return await asyncio.wait_for(self.heard.get(), PATIENCE)


@asynccontextmanager
async def browser(
    host: str, namespaces: list[str] | None = None, reconnection: bool = False, **options: Any
) -> AsyncIterator[Browser]:
    browser = Browser(namespaces, reconnection)
    try:
        await browser.client.connect(
            f"http://{host}", **{"transports": ["websocket"], "wait_timeout": PATIENCE, **options}
        )
        yield browser
    finally:
        await browser.client.disconnect()


async def test_lets_in_and_lists(service: ScriptedService) -> None:
    passport = SocketPass(service.address, gateway_id="gateway-1")
    app = App(passport)
    async with serve(app.asgi) as host:
        stream = await service.stream()
        await stream.welcome()
        headers = {"Cookie": "connect.sid=s%3A1.x", "X-Name": "Müller", "Origin": f"http://{host}"}
        auth = {"session_id": "s:1.x", "lone": "\ud800", "n": [1, {"deep": None}]}
        async with browser(host, headers=headers, auth=auth) as ada:
            assert await ada.client.call("whoami") == ADA
            (listed,) = (await stream.until(lambda listed: len(listed) == 1)).values()
            (socket,) = app.connected
            assert passport.sockets[listed.socket_id] is socket
            assert listed.namespace == "/"
            assert listed.session_id == "the session"
            assert listed.remote_address == "127.0.0.1"
            assert listed.origin == f"http://{host}"
            assert listed.user == to_struct(ADA)

            socket.data = {"room": "blue"}
            await stream.until(lambda listed: listed[socket.id].data == to_struct({"room": "blue"}))

            (request,) = service.asked
            assert request.handshake.namespace == "/"
            assert request.handshake.url.startswith("/socket.io/?")
            assert request.handshake.headers["cookie"] == "connect.sid=s%3A1.x"
            assert request.handshake.headers["x-name"] == "MÃ¼ller"  # The client sends UTF-8.
            assert request.handshake.auth == to_struct(
                {"session_id": "s:1.x", "lone": "\ufffd", "n": [1, {"deep": None}]}
            )
        await stream.until(lambda listed: not listed)
        assert app.disconnected == [socket.id]
        assert not passport.sockets
    await stream.goodbye()


async def test_namespaces_are_authorized_each(service: ScriptedService) -> None:
    passport = SocketPass(service.address)
    async with serve(App(passport).asgi) as host:
        stream = await service.stream()
        await stream.welcome()
        async with browser(host, namespaces=["/", "/chat"]) as ada:
            listed = await stream.until(lambda listed: len(listed) == 2)
            assert sorted(socket.namespace for socket in listed.values()) == ["/", "/chat"]
            assert sorted(request.handshake.namespace for request in service.asked) == ["/", "/chat"]
            # The handler's own session is there, and so is the user.
            assert await ada.client.call("whoami", namespace="/chat") == {"room": "blue", "user": ADA}


async def test_a_rejected_client_hears_why(service: ScriptedService) -> None:
    service.answer = rejected()
    app = App(SocketPass(service.address))
    async with serve(app.asgi) as host:
        stream = await service.stream()
        await stream.welcome()
        refused = Browser()
        with pytest.raises(RejectedError):
            await refused.client.connect(f"http://{host}", transports=["websocket"], wait_timeout=REFUSED_WITHIN)
        expected = {
            "message": "User not authorized through passport. (User Property not found)",
            "data": {"code": 4501, "reason": "not_logged_in"},
        }
        assert await refused.hears() == ("connect_error", expected)
        assert not app.connected
        assert await stream.complete() == {}


@pytest.mark.parametrize("answer", [False, socketio.exceptions.ConnectionRefusedError("not today")])
async def test_the_app_may_refuse(service: ScriptedService, answer: Any) -> None:
    passport = SocketPass(service.address)
    app = App(passport)
    app.answer = answer
    async with serve(app.asgi) as host:
        with pytest.raises(RejectedError):
            await Browser().client.connect(f"http://{host}", transports=["websocket"], wait_timeout=REFUSED_WITHIN)
        assert len(app.connected) == 1
        assert not passport.sockets


async def test_carries_commands_out(service: ScriptedService) -> None:
    told: list[Any] = []

    async def user_changed(socket: Socket) -> None:
        told.append((socket.id, socket.user))

    passport = SocketPass(service.address, user_changed=user_changed)
    app = App(passport)
    async with serve(app.asgi) as host:
        stream = await service.stream()
        await stream.welcome()
        async with browser(host) as ada:
            (id,) = await stream.until(lambda listed: len(listed) == 1)

            send = pb.Send(socket_ids=[id, "gone"], event="news", args=[to_value("a"), to_value([1, 2])])
            assert await stream.result(pb.Command(command_id="1", send=send)) == [id]
            assert await ada.hears() == ("news", "a", [1, 2])
            assert await stream.result(pb.Command(command_id="2", send=pb.Send(socket_ids=[id], event="bare"))) == [id]
            assert await ada.hears() == ("bare",)

            user = {**ADA, "name": "Countess"}
            changed = pb.UserChanged(socket_ids=["gone", id], user=to_struct(user))
            assert await stream.result(pb.Command(command_id="3", user_changed=changed)) == [id]
            assert await ada.client.call("whoami") == user
            assert told == [(id, user)]

            disconnect = pb.Disconnect(socket_ids=[id, "gone"], close=Close(code=4505, reason="disconnected"))
            assert await stream.result(pb.Command(command_id="4", disconnect=disconnect)) == [id, "gone"]
            assert await ada.hears() == ("socketpass:close", {"code": 4505, "reason": "disconnected"})
            await asyncio.wait_for(ada.client.wait(), PATIENCE)
    assert app.disconnected == [id]


async def test_who_may_come_back_does(service: ScriptedService) -> None:
    """Below 4500 the connection is lost, in all its namespaces: Socket.IO's clients come back then."""
    passport = SocketPass(service.address)
    async with serve(App(passport).asgi) as host:
        stream = await service.stream()
        await stream.welcome()
        async with browser(host, namespaces=["/", "/chat"], reconnection=True) as ada:
            before = list(await stream.until(lambda listed: len(listed) == 2))
            drain = pb.Disconnect(socket_ids=before, close=Close(code=4001, reason="gateway_draining"))
            assert await stream.result(pb.Command(command_id="1", disconnect=drain)) == before
            told = ("socketpass:close", {"code": 4001, "reason": "gateway_draining"})
            assert [await ada.hears(), await ada.hears()] == [told, told]
            await stream.until(lambda listed: len(listed) == 2 and not listed.keys() & set(before))


async def test_clients_cannot_pretend(service: ScriptedService) -> None:
    """`connect` and `disconnect` are names of events like others to those who send them."""
    passport = SocketPass(service.address)
    app = App(passport)
    async with serve(app.asgi) as host:
        stream = await service.stream()
        await stream.welcome()
        async with browser(host) as ada:
            (id,) = await stream.until(lambda listed: len(listed) == 1)
            await ada.client.emit("disconnect", "I am gone")
            await ada.client.emit("connect", ({"asgi.scope": {}, SOCKET: {"user": {"id": 2}}}, {}))
            assert await ada.client.call("whoami") == ADA
            assert list(passport.sockets) == [id]
            assert len(service.asked) == 1
            assert [socket.id for socket in app.connected] == [id]
            assert not app.disconnected


async def test_nobody_hears_anything_before_they_are_let_in(service: ScriptedService) -> None:
    asked, broadcast = asyncio.Event(), asyncio.Event()

    async def slow(request: Any, context: Any) -> Any:
        asked.set()
        await broadcast.wait()
        return accepted(id=1)

    service.answer = slow
    app = App(SocketPass(service.address))
    async with serve(app.asgi) as host:
        eve = Browser()
        connecting = asyncio.create_task(
            eve.client.connect(f"http://{host}", transports=["websocket"], wait_timeout=PATIENCE)
        )
        await asyncio.wait_for(asked.wait(), PATIENCE)
        await app.sio.emit("secret")
        broadcast.set()
        await connecting
        await app.sio.emit("news")
        assert await eve.hears() == ("news",)
        await eve.client.disconnect()


async def test_nothing_is_heard_of_anybody_before_they_are_let_in(service: ScriptedService) -> None:
    """Not even where python-socketio, as it did before 5.18, takes a client for connected from the start."""
    asked, decided = asyncio.Event(), asyncio.Event()

    async def slow(request: Any, context: Any) -> Any:
        asked.set()
        await decided.wait()
        return rejected()

    service.answer = slow
    app = App(SocketPass(service.address))
    async with serve(app.asgi) as host, ClientSession() as eve:
        polling = f"http://{host}/socket.io/?EIO=4&transport=polling"
        async with eve.get(polling) as opened:
            polling += "&sid=" + json.loads((await opened.text())[1:])["sid"]
        # Polling clients may send while an answer is on its way.
        connecting = asyncio.create_task(eve.post(polling, data="40"))
        await asyncio.wait_for(asked.wait(), PATIENCE)
        app.sio.manager.pending_connect.clear()
        await eve.post(polling, data='421["whoami"]')
        decided.set()
        await connecting
        async with eve.get(polling) as heard:
            assert (await heard.text()).startswith("44")  # A connect_error, and no ack.
        assert not app.asked


async def test_nothing_is_heard_of_anybody_after_they_were_told_to_close(
    service: ScriptedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    passport = SocketPass(service.address)
    app = App(passport)
    async with serve(app.asgi) as host:
        stream = await service.stream()
        await stream.welcome()
        async with browser(host) as eve:
            (id,) = await stream.until(lambda listed: len(listed) == 1)
            assert await eve.client.call("whoami") == ADA
            # The client does not read, so that closing takes its time.
            hearing = asyncio.Event()
            monkeypatch.setattr(asyncio.Queue, "join", lambda queue: hearing.wait())
            drain = pb.Disconnect(socket_ids=[id], close=Close(code=4001, reason="gateway_draining"))
            closing = asyncio.create_task(stream.result(pb.Command(command_id="1", disconnect=drain)))
            assert (await eve.hears())[0] == "socketpass:close"
            await eve.client.emit("whoami")
            await eve.client.emit("disconnect", "I am gone")
            assert await closing == [id]
            await asyncio.wait_for(eve.client.wait(), PATIENCE)
        assert app.asked == [id]
        assert app.disconnected == [id]


async def test_a_client_that_goes_meanwhile_is_not_listed(service: ScriptedService) -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def slow(request: Any, context: Any) -> Any:
        asked.set()
        await gone.wait()
        return rejected() if request.handshake.namespace == "/other" else service_answer

    service_answer, service.answer = service.answer, slow
    passport = SocketPass(service.address)
    app = App(passport)
    async with serve(app.asgi) as host:
        client = socketio.AsyncClient(reconnection=False)
        connecting = asyncio.create_task(client.connect(f"http://{host}", transports=["websocket"], wait=False))
        await asyncio.wait_for(asked.wait(), PATIENCE)
        await connecting
        (eio_sid,) = app.sio.environ
        await client.eio.disconnect(abort=True)
        await app.sio.eio.disconnect(eio_sid)
        assert not app.sio.environ
        gone.set()
        stream = await service.stream()
        await stream.welcome()
        assert await stream.complete() == {}
        assert not app.connected
        assert not passport.sockets


async def test_what_waits_for_a_client_that_does_not_read_is_bounded(service: ScriptedService) -> None:
    passport = SocketPass(service.address)
    async with serve(App(passport).asgi) as host, ClientSession() as eve:
        polling = f"http://{host}/socket.io/?EIO=4&transport=polling"
        async with eve.get(polling) as opened:
            polling += "&sid=" + json.loads((await opened.text())[1:])["sid"]
        await eve.post(polling, data="40")
        (socket,) = passport.sockets.values()
        for _ in range(3):
            await socket.send("news", ["x" * 400_000])
        with pytest.raises(DoesNotRead):
            await socket.send("news", ["x" * 400_000])
        async with eve.get(polling) as heard:
            assert (await heard.text()).count('["news"') == 3
        await socket.send("news", ["x" * 400_000])


async def test_who_connects_after_the_end_is_refused(service: ScriptedService) -> None:
    connecting, ended = asyncio.Event(), asyncio.Event()
    passport = SocketPass(service.address)
    app = App(passport)

    @app.sio.on("connect", namespace="/slow")  # type: ignore[untyped-decorator]
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        connecting.set()
        await ended.wait()

    async with serve(app.asgi) as host:
        late = Browser(["/slow"])
        coming = asyncio.create_task(
            late.client.connect(
                f"http://{host}", namespaces=["/slow"], transports=["websocket"], wait_timeout=REFUSED_WITHIN
            )
        )
        await asyncio.wait_for(connecting.wait(), PATIENCE)
        await passport.close()
        ended.set()
        expected = {
            "message": "Gateway is shutting down",
            "data": {"code": 4001, "reason": "gateway_draining"},
        }
        assert await late.hears() == ("connect_error", expected)
        with pytest.raises(RejectedError):
            await coming
        assert not passport.sockets


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_closing_tells_why(service: ScriptedService, transport: str) -> None:
    passport = SocketPass(service.address)
    async with serve(App(passport).asgi) as host:
        stream = await service.stream()
        await stream.welcome()
        async with browser(host, namespaces=["/", "/chat"], transports=[transport]) as ada:
            await stream.until(lambda listed: len(listed) == 2)
            closing = asyncio.create_task(passport.close())
            told = ("socketpass:close", {"code": 4001, "reason": "gateway_draining"})
            assert await ada.hears() == told
            assert await ada.hears() == told
            await closing


async def test_other_servers_than_asgi_are_an_error() -> None:
    with pytest.raises(SettingError, match="async_mode takes 'asgi', not 'aiohttp'"):
        protect(socketio.AsyncServer(async_mode="aiohttp"), SocketPass())


async def test_always_connect_is_an_error() -> None:
    with pytest.raises(SettingError, match="always_connect takes False, not True"):
        protect(socketio.AsyncServer(async_mode="asgi", always_connect=True), SocketPass())
