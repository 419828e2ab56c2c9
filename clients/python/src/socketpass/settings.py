"""Every setting, checked when the client is made."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from socketpass.errors import SettingError

if TYPE_CHECKING:
    from socketpass.decision import Decision
    from socketpass.handshake import Handshake
    from socketpass.sockets import Socket

FilePath = str | os.PathLike[str]
Token = str | Callable[[], str | Awaitable[str]]
Hook = Callable[["Handshake", "Decision"], bool | Awaitable[bool | None] | None]
UserChanged = Callable[["Socket"], Awaitable[None] | None]

HOST_AND_PORT = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/\[\],]+):(\d{1,5})")
_GRPC_TARGET = re.compile(r"dns:(//[^\s/]*/)?[^\s/]+|(ipv4|ipv6):[^\s/]+|unix:\S*[^\s/]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class TLS:
    """Files in PEM. Without `ca` the system's authorities are trusted; `cert` and `key` go together (mTLS)."""

    ca: FilePath | None = None
    cert: FilePath | None = None
    key: FilePath | None = None


@dataclass(frozen=True, slots=True)
class Certificates:
    """What the files of TLS held."""

    ca: bytes | None
    cert: bytes | None
    key: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What SocketPass was made with. What cannot be is a SettingError."""

    address: str
    tls: TLS | None
    token: Token | None
    gateway_id: str | None
    labels: Mapping[str, str]
    timeout: float
    on_unavailable: Literal["reject", "accept"]
    close_after_loss: float | None
    success: Hook | None
    fail: Hook | None
    user_changed: UserChanged | None
    user_property: str

    def __post_init__(self) -> None:
        _check_address(self.address)
        _check_token(self.token)
        if self.gateway_id is not None:
            _check_text("gateway_id", self.gateway_id, 256)
        _check_labels(self.labels)
        _check_seconds("timeout", self.timeout)
        if self.close_after_loss is not None:
            _check_seconds("close_after_loss", self.close_after_loss)
        if self.on_unavailable not in ("reject", "accept"):
            raise SettingError("on_unavailable", "takes 'reject' or 'accept'", self.on_unavailable)
        for name in ("success", "fail", "user_changed"):
            hook = getattr(self, name)
            if hook is not None and not callable(hook):
                raise SettingError(name, "takes a function", hook)
        if not isinstance(self.user_property, str) or not self.user_property:
            raise SettingError("user_property", "takes a name", self.user_property)

    def certificates(self) -> Certificates | None:
        """What is in the files of `tls`; None is plaintext."""
        if self.tls is None:
            return None
        if not isinstance(self.tls, TLS):
            raise SettingError("tls", "takes socketpass.TLS", self.tls)
        if (self.tls.cert is None) != (self.tls.key is None):
            raise SettingError("tls", "takes `cert` and `key` together")
        certificates = Certificates(
            ca=_system_authorities() if self.tls.ca is None else _read("tls.ca", self.tls.ca),
            cert=None if self.tls.cert is None else _read("tls.cert", self.tls.cert),
            key=None if self.tls.key is None else _read("tls.key", self.tls.key),
        )
        if self.tls.cert is not None and self.tls.key is not None:
            _check_key(self.tls.cert, self.tls.key)
        return certificates


def check_token(token: object) -> str:
    """The token, if it can be one. What it is must not show in the error."""
    if not isinstance(token, str) or not _VISIBLE_ASCII.fullmatch(token):
        raise SettingError("token", "takes what `socketpass token` printed: visible ASCII without spaces")
    return token


def _check_token(token: object) -> None:
    if token is not None and not callable(token):
        check_token(token)


def _check_address(address: object) -> None:
    if isinstance(address, str):
        plain = HOST_AND_PORT.fullmatch(address)
        if (plain and int(plain[2]) <= 65535) or (not plain and _GRPC_TARGET.fullmatch(address)):
            return
    raise SettingError("address", "takes host:port, or a gRPC target (dns:, ipv4:, ipv6:, unix:)", address)


def _check_text(setting: str, text: object, most: int) -> None:
    if not isinstance(text, str) or not 1 <= len(text.encode(errors="replace")) <= most or _CONTROL.search(text):
        raise SettingError(setting, f"takes a text of 1 to {most} bytes without control characters", text)


def _check_labels(labels: object) -> None:
    if not isinstance(labels, Mapping) or len(labels) > 32:
        raise SettingError("labels", "takes at most 32 names with their values", labels)
    for name, value in labels.items():
        _check_text("labels", name, 63)
        if not isinstance(value, str) or len(value.encode(errors="replace")) > 256:
            raise SettingError("labels", "takes values that are texts of at most 256 bytes", value)


def _check_seconds(setting: str, value: Any) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 < value < float("inf"):
        raise SettingError(setting, "takes seconds, more than 0", value)


def _read(setting: str, path: FilePath) -> bytes:
    try:
        pem = Path(path).read_bytes()
    except (OSError, TypeError) as error:
        raise SettingError(setting, f"takes a file that can be read ({error})") from error
    if b"-----BEGIN " not in pem:
        raise SettingError(setting, "takes a PEM file", os.fspath(path))
    return pem


def _check_key(cert: FilePath, key: FilePath) -> None:
    try:
        # With an empty password OpenSSL asks nobody for one; gRPC takes no key that has one.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert, key, password="")
    except (ssl.SSLError, OSError, ValueError) as error:
        raise SettingError("tls.key", f"takes the key of `tls.cert`, without a password ({error})") from error


def _system_authorities() -> bytes | None:
    """What OpenSSL trusts here; gRPC would take the authorities that it brings along. None: OpenSSL knows none."""
    context = ssl.create_default_context()
    found = [ssl.DER_cert_to_PEM_cert(der).encode() for der in context.get_ca_certs(binary_form=True)]
    folder = ssl.get_default_verify_paths().capath
    if not found and folder:  # OpenSSL reads the folder one by one, as it needs them.
        found = [path.read_bytes() for path in sorted(Path(folder).glob("*.[0-9]"))]
    return b"\n".join(found) or None
