"""The WebSocket side of the server: what Daphne's protocol lacks to face strangers.

Writes wait for the peer and reads for the application (`server_flow`), a message over the size
limit is refused with 1009 from its header alone, close codes and reasons pass unchanged, and a
silent peer is found by pings.
"""

from typing import TYPE_CHECKING, Any, Final

from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from twisted.python.failure import Failure

from gossip.runtime.server_flow import InputQueue, WriteGate
from gossip.runtime.websocket import MESSAGE_LIMIT, PING_TIMEOUT, shortened

if TYPE_CHECKING:
    from gossip.runtime.server import GossipServer

READ_SIZE: Final = 16_384
"""Bytes taken from one socket before others get their turn. With the 64 KiB of Twisted a request
waited for 240 ms while eight links flooded us with small frames, with these for 100 (S5)."""
CLOSE_TIMEOUT: Final = 2
"""Seconds for what is queued, our close frame and the peer's. Autobahn's timers are up to a second
early, so that its default of 1 would sometimes cut off the close frame itself."""

_TOO_BIG: Final = 1009
_SENDABLE: Final = frozenset({1000, 1001, 1003, 1008, 1011, 1012, 1013})


class GossipWebSocket(WebSocketProtocol):  # type: ignore[misc] # Daphne has no types
    """One accepted WebSocket."""

    reading_paused = False

    def connectionMade(self) -> None:  # noqa: N802
        """Take the write side over from the HTTP channel that this connection began as."""
        super().connectionMade()
        # Daphne sets `server` when the handshake is valid, and needs it in `onClose` when not.
        self.server = self.factory.server_class
        self.server.http_factory.websocket_opened()
        self.gate = WriteGate()
        self.transport.bufferSize = READ_SIZE
        self.transport.unregisterProducer()
        self.transport.registerProducer(self.gate, True)

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802
        """Report the end of the socket to whoever waits for it or counts it."""
        super().connectionLost(reason)
        self.gate.stopProducing()
        self.server.http_factory.websocket_closed()

    def input_queue(self) -> InputQueue:
        """Make the queue through which the application receives from this socket."""
        return InputQueue(self._pause_reading, self._resume_reading)

    async def drained(self) -> None:
        """Return once the peer has read enough for us to go on writing, or is gone."""
        await self.gate.wait(self.transport.abortConnection)

    def serverSend(self, content: str | bytes, binary: bool = False) -> None:  # noqa: N802
        """Send, unless the closing has begun: the application cannot know yet."""
        if self.state in (self.STATE_CONNECTING, self.STATE_OPEN):
            super().serverSend(content, binary)

    def handle_reply(self, message: dict[str, Any]) -> None:
        """Carry out what the application says; a close keeps its code and reason."""
        if message["type"] == "websocket.close" and self.state != self.STATE_CONNECTING:
            self.close(message.get("code") or 1000, message.get("reason") or "")
        else:
            super().handle_reply(message)

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame behind what was sent; within two seconds the socket is dropped."""
        if code in _SENDABLE or 3000 <= code <= 4999:
            # Not `sendClose`: that one refuses 1001 and 1013.
            self.sendCloseFrame(code=code, reasonUtf8=shortened(reason).encode())
        else:
            self.sendCloseFrame(code=1011)

    def check_timeouts(self) -> None:
        """Ping, unless a ping is under way or we are the ones who do not read the answer."""
        waiting = self.state == self.STATE_OPEN and (self.reading_paused or self.autoPingPending)
        if not waiting:
            super().check_timeouts()

    def _max_message_size_exceeded(self, _size: int, limit: int, _reason: str) -> None:
        # Autobahn drops the socket without a word for every other fault. Here the peer is honest,
        # perhaps, and must learn why. What it still sends is discarded as it comes.
        self.failedByMe = True
        self.sendCloseFrame(code=_TOO_BIG, reasonUtf8=b"over %d bytes" % limit)

    def _pause_reading(self) -> None:
        self.reading_paused = True
        if self.autoPingTimeoutCall:
            self._cancelAutoPingTimeoutCall()
        self.transport.pauseProducing()

    def _resume_reading(self) -> None:
        self.reading_paused = False
        if self.transport.connected and not self.transport.disconnecting:
            self.transport.resumeProducing()


class GossipWebSocketFactory(WebSocketFactory):  # type: ignore[misc] # Daphne has no types
    """Makes the protocol above, with our limits."""

    protocol = GossipWebSocket

    def __init__(self, server: "GossipServer") -> None:
        super().__init__(server, server=server.server_name)
        self.setProtocolOptions(
            maxMessagePayloadSize=MESSAGE_LIMIT,
            maxFramePayloadSize=MESSAGE_LIMIT,
            autoPingTimeout=PING_TIMEOUT,
            closeHandshakeTimeout=CLOSE_TIMEOUT,
            openHandshakeTimeout=server.websocket_handshake_timeout,
            # The origin rule belongs to the application, which knows the operator's list.
            allowNullOrigin=True,
        )
