"""What keeps a crowd quiet whose network loses one packet in five (M4, M5)."""

import pytest

from gossip.core import patience, rumors
from gossip.core.contacts import Contacts
from gossip.core.effects import NoticeKind
from gossip.sim.cluster import Cluster
from gossip.sim.conditions import Conditions
from gossip.sim.network import End
from tests.simulation.clusters import suspected_by_all

LOSSY = Conditions(latency=0.05, jitter=0.0, loss=0.2, resend=0.2)
"""TCP sends again after 0.2 s, 0.4 s more, and so on; what follows waits for it."""


def suspicions() -> int:
    """How often one of a hundred nodes is suspected, on any list, in eighty seconds at rest."""
    cluster = Cluster(1, 100, conditions=LOSSY, keep_notices=(NoticeKind.PEER_SUSPECTED,))
    cluster.start(apart=0.02)
    cluster.run(30)
    before = len(cluster.world.notices)
    cluster.run(80)
    assert {len(cluster.statuses(host.name)) for host in cluster.up} == {99}
    return len(cluster.world.notices) - before


@pytest.fixture(scope="module")
def usual() -> int:
    return suspicions()


def test_m4_who_learns_how_long_answers_take_suspects_fewer(
    usual: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "MOST", 1.0)
    assert usual < 0.75 * suspicions()


def test_m4_who_dials_anew_where_no_helper_is_linked_suspects_fewer(
    usual: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Contacts, "dial_anew", lambda self, member: None)
    assert usual < 0.75 * suspicions()


def test_m5_news_on_some_links_of_a_crowd_costs_less_than_on_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    some = frames_about_deaths()
    monkeypatch.setattr(rumors, "FANOUT", 1_000)
    assert some < 0.75 * frames_about_deaths()


def frames_about_deaths() -> int:
    """Frames with news in the second after a process ended in a crowd that loses nothing."""
    frames = 0

    def arrived(end: End, frame: bytes) -> None:
        nonlocal frames
        frames += b'"news":' in frame

    for seed in range(1, 6):
        cluster = Cluster(seed, 60)
        cluster.start(apart=0.02)
        cluster.run(60)
        cluster.world.network.arrived = arrived
        cluster.kill("n059")
        cluster.run(1)
        assert suspected_by_all(cluster, "n059")
    return frames
