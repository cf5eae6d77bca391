"""Tasks that run beside the node and must not outlive it."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from gossip.core.errors import GossipError

END_WITHIN = 0.3
"""Seconds: part of the five in which a node stops."""

CANCEL_EVERY = 0.05
"""Seconds until a task that goes on is cancelled again."""

_log = structlog.get_logger("gossip")


def report_failure(task: asyncio.Task[None]) -> None:
    """Log the bug of ours that ended a task which nobody waits for."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("task_failed", task=task.get_name(), exc_info=error)


def raise_failure(task: asyncio.Task[None]) -> None:
    """Raise what ended it where that is for the operator; log a bug of ours."""
    error = None if task.cancelled() or not task.done() else task.exception()
    if isinstance(error, GossipError):
        raise error
    if error is not None:
        _log.error("task_failed", task=task.get_name(), exc_info=error)


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks until they have ended.

    Once may not be enough: before Python 3.12 `asyncio.wait_for` swallows a cancellation that comes
    as what it waited for is done, and redis-py sends everything through it.
    """
    going = {task for task in tasks if not task.done()}
    while going:
        for task in going:
            task.cancel()
        _, going = await asyncio.wait(going, timeout=CANCEL_EVERY)


class Tasks:
    """The tasks under way; each is held until it ends."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(report_failure)

    async def ended(self) -> None:
        """Return once those that are under way now have ended."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))

    async def stop(self) -> None:
        """Cancel every task and give them `END_WITHIN` seconds to clean up."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=END_WITHIN)
