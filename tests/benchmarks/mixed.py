"""Nodes and plain peers in one cluster, at default settings: how fast, and at what cost to them.

The plain peers are the double of `tests.interop`, in this process; ours are processes.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from typing import NamedTuple

from tests.benchmarks.nodes import TICK, cluster
from tests.benchmarks.spreading import write_keys
from tests.interop.double.double import Double
from tests.interop.double.settings import Settings
from tests.support.client import dialed
from tests.support.cluster import Cluster

KEYS = 1_000
SPACED = 100
PAUSE = 0.05
"""Seconds between writes that are spaced, so that each travels alone."""
TIES = 20
WATCHED = 60.0
"""Seconds in which idle traffic, and that of plain peers among themselves, is counted."""
LIMIT = 120.0
"""Seconds after which a condition counts as never met."""


class Received(NamedTuple):
    """What plain peers received on their WebSockets."""

    frames: int
    bytes: int
    """Of payload."""

    def __sub__(self, other: "Received") -> "Received":
        return Received(self.frames - other.frames, self.bytes - other.bytes)


def mixed() -> dict[str, float]:
    """Three of ours and three plain peers."""
    return asyncio.run(_mixed())


def to_plain() -> dict[str, float]:
    """What one plain peer among four of ours receives."""
    return asyncio.run(_to_plain())


def among_plain() -> dict[str, float]:
    """What five plain peers receive from each other, for each key that was new to one."""
    return asyncio.run(_among_plain())


async def _mixed() -> dict[str, float]:
    async with AsyncExitStack() as stack:
        ours = await _ours(stack, 3)
        peers = [await _plain(stack, number, ours.nodes[0].url) for number in range(3)]
        await _until(lambda: all(len(peer.node.peers.active()) == 5 for peer in peers))
        return {
            "plain_ties": await _ties(peers[0], ours, peers),
            "plain_keys": await _written_at_ours(ours, peers),
            "plain_alone": await _known_to_one(peers[1], ours),
        }


async def _ties(peer: Double, ours: Cluster, peers: list[Double]) -> float:
    """Equal versions with different values at a plain peer and at one of ours: until all agree."""
    entries = [{"key": f"tie-{n}", "value": f"ours {n}", "version": 7} for n in range(TIES)]
    for entry in entries:
        peer.node.state.merge(entry | {"value": "plain"}, 0, 0)
    await asyncio.to_thread(_push, ours.nodes[1].port, entries)
    began = time.perf_counter()

    def agree() -> bool:
        states = [client.data() for client in ours.clients]
        states += [{e.key: e.value for e in list(p.node.state.entries.values())} for p in peers]
        return all(state == states[0] for state in states) and len(states[0]) == TIES

    await _until_elsewhere(agree)
    return time.perf_counter() - began


def _push(port: int, entries: list[dict[str, object]]) -> None:
    with dialed(port) as stranger:
        stranger.send("sync", entries)


async def _written_at_ours(ours: Cluster, peers: list[Double]) -> float:
    """From the answer to the last write until the plain peers hold all keys."""
    before = [len(peer.node.state.entries) for peer in peers]
    await write_keys(ours.nodes[0].port, KEYS)
    began = time.perf_counter()
    await _until(
        lambda: all(
            len(peer.node.state.entries) == held + KEYS
            for peer, held in zip(peers, before, strict=True)
        )
    )
    return time.perf_counter() - began


async def _known_to_one(peer: Double, ours: Cluster) -> float:
    """From the last write at a plain peer until ours hold all, without waiting for its draws."""
    wanted = len(peer.node.state.entries) + KEYS
    for number in range(KEYS):
        peer.set(f"alone-{number}", number)
    began = time.perf_counter()
    await _until_elsewhere(lambda: all(len(c.data()) == wanted for c in ours.clients), pause=0.2)
    return time.perf_counter() - began


async def _to_plain() -> dict[str, float]:
    async with AsyncExitStack() as stack:
        ours = await _ours(stack, 4)
        peer = await _plain(stack, 0, ours.nodes[0].url)
        await _until(lambda: len(peer.node.peers.active()) == 4)
        before = _received([peer])
        for number in range(SPACED):
            client = ours.clients[number % 4]
            await asyncio.to_thread(client.set, f"spaced-{number}", number)
            await asyncio.sleep(PAUSE)
        await _until(lambda: len(peer.node.state.entries) == SPACED)
        spread = _received([peer]) - before
        await write_keys(ours.nodes[0].port, KEYS)
        await _until(lambda: len(peer.node.state.entries) == SPACED + KEYS)
        before = _received([peer])
        await asyncio.sleep(WATCHED)
        idle = _received([peer]) - before
    return {
        "to_plain_frames": spread.frames / SPACED,
        "to_plain_bytes": spread.bytes / SPACED,
        "to_plain_idle": idle.bytes / WATCHED,
    }


async def _among_plain() -> dict[str, float]:
    async with AsyncExitStack() as stack:
        first = await _plain(stack, 0)
        peers = [first, *[await _plain(stack, number, first.url) for number in range(1, 5)]]
        await _until(lambda: all(len(peer.node.peers.active()) == 4 for peer in peers))
        for number in range(SPACED):
            first.set(f"k-{number}", number)
        before = _received(peers)
        await asyncio.sleep(WATCHED)
        spread = _received(peers) - before
        delivered = sum(len(peer.node.state.entries) for peer in peers[1:])
    return {
        "among_plain_frames": spread.frames / delivered,
        "among_plain_bytes": spread.bytes / delivered,
        "among_plain_idle": spread.bytes / len(peers) / WATCHED,
    }


async def _ours(stack: AsyncExitStack, size: int) -> Cluster:
    return await asyncio.to_thread(stack.enter_context, cluster(size))


async def _plain(stack: AsyncExitStack, number: int, *bootstrap: str) -> Double:
    peer = Double(Settings(f"plain-{number}", bootstrap=bootstrap))
    return await stack.enter_async_context(peer)


def _received(peers: Iterable[Double]) -> Received:
    stats = [peer.node.stats for peer in peers]
    return Received(sum(s.received.total() for s in stats), sum(s.bytes_received for s in stats))


async def _until(condition: Callable[[], bool]) -> None:
    """Wait for something in this process."""
    async with asyncio.timeout(LIMIT):
        while not condition():
            await asyncio.sleep(TICK)


async def _until_elsewhere(condition: Callable[[], bool], pause: float = TICK) -> None:
    """Wait for something that other processes are asked about, while the plain peers go on."""
    async with asyncio.timeout(LIMIT):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(pause)


CASES = {"mixed": mixed, "to_plain": to_plain, "among_plain": among_plain}
