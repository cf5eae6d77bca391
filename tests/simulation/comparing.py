"""What trees save: the same writes in the same crowd, spread in other ways.

python -m tests.simulation.comparing [WAY …]

Prints rows of the table in `docs/decisions.md`, each within a minute or two. Links, members and
rounds are those of the real core; only what is pushed to whom differs.
"""

import random
import re
import statistics
import sys
from collections.abc import Mapping

import msgspec

from gossip.core.config import Config
from gossip.core.entries import Entry
from gossip.core.events import LinkId
from gossip.core.node import Node
from gossip.sim.cluster import Cluster
from gossip.sim.conditions import Conditions
from gossip.sim.host import MakeNode
from gossip.sim.network import End
from gossip.sim.study import HEADERS
from tests.benchmarks.load import percentile

NODES = 100
LOSSES = 0.0, 0.05, 0.2
WRITERS = 5
WRITES = 200
APART = 0.1
"""Seconds from one write to the next."""
VALUE = b'"%s"' % (b"x" * 38)
REST = 60.0
"""Seconds in which it is measured what nodes send at rest, which is not for the writes."""
WITHIN = 60.0
_LOOK = 0.005


class Flood(Node):
    """A node that pushes what is new on all links."""

    def __init__(self, config: Config, rng: random.Random) -> None:
        super().__init__(config, rng)
        # Nobody is told that it needs not push.
        self._replica.trees.came_again = lambda entry, link: None  # type: ignore[method-assign]


class Fanout(Flood):
    """A node that pushes what is new on some links, chosen anew each time."""

    def __init__(self, config: Config, rng: random.Random) -> None:
        super().__init__(config, rng)
        queue = self._replica._queue

        def queue_some(entry: Entry, hops: int, links: list[LinkId]) -> None:
            queue(entry, hops, rng.sample(links, min(config.fanout, len(links))))

        self._replica._queue = queue_some  # type: ignore[method-assign]


class Rounds(Node):
    """A node that pushes nothing: rounds find what differs."""

    def __init__(self, config: Config, rng: random.Random) -> None:
        super().__init__(config, rng)
        self._replica._queue = lambda entry, hops, links: None  # type: ignore[method-assign]


WAYS: Mapping[str, MakeNode] = {
    "trees": Node,
    "flood": Flood,
    "fanout": Fanout,
    "rounds": Rounds,
}


class Result(msgspec.Struct):
    """What came of a way. Times are seconds from a write until all have it."""

    copies: float
    """Frames with an entry, for each write at each node."""
    bytes: float
    """Sent by a node for a write, headers included, without what it sends at rest."""
    everywhere: list[float]
    late: int
    """Writes that were not everywhere in time."""


def compare(
    make_node: MakeNode, loss: float, *, nodes: int = NODES, writes: int = WRITES
) -> Result:
    """Let a crowd at rest write, from the first write on, by which trees begin to grow."""
    conditions = Conditions(latency=0.05, jitter=0.0, loss=loss, resend=0.2)
    cluster = Cluster(1, nodes, conditions=conditions, bootstraps=3, make_node=make_node)
    cluster.start(apart=2 / nodes)
    cluster.wait_for(cluster.complete, within=300, every=0.5)
    cluster.run(60)
    sent = _sent(cluster)
    cluster.run(REST)
    at_rest = (_sent(cluster) - sent) / REST
    began, sent, copies = cluster.now, _sent(cluster), 0

    def arrived(end: End, frame: bytes) -> None:
        nonlocal copies
        copies += len(_written(frame))

    cluster.world.network.arrived = arrived
    everywhere = _write(cluster, writes)
    spent = _sent(cluster) - sent - at_rest * (cluster.now - began)
    each = writes * nodes
    return Result(copies / each, spent / each, everywhere, writes - len(everywhere))


_written = re.compile(rb'"compared/\d+"').findall


def _write(cluster: Cluster, writes: int) -> list[float]:
    """Write, and return how long each took to be everywhere, if it did in time."""
    writers = cluster.world.rng.sample(sorted(cluster.hosts), WRITERS)
    written: dict[str, float] = {}
    everywhere: list[float] = []

    def look(until: float) -> None:
        while cluster.now < until - 1e-9:
            cluster.run(_LOOK)
            for key, time in list(written.items()):
                if cluster.visible(key, VALUE):
                    everywhere.append(cluster.now - time)
                    del written[key]

    for number in range(writes):
        key = f"compared/{number}"
        cluster.write(writers[number % WRITERS], key, VALUE)
        written[key] = cluster.now
        look(cluster.now + APART)
    last = cluster.now
    while written and cluster.now - last < WITHIN:
        look(cluster.now + _LOOK)
    cluster.run(1.0)
    return everywhere


def _sent(cluster: Cluster) -> int:
    traffic = cluster.world.network.traffic
    return traffic.bytes + HEADERS * traffic.frames


def main(ways: list[str]) -> None:
    """Print the rows of these ways, or of all."""
    for loss in LOSSES:
        for way in ways or WAYS:
            print(row(way, loss, compare(WAYS[way], loss)), flush=True)


def row(way: str, loss: float, result: Result) -> str:
    """Loss, way, copies, bytes, time until all have a write, in the median and of the slowest."""
    times = result.everywhere
    median, p99 = statistics.median(times), percentile(times, 0.99)
    late = f" {result.late} were late |" if result.late else ""
    return (
        f"| {loss:.0%} | {way} | {result.copies:.1f} | {result.bytes:,.0f}"
        f" | {median:.2f} s | {p99:.2f} s |{late}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
