"""Carries out what the fleet commands."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from google.protobuf.struct_pb2 import Struct

from socketpass.decision import DISCONNECTED, Close
from socketpass.log import Causes
from socketpass.settings import UserChanged
from socketpass.sockets import OpenSockets, Socket
from socketpass.v1 import registry_service_pb2 as pb
from socketpass.v1.close_pb2 import Close as CloseMessage
from socketpass.values import from_struct, from_value

# The service waits five seconds for the result. A client that reads nothing more must not cost the others theirs.
_PATIENCE = 3.0


class Commands:
    """Carries out commands on the open sockets."""

    def __init__(self, sockets: OpenSockets, user_changed: UserChanged | None) -> None:
        self._sockets = sockets
        self._user_changed = user_changed
        self._causes = Causes()
        self._tasks: set[asyncio.Task[None]] = set()

    async def carry_out(self, command: pb.Command) -> list[str]:
        """The sockets for which it is so now."""
        match command.WhichOneof("command"):
            case "disconnect":
                ids, close = command.disconnect.socket_ids, _close(command.disconnect.close)
                failed = await self.disconnect(ids, close)
                return [id for id in ids if id not in failed]
            case "send":
                event, args = command.send.event, [from_value(arg) for arg in command.send.args]
                ended = await self._each(command.send.socket_ids, lambda socket: socket.send(event, args))
            case "user_changed":
                message = command.user_changed
                ended = await self._each(message.socket_ids, lambda socket: self._change(socket, message.user))
            case _:
                return []
        return [id for id, error in ended.items() if error is None]

    async def disconnect(self, ids: Iterable[str], close: Close) -> set[str]:
        """Closes sockets; answers those that could not be. One whose closing takes long is off the list already."""
        ended = await self._each(ids, lambda socket: socket.close(close))
        return {id for id, error in ended.items() if error is not None}

    async def _change(self, socket: Socket, user: Struct) -> None:
        await socket.change_user(from_struct(user))
        if self._user_changed is not None:
            told = self._user_changed(socket)
            if inspect.isawaitable(told):
                await told

    async def _each(
        self, ids: Iterable[str], act: Callable[[Socket], Coroutine[Any, Any, None]]
    ) -> dict[str, BaseException | None]:
        """How it ended with those of the sockets that are open. Those that take too long are not in it, and go on."""
        tasks = {id: asyncio.create_task(act(socket)) for id in ids if (socket := self._sockets.get(id)) is not None}
        if not tasks:
            return {}
        for task in tasks.values():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        done, _ = await asyncio.wait(tasks.values(), timeout=_PATIENCE)
        ended = {id: task.exception() for id, task in tasks.items() if task in done}
        for id, error in ended.items():
            if error is not None:
                cause = (type(error), str(error))
                self._causes.warn(cause, "a command failed for socket %s: %s", id, error, error=error)
        return ended


def _close(message: CloseMessage) -> Close:
    return Close(message.code, message.reason).or_else(DISCONNECTED)
