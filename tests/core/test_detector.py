"""Silence, suspicion, removal (M3), and clocks that disagree (E4)."""

import pytest

from gossip.core.detector import judge
from gossip.core.members import Member, PeerRecord, Status
from tests.support.core import config

CONFIG = config(
    heartbeat_interval=10.0, suspicion_timeout=30.0, cleanup_timeout=60.0, max_clock_skew=300.0
)


def member(
    status: Status = Status.ACTIVE, *, dialable: bool = True, skew: int | None = None
) -> Member:
    endpoint = "ws://a.example/ws" if dialable else None
    record = PeerRecord(node_id="a", gossip_endpoint=endpoint)
    return Member(record=record, status=status, silent_since=100.0, seen_wall=0, skew=skew)


@pytest.mark.parametrize(("silence", "status"), [(29.9, Status.ACTIVE), (30.0, Status.SUSPECTED)])
def test_m3_a_linked_member_is_suspected_when_it_is_silent(silence: float, status: Status) -> None:
    assert judge(member(), linked=True, now=100.0 + silence, config=CONFIG) is status


def test_m3_no_news_of_a_member_without_a_link_is_good_news() -> None:
    assert judge(member(), linked=False, now=9_999.0, config=CONFIG) is Status.ACTIVE


@pytest.mark.parametrize(("silence", "status"), [(19.9, Status.ACTIVE), (20.0, Status.SUSPECTED)])
def test_m8_a_member_that_nobody_can_dial_gets_two_heartbeats(
    silence: float, status: Status
) -> None:
    unreachable = member(dialable=False)
    assert judge(unreachable, linked=False, now=100.0 + silence, config=CONFIG) is status


@pytest.mark.parametrize("status", [Status.SUSPECTED, Status.INACTIVE])
@pytest.mark.parametrize("linked", [True, False])
def test_m3_nobody_is_removed_before_the_cleanup_timeout(status: Status, linked: bool) -> None:
    assert judge(member(status), linked=linked, now=159.9, config=CONFIG) is status
    assert judge(member(status), linked=linked, now=160.0, config=CONFIG) is None


def test_m8_the_silence_of_a_plain_peer_that_cannot_reach_us_means_nothing() -> None:
    silent = member()
    hidden = config(gossip_endpoint=None)
    assert judge(silent, linked=True, now=1_000.0, config=hidden) is Status.ACTIVE
    assert judge(silent, linked=True, now=1_000.0, config=config()) is Status.SUSPECTED
