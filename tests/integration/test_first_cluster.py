"""The first thing that a user does: three nodes, and a value that appears on all of them."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.ports import free_ports
from tests.support.process import NodeProcess
from tests.support.waiting import eventually

NODE_STATUS = b'{"key": "node-status", "value": {"status": "active", "timestamp": 1234567890}}'


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[NodeProcess]]:
    """Three nodes at default settings, not started; the first is the bootstrap peer."""
    first, *others = (
        NodeProcess(port, tmp_path / f"node-{port}", settings={}) for port in free_ports(3)
    )
    for other in others:
        other.settings["GOSSIP_BOOTSTRAP_PEERS"] = first.url
    yield [first, *others]
    for node in (first, *others):
        node.kill()


def test_three_nodes_become_a_cluster_that_shares_a_value(nodes: list[NodeProcess]) -> None:
    first = nodes[0]
    first.start()
    first.wait_ready()
    assert first.client.health()["status"] == "isolated"

    for node in nodes[1:]:
        node.start()
    for node in nodes:
        node.wait_ready()
        eventually(partial(_knows_two, node))

    answer = first.client.request("POST", "/gossip/data", NODE_STATUS)
    assert answer.status == 201
    assert answer.json["message"] == "Data set for key 'node-status'"
    for node in nodes:
        read = eventually(partial(_found, node))
        assert read == {
            "success": True,
            "data": {"status": "active", "timestamp": 1234567890},
        }
        _tells_about_the_cluster(node, others=2)


def _knows_two(node: NodeProcess) -> bool:
    return bool(node.client.stats()["activePeers"] == 2)


def _found(node: NodeProcess) -> object:
    answer = node.client.get("/gossip/data/node-status")
    assert answer.status == 200
    return answer.json


def _tells_about_the_cluster(node: NodeProcess, others: int) -> None:
    stats = eventually(partial(_after_a_round, node), within=15)
    assert stats["messagesSent"] > 0
    assert stats["messagesReceived"] > 0
    health = node.client.health()
    assert health["status"] == "healthy"
    assert health["peers"] == {"total": others, "active": others, "suspected": 0}
    assert health["connectivity"] == {"hasActivePeers": True, "isGossiping": True}
    me, *peers = node.client.get("/gossip/peers").json["peers"]
    assert me["gossipEndpoint"] == node.url
    assert [peer["status"] for peer in peers] == ["active"] * others


def _after_a_round(node: NodeProcess) -> dict[str, Any]:
    stats = node.client.stats()
    assert stats["gossipRounds"] > 0
    return stats
