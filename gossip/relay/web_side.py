"""A web process's side: connections of peers and requests of clients, on their way to the worker.

Theory of operation. The worker announces itself once a second to all web processes. Each opens a
stream to it and tells it of the connections that it holds, with the last `join` that came on each:
so a worker that takes over knows every peer at once, and no peer has to connect again. While there
is no worker, and while too much waits on the way, the sockets of the peers are not read.
"""

import asyncio
import secrets
from collections.abc import Callable
from functools import partial
from itertools import count
from time import monotonic
from typing import Final

import msgspec
import structlog

from gossip.core.config import Limits
from gossip.core.entries import Entry
from gossip.core.errors import WriteRefused, WriteUnanswered
from gossip.relay import items
from gossip.relay.connection import Connection
from gossip.relay.edge import Edge
from gossip.relay.layer import (
    GONE,
    HERE,
    NO_WORKER,
    PACKET,
    RETRY,
    UNKNOWN,
    WEB_PROCESSES,
    WHO,
    WORKERS,
    Here,
    Layer,
    LayerFailed,
)
from gossip.relay.stream import Packet, StreamBroken
from gossip.relay.web_feed import WebFeed
from gossip.relay.web_link import WebLink
from gossip.runtime.ports import OpenLink, Unavailable, Wire
from gossip.runtime.vitals import LayerCounts

AWAY: Final = 2.0
"""Seconds of silence after which nothing is asked of the worker: two announcements."""
LOWER_AFTER: Final = 5.0
"""Seconds of silence after which a worker of a lower epoch is believed: the database is a backup,
and Redis has not seen the epochs after it. One that was replaced notices that within a lease."""
SETTLE_WITHIN: Final = 1.0
"""Seconds that a stop waits for the requests under way; most take milliseconds."""
FLUSH_WITHIN: Final = 0.5
"""Seconds that a stop waits until the worker has heard of the last closed connection."""

_LIMITS: Final = Limits()
_decode_packet = msgspec.msgpack.Decoder(Packet).decode

_log = structlog.get_logger("gossip")


class WebSide:
    """The `Hub` of a web process, and where its requests go."""

    def __init__(self, layer: Layer, edge: Edge) -> None:
        self.edge = edge
        self._layer = layer
        self._channel = ""
        self._worker: Connection | None = None
        self._here = Here(0, "")
        self._heard = monotonic()
        self._found_one = asyncio.Event()
        self._counted = LayerCounts()
        self._links: dict[int, WebLink] = {}
        self._link_numbers = count(1)
        self._request_numbers = count(1)
        self._asked: dict[int, asyncio.Future[Entry | None]] = {}
        self.changes = WebFeed(self.write)
        """At the worker, while somebody here watches."""
        self._handlers: dict[type[items.Item], Callable[..., None]] = {
            items.Send: self._send,
            items.Close: self._close,
            items.Flow: self._flow,
            items.Answered: self._answered,
            items.Following: self.changes.follow,
            items.Changes: self.changes.tell,
            items.FeedLost: lambda item: self.changes.lose(item.why),
        }

    async def run(self) -> None:
        """Listen for the worker, until cancelled."""
        self._channel = await self._own_channel()
        handlers = {
            PACKET: self._packet,
            HERE: self._found,
            GONE: self._stopped,
            UNKNOWN: self._forgotten,
        }
        await self._layer.listen(self._channel, handlers)

    async def stop(self) -> None:
        """Tell the worker what is still to be told, and be gone; `run` must still listen."""
        if self._asked:
            await asyncio.wait(self._asked.values(), timeout=SETTLE_WITHIN)
        if (worker := self._worker) is not None:
            for link in tuple(self._links.values()):
                link.closed(None)
            try:
                async with asyncio.timeout(FLUSH_WITHIN):
                    await worker.flush()
            except TimeoutError:
                _log.warning("worker_not_told")
        self._leave_worker("this process stops")

    @property
    def has_worker(self) -> bool:
        """Whether a worker is there that hears us."""
        return self._worker is not None

    @property
    def worker_answers(self) -> bool:
        """Whether it also said something of late: it may be asked."""
        return self.has_worker and self.silent_for <= AWAY

    @property
    def reasons(self) -> tuple[str, ...]:
        """What is wrong here, for people."""
        return () if self.worker_answers else (f"worker: {NO_WORKER}",)

    async def wait_for_worker(self) -> None:
        """Return once there is one; at once where there is."""
        await self._found_one.wait()

    @property
    def silent_for(self) -> float:
        """Seconds since a worker said something, or since we began to wait for one."""
        return monotonic() - (self._heard if self._worker is None else self._worker.heard)

    @property
    def counts(self) -> LayerCounts:
        """What the layer did to this side."""
        return self._counted if self._worker is None else self._counted + self._worker.counts

    def opened(
        self, wire: Wire, *, dialed: str | None = None, remote_is_loopback: bool = False
    ) -> OpenLink:
        """Introduce an accepted connection; a web process dials nobody."""
        if dialed is not None:
            raise ValueError("a web process dials nobody")
        link = WebLink(self, next(self._link_numbers), wire, remote_is_loopback)
        self._links[link.number] = link
        self.write(items.Opened(link.number, remote_is_loopback))
        return link

    async def ask(self, what: items.Request) -> Entry | None:
        """Have the worker do something; the entry written, if any.

        Raises `Unavailable` where there is no worker, `WriteUnanswered` where it was lost on the
        way, and `WriteRefused`.
        """
        worker = self._worker
        if worker is None or not self.worker_answers:
            raise Unavailable(NO_WORKER)
        if len(self._asked) >= _LIMITS.pending_writes:
            raise WriteRefused("overloaded", "too many writes are under way")
        number = next(self._request_numbers)
        answer: asyncio.Future[Entry | None] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            await worker.room()
            worker.write(items.encode(items.Asked(number, what)))
            return await answer
        finally:
            self._asked.pop(number, None)

    def write(self, item: items.Item) -> bool:
        """Send an item to the worker; False where nobody takes it."""
        if self._worker is None:
            return False
        self._worker.write(items.encode(item))
        return True

    @property
    def has_room(self) -> bool:
        """Whether peers may be listened to."""
        return self._worker is not None and not self._worker.full

    def forget(self, number: int) -> None:
        """This link is closed."""
        del self._links[number]

    async def _own_channel(self) -> str:
        while True:
            try:
                channel = await self._layer.new_channel()
                await self._layer.join(WEB_PROCESSES, channel)
                await self._layer.tell(WORKERS, WHO, b"")
            except LayerFailed:
                await asyncio.sleep(RETRY)
            else:
                return channel

    def _found(self, body: bytes) -> None:
        here = msgspec.msgpack.decode(body, type=Here)
        if here.epoch < self._here.epoch and self.silent_for < LOWER_AFTER:
            return
        if here == self._here and self._worker is not None:
            return
        self._here = here
        self._leave_worker("another worker took over")
        _log.info("worker_found", epoch=here.epoch)
        self._open_stream()

    def _stopped(self, body: bytes) -> None:
        if msgspec.msgpack.decode(body, type=Here) == self._here:
            self._leave_worker("the worker stops")

    def _open_stream(self) -> None:
        """Begin anew with the worker: it is another one, or it has forgotten us."""
        self._worker = Connection(
            secrets.token_hex(8),
            self._channel,
            partial(self._layer.transmit, self._here.channel),
            self._take,
            self._worker_lost,
            self._wake_links,
        )
        self.edge.begin_anew()
        self.write(items.Watching(watched=False))
        self._found_one.set()
        for link in self._links.values():
            link.begin_anew(self._worker.name)
        self._wake_links()

    def _worker_lost(self) -> None:
        _log.warning("worker_lost", epoch=self._here.epoch)
        self._leave_worker("the worker does not answer")

    def _leave_worker(self, why: str) -> None:
        if self._worker is None:
            return
        self._worker.close()
        self._heard = self._worker.heard
        self._counted += self._worker.counts
        self._worker = None
        self._found_one.clear()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(WriteUnanswered(why))
        self._asked.clear()
        self.changes.lose(why)

    def _packet(self, body: bytes) -> None:
        packet = _decode_packet(body)
        if self._worker is None or packet.stream != self._worker.name:
            return
        try:
            self._worker.received(packet)
        except (msgspec.DecodeError, StreamBroken) as error:
            _log.error("relay_broken", detail=str(error))
            self._leave_worker("the worker is not understood")

    def _forgotten(self, body: bytes) -> None:
        """The worker does not know our stream: it was without us for too long."""
        if self._worker is not None and body.decode() == self._worker.name:
            self._leave_worker("the worker has forgotten this process")
            self._open_stream()

    def _take(self, item: bytes) -> None:
        decoded = items.decode_for_web(item)
        self._handlers[type(decoded)](decoded)

    def _send(self, item: items.Send) -> None:
        if (link := self._links.get(item.link)) is not None:
            link.outbound.send(item.frame)

    def _close(self, item: items.Close) -> None:
        if (link := self._links.get(item.link)) is not None:
            link.close(item.code, item.reason)

    def _flow(self, item: items.Flow) -> None:
        if (link := self._links.get(item.link)) is not None:
            link.block(blocked=item.blocked)

    def _answered(self, item: items.Answered) -> None:
        answer = self._asked.get(item.request)
        if answer is None or answer.done():
            return
        if item.refused is not None:
            answer.set_exception(WriteRefused(item.refused, item.detail))
        elif item.unanswered:
            answer.set_exception(WriteUnanswered(item.detail))
        else:
            answer.set_result(items.entry_of(item))

    def _wake_links(self) -> None:
        for link in self._links.values():
            link.wake()
