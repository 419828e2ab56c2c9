"""What a status of the service means to the operator."""

from __future__ import annotations

import grpc

_HINTS = {
    grpc.StatusCode.UNAUTHENTICATED: "look at `token`, or at `tls` (a client certificate)",
    grpc.StatusCode.PERMISSION_DENIED: "look at `token`: its role is too small, or it is bound to other gateway ids",
    grpc.StatusCode.UNIMPLEMENTED: "look at `address`: something else than socketpass is there, or an older one",
    grpc.StatusCode.ALREADY_EXISTS: "`gateway_id` is taken by another process",
    grpc.StatusCode.ABORTED: "`gateway_id` has been taken by another process, or by a newer stream of this one",
    grpc.StatusCode.UNAVAILABLE: "if nobody is there, look at `address` and `tls`",
    grpc.StatusCode.DEADLINE_EXCEEDED: "if nobody is there, look at `address` and `tls`",
}


def explain(code: grpc.StatusCode, details: str) -> str:
    """The status in words, and the setting to look at if there is one."""
    hint = _HINTS.get(code)
    return f"{details} ({code.name})" + (f"; {hint}" if hint else "")
