"""Twenty and thirty nodes on one machine: more than link to all others (L1)."""

import asyncio
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tests.benchmarks.failures import crash, freeze
from tests.benchmarks.graph import parts
from tests.benchmarks.lists import Watch
from tests.benchmarks.load import percentile
from tests.benchmarks.nodes import TICK, cluster, settle
from tests.benchmarks.spreading import single_writes
from tests.support.client import Client
from tests.support.cluster import Cluster
from tests.support.waiting import eventually

WRITES = 100
BUSY = 60.0
"""Seconds in which both cores have more to do than they can."""
BURNERS = 4
SHOWN = 90.0
"""Seconds afterwards: who went silent at the end of it would be off the lists by then."""
SETTLED = 60.0
"""Seconds after which nodes that all dialed each other as they started have closed what they do not
want; links are counted ten times then."""


def twenty() -> dict[str, float]:
    """Writes, a crash, freezes, and a minute without a processor to spare."""
    with cluster(20) as nodes:
        _rest(nodes)
        return {
            **_writes(nodes),
            "twenty_kill_seen": crash(nodes),
            **_freezes(nodes),
            **_busy(nodes),
        }


def thirty() -> dict[str, float]:
    """Links of each, and what is left of the graph when half of the nodes are killed."""
    with cluster(30) as nodes:
        _rest(nodes)
        time.sleep(SETTLED)
        held = [client.stats()["links"] for _ in range(10) for client in nodes.clients]
        for node in nodes.nodes[::2]:
            node.kill()
        rest = Cluster.of(nodes.nodes[1::2])
        return {"thirty_links": max(held), **_after_half(rest)}


def _writes(nodes: Cluster) -> dict[str, float]:
    times = asyncio.run(single_writes(nodes, WRITES))
    return {
        "twenty_write_p50": percentile(times, 0.5),
        "twenty_write_p99": percentile(times, 0.99),
    }


def _rest(nodes: Cluster) -> None:
    for node in nodes:
        settle(node)


def _reads(client: Client, key: str) -> bool:
    return client.read(key).status == 200


def _freezes(nodes: Cluster) -> dict[str, float]:
    times = [freeze(nodes, victim) for victim in nodes.nodes]
    seen, over = zip(*times, strict=True)
    return {
        "twenty_freeze_seen": statistics.median(seen),
        "twenty_freeze_seen_last": max(seen),
        "twenty_freeze_over": max(over),
    }


def _after_half(rest: Cluster) -> dict[str, float]:
    """From now, when the others have just been killed: the graph of links, and a write."""
    began = time.perf_counter()
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(_until_whole, rest, began)
        rest.clients[0].set("after", "half")
        for client in rest.clients:
            eventually(partial(_reads, client, "after"), within=60, pause=TICK)
        seconds = time.perf_counter() - began
        at_first, whole = looking.result()
    return {"half_parts": at_first, "half_whole": whole, "half_write": seconds}


def _until_whole(nodes: Cluster, began: float) -> tuple[int, float]:
    """How many parts their links make at first, and the seconds until all hang together."""
    at_first = len(parts(nodes))
    eventually(lambda: len(parts(nodes)) == 1, within=60)
    return at_first, time.perf_counter() - began


def _busy(nodes: Cluster) -> dict[str, float]:
    """Whom the lists lack during a minute in which all starve, and until it would show."""
    watch = Watch(nodes)
    burning = [sys.executable, "-c", "while True: pass"]
    burners = [subprocess.Popen(burning) for _ in range(BURNERS)]
    try:
        watch.watch(BUSY)
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()
    watch.watch(SHOWN)
    lacked, suspicions = watch.result()
    return {"twenty_down": lacked, "twenty_suspicions": suspicions}


CASES = {"twenty": twenty, "thirty": thirty}
