"""Old tombstones are dropped by all nodes alike, and nothing comes back (E5)."""

from gossip.core.config import Limits
from gossip.sim.cluster import Cluster

GRACE = 60.0
SETTINGS = {
    "tombstone_grace": GRACE,
    "tombstone_look": 10.0,
    "limits": Limits(tombstones=10),
}


def deleted(size: int = 5) -> Cluster:
    """A cluster in which thirty of forty keys were deleted a second ago."""
    cluster = Cluster(1, size, settings=SETTINGS)
    # Not in step: each would look at another moment if it went by its start.
    cluster.start(apart=3.3)
    cluster.wait_for(cluster.complete, within=15)
    for number in range(40):
        cluster.write(f"n00{number % size}", f"key {number:02}", b"1")
    cluster.wait_for(cluster.equal, within=5)
    for number in range(30):
        cluster.write(f"n00{number % size}", f"key {number:02}", None)
        cluster.run(0.01)
    cluster.run(1.0)
    return cluster


def live(cluster: Cluster) -> list[set[str]]:
    """The keys with a value, on each node."""
    return [{entry.key for entry in host.node.entries() if entry.value} for host in cluster.up]


def test_e5_all_nodes_drop_the_same_tombstones() -> None:
    cluster = deleted()
    cluster.run(3 * GRACE)
    assert cluster.equal()
    [total] = {len(list(host.node.entries())) for host in cluster.up}
    assert total == 10 + 9
    assert live(cluster) == [{f"key {number:02}" for number in range(30, 40)}] * 5
    # What was dropped is gone from the disks, too.
    assert {len(host.disk.entries) for host in cluster.up} == {total}


def test_e5_a_node_that_slept_through_the_deletes_brings_nothing_back() -> None:
    cluster = Cluster(1, 4, settings=SETTINGS)
    cluster.start(apart=0.1)
    cluster.wait_for(cluster.complete, within=15)
    for number in range(40):
        cluster.write("n000", f"key {number:02}", b"1")
    cluster.wait_for(cluster.equal, within=5)
    cluster.run(1.0)
    cluster.kill("n003")
    for number in range(30):
        cluster.write("n001", f"key {number:02}", None)
    cluster.run(GRACE / 2)
    cluster.restart("n003")
    cluster.run(3 * GRACE)
    assert cluster.equal()
    assert live(cluster) == [{f"key {number:02}" for number in range(30, 40)}] * 4


def test_e5_a_newcomer_follows_the_floor() -> None:
    cluster = deleted()
    cluster.run(3 * GRACE)
    cluster.kill("n004")
    cluster.restart("n004", keep_disk=False)
    cluster.wait_for(cluster.equal, within=6)
    cluster.run(2 * GRACE)
    assert cluster.equal()


def test_e5_what_expires_late_is_dropped_by_all_at_once() -> None:
    # A tombstone of an expired key has a version long past and a late time stamp.
    cluster = deleted()
    cluster.run(3 * GRACE)
    for number in range(20):
        cluster.write("n001", f"late {number}", b"1", lifetime=100_000)
        cluster.run(1.0)
    unequal = 0
    for _ in range(300):
        cluster.run(1.0)
        unequal += not cluster.equal()
    # While a look is going on, and while a tombstone travels.
    assert unequal < 15
    assert cluster.equal()


def test_e5_a_partition_across_a_look_ends_equal() -> None:
    cluster = deleted()
    cluster.partition(["n000", "n001"])
    for number in range(30, 34):
        cluster.write("n000", f"key {number}", None)
        cluster.write("n004", f"key {number + 4}", None)
    cluster.run(2 * GRACE)
    cluster.kill("n003")
    cluster.heal()
    cluster.run(10)
    cluster.restart("n003")
    cluster.run(2 * GRACE)
    assert cluster.equal()
    assert live(cluster) == [{"key 38", "key 39"}] * 5
