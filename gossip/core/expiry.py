"""Keys that end by themselves (E6).

Theory of operation. Readers stop seeing an entry at its `expires_at`, by the clock of the node that
they ask. Its origin then publishes a tombstone one version above it. Should the origin be gone, any
other node does so a minute later: the tombstone is the same wherever it is made, so that it does
not matter how many do.
"""

import heapq
from collections.abc import Iterator

from gossip.core.entries import MAX_VERSION, Entry

_SPARE = 1_000
"""Moments of entries that were replaced meanwhile, which may stand in the heap in any case."""


class Expiries:
    """When which entry is to be followed by a tombstone, the soonest first."""

    def __init__(self, me: str, grace: float) -> None:
        """`me`: our node id; `grace`: seconds for which others leave it to the origin."""
        self._me = me
        self._grace = int(grace * 1000)
        self._moments: dict[str, tuple[int, int]] = {}
        """By key: milliseconds of wall time, and the version that is followed then."""
        self._heap: list[tuple[int, str]] = []
        """Moments and keys; some of entries that were replaced, which count no more."""

    def add(self, entry: Entry) -> None:
        """An entry came to be held. One that cannot be followed stays hidden."""
        if entry.expires_at is None or entry.value is None or entry.version >= MAX_VERSION:
            self._moments.pop(entry.key, None)
            return
        moment = entry.expires_at + (0 if entry.origin == self._me else self._grace)
        self._moments[entry.key] = moment, entry.version
        heapq.heappush(self._heap, (moment, entry.key))
        if len(self._heap) > 2 * len(self._moments) + _SPARE:
            self._heap = [(moment, key) for key, (moment, _) in self._moments.items()]
            heapq.heapify(self._heap)

    def due(self, wall: int) -> Iterator[tuple[str, int]]:
        """Remove and yield what is due: key and version, for whoever still holds that version."""
        while self._heap and self._heap[0][0] <= wall:
            moment, key = heapq.heappop(self._heap)
            if (found := self._moments.get(key)) is not None and found[0] == moment:
                del self._moments[key]
                yield key, found[1]
