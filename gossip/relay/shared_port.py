"""The port between services and a node whose engine runs in another process.

Reads come from the shared view in Redis, which shows every write before it is acknowledged; what
the node says of itself is as old as the worker's last report. Writes go to the worker.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator

import msgspec

from gossip.core.conditions import Condition
from gossip.core.entries import Entry
from gossip.core.stats import MemberView, Overview
from gossip.relay import items, report
from gossip.relay.report import Report
from gossip.relay.web_side import AWAY, WebSide
from gossip.runtime.feed import WatchCounts
from gossip.runtime.ports import Unavailable
from gossip.runtime.timers import instant
from gossip.runtime.vitals import Vitals
from gossip.runtime.watch import Interest, Watch
from gossip.stores.view import ViewReader


class SharedPort:
    """Implements `gossip.runtime.ports.NodePort`. Create it in the web process's event loop."""

    def __init__(self, view: ViewReader, side: WebSide, conditions: Iterable[str] = ()) -> None:
        """`conditions` are what is wrong with this process, as it is when asked, for people."""
        self._view = view
        self._side = side
        self._conditions = conditions
        self._loop = asyncio.get_running_loop()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    @property
    def ready(self) -> bool:
        return self._side.worker_answers

    @property
    def stale_for(self) -> float:
        return self._side.silent_for

    async def get(self, key: str) -> Entry | None:
        return await self._view.get(key)

    def entries(self, prefix: str = "", after: str = "") -> AsyncIterator[list[Entry]]:
        return self._view.entries(prefix, after)

    async def members(self) -> list[MemberView]:
        return (await self._report())[0].members

    async def overview(self) -> Overview:
        said, age = await self._report()
        numbers = await self._view.numbers()
        return msgspec.structs.replace(
            said.overview,
            me=msgspec.structs.replace(said.overview.me, last_seen=instant().wall),
            version=numbers.version,
            last_updated=numbers.last_updated,
            live=numbers.live,
            total=numbers.total,
            reasons=tuple(dict.fromkeys((*said.overview.reasons, *self._reasons(age)))),
        )

    async def vitals(self) -> Vitals:
        said = (await self._report())[0].vitals
        layer = {"web": self._side.counts, **said.layer}
        return msgspec.structs.replace(said, layer=layer)

    async def aside(self) -> list[Entry]:
        return (await self._report())[0].entries_aside()

    async def write(
        self,
        key: str,
        value: bytes | None,
        only_if: Condition | None = None,
        lifetime: int | None = None,
    ) -> Entry:
        entry = await self._side.ask(items.Write(key, value, only_if, lifetime))
        if entry is None:
            raise TypeError("the worker answered a write without what it wrote")
        return entry

    async def drop_aside(self, key: str) -> None:
        await self._side.ask(items.DropAside(key))

    async def forget(self, node_id: str) -> None:
        await self._side.ask(items.Forget(node_id))

    async def watch(
        self, interest: Interest, after: str | None, reader: asyncio.AbstractEventLoop
    ) -> Watch:
        feed = await self._side.changes.followed()
        return feed.watch(interest, after, reader)

    @property
    def watch_counts(self) -> WatchCounts:
        return self._side.changes.feed.counts

    def _reasons(self, age: float) -> Iterator[str]:
        """What is wrong here, where the worker last said how it is `age` seconds ago."""
        yield from self._conditions
        if age > AWAY:
            yield f"worker: nothing heard for {age:.0f} s"
        else:
            yield from self._side.reasons

    async def _report(self) -> tuple[Report, float]:
        found = await self._view.report()
        if found is None:
            raise Unavailable("no worker has run this node yet")
        body, age = found
        return report.decode(body), age
