"""An active worker: a real node whose view and lease are in a real Redis, on a layer in memory."""

import asyncio
from random import Random

import pytest
from redis.asyncio import Redis

from gossip.core.config import Config
from gossip.core.effects import Dial
from gossip.core.node import Node
from gossip.relay import mirror, report
from gossip.relay import worker as module
from gossip.relay.edge import Edge
from gossip.relay.layer import Layer
from gossip.relay.outage import Outage
from gossip.relay.web_side import WebSide
from gossip.relay.worker import Worker
from gossip.runtime.engine import Engine, Parts
from gossip.runtime.ports import DialRefused, EpochOver, Hub, TakenOver
from gossip.stores.lease import Lease
from gossip.stores.view import SharedView, ViewReader
from gossip.stores.view_records import Numbers
from tests.support.layer import MemoryLayer
from tests.support.runtime import EmptyPast, MemoryJournal, no_fetcher, until
from tests.support.valkey import Valkey

EPOCH = 1


async def nobody(dial: Dial, hub: Hub) -> None:
    raise DialRefused("nothing listens")


class World:
    """A worker that has the lease."""

    def __init__(self, redis: Redis) -> None:
        config = Config(node_id="me", public_key="", gossip_endpoint=None, api_endpoint="")
        self.node = Node(config, Random(1))
        self.engine = Engine(
            Parts(
                config=config,
                node=self.node,
                past=EmptyPast(),
                journal=MemoryJournal(),
                dialer=nobody,
                fetcher=no_fetcher,
                release=lambda: None,
            )
        )
        self.layer = MemoryLayer()
        self.redis = redis
        self.reader = ViewReader(redis, "p")
        self.lease = Lease(redis, "p", "worker", node_id="me", term=0.6)

    async def build(self) -> None:
        """Make the worker, which is not prepared."""
        assert await self.lease.acquire()
        await self.engine.prepare()
        self.worker = Worker(
            self.engine,
            self.node,
            EPOCH,
            layer=Layer(self.layer),
            view=SharedView(self.redis, "p", EPOCH),
            lease=self.lease,
            outage=Outage("lease"),
            epoch_holds=self._epoch_holds,
        )

    async def _epoch_holds(self) -> bool:
        return True


@pytest.fixture
async def world(redis: Redis) -> World:
    made = World(redis)
    await made.build()
    return made


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY", 0.01)
    monkeypatch.setattr(mirror, "LOOK", 0.05)


async def test_it_publishes_what_the_node_says_of_itself(world: World) -> None:
    await world.worker.prepare()
    await world.engine.begin()
    running = asyncio.create_task(world.worker.run())
    async with asyncio.timeout(5):
        while (found := await world.reader.report()) is None:
            await asyncio.sleep(0.01)
    said = report.decode(found[0])
    assert said.overview.me.node_id == "me"
    assert said.members == []
    await world.engine.finish()
    await world.worker.stop()
    running.cancel()
    await asyncio.wait((running,))
    assert running.cancelled()


async def test_it_waits_for_redis_and_the_layer_before_it_begins(
    world: World, server: Valkey
) -> None:
    server.kill()
    try:
        preparing = asyncio.create_task(world.worker.prepare())
        world.layer.failing = True
        await asyncio.wait((preparing,), timeout=0.1)
        assert not preparing.done()
    finally:
        server.start()
    async with asyncio.timeout(5):
        while await world.redis.hlen("{p}:entries") == 0:
            await asyncio.sleep(0.01)
    assert not preparing.done()
    world.layer.failing = False
    await asyncio.wait_for(preparing, 5)
    await world.engine.finish()


async def test_it_does_not_begin_where_another_epoch_has_the_view(world: World) -> None:
    await SharedView(world.redis, "p", 2).fill((), Numbers(0, 0, 0, 0))
    with pytest.raises(EpochOver):
        await world.worker.prepare()
    await world.engine.finish()


@pytest.mark.parametrize("how", ["lease", "view"])
async def test_a_worker_that_is_taken_over_says_nothing_more(world: World, how: str) -> None:
    await world.worker.prepare()
    await world.engine.begin()
    running = asyncio.create_task(world.worker.run())
    async with asyncio.timeout(5):
        while await world.reader.report() is None:
            await asyncio.sleep(0.01)
    if how == "lease":
        await world.redis.set("{p}:lease", "another")
    else:
        await SharedView(world.redis, "p", 2).fill((), Numbers(0, 0, 0, 0))
    with pytest.raises(TakenOver):
        await asyncio.wait_for(running, 5)
    # Whatever the engine is told, it does not leave: another runs the node.
    await world.engine.finish()
    with pytest.raises(TakenOver):
        await asyncio.wait_for(world.engine.wait_failed(), 5)
    await world.worker.stop()


async def test_a_part_that_fails_by_a_bug_ends_it(world: World) -> None:
    await world.worker.prepare()

    running = asyncio.create_task(world.worker.run())
    # A defect: reports cannot be made.
    world.engine._port = None
    with pytest.raises(RuntimeError, match="not prepared"):
        await asyncio.wait_for(running, 5)
    await world.engine.finish()
    await world.worker.stop()


async def test_a_web_process_is_told_that_it_stops(world: World) -> None:
    await world.worker.prepare()
    await world.engine.begin()
    web = WebSide(Layer(world.layer), Edge(100, 60.0))
    tasks = [asyncio.create_task(each) for each in (world.worker.run(), web.run())]
    await until(lambda: web.has_worker)
    await world.engine.finish()
    await world.worker.stop()
    await until(lambda: not web.has_worker)
    await web.stop()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
