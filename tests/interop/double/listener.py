"""The one port of a plain peer, for HTTP and for WebSockets."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from tests.interop.double.http import MAX_BODY, Request
from tests.interop.double.sockets import WebSocket, accept

Answer = Callable[[Request], bytes | None]
"""The response to a request; None ends the connection without a word."""
Serve = Callable[[WebSocket], Coroutine[Any, Any, None]]
Run = Callable[[Coroutine[Any, Any, None]], None]

_GONE = (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)


@dataclass(frozen=True)
class Head:
    """A request line and its headers, with the bytes they came as."""

    raw: bytes
    method: str
    target: str
    headers: dict[str, str]

    @property
    def is_upgrade(self) -> bool:
        return self.headers.get("upgrade", "").lower() == "websocket"

    @property
    def length(self) -> int:
        digits = self.headers.get("content-length", "0")
        return int(digits) if digits.isascii() and digits.isdigit() else 0

    @property
    def ends(self) -> bool:
        """Whether the client wants the connection closed after the answer."""
        return self.headers.get("connection", "").lower() == "close"


class Listener:
    """Listens, and tells WebSockets from other requests."""

    def __init__(self, answer: Answer, serve: Serve, run: Run) -> None:
        self._answer = answer
        self._serve = serve
        self._run = run
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port. Raises `OSError` if it is taken."""
        self._server = await asyncio.start_server(self._accepted, host, port)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    def close(self) -> None:
        """Listen no longer, and break off what is open."""
        if self._server is not None:
            self._server.close()
        # A task that is cancelled before its first step would close nothing.
        for writer in self._open:
            writer.transport.abort()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is not None and not self._server.is_serving():
            # It was accepted in the moment of the end.
            writer.transport.abort()
            return
        self._open.add(writer)
        self._run(self._connection(reader, writer))

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._requests(reader, writer)
        finally:
            self._open.discard(writer)

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with closing(writer):
            while head := await _read_head(reader):
                if head.is_upgrade:
                    if socket := accept(head.raw, reader, writer):
                        await self._serve(socket)
                    return
                body = await _read_body(head, reader)
                content_type = head.headers.get("content-type", "")
                answer = self._answer(Request(head.method, head.target, content_type, body))
                if answer is None:
                    return
                writer.write(answer)
                if body is None or head.ends:
                    return


class closing(contextlib.AbstractAsyncContextManager[None]):  # noqa: N801 like contextlib's
    """Close a connection at the end; abort it if the end is a cancellation, as a kill does.

    That the other end goes away is no error.
    """

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        if kind is asyncio.CancelledError:
            self._writer.transport.abort()
        else:
            self._writer.close()
            with contextlib.suppress(ConnectionError):
                await self._writer.wait_closed()
        return kind is not None and issubclass(kind, _GONE)


async def _read_head(reader: asyncio.StreamReader) -> Head | None:
    """The next request; None for what is no HTTP."""
    raw = await reader.readuntil(b"\r\n\r\n")
    request_line, *lines = raw.decode("latin-1").split("\r\n")
    parts = request_line.split(" ")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    return Head(raw, parts[0], parts[1], headers) if len(parts) == 3 else None


async def _read_body(head: Head, reader: asyncio.StreamReader) -> bytes | None:
    """The body, read to its end; None if it is too large."""
    if head.length <= MAX_BODY:
        return await reader.readexactly(head.length)
    left = head.length
    while left and (data := await reader.read(min(left, 65_536))):
        left -= len(data)
    return None
