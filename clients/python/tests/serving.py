"""Real servers for the tests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import uvicorn

from tests.scripted import PATIENCE


@contextlib.asynccontextmanager
async def serve(app: Any) -> AsyncIterator[str]:
    """The app in uvicorn; gives its host and port."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    await _start(server)
    try:
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        yield f"{host}:{port}"
    finally:
        await server.shutdown()


async def _start(server: uvicorn.Server) -> None:
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await asyncio.wait_for(server.startup(), PATIENCE)
