"""The connection to the service."""

from __future__ import annotations

import asyncio
import inspect
import json

import grpc
import grpc.aio

from socketpass.settings import HOST_AND_PORT, Certificates, Settings, Token, check_token

_SERVICE_CONFIG = {
    # Calls go round all addresses of the name.
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{"service": "socketpass.v1.AuthorizationService", "method": "Authorize"}],
            # gRPC takes the jitter from the pause and ends with the call's deadline.
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.05s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
}
_OPTIONS: list[tuple[str, str | int]] = [
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    # A connection that is dead is noticed within fifteen seconds, also when nothing is asked.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # By itself grpcio waits a minute for the answer to a ping, whatever keepalive says.
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # gRPC's own defaults try again after up to two minutes, and ask for a name's addresses after half a minute.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
    # An answer may name 500 sockets with 64 KiB of user and data each.
    ("grpc.max_receive_message_length", -1),
]


def open_channel(settings: Settings, certificates: Certificates | None) -> grpc.aio.Channel:
    """A channel to all addresses of `address`. It connects when it is needed."""
    options = list(_OPTIONS)
    target = settings.address
    if HOST_AND_PORT.fullmatch(target):
        target = f"dns:///{target}"
    elif "," in target:
        # A list of addresses is no authority, and without one calls end with a protocol error.
        options.append(("grpc.default_authority", target.partition(":")[2].partition(",")[0]))
    if certificates is None:
        return grpc.aio.insecure_channel(target, options)
    credentials = grpc.ssl_channel_credentials(certificates.ca, certificates.key, certificates.cert)
    return grpc.aio.secure_channel(target, credentials, options)


async def bearer(token: Token | None, timeout: float | None = None) -> list[tuple[str, str]]:
    """The metadata that shows the token, which a function is asked for each time."""
    if token is None:
        return []
    if callable(token):
        given = token()
        if inspect.isawaitable(given):
            given = await asyncio.wait_for(given, timeout)
        token = check_token(given)
    return [("authorization", f"Bearer {token}")]
