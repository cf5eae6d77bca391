"""How long a node that is gone stays listed, and how soon one that is back, or late, is found."""

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.benchmarks.failures import until_listed_as
from tests.benchmarks.nodes import TICK, cluster, start
from tests.support.cluster import Cluster
from tests.support.ports import free_ports
from tests.support.process import NodeProcess
from tests.support.waiting import eventually

LOOK = 0.05
"""Seconds between two looks at a list from which somebody is to vanish in a minute."""
LATE = (5.0, 20.0, 40.0)
"""Seconds after which a bootstrap peer is started: waits between dials have grown meanwhile."""


def removal() -> dict[str, float]:
    """One of five is killed and comes back without its disk: at once, and after its removal."""
    with cluster(5) as nodes:
        victim = nodes.nodes[-1]
        # Without it the node would be another one, for its key is on the disk as well.
        victim.settings["NODE_ID"] = victim.client.node_id()
        victim.kill()
        at_once = _come_back(nodes, victim)
        nodes.wait_whole()
        first, last = _removal(nodes, victim)
        return {
            "removed_first": first,
            "removed_last": last,
            "again_at_once": at_once,
            "again_removed": _come_back(nodes, victim),
        }


def late() -> dict[str, float]:
    """A node looks for the only other one, which starts late."""
    return {"late_listed": max(map(_late, LATE))}


def _removal(nodes: Cluster, victim: NodeProcess) -> tuple[float, float]:
    """Seconds from a `kill -9` until the first and the last list have the node no more."""
    others = [node for node in nodes if node is not victim]
    victim_id = victim.client.node_id()
    began = time.perf_counter()
    victim.kill()

    def removed(node: NodeProcess) -> float:
        eventually(partial(_lacks, node, victim_id), within=120, pause=LOOK)
        return time.perf_counter() - began

    with ThreadPoolExecutor(len(others)) as pool:
        times = list(pool.map(removed, others))
    assert all(_lacks(node, victim_id) for node in others), "somebody listed it again"
    return min(times), max(times)


def _lacks(node: NodeProcess, node_id: str) -> bool:
    return node_id not in node.client.statuses()


def _come_back(nodes: Cluster, victim: NodeProcess) -> float:
    """Start it with an empty disk; seconds from its first answer until all list each other."""
    victim.forget()
    start(victim)
    return _listed(nodes.nodes, victim)


def _late(seconds: float) -> float:
    with tempfile.TemporaryDirectory() as directory:
        seeker, sought = (NodeProcess(port, Path(directory, str(port))) for port in free_ports(2))
        seeker.settings["GOSSIP_BOOTSTRAP_PEERS"] = sought.url
        try:
            start(seeker)
            time.sleep(seconds)
            start(sought)
            return _listed([seeker, sought], sought)
        finally:
            Cluster.of([seeker, sought]).kill()


def _listed(nodes: list[NodeProcess], newcomer: NodeProcess) -> float:
    """Seconds from now until it lists all others as active, and they list it so."""
    began = time.perf_counter()
    others = [node for node in nodes if node is not newcomer]
    all_active = {node.client.node_id(): "active" for node in others}
    until_listed_as(others, newcomer.client.node_id(), "active", began)
    eventually(lambda: newcomer.client.statuses() == all_active, within=60, pause=TICK)
    return time.perf_counter() - began


CASES = {"removal": removal, "late": late}
