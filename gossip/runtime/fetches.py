"""The fetches under way: one task each, and exactly one answer each."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from gossip.core.effects import Fetch
from gossip.core.events import Fetched
from gossip.runtime.ports import Fetcher, FetchRefused
from gossip.runtime.tasks import Tasks
from gossip.runtime.timers import instant

PARALLEL: Final = 4
"""Fetches at once (L4): each may hold 16 MiB (`Fetch.most`)."""

_log = structlog.get_logger("gossip")


class Fetches:
    """Carries out `Fetch` effects through the injected fetcher, `PARALLEL` at a time, in order.

    Each is answered by `Fetched`, whatever went wrong, unless it is stopped.
    """

    def __init__(self, fetcher: Fetcher, answered: Callable[[Fetched], None]) -> None:
        self._fetcher = fetcher
        self._answered = answered
        self._turns = asyncio.Semaphore(PARALLEL)
        self._tasks = Tasks()

    def start(self, fetch: Fetch) -> None:
        self._tasks.start(self._run(fetch))

    async def stop(self) -> None:
        """Cancel every fetch, as `Tasks.stop` does."""
        await self._tasks.stop()

    async def _run(self, fetch: Fetch) -> None:
        async with self._turns:
            # What it waited for its turn says nothing about the peer.
            begun = instant().monotonic
            body = await self._body(fetch)
            self._answered(Fetched(fetch.url, body, instant().monotonic - begun))

    async def _body(self, fetch: Fetch) -> bytes | None:
        try:
            return await self._fetcher(fetch)
        except FetchRefused as error:
            _log.debug("fetch_refused", url=fetch.url, detail=str(error))
        except Exception:  # noqa: BLE001  # one fetch's bug must not end the others; it is told
            _log.exception("fetcher_failed", url=fetch.url)
        return None
