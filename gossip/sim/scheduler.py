"""Virtual time: actions ordered by when they are due, then by when they were asked for."""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any


class Scheduler:
    """The only clock of a simulation. Nothing happens between two actions."""

    def __init__(self) -> None:
        self.now = 0.0
        """Seconds since the simulation began."""
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._heap)

    def at(self, time: float, action: Callable[..., None], *args: Any) -> None:
        """Call `action(*args)` at this time; at once, but after the current action, if it is past.

        Actions due at the same time run in the order of the calls.
        """
        self._sequence += 1
        heappush(self._heap, (max(time, self.now), self._sequence, action, args))

    def after(self, delay: float, action: Callable[..., None], *args: Any) -> None:
        """Call `action(*args)` in `delay` seconds."""
        self.at(self.now + delay, action, *args)

    def run_until(self, time: float) -> None:
        """Run everything due until then, and let that time come."""
        heap = self._heap
        while heap and heap[0][0] <= time:
            self.now, _, action, args = heappop(heap)
            action(*args)
        self.now = max(self.now, time)
