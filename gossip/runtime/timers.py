"""Time for the node: instants, its named timers, and how late the event loop runs."""

import asyncio
import time
from collections.abc import Callable

from gossip.core.effects import SetTimer
from gossip.core.events import Event, Instant, TimerFired
from gossip.runtime.histogram import Histogram

LAG_INTERVAL = 1.0
"""Seconds between two measurements of the event loop's lag."""


def instant() -> Instant:
    """Now, by both clocks."""
    return Instant(time.monotonic(), time.time_ns() // 1_000_000)


class Timers:
    """The node's timers by name; at most one of each is set."""

    def __init__(self, post: Callable[[Event], None]) -> None:
        self._post = post
        self._handles: dict[str, asyncio.TimerHandle] = {}

    def set(self, effect: SetTimer) -> None:
        """Set a timer, replacing the one of that name. One that is overdue fires at once."""
        if (previous := self._handles.get(effect.timer)) is not None:
            previous.cancel()
        delay = max(0.0, effect.at - time.monotonic())
        self._handles[effect.timer] = asyncio.get_running_loop().call_later(
            delay, self._fire, effect.timer, effect.generation
        )

    def clear(self) -> None:
        """Cancel them all."""
        for handle in self._handles.values():
            handle.cancel()
        self._handles.clear()

    def _fire(self, timer: str, generation: int) -> None:
        del self._handles[timer]
        self._post(TimerFired(timer, generation))


class LoopLag:
    """How many seconds late the event loop is, measured once a second."""

    def __init__(self) -> None:
        self.seconds = Histogram()
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._arm(asyncio.get_running_loop())

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        due = time.monotonic() + LAG_INTERVAL
        self._handle = loop.call_later(LAG_INTERVAL, self._measure, loop, due)

    def _measure(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self.seconds.observe(max(0.0, time.monotonic() - due))
        self._arm(loop)
