"""Lists and news that are made up: one liar cannot bring back a dead node that could
be dialed, or keep anybody out.
"""

import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.support.client import Peer, dialed
from tests.support.cluster import Cluster
from tests.support.process import NodeProcess
from tests.support.trap import Trap
from tests.support.waiting import eventually

SETTINGS = {
    "GOSSIP_INTERVAL": "500",
    "GOSSIP_HEARTBEAT_INTERVAL": "400",
    "GOSSIP_SUSPICION_TIMEOUT": "1200",
    "GOSSIP_CLEANUP_TIMEOUT": "2000",
}
"""Who is dead is off the lists within seconds."""
HOUR = 3_600_000
"""Milliseconds: a life begun in the future, by less than half of the allowed skew (M1)."""


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("forged"), 3, settings=SETTINGS) as cluster:
        yield cluster


@pytest.fixture
def dead(trio: Cluster) -> NodeProcess:
    """A node that was killed and is off the lists of the two others."""
    trio.revive()
    victim = trio.nodes[-1]
    node_id = victim.client.node_id()
    # The same one again on whatever disk.
    victim.settings["NODE_ID"] = node_id
    victim.kill()
    for other in trio.nodes[:-1]:
        eventually(lambda: node_id not in other.client.statuses(), within=20)  # noqa: B023
    return victim


def _claim(liar: Peer, node_id: str, url: str) -> None:
    """Say in every way there is that this node is there, some of them in a life to come."""
    record = {"id": node_id, "gossipEndpoint": url}
    soon = time.time_ns() // 1_000_000
    liar.send("join", {"type": "peer_discovery", "peers": [record]})
    liar.send("join", {"type": "peer_announcement", "peer": record}, ttl=5)
    for incarnation in (0, soon, soon + HOUR):
        extended = {"id": node_id, "capabilities": ["gx1"], "incarnation": incarnation}
        for named in (extended | record, extended):
            liar.send("sync", {"x": "members", "peers": [named], "answer": True})
        liar.send("heartbeat", {"news": [[node_id, incarnation, "alive"]]})


def _heard_out(liar: Peer, nodes: list[NodeProcess]) -> None:
    """Return once all that it said before was read, and something that it wrote is everywhere."""
    key = f"heard/{time.time_ns()}"
    liar.send("gossip", {"key": key, "value": 1, "version": time.time_ns() // 1_000_000})
    for node in nodes:
        eventually(lambda: node.client.read(key).status == 200)  # noqa: B023


def _listed_meanwhile(nodes: list[NodeProcess], rounds: int = 4) -> set[str]:
    """Whom these list at any look, until each has told the others what it knows so often."""
    begun = [_rounds(node) for node in nodes]
    seen = set[str]()

    def over() -> bool:
        for node in nodes:
            seen.update(node.client.statuses())
        return all(
            _rounds(node) - before >= rounds for node, before in zip(nodes, begun, strict=True)
        )

    eventually(over, within=20)
    return seen


def _rounds(node: NodeProcess) -> int:
    rounds: int = node.client.health()["gossip"]["rounds"]
    return rounds


def test_m3_no_list_brings_a_dead_node_back(trio: Cluster, dead: NodeProcess) -> None:
    others = trio.nodes[:-1]
    node_id = dead.settings["NODE_ID"]
    with Trap() as trap, dialed(others[0].port, "liar") as liar:
        liar.join()
        _claim(liar, node_id, f"ws://localhost:{trap.port}/ws")
        _claim(liar, node_id, f"ws://localhost:{dead.port}/ws")
        _heard_out(liar, others)
        # The claim was worth a look, and no more.
        eventually(lambda: trap.requests)
        assert node_id not in _listed_meanwhile(others)


def test_m1_no_list_keeps_an_honest_node_out(trio: Cluster, dead: NodeProcess) -> None:
    others = trio.nodes[:-1]
    node_id = dead.settings["NODE_ID"]
    later = time.time_ns() // 1_000_000 + HOUR
    accusations = [[node_id, later, standing] for standing in ("suspect", "left", "dead")]
    dead.forget()
    with Trap() as trap, dialed(others[0].port, "liar") as liar:
        liar.join()
        _claim(liar, node_id, f"ws://localhost:{trap.port}/ws")
        liar.send("heartbeat", {"news": accusations})
        _heard_out(liar, others)
        eventually(lambda: trap.requests)
        dead.start()
        for other in others:
            eventually(lambda: _port(other, node_id) == dead.port, within=20)  # noqa: B023
    # Once it is here as well: it refutes what it hears of itself, and nobody doubts it meanwhile.
    refuted, told = dead.client.stats()["refutations"], _tellings(others, node_id)
    with dialed(others[0].port, "liar") as liar:
        liar.join()
        liar.send("heartbeat", {"news": accusations})
        eventually(lambda: dead.client.stats()["refutations"] > refuted)
    _listed_meanwhile(others)
    assert [_port(other, node_id) for other in others] == [dead.port] * len(others)
    assert _tellings(others, node_id) == told


def _tellings(nodes: list[NodeProcess], node_id: str) -> list[int]:
    """How often each of these logs speaks of this member: of every change of its status."""
    return [node.output.read_text().count(f"subject={node_id}") for node in nodes]


def _port(node: NodeProcess, node_id: str) -> int | None:
    """The port at which this node lists an active member, if it does."""
    for peer in node.client.get("/gossip/peers").json["peers"]:
        if peer["nodeId"] == node_id:
            return urlsplit(peer["gossipEndpoint"] or "").port
    return None
