"""Time for the node: instants, its named timers, and how late the event loop runs."""

import asyncio
import time
from collections.abc import Callable

from gossip.core.effects import SetTimer
from gossip.core.events import Event, Instant, TimerFired
from gossip.runtime.histogram import Histogram


def instant() -> Instant:
    """Now, by both clocks."""
    return Instant(time.monotonic(), time.time_ns() // 1_000_000)


class Timers:
    """The node's timers by name; at most one of each is set."""

    def __init__(self, post: Callable[[Event], None]) -> None:
        self._post = post
        self.lag = Histogram()
        """How many seconds late the event loop was with each: one of them is due every second."""
        self._handles: dict[str, asyncio.TimerHandle] = {}

    def set(self, effect: SetTimer) -> None:
        """Set a timer, replacing the one of that name. One that is overdue fires at once."""
        if (previous := self._handles.get(effect.timer)) is not None:
            previous.cancel()
        delay = max(0.0, effect.at - time.monotonic())
        self._handles[effect.timer] = asyncio.get_running_loop().call_later(
            delay, self._fire, effect
        )

    def clear(self) -> None:
        """Cancel them all."""
        for handle in self._handles.values():
            handle.cancel()
        self._handles.clear()

    def _fire(self, effect: SetTimer) -> None:
        del self._handles[effect.timer]
        self.lag.observe(max(0.0, time.monotonic() - effect.at))
        self._post(TimerFired(effect.timer, effect.generation))
