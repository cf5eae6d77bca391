"""What a host keeps when its process dies, and the way there.

A commit is durable one virtual fsync after it was asked for; commits that wait meanwhile share the
next one. What came from others is written behind and lost with the process (E7).
"""

import random
from collections.abc import Callable

import msgspec

from gossip.core.effects import Commit
from gossip.core.entries import Entry
from gossip.core.events import RequestId
from gossip.core.members import PeerRecord
from gossip.sim.conditions import Conditions
from gossip.sim.scheduler import Scheduler


class Disk(msgspec.Struct):
    """The durable part of one host."""

    entries: dict[str, Entry] = msgspec.field(default_factory=dict)
    peers: dict[str, PeerRecord] = msgspec.field(default_factory=dict)
    incarnation: int = 0
    clock_floor: int = 0
    failing: bool = False
    """Full, read-only or gone: what is written now is refused or kept for later."""

    def upsert(self, entry: Entry) -> None:
        """Keep the greater by E3."""
        if entry.supersedes(self.entries.get(entry.key)):
            self.entries[entry.key] = entry

    def holds(self, entry: Entry) -> bool:
        """Whether this entry, or one that won over it, would survive now."""
        stored = self.entries.get(entry.key)
        return stored is not None and not entry.supersedes(stored)


Committed = Callable[[tuple[RequestId, ...]], None]
Failed = Callable[[tuple[RequestId, ...], str], None]


class Journal:
    """One process's way to the disk. Ends with the process: a dead one calls nobody."""

    def __init__(
        self,
        disk: Disk,
        scheduler: Scheduler,
        conditions: Conditions,
        done: Committed,
        failed: Failed,
    ) -> None:
        self._disk = disk
        self._scheduler = scheduler
        self._conditions = conditions
        self._done = done
        self._failed = failed
        self._waiting: list[Commit] = []
        self._writing: list[Commit] = []
        self._behind_entries: dict[str, Entry] = {}
        self._behind_forgotten: dict[str, Entry] = {}
        self._behind_peers: dict[str, PeerRecord | None] = {}
        self._behind_due = False
        self._open = True

    def commit(self, effect: Commit) -> None:
        """Make a local write durable; `done` or `failed` is called with its request."""
        self._waiting.append(effect)
        if not self._writing:
            self._begin()

    def store_entry(self, entry: Entry) -> None:
        """Write behind, coalesced by key."""
        if entry.supersedes(self._behind_entries.get(entry.key)):
            self._behind_entries[entry.key] = entry
        self._schedule_behind()

    def forget_entry(self, tombstone: Entry) -> None:
        """Write behind: remove this tombstone, unless something greater is there."""
        self._behind_forgotten[tombstone.key] = tombstone
        self._schedule_behind()

    def store_peer(self, node_id: str, peer: PeerRecord | None) -> None:
        """Write behind: remember this member, or forget it (None)."""
        self._behind_peers[node_id] = peer
        self._schedule_behind()

    def keep_incarnation(self, incarnation: int, kept: Callable[[], None]) -> None:
        """Raise the node's incarnation, tried again while the disk fails; then call `kept`."""
        self._scheduler.after(self._conditions.fsync, self._renew, incarnation, kept)

    def _renew(self, incarnation: int, kept: Callable[[], None]) -> None:
        if not self._open:
            return
        if self._disk.failing:
            self._scheduler.after(self._conditions.write_behind, self._renew, incarnation, kept)
        else:
            self._disk.incarnation = max(self._disk.incarnation, incarnation)
            kept()

    def crash(self, rng: random.Random) -> None:
        """Lose everything that waits. The commit under way may or may not have reached the disk."""
        self._open = False
        if self._writing and rng.random() < 0.5:
            self._apply(self._writing)

    def close(self) -> None:
        """Write everything that waits."""
        self._open = False
        self._apply(self._writing + self._waiting)
        self._write_behind()

    def _begin(self) -> None:
        self._writing, self._waiting = self._waiting, []
        self._scheduler.after(self._conditions.fsync, self._synced)

    def _synced(self) -> None:
        if not self._open:
            return
        group, self._writing = self._writing, []
        requests = tuple(effect.request for effect in group)
        if self._disk.failing:
            self._failed(requests, "the disk is failing")
        else:
            self._apply(group)
            self._done(requests)
        # The callbacks may have asked for another commit, which began at once.
        if self._waiting and not self._writing:
            self._begin()

    def _apply(self, group: list[Commit]) -> None:
        if self._disk.failing:
            return
        for effect in group:
            self._disk.upsert(effect.entry)
            self._disk.clock_floor = max(self._disk.clock_floor, effect.clock_floor)

    def _schedule_behind(self) -> None:
        if not self._behind_due:
            self._behind_due = True
            self._scheduler.after(self._conditions.write_behind, self._behind)

    def _behind(self) -> None:
        self._behind_due = False
        if self._open:
            self._write_behind()

    def _write_behind(self) -> None:
        if self._disk.failing:
            if self._open:
                self._schedule_behind()
            return
        for entry in self._behind_entries.values():
            self._disk.upsert(entry)
        self._behind_entries.clear()
        for key, tombstone in self._behind_forgotten.items():
            if self._disk.holds(tombstone) and self._disk.entries[key] == tombstone:
                del self._disk.entries[key]
        self._behind_forgotten.clear()
        for node_id, peer in self._behind_peers.items():
            if peer is None:
                self._disk.peers.pop(node_id, None)
            else:
                self._disk.peers[node_id] = peer
        self._behind_peers.clear()
