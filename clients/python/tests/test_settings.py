"""What cannot be is an error that names the setting and what it takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from socketpass import TLS, SettingError, SocketPass


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"address": "socketpass"}, r"address takes host:port, or a gRPC target \(.*\), not 'socketpass'"),
        ({"address": "http://a:1"}, "address takes host:port"),
        ({"address": "a:99999"}, "address takes host:port"),
        ({"address": "dns:///"}, "address takes host:port"),
        ({"address": "dns:"}, "address takes host:port"),
        ({"address": "ipv4:///"}, "address takes host:port"),
        ({"address": "unix:///"}, "address takes host:port"),
        ({"address": ""}, "address takes host:port"),
        ({"address": None}, "address takes host:port"),
        ({"tls": True}, "tls takes socketpass.TLS, not True"),
        ({"tls": TLS(cert=__file__)}, "tls takes `cert` and `key` together"),
        ({"tls": TLS(ca="/no/such/file")}, "tls.ca takes a file that can be read"),
        ({"tls": TLS(cert=__file__ + ".no", key=__file__)}, "tls.cert takes a file that can be read"),
        ({"tls": TLS(ca=sys.executable)}, "tls.ca takes a PEM file"),
        ({"token": ""}, "token takes what `socketpass token` printed"),
        ({"token": "s3cret\n"}, "token takes what `socketpass token` printed: visible ASCII without spaces$"),
        ({"token": 1}, "token takes"),
        ({"gateway_id": ""}, "gateway_id takes a text of 1 to 256 bytes without control characters, not ''"),
        ({"gateway_id": "é" * 129}, "gateway_id takes"),
        ({"gateway_id": "a\nb"}, "gateway_id takes"),
        ({"gateway_id": 7}, "gateway_id takes"),
        ({"labels": []}, r"labels takes at most 32 names with their values, not \[\]"),
        ({"labels": {str(n): "" for n in range(33)}}, "labels takes at most 32"),
        ({"labels": {"": "a"}}, "labels takes a text of 1 to 63 bytes"),
        ({"labels": {"a": "é" * 129}}, "labels takes values that are texts of at most 256 bytes"),
        ({"labels": {"a": 1}}, "labels takes values"),
        ({"timeout": 0}, "timeout takes seconds, more than 0, not 0"),
        ({"timeout": "5"}, "timeout takes seconds, more than 0, not '5'"),
        ({"timeout": float("inf")}, "timeout takes seconds"),
        ({"timeout": True}, "timeout takes seconds"),
        ({"on_unavailable": "maybe"}, "on_unavailable takes 'reject' or 'accept', not 'maybe'"),
        ({"close_after_loss": -1}, "close_after_loss takes seconds, more than 0, not -1"),
        ({"success": "yes"}, "success takes a function, not 'yes'"),
        ({"fail": 1}, "fail takes a function, not 1"),
        ({"user_changed": 1}, "user_changed takes a function, not 1"),
        ({"user_property": ""}, "user_property takes a name, not ''"),
    ],
)
def test_names_the_setting(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match="^" + message) as raised:
        SocketPass(**settings)
    assert str(raised.value).startswith(raised.value.setting)
    assert "s3cret" not in str(raised.value)


def test_a_setting_that_is_not_known() -> None:
    with pytest.raises(TypeError, match="colour"):
        SocketPass(colour="red")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "address",
    [
        "a:1",
        "socketpass.internal:50051",
        "[::1]:50051",
        "dns:a",
        "dns:///a:1",
        "dns://8.8.8.8/a:1",
        "ipv4:10.0.0.1:1,10.0.0.2:1",
        "unix:/run/a",
        "unix:///run/a",
    ],
)
def test_takes_addresses(address: str) -> None:
    SocketPass(address)


async def test_a_gateway_id_is_made_for_each_life() -> None:
    passport = SocketPass("127.0.0.1:1")
    names = set()
    for _ in range(2):
        async with passport:
            names.add(passport.gateway_id)
    assert len(names) == 2
    assert all(name.rpartition("-")[2].isalnum() and len(name.rpartition("-")[2]) == 6 for name in names)


def test_opentelemetry_is_optional(tmp_path: Path) -> None:
    """In a process that has none."""
    script = (
        "import sys; sys.modules['opentelemetry'] = None;"
        "from socketpass.tracing import trace_metadata; assert trace_metadata() == []"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)
