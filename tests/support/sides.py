"""The two sides of the relay over a layer in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from gossip.relay import items
from gossip.relay.edge import Edge
from gossip.relay.layer import Layer
from gossip.relay.web_side import WebSide
from gossip.relay.worker_side import WorkerSide
from tests.support import frames
from tests.support.fake_port import FakePort
from tests.support.hub import Link, Listening
from tests.support.layer import MemoryLayer

WRITE = items.Write("k", b"1", None, None)


def said(label: str) -> str:
    """A frame with data that a node can read."""
    data = {"key": label, "value": 1, "version": 1}
    return msgspec.json.encode(frames.message("gossip", "peer", data, messageId=label)).decode()


def join_frame(node_id: str) -> str:
    return msgspec.json.encode(frames.join(node_id)).decode()


class Worker:
    """A worker whose node only remembers."""

    def __init__(self, layer: MemoryLayer, epoch: int) -> None:
        self.hub = Listening()
        self.port = FakePort()
        self.side = WorkerSide(Layer(layer), epoch, self.hub, self.port, self.settled)

    async def settled(self) -> None:
        """There is no view."""

    @property
    def links(self) -> list[Link]:
        return self.hub.links


@asynccontextmanager
async def worker(layer: MemoryLayer, epoch: int = 1) -> AsyncIterator[Worker]:
    made = Worker(layer, epoch)
    await made.side.open()
    listening = asyncio.create_task(made.side.run())
    yield made
    await asyncio.wait_for(made.side.stop(), 5)
    listening.cancel()


@asynccontextmanager
async def web_process(layer: MemoryLayer) -> AsyncIterator[WebSide]:
    side = WebSide(Layer(layer), Edge(100, 60.0))
    listening = asyncio.create_task(side.run())
    yield side
    await side.stop()
    listening.cancel()
