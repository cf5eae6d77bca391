"""A little HTTP server that says what the test gives it, right or wrong."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class HttpPeer:
    """Answers every request with the same bytes; remembers the requests."""

    def __init__(self, answer: bytes, *, stays: bool, endless: bytes) -> None:
        self._answer = answer
        self._stays = stays
        self._endless = endless
        self.port = 0
        self.requests: list[bytes] = []
        """The head of each, as it came."""
        self.gone = asyncio.Event()
        """The client closed a connection that stayed open here."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # A client that breaks off in the midst of it is what some tests are about.
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                await self._say(writer)
                if self._stays:
                    await reader.read()
        finally:
            if self._stays or self._endless:
                self.gone.set()
            writer.close()

    async def _say(self, writer: asyncio.StreamWriter) -> None:
        writer.write(self._answer)
        await writer.drain()
        while self._endless:
            writer.write(self._endless)
            await writer.drain()


@asynccontextmanager
async def http_peer(
    answer: bytes,
    *,
    stays: bool = False,
    endless: bytes = b"",
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[HttpPeer]:
    """Serve on a free port of 127.0.0.1.

    After the answer the connection is closed, unless it `stays` open until the client closes it, or
    is sent these `endless` bytes until then.
    """
    peer = HttpPeer(answer, stays=stays, endless=endless)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0, ssl=tls)
    peer.port = server.sockets[0].getsockname()[1]
    async with server:
        yield peer


def answer(
    body: bytes, *headers: str, status: str = "200 OK", media_type: str = "application/json"
) -> bytes:
    """An answer whose body ends where these headers say, or with the connection."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {media_type}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def sized(body: bytes) -> bytes:
    """An answer with `Content-Length`."""
    return answer(body, f"Content-Length: {len(body)}")


def chunks(*parts: bytes) -> bytes:
    """These parts in chunked coding, without the end."""
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


def chunked(*parts: bytes) -> bytes:
    """An answer in chunks."""
    return answer(chunks(*parts) + b"0\r\n\r\n", "Transfer-Encoding: chunked")
