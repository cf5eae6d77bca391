"""One web process as the worker sees it: its connections of peers, its requests, its watchers."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from gossip.core.errors import WriteRefused, WriteUnanswered
from gossip.relay import items
from gossip.relay.connection import Connection
from gossip.relay.layer import Layer
from gossip.relay.stream import Packet
from gossip.runtime.ports import Hub, NodePort, OpenLink
from gossip.runtime.tasks import Tasks, report_failure
from gossip.runtime.watch import Interest, WatchEnded, WatchRefused


class Side(Protocol):
    """What serves all web processes: `gossip.relay.worker_side.WorkerSide`."""

    @property
    def hub(self) -> Hub: ...
    @property
    def port(self) -> NodePort: ...
    @property
    def settled(self) -> Callable[[], Awaitable[None]]: ...
    @property
    def tasks(self) -> Tasks: ...
    @property
    def answers(self) -> Tasks: ...
    def ended(self, session: "Session") -> None: ...


class Session:
    """One web process."""

    def __init__(self, side: Side, first: Packet, layer: Layer) -> None:
        self.channel = first.reply_to
        """Where the web process listens."""
        self._side = side
        self.connection = Connection(
            first.stream,
            first.reply_to,
            partial(layer.transmit, first.reply_to),
            self._take,
            lambda: side.ended(self),
        )
        self._wires: dict[int, RelayedWire] = {}
        self._links: dict[int, OpenLink] = {}
        self._feeding: asyncio.Task[None] | None = None
        """While somebody watches there."""
        self._held: set[int] = set()
        """Links that the web process reads no more of for now."""
        self._handlers: dict[type[items.Item], Callable[..., None]] = {
            items.Opened: self._opened,
            items.Received: self._received,
            items.Stopped: self._stopped,
            items.Closed: self._closed,
            items.Flow: self._flow,
            items.Asked: self._asked,
            items.Watching: self._watching,
        }

    @property
    def name(self) -> str:
        return self.connection.name

    @property
    def links(self) -> int:
        """How many connections of peers it holds."""
        return len(self._links)

    def write(self, item: items.Item) -> None:
        """Send an item to the web process."""
        self.connection.write(items.encode(item))

    def resign(self) -> None:
        """Send nothing more on its links, and close none."""
        for wire in self._wires.values():
            wire.lost()

    def close(self) -> None:
        """All its links have closed."""
        self.connection.close()
        if self._feeding is not None:
            self._feeding.cancel()
        for number in tuple(self._links):
            self._closed(items.Closed(number, None))

    def _take(self, item: bytes) -> None:
        decoded = items.decode_for_worker(item)
        self._handlers[type(decoded)](decoded)

    def _opened(self, item: items.Opened) -> None:
        wire = self._wires[item.link] = RelayedWire(self, item.link)
        link = self._side.hub.opened(wire, remote_is_loopback=item.remote_is_loopback)
        self._links[item.link] = link
        if item.join is not None:
            link.received(item.join.message)

    def _received(self, item: items.Received) -> None:
        link = self._links.get(item.link)
        if link is not None and not link.received(item.frame.message):
            self._hold_back(item.link, link)

    def _stopped(self, item: items.Stopped) -> None:
        link = self._links.get(item.link)
        if link is None:
            return
        if not link.stopped(item.size, item.fault, in_envelope=item.in_envelope):
            self._hold_back(item.link, link)

    def _hold_back(self, number: int, link: OpenLink) -> None:
        if number not in self._held:
            self._held.add(number)
            self._side.tasks.start(self._hold(number, link))

    async def _hold(self, number: int, link: OpenLink) -> None:
        """Have the web process read no more of a link before the node has taken what came."""
        self.write(items.Flow(number, blocked=True))
        await link.room()
        self._held.discard(number)
        self.write(items.Flow(number, blocked=False))

    def _closed(self, item: items.Closed) -> None:
        link = self._links.pop(item.link, None)
        if link is not None:
            self._wires.pop(item.link).lost()
            link.closed(item.code)

    def _flow(self, item: items.Flow) -> None:
        if (wire := self._wires.get(item.link)) is not None:
            wire.block(blocked=item.blocked)

    def _watching(self, item: items.Watching) -> None:
        if self._feeding is not None:
            self._feeding.cancel()
            self._feeding = None
        if item.watched:
            self._feeding = asyncio.create_task(self._feed(), name="feed")
            self._feeding.add_done_callback(report_failure)

    async def _feed(self) -> None:
        """Send on what happens, once it can be read everywhere."""
        loop = asyncio.get_running_loop()
        try:
            watch = await self._side.port.watch(Interest(), None, loop)
        except WatchRefused as refused:
            self.write(items.FeedLost(str(refused)))
            return
        self.write(items.Following(watch.start))
        try:
            while True:
                changes = await watch.batch()
                await self._side.settled()
                self.write(items.tell(changes))
                await self.connection.room()
        except WatchEnded as ended:
            self.write(items.FeedLost(str(ended)))
        finally:
            watch.close()

    def _asked(self, item: items.Asked) -> None:
        self._side.answers.start(self._answer(item))

    async def _answer(self, item: items.Asked) -> None:
        try:
            answer = await self._done(item.request, item.what)
        except WriteRefused as refused:
            answer = items.Answered(item.request, refused=refused.reason, detail=str(refused))
        except WriteUnanswered as unanswered:
            answer = items.Answered(item.request, unanswered=True, detail=str(unanswered))
        self.write(answer)

    async def _done(self, request: int, what: items.Request) -> items.Answered:
        match what:
            case items.Write(key, value, only_if, lifetime):
                entry = await self._side.port.write(key, value, only_if, lifetime)
                await self._side.settled()
                return items.written(request, entry)
            case items.DropAside(key):
                await self._side.port.drop_aside(key)
            case items.Forget(node_id):
                await self._side.port.forget(node_id)
        return items.Answered(request)


class RelayedWire:
    """The sending half of a connection that a web process holds: a `Wire` for the engine."""

    def __init__(self, session: Session, number: int) -> None:
        self._session = session
        self._number = number
        self._blocked = False
        self._lost = False
        self._moved = asyncio.Event()

    async def send(self, frame: str) -> None:
        """Send one frame; waits while too much of this link, or of all of them, waits."""
        if self._lost:
            return
        self._session.write(items.Send(self._number, frame))
        while self._blocked and not self._lost:
            self._moved.clear()
            await self._moved.wait()
        await self._session.connection.room()

    async def close(self, code: int, reason: str) -> None:
        """Have the web process close the socket, behind what was sent."""
        if not self._lost:
            self._session.write(items.Close(self._number, code, reason))

    def block(self, *, blocked: bool) -> None:
        """Too much of this link waits at the web process, or no more."""
        self._blocked = blocked
        self._moved.set()

    def lost(self) -> None:
        """The socket is gone."""
        self._lost = True
        self._moved.set()
