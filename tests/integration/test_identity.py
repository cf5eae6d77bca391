"""An id whose node moves to another address, and an id that two nodes use."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.cluster import Cluster
from tests.support.ports import free_port
from tests.support.process import NodeProcess
from tests.support.waiting import eventually

SETTINGS = {"GOSSIP_INTERVAL": "500", "GOSSIP_HEARTBEAT_INTERVAL": "1000"}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path, 3, settings=SETTINGS) as cluster:
        yield cluster


@pytest.fixture
def spare(tmp_path: Path) -> Iterator[NodeProcess]:
    """A node beside the cluster, not started yet."""
    node = NodeProcess(free_port(), tmp_path / "spare")
    yield node
    node.kill()


def _listed(node: NodeProcess, node_id: str) -> list[tuple[str, int | None]]:
    """Status and port of each member of this id on a node's list."""
    peers = node.client.get("/gossip/peers?status=all").json["peers"]
    found = [peer for peer in peers if peer["nodeId"] == node_id]
    return [(peer["status"], urlsplit(peer["gossipEndpoint"]).port) for peer in found]


def _list_it_at(nodes: list[NodeProcess], node_id: str, port: int) -> None:
    """Return once these list it as active at that port, and nowhere else."""
    for node in nodes:
        eventually(lambda: _listed(node, node_id) == [("active", port)])  # noqa: B023


def _says_so(node: NodeProcess) -> bool:
    return any(reason.startswith("identity") for reason in node.client.health()["reasons"])


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_l1_a_node_that_moved_is_listed_where_it_is_now(
    cluster: Cluster, spare: NodeProcess, end: str
) -> None:
    *others, mover = cluster.nodes
    node_id = mover.client.node_id()
    mover.client.set("before", 1)
    getattr(mover, end)()

    spare.data_dir, spare.settings = mover.data_dir, mover.settings
    spare.start()
    spare.wait_ready()
    assert spare.client.node_id() == node_id
    _list_it_at(others, node_id, spare.port)
    spare.client.set("after", 2)
    moved = Cluster.of([*others, spare])
    moved.wait_whole()
    assert moved.wait_equal().keys() == {"before", "after"}


def test_k3_an_id_that_two_nodes_use_is_reported_and_loses_no_write(
    cluster: Cluster, spare: NodeProcess
) -> None:
    *others, first = cluster.nodes
    node_id = first.client.node_id()
    spare.settings = first.settings | {"NODE_ID": node_id}
    spare.start()
    spare.wait_ready()
    both = first, spare
    eventually(lambda: any(_says_so(node) for node in both))
    for node in others:
        [(_, port)] = _listed(node, node_id)
        assert port in {first.port, spare.port}
    # What either of them took is everywhere all the same.
    for value, node in enumerate(both):
        node.client.set(f"written/{value}", value)
    for node in [*others, *both]:
        eventually(lambda: len(node.client.data("written/")) == 2)  # noqa: B023

    first.stop()
    _list_it_at(others, node_id, spare.port)
    Cluster.of([*others, spare]).wait_whole()
