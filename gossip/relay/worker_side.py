"""The worker's side: what web processes bring goes to the engine, and its answers go back.

Theory of operation. A web process opens a stream, and a `Session` begins here with its first
packet. The connections that it names become links of the node like any other. A session ends when
its web process has been silent for too long, or opens another stream; then all its links have
closed. If that process comes back, it is told that its stream is unknown, and opens another one.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec
import structlog

from gossip.core.errors import WriteRefused, WriteUnanswered
from gossip.relay import items
from gossip.relay.connection import Connection
from gossip.relay.layer import (
    GONE,
    HERE,
    PACKET,
    UNKNOWN,
    WEB_PROCESSES,
    WHO,
    WORKERS,
    Here,
    Layer,
    LayerFailed,
)
from gossip.relay.stream import Packet, StreamBroken
from gossip.runtime.ports import Hub, NodePort, OpenLink
from gossip.runtime.tasks import Tasks, report_failure
from gossip.runtime.vitals import LayerCounts
from gossip.runtime.watch import Interest, WatchEnded, WatchRefused

ANNOUNCE: Final = 1.0
"""Seconds from one announcement to the next: a web process that starts waits for one."""

FLUSH_WITHIN: Final = 0.5
"""Seconds that a stop waits until web processes have taken the last frames and answers."""
TELL_WITHIN: Final = 0.3
"""Seconds that a stop waits for a layer which may hang."""
ENDED: Final = 1_000
"""Streams remembered as ended: a layer that hung for seconds brings what was sent on them before.
"""

_decode_packet = msgspec.msgpack.Decoder(Packet).decode

_log = structlog.get_logger("gossip")


class WorkerSide:
    """Serves the web processes of one node. Create it in the event loop of the engine.

    `settled` returns once every process reads what the node holds.
    """

    def __init__(
        self,
        layer: Layer,
        epoch: int,
        hub: Hub,
        port: NodePort,
        settled: Callable[[], Awaitable[None]],
    ) -> None:
        self.hub = hub
        self.port = port
        self.settled = settled
        self.tasks = Tasks()
        self.answers = Tasks()
        """Requests under way."""
        self._layer = layer
        self._epoch = epoch
        self._channel = ""
        self._sessions: dict[str, Session] = {}
        self._counted = LayerCounts()
        self._ended: deque[str] = deque(maxlen=ENDED)
        """The names of streams that do not begin a second time."""
        self._stopping = False

    async def open(self) -> None:
        """Make the channel that web processes send to. Raises `LayerFailed`."""
        self._channel = await self._layer.new_channel()
        await self._layer.join(WORKERS, self._channel)

    async def run(self) -> None:
        """Say that we are here, and listen, until cancelled. Once `open`."""
        handlers = {PACKET: self._packet, WHO: self._asked_for}
        async with asyncio.TaskGroup() as group:
            group.create_task(self._announce())
            group.create_task(self._layer.listen(self._channel, handlers))

    async def stop(self) -> None:
        """Let what was written go out, for a moment, and be gone; `run` must still listen."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_WITHIN):
                await self._flush()
        self._stopping = True
        with suppress(TimeoutError):
            async with asyncio.timeout(TELL_WITHIN):
                await self._tell(GONE)
        for session in self._each():
            session.close()
        await asyncio.gather(self.tasks.stop(), self.answers.stop())

    def resign(self) -> None:
        """The node lives on in another worker: its links stay open, whoever closes them here."""
        for session in self._each():
            session.resign()

    @property
    def web_processes(self) -> int:
        """How many are connected."""
        return len(self._sessions)

    @property
    def counts(self) -> LayerCounts:
        """What the layer did to this side."""
        return sum((session.connection.counts for session in self._each()), self._counted)

    def ended(self, session: "Session") -> None:
        """A web process is gone, or was not understood."""
        if self._sessions.pop(session.name, None) is not None:
            self._counted += session.connection.counts
            self._ended.append(session.name)
            _log.info("web_process_lost", links=session.links, web_processes=self.web_processes)
            session.close()

    async def _flush(self) -> None:
        # What was written is answered once it is shown everywhere.
        await self.answers.ended()
        await asyncio.gather(*(session.connection.flush() for session in self._each()))

    async def _announce(self) -> None:
        while not self._stopping:
            await self._tell(HERE)
            await asyncio.sleep(ANNOUNCE)

    async def _tell(self, kind: str) -> None:
        here = msgspec.msgpack.encode(Here(self._epoch, self._channel))
        with suppress(LayerFailed):
            await self._layer.tell(WEB_PROCESSES, kind, here)

    def _asked_for(self, _body: bytes) -> None:
        if not self._stopping:
            self.tasks.start(self._tell(HERE))

    def _packet(self, body: bytes) -> None:
        packet = _decode_packet(body)
        session = self._sessions.get(packet.stream)
        if session is None:
            if self._stopping:
                return
            if packet.number != 1 or packet.stream in self._ended:
                self._disown(packet)
                return
            session = self._begin(packet)
        try:
            session.connection.received(packet)
        except (msgspec.DecodeError, StreamBroken) as error:
            _log.error("relay_broken", detail=str(error))
            self.ended(session)
            self._disown(packet)

    def _begin(self, first: Packet) -> "Session":
        for other in self._each():
            if other.channel == first.reply_to:
                # It is the same web process, and hears nothing on that stream any more.
                self.ended(other)
        session = self._sessions[first.stream] = Session(self, first, self._layer)
        _log.info("web_process_found", web_processes=self.web_processes)
        return session

    def _disown(self, packet: Packet) -> None:
        self.tasks.start(self._say_unknown(packet))

    async def _say_unknown(self, packet: Packet) -> None:
        # Where it fails: the other end sends again, and is told then.
        with suppress(LayerFailed):
            await self._layer.send(packet.reply_to, UNKNOWN, packet.stream.encode())

    def _each(self) -> "tuple[Session, ...]":
        return tuple(self._sessions.values())


class Session:
    """One web process."""

    def __init__(self, side: WorkerSide, first: Packet, layer: Layer) -> None:
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
