"""Tells socketpass who is behind the id that a session holds: `deserializeUser`, over gRPC."""

import asyncio
import hmac
import os
import signal
from typing import Any

import grpc

from socketpass.v1 import user_source_service_pb2 as messages
from socketpass.v1 import user_source_service_pb2_grpc as services

HOST = os.environ.get("HOST", "127.0.0.1")
PORT = os.environ.get("PORT", "50052")
# What user.authorization of socketpass is, if callers shall show it.
AUTHORIZATION = os.environ.get("AUTHORIZATION", "")

# Put your own database here. An id is a string, also where `serializeUser` stored a number.
USERS: dict[str, dict[str, Any]] = {
    "1": {"id": 1, "name": "Ana", "role": "admin", "teams": ["payments"]},
    "2": {"id": 2, "name": "José", "role": "member", "teams": []},
}


async def find_user(user_id: str) -> dict[str, Any] | None:
    return USERS.get(user_id)


class Users(services.UserSourceServiceServicer):
    async def ResolveUser(self, request, context):
        if AUTHORIZATION:
            shown = dict(context.invocation_metadata()).get("authorization", "")
            if not hmac.compare_digest(shown.encode(), AUTHORIZATION.encode()):
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, "authorization is not what it should be")
        user = await find_user(request.id)
        if user is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is no such user")
        response = messages.ResolveUserResponse()
        response.user.update(user)
        return response


async def main() -> None:
    server = grpc.aio.server()
    services.add_UserSourceServiceServicer_to_server(Users(), server)
    port = server.add_insecure_port(f"{HOST}:{PORT}")
    await server.start()
    print(f"listening on {HOST}:{port}", flush=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.stop(grace=5)


asyncio.run(main())
