"""Keeps the shared view equal to the node, and tells who waits for it when it is.

Theory of operation. The driver tells of each entry that its key holds from now on. What comes while
the view is being written waits, one entry for each key, and is written in one go: a flood costs few
calls, and a lone write one. Where the view turns out to be lost, because Redis started anew, it is
filled from the node; an idle worker looks now and then whether it is there.
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Final, Protocol

import structlog

from gossip.core.entries import Entry
from gossip.core.events import Instant
from gossip.core.stats import Overview
from gossip.relay.outage import Outage
from gossip.runtime.timers import instant
from gossip.stores.redis_client import ViewUnavailable
from gossip.stores.view import Numbers, SharedView, ViewLost

LOOK: Final = 1.0
"""Seconds after which an idle worker looks whether the view is there."""
RETRY: Final = 0.2
"""Seconds before a view that could not be written is tried again."""
SLICE: Final = 1_000
"""Entries taken from the node at a time while the view is filled: a fraction of a millisecond."""

_log = structlog.get_logger("gossip")


class Source(Protocol):
    """What the view shows: `gossip.core.node.Node`."""

    def entries(self) -> Iterator[Entry]: ...
    def overview(self, now: Instant) -> Overview: ...


class ViewMirror:
    """Implements `gossip.runtime.ports.Mirror`. Create it in the node's event loop."""

    def __init__(self, view: SharedView, node: Source) -> None:
        self._view = view
        self._node = node
        self._changed: dict[str, Entry | None] = {}
        """What each key holds that the view does not show yet; None where it is forgotten."""
        self._wake = asyncio.Event()
        self._writing: asyncio.Future[None] | None = None
        """Done once the view shows what is being written."""
        self._waiting: asyncio.Future[None] | None = None
        """Done once it shows what waits."""
        self._outage = Outage("view")

    def entry(self, entry: Entry) -> None:
        """This is what its key holds now."""
        self._changed[entry.key] = entry
        self._wake.set()

    def forgotten(self, key: str) -> None:
        """This key is not known any more."""
        self._changed[key] = None
        self._wake.set()

    async def settled(self) -> None:
        """Return once the view shows everything that was told before."""
        loop = asyncio.get_running_loop()
        if self._changed:
            self._waiting = self._waiting or loop.create_future()
            await asyncio.shield(self._waiting)
        elif self._writing is not None:
            await asyncio.shield(self._writing)

    async def fill(self) -> None:
        """Show everything that the node holds, and nothing else. Before `run`.

        Raises what `SharedView.fill` raises.
        """
        await self._view.fill(_slices(self._node.entries()), self._numbers())

    async def run(self) -> None:
        """Keep the view equal, until cancelled. Raises `EpochOver` where another epoch writes."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._wake.wait()
            self._wake.clear()
            changed, self._changed = self._changed, {}
            self._writing = self._waiting or asyncio.get_running_loop().create_future()
            self._waiting = None
            await self._show(changed)
            self._writing.set_result(None)
            self._writing = None

    async def _show(self, changed: dict[str, Entry | None]) -> None:
        while True:
            try:
                await self._write(changed)
            except (ViewLost, ViewUnavailable) as error:
                self._outage.begin(error)
                await asyncio.sleep(RETRY)
            else:
                self._outage.end()
                return

    async def _write(self, changed: dict[str, Entry | None]) -> None:
        entries = [entry for entry in changed.values() if entry is not None]
        forgotten = [key for key, entry in changed.items() if entry is None]
        try:
            await self._view.apply(entries, forgotten, self._numbers())
        except ViewLost:
            # What the node holds has all that changed.
            _log.warning("view_lost")
            await self.fill()
            _log.info("view_filled")

    def _numbers(self) -> Numbers:
        now = self._node.overview(instant())
        return Numbers(now.version, now.last_updated, now.live, now.total)


def _slices(entries: Iterator[Entry]) -> Iterator[tuple[Entry, ...]]:
    while taken := tuple(islice(entries, SLICE)):
        yield taken
