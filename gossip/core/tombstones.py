"""Old tombstones are dropped when there are too many (E5).

Theory of operation. A tombstone has to be kept for as long as somebody may still hold the value
that it deleted. Within the grace none is dropped; beyond it those with the greatest versions are
kept, as many as fit the bound. The version of the last one dropped is the *floor*. It travels with
the root, and who hears of a higher one drops the same, so that all nodes go on to hold equal sets.

Now and then all entries are looked at, in slices: what has to be remembered for that is nothing.
"""

from collections.abc import Iterator
from itertools import islice

from gossip.core.context import Context
from gossip.core.effects import ForgetEntry
from gossip.core.entries import Entry
from gossip.core.state import StateMap

_LOOKED_AT = 5_000
"""Entries in one slice: a few milliseconds."""
_DROPPED = 500
"""Tombstones in one slice, likewise."""
_KEPT = 0.9
"""Share of the bound that is kept, so that not every look drops a few."""


class Tombstones:
    """Drops what is old and too much."""

    def __init__(self, context: Context, state: StateMap) -> None:
        self._context = context
        self._state = state
        self._grace = int(context.config.tombstone_grace * 1000)
        self._every = int(context.config.tombstone_look * 1000)
        self._looking: Iterator[Entry] | None = None
        self._old: list[Entry] = []
        self._dropping: list[Entry] = []
        self._next_look = 0.0
        """Monotonic seconds."""

    @property
    def _latest(self) -> int:
        """Milliseconds: what is no later is past its grace.

        It moves on with each look, at the same moments for all nodes whose clocks agree: what one
        has dropped no other one is to bring back.
        """
        return self._context.now.wall // self._every * self._every - self._grace

    def is_over(self, entry: Entry) -> bool:
        """Whether this is a tombstone past its grace; the times are those of its writer."""
        return (
            entry.value is None
            and entry.timestamp <= self._latest
            and entry.version <= self._latest
        )

    def is_dropped(self, entry: Entry) -> bool:
        """Whether we would drop this tombstone if we held it."""
        return entry.version <= self._state.summary.floor and self.is_over(entry)

    def heard(self, floor: int) -> None:
        """A peer told its floor: ours is never lower, unless that is within our grace."""
        if self._state.summary.floor < floor <= self._latest:
            self._state.summary.floor = floor
            self._next_look = self._context.now.monotonic

    def tick(self) -> None:
        """Begin to look, if it is time."""
        now, wall = self._context.now
        if now >= self._next_look and not self.busy:
            self._next_look = now + (self._every - wall % self._every) / 1000
            self._looking = self._state.entries()

    @property
    def busy(self) -> bool:
        """Whether a slice is left to do."""
        return self._looking is not None or bool(self._dropping)

    def work(self) -> None:
        """Do one slice."""
        if self._looking is not None:
            looked_at = list(islice(self._looking, _LOOKED_AT))
            self._old += filter(self.is_over, looked_at)
            if len(looked_at) < _LOOKED_AT:
                self._looking = None
                self._choose()
        else:
            for _ in range(min(_DROPPED, len(self._dropping))):
                tombstone = self._dropping.pop()
                if self._state.forget(tombstone):
                    self._context.stats.tombstones_dropped += 1
                    self._context.emit(ForgetEntry(tombstone))

    def _choose(self) -> None:
        old, self._old = self._old, []
        most, summary = self._context.config.limits.tombstones, self._state.summary
        if len(old) > most:
            versions = sorted(tombstone.version for tombstone in old)
            summary.floor = max(summary.floor, versions[-int(most * _KEPT) - 1])
        self._dropping = [tombstone for tombstone in old if tombstone.version <= summary.floor]
