"""Real nodes, each behind its driver, joined by wires in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

from gossip.core.config import Config
from gossip.core.effects import Dial
from gossip.core.events import Started
from gossip.core.node import Node
from gossip.runtime.driver import Driver
from gossip.runtime.ports import DialRefused, Hub, OpenLink
from tests.support.runtime import MemoryJournal, no_fetcher, until


class End:
    """One end of a connection: what is sent here arrives over there."""

    def __init__(self) -> None:
        self.here: OpenLink | None = None
        self.there: OpenLink | None = None
        self.closed = asyncio.Event()

    async def send(self, frame: str) -> None:
        if self.there is not None and not self.closed.is_set():
            self.there.received(frame)

    async def close(self, code: int, reason: str) -> None:
        if self.closed.is_set() or self.here is None or self.there is None:
            return
        self.closed.set()
        self.here.closed(code)
        self.there.closed(code)


class Net:
    """The nodes by URL, and the dialer that finds them."""

    def __init__(self) -> None:
        self.drivers: dict[str, Driver] = {}

    async def dial(self, dial: Dial, hub: Hub) -> None:
        if dial.url not in self.drivers:
            raise DialRefused("nothing listens", refused=True)
        near, far = End(), End()
        far.closed = near.closed
        near.here = far.there = hub.opened(near, dialed=dial.url, remote_is_loopback=True)
        far.here = near.there = self.drivers[dial.url].opened(far, remote_is_loopback=True)
        await near.closed.wait()

    @asynccontextmanager
    async def node(self, port: int, *bootstrap: int) -> AsyncIterator[tuple[Node, Driver]]:
        """A node that listens at this port, until the body ends."""
        url = f"ws://localhost:{port}/ws"
        config = Config(
            node_id=f"node-{port}",
            public_key="",
            gossip_endpoint=url,
            api_endpoint=f"http://localhost:{port}",
            bootstrap=tuple(f"ws://localhost:{other}/ws" for other in bootstrap),
        )
        node = Node(config, Random(port))
        driver = self.drivers[url] = Driver(
            node, dialer=self.dial, fetcher=no_fetcher, journal=MemoryJournal()
        )
        driver.start(Started(incarnation=1, clock_floor=0))
        task = asyncio.create_task(driver.run())
        yield node, driver
        del self.drivers[url]
        await driver.settle()
        driver.leave()
        await asyncio.wait_for(task, 5)
        await driver.close()


def active(node: Node) -> list[str]:
    return [view.record.node_id for view in node.members() if view.status == "active"]


async def test_two_nodes_find_each_other_and_agree() -> None:
    net = Net()
    async with net.node(1) as (one, first), net.node(2, 1) as (two, second):
        await until(lambda: active(one) == ["node-2"] and active(two) == ["node-1"])
        written = await first.write("k", b'{"a":1}')
        await until(lambda: two.get("k") == written)
        tombstone = await second.write("k", None)
        await until(lambda: one.get("k") == tombstone)
        assert tombstone.version > written.version


async def test_a_thousand_concurrent_writes_at_both_ends_are_all_on_both() -> None:
    net = Net()
    async with net.node(1) as (one, first), net.node(2, 1) as (two, second):
        await until(lambda: active(one) and active(two))
        await asyncio.gather(
            *(first.write(f"a{number}", b"1") for number in range(500)),
            *(second.write(f"b{number}", b"2") for number in range(500)),
        )
        await until(lambda: len(list(one.entries())) == len(list(two.entries())) == 1_000)
        assert list(one.entries()) == list(two.entries())


async def test_a_newcomer_gets_what_was_there_and_a_leaver_is_no_member() -> None:
    net = Net()
    async with net.node(1) as (one, first):
        for number in range(20):
            await first.write(f"k{number}", b"1")
        async with net.node(2, 1) as (two, _):
            await until(lambda: len(list(two.entries())) == 20)
        await until(lambda: active(one) == [])
