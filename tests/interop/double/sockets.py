"""WebSocket connections over asyncio streams, from either end.

The protocol is that of `websockets`, without its keep-alive: a plain peer never pings, and never
waits for a reader that is slow.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import WebSocketURI

MAX_FRAME = 100 * 1024 * 1024
PATH = "/ws"
_CHUNK = 65_536
_INVALID_UTF_8 = 1007


class WebSocket:
    """One connection whose handshake is over."""

    def __init__(
        self,
        protocol: ClientProtocol | ServerProtocol,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        dialed: str | None = None,
    ) -> None:
        self.dialed = dialed
        self.joined: set[Any] = set()
        self._protocol = protocol
        self._reader = reader
        self._writer = writer
        self._kind: Opcode | None = None
        self._parts: list[bytes] = []

    async def messages(self) -> AsyncIterator[str]:
        """The messages as text, binary ones too, until the connection is gone."""
        while True:
            for event in self._protocol.events_received():
                text = self._message(event) if isinstance(event, Frame) else None
                if text is not None:
                    yield text
            if not await self.receive():
                return

    async def receive(self) -> bool:
        """Wait for bytes and feed them to the protocol; False when there will be no more."""
        try:
            data = await self._reader.read(_CHUNK)
        except ConnectionError:
            data = b""
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        self.flush()
        return bool(data)

    def _message(self, frame: Frame) -> str | None:
        """The message that this frame completes."""
        if frame.opcode not in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
            return None
        if frame.opcode is not Opcode.CONT:
            self._kind = frame.opcode
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return None
        data = b"".join(self._parts)
        self._parts.clear()
        if self._kind is Opcode.BINARY:
            return data.decode(errors="replace")
        try:
            return data.decode()
        except UnicodeDecodeError:
            self._protocol.fail(_INVALID_UTF_8)
            self.flush()
            return None

    def send(self, text: str) -> None:
        """Send one text frame, or nothing if the connection is gone. Never waits."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_text(text.encode())
            self.flush()

    def close(self, code: int | None = None) -> None:
        """Begin to close; the other end closes the TCP connection or answers first."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code)
            self.flush()

    def flush(self) -> None:
        """Write what the protocol wants sent."""
        for data in self._protocol.data_to_send():
            if self._writer.is_closing():
                return
            if data:
                self._writer.write(data)
            else:
                with contextlib.suppress(OSError):  # the other end may have reset it
                    self._writer.write_eof()


async def upgrade(
    url: str, uri: WebSocketURI, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> WebSocket:
    """Open a WebSocket on a new connection.

    Raises `InvalidHandshake` if the server answers otherwise or goes away.
    """
    protocol = ClientProtocol(
        uri, extensions=[ClientPerMessageDeflateFactory()], max_size=MAX_FRAME
    )
    protocol.send_request(protocol.connect())
    socket = WebSocket(protocol, reader, writer, url)
    socket.flush()
    while protocol.state is State.CONNECTING and await socket.receive():
        if protocol.handshake_exc is not None:
            break
    if protocol.state is not State.OPEN:
        raise InvalidHandshake(f"{url} did not open") from protocol.handshake_exc
    return socket


def accept(
    request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> WebSocket | None:
    """Answer a request for an upgrade, given as it came; None if it is refused, with HTTP 400."""
    protocol = ServerProtocol(max_size=MAX_FRAME)
    protocol.receive_data(request)
    for event in protocol.events_received():
        if isinstance(event, Request):
            right = event.path.partition("?")[0] == PATH
            answer = protocol.accept(event) if right else protocol.reject(400, "Bad Request\n")
            protocol.send_response(answer)
    socket = WebSocket(protocol, reader, writer)
    socket.flush()
    return socket if protocol.state is State.OPEN else None
