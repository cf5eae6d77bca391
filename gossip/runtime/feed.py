"""Who watches this node, and what they may have missed.

Theory of operation. While nobody watches nothing is recorded, and the driver pays for one look at
`watched`. The first watcher opens a ring of the latest changes; whoever lost its connection names
the last id that it saw and is given what came since, as long as the ring still reaches back so far.
A minute after the last watcher left, the ring is dropped. Ids are `<epoch>-<number>`: each ring has
an epoch of its own, so that an id of an earlier one is known to lead nowhere.

The feed of a web process records nothing by itself. It `follows` that of the worker, under the same
ids: whoever was connected to one web process may go on at another.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from gossip.core.effects import Notice
from gossip.core.entries import Entry
from gossip.runtime.watch import Change, ChangeKind, Interest, Watch, WatchEnded, WatchRefused

WATCHERS: Final = 64
"""Watchers at once: a guess. Each looks at every change, in the node's event loop."""
RING: Final = 524_288
"""Bytes of changes kept for those who come back; half of what may wait for a reader."""
LINGER: Final = 60.0
"""Seconds for which changes are still recorded when nobody watches any more: a guess, longer than
browsers take to reconnect."""

_log = structlog.get_logger("gossip")


class WatchCounts(msgspec.Struct, frozen=True):
    """Watchers now, and since the start those that found no room or read too slowly."""

    watching: int
    refused: int
    dropped: int


class Feed:
    """Tells watchers what happens. Everything here runs in the node's event loop."""

    def __init__(
        self,
        *,
        watchers: int = WATCHERS,
        ring: int = RING,
        linger: float = LINGER,
        forgotten: Callable[[], None] = lambda: None,
    ) -> None:
        """`forgotten` is called when nothing is recorded any more."""
        self.watched = False
        """Whether changes are recorded: without, `entry` and `member` need not be called."""
        self._most = watchers
        self._most_kept = ring
        self._linger = linger
        self._forgotten = forgotten
        self._watches: dict[Watch, None] = {}
        self._ring: deque[Change] = deque()
        self._kept = 0
        self._epoch = ""
        self._number = 0
        self._forgetting: asyncio.TimerHandle | None = None
        self._closed: WatchEnded | None = None
        self._refused = 0
        self._dropped = 0

    @property
    def counts(self) -> WatchCounts:
        return WatchCounts(len(self._watches), self._refused, self._dropped)

    def watch(
        self, interest: Interest, after: str | None, reader: asyncio.AbstractEventLoop
    ) -> Watch:
        """Let somebody watch, whose loop is `reader`; `after` is the last id that it knows.

        Raises `WatchRefused`.
        """
        if self._closed is not None:
            raise WatchRefused("the node is stopping")
        if len(self._watches) >= self._most:
            self._refused += 1
            raise WatchRefused(f"this node has as many watchers as it can, {self._most}")
        self._open()
        missed = None if after is None else self._since(after)
        if missed is not None:
            missed = [change for change in missed if interest.covers(change)]
        start = self._id() if after is None or missed is None else after
        watch = Watch(interest, start, self._leave, reader=reader, missed=missed)
        self._watches[watch] = None
        return watch

    def entry(self, entry: Entry) -> None:
        """This entry is what its key holds now."""
        kind = ChangeKind.DATA_DELETED if entry.deleted else ChangeKind.DATA_SET
        self._record(kind, entry.key, entry)

    def follow(self, start: str) -> None:
        """Record what another feed records behind this id, as `told`, until nobody watches."""
        self._forget()
        self._epoch, _, number = start.partition("-")
        self._number = int(number)
        self.watched = True
        # Who asked for it may be gone.
        self._forget_soon()

    def told(self, change: Change) -> None:
        """The feed that this one follows has recorded a change."""
        if self.watched:
            self._number += 1
            self._deliver(change)

    def member(self, notice: Notice) -> None:
        """Something happened to a member, or it is no business of watchers."""
        if notice.kind in _MEMBER_KINDS:
            self._record(ChangeKind(notice.kind.value), notice.subject, detail=notice.detail)

    def close(self) -> None:
        """The node stops: everybody gets what waits, and learns that it is over."""
        self._closed = WatchEnded("stopping", "the node is stopping")
        self.end(self._closed)

    def end(self, ended: WatchEnded) -> None:
        """End every watch; others may begin."""
        for watch in self._watches:
            watch.end(ended)
        self._watches.clear()
        self._forget()

    def _record(
        self, kind: ChangeKind, subject: str, entry: Entry | None = None, detail: str = ""
    ) -> None:
        self._number += 1
        self._deliver(Change(self._id(), kind, subject, entry, detail))

    def _deliver(self, change: Change) -> None:
        self._keep(change)
        for watch in tuple(self._watches):
            if watch.interest.covers(change) and not watch.put(change):
                self._dropped += 1
                _log.info("watcher_dropped", reason="slow")
                self._leave(watch)

    def _keep(self, change: Change) -> None:
        self._ring.append(change)
        self._kept += change.size
        while self._kept > self._most_kept:
            self._kept -= self._ring.popleft().size

    def _since(self, after: str) -> list[Change] | None:
        """What came behind this id; None where nobody can tell any more."""
        epoch, _, text = after.partition("-")
        if epoch != self._epoch or not (text.isascii() and text.isdigit() and len(text) < 20):
            return None
        behind = self._number - int(text)
        if not 0 <= behind <= len(self._ring):
            return None
        return list(self._ring)[len(self._ring) - behind :]

    def _id(self) -> str:
        return f"{self._epoch}-{self._number}"

    def _open(self) -> None:
        if self._forgetting is not None:
            self._forgetting.cancel()
            self._forgetting = None
        if not self.watched:
            self._epoch = secrets.token_hex(4)
            self.watched = True

    def _leave(self, watch: Watch) -> None:
        if watch not in self._watches:
            return
        del self._watches[watch]
        if not self._watches:
            self._forget_soon()

    def _forget_soon(self) -> None:
        loop = asyncio.get_running_loop()
        self._forgetting = loop.call_later(self._linger, self._forget)

    def _forget(self) -> None:
        if self._forgetting is not None:
            self._forgetting.cancel()
            self._forgetting = None
        if self.watched:
            self.watched = False
            self._forgotten()
        self._ring.clear()
        self._kept = self._number = 0


_MEMBER_KINDS = frozenset(kind.value for kind in ChangeKind if kind.value.startswith("peer_"))
