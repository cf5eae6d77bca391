"""Nodes that crash, stop, come back, or lose their disk."""

import time

import pytest

from tests.support.client import Client, dialed
from tests.support.cluster import Cluster
from tests.support.waiting import eventually

SECONDS_TO_STOP = 5.0


def test_a_killed_node_is_suspected_from_its_broken_connections(cluster: Cluster) -> None:
    victim, *others = cluster.nodes
    victim_id = victim.client.node_id()
    victim.kill()
    # Far sooner than the suspicion time-out of 30 s, which needs no connection to break.
    for other in others:
        _sees(other.client, victim_id, "suspected")
        assert victim_id not in _listed(other.client)
        assert other.client.stats()["suspectedPeers"] == 1

    victim.start()
    cluster.wait_whole()
    assert victim.client.node_id() == victim_id


def test_m4_a_frozen_node_is_suspected_although_its_connections_stand(cluster: Cluster) -> None:
    victim, *others = cluster.nodes
    victim_id = victim.client.node_id()
    refuted = victim.client.stats()["refutations"]
    try:
        victim.pause()
        # Far sooner than the suspicion time-out of 30 s, and than the end of the connections.
        for other in others:
            _sees(other.client, victim_id, "suspected")
    finally:
        victim.resume()
    for other in others:
        _sees(other.client, victim_id, "active")
    # It suspected nobody for what it slept through.
    assert victim.client.stats()["probesFailed"] == 0
    eventually(lambda: victim.client.stats()["refutations"] > refuted)


@pytest.mark.parametrize("disk", ["kept", "emptied"])
def test_a_restart_brings_everything_back(cluster: Cluster, disk: str) -> None:
    other, *_, victim = cluster.nodes
    for number in range(100):
        victim.client.set(f"restart/{disk}/{number}", number)
    before = cluster.wait_equal()
    # Without it the node would be another one, for its key is on the disk as well.
    victim.settings["NODE_ID"] = victim.client.node_id()
    victim.kill()
    if disk == "emptied":
        victim.forget()
    other.client.set(f"restart/{disk}/meanwhile", "written")

    victim.start()
    victim.wait_ready()
    after = cluster.wait_equal()
    assert after.keys() == before.keys() | {f"restart/{disk}/meanwhile"}
    assert {key: after[key] for key in before} == before


def test_a_planned_stop_is_announced(cluster: Cluster) -> None:
    leaver, *others = cluster.nodes
    leaver_id = leaver.client.node_id()
    # Its last write is acknowledged just before the stop, and must not be lost with it.
    leaver.client.set("last-words", "goodbye")
    began = time.monotonic()
    assert leaver.stop() == 0
    assert time.monotonic() - began < SECONDS_TO_STOP
    for other in others:
        _sees(other.client, leaver_id, "inactive")
        assert leaver_id not in _listed(other.client)
        assert other.client.stats()["suspectedPeers"] == 0
        assert other.client.read("last-words").json["data"] == "goodbye"


def test_a_stop_says_goodbye_to_whoever_is_connected(cluster: Cluster) -> None:
    leaver = cluster.nodes[-1]
    with dialed(leaver.port) as idle, dialed(leaver.port) as joined:
        # With an address, so that nobody lists it on this node's word once it is gone.
        joined.join(gossipEndpoint="ws://127.0.0.1:9/ws")
        joined.receive()
        began = time.monotonic()
        assert leaver.stop() == 0
        assert time.monotonic() - began < SECONDS_TO_STOP
        assert (idle.close_code(), joined.close_code()) == (1000, 1000)


def _sees(client: Client, node_id: str, status: str) -> None:
    eventually(lambda: client.statuses().get(node_id) == status)


def _listed(client: Client) -> set[str]:
    """The ids that `GET /gossip/peers` lists, without asking for more than the active ones."""
    return {peer["nodeId"] for peer in client.get("/gossip/peers").json["peers"]}
