"""How writes reach everybody, and what is promised about them (E1–E7, S1, S2)."""

import pytest

from gossip.sim.cluster import Cluster
from gossip.sim.conditions import Conditions
from tests.simulation.clusters import formed


@pytest.mark.parametrize("size", [2, 5, 17])
def test_a_write_is_visible_everywhere_at_once(size: int) -> None:
    cluster = formed(size)
    cluster.write("n001", "key", b'"value"')
    assert cluster.wait_for(lambda: cluster.visible("key", b'"value"'), within=0.1) <= 0.1
    cluster.verify()


def test_a_delete_is_visible_everywhere_at_once() -> None:
    cluster = formed(3)
    cluster.write("n000", "key", b"1")
    cluster.run(0.1)
    cluster.write("n002", "key", None)
    assert cluster.wait_for(lambda: cluster.visible("key", None), within=0.1) <= 0.1


def test_a_thousand_keys_are_everywhere_a_second_after_the_last_write() -> None:
    cluster = formed(5)
    for number in range(1_000):
        cluster.write("n000", f"key {number}", b"%d" % number)
        cluster.run(0.001)
    cluster.wait_for(cluster.equal, within=1)
    assert len(cluster.world.ledger.acknowledged) == 1_000
    cluster.verify()


def test_nothing_is_visible_anywhere_before_it_is_durable() -> None:
    cluster = formed(3, conditions=Conditions(fsync=0.5))
    cluster.write("n000", "key", b"1")
    cluster.run(0.49)
    assert all(cluster.get(name, "key") is None for name in cluster.hosts)
    cluster.run(0.1)
    assert cluster.visible("key", b"1")


def test_a_write_that_cannot_be_made_durable_is_refused_and_spreads_nowhere() -> None:
    cluster = formed(3)
    cluster.hosts["n000"].disk.failing = True
    cluster.write("n000", "key", b"1")
    cluster.run(20)
    assert cluster.world.ledger.refused == {"journal": 1}
    assert all(cluster.get(name, "key") is None for name in cluster.hosts)
    cluster.hosts["n000"].disk.failing = False
    cluster.write("n000", "key", b"2")
    cluster.wait_for(lambda: cluster.visible("key", b"2"), within=0.1)


def test_equal_versions_written_at_the_same_instant_end_equal() -> None:
    cluster = formed(4)
    for number in range(20):
        for name in ("n001", "n003"):
            cluster.write(name, f"key {number}", b'"%s"' % name.encode())
    cluster.run(0.001)
    versions = {cluster.world.ledger.acknowledged[f"key {n}"].version for n in range(20)}
    assert len(versions) == 1
    cluster.wait_for(cluster.equal, within=1)
    cluster.verify()


def test_concurrent_writes_of_one_key_at_two_nodes_end_equal() -> None:
    cluster = formed(5)
    for number in range(200):
        cluster.write("n000", f"key {number % 50}", b"%d" % number)
        cluster.run(cluster.world.rng.random() * 0.004)
        cluster.write("n004", f"key {number % 50}", b"-%d" % number)
    cluster.wait_for(cluster.equal, within=1)
    cluster.verify()


def test_a_later_write_wins_at_a_node_whose_clock_is_behind() -> None:
    cluster = Cluster(1, 2)
    cluster.hosts["n001"].skew = -60_000
    cluster.start()
    cluster.wait_for(cluster.complete, within=5)
    cluster.write("n000", "key", b"1")
    cluster.wait_for(lambda: cluster.visible("key", b"1"), within=0.1)
    cluster.write("n001", "key", b"2")
    cluster.wait_for(lambda: cluster.visible("key", b"2"), within=0.1)


def ahead_of_the_others() -> Cluster:
    """Three nodes, of which one wrote while its clock was ten minutes ahead, twice the allowed."""
    cluster = Cluster(1, 3, settings={"max_clock_skew": 300.0})
    cluster.start("n001")
    cluster.hosts["n001"].skew = 600_000
    cluster.write("n001", "early", b"1")
    cluster.run(1)
    cluster.start("n000", "n002")
    cluster.wait_for(cluster.complete, within=10)
    cluster.run(30)
    return cluster


def test_a_version_from_the_far_future_is_set_aside_until_due() -> None:
    cluster = ahead_of_the_others()
    assert cluster.get("n000", "early") is None
    assert cluster.get("n002", "early") is None
    assert cluster.get("n001", "early") is not None
    cluster.run(600)
    assert cluster.visible("early", b"1")
    assert cluster.equal()


def test_a_node_whose_clock_is_far_off_refuses_writes() -> None:
    cluster = ahead_of_the_others()
    cluster.write("n001", "other", b"1")
    cluster.write("n000", "honest", b"1")
    cluster.wait_for(lambda: cluster.visible("honest", b"1"), within=0.1)
    assert cluster.world.ledger.refused == {"clock": 1}
    assert cluster.get("n001", "other") is None


def test_one_future_version_does_not_drag_other_keys_along() -> None:
    cluster = Cluster(1, 2, settings={"max_clock_skew": 3_600.0})
    cluster.hosts["n001"].skew = 600_000
    cluster.start()
    cluster.wait_for(cluster.complete, within=5)
    cluster.write("n001", "early", b"1")
    cluster.wait_for(lambda: cluster.visible("early", b"1"), within=0.1)
    cluster.write("n000", "honest", b"1")
    cluster.wait_for(lambda: cluster.visible("honest", b"1"), within=0.1)
    honest = cluster.get("n001", "honest")
    assert honest is not None
    assert honest.version <= cluster.hosts["n000"].clock().wall
