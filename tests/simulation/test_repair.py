"""What was missed comes back: restarts, loss, partitions (A1, A2, E7, M7)."""

import pytest

from gossip.sim.cluster import Cluster
from gossip.sim.conditions import Conditions
from tests.simulation.clusters import formed, written

HARSH = Conditions(loss=0.2, duplication=0.1, reordering=0.2)


@pytest.mark.parametrize("keep_disk", [True, False])
@pytest.mark.parametrize("name", ["n000", "n002"])
def test_a_restarted_node_has_everything_again(name: str, keep_disk: bool) -> None:
    cluster = written(formed(3))
    cluster.kill(name)
    cluster.run(1)
    for number in range(5, 15):
        cluster.write("n001", f"key {number}", b"1")
    cluster.run(20)
    cluster.restart(name, keep_disk=keep_disk)
    cluster.wait_for(cluster.equal, within=6)
    cluster.wait_for(cluster.complete, within=10)
    cluster.verify()
    assert cluster.visible("key 14", b"1")


@pytest.mark.parametrize("seed", range(5))
def test_what_was_acknowledged_survives_a_kill_at_any_instant(seed: int) -> None:
    cluster = formed(3, seed=seed)
    for number in range(40):
        cluster.write("n001", f"key {number % 7}", b"%d" % number)
        cluster.run(cluster.world.rng.random() * 0.002)
        if number % 8 == 0:
            if number % 16 == 0:
                # At the very instant of a write, whose commit is then never heard of.
                cluster.write("n001", "key 0", b"%d" % -number)
            cluster.kill("n001")
            cluster.restart("n001")
    cluster.wait_for(lambda: cluster.equal() and cluster.complete(), within=15)
    cluster.verify()
    assert cluster.world.ledger.unanswered > 0


def test_all_nodes_killed_at_once_come_back_with_everything() -> None:
    cluster = written(formed(5))
    for number in range(20):
        cluster.write(f"n00{number % 5}", f"key {number}", b"1")
    cluster.run(0.002)
    for name in cluster.hosts:
        cluster.kill(name)
    cluster.run(1)
    cluster.start()
    cluster.wait_for(lambda: cluster.equal() and cluster.complete(), within=15)
    cluster.verify()


@pytest.mark.parametrize("reset", [True, False])
def test_writers_on_both_sides_of_a_partition_end_equal(reset: bool) -> None:
    cluster = written(formed(6))
    cluster.partition(["n000", "n001", "n002"], reset=reset)
    for number in range(20):
        cluster.write("n000", f"key {number % 12}", b'"left"')
        cluster.write("n005", f"key {number % 8 + 8}", b'"right"')
        cluster.run(1)
    cluster.write("n005", "key 0", None)
    assert not cluster.equal()
    cluster.heal()
    cluster.wait_for(lambda: cluster.equal() and cluster.complete(), within=30)
    cluster.verify()
    assert cluster.visible("key 0", None)


def test_a_half_that_was_buried_brings_its_writes_back() -> None:
    cluster = written(formed(6))
    cluster.partition(["n000", "n001", "n002"])
    cluster.run(120)
    cluster.write("n000", "left", b"1")
    cluster.write("n005", "right", b"1")
    cluster.run(30)
    cluster.heal()
    cluster.wait_for(lambda: cluster.equal() and cluster.complete(), within=30)
    cluster.verify()


def test_a_delete_is_not_undone_by_a_node_that_slept_through_it() -> None:
    cluster = written(formed(3))
    cluster.kill("n002")
    cluster.write("n000", "key 3", None)
    cluster.run(90)
    cluster.restart("n002")
    cluster.wait_for(lambda: cluster.visible("key 3", None), within=6)
    cluster.run(20)
    assert cluster.visible("key 3", None)


def test_a_node_that_was_alone_brings_its_writes() -> None:
    cluster = Cluster(1, 3)
    cluster.start("n002")
    cluster.write("n002", "key", b"1")
    cluster.run(10)
    cluster.start("n000", "n001")
    cluster.wait_for(lambda: cluster.visible("key", b"1") and cluster.complete(), within=10)


@pytest.mark.parametrize("seed", range(5))
def test_lost_doubled_and_reordered_frames_are_made_up_for(seed: int) -> None:
    cluster = Cluster(seed, 5, conditions=HARSH)
    cluster.start()
    for number in range(100):
        cluster.write(f"n00{number % 5}", f"key {number % 30}", b"%d" % number)
        cluster.run(0.3)
    cluster.wait_for(cluster.equal, within=30)
    # A pair whose `join` is lost, and lost again, takes longer: ten seconds each time (L3).
    cluster.wait_for(cluster.complete, within=60)
    cluster.verify()


def test_a_thousand_missed_keys_come_in_one_repair() -> None:
    cluster = written(formed(3))
    cluster.kill("n002")
    for number in range(1_000):
        cluster.write("n000", f"missed {number}", b'"%s"' % (b"x" * 500))
        cluster.run(0.001)
    cluster.restart("n002", keep_disk=False)
    cluster.wait_for(lambda: cluster.equal() and cluster.complete(), within=6)
    cluster.verify()
