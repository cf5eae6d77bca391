"""Two halves of a cluster that hear nothing of each other for a minute, and then do again."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.cluster import Cluster
from tests.support.ledger import Ledger
from tests.support.ports import free_ports
from tests.support.process import NodeProcess
from tests.support.proxy import Network

NODES = 10
APART = 60.0
"""Seconds: about as long as silence may last until a member is removed, so most are by then."""
ROUNDS = 120
"""In each, each half gets a write to a key of its own and one to a key of both."""
PATIENCE = 120

Half = list[NodeProcess]


def halves() -> dict[str, float]:
    """Cut the network between two halves, write at both, heal it, and see that nothing is lost."""
    with _behind_proxies() as (nodes, network):
        both = nodes.nodes[: NODES // 2], nodes.nodes[NODES // 2 :]
        ledger = Ledger()
        apart = network.split(*both)
        _write(both, ledger)
        _assert_apart(*both)
        _assert_apart(*reversed(both))
        healed = time.perf_counter()
        apart.end()
        nodes.wait_whole(PATIENCE)
        whole = time.perf_counter() - healed
        state = nodes.wait_equal(PATIENCE)
        equal = time.perf_counter() - healed
        assert ledger.acknowledged == 4 * ROUNDS
        assert not (lost := ledger.lost(state)), lost
        return {"halves_whole": whole, "halves_equal": equal}


@contextmanager
def _behind_proxies() -> Iterator[tuple[Cluster, Network]]:
    ports = free_ports(2 * NODES)
    public, own = ports[:NODES], ports[NODES:]
    urls = [f"ws://localhost:{port}/ws" for port in public]
    with tempfile.TemporaryDirectory() as directory:
        nodes = Cluster.of(NodeProcess(port, Path(directory, f"node-{port}")) for port in own)
        for node, url in zip(nodes, urls, strict=True):
            node.settings["GOSSIP_PUBLIC_URL"] = url
            node.settings["GOSSIP_BOOTSTRAP_PEERS"] = ",".join(urls)
        with Network(zip(public, own, strict=True)) as network, nodes:
            yield nodes, network


def _write(both: tuple[Half, Half], ledger: Ledger) -> None:
    """Write at the nodes of each half in turn, at a pace that lasts as long as they are apart."""
    began = time.monotonic()
    for number in range(ROUNDS):
        for half in both:
            client = half[number % len(half)].client
            ledger.write(client, f"half-{both.index(half)}/{number}", number)
            ledger.write(client, f"both/{number}", client.port)
        time.sleep(max(0.0, began + (number + 1) * APART / ROUNDS - time.monotonic()))


def _assert_apart(half: Half, other: Half) -> None:
    """Raise unless these list each other alone as active, and have no key of the other half."""
    ids = {node.client.node_id() for node in half}
    beyond = set(other[0].client.data("half-"))
    for node in half:
        own = node.client.node_id()
        statuses = node.client.statuses()
        active = {peer for peer, status in statuses.items() if status == "active"}
        assert active == ids - {own}, statuses
        assert not beyond & set(node.client.data("half-")), "the other half's keys are here"


CASES = {"halves": halves}
