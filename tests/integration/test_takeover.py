"""Another process takes a node over: the one before ends with one line, and does not leave."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.conftest import SETTINGS
from tests.support.cluster import Cluster
from tests.support.process import Launch, NodeProcess
from tests.support.waiting import eventually


@pytest.fixture(params=[Launch.RUNGOSSIP, Launch.DAPHNE], ids=lambda it: it.value)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    """A node to take over, and one that sees what its peers see."""
    with Cluster(tmp_path, 2, launch=request.param, settings=SETTINGS) as cluster:
        cluster.nodes[0].client.set("before", 1)
        cluster.wait_equal()
        yield cluster


def take_over(node: NodeProcess) -> None:
    """Begin another epoch, as a process with another data directory could on a shared database."""
    with closing(sqlite3.connect(node.data_dir / "gossip.sqlite3")) as other, other:
        other.execute("UPDATE gossip_node SET epoch = epoch + 1")


def test_a_node_that_is_taken_over_ends_and_does_not_leave(pair: Cluster) -> None:
    node, other = pair.nodes
    node_id = node.client.node_id()
    take_over(node)
    answer = node.client.post("after", 2)
    assert answer.status == 503
    line = "another process has taken over this node: the epoch is 2, ours was 1"
    assert line in answer.json["message"]
    assert node.wait_ended() == 1
    told = node.output.read_text().splitlines()
    assert [each for each in told if each.startswith("gossipnode: ")] == [f"gossipnode: {line}"]
    assert [each for each in told if "taken_over" in each and line in each]
    assert "Traceback" not in node.output.read_text()
    # Not `inactive`: it did not leave, it lives elsewhere.
    eventually(lambda: other.client.statuses().get(node_id) == "suspected")
    node.start()
    node.wait_ready()
    assert node.client.data().keys() == {"before"}
    eventually(lambda: other.client.statuses()[node_id] == "active")
