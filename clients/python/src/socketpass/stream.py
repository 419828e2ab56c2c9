"""One Report stream, from hello to its end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import grpc
import grpc.aio

from socketpass.log import Causes, logger
from socketpass.sockets import OpenSockets, Socket
from socketpass.v1 import registry_service_pb2 as pb

# A hello may wait for half a lease until the process' former life is over.
WELCOME_WITHIN = 20.0
# What happens meanwhile goes out in one batch.
BATCH_EVERY = 0.02
EVENTS_A_BATCH = 500
# Far from the 4 MiB that the service takes.
BYTES_A_BATCH = 1 << 20
BATCHES_UNDER_WAY = 16
# Silence is counted in ticks, so that an event loop that was blocked for long, acks waiting, counts as one.
TICKS_OF_SILENCE = 8

# What grpcio says when a stream ends that it is just writing to. The status that the service sent is lost then; the
# next stream ends with it again, if it is one that lasts.
_LOST = (grpc.StatusCode.INTERNAL, "Internal error from Core")

Call = grpc.aio.StreamStreamCall[pb.ReportRequest, pb.ReportResponse]


@dataclass(frozen=True, slots=True)
class End:
    """How a stream ended."""

    code: grpc.StatusCode
    details: str
    welcomed: bool = False
    listed: bool = False
    """Whether the service has taken the whole list."""


class _Ended(Exception):
    """Nothing more comes."""


class _GivenUp(Exception):
    """The service hangs."""


class Stream:
    """Lists what is open, then what changes, and has commands carried out."""

    def __init__(
        self,
        call: Call,
        *,
        hello: pb.Hello,
        sockets: OpenSockets,
        carry_out: Callable[[pb.Command], Awaitable[list[str]]],
        on_welcome: Callable[[], None],
        causes: Causes,
    ) -> None:
        self._call = call
        self._hello = hello
        self._sockets = sockets
        self._carry_out = carry_out
        self._on_welcome = on_welcome
        self._causes = causes

        self._welcomed = False
        self._sequence = 0
        self._acked = 0
        self._acks = asyncio.Event()
        self._completed_by: int | None = None
        self._unlisted = 0
        self._changed: dict[Socket, None] = {}
        self._wake = asyncio.Event()
        # gRPC takes one message at a time.
        self._writing = asyncio.Lock()
        self._obeying: set[asyncio.Task[None]] = set()

    async def run(self) -> End:
        """Goes on until the stream ends, whatever the status."""
        given_up = None
        parts: list[asyncio.Task[None]] = []
        try:
            lease = await self._begin()
            parts = [asyncio.create_task(part) for part in (self._listen(), self._tell(lease), self._watch(lease))]
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in done:
                part.result()
        except _GivenUp as error:
            given_up = str(error)
        except (_Ended, grpc.aio.AioRpcError, asyncio.InvalidStateError):
            pass  # The status says it.
        finally:
            self._sockets.on_change(None)
            running = [*parts, *self._obeying]
            for task in running:
                task.cancel()
            self._call.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        if given_up is not None:
            return self._end(grpc.StatusCode.DEADLINE_EXCEEDED, given_up)
        code, details = await self._call.code(), await self._call.details() or ""
        if (code, details) == _LOST:
            code, details = grpc.StatusCode.UNAVAILABLE, "the stream ended while a message was on its way"
        return self._end(code, details)

    def _end(self, code: grpc.StatusCode, details: str) -> End:
        listed = self._completed_by is not None and self._acked >= self._completed_by
        return End(code, details, self._welcomed, listed)

    async def goodbye(self) -> None:
        """Takes all sockets off the list. The service ends the stream then."""
        await self._writing.acquire()  # For good: it is the last word.
        await self._call.write(pb.ReportRequest(goodbye=pb.Goodbye()))
        await self._call.done_writing()

    async def _write(self, request: pb.ReportRequest) -> None:
        async with self._writing:
            await self._call.write(request)

    async def _read(self) -> pb.ReportResponse | None:
        response = await self._call.read()
        return response if isinstance(response, pb.ReportResponse) else None  # EOF

    async def _greet(self) -> pb.Welcome:
        await self._write(pb.ReportRequest(hello=self._hello))
        while (response := await self._read()) is not None:
            if response.HasField("welcome"):
                return response.welcome
        raise _Ended

    async def _begin(self) -> float:
        try:
            welcome = await asyncio.wait_for(self._greet(), WELCOME_WITHIN)
        except asyncio.TimeoutError:
            raise _GivenUp(f"no welcome within {WELCOME_WITHIN:.0f} s") from None
        self._welcomed = True
        self._changed = dict.fromkeys(self._sockets.values())
        self._unlisted = len(self._changed)
        self._sockets.on_change(self._change)
        self._on_welcome()
        return welcome.lease.ToTimedelta().total_seconds()

    def _change(self, socket: Socket) -> None:
        self._changed[socket] = None
        self._wake.set()

    async def _listen(self) -> None:
        while (response := await self._read()) is not None:
            match response.WhichOneof("message"):
                case "ack":
                    self._acked = response.ack.sequence
                    self._acks.set()
                    for rejected in response.ack.rejected:
                        self._causes.warn(
                            ("rejected", rejected.field, rejected.message),
                            "the registry lists socket %s without `%s`: %s",
                            rejected.socket_id,
                            rejected.field,
                            rejected.message,
                        )
                case "command":
                    task = asyncio.create_task(self._obey(response.command))
                    self._obeying.add(task)
                    task.add_done_callback(self._obeying.discard)

    async def _obey(self, command: pb.Command) -> None:
        done: list[str] = []
        try:
            done = await self._carry_out(command)
        except Exception:
            logger.exception("a command failed")
        # Also when nothing was done: the caller waits.
        result = pb.CommandResult(command_id=command.command_id, done=done)
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):  # The stream has ended meanwhile.
            await self._write(pb.ReportRequest(command_result=result))

    async def _tell(self, lease: float) -> None:
        while True:
            while self._sequence - self._acked >= BATCHES_UNDER_WAY:
                self._acks.clear()
                await self._acks.wait()
            if self._completed_by is not None and not self._changed:
                self._wake.clear()
                # A sign of life when nothing changes.
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), lease / 4)
            await self._write(pb.ReportRequest(batch=self._next_batch()))
            await asyncio.sleep(BATCH_EVERY)

    def _next_batch(self) -> pb.Batch:
        self._sequence += 1
        batch = pb.Batch(sequence=self._sequence)
        size = 0
        while self._changed and len(batch.events) < EVENTS_A_BATCH:
            socket = next(iter(self._changed))
            event = self._event(socket)
            if event is not None:
                size += event.ByteSize()
                if size > BYTES_A_BATCH and batch.events:
                    break  # Told in the next batch.
                batch.events.append(event)
                socket.told_by = self if event.HasField("opened") else None
            del self._changed[socket]
            self._unlisted -= 1
        if self._completed_by is None and self._unlisted <= 0:
            batch.complete = True
            self._completed_by = self._sequence
        return batch

    def _event(self, socket: Socket) -> pb.Event | None:
        if self._sockets.get(socket.id) is socket:
            return pb.Event(opened=socket.to_message(self._causes))
        if socket.told_by is self:
            return pb.Event(closed=pb.SocketClosed(socket_id=socket.id))
        return None  # It opened and closed in between.

    async def _watch(self, lease: float) -> None:
        silent, heard = 0, 0
        while silent < TICKS_OF_SILENCE:
            await asyncio.sleep(lease / 2 / TICKS_OF_SILENCE)
            waiting = self._acked < self._sequence and self._acked == heard
            silent, heard = (silent + 1 if waiting else 0), self._acked
        raise _GivenUp("batches were not acknowledged for half a lease")
