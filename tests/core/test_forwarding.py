"""Messages seen before, and messages passed on (R3, R4, W9)."""

from typing import Any

import pytest

from gossip.core.config import Limits
from gossip.core.entries import Entry
from gossip.core.events import (
    LinkBlocked,
    LinkId,
)
from tests.support.core import (
    ME,
    Subject,
    kinds,
    sent,
)
from tests.support.frames import WALL, Frame, exchange, heartbeat, join, message, names, sync


def mesh(**changes: Any) -> Subject:
    """A node with two extended peers, a on link 1 and b on link 2."""
    subject = Subject(**changes)
    subject.joined(1, "a")
    subject.joined(2, "b")
    return subject


# Seen before


def test_r3_a_message_counts_once_whatever_link_it_came_on() -> None:
    subject = mesh()
    frame = heartbeat("a")
    subject.receive(1, frame)
    subject.receive(1, frame)
    subject.receive(2, frame)
    assert subject.node.members()[0].heartbeat_count == 1
    assert subject.node.stats.duplicates >= 1


def test_r3_an_id_enters_the_history_only_with_a_valid_message() -> None:
    subject = mesh()
    frame = sync("a", Entry("k", 1, b"1"))
    subject.receive(1, frame | {"data": "no array"})
    subject.receive(1, frame | {"type": "unknown"})
    subject.receive(1, join("x") | {"messageId": frame["messageId"]})
    subject.receive(1, frame)
    assert subject.value("k") == b"1"


def test_r3_data_cannot_evict_what_is_known_of_control_messages() -> None:
    subject = mesh(max_message_history=10)
    first, leave = sync("a"), message("leave", "x", {"reason": "x"}, 3)
    subject.receive(1, first)
    assert kinds(subject.receive(1, leave), 2) == ["leave"]
    for _ in range(10):
        subject.receive(1, sync("a"))
    assert subject.node.stats.duplicates == 0
    assert subject.receive(1, leave) == []
    assert subject.node.stats.duplicates == 1
    subject.receive(1, first)
    assert subject.node.stats.duplicates == 1


def test_r3_control_messages_have_a_bound_of_their_own() -> None:
    subject = mesh(limits=Limits(history_control=5))
    leave = message("leave", "x", {"reason": "x"}, 3)
    subject.receive(1, leave)
    for _ in range(5):
        subject.receive(1, heartbeat("a"))
    assert kinds(subject.receive(1, leave), 2) == ["leave"]


def test_r3_ids_are_forgotten_by_our_clock_alone() -> None:
    subject = mesh(cleanup_timeout=60.0)
    leave = message("leave", "x", {"reason": "x"}, 3, timestamp=1)
    subject.receive(1, leave)
    for _ in range(3):
        assert subject.receive(1, leave) == []
        subject.wait(20.0)
        subject.receive(1, heartbeat("a"))
        subject.receive(2, heartbeat("b"))
    assert kinds(subject.receive(1, leave), 2) == ["leave"]


# Forwarding


@pytest.mark.parametrize(
    ("ttl", "hops_left"),
    [(1, 0), (2, 1), (5, 4), (6, 4), (255, 4)],
)
def test_r4_what_is_forwarded_has_one_hop_less_of_at_most_ours(ttl: int, hops_left: int) -> None:
    subject = mesh()
    effects = subject.receive(1, message("leave", "x", {"reason": "x"}, ttl, extra=[1]))
    [copy] = sent(effects)
    assert (copy["ttl"], copy["from"], copy["extra"]) == (hops_left, "x", [1])


@pytest.mark.parametrize("ttl", [0, 256, -1, 0.5, 1e9, "7", True, None])
def test_r4_what_is_no_number_of_hops_is_not_forwarded(ttl: object) -> None:
    subject = mesh()
    assert sent(subject.receive(1, message("leave", "x", {"reason": "x"}, ttl))) == []


def test_r4_never_back_nor_to_another_socket_of_that_peer_nor_to_whom_it_is_about() -> None:
    subject = Subject(fanout=9)
    for link in (1, 2):
        subject.plain(link, "p")
    subject.plain(3, "q")
    subject.plain(4, "r")
    effects = subject.receive(1, message("leave", "q", {"reason": "x"}, 3))
    assert [link for link in (1, 2, 3, 4) if sent(effects, link)] == [4]


@pytest.mark.parametrize(
    "forged",
    [
        message("leave", ME, {"reason": "x"}, 3),
        join(ME, ttl=3, incarnation=WALL + 9, gossipEndpoint="ws://evil.example/ws"),
    ],
    ids=["leave", "join"],
)
def test_r4_never_in_our_own_name_for_from_us_it_would_be_believed(forged: Frame) -> None:
    subject = mesh()
    assert sent(subject.receive(1, forged)) == []
    assert subject.refused["own-name"] == 1


def test_r4_at_most_fanout_and_no_link_that_is_blocked() -> None:
    subject = Subject(fanout=2)
    for number in range(1, 7):
        subject.joined(number, f"n{number}")
    subject.receive(1, message("leave", "x", {"reason": "x"}, 3))
    assert subject.node.stats.forwarded == 2
    for number in range(2, 7):
        subject.handle(LinkBlocked(LinkId(number)))
    assert sent(subject.receive(1, message("leave", "y", {"reason": "x"}, 3))) == []


def test_r4_some_frames_are_never_forwarded() -> None:
    subject = mesh()
    subject.plain(3, "p")
    for frame in (heartbeat("x", ttl=1), exchange("p", "root") | {"ttl": 5}, names("p", [])):
        assert sent(subject.receive(3, frame)) == []


@pytest.mark.parametrize(
    "frame",
    [
        b'{"type":"leave","from":"x","data":{},"messageId":"m","ttl":3,"\xff":1}',
        b'{"type":"leave","from":"x","data":"\xff","messageId":"m","ttl":3}',
        b'{"type":"leave","from":"x","data":{},"messageId":"m","ttl":3,"x":%b}'
        % (b"[" * 40 + b"]" * 40),
        b'{"type":"leave","from":"x","data":{"a":"%b"},"messageId":"m","ttl":3}' % (b"x" * 256_000),
    ],
    ids=lambda frame: ascii(frame)[:70],
)
def test_w9_what_would_harm_is_not_passed_on(frame: bytes) -> None:
    subject = mesh()
    assert sent(subject.receive(1, frame)) == []
