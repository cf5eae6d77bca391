"""Silence, suspicion, removal, leaving (M3, M6, M8, L3, W8)."""

import pytest

from gossip.core.effects import NoticeKind
from gossip.core.events import DialFailed
from tests.support.core import (
    Subject,
    closed,
    dials,
    forgotten,
    notices,
    pushed,
    remembered,
    sent,
)
from tests.support.frames import WALL, endpoint, heartbeat, message, names
from tests.support.news import told

# Silence


def test_m4_who_was_stopped_reads_first_and_judges_then() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.joined(2, "b")
    subject.wait(1.5)
    subject.monotonic += 40.0
    effects = subject.wait(0.0)
    effects += subject.receive(1, heartbeat("a", timestamp=subject.wall))
    assert (closed(effects), notices(effects)) == ({}, [])
    assert closed(subject.wait(2.0)) == {2: 4408}


@pytest.mark.parametrize("fraction", [0.01, 0.3, 0.6, 0.99])
def test_m4_who_was_stopped_has_time_to_read(fraction: float) -> None:
    """The look behind the first one does not follow at once, whenever we wake up."""
    subject = Subject()
    subject.joined(1, "a")
    subject.hear(5, a=1)
    stopped_for = subject.timers["tick"].at - subject.monotonic + 300 + fraction
    subject.monotonic += stopped_for
    assert closed(subject.wait(0.45)) == {}


def test_m3_a_silent_link_is_closed_and_its_member_suspected_when_its_address_is_dead() -> None:
    subject = Subject()
    subject.joined(1, "a")
    effects = subject.wait(31.0)
    assert closed(effects) == {1: 4408}
    effects += subject.lose(1, 4408) + subject.wait(0.1)
    assert dials(effects) == [endpoint("a")]
    subject.handle(DialFailed(endpoint("a"), refused=False))
    assert subject.statuses() == {"a": "suspected"}


def test_m3_silence_on_an_open_link_is_suspicion() -> None:
    subject = Subject(heartbeat_interval=20.0, suspicion_timeout=30.0)
    subject.joined(1, "a")
    effects = subject.wait(31.0)
    assert closed(effects) == {}
    assert subject.statuses() == {"a": "suspected"}
    assert (NoticeKind.PEER_SUSPECTED, "a") in notices(effects)
    effects = subject.receive(1, heartbeat("a"))
    assert subject.statuses() == {"a": "active"}
    assert notices(effects) == [(NoticeKind.PEER_REFUTED, "a")]


def test_m3_a_refused_redial_is_suspicion_at_once() -> None:
    subject = Subject()
    subject.joined(1, "a")
    assert dials(subject.lose(1) + subject.wait(0.1)) == [endpoint("a")]
    assert subject.statuses() == {"a": "active"}
    effects = subject.handle(DialFailed(endpoint("a"), refused=True))
    assert notices(effects) == [(NoticeKind.PEER_SUSPECTED, "a")]


def test_m3_the_dead_are_removed_and_get_one_dial_when_they_are_mentioned() -> None:
    subject = Subject(dial_backoff_max=1e6, lost_for=0.0)
    subject.joined(1, "a")
    subject.joined(2, "b")
    subject.lose(2)
    subject.wait(0.1)
    subject.handle(DialFailed(endpoint("b"), refused=True))
    effects = subject.hear(65, a=1)
    assert (NoticeKind.PEER_REMOVED, "b") in notices(effects)
    assert subject.statuses() == {"a": "active"}
    for url in dials(effects):
        subject.handle(DialFailed(url, refused=True))
    dialed = []
    for _ in range(3):
        effects = subject.receive(1, names("a", ["b"])) + subject.wait(2.0)
        dialed += dials(effects)
        for url in dials(effects):
            subject.handle(DialFailed(url, refused=True))
    assert dialed == [endpoint("b")]
    subject.joined(3, "b")
    assert subject.statuses() == {"a": "active", "b": "active"}


def test_m3_nobody_is_removed_before_the_cleanup_timeout() -> None:
    subject = Subject(suspicion_timeout=5.0, cleanup_timeout=40.0, heartbeat_interval=60.0)
    subject.joined(1, "a")
    subject.wait(39.0)
    assert subject.statuses() == {"a": "suspected"}
    subject.wait(2.0)
    assert subject.statuses() == {}


@pytest.mark.parametrize("plain", [True, False])
def test_m3_direct_contact_brings_the_removed_back(plain: bool) -> None:
    subject = Subject(suspicion_timeout=5.0, cleanup_timeout=10.0, heartbeat_interval=60.0)
    subject.plain(1, "a") if plain else subject.joined(1, "a")
    subject.wait(12.0)
    assert subject.statuses() == {}
    subject.receive(1, heartbeat("a", ttl=1 if plain else 0))
    assert subject.statuses() == {"a": "active"}
    assert pushed(subject.write("k", b"1"), 1) == ["k"]


def test_l3_a_plain_peer_is_judged_over_all_its_sockets() -> None:
    subject = Subject()
    subject.plain(1, "p")
    subject.plain(2, "p")
    for _ in range(10):
        assert closed(subject.wait(10.0)) == {}
        subject.receive(2, heartbeat("p", ttl=1))
    assert closed(subject.wait(31.0)) == {1: 4408, 2: 4408}


def test_l3_bytes_keep_a_link_alive() -> None:
    subject = Subject()
    subject.joined(1, "a")
    assert closed(subject.hear(120, a=1)) == {}


def test_l3_who_connects_and_says_nothing_is_closed() -> None:
    subject = Subject()
    subject.accept(1)
    assert closed(subject.wait(29.0)) == {}
    assert closed(subject.wait(2.0)) == {1: 4408}


def test_m8_a_member_that_nobody_can_dial_gets_two_heartbeats() -> None:
    subject = Subject()
    subject.joined(1, "a", gossipEndpoint=None)
    effects = subject.lose(1) + subject.wait(19.0)
    assert dials(effects) == []
    assert subject.statuses() == {"a": "active"}
    subject.wait(2.0)
    assert subject.statuses() == {"a": "suspected"}


# Leaving


def test_m6_who_leaves_is_inactive_and_not_suspected() -> None:
    subject = Subject()
    subject.joined(1, "a")
    effects = subject.receive(1, message("leave", "a", {"reason": "shutdown"}, 5))
    assert notices(effects) == [(NoticeKind.PEER_LEFT, "a")]
    assert forgotten(effects) == ["a"]
    assert dials(subject.lose(1, 1000) + subject.wait(30.0)) == []
    assert subject.statuses() == {"a": "inactive"}
    effects = subject.wait(40.0)
    assert notices(effects) == []
    assert subject.statuses() == {}


def test_m6_a_leave_that_a_relay_brought_first_counts_when_it_comes_itself() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.joined(2, "b")
    leave = message("leave", "a", {"reason": "shutdown"}, 5)
    subject.receive(2, leave)
    assert subject.statuses() == {"a": "active", "b": "active"}
    subject.receive(1, leave)
    assert subject.statuses() == {"a": "inactive", "b": "active"}


def test_m6_who_left_may_come_back() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.receive(1, message("leave", "a", {"reason": "shutdown"}, 5))
    subject.lose(1)
    effects = subject.joined(2, "a", incarnation=WALL + 1)
    assert notices(effects) == [(NoticeKind.PEER_JOINED, "a")]
    assert subject.statuses() == {"a": "active"}


def test_m6_who_did_not_leave_refutes_that_by_a_later_incarnation() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.receive(1, message("leave", "a", {"reason": "forged"}, 5))
    assert told(subject.wait(0.1), 1) == [["a", WALL, "left"]]
    subject.receive(1, heartbeat("a", incarnation=WALL))
    assert subject.statuses() == {"a": "inactive"}
    effects = subject.receive(1, heartbeat("a", incarnation=WALL + 1))
    assert notices(effects) == [(NoticeKind.PEER_JOINED, "a")]
    assert remembered(effects) == ["a"]
    assert subject.statuses() == {"a": "active"}


# Heartbeats


def test_w8_heartbeats_of_both_kinds() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.plain(2, "p")
    effects = subject.hear(10, a=1)
    [extended] = [frame for frame in sent(effects, 1) if frame["type"] == "heartbeat"]
    [plain] = [frame for frame in sent(effects, 2) if frame["type"] == "heartbeat"]
    assert (extended["ttl"], plain["ttl"]) == (0, 1)
    assert {"incarnation", "root", "mroot"} <= extended["data"].keys()
    assert plain["data"].keys() == {"timestamp", "status", "version"}
    assert subject.node.overview(subject.now).heartbeats_sent == 1


def test_m7_a_member_that_stays_is_stored_again_within_hours() -> None:
    subject = Subject()
    subject.joined(1, "a")
    assert remembered(subject.hear(3_590, a=1)) == []
    assert remembered(subject.hear(20, a=1)) == ["a"]
