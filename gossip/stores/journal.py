"""The journal in Django's database: group commit from one thread (E7).

The thread takes whatever waits and writes it in one transaction: local writes, whose writers wait
for the commit, and a bounded part of what is written behind. While it waits for the disk, the next
group gathers; so a lone write costs one transaction, and a thousand at once cost a few.

    commit ──▶ commits ──┐                  ┌──▶ committed / failed
                         ├──▶ transaction ──┤
    store  ──▶ backlog ──┘        ▲         └──▶ room
                  ▲               │
                  └── put back ───┘ (rolled back)

When a transaction fails, the writers are told at once, and the backlog is tried again: with the
next local write, after a delay that doubles, and when the journal closes. With no backlog an empty
transaction is tried in its place, so that a store which works again is noticed on an idle node.

A server can go away while a transaction is committed, and then nobody knows whether it was. Its
writers are told nothing, and the same transaction, which changes nothing where it was, is tried
until that is known. Any other that finds the server gone, perhaps since long ago, is tried once
more at once, on a new connection.

Every transaction first looks whether the epoch of our life is still the node's. Where it is not,
another process has taken over: the transaction is rolled back, the journal ends, and nothing is
tried again.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any, NamedTuple

import structlog
from django.db import Error as DatabaseFailure
from django.db import connections, transaction

from gossip.core.entries import Entry
from gossip.core.events import RequestId
from gossip.core.members import PeerRecord
from gossip.runtime.histogram import Histogram
from gossip.runtime.ports import Committed, EpochOver, Failed
from gossip.stores.backlog import Backlog, Learned, Renewal
from gossip.stores.rows import (
    advance_node,
    delete_peers,
    delete_tombstones,
    stored_epoch,
    upsert_entries,
    upsert_peers,
)

log = structlog.get_logger("gossip")

GATHER = 0.05
"""Seconds that learned entries wait for others before they are written; a local write ends it."""
BATCH = 1_000
"""Learned entries and peers in one transaction: a local write never waits for more than these."""
BOUND = 50_000
"""Default backlog at which `wait_for_room` begins to wait, until half of it is written."""
RETRY_FIRST = 0.1
"""Seconds before the backlog is tried again after a failure; doubled each time."""
RETRY_LAST = 5.0
"""Seconds: the longest such wait."""
CLOSING = 1.8
"""Seconds that `close` waits for the thread, within the two that a stopping driver gives it; a
whole backlog takes less than one."""
ENDED = "the journal has ended"


class _Write(NamedTuple):
    request: RequestId
    entry: Entry
    clock_floor: int
    since: float


class _Group(NamedTuple):
    writes: list[_Write]
    learned: Learned
    last: bool
    """The journal was closing when this group was taken: it is not tried again."""


class DatabaseJournal:
    """Implements `gossip.runtime.ports.Journal`. Create it in the event loop, after `begin_life`.

    `epoch` is that of the life. The methods are for the event loop's thread. After `close`, when
    the epoch is over or if the thread ends by a bug of ours (`wait_ended`), a commit is answered by
    `failed` and nothing else is taken or stored.
    """

    error: str | None = None
    """What the store says while it fails; None while it works."""

    def __init__(
        self,
        committed: Committed,
        failed: Failed,
        *,
        epoch: int,
        alias: str = "default",
        bound: int = BOUND,
    ) -> None:
        self.commit_seconds = Histogram()
        self._committed = committed
        self._failed = failed
        self._epoch = epoch
        self._alias = alias
        self._bound = bound
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._room.set()
        self._ended = asyncio.Event()
        self._changed = threading.Condition()
        # Shared with the thread, under `_changed`:
        self._writes: list[_Write] = []
        self._backlog = Backlog()
        self._in_flight: _Group | None = None
        self._in_doubt = False
        self._due = 0.0
        self._retry = RETRY_FIRST
        self._closing = False
        self._over = False
        self._ended_by: Exception | None = None
        self._committing: Any = None
        """The driver's connection, once it was told all but to commit."""
        # A daemon: a disk that never answers must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def commit(self, request: RequestId, entry: Entry, clock_floor: int) -> None:
        """Make a local write durable, then call back `committed` or `failed`."""
        with self._changed:
            if not self._over:
                self._writes.append(_Write(request, entry, clock_floor, monotonic()))
                self._changed.notify()
                return
        self._loop.call_soon(self._failed, (request,), self.error or ENDED)

    def store_entry(self, entry: Entry) -> None:
        """Write an entry behind, coalesced by key."""
        with self._changed:
            if self._over:
                return
            self._expect_more()
            self._backlog.add_entry(entry)
        self._watch_room()

    def forget_entry(self, tombstone: Entry) -> None:
        """Remove a tombstone, written behind."""
        with self._changed:
            if self._over:
                return
            self._expect_more()
            self._backlog.forget_entry(tombstone)
        self._watch_room()

    def store_peer(self, peer: PeerRecord) -> None:
        """Remember a member, written behind."""
        self._store_peer(peer.node_id, peer)

    def forget_peer(self, node_id: str) -> None:
        """Forget a member, written behind."""
        self._store_peer(node_id, None)

    def keep_incarnation(self, incarnation: int, kept: Callable[[], None]) -> None:
        """Raise the node's incarnation at once, then call back `kept`."""
        with self._changed:
            if self._over:
                return
            self._backlog.add_renewal(Renewal(incarnation, kept))
            if self.error is None:
                self._due = monotonic()
            self._changed.notify()

    @property
    def backlog(self) -> int:
        """Entries and peers not yet durable."""
        with self._changed:
            in_flight = self._in_flight.learned.size if self._in_flight else 0
            return len(self._backlog) + in_flight

    async def wait_for_room(self) -> None:
        """Return at once below the bound; once it was reached, when half of it is written."""
        await self._room.wait()

    async def wait_ended(self) -> None:
        """Return once the thread has ended. Raises `EpochOver`, or a bug of ours that ended it."""
        await self._ended.wait()
        if self._ended_by is not None:
            raise self._ended_by

    async def close(self) -> None:
        """Write what waits and end the thread, within `CLOSING` seconds even if the store hangs.

        Learned entries that could not be written are lost to this node alone, and counted in the
        log: their origins hold them. A write under way when the time is over is not answered.
        """
        with self._changed:
            self._closing = True
            self._changed.notify()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSING):
                await self._ended.wait()
        if self._ended.is_set():
            self._thread.join()
        else:
            log.error("journal_stuck", seconds=CLOSING, learned_lost=self.backlog)

    def _store_peer(self, node_id: str, peer: PeerRecord | None) -> None:
        with self._changed:
            if self._over:
                return
            self._expect_more()
            self._backlog.add_peer(node_id, peer)
        self._watch_room()

    def _expect_more(self) -> None:
        if not self._backlog:
            self._due = monotonic() + GATHER
            self._changed.notify()

    def _watch_room(self) -> None:
        """Runs in the loop, as everything that touches `_room`: no wake-up can be missed."""
        if self.backlog >= self._bound:
            self._room.clear()
        elif self.backlog <= self._bound // 2:
            self._room.set()

    # From here on: the thread.

    def _run(self) -> None:
        try:
            while (group := self._next_group()) is not None:
                if not self._write(group) and group.last:
                    break
        except Exception as error:  # noqa: BLE001  # told by `wait_ended`: the node ends with it
            self._ended_by = error
        finally:
            connections[self._alias].close()
            self._end()

    def _next_group(self) -> _Group | None:
        """Wait for work; None when the journal closes and none is left."""
        with self._changed:
            while not (self._writes or self._closing):
                pending = self._backlog or self.error is not None
                wait = self._due - monotonic() if pending else None
                if wait is not None and wait <= 0:
                    break
                self._changed.wait(wait)
            if self._in_flight is not None:
                self._in_flight = self._in_flight._replace(last=self._closing)
                return self._in_flight
            writes, self._writes = self._writes, []
            group = _Group(writes, self._backlog.take(BATCH), self._closing)
            probes = self.error is not None and not self._closing
            if group.writes or group.learned.size or probes:
                self._in_flight = group
            return self._in_flight

    def _write(self, group: _Group) -> bool:
        try:
            self._attempt(group)
        except DatabaseFailure as error:
            self._not_stored(group, " ".join(str(error).split()) or type(error).__name__)
            return False
        self._durable(group)
        return True

    def _attempt(self, group: _Group) -> None:
        connection = connections[self._alias]
        before = connection.connection
        self._committing = None
        try:
            self._transact(group)
        except DatabaseFailure:
            stale = self._lost(before)
            self._in_doubt |= self._lost(self._committing)
            # A new connection for the next try: nothing of a broken one is trusted.
            connection.close()
            if not stale:
                raise
            self._attempt(group)

    def _lost(self, driver: Any) -> bool:
        """Whether this connection of the driver broke, if it is one; Django may have another."""
        connection = connections[self._alias]
        return driver is not None and not (
            connection.connection is driver and connection.is_usable()
        )

    def _transact(self, group: _Group) -> None:
        learned = group.learned
        kept = [peer for peer in learned.peers.values() if peer is not None]
        forgotten = [node_id for node_id, peer in learned.peers.items() if peer is None]
        floor = max((write.clock_floor for write in group.writes), default=0)
        incarnation = 0 if learned.renewal is None else learned.renewal.incarnation
        with transaction.atomic(using=self._alias, durable=True):
            # First, because it waits for who is taking over, and then makes them wait for us.
            if not advance_node(
                self._alias, self._epoch, clock_floor=floor, incarnation=incarnation
            ):
                raise EpochOver(self._epoch, stored_epoch(self._alias))
            upsert_entries(
                self._alias, [*(write.entry for write in group.writes), *learned.entries.values()]
            )
            if learned.dropped:
                delete_tombstones(self._alias, learned.dropped.values())
            if kept:
                upsert_peers(self._alias, kept)
            if forgotten:
                delete_peers(self._alias, forgotten)
            self._committing = connections[self._alias].connection

    def _durable(self, group: _Group) -> None:
        if self.error is not None:
            self.error = None
            log.info("journal_recovered")
        with self._changed:
            self._in_flight = None
            self._in_doubt = False
            self._retry = RETRY_FIRST
        if group.learned.size:
            self._call_back(self._watch_room)
        if group.learned.renewal is not None:
            self._call_back(group.learned.renewal.kept)
        if group.writes:
            self.commit_seconds.observe(monotonic() - group.writes[0].since)
            self._call_back(self._committed, tuple(write.request for write in group.writes))

    def _not_stored(self, group: _Group, detail: str) -> None:
        with self._changed:
            if self._in_doubt:
                # Those behind need not wait for it.
                writes, self._writes = self._writes, []
            else:
                writes = group.writes
                self._backlog.put_back(group.learned)
                self._in_flight = None
            self._due = monotonic() + self._retry
            self._retry = min(self._retry * 2, RETRY_LAST)
        if self.error is None:
            log.error("journal_failing", detail=detail, backlog=self.backlog)
        self.error = detail
        self._refuse(writes, detail)

    def _refuse(self, writes: list[_Write], detail: str) -> None:
        if writes:
            self._call_back(self._failed, tuple(write.request for write in writes), detail)

    def _end(self) -> None:
        """Answer everybody that can be: unless all could be written, some still wait."""
        epoch_over = isinstance(self._ended_by, EpochOver)
        with self._changed:
            self._over = True
            if epoch_over:
                self.error = str(self._ended_by)
            elif not self._closing:
                self.error = self.error or ENDED
            waiting, self._writes = self._writes, []
            if self._in_flight is not None and not self._in_doubt:
                waiting = self._in_flight.writes + waiting
        self._refuse(waiting, self.error or ENDED)
        # Who has taken over learns all of it as we did.
        if self.backlog and not epoch_over:
            log.error("journal_lost_learned", count=self.backlog, detail=self.error)
        # Nobody is left waiting for room that a thread which ended cannot make.
        self._call_back(self._room.set)
        self._call_back(self._ended.set)

    def _call_back(self, callback: Callable[..., object], *args: object) -> None:
        # A loop that closed before us has nobody left to tell.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *args)
