"""What a node costs while nothing happens."""

import hashlib
import statistics
import time
import tracemalloc
from typing import Any

from gossip.core import addresses, decoding, encoding
from tests.benchmarks.load import arrays, flood, masked
from tests.benchmarks.nodes import cluster, settle, single
from tests.support.core import Subject
from tests.support.crowd import record
from tests.support.frames import exchange

KEYS = 50_000
IDLE_SECONDS = 60.0
TELLERS, TOLD_BY_EACH = 20, 100
"""Peers that name members, and how many each, which is what one peer's word is worth (L1)."""


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


def members() -> dict[str, float]:
    """Memory of the core for each member of a crowd that it knows and is not linked to."""
    subject = Subject()
    for teller in range(TELLERS):
        subject.joined(teller, f"teller-{teller}")
    for remembered in decoding._known_name, addresses.names_loopback, encoding.named:
        # Of an earlier run.
        remembered.cache_clear()
    tracemalloc.start()
    empty, _ = tracemalloc.get_traced_memory()
    for teller in range(TELLERS):
        numbers = range(teller * TOLD_BY_EACH, (teller + 1) * TOLD_BY_EACH)
        told = [_member(number) for number in numbers]
        subject.receive(teller, exchange(f"teller-{teller}", "members", peers=told))
        del told
        # They are named on to the other tellers.
        subject.wait(1.0)
    full, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    known = subject.node.listed - TELLERS
    assert known == TELLERS * TOLD_BY_EACH, known
    return {"memory_per_member": (full - empty) / known}


def _member(number: int) -> dict[str, Any]:
    """What is said of a member, as long as it is in the field."""
    return record(
        _digest(f"id {number}"),
        publicKey=_digest(f"key {number}"),
        apiEndpoint=f"http://node-{number}.example.net:3001",
        gossipEndpoint=f"ws://node-{number}.example.net:3001/ws",
        region="eu-west",
        version="0.1.0",
    )


def _digest(text: str) -> str:
    return f"0x{hashlib.sha256(text.encode()).hexdigest()}"


CASES = {"memory": memory, "members": members, "idle": idle}
