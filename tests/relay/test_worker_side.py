"""Web processes and a worker with a real node, over a layer in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import msgspec
import pytest
import pytest_asyncio

from gossip.core.config import Config
from gossip.core.effects import Dial
from gossip.core.errors import WriteUnanswered
from gossip.core.node import Node
from gossip.relay import items
from gossip.relay.edge import Edge
from gossip.relay.layer import Layer
from gossip.relay.web_side import WebSide
from gossip.relay.worker_side import WorkerSide
from gossip.runtime.engine import Engine, Parts
from gossip.runtime.ports import DialRefused, Hub, OpenLink
from tests.support import frames
from tests.support.layer import MemoryLayer
from tests.support.runtime import EmptyPast, MemoryJournal, MemoryWire, no_fetcher, until


class World:
    """A node, its worker's side, and one web process."""

    def __init__(self) -> None:
        config = Config(node_id="me", public_key="", gossip_endpoint=None, api_endpoint="")
        self.node = Node(config, Random(1))
        self.journal = MemoryJournal()
        self.engine = Engine(
            Parts(
                config=config,
                node=self.node,
                past=EmptyPast(),
                journal=self.journal,
                dialer=nobody,
                fetcher=no_fetcher,
                release=lambda: None,
            )
        )
        self.layer = MemoryLayer()
        self.view = asyncio.Event()
        """Set while the view is up to date."""
        self.view.set()
        self.web = WebSide(Layer(self.layer), Edge(100, 60.0))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Everything runs meanwhile."""
        await self.engine.prepare()
        self.side = WorkerSide(
            Layer(self.layer), 1, self.engine.hub, self.engine.port, self.settled
        )
        await self.side.open()
        await self.engine.begin()
        tasks = [asyncio.create_task(each) for each in (self.side.run(), self.web.run())]
        await until(lambda: self.web.has_worker)
        yield
        await self.engine.finish()
        await self.side.stop()
        await self.web.stop()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def settled(self) -> None:
        await self.view.wait()

    def linked(self) -> bool:
        """Whether the node has a link to the peer, on which both know each other."""
        return any(view.linked for view in self.node.members())


async def nobody(dial: Dial, hub: Hub) -> None:
    raise DialRefused("nothing listens")


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    async with made.running():
        yield made


async def joined(world: World, wire: MemoryWire) -> OpenLink:
    """The link of a peer that has joined."""
    link = world.web.opened(wire)
    link.received(msgspec.json.encode(frames.join("peer")).decode())
    await until(world.linked)
    return link


async def test_a_peer_that_is_introduced_again_to_the_same_worker_is_linked_again(
    world: World,
) -> None:
    wire = MemoryWire()
    await joined(world, wire)
    for _ in range(3):
        (session,) = world.side._sessions.values()
        world.side.ended(session)
        await until(lambda: not world.linked())
        await until(world.linked)
    assert wire.closed_with is None


async def test_who_stops_answers_what_is_written_and_about_to_be_shown(world: World) -> None:
    world.view.clear()
    asking = asyncio.create_task(world.web.ask(items.Write("k", b"1", None, None)))
    await until(lambda: world.node.get("k"))
    await world.engine.finish()
    stopping = asyncio.create_task(world.side.stop())
    await asyncio.sleep(0)
    world.view.set()
    await stopping
    entry = await asyncio.wait_for(asking, 5)
    assert entry == world.node.get("k")


async def test_who_stops_does_not_wait_for_a_view_that_is_away(world: World) -> None:
    world.view.clear()
    asking = asyncio.create_task(world.web.ask(items.Write("k", b"1", None, None)))
    await until(lambda: world.node.get("k"))
    await world.engine.finish()
    await asyncio.wait_for(world.side.stop(), 5)
    with pytest.raises(WriteUnanswered):
        await asyncio.wait_for(asking, 5)


async def test_a_layer_that_hangs_does_not_keep_a_worker_from_stopping(world: World) -> None:
    world.layer.hanging = True
    await asyncio.wait_for(world.side.stop(), 5)
    world.layer.hanging = False
