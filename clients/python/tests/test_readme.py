"""The README's examples, run as they are written there."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.scripted import PATIENCE, ScriptedService, rejected
from tests.test_socketio import browser

README = (Path(__file__).parent.parent / "README.md").read_text()
EXAMPLES = {match[2]: match[1] for match in re.finditer(r"```python\n(# (\w+)\.py\n.*?)```", README, re.DOTALL)}
ADA = {"logged_in": True, "id": 1, "name": "Ada"}


def test_there_are_examples() -> None:
    assert sorted(EXAMPLES) == ["chat", "plain", "rooms"]


@asynccontextmanager
async def running(
    name: str, service: ScriptedService, folder: Path
) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """The example in uvicorn, started as the README says."""
    (folder / f"{name}.py").write_text(EXAMPLES[name])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", f"{name}:app", "--port", "0"),
        cwd=folder,
        env={**os.environ, "SOCKETPASS_ADDR": service.address},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield await asyncio.wait_for(_host(process), PATIENCE), process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _host(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    async for line in process.stderr:
        if found := re.search(rb"running on http://(\S+)", line):
            return found[1].decode()
    raise AssertionError("it did not start")


@pytest.mark.parametrize("name", ["chat", "plain"])
async def test_websockets(name: str, service: ScriptedService, tmp_path: Path) -> None:
    async with running(name, service, tmp_path) as (host, process):
        stream = await service.stream()
        await stream.welcome()
        async with connect(f"ws://{host}/chat") as ws:
            assert json.loads(await ws.recv()) == {"hello": ADA}
            await ws.send("good morning")
            assert json.loads(await ws.recv()) == {"from": ADA, "text": "good morning"}
            await stream.until(lambda listed: len(listed) == 1)
            service.answer = rejected()
            with pytest.raises(InvalidStatus, match="401"):
                await connect(f"ws://{host}/chat")

            # uvicorn by itself would close with 1012, before the lifespan ends.
            process.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed) as closed:
                await ws.recv()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "gateway_draining")
        await stream.goodbye()
        assert (
            await asyncio.wait_for(process.wait(), PATIENCE) == -signal.SIGTERM
        )  # uvicorn raises it again at its end.


async def test_socketio(service: ScriptedService, tmp_path: Path) -> None:
    async with running("rooms", service, tmp_path) as (host, process):
        stream = await service.stream()
        await stream.welcome()
        async with browser(host, namespaces=["/", "/chat"]) as ada:
            assert await ada.hears() == ("hello", ADA)
            await ada.client.emit("say", "good morning", namespace="/chat")
            assert await ada.hears() == ("said", {"from": ADA, "text": "good morning"})
            listed = await stream.until(lambda listed: len(listed) == 2)
            assert {socket.namespace: "room" in socket.data.fields for socket in listed.values()} == {
                "/": False,
                "/chat": True,
            }
            process.send_signal(signal.SIGTERM)
            told = ("socketpass:close", {"code": 4001, "reason": "gateway_draining"})
            assert [await ada.hears(), await ada.hears()] == [told, told]
        await stream.goodbye()
        assert await asyncio.wait_for(process.wait(), PATIENCE) == -signal.SIGTERM
