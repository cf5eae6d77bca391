"""The port between services and a node in the same process."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

import msgspec

from gossip.core.conditions import Condition
from gossip.core.entries import Entry
from gossip.core.stats import MemberView, Overview
from gossip.runtime.driver import Door
from gossip.runtime.feed import WatchCounts
from gossip.runtime.timers import instant
from gossip.runtime.vitals import Vitals
from gossip.runtime.watch import Interest, Watch

READ_WITHIN = 10.0
"""Seconds that a read from another thread waits for its turn in the event loop; it takes
milliseconds unless the loop is stuck, and then `TimeoutError` tells so."""

T = TypeVar("T")


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

    `get` reads one reference, from whichever thread. The other reads walk what the node changes:
    in another thread they ask the event loop, which answers between two slices of the driver.
    """

    def __init__(self, node: Door, writer: Writer) -> None:
        self._node = node
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    @property
    def ready(self) -> bool:
        return self._writer.ready

    def get(self, key: str) -> Entry | None:
        return self._node.get(key)

    def entries(self) -> Iterator[Entry]:
        return self._read(self._node.entries)

    def members(self) -> list[MemberView]:
        return self._read(self._node.members)

    def overview(self) -> Overview:
        overview = self._read(lambda: self._node.overview(instant()))
        reasons = dict.fromkeys((*overview.reasons, *self._writer.reasons))
        return msgspec.structs.replace(overview, reasons=tuple(reasons))

    def vitals(self) -> Vitals:
        return self._read(self._writer.vitals)

    def aside(self) -> list[Entry]:
        return self._read(self._node.set_aside)

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

    def watch(
        self, interest: Interest, after: str | None, reader: asyncio.AbstractEventLoop
    ) -> Watch:
        return self._writer.watch(interest, after, reader)

    @property
    def watch_counts(self) -> WatchCounts:
        return self._writer.watch_counts

    def _read(self, read: Callable[[], T]) -> T:
        # Without a loop that runs, nobody changes the node either.
        if threading.get_ident() == self._thread or not self._loop.is_running():
            return read()
        answer: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._loop.call_soon_threadsafe(_answer, answer, read)
        return answer.result(READ_WITHIN)


def _answer(answer: concurrent.futures.Future[T], read: Callable[[], T]) -> None:
    try:
        answer.set_result(read())
    except Exception as error:  # noqa: BLE001  # raised where it was asked
        answer.set_exception(error)
