"""Asks the service about a handshake."""

from __future__ import annotations

import asyncio

import grpc
import grpc.aio

from socketpass.channel import bearer
from socketpass.decision import NO_DECISION, OWN_MISTAKE, Close, Decision, Reason
from socketpass.handshake import Handshake
from socketpass.log import Causes, logger
from socketpass.settings import Token
from socketpass.tracing import trace_metadata
from socketpass.v1.authorization_service_pb2 import AuthorizeRequest, AuthorizeResponse
from socketpass.v1.authorization_service_pb2_grpc import AuthorizationServiceStub
from socketpass.values import from_struct

_OWN_MISTAKES = {
    grpc.StatusCode.UNAUTHENTICATED: "token or tls (a client certificate)",
    grpc.StatusCode.PERMISSION_DENIED: "token or tls (a client certificate): its role is too small",
    grpc.StatusCode.UNIMPLEMENTED: "address: something else than socketpass is there, or an older one",
    grpc.StatusCode.INVALID_ARGUMENT: "gateway_id, or what is in the handshake",
}


class Authorizer:
    """Asks the service, and knows what its errors mean."""

    def __init__(self, channel: grpc.aio.Channel, *, gateway_id: str, token: Token | None, timeout: float) -> None:
        self._stub = AuthorizationServiceStub(channel)
        self._gateway_id = gateway_id
        self._token = token
        self._timeout = timeout
        self._causes = Causes()

    async def decide(self, handshake: Handshake) -> Decision:
        """The service's decision; NO_DECISION when it gave none, OWN_MISTAKE when it never will."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout
        try:
            metadata = (*await bearer(self._token, self._timeout), *trace_metadata())
        except Exception as error:
            self._causes.warn("token", "nobody is let in: `token` gave none: %s", error)
            return OWN_MISTAKE
        try:
            request = AuthorizeRequest(handshake=handshake.to_message(), gateway_id=self._gateway_id)
        except (ValueError, TypeError, RecursionError) as error:
            logger.info("somebody is not let in: the auth payload cannot be sent: %s", error)
            return OWN_MISTAKE
        try:
            response = await self._stub.Authorize(request, timeout=deadline - loop.time(), metadata=metadata)
        except grpc.aio.AioRpcError as error:
            return self._without_answer(error.code(), error.details() or "")
        self._causes.clear()
        return _decision(response)

    def _without_answer(self, code: grpc.StatusCode, details: str) -> Decision:
        setting = _OWN_MISTAKES.get(code)
        if setting is not None:
            self._causes.warn(code, "nobody is let in: %s (%s); look at %s", details, code.name, setting)
            return OWN_MISTAKE
        self._causes.warn(
            code, "no decision: %s (%s); is the service away? else look at address and tls", details, code.name
        )
        return NO_DECISION


def _decision(response: AuthorizeResponse) -> Decision:
    reason = Reason(response.reason)
    if response.accepted and reason is Reason.UNSPECIFIED:
        logger.warning("nobody is let in for reason %d: the service is newer than this client", response.reason)
        return OWN_MISTAKE
    return Decision(
        accepted=response.accepted,
        reason=reason,
        message=response.message,
        error=response.error,
        user=from_struct(response.user),
        session_id=response.session_id,
        close=None if response.accepted else Close(response.close.code, response.close.reason),
    )
