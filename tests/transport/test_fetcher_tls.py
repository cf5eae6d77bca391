"""The fetcher against a real server with a certificate."""

import ssl
from pathlib import Path

import pytest

from gossip.core.effects import Fetch
from gossip.runtime.ports import FetchRefused
from gossip.transport.fetcher import HttpFetcher
from tests.support.certificate import certified
from tests.support.http_peer import http_peer, sized
from tests.transport.test_fetcher import BODY, MOST, Pinned


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
