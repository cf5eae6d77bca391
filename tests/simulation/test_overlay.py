"""Clusters too large for everybody to link to everybody, in virtual time (L1, M5, S2)."""

from collections.abc import Collection

import pytest

from gossip.core.config import Limits
from gossip.core.degree import degree
from gossip.core.effects import NoticeKind
from gossip.core.overlay import SLACK
from gossip.sim.cluster import Cluster
from gossip.sim.conditions import Conditions
from tests.simulation.clusters import parts, suspected_by_all

CALM = Conditions(latency=0.02, jitter=0.01)


def crowd(size: int = 40, *, seed: int = 1, unreachable: Collection[str] = ()) -> Cluster:
    """A cluster whose nodes list each other, past everything that its start set off."""
    cluster = Cluster(seed, size, conditions=CALM, bootstraps=2, unreachable=unreachable)
    cluster.start(apart=0.1)
    cluster.wait_for(cluster.complete, within=20, every=0.5)
    # Young links are left alone: after 20 seconds some nodes have far more yet, by chance.
    cluster.run(40)
    return cluster


@pytest.fixture(scope="module")
def settled() -> Cluster:
    """Only to be looked at."""
    return crowd()


def test_l1_links_are_few_and_make_one_graph(settled: Cluster) -> None:
    held = settled.links_of_each()
    assert min(held.values()) >= degree(40) - 1
    assert max(held.values()) <= degree(40) + SLACK + 2
    assert len(parts(settled)) == 1


def test_l1_nobody_was_suspected_while_links_were_exchanged(settled: Cluster) -> None:
    assert settled.notices(NoticeKind.PEER_SUSPECTED, NoticeKind.PEER_REMOVED) == []


def test_l1_the_graph_changes_and_stays_one() -> None:
    cluster = crowd()
    before = set(cluster.links())
    cluster.run(120)
    assert len(before - set(cluster.links())) > len(before) // 10
    assert len(parts(cluster)) == 1
    assert cluster.complete()


def test_s2_a_write_is_everywhere_in_a_few_steps() -> None:
    cluster = crowd()
    cluster.write("n005", "key", b"1")
    cluster.wait_for(lambda: cluster.visible("key", b"1"), within=0.3)


@pytest.mark.parametrize(("size", "bootstraps", "within"), [(41, 2, 2), (151, 1, 3)])
def test_m5_a_newcomer_and_the_others_list_each_other_at_once(
    size: int, bootstraps: int, within: int
) -> None:
    # A hundred of the larger cluster are listed on one word; the others take a second one (L1).
    cluster = Cluster(1, size, conditions=CALM, bootstraps=bootstraps)
    *rest, last = cluster.hosts
    cluster.start(*rest, apart=4 / size)
    cluster.run(30)
    cluster.start(last)
    cluster.wait_for(cluster.complete, within=within)


def test_l1_many_form_a_cluster_though_their_bootstrap_peers_have_few_places() -> None:
    few = Limits(links=40)
    cluster = Cluster(1, 160, conditions=CALM, bootstraps=2, settings={"limits": few})
    cluster.start(apart=0.01)
    cluster.wait_for(cluster.complete, within=10, every=0.1)
    assert cluster.notices(NoticeKind.PEER_SUSPECTED, NoticeKind.PEER_REMOVED) == []


def test_l1_half_of_the_nodes_may_go_at_once() -> None:
    cluster = crowd()
    for name in list(cluster.hosts)[::2]:
        cluster.kill(name)
    cluster.wait_for(lambda: len(parts(cluster)) == 1, within=5, every=0.1)
    # Some died together with all who held a link to them: chance finds these, in about a minute.
    cluster.wait_for(cluster.complete, within=240, every=1.0)
    cluster.run(10)
    assert min(cluster.links_of_each().values()) >= degree(20) - 1


def test_l1_a_crowd_that_shrinks_is_a_mesh_again() -> None:
    cluster = crowd()
    for name in list(cluster.hosts)[8:]:
        cluster.kill(name)
    cluster.wait_for(cluster.complete, within=240, every=1.0)
    cluster.wait_for(lambda: len(cluster.links()) == 8 * 7 // 2, within=10, every=0.5)


def test_l1_a_crowd_that_leaves_a_few_alone_is_a_mesh_at_once() -> None:
    """Its bootstrap peers among them, who need not have been linked to each other (M7)."""
    cluster = crowd(21)
    cluster.wait_for(lambda: {"n000", "n001"} not in map(set, cluster.links()), within=300, every=1)
    for name in list(cluster.hosts)[3:]:
        cluster.stop(name)
    cluster.wait_for(lambda: len(cluster.links()) == 3, within=5, every=0.5)


def test_m4_who_fails_silently_is_suspected_by_all_within_seconds() -> None:
    cluster = crowd()
    cluster.kill("n007", dark=True)
    # Four in the median; ten is what no list is to exceed.
    cluster.wait_for(lambda: suspected_by_all(cluster, "n007"), within=10, every=0.1)


def test_m3_who_is_killed_is_suspected_by_all_within_a_second() -> None:
    cluster = crowd()
    cluster.kill("n007")
    cluster.wait_for(lambda: suspected_by_all(cluster, "n007"), within=1, every=0.05)


@pytest.mark.parametrize("after", [0, 90])
def test_m1_who_comes_back_is_listed_by_all(after: float) -> None:
    cluster = crowd()
    cluster.kill("n007")
    cluster.run(after)
    cluster.restart("n007", keep_disk=False)
    cluster.wait_for(cluster.complete, within=3, every=0.1)


def test_m7_two_halves_are_one_again() -> None:
    cluster = crowd()
    half = list(cluster.hosts)[::2]
    cluster.partition(half)
    cluster.run(60)
    cluster.write("n000", "even", b"1")
    cluster.write("n001", "odd", b"1")
    cluster.run(90)
    assert len(parts(cluster)) == 2
    cluster.heal()
    cluster.wait_for(lambda: cluster.complete() and cluster.equal(), within=30, every=0.5)


def test_m8_a_node_that_nobody_can_dial_lists_all_and_is_never_suspected() -> None:
    cluster = Cluster(1, 30, conditions=CALM, bootstraps=2, unreachable={"n007"})
    cluster.start(apart=0.1)
    cluster.run(120)
    assert len(cluster.statuses("n007")) == 29
    listing = [host.name for host in cluster.up if "n007" in cluster.statuses(host.name)]
    assert len(listing) >= degree(30) - 1
    assert cluster.notices(NoticeKind.PEER_SUSPECTED, NoticeKind.PEER_REMOVED) == []
    cluster.write("n007", "key", b"1")
    cluster.wait_for(lambda: cluster.visible("key", b"1"), within=1)


@pytest.mark.parametrize("behind_nat", [20, 28])
def test_m8_many_that_nobody_can_dial_make_one_graph_with_the_others(behind_nat: int) -> None:
    hidden = {f"n{number:03}" for number in range(40 - behind_nat, 40)}
    cluster = Cluster(1, 40, conditions=CALM, bootstraps=2, unreachable=hidden)
    cluster.start(apart=0.1)
    cluster.run(60)
    assert len(parts(cluster)) == 1
    assert min(cluster.links_of_each().values()) >= 4
    before = sum(host.node.overview(host.clock()).stats.dials for host in cluster.up)
    cluster.run(60)
    after = sum(host.node.overview(host.clock()).stats.dials for host in cluster.up)
    assert after - before < 40 * 60 / 10
    assert cluster.notices(NoticeKind.PEER_SUSPECTED, NoticeKind.PEER_REMOVED) == []


def test_m7_a_crowd_that_starts_again_at_once_is_one_cluster() -> None:
    cluster = crowd(30)
    for name in cluster.hosts:
        cluster.kill(name)
    cluster.run(5)
    for name in list(cluster.hosts)[2:]:
        cluster.restart(name)
    cluster.wait_for(lambda: len(parts(cluster)) == 1, within=30, every=0.5)


def test_l1_an_outage_that_hits_everybody_leaves_a_graph_that_needs_no_bootstrap_peer() -> None:
    cluster = crowd(20)
    for name in cluster.hosts:
        cluster.partition([name])
    cluster.run(45)
    cluster.heal()
    cluster.run(300)
    assert cluster.complete()
    assert min(cluster.links_of_each().values()) >= 4
    assert max(cluster.links_of_each().values()) <= degree(20) + SLACK + 2
    for name in list(cluster.hosts)[:2]:
        cluster.kill(name)
    cluster.run(30)
    assert len(parts(cluster)) == 1


def test_m5_one_that_nobody_can_dial_costs_the_others_no_comparing() -> None:
    cluster = Cluster(1, 24, conditions=CALM, bootstraps=2, unreachable={"n020"})
    cluster.start(apart=0.1)
    cluster.run(60)
    roots = {host.node._context.members.root(host.node._context.me) for host in cluster.up}  # type: ignore[attr-defined]
    assert len(roots) == 1


def test_m2_a_pair_that_cannot_reach_each_other_leaves_the_others_in_peace() -> None:
    cluster = crowd(20)
    cluster.partition(["n004"], ["n009"])
    cluster.run(300)
    suspected = cluster.notices(NoticeKind.PEER_SUSPECTED)
    # Each may accuse the other, whether its link broke or chance dialed it.
    assert len(suspected) <= 4 * 19
    assert cluster.complete()


def test_m6_a_planned_stop_is_seen_at_once_and_is_no_failure() -> None:
    cluster = crowd()
    cluster.stop("n007")
    cluster.wait_for(
        lambda: all(cluster.statuses(host.name)["n007"] == "inactive" for host in cluster.up),
        within=0.3,
    )
    cluster.run(70)
    assert cluster.complete()
    assert cluster.notices(NoticeKind.PEER_SUSPECTED, NoticeKind.PEER_REMOVED) == []


def test_s2_what_one_node_alone_brings_is_everywhere_within_seconds() -> None:
    cluster = crowd()
    cluster.partition(["n007"])
    for number in range(200):
        cluster.write("n007", f"alone/{number}", b"1")
    cluster.run(20)
    cluster.heal()
    cluster.wait_for(cluster.equal, within=8, every=0.1)


@pytest.mark.parametrize("size", [6, 10, 16])
def test_m4_half_of_all_that_fail_at_once_are_suspected_by_the_others_in_seconds(size: int) -> None:
    cluster = Cluster(1, size, conditions=CALM, bootstraps=2)
    cluster.start(apart=0.1)
    cluster.wait_for(cluster.complete, within=20, every=0.5)
    cluster.run(20)
    failed = list(cluster.hosts)[size // 2 :]
    for name in failed:
        cluster.kill(name, dark=True)
    cluster.wait_for(
        lambda: all(suspected_by_all(cluster, name) for name in failed), within=9, every=0.1
    )
