"""Which WebSocket connections there are: `/ws`, for peers."""

from collections.abc import Callable, Collection
from typing import Final

from gossip.asgi import Application, Receive, Scope, Send
from gossip.runtime.ports import Hub
from gossip.transport.consumer import GossipConsumer

PATH: Final = "/ws"


def websocket_application(
    hub: Callable[[], Hub | None], origins: Collection[str] = frozenset()
) -> Application:
    """Make the ASGI application for WebSockets. Its arguments are those of `GossipConsumer`.

    Any path but `/ws` itself is refused in the handshake.
    """
    consumer: Application = GossipConsumer.as_asgi(
        hub=hub, origins=frozenset(origin.lower() for origin in origins)
    )

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == PATH:
            await consumer(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close"})

    return application


def own_origins(public_url: str, port: int) -> frozenset[str]:
    """Return the origins of the pages that a node with these settings serves itself.

    Not taken from the request's `Host`, which another site could make point here (DNS rebinding).
    """
    loopback = ("localhost", "127.0.0.1", "[::1]")
    return frozenset({public_url, *(f"http://{host}:{port}" for host in loopback)})
