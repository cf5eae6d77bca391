"""Tasks that run beside the node and must not outlive it."""

import asyncio
from collections.abc import Coroutine
from typing import Any

END_WITHIN = 0.3
"""Seconds: part of the five in which a node stops."""


class Tasks:
    """The tasks under way; each is held until it ends."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Cancel every task and give them `END_WITHIN` seconds to clean up."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=END_WITHIN)
