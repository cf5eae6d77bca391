"""Nodes at default settings for one run of a case."""

import tempfile
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


def settle(node: NodeProcess, idle: float = 0.5) -> None:
    """Return once the node has used no processor time for a while: all is written behind."""
    used = -1.0

    def rests() -> bool:
        nonlocal used
        before, used = used, node.cpu_seconds()
        return used == before

    eventually(rests, within=60, pause=idle)
