"""Closes sockets that nobody can end from outside any more (`close_after_loss`)."""

from __future__ import annotations

import asyncio
import time

from socketpass.commands import Commands
from socketpass.decision import SERVICE_UNAVAILABLE
from socketpass.sockets import OpenSockets


class LossGuard:
    """Counts how long sockets have been open without a stream."""

    def __init__(self, close_after: float | None, sockets: OpenSockets, commands: Commands) -> None:
        self._close_after = close_after
        self._sockets = sockets
        self._commands = commands
        self._closing: asyncio.Task[None] | None = None

    def lost(self) -> None:
        """There is no stream. Said again, it counts from the first time."""
        if self._close_after is not None and self._closing is None:
            self._closing = asyncio.create_task(self._close(time.monotonic(), self._close_after))

    def found(self) -> None:
        """A stream was welcomed, or the client ends."""
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None

    async def _close(self, lost_at: float, close_after: float) -> None:
        while True:
            # The oldest comes first; while none is open, one that opens now is the next that may be due.
            oldest = next(iter(self._sockets.values()), None)
            since = time.monotonic() if oldest is None else max(lost_at, oldest.opened_at)
            await asyncio.sleep(since + close_after - time.monotonic())
            latest = time.monotonic() - close_after
            due = [id for id, socket in self._sockets.items() if max(lost_at, socket.opened_at) <= latest]
            await self._commands.disconnect(due, SERVICE_UNAVAILABLE)
