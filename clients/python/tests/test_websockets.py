"""Starlette and FastAPI in uvicorn, and real WebSocket clients."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from socketpass import Close as CloseNow
from socketpass import Handshake, Socket, SocketPass
from socketpass.asgi import SocketPassMiddleware
from socketpass.fastapi import AuthorizedSocket
from socketpass.sockets import DoesNotRead
from socketpass.v1 import registry_service_pb2 as pb
from socketpass.v1.close_pb2 import Close
from socketpass.v1.reason_pb2 import (
    REASON_DENIED_BY_POLICY,
    REASON_NO_SESSION_ID,
    REASON_ORIGIN_NOT_ALLOWED,
    REASON_STORE_UNAVAILABLE,
    REASON_TOO_MANY_SOCKETS,
)
from socketpass.values import to_struct, to_value
from tests.scripted import PATIENCE, ScriptedService, accepted, rejected
from tests.serving import serve

MakeApp = Callable[..., Any]


def starlette_app(passport: SocketPass, ends: list[str], **settings: Any) -> Any:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await talk(websocket, websocket.state.socket, ends)

    app = Starlette(routes=[WebSocketRoute("/{path:path}", endpoint)], lifespan=lifespan(passport))
    app.add_middleware(SocketPassMiddleware, passport=passport, **settings)
    return app


def fastapi_app(passport: SocketPass, ends: list[str], **settings: Any) -> Any:
    app = FastAPI(lifespan=lifespan(passport))
    authorized = AuthorizedSocket(passport, **settings)

    @app.websocket("/{path:path}")
    async def endpoint(websocket: WebSocket, socket: Annotated[Socket, Depends(authorized)]) -> None:
        await websocket.accept()
        await talk(websocket, socket, ends)

    return app


def lifespan(passport: SocketPass) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def run(app: Any) -> AsyncIterator[None]:
        async with passport:
            yield

    return run


async def talk(websocket: WebSocket, socket: Socket, ends: list[str]) -> None:
    try:
        while True:
            text = await websocket.receive_text()
            if text == "who":
                await websocket.send_json(websocket.state.user)
            elif text == "data":
                socket.data = {"room": "blue"}
            elif text == "bye":
                await websocket.close(4123, "bye")
                return
    except WebSocketDisconnect:
        ends.append("disconnected")
    except RuntimeError:
        ends.append("failed")


both = pytest.mark.parametrize("make_app", [starlette_app, fastapi_app])


@both
async def test_lets_in_and_lists(service: ScriptedService, make_app: MakeApp) -> None:
    passport = SocketPass(service.address, gateway_id="gateway-1", labels={"zone": "eu"})
    ends: list[str] = []
    async with serve(make_app(passport, ends)) as host:
        stream = await service.stream()
        hello = await stream.welcome()
        assert (hello.gateway_id, dict(hello.labels)) == ("gateway-1", {"zone": "eu"})
        assert await stream.complete() == {}
        headers = [("Cookie", "a=1"), ("Cookie", "b=2"), ("X-Twice", "1"), ("X-Twice", "2")]
        async with connect(
            f"ws://{host}/chat%20room?x=%C3%A9", origin=Origin("https://app"), additional_headers=headers
        ) as ws:
            await ws.send("who")
            assert json.loads(await ws.recv()) == {"logged_in": True, "id": 1, "name": "Ada"}
            (socket,) = (await stream.until(lambda listed: len(listed) == 1)).values()
            assert list(passport.sockets) == [socket.socket_id]
            assert socket.namespace == "/chat room"
            assert socket.session_id == "the session"
            assert socket.remote_address == "127.0.0.1"
            assert socket.origin == "https://app"
            assert socket.user == to_struct({"logged_in": True, "id": 1, "name": "Ada"})
            assert not socket.data.fields
            assert socket.connected_at.seconds > 0

            await ws.send("data")
            listed = await stream.until(lambda listed: "room" in listed[socket.socket_id].data.fields)
            assert listed[socket.socket_id].data == to_struct({"room": "blue"})
        await stream.until(lambda listed: not listed)
        assert not passport.sockets

        (request,) = service.asked
        assert request.gateway_id == "gateway-1"
        handshake = request.handshake
        assert handshake.url == "/chat%20room?x=%C3%A9"
        assert handshake.namespace == "/chat room"
        assert handshake.remote_address == "127.0.0.1"
        assert not handshake.HasField("auth")
        assert handshake.headers["cookie"] == "a=1; b=2"
        assert handshake.headers["x-twice"] == "1, 2"
        assert handshake.headers["origin"] == "https://app"
    assert ends == ["disconnected"]
    await stream.goodbye()


@both
async def test_headers_are_latin_1(service: ScriptedService, make_app: MakeApp) -> None:
    async with serve(make_app(SocketPass(service.address), [])) as host:
        address, port = host.split(":")
        reader, writer = await asyncio.open_connection(address, int(port))
        writer.write(
            b"GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Cookie: name=M\xfcller\r\n\r\n"
        )
        assert b" 101 " in await reader.readline()
        writer.close()
    assert service.asked[0].handshake.headers["cookie"] == "name=Müller"


@both
@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (rejected(), 401),
        (rejected(REASON_NO_SESSION_ID, "No session found", 4507, "no_session_id"), 401),
        (rejected(REASON_ORIGIN_NOT_ALLOWED, "Origin not allowed", 4508, "origin_not_allowed"), 403),
        (rejected(REASON_DENIED_BY_POLICY, "Denied by policy", 4504, "denied_by_policy"), 403),
        (rejected(REASON_TOO_MANY_SOCKETS, "Too many sockets", 4002, "too_many_sockets"), 429),
        (rejected(REASON_STORE_UNAVAILABLE, "Error in session store:\n", 4000, "store_unavailable", True), 503),
    ],
)
async def test_rejects_with_a_status(service: ScriptedService, make_app: MakeApp, answer: Any, status: int) -> None:
    service.answer = answer
    passport = SocketPass(service.address)
    async with serve(make_app(passport, [])) as host:
        with pytest.raises(InvalidStatus) as raised:
            await connect(f"ws://{host}/chat")
        response = raised.value.response
        assert response.status_code == status
        assert response.headers["content-type"] == "application/json"
        assert json.loads(response.body or b"") == {
            "code": answer.close.code,
            "reason": answer.close.reason,
            "message": answer.message,
        }
        assert not passport.sockets


@both
async def test_rejects_after_the_upgrade(service: ScriptedService, make_app: MakeApp) -> None:
    service.answer = rejected()
    passport = SocketPass(service.address)
    async with serve(make_app(passport, [], reject_after_upgrade=True)) as host:
        async with connect(f"ws://{host}/chat", subprotocols=[Subprotocol("one"), Subprotocol("two")]) as ws:
            assert ws.subprotocol == "one"
            with pytest.raises(ConnectionClosed) as raised:
                await ws.recv()
        assert raised.value.rcvd is not None
        assert (raised.value.rcvd.code, raised.value.rcvd.reason) == (4501, "not_logged_in")
        stream = await service.stream()
        await stream.welcome()
        assert await stream.complete() == {}


async def test_rejects_where_the_server_has_no_denial_response(service: ScriptedService) -> None:
    service.answer = rejected()
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async with SocketPass(service.address) as passport:
        app = starlette_app(passport, [])
        scope = {"type": "websocket", "path": "/chat", "headers": [], "query_string": b"", "app": app}
        await app(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 4501, "reason": "not_logged_in"}]


@both
async def test_carries_commands_out(service: ScriptedService, make_app: MakeApp) -> None:
    told: list[Any] = []
    passport = SocketPass(service.address, user_changed=lambda socket: told.append((socket.id, socket.user)))
    ends: list[str] = []
    async with serve(make_app(passport, ends)) as host:
        stream = await service.stream()
        await stream.welcome()
        await stream.complete()
        async with connect(f"ws://{host}/chat") as ws:
            (id,) = await stream.until(lambda listed: len(listed) == 1)

            args = [to_value("a"), to_value({"b": [1, 2.5, None, True]})]
            send = pb.Send(socket_ids=[id, "gone"], event="news", args=args)
            assert await stream.result(pb.Command(command_id="1", send=send)) == [id]
            assert json.loads(await ws.recv()) == {"event": "news", "args": ["a", {"b": [1, 2.5, None, True]}]}

            user = {"logged_in": True, "id": 1, "name": "Countess"}
            changed = pb.UserChanged(socket_ids=[id, "gone"], user=to_struct(user))
            assert await stream.result(pb.Command(command_id="2", user_changed=changed)) == [id]
            await ws.send("who")
            assert json.loads(await ws.recv()) == user
            assert told == [(id, user)]
            await stream.until(lambda listed: listed[id].user == to_struct(user))

            assert await stream.result(pb.Command(command_id="3")) == []

            disconnect = pb.Disconnect(socket_ids=[id, "gone"], close=Close(code=4505, reason="disconnected"))
            command = pb.Command(command_id="4", disconnect=disconnect)
            assert await stream.result(command) == [id, "gone"]
            assert not passport.sockets
            with pytest.raises(ConnectionClosed) as raised:
                await ws.recv()
            assert raised.value.rcvd is not None
            assert (raised.value.rcvd.code, raised.value.rcvd.reason) == (4505, "disconnected")
            command.command_id = "5"
            assert await stream.result(command) == [id, "gone"]
    assert ends == ["disconnected"]


@both
async def test_the_app_may_close(service: ScriptedService, make_app: MakeApp) -> None:
    passport = SocketPass(service.address)
    async with serve(make_app(passport, [])) as host:
        stream = await service.stream()
        await stream.welcome()
        async with connect(f"ws://{host}/chat") as ws:
            await stream.until(lambda listed: len(listed) == 1)
            await ws.send("bye")
            with pytest.raises(ConnectionClosed) as raised:
                await ws.recv()
            assert raised.value.rcvd is not None
            assert raised.value.rcvd.code == 4123
        await stream.until(lambda listed: not listed)


async def test_events_may_be_written_otherwise(service: ScriptedService) -> None:
    passport = SocketPass(service.address)
    app = fastapi_app(passport, [], write=lambda event, args: f"{event}:{args[0]}")
    async with serve(app) as host:
        stream = await service.stream()
        await stream.welcome()
        async with connect(f"ws://{host}/chat") as ws:
            (id,) = await stream.until(lambda listed: len(listed) == 1)
            send = pb.Send(socket_ids=[id], event="news", args=[to_value("a")])
            assert await stream.result(pb.Command(command_id="1", send=send)) == [id]
            assert await ws.recv() == "news:a"


async def test_the_user_has_another_name(service: ScriptedService) -> None:
    passport = SocketPass(service.address, user_property="person")
    seen: list[Any] = []

    async def endpoint(websocket: WebSocket) -> None:
        seen.append(websocket.state.person)
        await websocket.close()

    app = Starlette(routes=[WebSocketRoute("/", endpoint)], lifespan=lifespan(passport))
    app.add_middleware(SocketPassMiddleware, passport=passport)
    async with serve(app) as host:
        with pytest.raises(InvalidStatus):
            await connect(f"ws://{host}/")
    assert seen == [accepted_user()]
    assert not passport.sockets


def accepted_user() -> dict[str, Any]:
    return {"logged_in": True, "id": 1, "name": "Ada"}


async def test_who_is_let_in_against_the_decision_is_listed_without_session(service: ScriptedService) -> None:
    service.answer = rejected()
    passport = SocketPass(service.address, fail=lambda handshake, decision: True)
    async with serve(starlette_app(passport, [])) as host:
        stream = await service.stream()
        await stream.welcome()
        async with connect(f"ws://{host}/chat") as ws:
            await ws.send("who")
            assert json.loads(await ws.recv()) == {"logged_in": False}
            (socket,) = (await stream.until(lambda listed: len(listed) == 1)).values()
            assert socket.session_id == ""
            assert socket.user == to_struct({"logged_in": False})


class SlowServer:
    """Between an app and its server, which holds back what is sent, and tells nobody that it was closed."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.accepted = asyncio.Event()
        self.reads = asyncio.Event()
        self.reads.set()
        self.sent: list[Any] = []
        self.received: asyncio.Queue[Any] = asyncio.Queue()
        self.received.put_nowait({"type": "websocket.connect"})

    async def _send(self, message: Any) -> None:
        await self.reads.wait()
        self.sent.append(message)
        self.accepted.set()

    async def run(self) -> None:
        scope = {"type": "websocket", "path": "/chat", "headers": [], "query_string": b"", "app": self._app}
        await self._app(scope, self.received.get, self._send)


@asynccontextmanager
async def slowly(app: Any) -> AsyncIterator[tuple[SlowServer, "asyncio.Task[None]"]]:
    server = SlowServer(app)
    running = asyncio.create_task(server.run())
    await asyncio.wait_for(server.accepted.wait(), PATIENCE)
    yield server, running
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@both
async def test_nothing_is_received_after_the_close(service: ScriptedService, make_app: MakeApp) -> None:
    """Some servers hand on what the client sends until it has answered the close."""
    ends: list[str] = []
    async with SocketPass(service.address) as passport, slowly(make_app(passport, ends)) as (server, running):
        (socket,) = passport.sockets.values()
        server.received.put_nowait({"type": "websocket.receive", "text": "who"})
        await asyncio.sleep(0.1)
        await socket.close(CloseNow(4505, "disconnected"))
        assert not passport.sockets
        for _ in range(3):
            server.received.put_nowait({"type": "websocket.receive", "text": "data"})
        await asyncio.wait_for(running, PATIENCE)
        assert ends == ["disconnected"]
        assert [message["type"] for message in server.sent] == ["websocket.accept", "websocket.send", "websocket.close"]


@both
async def test_what_waits_for_a_client_that_does_not_read_is_bounded(
    service: ScriptedService, make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    async with SocketPass(service.address) as passport, slowly(make_app(passport, [])) as (server, _):
        (socket,) = passport.sockets.values()
        server.reads.clear()
        sending = [asyncio.create_task(socket.send("news", [number, "x" * 400_000])) for number in range(5)]
        await asyncio.sleep(0.1)
        assert [task.done() for task in sending] == [False, False, False, True, True]
        closing = asyncio.create_task(socket.close(CloseNow(4505, "disconnected")))
        await asyncio.sleep(0.1)
        server.reads.set()
        await closing
        results = await asyncio.gather(*sending, return_exceptions=True)
        assert [type(result) for result in results] == [type(None)] * 3 + [DoesNotRead] * 2
        # In order, and the close is the last.
        assert [json.loads(message["text"])["args"][0] for message in server.sent[1:-1]] == [0, 1, 2]
        assert server.sent[-1] == {"type": "websocket.close", "code": 4505, "reason": "disconnected"}


@both
async def test_events_do_not_overtake_one_another(service: ScriptedService, make_app: MakeApp) -> None:
    async with SocketPass(service.address) as passport, slowly(make_app(passport, [])) as (server, _):
        (socket,) = passport.sockets.values()
        server.reads.clear()
        sending = [asyncio.create_task(socket.send("news", [number])) for number in range(2)]
        await asyncio.sleep(0.1)
        # The next comes just when the client reads again.
        sending.append(asyncio.create_task(socket.send("news", [2])))
        closing = asyncio.create_task(socket.close(CloseNow(4505, "disconnected")))
        server.reads.set()
        await asyncio.gather(*sending, closing)
        assert [json.loads(message["text"])["args"] for message in server.sent[1:-1]] == [[0], [1], [2]]
        assert server.sent[-1]["type"] == "websocket.close"


async def test_who_is_accepted_after_the_end_is_closed(service: ScriptedService) -> None:
    decided, ended = asyncio.Event(), asyncio.Event()

    async def endpoint(websocket: WebSocket) -> None:
        decided.set()
        await ended.wait()
        await websocket.accept()
        with pytest.raises(WebSocketDisconnect) as raised:
            await websocket.receive_text()
        assert (raised.value.code, raised.value.reason) == (4001, "gateway_draining")

    passport = SocketPass(service.address)
    app = Starlette(routes=[WebSocketRoute("/", endpoint)], lifespan=lifespan(passport))
    app.add_middleware(SocketPassMiddleware, passport=passport)
    async with serve(app) as host:
        connecting = asyncio.create_task(connect(f"ws://{host}/").__aenter__())
        await asyncio.wait_for(decided.wait(), PATIENCE)
        await passport.close()
        ended.set()
        ws = await connecting
        with pytest.raises(ConnectionClosed) as raised:
            await asyncio.wait_for(ws.recv(), PATIENCE)
        assert raised.value.rcvd is not None
        assert raised.value.rcvd.code == 4001
        assert not passport.sockets


@pytest.mark.parametrize(
    ("path", "namespace"),
    [("/a b/é", "/a b/é"), ("http://host/chat", "/chat"), ("ws://host", ""), ("/a/http://b", "/a/http://b")],
)
def test_the_namespace_is_the_path_as_routes_see_it(path: str, namespace: str) -> None:
    assert Handshake.from_scope({"path": path, "headers": []}).namespace == namespace


@both
async def test_a_disconnect_without_a_code_has_one(service: ScriptedService, make_app: MakeApp) -> None:
    passport = SocketPass(service.address)
    async with serve(make_app(passport, [])) as host:
        stream = await service.stream()
        await stream.welcome()
        for number, close in enumerate([None, Close(code=1000), Close(code=4600, reason="x" * 124)]):
            async with connect(f"ws://{host}/chat") as ws:
                (id,) = await stream.until(lambda listed: len(listed) == 1)
                disconnect = pb.Disconnect(socket_ids=[id], close=close)
                assert await stream.result(pb.Command(command_id=str(number), disconnect=disconnect)) == [id]
                with pytest.raises(ConnectionClosed) as raised:
                    await ws.recv()
                assert raised.value.rcvd is not None
                assert (raised.value.rcvd.code, raised.value.rcvd.reason) == (4505, "disconnected")
                await stream.until(lambda listed: not listed)


@both
async def test_says_goodbye(service: ScriptedService, make_app: MakeApp) -> None:
    passport = SocketPass(service.address)
    async with serve(make_app(passport, [])) as host:
        stream = await service.stream()
        await stream.welcome()
        async with connect(f"ws://{host}/chat") as ws:
            await stream.until(lambda listed: len(listed) == 1)
            service.answer = accepted()
            closing = asyncio.create_task(passport.close())
            with pytest.raises(ConnectionClosed) as raised:
                await ws.recv()
            assert raised.value.rcvd is not None
            assert (raised.value.rcvd.code, raised.value.rcvd.reason) == (4001, "gateway_draining")
            with pytest.raises(InvalidStatus) as late:
                await connect(f"ws://{host}/chat")
            assert late.value.response.status_code == 503
            await closing
        await asyncio.wait_for(stream.gone.wait(), PATIENCE)
