"""The same key written at two nodes at once: everybody ends with the same one of both (E3)."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tests.support.client import Client, dialed
from tests.support.cluster import Cluster
from tests.support.waiting import eventually

PAIRS = 200
TIES = 20


def test_concurrent_writes_of_one_key_end_equal(cluster: Cluster) -> None:
    left, right = cluster.clients[0], cluster.clients[-1]
    with ThreadPoolExecutor(2) as both:
        for number in range(PAIRS):
            key = f"pair/{number}"
            versions = both.map(
                lambda writer, key: writer.set(key, writer.port), (left, right), (key, key)
            )
            assert all(versions)
    state = cluster.wait_equal()
    ports = {left.port, right.port}
    assert all(state[f"pair/{number}"]["value"] in ports for number in range(PAIRS))


def test_equal_versions_with_different_values_end_equal(cluster: Cluster) -> None:
    version = cluster.clients[0].set("tie/clock", 0)

    def entries(value: str) -> list[dict[str, object]]:
        return [
            {"key": f"tie/{number}", "value": value, "version": version} for number in range(TIES)
        ]

    with dialed(cluster.nodes[0].port) as left, dialed(cluster.nodes[-1].port) as right:
        left.send("sync", entries("left"))
        right.send("sync", entries("right"))
    for client in cluster.clients:
        eventually(partial(_has_keys, client, "tie/", TIES + 1))
    state = cluster.wait_equal()
    ties = [state[f"tie/{number}"] for number in range(TIES)]
    assert {tie["version"] for tie in ties} == {version}
    # The greater hash wins, which is the same value for every key.
    assert len({tie["value"] for tie in ties}) == 1


def test_a_tombstone_wins_over_a_value_of_the_same_version(cluster: Cluster) -> None:
    version = cluster.clients[0].set("buried/key", "value")
    cluster.wait_equal()
    with dialed(cluster.nodes[-1].port) as peer:
        peer.send("sync", [{"key": "buried/key", "version": version, "deleted": True}])
    for client in cluster.clients:
        eventually(partial(_has_keys, client, "buried/", 0))
    cluster.wait_equal()


def _has_keys(client: Client, prefix: str, count: int) -> bool:
    return len(client.data(prefix)) == count
