"""The view that is kept equal to a node, on a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from gossip.core.entries import Entry
from gossip.core.events import Instant
from gossip.core.stats import Overview
from gossip.relay import mirror as module
from gossip.relay.mirror import ViewMirror
from gossip.runtime.ports import EpochOver
from gossip.stores.view import SharedView, ViewReader
from tests.support.runtime import ScriptedNode, until
from tests.support.valkey import Valkey


class Source(ScriptedNode):
    """A node that is a dictionary."""

    def entries(self) -> Iterator[Entry]:
        keys = sorted(self.held)
        return (self.held[key] for key in keys if key in self.held)

    def overview(self, now: Instant) -> Overview:
        held = self.held.values()
        live = sum(not entry.deleted for entry in held)
        return msgspec.structs.replace(super().overview(now), live=live, total=len(held))


class World:
    def __init__(self, redis: Redis) -> None:
        self.node = Source()
        self.mirror = ViewMirror(SharedView(redis, "p", 1), self.node)
        self.reader = ViewReader(redis, "p")

    def hold(self, key: str, value: bytes | None = b"1", version: int = 1) -> Entry:
        entry = self.node.held[key] = Entry(key, version, value)
        self.mirror.entry(entry)
        return entry

    def forget(self, key: str) -> None:
        del self.node.held[key]
        self.mirror.forgotten(key)

    async def shown(self) -> dict[str, Entry]:
        return {entry.key: entry async for step in self.reader.entries() for entry in step}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self.mirror.fill()
        task = asyncio.create_task(self.mirror.run())
        yield
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()


@pytest.fixture
def world(redis: Redis) -> World:
    return World(redis)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY", 0.01)
    monkeypatch.setattr(module, "LOOK", 0.02)


async def test_what_the_node_held_before_is_shown(world: World) -> None:
    for number in range(2_500):
        world.node.held[f"k{number:04}"] = Entry(f"k{number:04}", 1, b"1")
    async with world.running():
        assert await world.shown() == world.node.held


async def test_what_was_told_is_shown_once_it_is_settled(world: World) -> None:
    async with world.running():
        for number in range(50):
            entry = world.hold("k", b"%d" % number, number + 1)
            await world.mirror.settled()
            assert await world.reader.get("k") == entry


async def test_who_waits_waits_for_what_came_last(world: World) -> None:
    async with world.running():
        world.hold("a")
        first = asyncio.create_task(world.mirror.settled())
        # The first is being written by now.
        await until(lambda: (world.mirror._writing and not world.mirror._changed) or first.done())
        entry = world.hold("b")
        await world.mirror.settled()
        assert await world.reader.get("b") == entry
        await first


async def test_a_flood_is_shown_whole_with_numbers_that_fit(world: World) -> None:
    async with world.running():
        for number in range(3_000):
            world.hold(f"k{number % 700}", None if number % 3 == 0 else b"1", number + 1)
            if number % 100 == 0:
                await asyncio.sleep(0)
        await world.mirror.settled()
        assert await world.shown() == world.node.held
        numbers = await world.reader.numbers()
        assert numbers.total == 700
        assert numbers.live == sum(not entry.deleted for entry in world.node.held.values())


async def test_what_is_forgotten_is_gone_and_may_come_again(world: World) -> None:
    async with world.running():
        world.hold("a")
        world.hold("b")
        await world.mirror.settled()
        world.forget("a")
        world.forget("b")
        world.hold("b", b"2", 2)
        await world.mirror.settled()
        assert await world.shown() == world.node.held
        assert list(world.node.held) == ["b"]


async def test_with_nothing_to_show_nobody_waits(world: World) -> None:
    async with world.running():
        world.hold("a")
        await world.mirror.settled()
        await asyncio.wait_for(world.mirror.settled(), 5)


async def test_an_empty_redis_is_filled_again_although_nothing_happens(
    world: World, server: Valkey, quick: None
) -> None:
    async with world.running():
        world.hold("a")
        await world.mirror.settled()
        with capture_logs() as logs:
            server.flush()
            await until(lambda: "view_filled" in [line["event"] for line in logs])
        assert await world.shown() == world.node.held
        assert [line["event"] for line in logs] == ["view_lost", "view_filled"]


async def test_what_is_told_while_redis_is_away_is_shown_and_acknowledged_afterwards(
    world: World, server: Valkey, quick: None
) -> None:
    async with world.running():
        with capture_logs() as logs:
            server.kill()
            try:
                world.hold("a")
                waiting = [asyncio.create_task(world.mirror.settled())]
                await until(lambda: "view_failing" in [line["event"] for line in logs])
                world.hold("b")
                waiting.append(asyncio.create_task(world.mirror.settled()))
                await asyncio.sleep(0)
                assert not any(task.done() for task in waiting)
            finally:
                server.start()
            await asyncio.wait_for(asyncio.gather(*waiting), 5)
        assert await world.shown() == world.node.held
        # Told once, however often it was tried.
        assert [line["event"] for line in logs] == [
            "view_failing",
            "view_lost",
            "view_filled",
            "view_recovered",
        ]


async def test_a_view_of_another_epoch_ends_the_mirror(world: World, redis: Redis) -> None:
    await world.mirror.fill()
    await SharedView(redis, "p", 2).fill((), await world.reader.numbers())
    world.hold("a")
    running = asyncio.create_task(world.mirror.run())
    settled = asyncio.create_task(world.mirror.settled())
    with pytest.raises(EpochOver):
        await asyncio.wait_for(running, 5)
    # Nothing was shown: nobody may acknowledge it.
    assert not settled.done()
    settled.cancel()
    assert await world.shown() == {}


async def test_an_idle_mirror_sees_that_its_epoch_is_over(
    world: World, redis: Redis, quick: None
) -> None:
    await world.mirror.fill()
    running = asyncio.create_task(world.mirror.run())
    await SharedView(redis, "p", 2).fill((), await world.reader.numbers())
    with pytest.raises(EpochOver):
        await asyncio.wait_for(running, 5)


async def test_who_waits_for_what_is_being_shown_waits_until_it_is(
    world: World, server: Valkey
) -> None:
    async with world.running():
        with server.paused():
            entry = world.hold("a")
            first = asyncio.create_task(world.mirror.settled())
            await until(lambda: world.mirror._writing is not None and not world.mirror._changed)
            second = asyncio.create_task(world.mirror.settled())
            for _ in range(10):
                await asyncio.sleep(0)
            assert not first.done()
            assert not second.done()
        await asyncio.wait_for(asyncio.gather(first, second), 5)
        assert await world.reader.get("a") == entry


async def test_all_who_wait_for_the_next_turn_are_told(world: World) -> None:
    world.hold("a")
    waiting = [asyncio.create_task(world.mirror.settled()) for _ in range(3)]
    await asyncio.sleep(0)
    async with world.running():
        await asyncio.wait_for(asyncio.gather(*waiting), 5)
        assert await world.shown() == world.node.held
