"""The one map from gossip endpoint to socket."""

from typing import Any, Protocol

from tests.interop.double.settings import Quirks


class Socket(Protocol):
    """One WebSocket connection, from either end."""

    dialed: str | None
    """The URL that was dialed; None if the connection came in."""
    joined: set[Any]
    """Keys of the ids that sent a `join` on it."""

    def send(self, text: str) -> None:
        """Send one text frame, or nothing if the connection is gone. Never waits."""

    def close(self) -> None:
        """Begin to close."""


class Connections:
    """The mapped sockets. A double sends on no other, save its answers."""

    def __init__(self, quirks: Quirks) -> None:
        self._quirks = quirks
        self._mapped: dict[str, Socket] = {}

    def __len__(self) -> int:
        return len(self._mapped)

    def __contains__(self, endpoint: Any) -> bool:
        return isinstance(endpoint, str) and endpoint in self._mapped

    def get(self, endpoint: Any) -> Socket | None:
        return self._mapped.get(endpoint) if isinstance(endpoint, str) else None

    def opened(self, url: str, socket: Socket) -> None:
        """A dialed socket replaces what is mapped under its URL."""
        self._mapped[url] = socket

    def came_in(self, endpoint: str, socket: Socket) -> None:
        """A socket that came in is mapped under an endpoint that is not mapped yet."""
        self._mapped.setdefault(endpoint, socket)

    def never_opened(self, url: str) -> None:
        """A dial failed."""
        if self._quirks.unmaps_by_url:
            self._mapped.pop(url, None)

    def closed(self, socket: Socket) -> None:
        """A socket closed: what is unmapped depends on who had dialed it."""
        if socket.dialed is not None and self._quirks.unmaps_by_url:
            self._mapped.pop(socket.dialed, None)
            return
        self._mapped = {url: held for url, held in self._mapped.items() if held is not socket}

    def sockets(self, *, besides: Socket | None = None) -> list[Socket]:
        """The mapped sockets, each as often as it is mapped, without one of them."""
        return [socket for socket in self._mapped.values() if socket is not besides]
