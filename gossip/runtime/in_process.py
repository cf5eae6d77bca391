"""The port between services and a node in the same process."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import islice
from typing import Protocol

import msgspec

from gossip.core.conditions import Condition
from gossip.core.entries import Entry
from gossip.core.stats import MemberView, Overview
from gossip.runtime.driver import Door
from gossip.runtime.feed import WatchCounts
from gossip.runtime.ports import STEP
from gossip.runtime.timers import instant
from gossip.runtime.vitals import Vitals
from gossip.runtime.watch import Interest, Watch


class Writer(Protocol):
    """Who owns the node and says how it is (`Engine`)."""

    @property
    def ready(self) -> bool:
        """See `NodePort.ready`."""

    @property
    def reasons(self) -> Iterable[str]:
        """What is wrong around the node, for people."""

    def vitals(self) -> Vitals:
        """See `NodePort.vitals`."""

    async def drop_aside(self, key: str) -> None:
        """See `NodePort.drop_aside`."""

    async def forget(self, node_id: str) -> None:
        """See `NodePort.forget`."""

    async def write(
        self,
        key: str,
        value: bytes | None,
        only_if: Condition | None = None,
        lifetime: int | None = None,
    ) -> Entry:
        """See `NodePort.write`."""

    def watch(
        self, interest: Interest, after: str | None, reader: asyncio.AbstractEventLoop
    ) -> Watch:
        """See `NodePort.watch`."""

    @property
    def watch_counts(self) -> WatchCounts:
        """See `NodePort.watch_counts`."""


class InProcessPort:
    """Implements `gossip.runtime.ports.NodePort`. Create it in the node's event loop.

    Its reads wait for nothing, so those that follow each other are of one moment. `entries` lets
    others have their turn from its second step on.
    """

    def __init__(self, node: Door, writer: Writer) -> None:
        self._node = node
        self._writer = writer
        self._loop = asyncio.get_running_loop()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    @property
    def ready(self) -> bool:
        return self._writer.ready

    @property
    def stale_for(self) -> float:
        return 0.0

    async def get(self, key: str) -> Entry | None:
        return self._node.get(key)

    def entries(self, prefix: str = "", after: str = "") -> AsyncIterator[list[Entry]]:
        """See `NodePort.entries`. The keys are those of this call."""
        return _steps(self._node.entries(), prefix, after)

    async def members(self) -> list[MemberView]:
        return self._node.members()

    async def overview(self) -> Overview:
        overview = self._node.overview(instant())
        reasons = dict.fromkeys((*overview.reasons, *self._writer.reasons))
        return msgspec.structs.replace(overview, reasons=tuple(reasons))

    async def vitals(self) -> Vitals:
        return self._writer.vitals()

    async def aside(self) -> list[Entry]:
        return self._node.set_aside()

    async def drop_aside(self, key: str) -> None:
        await self._writer.drop_aside(key)

    async def forget(self, node_id: str) -> None:
        await self._writer.forget(node_id)

    async def write(
        self,
        key: str,
        value: bytes | None,
        only_if: Condition | None = None,
        lifetime: int | None = None,
    ) -> Entry:
        return await self._writer.write(key, value, only_if, lifetime)

    async def watch(
        self, interest: Interest, after: str | None, reader: asyncio.AbstractEventLoop
    ) -> Watch:
        return self._writer.watch(interest, after, reader)

    @property
    def watch_counts(self) -> WatchCounts:
        return self._writer.watch_counts


async def _steps(snapshot: Iterator[Entry], prefix: str, after: str) -> AsyncIterator[list[Entry]]:
    """What is wanted of a snapshot; each turn looks at `STEP` entries, well under a millisecond."""
    while looked_at := list(islice(snapshot, STEP)):
        last = looked_at[-1].key
        if last > after and last >= prefix:
            if found := _wanted(looked_at, prefix, after):
                yield found
            if not last.startswith(prefix):
                return
        await asyncio.sleep(0)


def _wanted(entries: list[Entry], prefix: str, after: str) -> list[Entry]:
    first, last = entries[0].key, entries[-1].key
    if first > after and first.startswith(prefix) and last.startswith(prefix):
        # So do all between them.
        return entries
    return [entry for entry in entries if entry.key > after and entry.key.startswith(prefix)]
