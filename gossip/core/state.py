"""The replicated map: merging, versions for local writes, entries from the future.

Theory of operation. `StateMap` holds for every key the greatest entry seen (E3). Hashing costs ten
times a merge, so changed keys are only noted, and folded into the summary of the set when somebody
asks for it.

`Clock` makes versions from wall time alone; no version that we received ever raises it (E2).
`Aside` keeps what came from the future until its time has come (E4).
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from gossip.core.config import Limits
from gossip.core.entries import MAX_VERSION, Entry
from gossip.core.errors import WriteRefused
from gossip.core.roots import MODULUS, Root
from gossip.core.summary import Summary


class StateMap:
    """Key to greatest entry."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._sorted_keys: list[str] = []
        self._new_keys: list[str] = []
        self._gone_keys: set[str] = set()
        """Of both lists, those that are not held any more."""
        self._live = 0
        self.summary = Summary()
        """Of what was folded."""
        self._unfolded: dict[str, Entry | None] = {}
        """Changed keys, with the entry that the summary counts for them at present."""

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def live(self) -> int:
        """How many keys have a value."""
        return self._live

    def get(self, key: str) -> Entry | None:
        """The entry of this key, be it a tombstone."""
        return self._entries.get(key)

    def entry_of(self, element: int) -> Entry | None:
        """What is held of the key of this element, which was in the set when it was summed up."""
        key = self.summary.key_of(element)
        return None if key is None else self._entries.get(key)

    def merge(self, entry: Entry) -> bool:
        """Keep the greater of this entry and ours. True when it was this one (E3)."""
        key = entry.key
        held = self._entries.get(key)
        if not entry.supersedes(held):
            return False
        if held is None:
            if key in self._gone_keys:
                self._gone_keys.discard(key)
            else:
                self._new_keys.append(key)
        self._live += (entry.value is not None) - (held is not None and held.value is not None)
        self._unfolded.setdefault(key, held)
        self._entries[key] = entry
        return True

    def forget(self, tombstone: Entry) -> bool:
        """Drop this tombstone (E5). False if something else is held by now."""
        key = tombstone.key
        if self._entries.get(key) is not tombstone:
            return False
        del self._entries[key]
        self._gone_keys.add(key)
        self._unfolded.setdefault(key, tombstone)
        return True

    def keys(self) -> list[str]:
        """All keys in order. The list is shared and replaced, never changed."""
        if self._new_keys:
            new, self._new_keys = self._new_keys, []
            # Two runs, of which one is sorted: merged in a tenth of the time of sorting anew.
            merged = self._sorted_keys + sorted(new)
            merged.sort()
            self._sorted_keys = merged
        if self._gone_keys:
            gone, self._gone_keys = self._gone_keys, set()
            self._sorted_keys = [key for key in self._sorted_keys if key not in gone]
        return self._sorted_keys

    def entries(self) -> Iterator[Entry]:
        """A snapshot in the order of keys; entries written meanwhile may or may not show."""
        return self._held(self.keys(), 0)

    def behind(self, key: str | None) -> Iterator[Entry]:
        """The entries whose keys come behind this one, in order; all of them for None."""
        keys = self.keys()
        start = 0 if key is None else bisect_right(keys, key)
        return self._held(keys, start)

    def _held(self, keys: list[str], start: int) -> Iterator[Entry]:
        """The entries of these keys, without those that are dropped meanwhile."""
        return filter(None, map(self._entries.get, islice(keys, start, None)))

    @property
    def unfolded(self) -> int:
        """Changes that the summary does not count yet."""
        return len(self._unfolded)

    def fold(self, most: int, room: int) -> bool:
        """Count up to `most` changes, and about `room` bytes of values, at least one.

        True when none is left.
        """
        while self._unfolded and most > 0 and room > 0:
            key, counted = self._unfolded.popitem()
            entry = self._entries.get(key)
            self.summary.replace(counted, entry)
            most -= 1
            room -= len(entry.value or b"") if entry is not None else 0
        return not self._unfolded

    def root(self) -> Root:
        """Count and sum of all entries (A1). Folds whatever is left, however long that takes."""
        while not self.fold(len(self._unfolded), MODULUS):
            continue
        return self.summary.root


class Clock:
    """Makes versions: wall time in milliseconds that never steps back (E2)."""

    def __init__(self, most_ahead: float) -> None:
        """`most_ahead`: seconds by which it may have been ahead and still counts."""
        self._most_ahead = int(most_ahead * 1000)
        self._last = 0

    def raise_to(self, floor: int) -> None:
        """Never give less than this persisted wall time again."""
        self._last = max(self._last, floor)

    def read(self, wall: int) -> int:
        """Milliseconds: the wall clock, or what it showed at its furthest.

        Unless that was so far ahead that peers would set aside what is written by it (E4): then the
        clock has been set right since.
        """
        if self._last > wall + self._most_ahead:
            self._last = wall
        self._last = max(self._last, wall)
        return self._last


def next_version(clock: int, *others: Entry | None) -> int:
    """The version of a local write over these entries of its key (E2).

    Two above each, so that a repair at `version + 1` (E3) never beats a later write. Raises
    `WriteRefused("exhausted")` where JavaScript could no longer count on.
    """
    version = max(clock, *(entry.version + 2 for entry in others if entry is not None), 1)
    if version > MAX_VERSION:
        raise WriteRefused("exhausted", "no version above the stored one is left")
    return version


class _SetAside(msgspec.Struct):
    entry: Entry
    link: int
    overtaken: bool = False
    """Something was applied to its key while it waited."""


class Aside:
    """Entries whose version is too far ahead of our clock, waiting to be applied (E4)."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._waiting: dict[str, _SetAside] = {}
        self._per_link: Counter[int] = Counter()
        self._dropped: dict[str, int] = {}
        """Keys, with the version up to which none is to wait any more; the oldest make room."""

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, entry: Entry, link: int) -> str | None:
        """Keep the greatest such entry of each key. Returns why one was dropped, or None."""
        if entry.version <= self._dropped.get(entry.key, 0):
            return "aside-dropped"
        held = self._waiting.get(entry.key)
        if held is not None and not entry.supersedes(held.entry):
            return None
        replaces_own = held is not None and held.link == link
        if not replaces_own and self._per_link[link] >= self._limits.aside_per_link:
            return "aside-link-full"
        if held is None and not self._has_room(entry):
            return "aside-full"
        if held is not None:
            self._release(held)
        self._per_link[link] += 1
        self._waiting[entry.key] = _SetAside(entry, link)
        return None

    def _has_room(self, entry: Entry) -> bool:
        """Whether there is room, made at the cost of what is due the latest if need be.

        Else entries of the last day of the calendar would keep the place for ever.
        """
        if len(self._waiting) < self._limits.aside:
            return True
        farthest = max(self._waiting.values(), key=lambda held: held.entry.version)
        if farthest.entry.version <= entry.version:
            return False
        del self._waiting[farthest.entry.key]
        self._release(farthest)
        return True

    def drop(self, key: str) -> None:
        """Let what waits of this key wait no more, nor come again."""
        held = self._waiting.pop(key, None)
        if held is None:
            return
        self._release(held)
        self._dropped.pop(key, None)
        self._dropped[key] = held.entry.version
        if len(self._dropped) > self._limits.aside:
            del self._dropped[next(iter(self._dropped))]

    def applied(self, key: str) -> None:
        """An entry of this key was applied: what waits is no longer the latest word."""
        if self._waiting and (held := self._waiting.get(key)) is not None:
            held.overtaken = True

    def due(self, horizon: int) -> Iterable[tuple[Entry, bool]]:
        """Remove and return what is no later than `horizon`, each with whether it was overtaken."""
        ready = [held for held in self._waiting.values() if held.entry.version <= horizon]
        for held in ready:
            del self._waiting[held.entry.key]
            self._release(held)
        return [(held.entry, held.overtaken) for held in ready]

    def entries(self) -> list[Entry]:
        """What waits, for the operator."""
        return [held.entry for held in self._waiting.values()]

    def _release(self, held: _SetAside) -> None:
        self._per_link[held.link] -= 1
        if not self._per_link[held.link]:
            del self._per_link[held.link]
