"""TLS and client certificates, with certificates made here."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from socketpass import TLS, Handshake, SettingError, SocketPass
from tests.scripted import ScriptedService

HANDSHAKE = Handshake(headers={}, url="/", namespace="/")


class Authority:
    """Signs certificates, and writes them into a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.crt"
        self.file.write_bytes(self._sign(self._name, self._key.public_key(), authority=True))

    def certificate(self, name: str) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate, private = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate.write_bytes(self._sign(subject, key.public_key(), authority=False))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, private

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, authority: bool) -> bytes:
        now = datetime.datetime.now(datetime.timezone.utc)
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


async def serve(authority: Authority, *, client_certificates: bool) -> ScriptedService:
    certificate, key = authority.certificate("server")
    credentials = grpc.ssl_server_credentials(
        [(key.read_bytes(), certificate.read_bytes())],
        root_certificates=authority.file.read_bytes() if client_certificates else None,
        require_client_auth=client_certificates,
    )
    return await ScriptedService().start(credentials)


async def is_accepted(service: ScriptedService, tls: TLS | None) -> bool:
    async with SocketPass(service.address, tls=tls, timeout=2) as passport:
        return (await passport.admit(HANDSHAKE)).accepted


async def test_tls(authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = await serve(authority, client_certificates=False)
    try:
        assert await is_accepted(service, TLS(ca=authority.file))
        assert not await is_accepted(service, TLS(ca=Authority(tmp_path, "another").file))
        assert not await is_accepted(service, None)
        # The system's authorities, as OpenSSL is told where they are.
        assert not await is_accepted(service, TLS())
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        assert await is_accepted(service, TLS())
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
        folder = tmp_path / "authorities"
        folder.mkdir()
        (folder / "12345678.0").symlink_to(authority.file)
        monkeypatch.setenv("SSL_CERT_DIR", str(folder))
        assert await is_accepted(service, TLS())
    finally:
        await service.stop()


async def test_client_certificates(authority: Authority, tmp_path: Path) -> None:
    service = await serve(authority, client_certificates=True)
    try:
        certificate, key = authority.certificate("gateway")
        assert await is_accepted(service, TLS(ca=authority.file, cert=certificate, key=key))
        assert not await is_accepted(service, TLS(ca=authority.file))
        foreign_certificate, foreign_key = Authority(tmp_path, "another").certificate("foreign")
        assert not await is_accepted(service, TLS(ca=authority.file, cert=foreign_certificate, key=foreign_key))
    finally:
        await service.stop()


def test_a_key_that_is_another_certificates_is_an_error(authority: Authority) -> None:
    (cert, key), (_, another) = authority.certificate("one"), authority.certificate("another")
    SocketPass(tls=TLS(authority.file, cert, key))
    with pytest.raises(SettingError, match=r"^tls\.key takes the key of `tls\.cert`"):
        SocketPass(tls=TLS(authority.file, cert, another))
    locked = serialization.BestAvailableEncryption(b"secret")
    private = ec.generate_private_key(ec.SECP256R1())
    key.write_bytes(private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked))
    with pytest.raises(SettingError, match=r"^tls\.key takes .* without a password"):
        SocketPass(tls=TLS(authority.file, cert, key))
