"""What a large state does to a node: start, a newcomer that fetches it, and reading all of it."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Event

from tests.benchmarks.http import Connection, get
from tests.benchmarks.load import arrays, flood, masked
from tests.benchmarks.nodes import TICK, cluster, settle, start
from tests.support.process import NodeProcess
from tests.support.waiting import eventually

KEYS = 100_000
VALUE = "x" * 198
"""200 bytes as JSON."""
PATIENCE = 120
FIRST_SECONDS = 6.0


def large() -> dict[str, float]:
    """100,000 keys of 200 bytes at one node; another one with an empty disk joins it."""
    with cluster(2) as nodes:
        full, newcomer = nodes.nodes
        newcomer.kill()
        newcomer.forget()
        version = time.time_ns() // 1_000_000
        flood(full.port, [masked(arrays("key", KEYS, version, turn=1, value=VALUE))])
        settle(full)
        figures: dict[str, float] = {"large_memory": full.resident()}
        full.kill()
        figures["large_start"] = start(full)
        with _probed(full) as longest:
            # Among the first things that it does by itself are a round and a look at tombstones.
            time.sleep(FIRST_SECONDS)
        figures["large_start_stall"] = longest.get()
        with _probed(full) as longest:
            began = time.perf_counter() + start(newcomer)
            eventually(lambda: _keys(newcomer) == KEYS, within=PATIENCE, pause=TICK)
            figures["large_snapshot"] = time.perf_counter() - began
        figures["large_snapshot_stall"] = longest.get()
        for node in nodes.nodes:
            settle(node)
        for name in ("data", "state"):
            with _probed(full) as longest:
                began = time.perf_counter()
                answer = full.client.get(f"/gossip/{name}")
                figures[f"large_{name}"] = time.perf_counter() - began
            assert answer.body.count(b"key/") == KEYS
            figures[f"large_{name}_stall"] = longest.get()
        return figures


def _keys(node: NodeProcess) -> int:
    keys: int = node.client.stats()["keys"]
    return keys


@contextmanager
def _probed(node: NodeProcess) -> Iterator["SimpleQueue[float]"]:
    """Ask for health every few milliseconds meanwhile; afterwards the queue has the longest."""
    spawn = get_context("spawn")
    over = spawn.Event()
    longest: SimpleQueue[float] = spawn.SimpleQueue()
    probe = spawn.Process(target=_probe, args=(node.port, over, longest))
    probe.start()
    # It says so once it asks.
    longest.get()
    try:
        yield longest
    finally:
        over.set()
        probe.join()


def _probe(port: int, over: Event, longest: "SimpleQueue[float]") -> None:
    asyncio.run(_ask_until(port, over, longest))


async def _ask_until(port: int, over: Event, longest: "SimpleQueue[float]") -> None:
    connection = await Connection.open(port)
    request = get("/gossip/health")
    await connection.ask(request)
    longest.put(0.0)
    most = 0.0
    while not over.is_set():
        asked = time.perf_counter()
        await connection.ask(request)
        most = max(most, time.perf_counter() - asked)
        await asyncio.sleep(TICK)
    connection.close()
    longest.put(most)


CASES = {"large": large}
