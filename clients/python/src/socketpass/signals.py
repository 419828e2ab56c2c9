"""Something to be done before the program has its signal."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Iterable
from types import FrameType


def before_signals(signals: Iterable[int], act: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Has `act` run when one of the signals comes first, and then the handler that was there. Answers what undoes it.

    A second signal while it runs goes straight to the handler that was there: somebody is in a hurry.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None  # Signals do not come here: an app in a test, with its loop in a thread.
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()
    before = {number: signal.getsignal(number) for number in signals}

    def restore() -> None:
        for number, handler in before.items():
            if signal.getsignal(number) is came:
                signal.signal(number, handler)

    async def act_and_go_on(number: int) -> None:
        try:
            await act()
        finally:
            signal.raise_signal(number)

    def start(number: int) -> None:
        tasks.add(asyncio.ensure_future(act_and_go_on(number)))

    def came(number: int, frame: FrameType | None) -> None:
        restore()
        loop.call_soon_threadsafe(start, number)

    for number in before:
        signal.signal(number, came)
    return restore
