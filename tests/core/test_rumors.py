"""How news of members is told (M5, M2)."""

from typing import Any

from gossip.core.config import Limits
from gossip.core.events import DialFailed, IncarnationKept
from gossip.core.rumors import FANOUT
from tests.support.core import Subject, closed, sent
from tests.support.crowd import filled
from tests.support.frames import WALL, endpoint, heartbeat, message
from tests.support.news import named, news, told, unlinked, without_buried


def test_m5_what_news_changed_is_passed_on_and_what_it_did_not_is_not() -> None:
    subject = unlinked()
    subject.joined(3, "c")
    for _ in range(2):
        subject.receive(1, news("a", ["b", WALL, "suspect"]))
    assert told(subject.wait(0.1), 3) == [["b", WALL, "suspect"]]
    subject.receive(1, news("a", ["b", WALL, "suspect"], ["x", WALL, "dead"]))
    assert told(subject.wait(0.1), 3) == []


def test_m2_an_accusation_is_handed_to_a_linked_member_and_changes_nothing() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.joined(2, "b")
    effects = subject.receive(1, news("a", ["b", WALL, "dead"])) + subject.wait(0.1)
    assert told(effects, 2) == [["b", WALL, "suspect"]]
    assert told(effects, 1) == []
    assert (subject.statuses(), closed(effects)) == ({"a": "active", "b": "active"}, {})
    assert told(subject.wait(0.1)) == []


def test_m2_a_refuted_accusation_is_not_handed_over_again() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.joined(2, "b")
    subject.receive(2, heartbeat("b", incarnation=WALL + 5))
    subject.wait(0.1)
    effects = subject.receive(1, news("a", ["b", WALL, "suspect"])) + subject.wait(0.1)
    assert told(effects, 2) == []


def test_m5_a_suspicion_of_ours_goes_out_at_once_then_rides_on_heartbeats() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.joined(2, "b")
    subject.lose(2)
    subject.wait(0.1)
    subject.handle(DialFailed(endpoint("b"), refused=True))
    assert told(subject.wait(0.03), 1) == [["b", WALL, "suspect"]]
    # Twice for a cluster of three: log2 of it.
    assert told(subject.hear(35, a=1), 1) == [["b", WALL, "suspect"]]


def test_m5_in_a_crowd_news_goes_to_some_at_once_and_to_all_with_heartbeats() -> None:
    subject = filled(12)
    subject.wait(1.0)
    subject.receive(1, news("a", ["m20", WALL, "suspect"]))
    effects = subject.wait(0.1)
    links = {1, 2, *range(10, 22)}
    first = [link for link in links if ["m20", WALL, "suspect"] in told(effects, link)]
    assert len(first) == FANOUT
    effects = subject.hear(20, a=1, b=2, **{f"m{number}": 10 + number for number in range(12)})
    assert all(["m20", WALL, "suspect"] in told(effects, link) for link in links)


def test_m1_a_refutation_goes_out_on_all_links_at_once() -> None:
    """Nobody believes it from another peer as fast as from who made it."""
    subject = filled(12)
    subject.wait(1.0)
    subject.receive(1, news("a", ["0xme", WALL, "suspect"]))
    subject.handle(IncarnationKept(WALL + 1))
    effects = subject.wait(0.03)
    said = [
        [frame["data"]["incarnation"] for frame in sent(effects, link) if _is_heartbeat(frame)]
        for link in (1, 2, *range(10, 22))
    ]
    assert said == [[WALL + 1]] * 14


def _is_heartbeat(frame: dict[str, Any]) -> bool:
    return bool(frame["type"] == "heartbeat")


def test_m5_a_planned_stop_and_a_removal_are_told() -> None:
    subject = Subject(dial_backoff_max=1e6)
    for link, node_id in enumerate("abc", start=1):
        subject.joined(link, node_id)
    subject.receive(2, message("leave", "b", {"reason": "shutdown"}, 5))
    assert told(subject.wait(0.1), 1) == [["b", WALL, "left"]]
    subject.lose(3)
    subject.wait(0.1)
    subject.handle(DialFailed(endpoint("c"), refused=True))
    effects = subject.hear(70, a=1)
    assert ["c", WALL, "suspect"] in told(effects, 1)
    assert ["c", WALL, "dead"] in told(effects, 1)


def test_m5_a_newcomer_is_announced_by_name_and_no_news() -> None:
    subject = Subject()
    subject.joined(1, "a")
    effects = subject.joined(2, "b") + subject.wait(0.1)
    assert told(effects) == []


def test_m5_a_later_life_is_told() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.joined(2, "b")
    subject.lose(2)
    subject.joined(3, "b", incarnation=WALL + 7)
    assert told(subject.wait(0.1), 1) == [["b", WALL + 7, "alive"]]


def test_m5_many_news_go_out_in_heartbeats_of_eight() -> None:
    subject = Subject(
        heartbeat_interval=3_600.0, suspicion_timeout=20.0, cleanup_timeout=7_200.0, mesh=100
    )
    subject.joined(1, "a")
    for number in range(20):
        subject.joined(10 + number, f"b{number:02}")
    effects = []
    for _ in range(22):
        effects += subject.wait(1.0) + subject.receive(1, heartbeat("a"))
    frames = [frame for frame in sent(effects, 1) if frame["type"] == "heartbeat"]
    assert [len(frame["data"].get("news", ())) for frame in frames] == [8, 8, 4]


def test_the_news_that_waits_is_bounded() -> None:
    limits = Limits(rumors=3)
    subject = Subject(limits=limits, suspicion_timeout=20.0, heartbeat_interval=3_600.0)
    subject.joined(1, "a")
    for number in range(10):
        subject.joined(10 + number, f"b{number}")
    effects = []
    for _ in range(22):
        effects += subject.wait(1.0) + subject.receive(1, heartbeat("a"))
    assert len(told(effects, 1)) == 3


def test_w8_a_heartbeat_that_only_brings_news_says_nothing_of_roots() -> None:
    subject = unlinked()
    subject.wait(0.1)
    subject.handle(DialFailed(endpoint("b"), refused=True))
    [frame] = sent(subject.wait(0.1), 1)
    assert frame["data"].keys() == {"timestamp", "status", "version", "incarnation", "news"}
    pulls = subject.node.stats.pulls
    subject.receive(1, frame | {"from": "a", "messageId": "other"})
    assert subject.node.stats.pulls == pulls


def test_m5_who_was_buried_and_returns_in_a_later_life_is_told() -> None:
    subject = without_buried("b")
    effects = subject.joined(3, "b", incarnation=WALL + 1) + subject.wait(0.1)
    assert told(effects, 1) == [["b", WALL + 1, "alive"]]


def test_plain_peers_are_not_told_of_news_of_them() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.plain(2, "p")
    effects = subject.receive(1, news("a", ["p", WALL, "suspect"])) + subject.wait(0.1)
    assert told(effects, 2) == []


def test_what_is_told_of_the_buried_is_bounded_too() -> None:
    subject = Subject(limits=Limits(rumors=3))
    subject.joined(1, "a")
    names = [f"n{number}" for number in range(8)]
    subject.receive(1, named("a", *names))
    subject.receive(1, news("a", *([name, WALL, "suspect"] for name in names)))
    subject.hear(75, a=1)
    assert subject.statuses() == {"a": "active"}
    effects = subject.receive(1, named("a", *names)) + subject.wait(0.1)
    assert len(told(effects, 1)) == 3
