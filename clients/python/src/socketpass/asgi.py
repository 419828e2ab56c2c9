"""WebSockets of any ASGI app: authorized before the app sees them."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from socketpass.client import SocketPass
from socketpass.decision import GATEWAY_DRAINING, Close, Decision, User
from socketpass.handshake import Handshake
from socketpass.sockets import MOST_WAITING, DoesNotRead, Socket

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Write = Callable[[str, list[Any]], str]


def write_json(event: str, args: list[Any]) -> str:
    """How an event that the fleet sends is written into a text message, unless `write` says otherwise."""
    return json.dumps({"event": event, "args": args}, ensure_ascii=False, separators=(",", ":"))


class Rejected(Exception):
    """A WebSocket was not let in, and has been told."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.message)
        self.decision = decision


class SocketPassMiddleware:
    """Lets the WebSockets of an ASGI app in, or not.

    The user is in the scope's state: Starlette's `websocket.state.user`, or as `user_property` says; the Socket is
    `websocket.state.socket`. Who is not let in is answered with an HTTP status and JSON (403 without JSON where the
    server lacks the extension `websocket.http.response`); with `reject_after_upgrade` the WebSocket is accepted and
    closed at once, so that browsers see the code. `write` makes a text message of an event that the fleet sends.

    Wrap it around what speaks WebSocket alone: Socket.IO has its own handshake, and socketpass.socketio for it.
    """

    def __init__(
        self, app: App, passport: SocketPass, *, reject_after_upgrade: bool = False, write: Write = write_json
    ) -> None:
        self.app = app
        self.passport = passport
        self.reject_after_upgrade = reject_after_upgrade
        self.write = write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            return await self.app(scope, receive, send)
        guarded = GuardedWebSocket(self.passport, scope, receive, send, write=self.write)
        try:
            await guarded.authorize(reject_after_upgrade=self.reject_after_upgrade)
        except Rejected:
            return None
        try:
            await self.app(scope, guarded.receive, guarded.send)
        finally:
            guarded.ended()
        return None


class GuardedWebSocket:
    """One WebSocket between server and app: authorized, and seen when it opens and closes.

    What the app receives costs a coroutine for every socket, as long as it is open: some servers hand on what a client
    sends after it was told to close.
    """

    __slots__ = ("_end", "_passport", "_receive", "_scope", "_send", "_socket", "_turn", "_waiting", "_write")

    def __init__(self, passport: SocketPass, scope: Scope, receive: Receive, send: Send, *, write: Write) -> None:
        self._passport = passport
        self._scope = scope
        self._receive = receive
        self._send = send
        self._write = write
        self._socket: Socket | None = None
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._end: Message | None = None

    async def authorize(self, *, reject_after_upgrade: bool) -> Socket:
        """The socket, to be listed when the app accepts it. Rejected when it is not let in."""
        handshake = Handshake.from_scope(self._scope)
        decision = await self._passport.admit(handshake)
        if decision.close is not None:
            await self._reject(decision, decision.close, reject_after_upgrade)
            raise Rejected(decision)
        self._socket = self._passport.make_socket(str(uuid.uuid4()), handshake, decision, self)
        await self.put_user(decision.user)
        self._scope["state"]["socket"] = self._socket
        return self._socket

    async def receive(self) -> Message:
        """What the app receives: the disconnect as soon as the socket is closed, whatever the client still sends."""
        if self._end is None:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                self.ended(message.get("code", 1005), message.get("reason") or "")
        return message if self._end is None else self._end

    async def send(self, message: Message) -> None:
        """What the app sends. OSError once the socket is closed, as servers have it."""
        if self._end is not None:
            if message["type"] == "websocket.close":
                return
            raise OSError("the WebSocket is closed")
        if message["type"] == "websocket.close":
            self.ended(message.get("code", 1000), message.get("reason") or "")
        await self._send(message)
        if message["type"] == "websocket.accept" and self._socket is not None:
            self._passport.sockets.opened(self._socket)
            if self._passport.is_closing:
                await self._socket.close(GATEWAY_DRAINING)

    def ended(self, code: int = 1006, reason: str = "") -> None:
        """It is not open any more."""
        if self._end is None:
            self._end = {"type": "websocket.disconnect", "code": code, "reason": reason}
        if self._socket is not None:
            self._passport.sockets.closed(self._socket.id)

    def task_ended(self, _: object) -> None:
        """It is not open any more, as the task that served it is done."""
        self.ended()

    async def close(self, close: Close) -> None:
        """For the client: closes it from outside the app, which receives the disconnect."""
        self.ended(close.code, close.reason)
        with suppress(OSError):  # It has gone.
            await self._in_turn({"type": "websocket.close", "code": close.code, "reason": close.reason})

    async def send_event(self, event: str, args: list[Any]) -> None:
        """For the client: an event that the fleet sends."""
        if self._end is not None:
            raise OSError("the WebSocket is closed")
        if self._waiting > MOST_WAITING:
            raise DoesNotRead
        text = self._write(event, args)
        self._waiting += len(text)
        try:
            await self._in_turn({"type": "websocket.send", "text": text})
        finally:
            self._waiting -= len(text)

    async def put_user(self, user: User) -> None:
        """For the client: where the app looks for the user."""
        self._scope.setdefault("state", {})[self._passport.user_property] = user

    async def _in_turn(self, message: Message) -> None:
        # While a client reads slowly servers let those that wait to send overtake one another.
        async with self._turn:
            await self._send(message)

    async def _reject(self, decision: Decision, close: Close, after_upgrade: bool) -> None:
        self.ended(close.code, close.reason)
        if (await self._receive())["type"] != "websocket.connect":
            return  # The client has gone.
        if after_upgrade:
            # Browsers give up without an answer to the subprotocols that they have asked for.
            subprotocol = next(iter(self._scope.get("subprotocols", ())), None)
            await self._send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": []})
            await self._send({"type": "websocket.close", "code": close.code, "reason": close.reason})
        elif "websocket.http.response" in self._scope.get("extensions", {}):
            body = {"code": close.code, "reason": close.reason, "message": decision.message}
            headers = [(b"content-type", b"application/json")]
            await self._send(
                {"type": "websocket.http.response.start", "status": decision.http_status, "headers": headers}
            )
            await self._send({"type": "websocket.http.response.body", "body": json.dumps(body).encode()})
        else:
            await self._send({"type": "websocket.close", "code": close.code, "reason": close.reason})
