"""How much one node does in a second, and what that costs."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import msgspec

from tests.benchmarks.http import Connection, get, post
from tests.benchmarks.load import Requests, arrays, flood, masked, requests, updates
from tests.benchmarks.nodes import TICK, single
from tests.support.process import NodeProcess
from tests.support.waiting import eventually

FRAMES = 40_000
ENTRIES = 100_000
CONNECTIONS = 32
SECONDS = 4.0

_encode = msgspec.json.Encoder().encode


def frames() -> dict[str, float]:
    """Frames of one update: on one connection, then on eight while somebody asks for health."""
    version = time.time_ns() // 1_000_000
    with single() as node:
        used, began = node.cpu_seconds(), time.perf_counter()
        flood(node.port, [masked(updates("one", FRAMES, version))])
        _wait_for(node, "entriesApplied", FRAMES)
        elapsed, cpu = time.perf_counter() - began, node.cpu_seconds() - used
        streams = [masked(updates(f"of-eight-{n}", FRAMES // 8, version)) for n in range(8)]
        stall = asyncio.run(_longest_answer(node, streams))
        _wait_for(node, "entriesApplied", 2 * FRAMES)
    return {
        "frames_per_second": FRAMES / elapsed,
        "frame_cpu": cpu / FRAMES,
        "stall": stall,
    }


def sync_arrays() -> dict[str, float]:
    """Entries in `sync` arrays: new ones, then the same again."""
    version = time.time_ns() // 1_000_000
    new = masked(arrays("array", ENTRIES, version, turn=1))
    again = masked(arrays("array", ENTRIES, version, turn=2))
    with single() as node:
        return {
            "entries_new": _rate(node, new, "entriesApplied"),
            "entries_stale": _rate(node, again, "entriesStale"),
        }


def http() -> dict[str, float]:
    """`GET` of one key and durable `POST`, each on 32 connections."""
    with single() as node:
        node.client.set("key", {"status": "active", "timestamp": 1234567890})
        read = get("/gossip/data/key")
        gets, get_cpu = _under_load(node, lambda _: read, status=200)
        posts, post_cpu = _under_load(node, write, status=201)
    return {
        "get_per_second": gets.per_second,
        "get_p99": gets.p99,
        "get_cpu": get_cpu,
        "post_per_second": posts.per_second,
        "post_p99": posts.p99,
        "post_cpu": post_cpu,
    }


def write(number: int) -> bytes:
    return post(_encode({"key": f"key-{number}", "value": number}))


def _under_load(
    node: NodeProcess, make: Callable[[int], bytes], *, status: int
) -> tuple[Requests, float]:
    used = node.cpu_seconds()
    load = asyncio.run(
        requests([node.port], make, status=status, connections=CONNECTIONS, seconds=SECONDS)
    )
    return load, (node.cpu_seconds() - used) / load.answered


async def _longest_answer(node: NodeProcess, streams: list[bytes]) -> float:
    """Flood from another process; return the longest that an answer took meanwhile."""
    connection = await Connection.open(node.port)
    request = get("/gossip/health")
    longest = 0.0
    for _ in _while_running(partial(flood, node.port, streams)):
        asked = time.perf_counter()
        await connection.ask(request)
        longest = max(longest, time.perf_counter() - asked)
        await asyncio.sleep(TICK)
    connection.close()
    return longest


def _while_running(work: Callable[[], None]) -> Iterator[None]:
    """Yield as long as this work is under way in another process."""
    # Not forked: threads and the event loop of this process have no business there.
    with ProcessPoolExecutor(1, get_context("spawn")) as other:
        future: Future[None] = other.submit(work)
        while not future.done():
            yield
        future.result()


def _rate(node: NodeProcess, stream: bytes, counter: str) -> float:
    began = time.perf_counter()
    flood(node.port, [stream])
    _wait_for(node, counter, ENTRIES)
    return ENTRIES / (time.perf_counter() - began)


def _wait_for(node: NodeProcess, counter: str, wanted: int) -> None:
    eventually(lambda: node.client.stats()[counter] >= wanted, within=60, pause=TICK)


CASES = {"frames": frames, "sync_arrays": sync_arrays, "http": http}
