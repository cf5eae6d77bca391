"""What is written at one node is on all of them, and what is deleted on none."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import combinations
from typing import Any

from tests.support.client import Client
from tests.support.cluster import Cluster, comparable
from tests.support.process import NodeProcess, sockets
from tests.support.waiting import eventually


def test_a_write_is_visible_everywhere(cluster: Cluster) -> None:
    for number, writer in enumerate(cluster.clients):
        writer.set("greeting", {"from": number})
        for reader in cluster.clients:
            eventually(partial(_has, reader, "greeting", {"from": number}))


def test_a_thousand_keys_written_at_one_node_are_on_all(cluster: Cluster) -> None:
    written = {f"thousand/{number:03}": {"number": number} for number in range(1_000)}
    with ThreadPoolExecutor(8) as writers:
        list(writers.map(cluster.clients[0].set, written.keys(), written.values()))
    for reader in cluster.clients:
        eventually(partial(_has_all, reader, written))
    cluster.wait_equal()


def test_a_delete_is_seen_everywhere_and_stays(cluster: Cluster) -> None:
    writer, *others = cluster.clients
    writer.set("doomed", 1)
    for other in others:
        eventually(partial(_has, other, "doomed", 1))
    assert others[-1].delete("doomed").status == 200
    for client in cluster.clients:
        eventually(partial(_lacks, client, "doomed"))
    state = cluster.wait_equal()
    assert "value" not in state["doomed"]


def test_state_is_the_same_on_all(cluster: Cluster) -> None:
    for number, writer in enumerate(cluster.clients):
        writer.set(f"state/{number}", number)
    agreed = cluster.wait_equal()
    for client in cluster.clients:
        state = client.get("/gossip/state").json["state"]
        assert state["dataCount"] == len(agreed)
        assert comparable(state["data"]) == agreed


def test_every_pair_of_nodes_holds_one_link(cluster: Cluster) -> None:
    # `wait_whole` waits for one link to each; once dials that crossed then are over, nothing opens
    # a second one.
    cluster.wait_whole()
    before = _after_rounds(cluster, 3)
    after = _after_rounds(cluster, 3)
    for client, earlier, stats in zip(cluster.clients, before, after, strict=True):
        assert stats["links"] == len(cluster) - 1
        assert stats["linksOpened"] == earlier["linksOpened"]
        connections = client.get("/p2p/stats").json["stats"]["activeConnections"]
        assert connections == len(cluster) - 1
    # The kernel says the same: ten in a mesh of five.
    for one, other in combinations(cluster, 2):
        assert len(_connected(one) & {ends[::-1] for ends in _connected(other)}) == 1


def _connected(node: NodeProcess) -> set[tuple[int, int]]:
    """Both ports of every TCP connection that it holds, its own first."""
    held = set(node.open_files())
    return {ports for ports, name in sockets().items() if name in held}


def _has(client: Client, key: str, value: object) -> bool:
    answer = client.read(key)
    return answer.status == 200 and answer.json["data"] == value


def _lacks(client: Client, key: str) -> bool:
    return client.read(key).status == 404


def _has_all(client: Client, written: dict[str, dict[str, int]]) -> bool:
    return client.data("thousand/") == written


def _after_rounds(cluster: Cluster, rounds: int) -> list[dict[str, Any]]:
    """The counters of all nodes once each began so many more rounds."""
    lasts = [client.stats()["gossipRounds"] + rounds for client in cluster.clients]
    return [
        eventually(partial(_from_round, client, last))
        for client, last in zip(cluster.clients, lasts, strict=True)
    ]


def _from_round(client: Client, last: int) -> dict[str, Any]:
    stats = client.stats()
    assert stats["gossipRounds"] >= last
    return stats
