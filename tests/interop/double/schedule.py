"""Timers and tasks that end together."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Schedule:
    """What runs on the event loop on behalf of one double, until it is cancelled as a whole."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: list[BaseException] = []
        self._over = False

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a task beside everything else."""
        if self._over:
            work.close()
            return
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Act once, that much later."""
        self.run(_later(seconds, action))

    def every(self, seconds: float, action: Callable[[], None]) -> None:
        """Act again and again, the first time that much later."""
        self.run(_repeatedly(seconds, action))

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()):
            self._failures.append(failure)

    def cancel(self) -> None:
        """End everything, also the task that calls this, at its next wait."""
        self._over = True
        for task in self._tasks:
            task.cancel()

    async def ended(self) -> None:
        """Wait for the tasks after `cancel`. Raises what went wrong in any of them, ever."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._failures:
            raise BaseExceptionGroup("a double failed", self._failures)


async def _later(seconds: float, action: Callable[[], None]) -> None:
    await asyncio.sleep(seconds)
    action()


async def _repeatedly(seconds: float, action: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(seconds)
        action()
