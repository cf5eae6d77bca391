"""A node that is a dictionary: what services and views ask, without a cluster behind it."""

import asyncio
from collections.abc import AsyncIterator

import msgspec

from gossip.core.conditions import Condition
from gossip.core.entries import Entry
from gossip.core.errors import WriteRefused, WriteUnanswered
from gossip.core.members import PeerRecord
from gossip.core.stats import MemberView, Overview, Stats
from gossip.runtime.feed import Feed, WatchCounts
from gossip.runtime.histogram import Histogram
from gossip.runtime.ports import STEP, Unavailable
from gossip.runtime.vitals import Vitals
from gossip.runtime.watch import Interest, Watch

NOW = 1_795_327_401_824
"""Milliseconds: the wall clock of this node, which stands still."""
ME = PeerRecord(
    node_id="0xme",
    public_key="0xpub",
    gossip_endpoint="ws://localhost:3001/ws",
    api_endpoint="http://localhost:3001",
    region="local",
    capabilities=("gx1",),
    version="1.0.0",
    last_seen=NOW,
)


class FakePort:
    """Implements `gossip.runtime.ports.NodePort`. Create it in the event loop that is to own it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._entries: dict[str, Entry] = {}
        self._overview = Overview(
            me=ME,
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
        idle = Histogram().read()
        self._vitals = Vitals(
            loop_lag=idle,
            commits=idle,
            backlog=0,
            journal_failing=False,
            writes_waiting=0,
            events_waiting=0,
            outbound_waiting=0,
        )
        self.waiting_for_their_time: list[Entry] = []
        self.views: list[MemberView] = []
        self.ready = True
        self.stale_for = 0.0
        self.unavailable: Unavailable | None = None
        """Raised by every read, and by every step of one, if there is one."""
        self.refusal: WriteRefused | WriteUnanswered | None = None
        """Raised by every write, if there is one."""
        self.gate = asyncio.Event()
        """Writes wait for it, as for a commit; it is open unless a test closes it."""
        self.gate.set()
        self.waiting = 0
        """Writes that wait for the gate."""
        self._arrival = asyncio.Event()
        self.feed = Feed()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    async def get(self, key: str) -> Entry | None:
        self._answer()
        return self._entries.get(key)

    def entries(self, prefix: str = "", after: str = "") -> AsyncIterator[list[Entry]]:
        return self._steps(
            [
                self._entries[key]
                for key in sorted(self._entries)
                if key.startswith(prefix) and key > after
            ]
        )

    async def _steps(self, found: list[Entry]) -> AsyncIterator[list[Entry]]:
        self._answer()
        for start in range(0, len(found), STEP):
            yield found[start : start + STEP]
            await asyncio.sleep(0)
            self._answer()

    async def members(self) -> list[MemberView]:
        self._answer()
        return sorted(self.views, key=lambda view: view.record.node_id)

    async def overview(self) -> Overview:
        self._answer()
        live = sum(not entry.deleted for entry in self._entries.values())
        total = len(self._entries)
        return msgspec.structs.replace(self._overview, live=live, total=total)

    async def aside(self) -> list[Entry]:
        self._answer()
        return self.waiting_for_their_time

    async def drop_aside(self, key: str) -> None:
        waiting = self.waiting_for_their_time
        self.waiting_for_their_time = [entry for entry in waiting if entry.key != key]

    async def forget(self, node_id: str) -> None:
        self.views = [view for view in self.views if view.linked or view.record.node_id != node_id]

    async def vitals(self) -> Vitals:
        self._answer()
        return self._vitals

    def _answer(self) -> None:
        if self.unavailable is not None:
            raise self.unavailable

    async def write(
        self,
        key: str,
        value: bytes | None,
        only_if: Condition | None = None,
        lifetime: int | None = None,
    ) -> Entry:
        self.waiting += 1
        self._arrival.set()
        try:
            await self.gate.wait()
        finally:
            self.waiting -= 1
        if self.refusal is not None:
            raise self.refusal
        stored = self._entries.get(key)
        if only_if is not None and not only_if.holds(stored, NOW):
            raise WriteRefused("condition", "it is not so")
        version = NOW if stored is None else max(NOW, stored.version + 2)
        expires_at = None if lifetime is None else NOW + lifetime
        entry = Entry(key, version, value, expires_at, NOW, ME.node_id)
        self.hold(entry)
        return entry

    async def watch(
        self, interest: Interest, after: str | None, reader: asyncio.AbstractEventLoop
    ) -> Watch:
        return self.feed.watch(interest, after, reader)

    @property
    def watch_counts(self) -> WatchCounts:
        return self.feed.counts

    # For tests

    async def held(self) -> list[Entry]:
        """All entries, by key."""
        return [entry async for step in self.entries() for entry in step]

    async def until_waiting(self, count: int) -> None:
        """Return once that many writes wait for the gate."""
        while self.waiting < count:
            self._arrival.clear()
            await self._arrival.wait()

    def hold(self, *entries: Entry) -> None:
        """Put entries in, as if they had come from peers."""
        for entry in entries:
            self._entries[entry.key] = entry
            self.tell(version=self._overview.version + 1, last_updated=NOW)
            if self.feed.watched:
                self.feed.entry(entry)

    def know(self, node_id: str, status: str = "active", **fields: object) -> None:
        """Add another member."""
        record = msgspec.structs.replace(ME, node_id=node_id, **fields)
        self.views.append(
            MemberView(record=record, status=status, heartbeat_count=7, linked=status == "active")
        )

    def feel(self, **fields: object) -> None:
        """Change what `vitals` says."""
        self._vitals = msgspec.structs.replace(self._vitals, **fields)

    def tell(self, **fields: object) -> None:
        """Change what `overview` says."""
        self._overview = msgspec.structs.replace(self._overview, **fields)
