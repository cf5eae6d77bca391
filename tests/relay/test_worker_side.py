"""Web processes and a worker with a real node, over a layer in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import msgspec
import pytest_asyncio

from gossip.core.config import Config
from gossip.core.effects import Dial
from gossip.core.node import Node
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
