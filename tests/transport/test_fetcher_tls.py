"""The fetcher against a real server with a certificate."""

import datetime as dt
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gossip.core.effects import Fetch
from gossip.runtime.ports import FetchRefused
from gossip.transport.fetcher import HttpFetcher
from tests.support.http_peer import http_peer, sized
from tests.transport.test_fetcher import BODY, MOST, Pinned


def certified(name: str, folder: Path) -> Path:
    """A file with a key and its own certificate for this name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """The context of a server named `peer.invalid`, whom this process trusts."""
    file = certified("peer.invalid", tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def test_tls_asks_for_the_name_of_the_url(tls: ssl.SSLContext) -> None:
    names: list[str | None] = []

    def remember(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
        names.append(name)

    tls.sni_callback = remember
    async with http_peer(sized(BODY), tls=tls) as peer:
        effect = Fetch(f"https://peer.invalid:{peer.port}/", loopback_allowed=True, most=MOST)
        assert await HttpFetcher(Pinned("127.0.0.1"))(effect) == BODY
    assert names == ["peer.invalid"]


@pytest.mark.parametrize("host", ["other.invalid", "127.0.0.1"])
async def test_a_certificate_for_another_name_is_refused(tls: ssl.SSLContext, host: str) -> None:
    async with http_peer(sized(BODY), tls=tls) as peer:
        effect = Fetch(f"https://{host}:{peer.port}/", loopback_allowed=True, most=MOST)
        with pytest.raises(FetchRefused, match="certificate"):
            await HttpFetcher(Pinned("127.0.0.1"))(effect)
    assert peer.requests == []
