"""Web processes and a worker with a real node, over a layer in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
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
from gossip.relay.layer import GONE, PACKET, Layer
from gossip.relay.web_side import WebSide
from gossip.relay.worker_side import WorkerSide
from gossip.runtime.engine import Engine, Parts
from gossip.runtime.ports import DialRefused, Hub, OpenLink, Unavailable
from gossip.runtime.watch import Interest, Watch, WatchEnded, WatchRefused
from tests.support import frames
from tests.support.layer import MemoryLayer, Message
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

    @asynccontextmanager
    async def another_web_process(self) -> AsyncIterator[WebSide]:
        web = WebSide(Layer(self.layer), Edge(100, 60.0))
        listening = asyncio.create_task(web.run())
        await until(lambda: web.has_worker)
        yield web
        await web.stop()
        listening.cancel()

    async def write(self, *keys: str) -> None:
        for key in keys:
            await self.web.ask(items.Write(key, b"1", None, None))

    async def settled(self) -> None:
        await self.view.wait()

    def linked_by(self, opened: int) -> bool:
        """Whether that many links were opened, and the last is open."""
        return self.node.stats.links_opened == opened and self.linked()

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
    for opened in (2, 3, 4):
        (session,) = world.side._sessions.values()
        world.side.ended(session)
        await until(partial(world.linked_by, opened))
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


async def watched(web: WebSide, after: str | None = None) -> Watch:
    return (await web.changes.followed()).watch(Interest(), after, asyncio.get_running_loop())


async def subjects(watch: Watch, count: int) -> list[str]:
    async with asyncio.timeout(5):
        return [(await anext(watch)).subject for _ in range(count)]


async def test_a_watcher_hears_of_what_is_shown_everywhere_and_not_before(world: World) -> None:
    watch = await watched(world.web)
    world.view.clear()
    writing = asyncio.create_task(world.write("k"))
    await until(lambda: world.node.get("k"))
    hearing = asyncio.create_task(watch.batch())
    # Whatever was told before would have come by now.
    async with world.another_web_process():
        pass
    assert not hearing.done()
    world.view.set()
    (change,) = await asyncio.wait_for(hearing, 5)
    assert change.entry == world.node.get("k")
    await writing


async def test_nothing_is_missing_where_a_watch_begins(world: World) -> None:
    going = True

    async def write() -> list[str]:
        keys: list[str] = []
        while going:
            keys.append(f"k{len(keys)}")
            await world.write(keys[-1])
        return keys

    writing = asyncio.create_task(write())
    await until(lambda: world.node.get("k9"))
    watch = await watched(world.web)
    begun = max(int(entry.key[1:]) for entry in world.node.entries())
    await until(lambda: world.node.get(f"k{begun + 20}"))
    going = False
    keys = await writing
    heard = await subjects(watch, len(keys) - begun - 1)
    first = keys.index(heard[0])
    assert heard == keys[first : first + len(heard)]
    assert first <= begun + 1


async def test_who_watched_at_one_web_process_goes_on_at_another(world: World) -> None:
    async with world.another_web_process() as other:
        here, there = await watched(world.web), await watched(other)
        await world.write("a", "b", "c")
        first = await anext(here)
        assert await subjects(there, 3) == ["a", "b", "c"]
        again = await watched(other, first.id)
        assert again.resumed
        assert await subjects(again, 2) == ["b", "c"]


async def test_a_feed_is_followed_once_and_by_those_who_need_it(world: World) -> None:
    async with world.another_web_process() as other:
        for _ in range(2):
            assert (await watched(world.web)).start
        assert world.engine.port.watch_counts.watching == 1
        await world.write("a")
        assert not other.changes.feed.watched


async def test_a_lost_worker_ends_watches_and_others_may_begin(world: World) -> None:
    watch = await watched(world.web)
    (session,) = world.side._sessions.values()
    world.side.ended(session)
    with pytest.raises(WatchEnded) as ended:
        await asyncio.wait_for(watch.batch(), 5)
    assert ended.value.reason == "lost"
    assert world.engine.port.watch_counts.watching == 0
    again = await watched(world.web)
    await world.write("k")
    assert await subjects(again, 1) == ["k"]


async def test_a_worker_that_stops_ends_watches_and_refuses_others(world: World) -> None:
    watch = await watched(world.web)
    await world.engine.finish()
    with pytest.raises(WatchEnded) as ended:
        await asyncio.wait_for(watch.batch(), 5)
    assert ended.value.reason == "lost"
    with pytest.raises(WatchRefused):
        await asyncio.wait_for(watched(world.web), 5)


async def test_a_worker_lost_as_a_watch_begins_leaves_no_feed_that_is_silent(world: World) -> None:
    held: list[Message] = []

    def hold(channel: str, message: Message) -> int:
        if channel != world.web._channel or message["type"] != PACKET:
            return 1
        held.append(message)
        return 0

    world.layer.copies = hold
    watching = asyncio.create_task(watched(world.web))
    await until(lambda: any(b"Following" in message["body"] for message in held))
    world.layer.copies = lambda _channel, _message: 1
    # Both at once, so that nobody has a turn in between.
    gone = {"type": GONE, "body": msgspec.msgpack.encode(world.web._here)}
    for message in (*held, gone):
        world.layer._channels[world.web._channel].put_nowait(message)
    with pytest.raises(WatchRefused):
        await asyncio.wait_for(watching, 5)
    await until(lambda: world.web.has_worker)
    again = await watched(world.web)
    await world.write("k")
    assert await subjects(again, 1) == ["k"]


async def test_without_a_worker_nobody_watches(world: World) -> None:
    with pytest.raises(Unavailable):
        await WebSide(Layer(world.layer), Edge(100, 60.0)).changes.followed()
