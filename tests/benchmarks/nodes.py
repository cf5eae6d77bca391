"""Nodes at default settings for one run of a case."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.cluster import Cluster
from tests.support.process import NodeProcess
from tests.support.waiting import eventually

TICK = 0.002
"""Seconds between two looks at a condition that is being timed."""


@contextmanager
def cluster(size: int) -> Iterator[Cluster]:
    """So many nodes under `rungossip`, linked."""
    with tempfile.TemporaryDirectory() as directory, Cluster(Path(directory), size) as nodes:
        yield nodes


@contextmanager
def single() -> Iterator[NodeProcess]:
    """A node alone."""
    with cluster(1) as nodes:
        yield nodes.nodes[0]


def start(node: NodeProcess) -> float:
    """Start it; seconds from then until `/readyz` says yes."""
    began = time.perf_counter()
    node.start()
    eventually(node.client.is_ready, within=60, pause=TICK)
    return time.perf_counter() - began


def settle(node: NodeProcess, idle: float = 0.5) -> None:
    """Return once the node has used no processor time for a while: all is written behind."""
    used = -1.0

    def rests() -> bool:
        nonlocal used
        before, used = used, node.cpu_seconds()
        return used == before

    eventually(rests, within=60, pause=idle)
