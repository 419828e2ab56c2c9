"""Asks the service about a handshake."""

from __future__ import annotations

import asyncio

import grpc
import grpc.aio

from socketpass.channel import bearer
from socketpass.decision import FAULTS, SERVICE_UNAVAILABLE, Close, Decision, Reason, no_decision
from socketpass.handshake import Handshake
from socketpass.hints import explain
from socketpass.log import Causes
from socketpass.settings import Token
from socketpass.tracing import trace_metadata
from socketpass.v1.authorization_service_pb2 import AuthorizeRequest, AuthorizeResponse
from socketpass.v1.authorization_service_pb2_grpc import AuthorizationServiceStub
from socketpass.values import from_struct

_MISTAKES = {
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.INVALID_ARGUMENT,
}
# Far more than a browser sends, and little beside what the service takes.
_MOST = 256 << 10


class Authorizer:
    """Asks the service, and knows what its errors mean."""

    def __init__(self, channel: grpc.aio.Channel, *, gateway_id: str, token: Token | None, timeout: float) -> None:
        self._stub = AuthorizationServiceStub(channel)
        self._gateway_id = gateway_id
        self._token = token
        self._timeout = timeout
        self._causes = Causes()

    async def decide(self, handshake: Handshake) -> Decision:
        """The service's decision, or that there is none."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout
        try:
            token = await bearer(self._token, self._timeout)
        except Exception as error:
            self._causes.warn("token", "nobody is let in: `token` gave none: %s", error)
            return no_decision(mistake=True)
        try:
            request = self._request(handshake)
            metadata = (*token, *trace_metadata())
            call = self._stub.Authorize(request, timeout=deadline - loop.time(), metadata=metadata)
        except Exception as error:
            self._causes.warn("request", "somebody is not let in: the service cannot be asked about them: %s", error)
            return no_decision(mistake=True)
        try:
            return self._understood(await call)
        except grpc.aio.AioRpcError as error:
            return self._without_answer(error.code(), error.details() or "")

    def _request(self, handshake: Handshake) -> AuthorizeRequest:
        request = AuthorizeRequest(handshake=handshake.to_message(), gateway_id=self._gateway_id)
        if request.ByteSize() > _MOST:
            raise ValueError(f"the handshake is larger than {_MOST:,} bytes")
        return request

    def _understood(self, response: AuthorizeResponse) -> Decision:
        reason = Reason(response.reason)
        if response.accepted and reason is Reason.UNSPECIFIED:
            self._causes.warn(
                response.reason,
                "nobody is let in for reason %d: the service is newer than this client",
                response.reason,
            )
            return no_decision(mistake=True)
        close = Close(response.close.code, response.close.reason).or_else(SERVICE_UNAVAILABLE)
        return Decision(
            accepted=response.accepted,
            reason=reason,
            message=response.message,
            error=response.error,
            user=from_struct(response.user),
            session_id=response.session_id,
            close=None if response.accepted else close,
            is_fault=not response.accepted and reason in FAULTS,
        )

    def _without_answer(self, code: grpc.StatusCode, details: str) -> Decision:
        is_mistake = code in _MISTAKES
        what = "nobody is let in" if is_mistake else "no decision"
        self._causes.warn(code, "%s: %s", what, explain(code, details))
        return no_decision(mistake=is_mistake)
