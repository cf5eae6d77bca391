"""The neighbours of the runtime, in memory: a scripted node, wires, a journal."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator

from gossip.core.effects import Commit, Effect, Fetch, Reply
from gossip.core.entries import Entry
from gossip.core.events import Committed, Event, FrameReceived, Instant, RequestId, WriteRequested
from gossip.core.members import PeerRecord
from gossip.core.stats import MemberView, Overview, Stats
from gossip.runtime import ports
from gossip.runtime.histogram import Histogram

Script = Callable[[Event], list[Effect]]


async def until(condition: Callable[[], object]) -> None:
    """Let others run until this is so. Fails after five seconds."""
    async with asyncio.timeout(5):
        while not condition():  # conditions of many kinds, none with an event
            await asyncio.sleep(0.001)


async def no_fetcher(fetch: Fetch) -> bytes:
    """A fetcher where nobody serves HTTP."""
    raise ports.FetchRefused("nothing listens")


class ScriptedNode:
    """Remembers what happened, and wants done what its script says."""

    def __init__(self, script: Script = lambda _: []) -> None:
        self.script = script
        self.events: list[Event] = []
        self.instants: list[Instant] = []
        self.held: dict[str, Entry] = {}

    def handle(self, event: Event, now: Instant) -> list[Effect]:
        self.events.append(event)
        self.instants.append(now)
        return self.script(event)

    def get(self, key: str) -> Entry | None:
        return self.held.get(key)

    def entries(self) -> Iterator[Entry]:
        return iter(())

    def members(self) -> list[MemberView]:
        return []

    def set_aside(self) -> list[Entry]:
        return []

    def overview(self, now: Instant) -> Overview:
        return Overview(
            me=PeerRecord(node_id="me"),
            version=0,
            last_updated=0,
            live=0,
            total=0,
            links=0,
            aside=0,
            heartbeats_sent=0,
            stats=Stats(),
            reasons=(),
        )

    @property
    def frames(self) -> list[str | bytes]:
        """The data of every frame, in the order in which the node saw them."""
        return [event.data for event in self.events if isinstance(event, FrameReceived)]


def writing(event: Event) -> list[Effect]:
    """The script of a node that commits every write as version 1 and then answers it."""
    match event:
        case WriteRequested(request=request, key=key, value=value):
            return [Commit(request, Entry(key, 1, value), 0)]
        case Committed(requests=requests):
            return [Reply(request, Entry("k", 1, b"1")) for request in requests]
    return []


class EmptyPast:
    """The store of a node's first life."""

    def entries(self) -> Iterator[tuple[Entry, ...]]:
        return iter(())

    def peers(self) -> tuple[PeerRecord, ...]:
        return ()

    def begin_life(self, wall: int) -> tuple[int, int]:
        return wall, 0


class MemoryWire:
    """A socket whose peer reads when the test lets it."""

    def __init__(self, *, stuck: bool = False) -> None:
        self.sent: list[str] = []
        self.closed_with: tuple[int, str] | None = None
        self.reads = asyncio.Event()
        if not stuck:
            self.reads.set()

    async def send(self, frame: str) -> None:
        await self.reads.wait()
        self.sent.append(frame)

    async def close(self, code: int, reason: str) -> None:
        self.closed_with = (code, reason)


class MemoryJournal:
    """A store that commits in the next turn of the loop, unless the test holds it."""

    def __init__(self) -> None:
        self.committed: ports.Committed | None = None
        self.failed: ports.Failed | None = None
        self.calls: list[object] = []
        self.commit_seconds = Histogram()
        self.held = False
        self.waiting: deque[RequestId] = deque()
        self.backlog = 0
        self.error: str | None = None
        self.room = asyncio.Event()
        self.closed = False
        self.ended = asyncio.Event()
        self.bug: Exception | None = None

    def __call__(self, committed: ports.Committed, failed: ports.Failed) -> "MemoryJournal":
        """The factory of itself."""
        self.committed, self.failed = committed, failed
        return self

    def commit(self, request: RequestId, entry: Entry, clock_floor: int) -> None:
        self.calls.append(entry)
        self.waiting.append(request)
        if not self.held:
            asyncio.get_running_loop().call_soon(self.release)

    def release(self) -> None:
        """Commit what waits."""
        assert self.committed is not None
        requests = tuple(self.waiting)
        self.waiting.clear()
        if requests:
            self.committed(requests)

    def refuse(self, detail: str) -> None:
        """Roll back what waits."""
        assert self.failed is not None
        requests = tuple(self.waiting)
        self.waiting.clear()
        self.failed(requests, detail)

    def store_entry(self, entry: Entry) -> None:
        self.calls.append(entry)

    def forget_entry(self, tombstone: Entry) -> None:
        self.calls.append(("forget", tombstone))

    def store_peer(self, peer: PeerRecord) -> None:
        self.calls.append(peer)

    def forget_peer(self, node_id: str) -> None:
        self.calls.append(node_id)

    def keep_incarnation(self, incarnation: int, kept: Callable[[], None]) -> None:
        self.calls.append(incarnation)
        kept()

    async def wait_for_room(self) -> None:
        await self.room.wait()

    async def wait_ended(self) -> None:
        await self.ended.wait()
        if self.bug is not None:
            raise self.bug

    def fail(self, bug: Exception) -> None:
        """End by a bug of ours."""
        self.bug = bug
        self.ended.set()

    async def close(self) -> None:
        self.closed = True
        self.ended.set()
