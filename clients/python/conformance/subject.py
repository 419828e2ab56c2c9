"""The subject of the conformance runner: what clients/conformance/SUBJECT.md says."""

import asyncio
import gc
import json
import os
import resource
import signal
import socket
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import socketio
import uvicorn
from opentelemetry import context
from opentelemetry.propagate import extract
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from socketpass import TLS, Close, Decision, Handshake, Refused, Socket, SocketPass
from socketpass.asgi import SocketPassMiddleware
from socketpass.socketio import SOCKET, protect

SUBJECT = json.loads(os.environ["SUBJECT"])
# A ping leaves something behind with every socket.
PING_INTERVAL = 3600 if "bare" in SUBJECT else 20


def say(event: str, **members: Any) -> None:
    print(json.dumps({"event": event, **members}), flush=True)


def make_passport() -> SocketPass | None:
    """None when the server is bare."""
    if SUBJECT.get("bare"):
        return None
    settings: dict[str, Any] = {}
    for member, setting in {
        "address": "address",
        "token": "token",
        "gatewayId": "gateway_id",
        "labels": "labels",
        "onUnavailable": "on_unavailable",
    }.items():
        if member in SUBJECT:
            settings[setting] = SUBJECT[member]
    if "tls" in SUBJECT:
        settings["tls"] = TLS(**SUBJECT["tls"])
    for member, setting in {"timeoutMs": "timeout", "closeAfterLossMs": "close_after_loss"}.items():
        if member in SUBJECT:
            settings[setting] = SUBJECT[member] / 1000
    if "success" in SUBJECT or "fail" in SUBJECT:
        settings.update(success=success, fail=fail)
    if SUBJECT.get("unknownSetting"):
        settings["colour"] = "red"
    return SocketPass(user_changed=user_changed, **settings)


def success(handshake: Handshake, decision: Decision) -> None:
    say("success", user=decision.user)
    match SUBJECT.get("success"):
        case "reject":
            raise Refused("refused by the application")
        case "throw":
            raise RuntimeError("the hook was told to fail")


def fail(handshake: Handshake, decision: Decision) -> bool | None:
    close = decision.close and {"code": decision.close.code, "reason": decision.close.reason}
    reason = decision.reason.name if decision.reason else "REASON_UNSPECIFIED"
    say("fail", reason=reason, message=decision.message, error=decision.error, close=close)
    match SUBJECT.get("fail"):
        case "accept":
            return True
        case "throw":
            raise RuntimeError("the hook was told to fail")
        case _:
            return None


def user_changed(socket: Socket) -> None:
    say("user_changed", socket_id=socket.id, user=socket.user)


Lifespan = Callable[[Any], Any]


def socketio_app(passport: SocketPass | None, lifespan: Lifespan) -> Any:
    sio = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*", ping_interval=PING_INTERVAL)
    if passport is not None:
        protect(sio, passport)

    def handle(namespace: str) -> None:
        async def connect(sid: str, environ: dict[str, Any], auth: Any) -> None:
            opened: Socket | None = environ.get(SOCKET)
            say("opened", socket_id=opened and opened.id)
            await whoami(sid)

        async def whoami(sid: str) -> None:
            session = await sio.get_session(sid, namespace)
            await sio.emit("you", session.get("user"), to=sid, namespace=namespace)

        def disconnect(sid: str, reason: str) -> None:
            say("closed", socket_id=sid)

        for handler in (connect, whoami, disconnect):
            sio.on(handler.__name__, handler, namespace=namespace)

    handle("/")
    handle("/chat")
    return socketio.ASGIApp(sio, other_asgi_app=Starlette(lifespan=lifespan))


async def talk(websocket: WebSocket, socket: Socket | None = None) -> None:
    async def you() -> None:
        await websocket.send_json({"event": "you", "args": [getattr(websocket.state, "user", None)]})

    await websocket.accept()
    say("opened", socket_id=socket and socket.id)
    try:
        await you()
        async for text in websocket.iter_text():
            if json.loads(text)["event"] == "whoami":
                await you()
    except WebSocketDisconnect:
        pass
    finally:
        say("closed", socket_id=socket and socket.id)


async def off(websocket: WebSocket) -> None:
    await websocket.close()


def starlette_app(passport: SocketPass | None, lifespan: Lifespan) -> Any:
    async def endpoint(websocket: WebSocket) -> None:
        await talk(websocket, websocket.state.socket)

    async def bare(websocket: WebSocket) -> None:
        await talk(websocket)

    if passport is None:
        return Starlette(routes=[WebSocketRoute("/{path:path}", bare)], lifespan=lifespan)
    authorized = Middleware(
        SocketPassMiddleware, passport=passport, reject_after_upgrade=SUBJECT.get("rejectAfterUpgrade", False)
    )
    routes = [WebSocketRoute("/off", off), WebSocketRoute("/{path:path}", endpoint, middleware=[authorized])]
    return Starlette(routes=routes, lifespan=lifespan)


def fastapi_app(passport: SocketPass | None, lifespan: Lifespan) -> Any:
    # Half of the time that a start takes: the other kinds need not wait for it.
    from fastapi import Depends, FastAPI

    from socketpass.fastapi import AuthorizedSocket

    app = FastAPI(lifespan=lifespan)
    app.websocket("/off")(off)
    if passport is None:

        @app.websocket("/{path:path}")
        async def bare(websocket: WebSocket) -> None:
            await talk(websocket)

        return app
    authorized = AuthorizedSocket(passport, reject_after_upgrade=SUBJECT.get("rejectAfterUpgrade", False))

    @app.websocket("/{path:path}")
    async def endpoint(websocket: WebSocket, socket: Annotated[Socket, Depends(authorized)]) -> None:
        await talk(websocket, socket)

    return app


APPS = {"python-socketio": socketio_app, "starlette": starlette_app, "fastapi": fastapi_app}


def traced(app: Any) -> Any:
    """The context of the request is current, as OpenTelemetry's own middleware has it."""

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope.get("headers", ())}
        token = context.attach(extract(headers))
        try:
            await app(scope, receive, send)
        finally:
            context.detach(token)

    return middleware


class Answers:
    """What the runner asks on standard input."""

    def __init__(self, passport: SocketPass | None) -> None:
        self._passport: Any = passport  # A bare server is asked for its memory alone.
        self._answering: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        reader = asyncio.StreamReader(limit=1 << 24)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        async for line in reader:
            question = json.loads(line)
            task = asyncio.create_task(self._answer(question))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    async def _answer(self, question: dict[str, Any]) -> None:
        act: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]] = getattr(self, question["do"])
        try:
            answer = await act(question)
        except Exception as error:
            answer = {"error": str(error)}
        say("answer", id=question["id"], **answer)

    async def authorize(self, question: dict[str, Any]) -> dict[str, Any]:
        handshake = Handshake(headers={"cookie": question["cookie"]}, url="/socket.io/?EIO=4", namespace="/")
        left = question["calls"]
        accepted = 0

        async def ask() -> None:
            nonlocal left, accepted
            while left > 0:
                left -= 1
                decision = await self._passport.authorize(handshake)
                accepted += decision.accepted

        wall, cpu = time.perf_counter(), _cpu()
        await asyncio.gather(*(ask() for _ in range(question["concurrency"])))
        return {
            "calls": question["calls"],
            "accepted": accepted,
            "wall_ms": (time.perf_counter() - wall) * 1000,
            "cpu_ms": (_cpu() - cpu) * 1000,
        }

    async def memory(self, question: dict[str, Any]) -> dict[str, Any]:
        # What has come before is not counted, nor is it when it goes: the difference of two answers is what counts.
        if not tracemalloc.is_tracing():
            tracemalloc.start()
        gc.collect()
        return {"bytes": tracemalloc.get_traced_memory()[0]}

    async def filter(self, question: dict[str, Any]) -> dict[str, Any]:
        found = await self._passport.filter_sockets(question["filter"], question.get("params"))
        members = ("gateway_id", "socket_id", "namespace", "user")
        return {"sockets": [{member: getattr(socket, member) for member in members} for socket in found.sockets]}

    async def count(self, question: dict[str, Any]) -> dict[str, Any]:
        return {"total": (await self._passport.count_sockets(question["filter"], question.get("params"))).total}

    async def send(self, question: dict[str, Any]) -> dict[str, Any]:
        outcome = await self._passport.send_to_sockets(
            question["filter"], question.get("params"), event=question["name"], args=question["args"]
        )
        return {"done": outcome.done}

    async def disconnect(self, question: dict[str, Any]) -> dict[str, Any]:
        close = Close(**question["close"])
        outcome = await self._passport.disconnect_sockets(question["filter"], question.get("params"), close=close)
        return {"done": outcome.done}

    async def data(self, question: dict[str, Any]) -> dict[str, Any]:
        self._passport.sockets[question["socket_id"]].data = question["data"]
        return {"ok": True}

    async def local(self, question: dict[str, Any]) -> dict[str, Any]:
        sockets = [
            {"socket_id": socket.id, "user": socket.user}
            for socket in self._passport.sockets.values()
            if socket.namespace == question["namespace"]
        ]
        return {"sockets": sockets}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Server(uvicorn.Server):
    """Says where it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        say("listening", port=self.servers[0].sockets[0].getsockname()[1])


async def main() -> None:
    try:
        passport = make_passport()
    except (TypeError, ValueError) as error:
        say("error", message=str(error))
        sys.exit(1)

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        if passport is None:
            yield
            return
        async with passport:
            passport.close_on(signal.SIGTERM, signal.SIGINT)
            yield

    app = traced(APPS[SUBJECT["kind"]](passport, lifespan))
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_level="warning",
        timeout_graceful_shutdown=2,
        ws_ping_interval=PING_INTERVAL,
    )
    server = Server(config)
    answering = asyncio.create_task(Answers(passport).run())
    await server.serve()
    answering.cancel()


if __name__ == "__main__":
    # uvicorn raises the signal again when it has ended in order: that is the end that was asked for.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    asyncio.run(main())
