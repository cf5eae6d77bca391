"""What a node costs while nothing happens."""

import statistics
import time

from tests.benchmarks.load import arrays, flood, masked
from tests.benchmarks.nodes import cluster, settle, single

KEYS = 50_000
IDLE_SECONDS = 60.0


def memory() -> dict[str, float]:
    """Resident memory of a node alone: empty, and with small keys that came from a peer."""
    version = time.time_ns() // 1_000_000
    with single() as node:
        settle(node)
        empty = node.resident()
        flood(node.port, [masked(arrays("key", KEYS, version, turn=1))])
        settle(node)
        full = node.resident()
    return {"memory_idle": empty, "memory_per_key": (full - empty) / KEYS}


def idle() -> dict[str, float]:
    """Processor time of a node of five in a minute without writes: the median node's."""
    with cluster(5) as nodes:
        for node in nodes:
            settle(node)
        used = [node.cpu_seconds() for node in nodes]
        time.sleep(IDLE_SECONDS)
        spent = [node.cpu_seconds() - before for node, before in zip(nodes, used, strict=True)]
    return {"cpu_idle": statistics.median(spent) * 60 / IDLE_SECONDS}


CASES = {"memory": memory, "idle": idle}
