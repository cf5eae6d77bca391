"""How fast a failure, a stop and a return are known. Five nodes."""

import statistics
import time
from functools import partial

from tests.benchmarks.nodes import TICK, cluster, single, start
from tests.support.cluster import Cluster
from tests.support.process import NodeProcess
from tests.support.waiting import eventually

KEYS = 1_000


def failures() -> dict[str, float]:
    """A stop, a crash, freezes, and returns, one after the other."""
    with cluster(5) as nodes:
        for number in range(KEYS):
            nodes.clients[0].set(f"key-{number}", number)
        nodes.wait_equal()
        return {
            "stop_seen": _planned_stop(nodes),
            "kill_seen": crash(nodes),
            **_freezes(nodes),
            "kept_return": _kept_return(nodes),
            **_empty_return(nodes),
        }


def starting() -> dict[str, float]:
    """From the start of the process until `/readyz` says yes: with a new disk, and with a used one.

    A node alone, so that the machine has nothing else to do.
    """
    with single() as node:
        node.stop()
        node.forget()
        first = start(node)
        node.stop()
        return {"first_start": first, "start": start(node)}


def _planned_stop(nodes: Cluster) -> float:
    leaver, *others = nodes.nodes
    leaver_id = leaver.client.node_id()
    began = time.perf_counter()
    leaver.signal_stop()
    seconds = until_listed_as(others, leaver_id, "inactive", began)
    leaver.stop()
    nodes.revive()
    return seconds


def crash(nodes: Cluster) -> float:
    """Seconds from a `kill -9` until all others suspect the node, which is started again."""
    victim, *others = nodes.nodes
    victim_id = victim.client.node_id()
    began = time.perf_counter()
    victim.kill()
    seconds = until_listed_as(others, victim_id, "suspected", began)
    nodes.revive()
    return seconds


def _freezes(nodes: Cluster) -> dict[str, float]:
    """Stop each process in turn, as a machine that hangs would, and let it go on."""
    seen, over = [], []
    for victim in nodes.nodes:
        times = freeze(nodes, victim)
        seen.append(times[0])
        over.append(times[1])
    return {
        "freeze_seen": statistics.median(seen),
        "freeze_seen_last": max(seen),
        "freeze_over": max(over),
    }


def freeze(nodes: Cluster, victim: NodeProcess) -> tuple[float, float]:
    """Seconds until all others suspect it, and from when it goes on until none does."""
    others = [node for node in nodes.nodes if node is not victim]
    victim_id = victim.client.node_id()
    began = time.perf_counter()
    try:
        victim.pause()
        seen = until_listed_as(others, victim_id, "suspected", began)
    finally:
        victim.resume()
    return seen, until_listed_as(others, victim_id, "active", time.perf_counter())


def _kept_return(nodes: Cluster) -> float:
    """With its disk, after a tenth of the keys changed elsewhere."""
    victim = nodes.nodes[-1]
    victim.kill()
    for number in range(0, KEYS, 10):
        nodes.clients[0].set(f"key-{number}", "changed")
    answered = time.perf_counter() + start(victim)
    eventually(lambda: _changed(victim) == KEYS // 10, within=60, pause=TICK)
    return max(0.0, time.perf_counter() - answered)


def _changed(node: NodeProcess) -> int:
    return list(node.client.data("key-").values()).count("changed")


def _empty_return(nodes: Cluster) -> dict[str, float]:
    victim = nodes.nodes[-1]
    victim.kill()
    victim.forget()
    began = time.perf_counter()
    answered = start(victim)
    eventually(lambda: len(victim.client.data("key-")) == KEYS, within=60, pause=TICK)
    seconds = time.perf_counter() - began
    return {"empty_return": seconds - answered, "empty_return_whole": seconds}


def until_listed_as(others: list[NodeProcess], node_id: str, status: str, began: float) -> float:
    """Seconds since `began` until all of these list it so."""
    for other in others:
        eventually(partial(_lists_as, other, node_id, status), within=60, pause=TICK)
    return time.perf_counter() - began


def _lists_as(node: NodeProcess, node_id: str, status: str) -> bool:
    return node.client.statuses().get(node_id) == status


CASES = {"failures": failures, "starting": starting}
