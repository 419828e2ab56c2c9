"""Keeps a Report stream open: the next whenever one ends."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable

import grpc
import grpc.aio

from socketpass.channel import bearer
from socketpass.hints import explain
from socketpass.log import Causes, logger
from socketpass.settings import Token
from socketpass.sockets import OpenSockets
from socketpass.stream import End, Stream
from socketpass.v1 import registry_service_pb2 as pb
from socketpass.v1.registry_service_pb2_grpc import RegistryServiceStub

GOODBYE_WITHIN = 5.0
_AT_ONCE = 0.1
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0


class Reporter:
    """Tells the service what is open here, whatever becomes of a stream."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        *,
        hello: pb.Hello,
        token: Token | None,
        sockets: OpenSockets,
        carry_out: Callable[[pb.Command], Awaitable[list[str]]],
        on_welcome: Callable[[], None],
        on_loss: Callable[[], None],
    ) -> None:
        self._stub = RegistryServiceStub(channel)
        self._hello = hello
        self._token = token
        self._sockets = sockets
        self._carry_out = carry_out
        self._on_welcome = on_welcome
        self._on_loss = on_loss
        self._causes = Causes()
        self._stream: Stream | None = None
        self._leaving = False
        self._running = asyncio.create_task(self._run())

    async def goodbye(self) -> None:
        """Takes the process off the list, and ends."""
        self._leaving = True
        if self._stream is not None:
            try:
                await asyncio.wait_for(self._say_goodbye(self._stream), GOODBYE_WITHIN)
            except asyncio.TimeoutError:
                logger.warning("the goodbye was not answered: the sockets stay listed until the lease ends")
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running

    async def _say_goodbye(self, stream: Stream) -> None:
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await stream.goodbye()
        await asyncio.shield(self._running)

    async def _run(self) -> None:
        pauses = 0
        while not self._leaving:
            end = await self._report()
            if end.listed:
                pauses = 0
            if self._leaving:
                return
            self._on_loss()
            self._causes.warn(end.code, "not reporting, it is tried again: %s", explain(end.code, end.details))
            if end.welcomed and end.code is grpc.StatusCode.UNAVAILABLE:
                # A replica that goes, or wants everything again: another is there.
                await asyncio.sleep(random.uniform(0, _AT_ONCE))
            else:
                await asyncio.sleep(_pause(pauses))
                pauses += 1

    async def _report(self) -> End:
        try:
            metadata = await bearer(self._token, _LONGEST_PAUSE)
        except Exception as error:
            return End(grpc.StatusCode.UNAUTHENTICATED, f"`token` gave none: {error}")
        self._stream = Stream(
            self._stub.Report(metadata=metadata),
            hello=self._hello,
            sockets=self._sockets,
            carry_out=self._carry_out,
            on_welcome=self._welcomed,
            causes=self._causes,
        )
        try:
            return await self._stream.run()
        except Exception as error:
            logger.exception("reporting failed")
            return End(grpc.StatusCode.INTERNAL, str(error))
        finally:
            self._stream = None

    def _welcomed(self) -> None:
        logger.info("the stream to the registry is open, as %s", self._hello.gateway_id)
        self._on_welcome()


def _pause(pauses: int) -> float:
    pause: float = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(pauses, 16))
    return pause * random.uniform(0.5, 1)
