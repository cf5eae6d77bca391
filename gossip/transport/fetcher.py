"""What we fetch from plain peers over HTTP (A4, L4)."""

import asyncio
import ssl
from functools import cached_property
from typing import Final
from urllib.parse import SplitResult, urlsplit

# Only a parser: streams of our own connect to the checked address, and end when cancelled. A whole
# client (httpx) also reads proxies from the environment, follows redirects and unpacks answers
# unless told not to; http.client blocks in a thread that no time-out or stop can end.
import h11

from gossip.core.effects import Fetch
from gossip.runtime.ports import FetchRefused
from gossip.transport.resolver import Resolver

TIMEOUT: Final = 10.0
"""Seconds for name, connection, request and answer together (L4)."""
READ_SIZE: Final = 4_096
"""Bytes parsed before others get a turn: sent in chunks of one byte they take 3 ms (S5)."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class HttpFetcher:
    """Fetches JSON over HTTP from the addresses that the resolver admits."""

    def __init__(self, resolver: Resolver, *, timeout: float = TIMEOUT) -> None:
        self._resolver = resolver
        self._timeout = timeout

    async def __call__(self, fetch: Fetch) -> bytes:
        """Return the body of an answer with status 200 whose header says JSON; it is not decoded.

        Raises `FetchRefused` for everything else.
        """
        try:
            async with asyncio.timeout(self._timeout):
                return await self._fetch(fetch)
        except TimeoutError as error:
            raise FetchRefused("timed out") from error

    async def _fetch(self, fetch: Fetch) -> bytes:
        url = urlsplit(fetch.url)
        reader, writer = await self._connect(url, loopback_allowed=fetch.loopback_allowed)
        try:
            return await _exchange(url, fetch.most, reader, writer)
        except h11.RemoteProtocolError as error:
            raise FetchRefused(f"not HTTP: {error}") from error
        except OSError as error:
            raise FetchRefused(f"broke off: {error.strerror or error}") from error
        finally:
            # Nothing is left to say, and a peer that does not answer must not hold the socket.
            writer.transport.abort()

    async def _connect(
        self, url: SplitResult, *, loopback_allowed: bool
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to an address that was checked. The URL says the rest: TLS name, `Host`, path."""
        host, port = url.hostname or "", url.port or _DEFAULT_PORTS[url.scheme]
        found = await self._resolver(host, port, loopback_allowed=loopback_allowed)
        failures = list(found.refusals)
        tls = url.scheme == "https"
        for address in found.admitted:
            try:
                return await asyncio.open_connection(
                    str(address),
                    port,
                    ssl=self._tls if tls else None,
                    server_hostname=host if tls else None,
                )
            except OSError as error:
                failures.append(f"{address}: {error.strerror or error}")
        raise FetchRefused("; ".join(failures))

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        # Kept: reading the system's authorities holds the loop for tens of milliseconds.
        return ssl.create_default_context()


async def _exchange(
    url: SplitResult, most: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bytes:
    http = h11.Connection(h11.CLIENT)
    for said in (_request(url), h11.EndOfMessage()):
        writer.write(http.send(said) or b"")
    body = bytearray()
    while True:
        match await _next_event(http, reader):
            case h11.InformationalResponse():
                pass
            case h11.Response() as head:
                _check(head, most)
            case h11.Data(data=data):
                body += data
                if len(body) > most:
                    raise FetchRefused(f"over {most} bytes")
            case h11.EndOfMessage():
                return bytes(body)
            case other:
                raise FetchRefused(f"not HTTP: {other!r}")


def _request(url: SplitResult) -> h11.Request:
    headers = [
        ("Host", url.netloc),
        ("Accept", "application/json"),
        # Packed, a small answer could unfold into a large one.
        ("Accept-Encoding", "identity"),
        ("Connection", "close"),
    ]
    return h11.Request(method="GET", target=url.path or "/", headers=headers)


async def _next_event(http: h11.Connection, reader: asyncio.StreamReader) -> object:
    while (event := http.next_event()) is h11.NEED_DATA:
        # Reading what has come already lets nobody else run.
        await asyncio.sleep(0)
        http.receive_data(await reader.read(READ_SIZE))
    return event


def _check(head: h11.Response, most: int) -> None:
    headers = dict(head.headers)
    media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if head.status_code != 200:
        raise FetchRefused(f"status {head.status_code}")
    if media_type != b"application/json":
        raise FetchRefused(f"not JSON: {media_type!r}")
    if b"content-encoding" in headers:
        raise FetchRefused("packed")
    if int(headers.get(b"content-length", b"0")) > most:
        raise FetchRefused(f"over {most} bytes")
