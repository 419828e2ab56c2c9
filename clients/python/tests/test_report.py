"""The Report stream, against a service that does as the test says."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import Any

import grpc
import grpc.aio
import pytest

from socketpass import Close, Decision, Handshake, Reason, Socket, SocketPass, User, channel, report, stream
from socketpass.v1 import registry_service_pb2 as pb
from socketpass.values import to_struct, to_value
from tests.scripted import PATIENCE, ScriptedService, Stream

HANDSHAKE = Handshake(headers={}, url="/", namespace="/")
ACCEPTED = Decision(True, Reason.AUTHORIZED, "", False, {"logged_in": True}, "the session", None)


class FakeConnection:
    """A library's socket that keeps what is done to it."""

    def __init__(self) -> None:
        self.closed: list[Close] = []
        self.was_closed = asyncio.Event()
        self.sent: list[Any] = []
        self.hangs = False
        self.fails = False

    async def close(self, close: Close) -> None:
        self.closed.append(close)
        self.was_closed.set()
        await self._misbehave()

    async def send_event(self, event: str, args: list[Any]) -> None:
        await self._misbehave()
        self.sent.append((event, args))

    async def put_user(self, user: User) -> None:
        await self._misbehave()

    async def _misbehave(self) -> None:
        if self.fails:
            raise RuntimeError("as the test says")
        if self.hangs:
            await asyncio.Event().wait()


def open_socket(passport: SocketPass, id: str, connection: FakeConnection | None = None) -> Socket:
    socket = passport.make_socket(id, HANDSHAKE, ACCEPTED, connection or FakeConnection())
    passport.sockets.opened(socket)
    return socket


async def welcomed(service: ScriptedService, lease: float = 15) -> Stream:
    opened = await service.stream()
    await opened.welcome(lease)
    return opened


async def test_says_that_all_is_well(service: ScriptedService, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "socketpass")
    async with SocketPass(service.address, gateway_id="mine"):
        await (await welcomed(service)).complete()
    assert [record.message for record in caplog.records] == ["the stream to the registry is open, as mine"]


async def test_lists_all_then_what_changes(service: ScriptedService) -> None:
    async with SocketPass(service.address) as passport:
        for number in range(1_200):
            open_socket(passport, f"early {number}")
        reported = await welcomed(service)
        assert len(await reported.complete()) == 1_200
        assert [len(batch.events) for batch in reported.batches] == [500, 500, 200]
        assert [batch.complete for batch in reported.batches] == [False, False, True]
        assert [batch.sequence for batch in reported.batches] == [1, 2, 3]

        open_socket(passport, "late")
        passport.sockets.closed("early 0")
        batch = await reported.batch()
        assert [event.WhichOneof("event") for event in batch.events] == ["opened", "closed"]
        assert not batch.complete
        # Nobody has to hear of one that is gone already.
        open_socket(passport, "short")
        passport.sockets.closed("short")
        open_socket(passport, "last")
        batch = await reported.batch()
        assert [event.opened.socket_id for event in batch.events] == ["last"]


async def test_batches_are_bounded_in_bytes(service: ScriptedService) -> None:
    async with SocketPass(service.address) as passport:
        for number in range(40):
            open_socket(passport, str(number)).data = {"text": "x" * 60_000}
        reported = await welcomed(service)
        assert len(await reported.complete()) == 40
        assert all(batch.ByteSize() < 1.01 * 2**20 for batch in reported.batches)
        assert len(reported.batches) == 3


async def test_at_most_sixteen_batches_are_under_way(service: ScriptedService) -> None:
    async with SocketPass(service.address) as passport:
        reported = await welcomed(service, lease=60)
        reported.acking = False
        for number in range(16):
            open_socket(passport, str(number))
            await reported.until(lambda listed: len(listed) == number + 1)  # noqa: B023
            last = reported.batches[-1].sequence
            if last == 16:
                break
        assert last == 16
        open_socket(passport, "waits")
        acking = asyncio.create_task(reported.batch())
        await asyncio.sleep(0.1)  # Nothing comes: there is no event to wait for.
        assert not acking.done()
        await reported.say(pb.ReportResponse(ack=pb.Ack(sequence=1)))
        assert [event.opened.socket_id for event in (await acking).events] == ["waits"]


async def test_gives_a_sign_of_life(service: ScriptedService) -> None:
    async with SocketPass(service.address):
        reported = await welcomed(service, lease=0.8)
        await reported.complete()
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in range(3):
            assert not (await reported.batch()).events
        assert loop.time() - began > 0.4


@pytest.mark.parametrize(
    "status",
    [
        grpc.StatusCode.OK,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.INTERNAL,
    ],
)
async def test_lists_again_whatever_the_status(service: ScriptedService, status: grpc.StatusCode) -> None:
    async with SocketPass(service.address) as passport:
        first = await service.stream()
        hello = await first.welcome()
        open_socket(passport, "a")
        open_socket(passport, "b")
        await first.until(lambda listed: len(listed) == 2)
        first.end(status)
        passport.sockets.closed("a")
        again = await service.stream()
        assert await again.welcome() == hello
        assert list(await again.complete()) == ["b"]
        assert again.batches[0].sequence == 1


async def test_pauses_grow_and_causes_are_told_once(service: ScriptedService, caplog: pytest.LogCaptureFixture) -> None:
    async with SocketPass(service.address, gateway_id="mine"):
        loop = asyncio.get_running_loop()
        times = []
        for _ in range(3):
            refused = await service.stream()
            times.append(loop.time())
            await refused.next("hello")
            refused.end(grpc.StatusCode.ALREADY_EXISTS)
        assert times[1] - times[0] >= 0.09
        assert times[2] - times[1] >= 0.19
        (message,) = [record.message for record in caplog.records if record.levelno == logging.WARNING]
        assert "`gateway_id` is taken by another process" in message
        await welcomed(service)


def test_pauses_double_from_200_ms_to_5_s() -> None:
    for pauses, longest in enumerate([0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]):
        tried = [report._pause(pauses) for _ in range(200)]
        assert longest / 2 <= min(tried) < longest * 0.6  # Half of it is random.
        assert longest * 0.9 < max(tried) <= longest


async def test_a_connection_that_is_dead_is_noticed(service: ScriptedService, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a ping without its answer, though nothing is called and no ack is missing."""
    sooner = {"grpc.keepalive_time_ms": 500, "grpc.keepalive_timeout_ms": 500, "grpc.http2.ping_timeout_ms": 500}
    monkeypatch.setattr(channel, "_OPTIONS", [(name, sooner.get(name, value)) for name, value in channel._OPTIONS])
    frozen = asyncio.Event()
    host, _, port = service.address.rpartition(":")

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if not frozen.is_set():
                writer.write(data)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        out_reader, out_writer = await asyncio.open_connection(host, port)
        await asyncio.gather(carry(reader, out_writer), carry(out_reader, writer), return_exceptions=True)
        writer.close()
        out_writer.close()

    proxy = await asyncio.start_server(connected, "127.0.0.1", 0)
    lost = asyncio.Event()
    passport = SocketPass(f"127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
    async with passport:
        opened = await service.stream()
        await opened.welcome(lease=120)
        await opened.complete()
        assert passport._running is not None
        monkeypatch.setattr(passport._running.reporter, "_on_loss", lost.set)
        frozen.set()
        await asyncio.wait_for(lost.wait(), PATIENCE)
        frozen.clear()
    proxy.close()


async def test_at_once_after_unavailable(service: ScriptedService) -> None:
    async with SocketPass(service.address):
        first = await welcomed(service)
        loop = asyncio.get_running_loop()
        began = loop.time()
        first.end(grpc.StatusCode.UNAVAILABLE)
        await service.stream()
        assert loop.time() - began < 2


async def test_gives_up_without_welcome(service: ScriptedService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "WELCOME_WITHIN", 0.1)
    async with SocketPass(service.address):
        hangs = await service.stream()
        await hangs.next("hello")
        await asyncio.wait_for(hangs.gone.wait(), PATIENCE)
        await welcomed(service)


async def test_gives_up_without_acks(
    service: ScriptedService, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "_AT_ONCE", 60)  # It hangs: there is no hurry to have the next that does.
    async with SocketPass(service.address) as passport:
        hangs = await welcomed(service, lease=0.4)
        await hangs.complete()
        hangs.acking = False
        open_socket(passport, "a")
        await asyncio.wait_for(hangs.gone.wait(), PATIENCE)
        assert list(await (await welcomed(service)).complete()) == ["a"]
        assert "not acknowledged for half a lease (DEADLINE_EXCEEDED)" in caplog.text


@pytest.mark.parametrize("taken", [True, False])
async def test_pauses_grow_until_a_listing_is_taken(service: ScriptedService, taken: bool) -> None:
    async with SocketPass(service.address):
        loop = asyncio.get_running_loop()
        ended = loop.time()
        for _ in range(3):
            listing = await welcomed(service)
            paused = loop.time() - ended
            listing.acking = taken
            await listing.complete()
            if taken:
                listing.acking = False
                await asyncio.sleep(0.1)  # The ack is on its way.
            ended = loop.time()
            listing.end(grpc.StatusCode.RESOURCE_EXHAUSTED)
        await service.stream()
        last = loop.time() - ended
        # The third pause is from 400 ms on, the first at most 200 ms.
        assert (last < 0.4) if taken else (last >= 0.39 and paused >= 0.19)


async def test_a_blocked_event_loop_is_no_silence(service: ScriptedService) -> None:
    async with SocketPass(service.address) as passport:
        reported = await welcomed(service, lease=1)
        await reported.complete()
        open_socket(passport, "a")
        await reported.batch()
        time.sleep(1)  # noqa: ASYNC251
        open_socket(passport, "b")
        await reported.until(lambda listed: len(listed) == 2)
        assert not reported.gone.is_set()


async def test_passes_over_what_it_does_not_know(service: ScriptedService) -> None:
    async with SocketPass(service.address) as passport:
        reported = await service.stream()
        await reported.say(pb.ReportResponse())
        await reported.welcome()
        await reported.say(pb.ReportResponse())
        open_socket(passport, "a")
        await reported.until(lambda listed: len(listed) == 1)


async def test_rejected_fields_are_told_once(service: ScriptedService, caplog: pytest.LogCaptureFixture) -> None:
    async with SocketPass(service.address) as passport:
        reported = await welcomed(service)
        await reported.complete()
        reported.acking = False
        for id in ("a", "b"):
            open_socket(passport, id)
            batch = await reported.batch()
            rejection = pb.Rejection(socket_id=id, field="namespace", message="longer than 1,024 bytes")
            await reported.say(pb.ReportResponse(ack=pb.Ack(sequence=batch.sequence, rejected=[rejection])))
        reported.acking = True
        passport.sockets.closed("a")
        await reported.until(lambda listed: len(listed) == 1)
        (message,) = [record.message for record in caplog.records if record.levelno == logging.WARNING]
        assert message == "the registry lists socket a without `namespace`: longer than 1,024 bytes"


async def test_a_slow_or_broken_socket_costs_others_nothing(
    service: ScriptedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socketpass.commands._PATIENCE", 0.1)
    fine, slow, broken = FakeConnection(), FakeConnection(), FakeConnection()
    slow.hangs = broken.fails = True
    async with SocketPass(service.address) as passport:
        reported = await welcomed(service)
        for id, connection in (("fine", fine), ("slow", slow), ("broken", broken)):
            open_socket(passport, id, connection)
        ids = ["fine", "slow", "broken", "gone"]
        send = pb.Send(socket_ids=ids, event="news", args=[to_value(1)])
        assert await reported.result(pb.Command(command_id="1", send=send)) == ["fine"]
        assert fine.sent == [("news", [1])]
        changed = pb.UserChanged(socket_ids=ids, user=to_struct({"logged_in": True}))
        assert await reported.result(pb.Command(command_id="2", user_changed=changed)) == ["fine"]
        disconnect = pb.Disconnect(socket_ids=ids)
        command = pb.Command(command_id="3", disconnect=disconnect)
        assert await reported.result(command) == ["fine", "slow", "gone"]
        assert not passport.sockets


async def test_sockets_are_closed_after_loss(service: ScriptedService) -> None:
    async with SocketPass(service.address, close_after_loss=0.3) as passport:
        reported = await welcomed(service)
        connection, late = FakeConnection(), FakeConnection()
        open_socket(passport, "a", connection)
        await reported.until(lambda listed: len(listed) == 1)
        await asyncio.sleep(0.4)
        assert not connection.closed
        loop = asyncio.get_running_loop()
        lost = loop.time()
        await service.stop()
        await asyncio.wait_for(connection.was_closed.wait(), PATIENCE)
        assert loop.time() - lost > 0.25
        assert connection.closed == [Close(4000, "service_unavailable")]

        open_socket(passport, "b", late)
        opened = loop.time()
        await asyncio.wait_for(late.was_closed.wait(), PATIENCE)
        assert loop.time() - opened > 0.25

        await service.start(port=service.port)
        await welcomed(service)
        open_socket(passport, "c")
        await asyncio.sleep(0.5)
        assert list(passport.sockets) == ["c"]


async def test_sockets_stay_without_close_after_loss(service: ScriptedService) -> None:
    async with SocketPass(service.address) as passport:
        await welcomed(service)
        open_socket(passport, "a")
        await service.stop()
        await service.start(port=service.port)
        assert list(await (await welcomed(service)).complete()) == ["a"]


async def test_says_goodbye_last(service: ScriptedService) -> None:
    passport = SocketPass(service.address)
    connection = FakeConnection()
    async with passport:
        reported = await welcomed(service)
        open_socket(passport, "a", connection)
        await reported.until(lambda listed: len(listed) == 1)
    assert connection.closed == [Close(4001, "gateway_draining")]
    await reported.goodbye()
    await passport.close()
    # It can be entered again, as tests of apps do: another life.
    async with passport:
        await welcomed(service)


async def test_leaves_without_a_service() -> None:
    async with SocketPass("127.0.0.1:1") as passport:
        open_socket(passport, "a")
    assert not passport.sockets


async def test_data_that_json_has_not_is_an_error(service: ScriptedService) -> None:
    async with SocketPass(service.address) as passport:
        socket = open_socket(passport, "a")
        with pytest.raises(TypeError, match="object is nothing that JSON has"):
            socket.data = {"a": object()}
        deep: dict[str, Any] = {}
        for _ in range(30):
            deep = {"a": deep}
        with pytest.raises(ValueError, match="nested deeper than 24 levels"):
            socket.data = deep
        assert socket.data == {}


async def test_a_user_that_the_app_has_spoilt_is_left_out(service: ScriptedService) -> None:
    async with SocketPass(service.address) as passport:
        open_socket(passport, "a").user["connection"] = object()
        try:
            listed = await (await welcomed(service)).complete()
            assert not listed["a"].HasField("user")
        finally:
            ACCEPTED.user.pop("connection")


async def test_what_the_service_would_not_take_is_left_out(
    service: ScriptedService, caplog: pytest.LogCaptureFixture
) -> None:
    handshake = Handshake(headers={"origin": "o" * 1025}, url="/", namespace="/" + "n" * 1024, remote_address="here")
    decision = replace(ACCEPTED, user={"logged_in": True, "text": "x" * (64 << 10)}, session_id="é" * 513)
    async with SocketPass(service.address) as passport:
        for id in ("a", "b"):
            socket = passport.make_socket(id, handshake, decision, FakeConnection())
            passport.sockets.opened(socket)
        with pytest.raises(ValueError, match="larger than 65,536 bytes"):
            socket.data = {"text": "x" * (64 << 10)}
        socket.data = {"text": "x" * (63 << 10)}
        listed = await (await welcomed(service)).complete()
        assert not listed["a"].HasField("user")
        assert (listed["a"].namespace, listed["a"].session_id, listed["a"].origin) == ("", "", "")
        assert listed["a"].remote_address == "here"
        assert listed["b"].data.fields
    messages = [record.message for record in caplog.records if "the registry lists socket" in record.message]
    assert [message.partition(":")[0] for message in messages] == [
        f"the registry lists socket a without `{field}`" for field in ("namespace", "session_id", "origin", "user")
    ]


async def test_goes_on_after_a_mistake_of_its_own(
    service: ScriptedService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with SocketPass(service.address) as passport:
        first = await welcomed(service)
        with monkeypatch.context() as patched:
            patched.setattr(Socket, "to_message", None)
            open_socket(passport, "a")
            await asyncio.wait_for(first.gone.wait(), PATIENCE)
        assert "reporting failed" in caplog.text
        assert list(await (await welcomed(service)).complete()) == ["a"]


async def test_calls_go_round_and_streams_move(service: ScriptedService) -> None:
    other = await ScriptedService().start()
    try:
        async with SocketPass(f"ipv4:{service.address},{other.address}") as passport:
            streams = [asyncio.create_task(each.stream()) for each in (service, other)]
            (done,), _ = await asyncio.wait(streams, return_when=asyncio.FIRST_COMPLETED)
            first = done.result()
            await first.welcome()
            holder, spare = (service, other) if done is streams[0] else (other, service)
            for _ in range(20):
                assert (await passport.authorize(HANDSHAKE)).accepted
            assert min(len(service.asked), len(other.asked)) > 0
            await holder.stop()
            assert (await passport.authorize(HANDSHAKE)).accepted
            moved = await asyncio.wait_for(streams[1 - streams.index(done)], PATIENCE)
            await moved.welcome()
            assert spare.asked
    finally:
        await other.stop()
