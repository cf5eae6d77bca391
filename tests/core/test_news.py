"""What peers tell of members, and refutations (M1, M2, M3, M5, M8)."""

import pytest

from gossip.core.context import CloseCode
from gossip.core.effects import NoticeKind
from gossip.core.events import DialFailed, IncarnationKept
from tests.support.core import ME, Subject, dials, notices, remembered, sent
from tests.support.crowd import crowd
from tests.support.frames import (
    WALL,
    endpoint,
    exchange,
    heartbeat,
    join,
)
from tests.support.news import kept, news, told, unlinked, without_buried

DAY = 86_400_000
"""Milliseconds: the allowed skew."""


# Of a member that we hold no link to


def test_m3_an_unrefuted_suspicion_counts_of_a_member_without_a_link() -> None:
    subject = unlinked()
    effects = subject.receive(1, news("a", ["b", WALL, "suspect"]))
    assert notices(effects) == [(NoticeKind.PEER_SUSPECTED, "b")]
    assert subject.statuses() == {"a": "active", "b": "suspected"}


def test_m2_dead_from_a_third_party_is_a_suspicion() -> None:
    subject = unlinked()
    subject.receive(1, news("a", ["b", WALL, "dead"]))
    assert subject.statuses()["b"] == "suspected"


def test_m6_left_from_a_third_party_is_no_failure_and_can_be_refuted() -> None:
    subject = unlinked()
    effects = subject.receive(1, news("a", ["b", WALL, "left"]))
    assert notices(effects) == [(NoticeKind.PEER_LEFT, "b")]
    assert subject.statuses()["b"] == "inactive"
    subject.receive(1, news("a", ["b", WALL + 1, "alive"]))
    assert subject.statuses()["b"] == "active"


def test_m3_who_is_suspected_by_news_has_the_whole_time_before_it_is_removed() -> None:
    subject = unlinked()
    subject.hear(300, a=1)
    subject.receive(1, news("a", ["b", WALL, "suspect"]))
    subject.hear(55, a=1)
    assert subject.statuses() == {"a": "active", "b": "suspected"}
    subject.hear(10, a=1)
    assert subject.statuses() == {"a": "active"}


def test_m1_a_later_incarnation_refutes() -> None:
    subject = unlinked()
    subject.receive(1, news("a", ["b", WALL, "suspect"]))
    subject.receive(1, news("a", ["b", WALL, "alive"]))
    assert subject.statuses()["b"] == "suspected"
    effects = subject.receive(1, news("a", ["b", WALL + 1, "alive"]))
    assert notices(effects) == [(NoticeKind.PEER_REFUTED, "b")]
    assert subject.statuses()["b"] == "active"


@pytest.mark.parametrize(("count", "counts"), [(12, True), (30, False)], ids=["mesh", "crowd"])
def test_m1_that_a_later_life_is_alive_says_nothing_of_the_one_that_a_crowd_knows(
    count: int, *, counts: bool
) -> None:
    subject = crowd(count)
    subject.joined(50, "m1")
    subject.lose(50, CloseCode.ENOUGH)
    subject.receive(1, news("a", ["m1", WALL + 5, "alive", WALL]))
    subject.receive(1, news("a", ["m1", WALL + 9, "suspect"]))
    subject.receive(1, news("a", ["m1", WALL + 10, "alive", WALL + 1]))
    assert (subject.statuses()["m1"] == "active") == counts
    subject.receive(1, news("a", ["m1", WALL + 11, "alive", WALL]))
    assert subject.statuses()["m1"] == "active"


def test_m1_news_of_an_earlier_incarnation_says_nothing() -> None:
    subject = unlinked()
    subject.receive(1, news("a", ["b", WALL - 1, "suspect"]))
    assert subject.statuses()["b"] == "active"


ORDER = [
    (incarnation, standing) for incarnation in (WALL, WALL + 1) for standing in ("suspect", "left")
]
"""What there may be to tell of one member, each item later than the one before."""


@pytest.mark.parametrize(
    ("first", "second"), [(a, b) for a in ORDER for b in [*ORDER, (WALL + 1, "dead")]]
)
def test_m1_of_two_accusations_the_later_counts_in_whatever_order_they_come(
    first: tuple[int, str], second: tuple[int, str]
) -> None:
    subject = unlinked()
    for incarnation, standing in (first, second):
        subject.receive(1, news("a", ["b", incarnation, standing]))
    # From others, `dead` is no more than a suspicion (M2).
    incarnation, standing = max(first, (second[0], second[1].replace("dead", "suspect")), key=_rank)
    assert subject.statuses()["b"] == ("inactive" if standing == "left" else "suspected")
    assert subject.node.members()[1].record.incarnation == incarnation
    subject.receive(1, news("a", ["b", incarnation, "alive"]))
    assert subject.statuses()["b"] != "active"
    subject.receive(1, news("a", ["b", incarnation + 1, "alive"]))
    assert subject.statuses()["b"] == "active"


def _rank(item: tuple[int, str]) -> tuple[int, bool]:
    incarnation, standing = item
    return incarnation, standing == "left"


def test_m1_what_is_later_is_passed_on_and_what_is_known_is_not() -> None:
    subject = unlinked()
    subject.joined(3, "c")
    subject.wait(0.1)

    def passed_on(item: list[object]) -> list[list[object]]:
        return told(subject.receive(1, news("a", item)) + subject.wait(0.1), 3)

    for item in (["b", WALL, "suspect"], ["b", WALL, "left"], ["b", WALL + 1, "suspect"]):
        assert passed_on(item) == [item]
        assert passed_on(item) == []
    assert passed_on(["b", WALL, "left"]) == []


def test_m3_who_goes_on_accusing_does_not_keep_a_member_on_the_list() -> None:
    subject = unlinked()
    for later in range(14):
        subject.receive(1, news("a", ["b", WALL + later, "suspect"]))
        subject.hear(5, a=1)
    assert subject.statuses() == {"a": "active"}


def test_m3_a_suspected_life_after_one_that_left_has_the_whole_time() -> None:
    subject = unlinked()
    subject.receive(1, news("a", ["b", WALL, "left"]))
    subject.hear(55, a=1)
    subject.receive(1, news("a", ["b", WALL + 1, "suspect"]))
    subject.hear(55, a=1)
    assert subject.statuses() == {"a": "active", "b": "suspected"}
    subject.hear(10, a=1)
    assert subject.statuses() == {"a": "active"}


def test_m3_a_dial_that_fails_proves_nothing_while_a_peer_has_heard_from_it() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.joined(2, "b")
    subject.lose(2)
    subject.wait(0.1)
    subject.handle(DialFailed(endpoint("b"), refused=False))
    assert subject.statuses()["b"] == "suspected"
    subject.receive(1, news("a", ["b", WALL + 1, "alive"]))
    for url in dials(subject.hear(60, a=1)):
        subject.handle(DialFailed(url, refused=False))
    assert subject.statuses() == {"a": "active", "b": "active"}
    # Without whom it was heard from, our own dials are all there is.
    subject.lose(1)
    for url in dials(subject.wait(10)):
        subject.handle(DialFailed(url, refused=False))
    assert subject.statuses() == {"a": "suspected", "b": "suspected"}


def test_m1_a_join_of_a_later_life_ends_a_suspicion_by_news() -> None:
    subject = unlinked()
    subject.receive(1, news("a", ["b", WALL, "suspect"]))
    subject.accept(4)
    effects = subject.receive(4, join("b", incarnation=WALL + 1)) + subject.wait(0.1)
    assert subject.statuses()["b"] == "active"
    assert told(effects, 1) == [["b", WALL + 1, "alive"]]


@pytest.mark.parametrize("standing", ["suspect", "dead"])
def test_m1_what_a_member_said_can_be_doubted_whatever_its_clock(standing: str) -> None:
    subject = Subject(max_clock_skew=300.0)
    subject.joined(1, "a")
    ahead = WALL + 180_000
    subject.joined(2, "n", incarnation=ahead)
    subject.lose(2, CloseCode.ENOUGH)
    assert subject.statuses()["n"] == "active"
    subject.receive(1, news("a", ["n", ahead, standing]))
    assert subject.statuses()["n"] == "suspected"


def test_plain_peers_keep_no_incarnation_that_others_name() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.plain(2, "p")
    subject.lose(2)
    peer = {"id": "p", "gossipEndpoint": endpoint("p"), "incarnation": WALL}
    subject.receive(1, exchange("a", "members", peers=[peer]))
    assert [v.record.incarnation for v in subject.node.members()] == [WALL, 0]


# Of a member that we hold a link to


def test_m1_a_member_that_took_another_incarnation_is_passed_on() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.joined(2, "b")
    subject.receive(2, heartbeat("b", incarnation=WALL + 5))
    assert told(subject.wait(0.1), 1) == [["b", WALL + 5, "alive"]]
    assert subject.node.members()[1].record.incarnation == WALL + 5


def test_m1_a_plain_peer_that_comes_back_as_one_with_incarnations_is_passed_on() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.plain(2, "p")
    subject.lose(2)
    assert told(subject.joined(3, "p") + subject.wait(0.1), 1) == [["p", WALL, "alive"]]


def test_k3_with_its_incarnation_counts_again_what_a_member_said_of_itself() -> None:
    subject = Subject()
    subject.joined(1, "a")
    elsewhere = {"gossipEndpoint": endpoint("twin"), "region": "elsewhere"}
    subject.joined(2, "a", incarnation=WALL + 1, **elsewhere)
    subject.lose(2)
    assert subject.node.members()[0].record.gossip_endpoint == endpoint("twin")
    effects = subject.receive(1, heartbeat("a", incarnation=WALL + 2))
    record = subject.node.members()[0].record
    assert (record.gossip_endpoint, record.region) == (endpoint("a"), "local")
    assert record.incarnation == WALL + 2
    assert remembered(effects) == ["a"]
    # Nobody is told anything, nor the store, where it says what we know.
    assert remembered(subject.receive(1, heartbeat("a", incarnation=WALL + 3, life=WALL + 2))) == []


def test_k3_who_has_an_earlier_incarnation_than_we_know_is_told_of_it() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.joined(2, "a", incarnation=WALL + 1)
    subject.lose(2)
    assert told(subject.hear(20, a=1), 1)[-1] == ["a", WALL + 1, "alive"]
    subject.receive(1, heartbeat("a", incarnation=WALL))
    assert told(subject.wait(0.1), 1) == [["a", WALL + 1, "suspect"]]
    subject.receive(1, heartbeat("a", incarnation=WALL + 2))
    assert told(subject.wait(0.1), 1) == [["a", WALL + 2, "alive"]]


def test_k3_who_comes_from_another_address_in_the_same_life_takes_a_later_one() -> None:
    subject = Subject()
    subject.joined(1, "a")
    assert told(subject.joined(2, "a") + subject.wait(0.1)) == []
    effects = subject.joined(3, "a", gossipEndpoint=endpoint("twin")) + subject.wait(0.1)
    [handed] = [frame["data"] for frame in sent(effects, 3) if "peers" in frame["data"]]
    assert [peer["gossipEndpoint"] for peer in handed["peers"]] == [endpoint("a")]


def test_k3_a_new_life_that_was_heard_of_before_it_joined_is_no_other_node() -> None:
    subject = unlinked()
    subject.receive(1, news("a", ["b", WALL + 1, "alive"]))
    subject.hear(20, a=1)
    changes = {"version": "1.0.1", "gossipEndpoint": endpoint("elsewhere")}
    effects = subject.joined(3, "b", incarnation=WALL + 1, **changes) + subject.wait(0.1)
    assert told(effects) == []
    assert subject.node.members()[1].record.gossip_endpoint == endpoint("elsewhere")


def test_k3_an_incarnation_that_nobody_could_refute_is_not_handed_over() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.joined(2, "a", incarnation=WALL + DAY * 3 // 4)
    subject.lose(2)
    subject.wait(1.0)
    assert told(subject.receive(1, heartbeat("a", incarnation=WALL)) + subject.wait(0.1), 1) == []


def test_m1_later_incarnations_than_others_told_of_leave_no_room_for_earlier_lives() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.receive(1, heartbeat("a", incarnation=WALL + 9))
    subject.lose(1)
    subject.joined(2, "a", incarnation=WALL + 1, gossipEndpoint=endpoint("twin"))
    assert subject.node.members()[0].record.gossip_endpoint == endpoint("a")


def test_m2_a_member_speaks_for_itself_whatever_its_incarnation() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.receive(1, news("a", ["a", WALL, "suspect"], ["a", WALL + 9, "alive"]))
    assert subject.statuses() == {"a": "active"}
    assert subject.node.members()[0].record.incarnation == WALL


def test_plain_peers_are_no_subject_of_news() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.plain(2, "p")
    subject.lose(2)
    subject.receive(1, news("a", ["p", WALL, "suspect"]))
    assert subject.statuses()["p"] == "active"
    subject.wait(0.1)
    subject.handle(DialFailed(endpoint("p"), refused=True))
    assert subject.statuses()["p"] == "suspected"
    assert told(subject.wait(0.1)) == []


def test_r6_a_plain_link_brings_no_news() -> None:
    subject = unlinked()
    subject.plain(3, "p")
    subject.receive(3, news("p", ["b", WALL, "suspect"], ttl=1))
    assert subject.statuses()["b"] == "active"


# What we tell


# Of ourselves


def test_m1_a_refutation_is_durable_before_it_is_told() -> None:
    subject = Subject()
    subject.joined(1, "a")
    effects = subject.receive(1, news("a", [ME, WALL, "suspect"])) + subject.wait(1.0)
    assert kept(effects) == [WALL + 1]
    assert {
        frame["data"]["incarnation"]
        for frame in sent(subject.hear(10, a=1), 1)
        if frame["type"] == "heartbeat"
    } == {WALL}
    effects = subject.handle(IncarnationKept(WALL + 1)) + subject.wait(0.03)
    [frame] = sent(effects, 1)
    assert (frame["type"], frame["data"]["incarnation"]) == ("heartbeat", WALL + 1)
    assert subject.node.stats.refutations == 1


def test_m1_a_refutation_is_no_earlier_than_the_clock() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.wait(5.0)
    assert kept(subject.receive(1, news("a", [ME, WALL, "dead"]))) == [subject.wall]


@pytest.mark.parametrize(
    "item",
    [[ME, WALL - 1, "suspect"], [ME, WALL, "alive"], [ME, WALL + 9, "alive"]],
)
def test_m1_what_accuses_nobody_is_not_refuted(item: list[object]) -> None:
    subject = Subject()
    subject.joined(1, "a")
    effects = subject.receive(1, news("a", item)) + subject.wait(2.0)
    assert kept(effects) == []


def test_m1_we_refute_what_is_said_of_our_own_life_whatever_our_clock() -> None:
    subject = Subject(max_clock_skew=300.0)
    subject.joined(1, "a")
    subject.skew = -400_000
    assert kept(subject.receive(1, news("a", [ME, WALL, "suspect"]))) == [WALL + 1]


def test_m1_refutations_are_no_more_than_one_a_second() -> None:
    subject = Subject()
    subject.joined(1, "a")
    incarnations = list[int]()
    for _ in range(100):
        current = subject.own().incarnation
        effects = subject.receive(1, news("a", [ME, current, "suspect"])) + subject.wait(0.1)
        for incarnation in kept(effects):
            incarnations.append(incarnation)
            subject.handle(IncarnationKept(incarnation))
    assert 9 <= len(incarnations) <= 11
    assert incarnations == sorted(set(incarnations))


@pytest.mark.parametrize(
    ("standing", "ahead", "taken"),
    [
        ("suspect", DAY // 2, True),
        ("suspect", DAY // 2 + 1, False),
        ("alive", DAY // 2, True),
        ("alive", DAY // 2 + 1, False),
    ],
)
def test_m1_incarnations_of_the_future_are_refused(standing: str, ahead: int, taken: bool) -> None:
    subject = unlinked()
    if standing == "alive":
        subject.receive(1, news("a", ["b", WALL, "suspect"]))
    before = subject.statuses()["b"]
    subject.receive(1, news("a", ["b", subject.wall + ahead, standing]))
    assert (subject.statuses()["b"] != before) is taken
    assert subject.refused["incarnation"] == (0 if taken else 1)


def test_m1_an_incarnation_of_the_future_on_its_own_link_is_refused() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.receive(1, heartbeat("a", incarnation=WALL + DAY + 1))
    assert subject.refused["incarnation"] == 1
    assert subject.node.members()[0].record.incarnation == WALL


def test_m1_who_returns_refutes_what_others_were_told_of_it() -> None:
    subject = Subject(heartbeat_interval=20.0, suspicion_timeout=30.0)
    subject.joined(1, "a")
    subject.wait(31.0)
    assert subject.statuses() == {"a": "suspected"}
    effects = subject.receive(1, heartbeat("a")) + subject.wait(0.1)
    assert told(effects, 1) == [["a", WALL, "suspect"]]


def test_m1_who_was_buried_and_returns_in_the_same_life_refutes_it() -> None:
    subject = without_buried("b")
    effects = subject.joined(3, "b", incarnation=WALL) + subject.wait(0.1)
    assert (told(effects, 1), told(effects, 3)) == ([], [["b", WALL, "suspect"]])


# Malformed


@pytest.mark.parametrize(
    "item",
    [
        ["b", WALL],
        ["b", WALL, "alive", WALL + 1],
        ["b", WALL, "alive", "5"],
        ["b", WALL, "alive", 0],
        ["b", WALL, "alive", WALL, WALL],
        ["b", True, "suspect"],
        ["b", "5", "suspect"],
        ["b", WALL, "ill"],
        ["b", WALL, ["suspect"]],
        [7, WALL, "suspect"],
        ["", WALL, "suspect"],
        ["b" * 257, WALL, "suspect"],
        {"b": 1},
        None,
    ],
)
def test_r5_malformed_items_are_counted(item: object) -> None:
    subject = unlinked()
    subject.receive(1, news("a", item))
    assert subject.statuses() == {"a": "active", "b": "active"}
    assert subject.refused["news"] == 1


def test_w8_a_ninth_item_is_not_looked_at() -> None:
    subject = unlinked()
    others = [["x", WALL, "dead"]] * 8
    subject.receive(1, news("a", *others, ["b", WALL, "suspect"]))
    assert subject.statuses()["b"] == "active"
    assert subject.refused["news"] == 1
