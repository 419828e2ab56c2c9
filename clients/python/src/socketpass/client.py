"""The client: one for a process."""

from __future__ import annotations

import asyncio
import secrets
import socket as network
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal

import grpc.aio

from socketpass.admission import Admission
from socketpass.authorize import Authorizer
from socketpass.channel import open_channel
from socketpass.commands import Commands
from socketpass.decision import GATEWAY_DRAINING, Close, Decision, draining
from socketpass.handshake import Handshake
from socketpass.loss import LossGuard
from socketpass.registry import Count, ListedSockets, Outcome, Params, Registry
from socketpass.report import Reporter
from socketpass.settings import TLS, Hook, Settings, Token, UserChanged
from socketpass.signals import before_signals
from socketpass.sockets import Connection, OpenSockets, Socket
from socketpass.v1 import registry_service_pb2 as pb


class SocketPass:
    """Asks socketpass who may come in, and tells it who is connected.

    Make one for a process and enter it where the event loop runs, in an ASGI app's lifespan:

        passport = SocketPass("socketpass.internal:50051", token=...)

        async def lifespan(app):
            async with passport:
                yield

    `address` is where socketpass is: host:port, of which all addresses are used, or a gRPC target. `token` is what
    `socketpass token` printed, or a function that gives it for every call. `gateway_id` is the process' name in the
    fleet, by default the host's with something random; `labels` are the gateway's, for filters. `timeout` is how many
    seconds an Authorize may take, repetitions included. With `on_unavailable="accept"` handshakes are let in that the
    service could not answer, or answered with a fault. `close_after_loss` is how many seconds a socket may be open
    without a stream to the service until it is closed.

    `success` and `fail` are the application's own say: they get the handshake and the decision, and answer True to let
    in, False to reject, None to let the decision stand, or raise Refused. `user_changed` is told of a socket whose user
    has changed. `user_property` is the name under which the user is put.

    Settings that cannot be are a SettingError.
    """

    def __init__(
        self,
        address: str = "127.0.0.1:50051",
        *,
        tls: TLS | None = None,
        token: Token | None = None,
        gateway_id: str | None = None,
        labels: Mapping[str, str] | None = None,
        timeout: float = 5.0,
        on_unavailable: Literal["reject", "accept"] = "reject",
        close_after_loss: float | None = None,
        success: Hook | None = None,
        fail: Hook | None = None,
        user_changed: UserChanged | None = None,
        user_property: str = "user",
    ) -> None:
        self._settings = Settings(
            address=address,
            tls=tls,
            token=token,
            gateway_id=gateway_id,
            labels={} if labels is None else labels,
            timeout=timeout,
            on_unavailable=on_unavailable,
            close_after_loss=close_after_loss,
            success=success,
            fail=fail,
            user_changed=user_changed,
            user_property=user_property,
        )
        self._certificates = self._settings.certificates()
        self._sockets = OpenSockets()
        self._commands = Commands(self._sockets, user_changed)
        self._running: _Running | None = None
        self._ending: asyncio.Task[None] | None = None

    @property
    def sockets(self) -> OpenSockets:
        """The sockets that are open in this process, by id."""
        return self._sockets

    @property
    def user_property(self) -> str:
        """The name under which the user is put."""
        return self._settings.user_property

    @property
    def is_closing(self) -> bool:
        """Whether nobody is let in any more."""
        return self._ending is not None

    async def __aenter__(self) -> SocketPass:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Connects and begins to report. Entering the context does it.

        By itself it is for apps whose lifespan is two functions: `socketio.ASGIApp(sio, on_startup=passport.start,
        on_shutdown=passport.close)`.
        """
        if self._running is not None:
            raise RuntimeError("this SocketPass is running already: a process has one")
        settings = self._settings
        # Made here and not before: worker processes may have been forked from one that imported the application.
        gateway_id = settings.gateway_id or f"{network.gethostname()}-{secrets.token_hex(3)}"
        channel = open_channel(settings, self._certificates)
        authorizer = Authorizer(channel, gateway_id=gateway_id, token=settings.token, timeout=settings.timeout)
        loss = LossGuard(settings.close_after_loss, self._sockets, self._commands)
        loss.lost()
        self._ending = None
        self._running = _Running(
            gateway_id=gateway_id,
            channel=channel,
            authorizer=authorizer,
            admission=Admission(
                timeout=settings.timeout,
                on_unavailable=settings.on_unavailable,
                success=settings.success,
                fail=settings.fail,
            ),
            registry=Registry(channel, settings.token),
            loss=loss,
            reporter=Reporter(
                channel,
                hello=pb.Hello(gateway_id=gateway_id, incarnation=secrets.token_hex(16), labels=settings.labels),
                token=settings.token,
                sockets=self._sockets,
                carry_out=self._commands.carry_out,
                on_welcome=loss.found,
                on_loss=loss.lost,
            ),
        )

    async def close(self) -> None:
        """Sends every socket 4001, `gateway_draining`, takes the process off the registry, and ends.

        Leaving the context does it. Nobody is let in from now on. Called again, it waits for the same end.
        """
        if self._running is None:
            return
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(self._running))
        await asyncio.shield(self._ending)

    def close_on(self, *signals: int) -> None:
        """Closes first when one of the signals comes, and lets the program have it after that.

        For servers that cut their connections when they are told to stop, before the lifespan ends, as uvicorn does:
        `passport.close_on(signal.SIGTERM, signal.SIGINT)` within the lifespan. Once the client has ended, signals are
        the program's alone again.
        """
        self._started.restore_signals.append(before_signals(signals, self.close))

    @property
    def gateway_id(self) -> str:
        """This process' name in the fleet."""
        return self._started.gateway_id

    async def authorize(self, handshake: Handshake) -> Decision:
        """The service's decision on a handshake, without hooks and `on_unavailable`."""
        return await self._started.authorizer.decide(handshake)

    async def admit(self, handshake: Handshake) -> Decision:
        """The decision that counts, for integrations: hooks and `on_unavailable` have had their say."""
        if self.is_closing:
            return draining()
        running = self._started
        try:
            decision = await running.authorizer.decide(handshake)
            if not self.is_closing:
                decision = await running.admission.decide(handshake, decision)
        except asyncio.CancelledError:
            if not self.is_closing:
                raise
            # Closing the channel ends the question.
            return draining()
        return draining() if self.is_closing else decision

    def make_socket(self, id: str, handshake: Handshake, decision: Decision, connection: Connection) -> Socket:
        """A socket that was admitted, for integrations: `sockets.opened` lists it, `sockets.closed` ends that."""
        return Socket(id, handshake, decision, connection, self._sockets)

    async def filter_sockets(self, filter: str, params: Params | None = None) -> ListedSockets:
        """The sockets of the fleet that match a CEL expression. Put values into `params`, never into the text."""
        return await self._started.registry.filter(filter, params)

    async def count_sockets(self, filter: str, params: Params | None = None, group_by: str = "") -> Count:
        """How many sockets match, and by the value at a path if wanted: `user.team`."""
        return await self._started.registry.count(filter, params, group_by)

    async def send_to_sockets(
        self, filter: str, params: Params | None = None, *, event: str, args: Sequence[Any] = ()
    ) -> Outcome:
        """Has an event sent to every socket that matches, wherever it is."""
        return await self._started.registry.send(filter, params, event, args)

    async def disconnect_sockets(
        self, filter: str, params: Params | None = None, *, close: Close | None = None
    ) -> Outcome:
        """Has every socket that matches disconnected, with 4505 `disconnected` by default. Needs the role `admin`."""
        return await self._started.registry.disconnect(filter, params, close)

    @property
    def _started(self) -> _Running:
        if self._running is None:
            raise RuntimeError("this SocketPass is not running: enter it with `async with` in the app's lifespan")
        return self._running

    async def _end(self, running: _Running) -> None:
        running.loss.found()
        # Handshakes that were let in a moment ago may open while the others close.
        while self._sockets:
            await self._commands.disconnect(list(self._sockets), GATEWAY_DRAINING)
        await running.reporter.goodbye()
        await running.channel.close(grace=1)
        for restore in running.restore_signals:
            restore()
        self._running = None


@dataclass(slots=True)
class _Running:
    """What there is between entering and leaving."""

    gateway_id: str
    channel: grpc.aio.Channel
    authorizer: Authorizer
    admission: Admission
    registry: Registry
    reporter: Reporter
    loss: LossGuard
    restore_signals: list[Callable[[], None]] = field(default_factory=list)
