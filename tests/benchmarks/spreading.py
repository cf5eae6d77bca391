"""How fast a write is everywhere. Five nodes."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count

import msgspec

from tests.benchmarks.http import Connection, get, post
from tests.benchmarks.load import percentile
from tests.benchmarks.nodes import TICK, cluster
from tests.support.client import Client, dialed
from tests.support.cluster import Cluster
from tests.support.waiting import eventually

SINGLE_WRITES = 100
PAUSE = 0.02
"""Seconds between single writes, so that each is alone."""
WRITERS = 32
TIES = 20
PAIRS = 200

_encode = msgspec.json.Encoder().encode


def spreading() -> dict[str, float]:
    """Conflicts first, while the states that are compared are small."""
    with cluster(5) as nodes:
        return {
            "ties_equal": _ties(nodes),
            "pairs_equal": _pairs(nodes),
            **_single_writes(nodes),
            "keys_100": _many_keys(nodes, 100),
            "keys_1000": _many_keys(nodes, 1_000),
        }


def _single_writes(nodes: Cluster) -> dict[str, float]:
    times = asyncio.run(single_writes(nodes, SINGLE_WRITES))
    return {"write_p50": percentile(times, 0.5), "write_p99": percentile(times, 0.99)}


async def single_writes(nodes: Cluster, writes: int) -> list[float]:
    """From sending the `POST` until a `GET` at each of the others was answered with the value.

    The answer to the `POST` says that the writer shows it (E7). From then on each other node is
    asked, again as soon as it answered 404: that costs the nodes some time, and the way of the last
    answer is counted as well.
    """
    connections = [await Connection.open(node.port) for node in nodes]
    times = []
    for number in range(writes):
        key = f"single-{number}"
        writer, *others = connections[number % len(nodes) :] + connections[: number % len(nodes)]
        began = time.perf_counter()
        request = await write_once(writer, key, number)
        await asyncio.gather(*(seen(other, request) for other in others))
        times.append(time.perf_counter() - began)
        await asyncio.sleep(PAUSE)
    for connection in connections:
        connection.close()
    return times


async def write_once(connection: Connection, key: str, value: object) -> bytes:
    """Write a key; return the request that asks for it."""
    await connection.ask(post(_encode({"key": key, "value": value})))
    return get(f"/gossip/data/{key}")


async def seen(connection: Connection, request: bytes) -> None:
    """Ask again until it is there."""
    while (await connection.ask(request)).status != 200:
        pass


def _many_keys(nodes: Cluster, keys: int) -> float:
    """From the answer to the last write until every node holds all keys."""
    applied = [client.stats()["entriesApplied"] for client in nodes.clients]
    asyncio.run(write_keys(nodes.nodes[0].port, keys))
    began = time.perf_counter()
    for client, before in zip(nodes.clients[1:], applied[1:], strict=True):
        eventually(partial(_applied, client, before + keys), within=60, pause=TICK)
    elapsed = time.perf_counter() - began
    state = nodes.wait_equal()
    if sum(key.startswith(f"many-{keys}-") for key in state) != keys:
        raise RuntimeError("keys were lost")
    return elapsed


async def write_keys(port: int, keys: int) -> None:
    """Write as fast as the node acknowledges, on a few connections."""
    numbers = count()

    async def write_some() -> None:
        connection = await Connection.open(port)
        while (number := next(numbers)) < keys:
            body = _encode({"key": f"many-{keys}-{number}", "value": number})
            response = await connection.ask(post(body))
            if response.status != 201:
                raise RuntimeError(f"a write was refused: {response.body!r}")
        connection.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(WRITERS):
            group.create_task(write_some())


def _applied(client: Client, wanted: int) -> bool:
    return bool(client.stats()["entriesApplied"] >= wanted)


def _ties(nodes: Cluster) -> float:
    """Equal versions with different values, sent to two nodes: until all five are equal."""
    version = time.time_ns() // 1_000_000
    with dialed(nodes.nodes[0].port) as left, dialed(nodes.nodes[1].port) as right:
        for peer, value in ((left, "left"), (right, "right")):
            peer.send(
                "sync",
                [{"key": f"tie-{n}", "value": value, "version": version} for n in range(TIES)],
            )
    return _until_equal(nodes, "tie-", TIES)


def _pairs(nodes: Cluster) -> float:
    """Concurrent writes of the same keys to two nodes: until all five are equal."""
    writers = nodes.clients[:2]
    with ThreadPoolExecutor(len(writers)) as both:
        for number in range(PAIRS):
            list(both.map(Client.set, writers, [f"pair-{number}"] * 2, ["left", "right"]))
    return _until_equal(nodes, "pair-", PAIRS)


def _until_equal(nodes: Cluster, prefix: str, keys: int) -> float:
    began = time.perf_counter()
    eventually(partial(_all_hold, nodes, prefix, keys), within=60, pause=TICK)
    return time.perf_counter() - began


def _all_hold(nodes: Cluster, prefix: str, keys: int) -> bool:
    state = nodes.wait_equal(within=60)
    return sum(key.startswith(prefix) for key in state) == keys


CASES = {"spreading": spreading}
