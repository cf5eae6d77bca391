"""What it brings and costs to run a node as several processes."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

from tests.benchmarks.http import Connection, get
from tests.benchmarks.load import Requests, flood, masked, percentile, requests, updates
from tests.benchmarks.nodes import TICK
from tests.benchmarks.spreading import seen, write_once
from tests.benchmarks.throughput import CONNECTIONS, FRAMES, SECONDS, write
from tests.support.scaled import Mixed, ScaledNode
from tests.support.waiting import eventually

WRITES = 60
PAUSE = 0.02
IDLE_SECONDS = 30.0


def scaled_load() -> dict[str, float]:
    """Requests and frames at one web process, and at two."""
    return {f"scaled_{name}_{web}": value for web in (1, 2) for name, value in _load(web).items()}


def scaled_cost() -> dict[str, float]:
    """Memory of each kind of process, and processor time while nothing happens."""
    with _scaled(web=1, workers=2) as node:
        active = node.active
        standby = next(worker for worker in node.workers if worker is not active)
        parts = {"web": node.web[0], "worker": active, "standby": standby}
        time.sleep(2)
        before = {name: process.cpu_seconds() for name, process in parts.items()}
        time.sleep(IDLE_SECONDS)
        minute = 60 / IDLE_SECONDS
        idle = {
            f"scaled_cpu_{name}": (process.cpu_seconds() - before[name]) * minute
            for name, process in parts.items()
        }
        memory = {f"scaled_memory_{name}": process.resident() for name, process in parts.items()}
        memory["scaled_memory_redis"] = node.redis.resident()
    return {**memory, **idle}


def scaled_spreading() -> dict[str, float]:
    """One write at each process in turn, until all others show it; and a worker that is killed."""
    with tempfile.TemporaryDirectory() as directory:
        mixed = Mixed(Path(directory), {})
        try:
            mixed.revive()
            ports = [client.port for client in mixed.clients]
            times = asyncio.run(_single_writes(ports))
            outage, suspected = _kill_worker(mixed)
        finally:
            mixed.kill()
    return {
        "scaled_write_p50": percentile(times, 0.5),
        "scaled_write_p99": percentile(times, 0.99),
        "scaled_outage": outage,
        "scaled_suspected": suspected,
    }


@contextmanager
def _scaled(*, web: int, workers: int) -> Iterator[ScaledNode]:
    with (
        tempfile.TemporaryDirectory() as directory,
        ScaledNode(Path(directory) / "node", web=web, workers=workers) as node,
    ):
        yield node


def _load(web: int) -> dict[str, float]:
    with _scaled(web=web, workers=1) as node:
        node.clients[0].set("key", {"status": "active", "timestamp": 1234567890})
        read = get("/gossip/data/key")
        gets, get_cpu = _under_load(node, lambda _: read, status=200)
        posts, post_cpu = _under_load(node, write, status=201)
        rate, frame_cpu = _frames(node)
    return {
        "get_per_second": gets.per_second,
        "get_p99": gets.p99,
        "get_cpu": get_cpu,
        "post_per_second": posts.per_second,
        "post_p99": posts.p99,
        "post_cpu": post_cpu,
        "frames_per_second": rate,
        "frame_cpu": frame_cpu,
    }


def _under_load(
    node: ScaledNode, make: Callable[[int], bytes], *, status: int
) -> tuple[Requests, float]:
    ports = [process.port for process in node.web]
    used = _cpu(node)
    load = asyncio.run(
        requests(ports, make, status=status, connections=CONNECTIONS, seconds=SECONDS)
    )
    return load, (_cpu(node) - used) / load.answered


def _frames(node: ScaledNode) -> tuple[float, float]:
    """A connection to each web process; all frames are updates of keys of their own."""
    version = time.time_ns() // 1_000_000
    each = FRAMES // len(node.web)
    streams = [masked(updates(f"peer-{n}", each, version)) for n in range(len(node.web))]
    used, began = _cpu(node), time.perf_counter()
    with ThreadPoolExecutor(len(streams)) as threads:
        list(threads.map(lambda at, stream: flood(at.port, [stream]), node.web, streams))
    client = node.clients[0]
    eventually(lambda: client.stats()["entriesApplied"] >= FRAMES, within=60, pause=TICK)
    elapsed = time.perf_counter() - began
    return FRAMES / elapsed, (_cpu(node) - used) / FRAMES


def _cpu(node: ScaledNode) -> float:
    """Processor time of all its processes, Redis included."""
    processes = [*node.web, *node.workers]
    return sum(process.cpu_seconds() for process in processes) + node.redis.cpu_seconds()


async def _single_writes(ports: Sequence[int]) -> list[float]:
    connections = [await Connection.open(port) for port in ports]
    times = []
    for number, writer in zip(range(WRITES), cycle(connections), strict=False):
        others = [connection for connection in connections if connection is not writer]
        began = time.perf_counter()
        request = await write_once(writer, f"single-{number}", number)
        await asyncio.gather(*(seen(other, request) for other in others))
        times.append(time.perf_counter() - began)
        await asyncio.sleep(PAUSE)
    for connection in connections:
        connection.close()
    return times


def _kill_worker(mixed: Mixed) -> tuple[float, float]:
    """Seconds until a write was acknowledged again; how many peers suspected the node meanwhile."""
    client = mixed.scaled.clients[0]
    node_id = client.node_id()
    mixed.scaled.active.kill()
    began = time.perf_counter()
    suspecting: set[int] = set()
    number = 0
    while True:
        number += 1
        try:
            answered = client.post(f"outage-{number}", number).status == 201
        except OSError:
            answered = False
        suspecting |= {
            node.port for node in mixed.embedded if node.client.statuses()[node_id] == "suspected"
        }
        if answered:
            return time.perf_counter() - began, len(suspecting)
        time.sleep(TICK)


CASES = {
    "scaled_load": scaled_load,
    "scaled_cost": scaled_cost,
    "scaled_spreading": scaled_spreading,
}
