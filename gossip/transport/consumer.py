"""Links that peers dial: `/ws` as a Channels consumer."""

from collections.abc import Callable, Collection
from typing import Final

from channels.consumer import AsyncConsumer

from gossip.asgi import Message, Receive, Scope, Send
from gossip.loopback import is_forwarded, is_loopback_address
from gossip.runtime.ports import Hub, OpenLink

TRY_AGAIN_LATER: Final = 1013

# ASGI's code for a connection that broke without a close frame, and RFC 6455's for a close frame
# without a code.
_ABNORMAL: Final = 1006
_NO_CODE: Final = 1005


class GossipConsumer(AsyncConsumer):  # type: ignore[misc] # Channels has no types
    """One accepted connection, from handshake to close, between its server and the hub.

    `hub` returns the running node's hub, or None where there is none; `origins` are those web
    origins whose pages may connect, in lower case.

    Channels' own loop makes a task, and its `dispatch` a thread hop, of every frame (measured:
    80 µs of CPU each, against 23 µs without the hop). Here events are awaited directly, and the
    channel layer, which nothing sends to, is left alone.
    """

    def __init__(self, *, hub: Callable[[], Hub | None], origins: Collection[str]) -> None:
        self._hub = hub
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the connection until it closes."""
        # `websocket.connect`: a server answers nothing before that.
        await receive()
        hub = self._hub()
        if not self._admits(scope):
            await send({"type": "websocket.close"})
        elif hub is None:
            # Accepted first: a refused handshake would not say that coming again helps.
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": TRY_AGAIN_LATER})
        else:
            await send({"type": "websocket.accept"})
            wire = AcceptedWire(send)
            link = hub.opened(wire, remote_is_loopback=remote_is_loopback(scope))
            await _serve(link, wire, receive)

    def _admits(self, scope: Scope) -> bool:
        """Browsers always say which page connects; peers say nothing."""
        named = (value for name, value in scope["headers"] if name == b"origin")
        return all(value.decode("latin-1").lower() in self._origins for value in named)


class AcceptedWire:
    """The sending half of an accepted connection."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.gone = False
        self.sent_code: int | None = None
        """The code of the close frame that we sent."""

    async def send(self, frame: str) -> None:
        """Send one text frame. Waits while the peer does not read. Does nothing once closed."""
        if not self.gone:
            await self._tell({"type": "websocket.send", "text": frame})

    async def close(self, code: int, reason: str) -> None:
        """Send a close frame, behind what was sent; the server then releases the socket."""
        if not self.gone:
            self.gone = True
            self.sent_code = code
            await self._tell({"type": "websocket.close", "code": code, "reason": reason})

    async def _tell(self, message: Message) -> None:
        try:
            await self._send(message)
        except (OSError, RuntimeError):
            # The socket closed and we have not read of it yet. Daphne is silent then; ASGI allows
            # an OSError, and uvicorn raises a RuntimeError while it shuts down.
            self.gone = True


def remote_is_loopback(scope: Scope) -> bool:
    """Whether a process of this machine connected, and no proxy on behalf of somebody else."""
    client = scope.get("client")
    if not client:
        return False
    names = (name.decode("latin-1") for name, _ in scope["headers"])
    return is_loopback_address(client[0]) and not is_forwarded(names)


async def _serve(link: OpenLink, wire: AcceptedWire, receive: Receive) -> None:
    code: int | None = None
    try:
        while (message := await receive())["type"] == "websocket.receive":
            text = message.get("text")
            if not link.received(message["bytes"] if text is None else text):
                await link.room()
        code = message.get("code", _NO_CODE)
    finally:
        # Also when the server cancels us, because the closing took too long.
        wire.gone = True
        link.closed(wire.sent_code if code in (None, _ABNORMAL) else code)
