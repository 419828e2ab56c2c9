"""python-socketio: every namespace of a server is authorized."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import socketio
from socketio.exceptions import ConnectionRefusedError

from socketpass.client import SocketPass
from socketpass.decision import SERVICE_UNAVAILABLE, Close, Decision, User, draining
from socketpass.errors import SettingError
from socketpass.handshake import Handshake
from socketpass.sockets import MOST_WAITING, DoesNotRead

# A client that does not read must not be waited for.
_HEARD_WITHIN: Final = 2.0

SOCKET: Final = "socketpass.socket"
"""Where a `connect` handler finds the Socket in its `environ`."""


def protect(sio: socketio.AsyncServer, passport: SocketPass) -> None:
    """Has every connection to every namespace of the server authorized before its `connect` handler is called.

    The user is in the socket's session, under `user_property`, and the Socket in the `environ` that `connect` handlers
    get, `environ[SOCKET]`. Who is not let in gets `connect_error` with the message, and `{code, reason}` as data.
    Handlers may be added before or after, as functions or classes; it has to be called before the server serves.
    """
    if sio.async_mode != "asgi":
        raise SettingError("async_mode", "takes 'asgi'", sio.async_mode)
    if sio.always_connect:  # Events of clients that nobody has authorized yet would be handled.
        raise SettingError("always_connect", "takes False", sio.always_connect)
    _Guard(sio, passport)


class _Guard:
    """Stands between a server and its handlers."""

    def __init__(self, sio: socketio.AsyncServer, passport: SocketPass) -> None:
        self._sio = sio
        self._passport = passport
        # Here alone does python-socketio pass all handlers by, functions and classes; its own admin UI looks in here.
        # A version without it fails at once, with nobody let in.
        self._trigger = sio._trigger_event
        sio._trigger_event = self._trigger_event
        # And here alone comes in what clients send.
        self._events, self._acks = sio._handle_event, sio._handle_ack
        sio._handle_event, sio._handle_ack = self._handle_event, self._handle_ack
        # python-socketio puts a client into its rooms before `connect`: it would hear what is sent to all.
        self._let_in: set[str] = set()
        self._participants = sio.manager.get_participants
        sio.manager.get_participants = self._get_participants

    def _get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:
        return (pair for pair in self._participants(namespace, room) if pair[0] in self._let_in)

    async def _handle_event(self, eio_sid: str, namespace: str | None, id: int | None, data: Any) -> None:
        # To clients `connect` and `disconnect` are names like others: the handlers are not theirs to call.
        if self._is_open(eio_sid, namespace) and data and data[0] not in self._sio.reserved_events:
            await self._events(eio_sid, namespace, id, data)

    async def _handle_ack(self, eio_sid: str, namespace: str | None, id: int | None, data: Any) -> None:
        if self._is_open(eio_sid, namespace):
            await self._acks(eio_sid, namespace, id, data)

    def _is_open(self, eio_sid: str, namespace: str | None) -> bool:
        """Whether it has been let in, and not been told to close."""
        return self._sio.manager.sid_from_eio_sid(eio_sid, namespace or "/") in self._passport.sockets

    async def _trigger_event(self, event: str, namespace: str, *args: Any) -> Any:
        if event == "connect":
            return await self._connect(namespace, *args)
        try:
            return await self._trigger(event, namespace, *args)
        finally:
            if event == "disconnect":
                self._let_in.discard(args[0])
                self._passport.sockets.closed(args[0])

    async def _connect(self, namespace: str, sid: str, environ: dict[str, Any], auth: Any = None) -> Any:
        handshake = Handshake.from_scope(
            environ["asgi.scope"], namespace=namespace, auth=auth if isinstance(auth, dict) else None
        )
        decision = await self._passport.admit(handshake)
        if not decision.accepted:
            raise _refusal(decision)
        self._refuse_if_gone(sid, namespace, environ)
        connection = _Connection(self._sio, sid, namespace, self._passport.user_property)
        socket = self._passport.make_socket(sid, handshake, decision, connection)
        await connection.put_user(decision.user)
        self._let_in.add(sid)
        try:
            # A copy: other namespaces of the same connection have theirs.
            answer = await self._call_handler(namespace, sid, {**environ, SOCKET: socket}, auth)
            if answer is not False:
                self._refuse_if_gone(sid, namespace, environ)
                await connection.put_user(socket.user)  # Handlers like to save a session of their own.
                if self._passport.is_closing:
                    raise _refusal(draining())
                self._passport.sockets.opened(socket)
            return answer
        finally:
            if sid not in self._passport.sockets:
                self._let_in.discard(sid)

    async def _call_handler(self, namespace: str, sid: str, environ: dict[str, Any], auth: Any) -> Any:
        try:
            return await self._trigger("connect", namespace, sid, environ, auth)
        except TypeError as error:
            # A handler may do without `auth`, as python-socketio has it, which is for the service here.
            try:
                return await self._trigger("connect", namespace, sid, environ)
            except TypeError:
                raise error from None

    def _refuse_if_gone(self, sid: str, namespace: str, environ: dict[str, Any]) -> None:
        # python-socketio tells nobody of a client that goes while it connects, and would keep it for good.
        if self._sio.get_environ(sid, namespace) is not environ:
            raise ConnectionRefusedError("The client has gone")


def _refusal(decision: Decision) -> ConnectionRefusedError:
    close = decision.close or SERVICE_UNAVAILABLE
    return ConnectionRefusedError(decision.message, {"code": close.code, "reason": close.reason})


class _Connection:
    """A socket of python-socketio."""

    __slots__ = ("_namespace", "_sid", "_sio", "_user_property")

    def __init__(self, sio: socketio.AsyncServer, sid: str, namespace: str, user_property: str) -> None:
        self._sio = sio
        self._sid = sid
        self._namespace = namespace
        self._user_property = user_property

    async def close(self, close: Close) -> None:
        # Socket.IO cannot set a close code.
        await self._emit("socketpass:close", [{"code": close.code, "reason": close.reason}])
        if close.is_final:
            await self._sio.disconnect(self._sid, self._namespace, ignore_queue=True)
        else:
            await self._drop()

    async def _drop(self) -> None:
        """Ends the whole connection.

        Socket.IO's clients stay away from a namespace that has disconnected them, and come back by themselves when the
        connection is lost.
        """
        transport = self._transport()
        if transport is None:
            return
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(transport.queue.join(), _HEARD_WITHIN)
        # Polls end with a packet, a WebSocket with its queue; there some clients take the packet for the end of all.
        await transport.close(wait=False, abort=transport.upgraded)
        if transport.upgraded:
            await transport.queue.put(None)

    async def send_event(self, event: str, args: list[Any]) -> None:
        if self._waiting() > MOST_WAITING:
            raise DoesNotRead
        await self._emit(event, args)

    async def _emit(self, event: str, args: list[Any]) -> None:
        # The socket is this process' own: no message queue has to hear of it.
        await self._sio.emit(event, tuple(args), to=self._sid, namespace=self._namespace, ignore_queue=True)

    def _transport(self) -> Any:
        return self._sio.eio.sockets.get(self._sio.manager.eio_sid_from_sid(self._sid, self._namespace))

    def _waiting(self) -> int:
        """Bytes that the client has not fetched."""
        transport = self._transport()
        packets = () if transport is None else transport.queue._queue
        return sum(len(packet.data or "") for packet in packets if packet is not None)

    async def put_user(self, user: User) -> None:
        session = await self._sio.get_session(self._sid, self._namespace)
        if session.get(self._user_property) is not user:
            await self._sio.save_session(self._sid, {**session, self._user_property: user}, self._namespace)
