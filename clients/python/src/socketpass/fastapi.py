"""A dependency for FastAPI's WebSockets."""

import asyncio

from starlette.exceptions import WebSocketException
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from socketpass.asgi import GuardedWebSocket, Rejected, Write, write_json
from socketpass.client import SocketPass
from socketpass.sockets import Socket


class AuthorizedSocket:
    """A dependency that lets a WebSocket in, or not, before the endpoint is called; it gives the Socket.

        authorized = AuthorizedSocket(passport)

        @app.websocket("/chat")
        async def chat(websocket: WebSocket, socket: Annotated[Socket, Depends(authorized)]) -> None:
            await websocket.accept()
            await websocket.send_json(socket.user)

    What the settings mean, and what a client hears that is not let in, is as in SocketPassMiddleware.
    """

    def __init__(self, passport: SocketPass, *, reject_after_upgrade: bool = False, write: Write = write_json) -> None:
        self.passport = passport
        self.reject_after_upgrade = reject_after_upgrade
        self.write = write

    async def __call__(self, websocket: WebSocket) -> Socket:
        guarded = _Guarded(self.passport, websocket.scope, websocket.receive, websocket.send, write=self.write)
        vars(websocket).update(
            receive=guarded.receive, send=guarded.send
        )  # All that a WebSocket does goes through these.
        # Servers run the app in a task for each WebSocket. A dependency that yields would see the end, too, but FastAPI
        # keeps four kilobytes for it.
        task = asyncio.current_task()
        if task is not None:
            task.add_done_callback(guarded.task_ended)
        try:
            return await guarded.authorize(reject_after_upgrade=self.reject_after_upgrade)
        except Rejected as rejected:
            # Ends the request. The framework closes then, which is passed over: the client has its answer.
            raise WebSocketException(1008, rejected.decision.message) from rejected


class _Guarded(GuardedWebSocket):
    __slots__ = ()

    async def send(self, message: Message) -> None:
        try:
            await super().send(message)
        except OSError:
            raise WebSocketDisconnect(1006) from None
