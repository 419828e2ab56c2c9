"""A socketpass that does as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
from google.protobuf.duration_pb2 import Duration

from socketpass.v1 import registry_service_pb2 as pb
from socketpass.v1.authorization_service_pb2 import AuthorizeRequest, AuthorizeResponse
from socketpass.v1.authorization_service_pb2_grpc import (
    AuthorizationServiceServicer,
    add_AuthorizationServiceServicer_to_server,
)
from socketpass.v1.close_pb2 import Close
from socketpass.v1.reason_pb2 import REASON_AUTHORIZED, REASON_NOT_LOGGED_IN
from socketpass.v1.registry_service_pb2_grpc import RegistryServiceServicer, add_RegistryServiceServicer_to_server
from socketpass.values import to_struct

# Seconds until an event that does not come is a failure. Long: machines that test are busy.
PATIENCE = 30

Context = grpc.aio.ServicerContext[Any, Any]
Answer = Callable[[AuthorizeRequest, Context], Awaitable[AuthorizeResponse]]


def accepted(**user: Any) -> AuthorizeResponse:
    """Somebody is logged in."""
    return AuthorizeResponse(
        accepted=True,
        reason=REASON_AUTHORIZED,
        user=to_struct({"logged_in": True, **user}),
        session_id="the session",
    )


def rejected(
    reason: Any = REASON_NOT_LOGGED_IN,
    message: str = "User not authorized through passport. (User Property not found)",
    code: int = 4501,
    name: str = "not_logged_in",
    error: bool = False,
) -> AuthorizeResponse:
    """Nobody comes in."""
    return AuthorizeResponse(
        reason=reason,
        message=message,
        error=error,
        user=to_struct({"logged_in": False}),
        session_id="the session",
        close=Close(code=code, reason=name),
    )


class Stream:
    """One Report stream, as the service sees it. Each wait is for an event, and bounded."""

    def __init__(self, context: Context) -> None:
        self.metadata = dict(context.invocation_metadata() or ())
        self._context = context
        self._requests: asyncio.Queue[pb.ReportRequest | None] = asyncio.Queue()
        self._status: asyncio.Future[grpc.StatusCode] = asyncio.get_running_loop().create_future()
        self.listed: dict[str, pb.Socket] = {}
        self.batches: list[pb.Batch] = []
        self.acking = True
        self.gone = asyncio.Event()

    async def next(self, kind: str) -> Any:
        """The next message, which has to be of this kind."""
        request = await asyncio.wait_for(self._requests.get(), PATIENCE)
        assert request is not None, f"the stream ended, and no {kind} had come"
        assert request.WhichOneof("message") == kind, request
        return getattr(request, kind)

    async def welcome(self, lease: float = 15) -> pb.Hello:
        """Takes the hello, and welcomes."""
        hello = await self.next("hello")
        duration = Duration()
        duration.FromNanoseconds(int(lease * 1e9))
        await self.say(pb.ReportResponse(welcome=pb.Welcome(lease=duration)))
        assert isinstance(hello, pb.Hello)
        return hello

    async def batch(self) -> pb.Batch:
        """The next batch, which is acked."""
        batch: pb.Batch = await self.next("batch")
        self.batches.append(batch)
        for event in batch.events:
            if event.HasField("opened"):
                self.listed[event.opened.socket_id] = event.opened
            else:
                del self.listed[event.closed.socket_id]
        if self.acking:
            await self.say(pb.ReportResponse(ack=pb.Ack(sequence=batch.sequence)))
        return batch

    async def until(self, true: Callable[[dict[str, pb.Socket]], bool]) -> dict[str, pb.Socket]:
        """Takes batches until it is true of what is listed."""
        while not true(self.listed):
            await self.batch()
        return self.listed

    async def complete(self) -> dict[str, pb.Socket]:
        """Takes batches until the listing is complete."""
        while not (await self.batch()).complete:
            pass
        return self.listed

    async def goodbye(self) -> None:
        """Takes what comes until the goodbye, after which nothing may come."""
        while True:
            request = await asyncio.wait_for(self._requests.get(), PATIENCE)
            assert request is not None, "the stream ended without a goodbye"
            if request.HasField("goodbye"):
                assert (await asyncio.wait_for(self._requests.get(), PATIENCE)) is None
                return

    async def result(self, command: pb.Command) -> list[str]:
        """Commands, and answers what was done."""
        await self.say(pb.ReportResponse(command=command))
        while True:
            request = await asyncio.wait_for(self._requests.get(), PATIENCE)
            assert request is not None
            if request.HasField("command_result"):
                assert request.command_result.command_id == command.command_id
                return list(request.command_result.done)

    async def say(self, response: pb.ReportResponse) -> None:
        await self._context.write(response)

    def end(self, status: grpc.StatusCode = grpc.StatusCode.OK) -> None:
        """Ends it with a status."""
        self._status.set_result(status)

    async def run(self, requests: AsyncIterator[pb.ReportRequest]) -> None:
        reading = asyncio.create_task(self._read(requests))
        try:
            parts: list[asyncio.Future[Any]] = [reading, self._status]
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            status = self._status.result() if self._status.done() else grpc.StatusCode.OK
            if status is not grpc.StatusCode.OK:
                await self._context.abort(status, "as the test says")
        finally:
            reading.cancel()
            self._requests.put_nowait(None)
            self.gone.set()

    async def _read(self, requests: AsyncIterator[pb.ReportRequest]) -> None:
        async for request in requests:
            self._requests.put_nowait(request)


class ScriptedService(AuthorizationServiceServicer, RegistryServiceServicer):
    """Answers as it is told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answer: AuthorizeResponse | grpc.StatusCode | Answer = accepted(id=1, name="Ada")
        self.asked: list[AuthorizeRequest] = []
        self.metadata: list[dict[str, str]] = []
        self.questions: list[Any] = []
        self._streams: asyncio.Queue[Stream] = asyncio.Queue()
        self._server: grpc.aio.Server | None = None
        self.port = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self, credentials: grpc.ServerCredentials | None = None, port: int = 0) -> ScriptedService:
        """Serves on a free port, or on the one that it had."""
        # Only who binds it alone knows that the port is free.
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        add_AuthorizationServiceServicer_to_server(self, self._server)
        add_RegistryServiceServicer_to_server(self, self._server)
        if credentials is None:
            self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        else:
            self.port = self._server.add_secure_port(f"127.0.0.1:{port}", credentials)
        await self._server.start()
        return self

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(grace=None)
            self._server = None

    async def stream(self) -> Stream:
        """The next stream that a gateway opens."""
        return await asyncio.wait_for(self._streams.get(), PATIENCE)

    async def Authorize(self, request: AuthorizeRequest, context: Context) -> AuthorizeResponse:
        self.asked.append(request)
        self.metadata.append(dict(context.invocation_metadata() or ()))  # type: ignore[arg-type]
        answer = self.answer
        if isinstance(answer, grpc.StatusCode):
            await context.abort(answer, "as the test says")
        if isinstance(answer, AuthorizeResponse):
            return answer
        return await answer(request, context)

    async def Report(self, requests: AsyncIterator[pb.ReportRequest], context: Context) -> None:
        stream = Stream(context)
        self._streams.put_nowait(stream)
        await stream.run(requests)

    async def FilterSockets(
        self, request: pb.FilterSocketsRequest, context: Context
    ) -> AsyncIterator[pb.FilterSocketsResponse]:
        self.questions.append(request)
        if not request.filter:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "filter: is required")
        view = pb.View(incomplete_gateways=["late"])
        for id in ("a", "b"):
            socket = pb.Socket(gateway_id="other", socket_id=id, namespace="/", user=to_struct({"logged_in": True}))
            yield pb.FilterSocketsResponse(sockets=[socket], view=view)

    async def CountSockets(self, request: pb.CountSocketsRequest, context: Context) -> pb.CountSocketsResponse:
        self.questions.append(request)
        key = to_struct({"key": "blue"}).fields["key"]
        return pb.CountSocketsResponse(total=3, groups=[pb.Group(key=key, count=2), pb.Group(count=1)])

    async def SendToSockets(
        self, request: pb.SendToSocketsRequest, context: Context
    ) -> AsyncIterator[pb.SendToSocketsResponse]:
        self.questions.append(request)
        yield pb.SendToSocketsResponse(matched=3)
        yield pb.SendToSocketsResponse(matched=3, done=1, failed=1, unreachable=1)

    async def DisconnectSockets(
        self, request: pb.DisconnectSocketsRequest, context: Context
    ) -> AsyncIterator[pb.DisconnectSocketsResponse]:
        self.questions.append(request)
        yield pb.DisconnectSocketsResponse(matched=2, done=2)
