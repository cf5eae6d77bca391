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
from typing import Final

import msgspec
import structlog

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
from gossip.relay.worker_session import Session
from gossip.runtime.ports import Hub, NodePort
from gossip.runtime.tasks import Tasks
from gossip.runtime.vitals import LayerCounts

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

    def ended(self, session: Session) -> None:
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

    def _begin(self, first: Packet) -> Session:
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

    def _each(self) -> tuple[Session, ...]:
        return tuple(self._sessions.values())
