"""What waits for one socket (S5): a queue that never makes the node wait."""

import asyncio
from collections import deque
from collections.abc import Callable

from gossip.core.config import Limits
from gossip.core.context import CloseCode
from gossip.runtime.ports import Wire
from gossip.runtime.tasks import report_failure

HIGH_WATER = 256_000
"""Characters that wait before the node is told to hold data back: one frame of the largest size."""
LOW_WATER = 64_000
"""Characters at which a blocked link may take data again. A guess: a quarter of the high mark."""
HARD_BOUND = Limits().outbox_bytes
"""Characters that wait before the link is closed, control frames included (S5)."""
CLOSE_WITHIN = 1.0
"""Seconds that a closing link has to send what is queued; a node stops in five."""


class Outbound:
    """The queue of one link and the task that empties it into the wire.

    `on_pressure(True)` is called once when the high mark is passed, `on_pressure(False)` once when
    the queue is below the low mark again.
    """

    def __init__(self, wire: Wire, on_pressure: Callable[[bool], None]) -> None:
        self._wire = wire
        self._on_pressure = on_pressure
        self._queue: deque[str] = deque()
        self._waiting = 0
        self._blocked = False
        self._wake = asyncio.Event()
        self._closing = False
        self._goodbye = (CloseCode.GOODBYE, "")
        self._gone = False
        self._drained = False
        self._deadline: asyncio.TimerHandle | None = None
        self._task = asyncio.create_task(self._run(), name="wire")
        self._task.add_done_callback(report_failure)

    @property
    def waiting(self) -> int:
        """Characters that wait, those that the wire is about to take included."""
        return self._waiting

    @property
    def closing(self) -> bool:
        """Whether nothing more is taken."""
        return self._closing

    @property
    def blocked(self) -> bool:
        """Whether more waits than the high mark, and the low one was not reached since."""
        return self._blocked

    @property
    def task(self) -> asyncio.Task[None]:
        """Done once everything was sent and the wire is closed, or given up."""
        return self._task

    def send(self, frame: str) -> None:
        """Queue one frame; it is dropped when the link is closing."""
        if self._closing:
            return
        self._queue.append(frame)
        self._waiting += len(frame)
        self._wake.set()
        if self._waiting > HARD_BOUND:
            self.close(CloseCode.SLOW_READER, "slow reader")
        elif self._waiting > HIGH_WATER and not self._blocked:
            self._blocked = True
            self._on_pressure(True)

    def close(self, code: int, reason: str) -> None:
        """Send what is queued, for `CLOSE_WITHIN` at most, then close the wire. Once."""
        if self._closing:
            return
        self._closing = True
        self._goodbye = (code, reason)
        self._wake.set()
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(CLOSE_WITHIN, self._task.cancel)

    def abandon(self) -> None:
        """The socket is gone: drop what is queued."""
        self._closing = self._gone = True
        self._queue.clear()
        if not self._drained:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            await self._drain()
        finally:
            # Reached by cancellation too: a slow reader held the drain up to its deadline.
            self._closing = self._drained = True
            self._queue.clear()
            if self._deadline is not None:
                self._deadline.cancel()
            if not self._gone:
                await self._wire.close(*self._goodbye)

    async def _drain(self) -> None:
        while not self._closing or self._queue:
            if not self._queue:
                self._wake.clear()
                await self._wake.wait()
                continue
            frame = self._queue.popleft()
            await self._wire.send(frame)
            self._waiting -= len(frame)
            if self._blocked and self._waiting < LOW_WATER:
                self._blocked = False
                self._on_pressure(False)
