"""Closing before a signal is the program's. With a server it is tested in test_readme."""

from __future__ import annotations

import asyncio
import signal
from types import FrameType

from socketpass import SocketPass
from tests.scripted import PATIENCE


async def test_signals_are_the_programs_again_when_it_has_ended() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    async with SocketPass("127.0.0.1:1") as passport:
        passport.close_on(signal.SIGUSR1)
        assert signal.getsignal(signal.SIGUSR1) is not before
    assert signal.getsignal(signal.SIGUSR1) is before


async def test_the_program_has_the_signal_after_the_end() -> None:
    came = asyncio.Event()
    passport = SocketPass("127.0.0.1:1")

    def handler(number: int, frame: FrameType | None) -> None:
        assert not passport.sockets
        came.set()

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        async with passport:
            passport.close_on(signal.SIGUSR1)
            signal.raise_signal(signal.SIGUSR1)
            assert not came.is_set()
            await asyncio.wait_for(came.wait(), PATIENCE)
    finally:
        signal.signal(signal.SIGUSR1, before)


async def test_other_threads_have_no_signals() -> None:
    async def run() -> None:
        async with SocketPass("127.0.0.1:1") as passport:
            passport.close_on(signal.SIGUSR1)

    before = signal.getsignal(signal.SIGUSR1)
    await asyncio.to_thread(asyncio.run, run())
    assert signal.getsignal(signal.SIGUSR1) is before
