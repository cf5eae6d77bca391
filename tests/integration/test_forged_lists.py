"""Lists and news that are made up: no peer's word brings the dead back or keeps anybody out."""

import time
from collections.abc import Iterator

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
def dead(trio: Cluster) -> Iterator[NodeProcess]:
    """A node that was killed and is off the lists of the two others."""
    trio.revive()
    victim = trio.nodes[-1]
    node_id = victim.client.node_id()
    # The same one again on whatever disk.
    victim.settings["NODE_ID"] = node_id
    victim.kill()
    for other in trio.nodes[:-1]:
        eventually(lambda: node_id not in other.client.statuses(), within=20)  # noqa: B023
    yield victim
    trio.revive()


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


def test_m3_no_list_brings_a_dead_node_back(trio: Cluster, dead: NodeProcess) -> None:
    others = trio.nodes[:-1]
    node_id = dead.settings["NODE_ID"]
    url = f"ws://localhost:{dead.port}/ws"
    before = [other.client.stats()["dialsFailed"] for other in others]
    listed = set[str]()

    def dialed_in_vain() -> bool:
        for other in others:
            listed.update(other.client.statuses())
        return all(
            other.client.stats()["dialsFailed"] > failed
            for other, failed in zip(others, before, strict=True)
        )

    with dialed(others[0].port, "liar") as liar:
        liar.join()
        _claim(liar, node_id, url)
        eventually(lambda: "liar" in others[0].client.statuses())
        eventually(dialed_in_vain, within=20)
        # Both know each other's list by now, which had it in it if anybody's had.
        others[0].client.set("after-claims", 1)
        eventually(lambda: others[1].client.read("after-claims").status == 200)
        dialed_in_vain()
    assert node_id not in listed


def test_m1_no_list_keeps_an_honest_node_out(trio: Cluster, dead: NodeProcess) -> None:
    others = trio.nodes[:-1]
    node_id = dead.settings["NODE_ID"]
    later = time.time_ns() // 1_000_000 + HOUR
    accusations = [[node_id, later, standing] for standing in ("suspect", "left", "dead")]
    dead.forget()
    with Trap() as trap:
        with dialed(others[0].port, "liar") as liar:
            liar.join()
            _claim(liar, node_id, f"ws://localhost:{trap.port}/ws")
            liar.send("heartbeat", {"news": accusations})
            eventually(lambda: "liar" in others[0].client.statuses())
        dead.start()
        for other in others:
            eventually(lambda: _port(other, node_id) == dead.port, within=20)  # noqa: B023
    # Once it is here as well: it refutes what it hears of itself.
    refuted = dead.client.stats()["refutations"]
    with dialed(others[0].port, "liar") as liar:
        liar.join()
        liar.send("heartbeat", {"news": accusations})
        eventually(lambda: dead.client.stats()["refutations"] > refuted)
    for other in others:
        eventually(lambda: _port(other, node_id) == dead.port)  # noqa: B023


def _port(node: NodeProcess, node_id: str) -> int | None:
    """The port at which this node lists an active member, if it does."""
    for peer in node.client.get("/gossip/peers").json["peers"]:
        if peer["nodeId"] == node_id:
            return int(peer["gossipEndpoint"].removesuffix("/ws").rpartition(":")[2])
    return None
