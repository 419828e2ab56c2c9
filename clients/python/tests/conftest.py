from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.scripted import ScriptedService


@pytest.fixture
async def service() -> AsyncIterator[ScriptedService]:
    service = await ScriptedService().start()
    yield service
    await service.stop()
