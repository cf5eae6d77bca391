"""How long something took, counted by upper bounds, as monitoring systems want it."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Final, NamedTuple

BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds: from a fast fsync to what an operator must be woken for."""


class Distribution(NamedTuple):
    """What was observed so far."""

    bounds: Sequence[float]
    """Seconds, ascending; the last bucket has none."""
    counts: Sequence[int]
    """How many took no longer than each bound, and how many in all: one more than bounds."""
    sum: float
    """Seconds, of all together."""

    @property
    def total(self) -> int:
        """How many there were."""
        return self.counts[-1]


class Histogram:
    """Durations of one kind. One thread observes; whoever reads may miss what happens meanwhile."""

    def __init__(self, bounds: Sequence[float] = BOUNDS) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def read(self) -> Distribution:
        """What was observed so far."""
        return Distribution(self._bounds, tuple(accumulate(self._counts)), self._sum)
