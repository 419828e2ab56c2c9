import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from helpers import VALUES, helms  # noqa: E402


def pytest_generate_tests(metafunc):
    if "values" in metafunc.fixturenames:
        metafunc.parametrize("values", VALUES, ids=[path.stem.removesuffix("-values") for path in VALUES])
    if "version" in metafunc.fixturenames:
        metafunc.parametrize("version", helms())


@pytest.fixture(scope="session")
def api():
    from api_server import ApiServer

    with ApiServer() as server:
        yield server


@pytest.fixture
def redis():
    from cluster import Redis

    with Redis() as server:
        yield server


@pytest.fixture(scope="session")
def stubs():
    from cluster import compile_stubs

    return compile_stubs()
