"""Keys that end by themselves (E6).

Theory of operation. Readers stop seeing an entry at its `expires_at`, by the clock of the node that
they ask. Its origin then publishes a tombstone one version above it. Should the origin be gone, any
other node does so a minute later: the tombstone is the same wherever it is made, so that it does
not matter how many do.
"""

import heapq
from collections.abc import Iterator

from gossip.core.entries import MAX_VERSION, Entry


class Expiries:
    """When which entry is to be followed by a tombstone, the soonest first."""

    def __init__(self, me: str, grace: float) -> None:
        """`me`: our node id; `grace`: seconds for which others leave it to the origin."""
        self._me = me
        self._grace = int(grace * 1000)
        self._due: list[tuple[int, str, int]] = []
        """Milliseconds of wall time, key and version: a heap."""

    def add(self, entry: Entry) -> None:
        """An entry came to be held. One that cannot be followed stays hidden."""
        if entry.expires_at is None or entry.value is None or entry.version >= MAX_VERSION:
            return
        wait = 0 if entry.origin == self._me else self._grace
        heapq.heappush(self._due, (entry.expires_at + wait, entry.key, entry.version))

    def due(self, wall: int) -> Iterator[tuple[str, int]]:
        """Remove and yield what is due: key and version, for whoever still holds that version."""
        while self._due and self._due[0][0] <= wall:
            _, key, version = heapq.heappop(self._due)
            yield key, version
