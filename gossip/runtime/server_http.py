"""The HTTP side of the server: what Daphne's protocol lacks to face strangers.

A body is bounded while it arrives, a request has a deadline that a trickle of bytes does not
extend, a response waits for the client to read, and there is a bound on sockets in all, of which
WebSockets leave a part to HTTP.
"""

import asyncio
from io import BytesIO
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import structlog
from daphne.http_protocol import HTTPFactory, WebRequest
from twisted.internet.interfaces import IAddress
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

from gossip.runtime.server_flow import WriteGate

if TYPE_CHECKING:
    from gossip.runtime.server import GossipServer

CONNECTIONS: Final = 2_000
"""Sockets held at once, HTTP and WebSocket; a further one is closed at once. Twice the links of
`Limits.links`, so that there is room for clients. An idle one costs 31 KiB (measured)."""
WEBSOCKETS: Final = 0.6
"""The part of the sockets that may be WebSockets: 1,200 of 2,000, more than `Limits.links`, so that
the node itself says which of its links has to go. The rest answers clients whatever peers do."""
REPORT_EVERY: Final = 60.0
"""Seconds between two lines in the log about sockets that were refused."""
BODY_LIMIT: Final = 1_048_576
"""Bytes of a request's body. The largest value, escaped as `\\u0000`, takes 786,432."""
REQUEST_TIMEOUT: Final = 30
"""Seconds to send a whole request, and seconds that a kept-alive connection may idle."""
LINGER: Final = 2
"""Seconds to read and discard after a refusal, so that the client gets to see it."""

_TOO_LARGE_BODY: Final = b'{"success":false,"message":"The body is over %d bytes"}' % BODY_LIMIT
_TOO_LARGE: Final = (
    b"HTTP/1.1 413 Content Too Large\r\n"
    b"Content-Type: application/json\r\n"
    b"Content-Length: %d\r\n"
    b"Connection: close\r\n\r\n%s" % (len(_TOO_LARGE_BODY), _TOO_LARGE_BODY)
)

_NO_MORE_LINKS: Final = b'{"success":false,"message":"This node holds as many links as it can"}'

_log = structlog.get_logger("gossip")


class GossipRequest(WebRequest):  # type: ignore[misc] # Daphne has no types
    """One request and its response."""

    def __init__(self, channel: "GossipChannel", *args: Any, **kwargs: Any) -> None:
        super().__init__(channel, *args, **kwargs)
        # `channel` is deleted when the response is complete; a late `drained` still needs it.
        self.connection = channel
        self.body_size = 0
        self.refused = False

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        """Refuse a body that says it is too large. Kept in memory: ours are small."""
        self.content = BytesIO()
        if length is not None and length > BODY_LIMIT:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        """Take a part of the body, or discard it once the request was refused."""
        self.body_size += len(data)
        if self.body_size > BODY_LIMIT and not self.refused:
            self._refuse()
        if not self.refused:
            self.content.write(data)

    def requestReceived(self, *args: Any) -> None:  # noqa: N802
        """Process a complete request; a refused one has had its answer."""
        if self.refused:
            self.connection.loseConnection()
        else:
            super().requestReceived(*args)

    def process(self) -> None:
        """Hand the request to the application, or turn the connection into a WebSocket."""
        # The first one, as Daphne has it.
        [upgrade, *_] = self.requestHeaders.getRawHeaders(b"upgrade", [b""])
        if upgrade.lower() == b"websocket" and not self.connection.factory.has_room_for_websocket():
            self._refuse_websocket()
        else:
            super().process()

    def input_queue(self) -> "asyncio.Queue[Any]":
        """Make the queue of the application. Needs no bound: the body is complete, and small."""
        return asyncio.Queue()

    async def drained(self) -> None:
        """Return once the client has read enough for us to go on writing, or is gone."""
        await self.connection.gate.wait(self.connection.transport.abortConnection)

    def _refuse_websocket(self) -> None:
        self.setResponseCode(503)
        self.setHeader(b"Content-Type", b"application/json")
        self.setHeader(b"Content-Length", b"%d" % len(_NO_MORE_LINKS))
        self.setHeader(b"Retry-After", b"60")
        self.setHeader(b"Connection", b"close")
        self.connection.persistent = False
        self.write(_NO_MORE_LINKS)
        self.finish()

    def _refuse(self) -> None:
        self.refused = True
        self.content = BytesIO()
        self.connection.refuse(_TOO_LARGE)


class GossipChannel(HTTPChannel):  # type: ignore[misc] # Twisted's types are not read
    """One HTTP connection."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = WriteGate()
        self._receiving = False

    def connectionMade(self) -> None:  # noqa: N802
        """Count the socket and start its first deadline."""
        self.factory.opened()
        super().connectionMade()

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802
        """Not called for a connection that became a WebSocket."""
        super().connectionLost(reason)
        # They know their channel: with the response that nobody read, some 100 kB, they would stay
        # until the next collection of garbage, which is not soon.
        self.requests.clear()
        self.gate.stopProducing()
        self.factory.closed()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Start the deadline with the first byte of a request.

        `HTTPChannel` would start it anew with every byte, and so wait for ever.
        """
        if not self._receiving and not self._handlingRequest:
            self._receiving = True
            self.setTimeout(self.timeOut)
        LineReceiver.dataReceived(self, data)

    def allContentReceived(self) -> None:  # noqa: N802
        """The request is complete, and its deadline is off."""
        self._receiving = False
        super().allContentReceived()

    def pauseProducing(self) -> None:  # noqa: N802
        """The write buffer is over its limit."""
        self.gate.pauseProducing()
        super().pauseProducing()

    def resumeProducing(self) -> None:  # noqa: N802
        """The write buffer is empty."""
        self.gate.resumeProducing()
        super().resumeProducing()

    def _send100Continue(self) -> None:  # noqa: N802
        if not self.requests[-1].refused:
            super()._send100Continue()

    def refuse(self, response: bytes) -> None:
        """Answer before the request is complete, then read on for a moment and close.

        Closing at once would reset the connection, and the client would lose the answer.
        """
        self.transport.write(response)
        self.abortTimeout = LINGER
        self.setTimeout(LINGER)


class GossipHTTPFactory(HTTPFactory):  # type: ignore[misc] # Daphne has no types
    """Makes the protocols above and counts the sockets."""

    protocol = GossipChannel

    def __init__(self, server: "GossipServer") -> None:
        super().__init__(server)
        self.timeOut = REQUEST_TIMEOUT
        self.limit = CONNECTIONS
        self.sockets = 0
        self.websockets = 0
        self._refused = 0
        self._silent_until = 0.0

    def startFactory(self) -> None:  # noqa: N802
        """Not Twisted's, which wakes the process every second to tell an access log the time."""

    def buildProtocol(self, addr: IAddress) -> GossipChannel | None:  # noqa: N802
        """Make the protocol of a new socket; None, which closes it, when there are too many."""
        if self.sockets >= self.limit:
            self._report_refusal()
            return None
        protocol: GossipChannel = super().buildProtocol(addr)
        protocol.requestFactory = GossipRequest
        return protocol

    def opened(self) -> None:
        """A socket was accepted."""
        self.sockets += 1

    def closed(self) -> None:
        """A socket is gone, whatever protocol it spoke at the end."""
        self.sockets -= 1

    def has_room_for_websocket(self) -> bool:
        """Whether one more socket may become a WebSocket."""
        if self.websockets < self.limit * WEBSOCKETS:
            return True
        self._report_refusal()
        return False

    def websocket_opened(self) -> None:
        """A socket became a WebSocket."""
        self.websockets += 1

    def websocket_closed(self) -> None:
        """Such a socket is gone."""
        self.websockets -= 1
        self.closed()

    def _report_refusal(self) -> None:
        """Say that strangers or peers find no room: now and then, for they come in thousands."""
        self._refused += 1
        if (now := monotonic()) < self._silent_until:
            return
        self._silent_until = now + REPORT_EVERY
        _log.warning(
            "sockets_refused", count=self._refused, held=self.sockets, websockets=self.websockets
        )
        self._refused = 0

    def log(self, _request: GossipRequest) -> None:
        """Write no access log: one line per event that matters, none per message."""
