"""A plain peer for tests, on the running event loop."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from websockets.exceptions import InvalidHandshake
from websockets.uri import WebSocketURI

from tests.interop.double.http import Api, Request
from tests.interop.double.incoming import Incoming
from tests.interop.double.javascript import truthy
from tests.interop.double.listener import Listener, closing
from tests.interop.double.node import Node
from tests.interop.double.outgoing import Outgoing
from tests.interop.double.peers import oneself
from tests.interop.double.schedule import Schedule
from tests.interop.double.settings import Settings
from tests.interop.double.sockets import WebSocket, upgrade
from tests.interop.double.urls import dialable
from tests.interop.double.wire import now_ms

T = TypeVar("T")


class Double:
    """One plain peer: `async with Double(Settings("0xd9d6")) as peer:`.

    It lives until the block ends or something kills it; then every socket of it breaks off, as
    when its process ends. Leaving the block raises what went wrong inside it.
    """

    node: Node
    outgoing: Outgoing

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.port = settings.port
        self.died: str | None = None
        """What killed it."""
        self._schedule = Schedule()
        self._listener = Listener(self._answer, self._serve, self._schedule.run)
        self._sockets: set[WebSocket] = set()

    @property
    def url(self) -> str:
        """Where it can be dialed, whatever it says of itself."""
        return f"ws://{self.settings.host}:{self.port}/ws"

    @property
    def api(self) -> str:
        """The origin of its HTTP side."""
        return f"http://{self.settings.host}:{self.port}"

    @property
    def open_sockets(self) -> int:
        """How many WebSockets stand, mapped or not, of both directions."""
        return len(self._sockets)

    def get(self, key: str) -> Any:
        """The value under a key, or `UNDEFINED`."""
        return self.node.state.get(key)

    def set(self, key: str, value: Any) -> None:
        """Write, as its HTTP side does."""
        self.outgoing.written(self.node.state.write(key, value, now_ms()))

    async def __aenter__(self) -> Self:
        self.port = await self._listener.start(self.settings.host, self.settings.port)
        endpoint = self.settings.gossip_endpoint or self.url
        me = oneself(self.settings.node_id, self.settings.public_key, self.api, endpoint)
        self.node = Node(self.settings, me)
        self.outgoing = Outgoing(self.node)
        self._incoming = Incoming(self.node, self.outgoing, self._dial_later)
        self._api = Api(self.node, self.outgoing)
        self._start_timers()
        for url in self.settings.bootstrap:
            self._dial(url)
        self.outgoing.introduce()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.end()

    async def end(self) -> None:
        """End now, as the process does on SIGTERM. Raises what went wrong inside it, ever."""
        if self.died is None and not self.settings.quirks.ends_without_leave:
            self._leave()
        self._halt()
        await self._schedule.ended()

    def _start_timers(self) -> None:
        timers, every = self.settings.timers, self._schedule.every
        every(timers.interval, lambda: self._alive(lambda: self.outgoing.round(now_ms())))
        every(timers.heartbeat, self._heartbeat)
        every(timers.cleanup, lambda: self.node.clean(now_ms()))
        every(timers.redial, self._redial)

    def _heartbeat(self) -> None:
        now = now_ms()
        self.node.check_liveness(now)
        self.outgoing.heartbeat(now)

    def _redial(self) -> None:
        """Dial who is not active, then who has no connection, then, being alone, the bootstrap.

        A peer that is in more than one of these is dialed that often: three sockets were seen.
        """
        connections, endpoints = self.node.connections, list[Any]()
        endpoints += [peer.gossip_endpoint for peer in self.node.peers if peer.status != "active"]
        endpoints += [
            peer.gossip_endpoint
            for peer in self.node.peers
            if peer.gossip_endpoint not in connections
        ]
        alone = not len(connections) if self.settings.quirks.bootstraps_only_alone else True
        endpoints += [url for url in self.settings.bootstrap if alone and url not in connections]
        for endpoint in filter(truthy, endpoints):
            self._dial(endpoint)

    def _dial_later(self, endpoint: Any, seconds: float) -> None:
        self._schedule.after(seconds, lambda: self._dial(endpoint))

    def _dial(self, endpoint: Any) -> None:
        quirks = self.settings.quirks
        if not quirks.dials_without_looking and endpoint in self.node.connections:
            return
        if uri := dialable(endpoint):
            self.node.stats.dials += 1
            self._schedule.run(self._connect(endpoint, uri))
        elif quirks.dies_of_bad_endpoints:
            self._die(f"dialed {endpoint!r}")

    async def _connect(self, url: str, uri: WebSocketURI) -> None:
        try:
            reader, writer = await asyncio.open_connection(uri.host, uri.port, ssl=uri.secure)
        except OSError:
            self.node.connections.never_opened(url)
            return
        async with closing(writer):
            try:
                socket = await upgrade(url, uri, reader, writer)
            except InvalidHandshake:
                self.node.connections.never_opened(url)
                return
            self.node.connections.opened(url, socket)
            self.outgoing.join(socket)
            await self._serve(socket)

    async def _serve(self, socket: WebSocket) -> None:
        self._sockets.add(socket)
        try:
            async for text in socket.messages():
                self._receive(text, socket)
        finally:
            self._sockets.discard(socket)
            self.node.connections.closed(socket)

    def _receive(self, text: str, socket: WebSocket) -> None:
        if self.died is None:
            self._alive(lambda: self._incoming.receive(text, socket))

    def _answer(self, request: Request) -> bytes | None:
        return self._alive(lambda: self._api.answer(request))

    def _alive(self, action: Callable[[], T]) -> T | None:
        """Do this, or die of it."""
        try:
            return action()
        except RecursionError:
            if self.settings.quirks.dies_of_deep_values:
                self._die("a value nested too deep")
            return None

    def _die(self, cause: str) -> None:
        self.died = cause
        self._halt()

    def _halt(self) -> None:
        self._listener.close()
        self._schedule.cancel()

    def _leave(self) -> None:
        self.outgoing.leave()
        for socket in self._sockets:
            socket.close(1001)
