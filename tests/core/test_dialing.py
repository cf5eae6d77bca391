"""Whom to dial, and when (M7, L4)."""

from random import Random
from typing import Any

import pytest

from gossip.core.config import Limits
from gossip.core.dialing import DialPlan, Kind, Target
from tests.support.core import config

URL = "ws://a.example/ws"


def plan(**changes: Any) -> DialPlan:
    return DialPlan(config(**changes), Random(1))


def target(kind: Kind, url: str = URL, *, due: float = 0.0, **fields: Any) -> Target:
    return Target(url=url, kind=kind, due=due, **fields)


def due(plan: DialPlan, now: float = 0.0) -> list[str]:
    return [each.url for each in plan.take_due(now)]


def held(plan: DialPlan, url: str = URL) -> Target:
    found = plan.get(url)
    assert found is not None
    return found


def hearsay(plan: DialPlan, count: int, *, introducer: int = 1, prefix: str = "h") -> None:
    for number in range(count):
        url = f"ws://{prefix}{number}/ws"
        plan.want(target(Kind.HEARSAY, url, introducer=introducer))


# Once more at once


@pytest.mark.parametrize("kind", [Kind.BOOTSTRAP, Kind.MEMBER, Kind.LOST, Kind.CHANCE])
def test_l1_a_first_failure_is_repeated_at_once_and_no_other(kind: Kind) -> None:
    dialing = plan()
    dialing.want(target(kind))
    assert due(dialing) == [URL]
    assert dialing.again(URL, 5.0)
    assert due(dialing, 5.0) == [URL]
    assert not dialing.again(URL, 10.0)
    dialing.failed(URL, 10.0, active=1)
    # Two at once each time would be twice the rate that they are allowed (L4, M7).
    assert not dialing.again(URL, 20.0)


def test_l4_a_name_only_heard_of_is_dialed_once() -> None:
    dialing = plan()
    dialing.want(target(Kind.HEARSAY))
    assert due(dialing) == [URL]
    assert not dialing.again(URL, 5.0)


def test_l1_who_was_reached_meanwhile_may_be_dialed_twice_again() -> None:
    dialing = plan()
    dialing.want(target(Kind.BOOTSTRAP, node_id="b"))
    due(dialing)
    dialing.again(URL, 5.0)
    dialing.settled("b")
    assert dialing.again(URL, 50.0)


def test_l1_no_dial_is_repeated_that_nobody_plans() -> None:
    assert not plan().again(URL, 5.0)


# Backoff


@pytest.mark.parametrize("kind", [Kind.BOOTSTRAP, Kind.MEMBER, Kind.LOST])
def test_m7_the_wait_doubles_up_to_a_bound_with_full_jitter(kind: Kind) -> None:
    waits: dict[int, list[float]] = {attempt: [] for attempt in range(8)}
    for seed in range(50):
        dialing = DialPlan(config(dial_backoff=0.25, dial_backoff_max=5.0), Random(seed))
        dialing.want(target(kind))
        for attempt, seen in waits.items():
            dialing.failed(URL, 100.0, active=1)
            seen.append(held(dialing).due - 100.0)
            assert held(dialing).attempts == attempt + 1
    for attempt, seen in waits.items():
        bound = min(5.0, 0.25 * 2**attempt)
        assert 0 <= min(seen) < bound / 4
        assert bound * 3 / 4 < max(seen) <= bound


def test_m7_the_whole_cluster_together_dials_at_a_constant_rate() -> None:
    def longest(kind: Kind, active: int) -> float:
        seen = []
        for seed in range(50):
            dialing = DialPlan(config(), Random(seed))
            dialing.want(target(kind, attempts=30))
            dialing.failed(URL, 0.0, active)
            seen.append(held(dialing).due)
        return max(seen)

    assert longest(Kind.BOOTSTRAP, 0) <= 5.0
    assert 30.0 < longest(Kind.BOOTSTRAP, 10) <= 50.0
    assert 30.0 < longest(Kind.LOST, 10) <= 50.0
    assert longest(Kind.MEMBER, 10) <= 5.0
    assert 200.0 < longest(Kind.LOST, 100_000) <= 300.0


def test_m7_a_target_is_dialed_once_until_it_is_answered() -> None:
    dialing = plan()
    dialing.want(target(Kind.BOOTSTRAP))
    assert due(dialing) == [URL]
    assert due(dialing, 1_000.0) == []
    dialing.failed(URL, 1_000.0, active=0)
    assert due(dialing, 1_006.0) == [URL]
    dialing.opened(URL)
    assert due(dialing, 9_999.0) == []


def test_a_connection_that_ends_before_a_join_is_a_failure() -> None:
    dialing = plan()
    dialing.want(target(Kind.MEMBER))
    due(dialing)
    dialing.opened(URL)
    dialing.failed(URL, 0.0, active=0)
    assert held(dialing).attempts == 1
    assert due(dialing, 5.0) == [URL]


def test_m7_lost_members_are_given_up_after_a_day() -> None:
    dialing = plan(lost_for=100.0)
    dialing.want(target(Kind.MEMBER, node_id="a"))
    dialing.lost("a", 0.0)
    dialing.failed(URL, 99.0, active=0)
    assert held(dialing).kind is Kind.LOST
    dialing.failed(URL, 100.0, active=0)
    assert dialing.get(URL) is None
    assert dialing.failed(URL, 100.0, active=0) is None


def test_m7_bootstrap_peers_are_dialed_for_ever() -> None:
    dialing = plan(lost_for=100.0)
    dialing.want(target(Kind.BOOTSTRAP, node_id="a"))
    dialing.lost("a", 0.0)
    dialing.failed(URL, 1e9, active=0)
    assert held(dialing).kind is Kind.BOOTSTRAP


# Settled, unsettled, left


def test_a_link_to_a_node_settles_all_its_targets() -> None:
    dialing = plan()
    dialing.want(target(Kind.BOOTSTRAP))
    dialing.expect(URL, "a")
    dialing.want(target(Kind.MEMBER, "ws://other/ws", node_id="a"))
    dialing.want(target(Kind.MEMBER, "ws://b/ws", node_id="b"))
    dialing.settled("a")
    assert due(dialing) == ["ws://b/ws"]
    assert len(dialing) == 2
    dialing.unsettled(None, "a", 7.0)
    assert due(dialing, 6.9) == []
    assert due(dialing, 7.0) == [URL]


def test_a_lost_link_is_redialed_where_it_was_dialed() -> None:
    dialing = plan()
    dialing.want(target(Kind.BOOTSTRAP))
    due(dialing)
    dialing.opened(URL)
    dialing.unsettled(URL, None, 7.0)
    assert due(dialing, 7.0) == [URL]


def test_m6_who_left_is_dialed_no_more_unless_the_operator_named_it() -> None:
    dialing = plan()
    dialing.want(target(Kind.BOOTSTRAP, node_id="a"))
    dialing.want(target(Kind.MEMBER, "ws://other/ws", node_id="a"))
    dialing.forget("a", 0.0, active=2)
    assert due(dialing, 9.9) == []
    assert due(dialing, 10.0) == [URL]
    assert len(dialing) == 1


def test_m7_our_own_url_is_never_wanted_again() -> None:
    dialing = plan()
    dialing.want(target(Kind.MEMBER))
    assert dialing.own(URL, 0.0)
    assert dialing.is_own(URL)
    assert not dialing.want(target(Kind.MEMBER))
    assert due(dialing, 1e9) == []


def test_m7_a_bootstrap_name_that_led_to_ourselves_is_tried_again_later() -> None:
    dialing = plan()
    dialing.want(target(Kind.BOOTSTRAP))
    assert due(dialing, 0.0) == [URL]
    assert dialing.own(URL, 0.0)
    assert due(dialing, 29.0) == []
    assert due(dialing, 60.0) == [URL]
    assert not dialing.own(URL, 60.0)


def test_l4_claimed_addresses_share_one_rate() -> None:
    dialing = plan(dial_rate=2.0)
    urls = [f"ws://{number}.example/ws" for number in range(200)]
    for url in urls:
        dialing.want(Target(url=url, kind=Kind.MEMBER, due=0.0, node_id=url))
        dialing.lost(url, 0.0)
    dials = 0
    for second in range(1_000):
        for url in due(dialing, float(second)):
            dials += 1
            dialing.failed(url, float(second), active=0)
    free = 2 * len(urls)
    assert dials - free < 1.2 * 2.0 * 1_000


def test_r2_what_is_remembered_as_our_own_has_a_bound() -> None:
    dialing = plan()
    urls = [f"ws://{number}/ws" for number in range(101)]
    for url in urls:
        dialing.own(url, 0.0)
    assert [dialing.is_own(url) for url in urls].count(False) == 1
    assert not dialing.is_own(urls[0])


def test_m7_hearsay_does_not_say_who_a_bootstrap_peer_is() -> None:
    dialing = plan()
    dialing.want(target(Kind.BOOTSTRAP, node_id="a"))
    dialing.want(target(Kind.HEARSAY, node_id="evil"))
    dialing.settled("evil")
    assert due(dialing) == [URL]


def test_r2_lost_members_have_a_bound() -> None:
    bound = 5
    dialing = plan(limits=Limits(lost=bound))
    for number in range(bound + 1):
        dialing.want(target(Kind.MEMBER, f"ws://{number}/ws", node_id=str(number)))
        dialing.lost(str(number), 0.0)
    assert len(dialing) == bound
    assert dialing.get("ws://0/ws") is None


# Hearsay


def test_l4_hearsay_gets_one_dial() -> None:
    dialing = plan()
    hearsay(dialing, 1)
    assert due(dialing) == ["ws://h0/ws"]
    dialing.failed("ws://h0/ws", 0.0, active=0)
    assert len(dialing) == 0


def test_l4_hearsay_dials_four_at_a_time_and_the_newest_first() -> None:
    dialing = plan(dial_parallel=4)
    hearsay(dialing, 6)
    assert due(dialing) == ["ws://h5/ws", "ws://h4/ws", "ws://h3/ws", "ws://h2/ws"]
    assert due(dialing) == []
    dialing.failed("ws://h5/ws", 0.0, active=0)
    assert due(dialing) == ["ws://h1/ws"]


def test_l4_hearsay_dials_in_a_burst_and_then_at_a_rate() -> None:
    dialing = plan(dial_burst=20, dial_rate=2.0, dial_parallel=99)
    hearsay(dialing, 30)
    assert len(due(dialing)) == 20
    assert dialing.next_due(0.0) == 0.5
    assert len(due(dialing, 0.4)) == 0
    assert len(due(dialing, 0.5)) == 1
    assert len(due(dialing, 1.5)) == 2
    assert len(due(dialing, 600.0)) == 7


def test_l4_the_burst_does_not_grow_while_nothing_is_dialed() -> None:
    dialing = plan(dial_burst=20, dial_parallel=99)
    assert due(dialing, 1e6) == []
    hearsay(dialing, 30)
    assert len(due(dialing, 1e6)) == 20


def test_l4_others_do_not_draw_on_that_budget() -> None:
    dialing = plan(dial_burst=1, dial_parallel=1)
    hearsay(dialing, 2)
    for kind in (Kind.BOOTSTRAP, Kind.MEMBER, Kind.LOST):
        dialing.want(target(kind, f"ws://{kind.name}/ws"))
    assert due(dialing) == ["ws://LOST/ws", "ws://MEMBER/ws", "ws://BOOTSTRAP/ws", "ws://h1/ws"]


def test_l4_the_queue_of_hearsay_has_a_bound_and_is_fair() -> None:
    dialing = plan(dial_queue=4)
    hearsay(dialing, 1, introducer=1, prefix="quiet")
    hearsay(dialing, 5, introducer=2, prefix="talkative")
    assert len(dialing) == 4
    assert dialing.get("ws://quiet0/ws") is not None
    assert dialing.get("ws://talkative1/ws") is None
    assert dialing.get("ws://talkative2/ws") is not None
    dialing.want(target(Kind.BOOTSTRAP))
    assert len(dialing) == 5


def test_l4_hearsay_does_not_hurry_what_is_being_waited_for() -> None:
    dialing = plan()
    dialing.want(target(Kind.BOOTSTRAP, due=50.0))
    dialing.want(target(Kind.HEARSAY, due=0.0))
    assert due(dialing, 49.0) == []
    dialing.want(target(Kind.BOOTSTRAP, due=20.0))
    assert held(dialing).kind is Kind.BOOTSTRAP
    assert due(dialing, 20.0) == [URL]


def test_l4_a_greater_kind_takes_a_name_over() -> None:
    dialing = plan()
    dialing.want(target(Kind.HEARSAY, due=5.0))
    dialing.want(target(Kind.MEMBER, due=1.0, node_id="a", loopback=True))
    assert (held(dialing).kind, held(dialing).node_id) == (Kind.MEMBER, "a")
    assert held(dialing).loopback
    assert due(dialing, 1.0) == [URL]


def test_the_next_look_is_at_the_next_target() -> None:
    dialing = plan()
    assert dialing.next_due(0.0) is None
    dialing.want(target(Kind.MEMBER, due=9.0))
    dialing.want(target(Kind.MEMBER, "ws://b/ws", due=4.0))
    assert dialing.next_due(0.0) == 4.0
    assert due(dialing, 9.0) == ["ws://b/ws", URL]
    assert dialing.next_due(9.0) is None
    dialing.opened(URL)
    assert dialing.next_due(9.0) is None


def test_what_is_not_known_is_ignored() -> None:
    dialing = plan()
    dialing.opened(URL)
    dialing.expect(URL, "a")
    dialing.settled("a")
    dialing.unsettled(URL, "a", 0.0)
    dialing.lost("a", 0.0)
    dialing.forget("a", 0.0, active=0)
    assert len(dialing) == 0
