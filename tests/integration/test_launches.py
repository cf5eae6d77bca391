"""Every documented launch serves a full node, from the first answer to the exit code."""

import signal
import time
from pathlib import Path

import pytest

from tests.support.cluster import Cluster
from tests.support.process import Launch
from tests.support.waiting import eventually

# uvicorn ends by the signal that stopped it, once all is done: so its parent knows why.
EXIT_CODES = {Launch.RUNGOSSIP: 0, Launch.DAPHNE: 0, Launch.UVICORN: -signal.SIGTERM}


@pytest.mark.parametrize("launch", Launch)
def test_two_nodes_live_and_leave(tmp_path: Path, launch: Launch) -> None:
    with Cluster(tmp_path, 2, launch=launch) as cluster:
        left, right = cluster.nodes
        left.client.set("key", launch.value)
        eventually(lambda: right.client.read("key").status == 200)
        left_id = left.client.node_id()

        began = time.monotonic()
        assert left.stop() == EXIT_CODES[launch]
        assert time.monotonic() - began < 5.0
        eventually(lambda: right.client.statuses().get(left_id) == "inactive")

        left.start()
        left.wait_ready()
        assert left.client.node_id() == left_id
        assert left.client.read("key").json["data"] == launch.value
        cluster.wait_whole()


@pytest.mark.parametrize("launch", Launch)
def test_a_node_needs_no_request_to_come_alive(tmp_path: Path, launch: Launch) -> None:
    # The silent one is never asked anything, and yet it dials.
    cluster = Cluster(tmp_path, 2, launch=launch)
    asked, silent = cluster.nodes
    del asked.settings["GOSSIP_BOOTSTRAP_PEERS"]
    try:
        asked.start()
        asked.wait_ready()
        silent.start()
        eventually(lambda: asked.client.stats()["activePeers"] == 1)
    finally:
        cluster.kill()
