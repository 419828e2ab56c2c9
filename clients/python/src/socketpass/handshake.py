"""What a client sent when it asked for a socket."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from socketpass.v1.authorization_service_pb2 import Handshake as HandshakeMessage
from socketpass.values import to_struct

MOST_AUTH = 64 << 10
"""Bytes of `auth`, which a client writes as it likes."""
_AUTHORITY = re.compile(r"\A[A-Za-z][A-Za-z0-9+.-]*://[^/]*")


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a client sent when it asked for a socket."""

    headers: Mapping[str, str] = field(repr=False)
    """By name in lower case. Bytes are Latin-1; a header that came several times is joined."""
    url: str = field(repr=False)
    """The request target with its query."""
    namespace: str
    """Socket.IO's namespace, or the path of a WebSocket."""
    remote_address: str = ""
    auth: Mapping[str, Any] | None = field(default=None, repr=False)
    """Socket.IO's `auth` payload."""

    @classmethod
    def from_scope(
        cls, scope: MutableMapping[str, Any], *, namespace: str | None = None, auth: Mapping[str, Any] | None = None
    ) -> Handshake:
        """The handshake of an ASGI scope.

        The namespace of a WebSocket is the path as routes see it, decoded, without the scheme and the host that a
        request target may have: otherwise a policy on it could be passed by writing the path in another way.
        """
        path = scope.get("raw_path") or scope["path"].encode()
        query = scope.get("query_string", b"")
        client = scope.get("client")
        return cls(
            headers=_headers(scope["headers"]),
            url=(path + b"?" + query if query else path).decode("latin-1"),
            namespace=_AUTHORITY.sub("", scope["path"]) if namespace is None else namespace,
            remote_address=client[0] if client else "",
            auth=auth,
        )

    def to_message(self) -> HandshakeMessage:
        """As the service takes it. ValueError and TypeError where `auth` cannot be sent, or is too large."""
        return HandshakeMessage(
            headers=self.headers,
            url=self.url,
            namespace=self.namespace,
            remote_address=self.remote_address,
            auth=None if self.auth is None else to_struct(self.auth, most=MOST_AUTH),
        )


def _headers(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name in headers:
            value = headers[name] + ("; " if name == "cookie" else ", ") + value
        headers[name] = value
    return headers
