"""A light HTTP client: what it costs must not show in what it measures."""

import asyncio
from typing import NamedTuple, Self


class Response(NamedTuple):
    """What a benchmark needs of an answer."""

    status: int
    body: bytes


def get(path: str) -> bytes:
    """A `GET`, ready to send."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def post(body: bytes) -> bytes:
    """A `POST` to `/gossip/data`, ready to send."""
    head = (
        "POST /gossip/data HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Connection:
    """One kept-alive connection to a node on the loopback address; one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, request: bytes) -> Response:
        """Send one request and read the answer, which must state its length."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        return Response(int(head[9:12]), await self._reader.readexactly(length))

    def close(self) -> None:
        """Close the socket."""
        self._writer.close()
