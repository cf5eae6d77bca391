"""One watcher's view of what happens: what it wants to hear of, and where it reads it.

WatchRefused   nobody watches: there are too many, or the node does not serve
WatchEnded     the watch is over: `slow`, the reader lagged too far behind; `lost`, the web process
               lost the worker, and with it what happened since; or `stopping`
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from typing import Final, Self

import msgspec

from gossip.core.effects import NoticeKind
from gossip.core.entries import Entry
from gossip.core.errors import GossipError

QUEUED: Final = 1_048_576
"""Bytes that may wait for one reader: a tenth of a second of the fastest flood. With all watchers
that are allowed lagging as far as this, 64 MiB."""
BATCH: Final = 65_536
"""Bytes after which a reader gets what it has, so that no step of it is long."""
RECORD: Final = 350
"""Bytes that a change and its entry take beside the key and the value: 126 and 226, measured."""


class ChangeKind(StrEnum):
    """What a `Change` tells."""

    DATA_SET = "data_set"
    DATA_DELETED = "data_deleted"
    PEER_JOINED = NoticeKind.PEER_JOINED.value
    PEER_SUSPECTED = NoticeKind.PEER_SUSPECTED.value
    PEER_REFUTED = NoticeKind.PEER_REFUTED.value
    PEER_LEFT = NoticeKind.PEER_LEFT.value
    PEER_REMOVED = NoticeKind.PEER_REMOVED.value


class Change(msgspec.Struct, frozen=True, gc=False):
    """Something that happened to the data or to the members."""

    id: str
    """Says where to resume: see `Feed`."""
    kind: ChangeKind
    subject: str
    """The key, or the node id of the member."""
    entry: Entry | None = None
    """What the key holds since, a tombstone included; None where it is about a member."""
    detail: str = ""
    """Of a member: for people."""

    @property
    def size(self) -> int:
        """Bytes of memory, roughly."""
        value = 0 if self.entry is None or self.entry.value is None else len(self.entry.value)
        return RECORD + len(self.subject) + len(self.detail) + value


class Interest(msgspec.Struct, frozen=True):
    """What a watcher wants to hear of."""

    kinds: frozenset[ChangeKind] = frozenset(ChangeKind)
    prefix: str = ""
    """Of keys; it leaves out no member."""

    def covers(self, change: Change) -> bool:
        return change.kind in self.kinds and (
            change.entry is None or change.subject.startswith(self.prefix)
        )


class WatchRefused(GossipError):
    """There is no room for another watcher, or the node does not serve."""


class WatchEnded(GossipError):
    """The watch is over; `reason` is `slow`, `lost` or `stopping`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Watch:
    """Changes in the order in which they happened, for one reader.

    Iterating ends when the node stops and raises `WatchEnded` where the reader was too slow. The
    feed puts in from the node's event loop, and the reader takes out in its own, which may run in
    another thread: each writes fields that the other only reads.
    """

    def __init__(
        self,
        interest: Interest,
        start: str,
        leave: Callable[["Watch"], None],
        *,
        reader: asyncio.AbstractEventLoop,
        missed: list[Change] | None = None,
    ) -> None:
        self.interest = interest
        self.start = start
        """The id behind which it begins."""
        self.resumed = missed is not None
        """Whether it begins where the reader asked, so that nothing is missing in between."""
        self._leave = leave
        self._reader = reader
        self._owner = asyncio.get_running_loop()
        self._queue = deque(missed or ())
        self._put = sum(change.size for change in self._queue)
        self._taken = 0
        self._ended: WatchEnded | None = None
        self._news = asyncio.Event()
        self._batch: deque[Change] = deque()

    def put(self, change: Change) -> bool:
        """Append a change; False, and the watch is over, where too much waits already."""
        self._put += change.size
        if self._put - self._taken > QUEUED:
            self._queue.clear()
            self.end(WatchEnded("slow", "the reader was too slow for what happened"))
            return False
        self._queue.append(change)
        self._wake()
        return True

    def end(self, ended: WatchEnded) -> None:
        """Let the reader have what waits, and nothing after it."""
        self._ended = ended
        self._wake()

    async def batch(self) -> list[Change]:
        """Wait for the next changes, some 64 KiB of them at most. Raises `WatchEnded`."""
        while not self._queue:
            if self._ended is not None:
                raise self._ended
            self._news.clear()
            # It may have come from the other thread just before.
            if not self._queue and self._ended is None:
                await self._news.wait()
        return self._take()

    def close(self) -> None:
        """Stop watching. Any number of times, in the loop of the reader."""
        if asyncio.get_running_loop() is self._owner:
            self._leave(self)
            return
        # The node's loop may have ended since, and its feed with it.
        with suppress(RuntimeError):
            self._owner.call_soon_threadsafe(self._leave, self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Change:
        if not self._batch:
            try:
                self._batch.extend(await self.batch())
            except WatchEnded as ended:
                if ended.reason == "stopping":
                    raise StopAsyncIteration from None
                raise
        return self._batch.popleft()

    def _take(self) -> list[Change]:
        taken: list[Change] = []
        size = 0
        # The feed empties the queue of a slow reader, perhaps right now.
        with suppress(IndexError):
            while size < BATCH:
                change = self._queue.popleft()
                size += change.size
                taken.append(change)
        self._taken += size
        return taken

    def _wake(self) -> None:
        if self._reader is self._owner:
            self._news.set()
            return
        # A reader whose loop has ended reads no more, and is dropped at the bound.
        with suppress(RuntimeError):
            self._reader.call_soon_threadsafe(self._news.set)
