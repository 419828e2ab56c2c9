"""Decisions, hooks, and what happens without an answer."""

from __future__ import annotations

import asyncio
import logging
import time
from types import SimpleNamespace
from typing import Any, Literal

import grpc
import grpc.aio
import pytest
from opentelemetry import context, trace

from socketpass import Close, Decision, Handshake, Reason, Refused, SocketPass, tracing
from socketpass.log import Causes
from socketpass.v1.authorization_service_pb2 import AuthorizeRequest, AuthorizeResponse
from socketpass.v1.reason_pb2 import (
    REASON_DENIED_BY_POLICY,
    REASON_SESSION_MALFORMED,
    REASON_STORE_UNAVAILABLE,
    REASON_USER_SOURCE_FAILED,
)
from socketpass.v1.reason_pb2 import Reason as ReasonMessage
from socketpass.values import to_struct
from tests.scripted import PATIENCE, ScriptedService, accepted, rejected

HANDSHAKE = Handshake(headers={"cookie": "connect.sid=s%3A1.x"}, url="/socket.io/?EIO=4", namespace="/")
ANONYMOUS = {"logged_in": False}
NO_ANSWER = [
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.UNAVAILABLE,
]
OWN_MISTAKES = {
    grpc.StatusCode.UNAUTHENTICATED: "token",
    grpc.StatusCode.PERMISSION_DENIED: "token",
    grpc.StatusCode.INVALID_ARGUMENT: "as the test says",
    grpc.StatusCode.UNIMPLEMENTED: "address",
}


async def admit(service: ScriptedService, handshake: Handshake = HANDSHAKE, **settings: Any) -> Decision:
    async with SocketPass(service.address, **settings) as passport:
        return await passport.admit(handshake)


def test_reasons_are_those_of_the_api() -> None:
    assert {f"REASON_{reason.name}": reason.value for reason in Reason} == dict(ReasonMessage.items())


async def test_accepts(service: ScriptedService) -> None:
    service.answer = accepted(id=4711, ratio=0.5, tags=["a", {"b": None}], big=2**53)
    user = {"logged_in": True, "id": 4711, "ratio": 0.5, "tags": ["a", {"b": None}], "big": 2**53}
    decision = await admit(service)
    assert decision == Decision(True, Reason.AUTHORIZED, "", False, user, "the session", None)
    assert isinstance(decision.user["id"], int)
    assert "the session" not in repr(decision)


async def test_rejects(service: ScriptedService) -> None:
    service.answer = rejected()
    message = "User not authorized through passport. (User Property not found)"
    close = Close(4501, "not_logged_in")
    assert await admit(service) == Decision(
        False, Reason.NOT_LOGGED_IN, message, False, ANONYMOUS, "the session", close
    )


async def test_success_sees_who_it_is(service: ScriptedService) -> None:
    seen: list[Any] = []

    async def success(handshake: Handshake, decision: Decision) -> None:
        seen.append((handshake, decision))

    decision = await admit(service, success=success)
    assert seen == [(HANDSHAKE, decision)]
    assert decision.accepted


async def test_success_refuses(service: ScriptedService) -> None:
    def in_words(handshake: Handshake, decision: Decision) -> None:
        raise Refused("refused by the application")

    decision = await admit(service, success=in_words)
    assert (decision.accepted, decision.message, decision.user) == (False, "refused by the application", ANONYMOUS)
    assert (decision.close, decision.http_status) == (Close(4504, "denied_by_policy"), 403)

    decision = await admit(service, success=lambda handshake, decision: False)
    assert (decision.accepted, decision.close) == (False, Close(4504, "denied_by_policy"))

    def in_its_own_way(handshake: Handshake, decision: Decision) -> None:
        raise Refused("later", Close(4100, "full"))

    assert (await admit(service, success=in_its_own_way)).close == Close(4100, "full")


async def test_a_hook_that_fails_rejects(service: ScriptedService, caplog: pytest.LogCaptureFixture) -> None:
    def broken(handshake: Handshake, decision: Decision) -> bool:
        raise KeyError("a secret of the application")

    decision = await admit(service, success=broken)
    assert (decision.accepted, decision.user, decision.session_id) == (False, ANONYMOUS, "")
    assert decision.close == Close(4000, "service_unavailable")
    assert "secret" not in decision.message
    assert "the hook `success` failed" in caplog.text

    service.answer = rejected()
    decision = await admit(service, fail=broken)
    assert (decision.accepted, decision.close) == (False, Close(4501, "not_logged_in"))
    assert "the hook `fail` failed" in caplog.text


async def test_a_hook_that_does_not_answer_has_failed(service: ScriptedService) -> None:
    async def hangs(handshake: Handshake, decision: Decision) -> bool:
        await asyncio.Event().wait()
        raise AssertionError

    decision = await asyncio.wait_for(admit(service, success=hangs, timeout=0.3), PATIENCE)
    assert (decision.accepted, decision.close) == (False, Close(4000, "service_unavailable"))
    service.answer = rejected()
    decision = await asyncio.wait_for(admit(service, fail=hangs, timeout=0.3), PATIENCE)
    assert (decision.accepted, decision.close) == (False, Close(4501, "not_logged_in"))


async def test_fail_sees_why_and_may_let_in(service: ScriptedService) -> None:
    service.answer = rejected()
    seen: list[Decision] = []

    def watch(handshake: Handshake, decision: Decision) -> None:
        seen.append(decision)

    assert await admit(service, fail=watch) == seen[0]
    assert seen[0].reason is Reason.NOT_LOGGED_IN

    decision = await admit(service, fail=lambda handshake, decision: True)
    assert (decision.accepted, decision.user, decision.session_id, decision.close) == (True, ANONYMOUS, "", None)

    def in_words(handshake: Handshake, decision: Decision) -> None:
        raise Refused("log in first")

    decision = await admit(service, fail=in_words)
    assert (decision.accepted, decision.message, decision.reason) == (False, "log in first", Reason.NOT_LOGGED_IN)
    assert decision.close == Close(4501, "not_logged_in")


@pytest.mark.parametrize("on_unavailable", ["reject", "accept"])
@pytest.mark.parametrize(
    "answer",
    [
        *NO_ANSWER,
        rejected(REASON_SESSION_MALFORMED, "Error in session store:\n", 4000, "session_malformed", True),
        rejected(REASON_USER_SOURCE_FAILED, "Failed to deserialize user out of session", 4000, "x", True),
        rejected(REASON_STORE_UNAVAILABLE, "Error in session store:\n", 4000, "store_unavailable", True),
    ],
)
async def test_without_a_decision_the_setting_counts(
    service: ScriptedService, answer: Any, on_unavailable: Literal["reject", "accept"]
) -> None:
    service.answer = answer
    failed: list[Decision] = []
    decision = await admit(service, on_unavailable=on_unavailable, fail=lambda _, decision: failed.append(decision))
    assert decision.user == ANONYMOUS
    assert decision.accepted == (on_unavailable == "accept")
    if on_unavailable == "accept":
        assert (failed, decision.session_id) == ([], "")
        return
    assert failed == [decision]
    assert decision.http_status == 503
    if isinstance(answer, grpc.StatusCode):
        close = Close(4000, "service_unavailable")
        message = "Authorization service unavailable"
        assert decision == Decision(False, Reason.UNSPECIFIED, message, True, ANONYMOUS, "", close, is_fault=True)


async def test_other_rejections_are_no_faults(service: ScriptedService) -> None:
    for answer in (rejected(), rejected(REASON_DENIED_BY_POLICY), rejected(99, "new", 4599, "new")):
        service.answer = answer
        decision = await admit(service, on_unavailable="accept")
        assert (decision.accepted, decision.message) == (False, answer.message)


@pytest.mark.parametrize("status", OWN_MISTAKES)
async def test_own_mistakes_reject_and_name_the_setting(
    service: ScriptedService, status: grpc.StatusCode, caplog: pytest.LogCaptureFixture
) -> None:
    service.answer = status
    async with SocketPass(service.address, on_unavailable="accept", fail=lambda *_: True) as passport:
        for _ in range(2):
            decision = await passport.admit(HANDSHAKE)
            assert not decision.accepted
            assert decision.message == "Authorization service unavailable"
    (message,) = [record.message for record in caplog.records if "nobody is let in" in record.message]
    assert OWN_MISTAKES[status] in message
    assert status.name in message


async def test_what_cannot_be_read_rejects(service: ScriptedService, caplog: pytest.LogCaptureFixture) -> None:
    service.answer = AuthorizeResponse(accepted=True, reason=99)  # type: ignore[arg-type]
    assert not (await admit(service, on_unavailable="accept")).accepted
    assert "newer than this client" in caplog.text
    service.answer = AuthorizeResponse()
    assert not (await admit(service, on_unavailable="accept")).accepted


def deep(levels: int) -> dict[str, Any]:
    return {"a": deep(levels - 1)} if levels > 1 else {}


def deep_list(levels: int) -> list[Any]:
    return [deep_list(levels - 1)] if levels > 1 else []


@pytest.mark.parametrize(
    "handshake",
    [
        Handshake({}, "/", "/", auth={"n": 10**400}),
        Handshake({}, "/", "/", auth=deep(25)),
        Handshake({}, "/", "/", auth={"deep": deep_list(25)}),
        Handshake({}, "/", "/", auth={"text": "x" * (64 << 10)}),
        Handshake({}, "/", "/", auth={"x" * (64 << 10): ""}),
        Handshake({}, "/", "/", auth={"zeros": [0] * 490_000}),
        Handshake({}, "/", "/", auth={"nothing": [[]] * 20_000}),
        Handshake({"cookie": "x" * (256 << 10)}, "/", "/"),
        Handshake({}, "/" + "x" * (256 << 10), "/"),
        Handshake({}, "/\ud800", "/"),
    ],
    ids=lambda handshake: "",
)
async def test_a_handshake_that_cannot_be_asked_about_rejects(
    service: ScriptedService, handshake: Handshake, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Decision] = []

    def let_in(handshake: Handshake, decision: Decision) -> bool:
        seen.append(decision)
        return True

    async with SocketPass(service.address, on_unavailable="accept", fail=let_in) as passport:
        for _ in range(2):
            decision = await passport.admit(handshake)
            assert (decision.accepted, decision.http_status) == (False, 503)
            assert decision.close == Close(4000, "service_unavailable")
    assert (service.asked, len(seen)) == ([], 2)
    assert len([record for record in caplog.records if "cannot be asked" in record.message]) == 1


async def test_what_is_large_is_not_written_to_its_end(service: ScriptedService) -> None:
    zeros = Handshake({}, "/", "/", auth={"zeros": [0] * 490_000})
    async with SocketPass(service.address) as passport:
        began = time.process_time()
        await passport.admit(zeros)
        assert time.process_time() - began < 0.2


async def test_a_handshake_may_be_large(service: ScriptedService) -> None:
    auth = {"text": "x" * 65_000, **deep(24)}
    handshake = Handshake({"cookie": "x" * 100_000}, "/", "/", auth=auth)
    assert (await admit(service, handshake)).accepted
    assert service.asked[0].handshake.auth == to_struct(auth)


async def test_nobody_shares_a_user_with_others(service: ScriptedService) -> None:
    def spoil(handshake: Handshake, decision: Decision) -> None:
        assert decision.user == ANONYMOUS
        decision.user["logged_in"] = True

    async with SocketPass(service.address, fail=spoil) as passport:
        for status in (grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT):
            service.answer = status
            for _ in range(2):
                assert (await passport.admit(HANDSHAKE)).user == {"logged_in": True}


@pytest.mark.parametrize(("code", "name"), [(0, ""), (1000, "bye"), (5000, "no"), (4501, "x" * 124)])
async def test_a_close_that_cannot_be_sent_is_another(service: ScriptedService, code: int, name: str) -> None:
    service.answer = rejected(code=code, name=name)
    assert (await admit(service)).close == Close(4000, "service_unavailable")
    with pytest.raises(ValueError, match="close takes a code from 4000 to 4999"):
        Refused("no", Close(code, name))


async def test_unavailable_is_tried_again(service: ScriptedService) -> None:
    async def third_time(request: AuthorizeRequest, context: grpc.aio.ServicerContext[Any, Any]) -> AuthorizeResponse:
        if len(service.asked) < 3:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "draining")
        return accepted()

    service.answer = third_time
    assert (await admit(service)).accepted
    assert len(service.asked) == 3


async def test_tries_at_most_four_times(service: ScriptedService) -> None:
    service.answer = grpc.StatusCode.UNAVAILABLE
    assert not (await admit(service)).accepted
    assert len(service.asked) == 4


async def test_tries_no_longer_than_the_timeout(service: ScriptedService) -> None:
    async def never(request: AuthorizeRequest, context: grpc.aio.ServicerContext[Any, Any]) -> AuthorizeResponse:
        await asyncio.Event().wait()
        raise AssertionError

    service.answer = never
    loop = asyncio.get_running_loop()
    async with SocketPass(service.address, timeout=0.2) as passport:
        began = loop.time()
        assert not (await passport.admit(HANDSHAKE)).accepted
        assert 0.15 < loop.time() - began < 2


async def test_asks_again_when_the_service_is_back(service: ScriptedService, caplog: pytest.LogCaptureFixture) -> None:
    async with SocketPass(service.address) as passport:
        assert (await passport.admit(HANDSHAKE)).accepted
        await service.stop()
        for _ in range(2):
            assert not (await passport.admit(HANDSHAKE)).accepted
        assert len([record for record in caplog.records if "no decision" in record.message]) == 1
        await service.start(port=service.port)
        await asyncio.wait_for(_until_accepted(passport), PATIENCE)


async def _until_accepted(passport: SocketPass) -> None:
    while not (await passport.admit(HANDSHAKE)).accepted:
        pass


async def test_a_token_is_sent(service: ScriptedService) -> None:
    async with SocketPass(service.address, token="secret") as passport:
        await passport.admit(HANDSHAKE)
        assert service.metadata[0]["authorization"] == "Bearer secret"
        assert (await service.stream()).metadata["authorization"] == "Bearer secret"
        await passport.count_sockets("true")


async def test_a_token_function_is_asked_for_each_call(service: ScriptedService) -> None:
    tokens = iter(["stream", "one", "two"])

    async def token() -> str:
        return next(tokens)

    async with SocketPass(service.address, token=token) as passport:
        assert (await service.stream()).metadata["authorization"] == "Bearer stream"
        await passport.admit(HANDSHAKE)
        await passport.admit(HANDSHAKE)
    assert [metadata["authorization"] for metadata in service.metadata] == ["Bearer one", "Bearer two"]


@pytest.mark.parametrize("given", ["two\nlines", None, OSError("no file")])
async def test_a_token_function_that_gives_none_rejects(
    service: ScriptedService, given: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def token() -> str:
        if isinstance(given, BaseException):
            raise given
        return given  # type: ignore[no-any-return]

    decision = await admit(service, token=token, on_unavailable="accept")
    assert not decision.accepted
    (message,) = [record.message for record in caplog.records if "nobody is let in" in record.message]
    assert "`token` gave none" in message
    assert "two" not in caplog.text


async def test_the_trace_goes_along(service: ScriptedService) -> None:
    span = trace.SpanContext(0x1234 << 64, 0x5678, is_remote=True, trace_flags=trace.TraceFlags(1))
    attached = context.attach(trace.set_span_in_context(trace.NonRecordingSpan(span)))
    try:
        await admit(service)
    finally:
        context.detach(attached)
    assert service.metadata[0]["traceparent"] == f"00-{0x1234 << 64:032x}-{0x5678:016x}-01"
    await admit(service)
    assert "traceparent" not in service.metadata[1]


async def test_only_what_grpc_can_carry_goes_along(service: ScriptedService, monkeypatch: pytest.MonkeyPatch) -> None:
    carried = {"x-fine": "a b", "X-Upper": "c"}
    injected = {**carried, "no spaces": "x", "x-text": "é", "x-line": "a\nb", "x-bytes-bin": "x", "x-empty": ""}
    monkeypatch.setattr(tracing, "inject", lambda carrier: carrier.update(injected))
    assert (await admit(service)).accepted
    sent = service.metadata[0]
    assert {name: sent.get(name.lower()) for name in injected} == {**dict.fromkeys(injected), **carried}

    monkeypatch.setattr(tracing, "inject", lambda carrier: carrier.update(fine="x", large="x" * (8 << 10)))
    assert (await admit(service)).accepted
    assert not service.metadata[1].keys() & {"fine", "large"}


async def test_what_fails_before_the_call_rejects(service: ScriptedService, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(carrier: dict[str, str]) -> None:
        raise OSError("a propagator of the application")

    monkeypatch.setattr(tracing, "inject", broken)
    decision = await admit(service, on_unavailable="accept")
    assert (decision.accepted, service.asked) == (False, [])


@pytest.mark.parametrize("answers", [True, False])
async def test_who_is_decided_on_while_closing_is_rejected(service: ScriptedService, answers: bool) -> None:
    asked, closing = asyncio.Event(), asyncio.Event()
    hooks: list[Decision] = []

    async def slow(request: AuthorizeRequest, context: grpc.aio.ServicerContext[Any, Any]) -> AuthorizeResponse:
        asked.set()
        await (closing if answers else asyncio.Event()).wait()
        return accepted()

    def hook(handshake: Handshake, decision: Decision) -> bool:
        hooks.append(decision)
        return True

    service.answer = slow
    passport = SocketPass(service.address, on_unavailable="accept", success=hook, fail=hook, timeout=PATIENCE)
    await passport.start()
    admitting = asyncio.create_task(passport.admit(HANDSHAKE))
    await asyncio.wait_for(asked.wait(), PATIENCE)
    ending = asyncio.create_task(passport.close())
    await asyncio.sleep(0)
    assert passport.is_closing
    closing.set()
    decision = await asyncio.wait_for(admitting, PATIENCE)
    await ending
    assert (decision.accepted, decision.close) == (False, Close(4001, "gateway_draining"))
    assert (decision.message, decision.http_status) == ("Gateway is shutting down", 503)
    assert not hooks


def test_a_cause_is_told_once_a_minute(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("socketpass.log.time", SimpleNamespace(monotonic=lambda: now))
    causes = Causes()
    for _ in range(3):
        for cause in ("one", "other"):
            causes.warn(cause, "%s", cause)
        now += 59
    assert [record.message for record in caplog.records] == ["one", "other"] * 2
    assert len(causes._told) == 2


async def test_nobody_is_let_in_while_closing(service: ScriptedService) -> None:
    passport = SocketPass(service.address, on_unavailable="accept")
    with pytest.raises(RuntimeError, match="async with"):
        await passport.admit(HANDSHAKE)
    async with passport:
        with pytest.raises(RuntimeError, match="running already"):
            await passport.start()
    decision = await passport.admit(HANDSHAKE)
    assert (decision.accepted, decision.close) == (False, Close(4001, "gateway_draining"))


def test_logging_has_no_handlers() -> None:
    assert not logging.getLogger("socketpass").handlers
